"""`make bench`: flights on five seeded splits, everything against samples, as ratios of means."""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from tests.benchmarks.contest import (
    AT_FIVE_PERCENT,
    EVERYTHING,
    ROOT,
    Outcome,
    Way,
    contest,
    replace_table,
)

SPLITS = 5
WAYS = (
    EVERYTHING,
    *(way for way in AT_FIVE_PERCENT if way.corrected),
    Way("2% nonuniform, gbm pilot", 0.02, "gbm"),
    Way("2% nonuniform, logistic pilot", 0.02, "logistic"),
)
HEADINGS = (
    "trained on", "times fewer rows", "log loss", "log loss / everything's",
    "over the splits", "AUC", "predicted / observed", "seconds / everything's",
)  # fmt: skip


def main() -> None:
    """Run the contest on every split and print the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into the README")
    chosen = parser.parse_args()
    runs: list[dict[str, Outcome]] = []
    for seed in range(SPLITS):
        with tempfile.TemporaryDirectory() as folder:
            runs.append(contest(Path(folder), WAYS, seed=seed))
        print(f"split {seed + 1} of {SPLITS} done", flush=True)
    lines = [list(HEADINGS), ["---", *["---:"] * (len(HEADINGS) - 1)]]
    lines += [summary(way.name, runs) for way in WAYS]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    print(table)
    if chosen.write:
        replace_table(ROOT / "README.md", "bench", table)


def summary(name: str, runs: list[dict[str, Outcome]]) -> list[str]:
    """The means of one way over the splits, against those of everything."""
    mine = [run[name] for run in runs]
    all_rows = [run[EVERYTHING.name] for run in runs]

    def mean(outcomes: list[Outcome], metric: str) -> float:
        return statistics.mean(outcome.metrics[metric] for outcome in outcomes)

    ratios = [
        one.metrics["log_loss"] / whole.metrics["log_loss"]
        for one, whole in zip(mine, all_rows, strict=True)
    ]
    fewer = statistics.mean(one.rows for one in all_rows) / statistics.mean(o.rows for o in mine)
    faster = [one.seconds / whole.seconds for one, whole in zip(mine, all_rows, strict=True)]
    return [
        name,
        f"{fewer:.1f}",
        f"{mean(mine, 'log_loss'):.5f}",
        f"{mean(mine, 'log_loss') / mean(all_rows, 'log_loss'):.4f}",
        f"{min(ratios):.3f} to {max(ratios):.3f}",
        f"{mean(mine, 'roc_auc'):.4f}",
        f"{mean(mine, 'predicted_over_observed'):.3f}",
        f"{statistics.median(faster):.2f}",
    ]


if __name__ == "__main__":
    main()
