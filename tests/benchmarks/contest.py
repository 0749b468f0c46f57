"""Ways to train on flights, each measured on the same untouched test rows."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rebalance.core.design import Budget
from rebalance.learners.base import Settings
from rebalance.steps.context import Context
from rebalance.steps.evaluate import evaluate
from rebalance.steps.pilot import pilot
from rebalance.steps.predict import predict
from rebalance.steps.ready import Asked
from rebalance.steps.sample import sample
from rebalance.steps.split import split
from rebalance.steps.train import train
from rebalance.steps.train_task import TrainAsked

LABEL = "late"
ROOT = Path(__file__).resolve().parents[2]
FLIGHTS = ROOT / "sample_data" / "flights.parquet"


@dataclass(frozen=True)
class Way:
    """One way to train: `rate` None is all rows; `pilot` None is uniform sampling."""

    name: str
    rate: float | None = None
    pilot: str | None = None
    correction: str = "offset"
    corrected: bool = True


@dataclass(frozen=True)
class Outcome:
    """What one way came to on one split."""

    rows: int
    seconds: float
    metrics: Mapping[str, float]


EVERYTHING = Way("everything")
AT_FIVE_PERCENT = (
    Way("5% nonuniform, gbm pilot", 0.05, "gbm"),
    Way("5% nonuniform, logistic pilot", 0.05, "logistic"),
    Way("5% uniform, corrected", 0.05),
    Way("5% uniform, weights", 0.05, correction="weight"),
    Way("5% uniform, not corrected", 0.05, correction="posthoc", corrected=False),
)


def contest(
    folder: Path, ways: Sequence[Way], *, seed: int, test: float = 0.3, model: str = "gbm"
) -> dict[str, Outcome]:
    """Split flights, train each way, and measure; `folder` keeps the artifacts.

    The time is that of the whole `train` step: reading, encoding, finding the number of rounds,
    and the final fit. Pilots and samples are made before it.
    """
    context = Context()
    training, testing = str(folder / "train.parquet"), str(folder / "test.parquet")
    split([str(FLIGHTS)], LABEL, [training, testing], test=test, seed=seed, context=context)
    for kind in sorted({way.pilot for way in ways if way.pilot}):
        pilot(
            [training], LABEL, str(folder / f"{kind}.rbl"), model=kind, seed=seed, context=context
        )
    columns: dict[str, pa.ChunkedArray] = {}
    fits: dict[str, tuple[int, float]] = {}
    for number, way in enumerate(ways):
        source, artifact = training, str(folder / f"model{number}.rbl")
        if way.rate is not None:
            source = str(folder / f"sample{number}.parquet")
            guide = str(folder / f"{way.pilot}.rbl") if way.pilot else None
            budget = Budget(rate=way.rate)
            asked = Asked([training], source, budget, pilot=guide, label=LABEL, seed=seed)
            sample(asked, context)
        began = time.perf_counter()
        fitted = train(
            TrainAsked(
                [source],
                artifact,
                model=model,
                natural=way.rate is None,
                correction=None if way.rate is None else way.correction,
                label=LABEL,
                settings=Settings(seed=seed),
            ),
            context,
        )
        fits[way.name] = fitted.rows, time.perf_counter() - began
        scored = str(folder / "scored.parquet")
        wanted = "rb_probability" if way.corrected else "rb_probability_sampled"
        predict(
            [testing], artifact, scored, keep=[LABEL], sampled=not way.corrected, context=context
        )
        columns.setdefault(LABEL, pq.read_table(scored)[LABEL])
        columns[way.name] = pq.read_table(scored)[wanted]
    compared = str(folder / "compared.parquet")
    pq.write_table(pa.table(columns), compared)
    names = [way.name for way in ways]
    found = evaluate([compared], LABEL, names, plot=str(folder / "curves.png"), context=context)
    return {name: Outcome(*fits[name], found.metrics[name]) for name in names}


def replace_table(path: Path, name: str, table: str) -> None:
    """Put a table between the markers of this name in a Markdown file."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    text = path.read_text()
    before, rest = text.split(begin)
    path.write_text(before + begin + table + end + rest.split(end, 1)[1])
