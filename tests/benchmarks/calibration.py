"""`python -m tests.benchmarks.calibration`: flights, where a linear model is wrong.

Five seeded stratified 70/30 splits. Each model is fitted to a sample and measured on the untouched
test rows as it is, and again after a recalibration on the natural training table. `--model gbm`
asks the same of a model that is flexible enough.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rebalance.core.correction import probability
from rebalance.core.design import Budget
from rebalance.core.labels import is_positive
from rebalance.core.metrics import score
from rebalance.learners.base import Settings
from rebalance.steps.artifacts.model import Model, read_model
from rebalance.steps.context import Context
from rebalance.steps.pilot import pilot
from rebalance.steps.recalibrate import Wanted
from rebalance.steps.sample import Asked, sample
from rebalance.steps.split import split
from rebalance.steps.train import train
from rebalance.steps.train_task import TrainAsked
from rebalance.storage.inputs import open_table
from tests.benchmarks.contest import FLIGHTS, LABEL, ROOT, replace_table

GUIDE = ROOT / "rebalance" / "guide" / "calibration.md"
SPLITS = 5
NONE = "none"


@dataclass(frozen=True)
class Way:
    """One way to train: `rate` None is all rows; `pilot` None is uniform sampling."""

    name: str
    rate: float | None = None
    pilot: str | None = None
    correction: str = "offset"
    methods: tuple[str, ...] = ("platt",)


WAYS = {
    "logistic": (
        Way("all rows"),
        Way("2% nonuniform, logistic pilot", 0.02, "logistic",
            methods=("intercept", "platt", "beta", "isotonic")),
        Way("2% nonuniform, logistic pilot, weights", 0.02, "logistic", "weight"),
        Way("2% nonuniform, gbm pilot", 0.02, "gbm"),
        Way("2% nonuniform, gbm pilot, weights", 0.02, "gbm", "weight"),
        Way("2% uniform", 0.02),
        Way("5% nonuniform, logistic pilot", 0.05, "logistic"),
        Way("5% uniform", 0.05),
        Way("20% nonuniform, logistic pilot", 0.2, "logistic"),
    ),
    "gbm": (
        Way("2% nonuniform, gbm pilot", 0.02, "gbm", methods=("intercept", "platt")),
        Way("5% nonuniform, logistic pilot", 0.05, "logistic", methods=("intercept", "platt")),
        Way("5% nonuniform, gbm pilot", 0.05, "gbm", methods=("intercept", "platt")),
    ),
}  # fmt: skip
HEADINGS = (
    "trained on", "recalibrated", "predicted / observed", "over the splits", "slope", "log loss",
    "over the splits",
)  # fmt: skip
Found = dict[str, float]


def measured(model: Model, path: str) -> tuple[Found, Found]:
    """The metrics on a table, as the model is and recalibrated."""
    table = open_table([path])
    parts = [
        (is_positive(batch.column(LABEL), model.label), model.own_log_odds(batch))
        for batch in table.batches()
    ]
    y_true, own = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    recalibrated = model.recalibrated(own)
    return score(y_true, probability(own)), score(y_true, probability(recalibrated))


def one_split(
    folder: Path, model: str, ways: Sequence[Way], seed: int, held_out: bool
) -> Iterator[tuple[str, str, Found]]:
    """The way, the recalibration, and the metrics on the test rows."""
    context = Context()
    names = ["train", "test", *(["validation"] if held_out else [])]
    paths = {name: str(folder / f"{name}.parquet") for name in names}
    split(
        [str(FLIGHTS)],
        LABEL,
        list(paths.values()),
        test=0.3,
        validation=0.15 if held_out else None,
        seed=seed,
        context=context,
    )
    on = (paths["validation" if held_out else "train"],)
    training, artifact = paths["train"], str(folder / "model.rbl")
    for kind in sorted({way.pilot for way in ways if way.pilot}):
        guide = str(folder / f"{kind}.rbl")
        pilot([training], LABEL, guide, model=kind, seed=seed, context=context)
    for way in ways:
        source = training
        if way.rate is not None:
            source = str(folder / "sample.parquet")
            guide = str(folder / f"{way.pilot}.rbl") if way.pilot else None
            budget = Budget(rate=way.rate)
            asked = Asked([training], source, budget, pilot=guide, label=LABEL, seed=seed)
            sample(asked, context)
        for method in way.methods:
            train(
                TrainAsked(
                    [source],
                    artifact,
                    model=model,
                    natural=way.rate is None,
                    correction=None if way.rate is None else way.correction,
                    label=LABEL,
                    settings=Settings(seed=seed),
                    wanted=Wanted(on, method),
                ),
                context,
            )
            before, after = measured(read_model(artifact), paths["test"])
            if method == way.methods[0]:
                yield way.name, NONE, before
            yield way.name, method, after


def line(name: str, method: str, found: Sequence[Found]) -> list[str]:
    """The means over the splits, and how far they spread."""
    over = [one["predicted_over_observed"] for one in found]
    loss = [one["log_loss"] for one in found]
    slope = [one["calibration_slope"] for one in found]
    return [
        name,
        method,
        f"{statistics.mean(over):.3f}",
        f"{min(over):.3f} to {max(over):.3f}",
        f"{statistics.mean(slope):.3f}",
        f"{statistics.mean(loss):.5f}",
        f"{min(loss):.5f} to {max(loss):.5f}",
    ]


def main() -> None:
    """Print the table of one model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=[*WAYS], default="logistic")
    parser.add_argument(
        "--held-out",
        action="store_true",
        help="calibrate on 15%% of the rows that were not trained on, not on the training table",
    )
    parser.add_argument("--only", default="", help="the ways whose names begin so")
    parser.add_argument("--splits", type=int, default=SPLITS)
    parser.add_argument("--write", action="store_true", help="put the table into the guide")
    chosen = parser.parse_args()
    ways = [way for way in WAYS[chosen.model] if way.name.startswith(chosen.only)]
    found: dict[tuple[str, str], list[Found]] = defaultdict(list)
    for seed in range(chosen.splits):
        with tempfile.TemporaryDirectory() as folder:
            for name, method, metrics in one_split(
                Path(folder), chosen.model, ways, seed, chosen.held_out
            ):
                found[name, method].append(metrics)
    lines = [list(HEADINGS), ["---", "---", *["---:"] * (len(HEADINGS) - 2)]]
    lines += [line(name, method, metrics) for (name, method), metrics in found.items()]
    table = "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
    print(table)
    if chosen.write:
        replace_table(GUIDE, f"calibration of {chosen.model}", table)


if __name__ == "__main__":
    main()
