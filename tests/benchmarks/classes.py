"""`python -m tests.benchmarks.classes`: five classes, sampled and corrected, on made data.

200,000 rows to sample from and as many to test on, of a multinomial logistic model with classes of
65%, 21%, 10%, 3% and 0.6%. The share difference is the sum over the classes of |mean predicted -
observed share| of the test rows.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rebalance.core.design import Budget
from rebalance.learners.base import Settings
from rebalance.steps.classes.evaluate import ClassEvaluation
from rebalance.steps.context import Context
from rebalance.steps.evaluate import evaluate
from rebalance.steps.pilot import pilot
from rebalance.steps.predict import predict
from rebalance.steps.sample import Asked, sample
from rebalance.steps.train import train
from rebalance.steps.train_task import TrainAsked
from tests.benchmarks.contest import ROOT, replace_table

GUIDE = ROOT / "rebalance" / "guide" / "classes.md"
ROWS = 200_000
SEEDS = 4
LABEL = "kind"
VALUES = ("a", "b", "c", "d", "e")
INTERCEPTS = np.array([3.2, 1.95, 1.0, -0.2, -1.9])
SLOPES = np.array(
    [[0.6, 0.1, -0.4, -0.3, 0.5], [-0.4, 0.3, 0.2, -0.1, 0.6], [0.1, -0.3, 0.2, 0.5, -0.4]]
)


@dataclass(frozen=True)
class Way:
    """One way to train: neither `rate` nor `rows` is all rows."""

    name: str
    model: str
    rate: float | None = None
    rows: int | None = None
    guided: bool = True
    correction: str = "offset"


WAYS = (
    Way("everything, logistic", "logistic"),
    Way("everything, gbm", "gbm"),
    Way("10%, logistic, offset", "logistic", 0.1),
    Way("10%, logistic, weights", "logistic", 0.1, correction="weight"),
    Way("10%, logistic, post-hoc", "logistic", 0.1, correction="posthoc"),
    Way("10%, gbm, offset", "gbm", 0.1),
    Way("10%, gbm, weights", "gbm", 0.1, correction="weight"),
    Way("10%, gbm, post-hoc", "gbm", 0.1, correction="posthoc"),
    Way("10% uniform, logistic, offset", "logistic", 0.1, guided=False),
    Way("20,000 balanced rows, logistic, offset", "logistic", rows=20_000),
    Way("20,000 balanced rows, gbm, offset", "gbm", rows=20_000),
    Way("20,000 balanced rows, gbm, weights", "gbm", rows=20_000, correction="weight"),
)


def population(seed: int) -> pa.Table:
    """Three normal features and the class of every row."""
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((ROWS, 3))
    scores = INTERCEPTS + x @ SLOPES
    codes = (scores + generator.gumbel(size=scores.shape)).argmax(axis=1)
    kinds = pa.array(np.array(VALUES)[codes].tolist())
    return pa.table({"x1": x[:, 0], "x2": x[:, 1], "x3": x[:, 2], LABEL: kinds})


def measured(folder: Path, way: Way, seed: int) -> tuple[int, float, float]:
    """Rows trained on, log loss and share difference on the test rows."""
    context = Context()
    training, model = str(folder / "train.parquet"), str(folder / "model.rbl")
    source, whole = training, way.rate is None and way.rows is None
    if not whole:
        source, guide = str(folder / "sample.parquet"), str(folder / "pilot.rbl")
        pilot([training], LABEL, guide, model="logistic", seed=seed, context=context)
        rates = dict.fromkeys(VALUES, way.rate) if way.rate is not None else None
        asked = Asked(
            [training],
            source,
            Budget(rows=way.rows),
            pilot=guide,
            method="nonuniform" if way.guided else "uniform",
            seed=seed,
            class_rates=rates,
        )
        sample(asked, context)
    fit = TrainAsked(
        [source],
        model,
        model=way.model,
        natural=whole,
        label=LABEL if whole else None,
        correction=None if whole else way.correction,
        settings=Settings(seed=seed),
    )
    rows = train(fit, context).rows
    predicted = str(folder / "predicted.parquet")
    predict([str(folder / "test.parquet")], model, predicted, context=context)
    found = evaluate([predicted], LABEL, context=context)
    assert isinstance(found, ClassEvaluation)
    overall = found.figures.overall
    return rows, overall["log_loss"], overall["share_difference"]


def spread(values: list[float], form: str) -> str:
    """The least and the greatest, or the one there is."""
    least, most = (format(bound, form) for bound in (min(values), max(values)))
    return least if least == most else f"{least} to {most}"


def lines(ways: Iterator[Way]) -> Iterator[list[str]]:
    """A line of the table for every way, over the seeds of what is drawn."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part, seed in (("train", 1), ("test", 2)):
            pq.write_table(population(seed), folder / f"{part}.parquet")
        for way in ways:
            seeds = range(1 if way.rate is None and way.rows is None else SEEDS)
            rows, losses, shares = zip(
                *(measured(folder, way, seed) for seed in seeds), strict=True
            )
            yield [
                way.name,
                f"{np.mean(rows):,.0f}",
                spread(list(losses), ".5f"),
                spread(list(shares), ".2%"),
            ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="the ways whose names begin so")
    parser.add_argument("--write", action="store_true", help="put the table into the guide")
    chosen = parser.parse_args()
    table = "| trained on | rows | log loss | share difference |\n| --- | ---: | ---: | ---: |\n"
    print(table, end="")
    for cells in lines(way for way in WAYS if way.name.startswith(chosen.only)):
        line = f"| {' | '.join(cells)} |\n"
        print(line, end="", flush=True)
        table += line
    if chosen.write:
        replace_table(GUIDE, "classes", table)


if __name__ == "__main__":
    main()
