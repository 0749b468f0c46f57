"""`train --curriculum` and `--two-stage` against the plain gbm on flights, five seeded splits."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from rebalance.core.design import Budget
from rebalance.core.metrics import score
from rebalance.learners.base import Settings
from rebalance.steps.context import Context
from rebalance.steps.predict import predict
from rebalance.steps.ready import Asked
from rebalance.steps.sample import sample
from rebalance.steps.split import split
from rebalance.steps.train import train
from rebalance.steps.train_task import TrainAsked
from tests.benchmarks.contest import FLIGHTS, LABEL, ROOT, replace_table

SPLITS = 5
PLAIN, CURRICULUM, TWO_STAGE = Settings(), Settings(curriculum=True), Settings(two_stage=True)
WAYS = {
    "everything": (None, PLAIN),
    "everything, `--curriculum`": (None, CURRICULUM),
    "everything, `--two-stage`": (None, TWO_STAGE),
    "5% uniform": (0.05, PLAIN),
    "5% uniform, `--curriculum`": (0.05, CURRICULUM),
    "5% uniform, `--two-stage`": (0.05, TWO_STAGE),
}
HEADINGS = (
    "trained on", "log loss", "log loss / everything's", "over the splits", "AUC",
    "average precision", "predicted / observed", "over the splits", "seconds / everything's",
)  # fmt: skip
Figures = dict[str, float]


def one_split(folder: Path, seed: int) -> dict[str, Figures]:
    """Train each way on the same rows, and measure on the same others."""
    context = Context()
    training, testing = str(folder / "train.parquet"), str(folder / "test.parquet")
    split([str(FLIGHTS)], LABEL, [training, testing], test=0.3, seed=seed, context=context)
    found = {}
    for name, (rate, chosen) in WAYS.items():
        source, model, scored = training, str(folder / "m.rbl"), str(folder / "scored.parquet")
        if rate is not None:
            source = str(folder / "sample.parquet")
            sample(Asked([training], source, Budget(rate=rate), label=LABEL, seed=seed), context)
        began = time.perf_counter()
        settings = replace(chosen, seed=seed)
        asked = TrainAsked([source], model, natural=rate is None, label=LABEL, settings=settings)
        fitted = train(asked, context)
        seconds = time.perf_counter() - began
        predict([testing], model, scored, keep=[LABEL], context=context)
        table = pq.read_table(scored)
        y_true = table[LABEL].to_numpy() == 1
        found[name] = score(y_true, table["rb_probability"].to_numpy()) | {
            "seconds": seconds,
            "rounds": fitted.summary["rounds"],
        }
    return found


def line(name: str, runs: list[dict[str, Figures]]) -> list[str]:
    """The means of one way, and its ratios to everything."""

    def values(metric: str, way: str = name) -> list[float]:
        return [run[way][metric] for run in runs]

    whole = "everything"
    ratios = [a / b for a, b in zip(values("log_loss"), values("log_loss", whole), strict=True)]
    faster = [a / b for a, b in zip(values("seconds"), values("seconds", whole), strict=True)]
    over = values("predicted_over_observed")
    return [
        name,
        f"{statistics.mean(values('log_loss')):.5f}",
        f"{statistics.mean(ratios):.4f}",
        f"{min(ratios):.3f} to {max(ratios):.3f}",
        f"{statistics.mean(values('roc_auc')):.4f}",
        f"{statistics.mean(values('average_precision')):.4f}",
        f"{statistics.mean(over):.3f}",
        f"{min(over):.3f} to {max(over):.3f}",
        f"{statistics.median(faster):.2f}",
    ]


def main() -> None:
    """Run every split and print the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into the guide")
    parser.add_argument("--splits", type=int, default=SPLITS)
    chosen = parser.parse_args()
    runs = []
    for seed in range(chosen.splits):
        with tempfile.TemporaryDirectory() as folder:
            runs.append(one_split(Path(folder), seed))
        shown = {
            name: [round(each[key], 4) for key in ("log_loss", "roc_auc", "seconds", "rounds")]
            for name, each in runs[-1].items()
        }
        print(f"split {seed + 1} of {chosen.splits}: {shown}", flush=True)
    lines = [list(HEADINGS), ["---", *["---:"] * (len(HEADINGS) - 1)]]
    lines += [line(name, runs) for name in WAYS]
    table = "".join(f"| {' | '.join(each)} |\n" for each in lines)
    print(table)
    if chosen.write:
        replace_table(ROOT / "rebalance" / "guide" / "correction.md", "staged", table)


if __name__ == "__main__":
    main()
