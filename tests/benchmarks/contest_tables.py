"""Predicted over observed of every way on real tables, pooled, with and without the correction.

    python -m tests.benchmarks.contest_tables

Each table is compared by `rebalance compare`, five folds, five negatives per positive, once for
each seed. A way's predicted over observed positives, of all test rows of all tables, is pooled as
`rebalance.core.comparison.pooled_ratio` says, with 99% intervals, Bonferroni's over the exact ways;
folds of all seeds count as folds, as in the corrected repeated cross-validation of Bouckaert and
Frank (2004).
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from rebalance.core.comparison import Counted, Estimate, pooled_ratio
from rebalance.errors import RebalanceError
from rebalance.steps.compare.asked import CompareAsked, CompareResult
from rebalance.steps.compare.compare import compare
from rebalance.steps.compare.outcome import Outcome, Scores
from rebalance.steps.compare.ways import Way
from rebalance.steps.context import Context
from tests.benchmarks.real_tables import write

# More than eight negatives for each positive, and 20 positives or more.
TABLES = (
    "abalone19", "kddcup-rootkit-imap_vs_back", "kr-vs-k-zero_vs_fifteen",
    "kddcup-buffer_overflow_vs_back", "shuttle-2_vs_5", "winequality-white-3-9_vs_5", "yeast6",
    "car-vgood", "flare-F", "hypothyroid", "dermatology-6", "satimage", "page-blocks0",
)  # fmt: skip
METHODS = ("none", "uniform", "nonuniform", "random-over")
LEARNERS = ("logistic", "gbm")
SECONDS_A_TABLE = 45.0
SEEDS = (0, 1, 2)
LEVEL = 0.99


@dataclass
class Sums:
    """Predicted and observed positives of each table, by fold."""

    corrected: list[Counted] = field(default_factory=list)
    uncorrected: list[Counted] = field(default_factory=list)

    def add(self, outcomes: Sequence[Outcome], test_per_train: float) -> None:
        """Take the folds of a table."""
        self.corrected.append(
            _counted(outcomes, [each.scores for each in outcomes], test_per_train)
        )
        raw = [each.uncorrected for each in outcomes if each.uncorrected is not None]
        if raw:
            self.uncorrected.append(_counted(outcomes, raw, test_per_train))


def _counted(
    outcomes: Sequence[Outcome], scores: Sequence[Scores], test_per_train: float
) -> Counted:
    rows = np.array([each.test_rows for each in outcomes])
    means = np.array([each["mean_predicted"] for each in scores])
    observed = np.array([float(each.test_positives) for each in outcomes])
    return Counted(rows * means, observed, test_per_train)


def measure(names: Sequence[str]) -> tuple[dict[Way, Sums], list[str]]:
    """Every way on every table; and what was left out."""
    found: dict[Way, Sums] = defaultdict(Sums)
    left_out: list[str] = []
    with TemporaryDirectory() as folder:
        for name in names:
            began = time.perf_counter()
            try:
                results = [_compared(name, Path(folder), seed) for seed in SEEDS]
            except RebalanceError as exc:
                left_out.append(f"{name}: {exc}")
                continue
            first = results[0]
            print(f"{name}: {first.rows:,} rows, {first.positives} positives, "
                  f"{time.perf_counter() - began:.0f} s", flush=True)  # fmt: skip
            missed = {
                f"{name}: {each.way}: {each.reason}" for one in results for each in one.missed
            }
            left_out += sorted(missed)
            share = float(np.mean([each.test_rows / each.train_rows for each in first.folds]))
            outcomes: dict[Way, list[Outcome]] = defaultdict(list)
            for place in (place for one in results for place in one.places):
                outcomes[place.way] += place.outcomes
            for way, every in outcomes.items():
                if len(every) == len(SEEDS) * len(first.folds):
                    found[way].add(every, share)
    return dict(found), left_out


def _compared(name: str, folder: Path, seed: int) -> CompareResult:
    path, table = write(name, folder)
    asked = CompareAsked(
        [str(path)],
        table.label,
        methods=METHODS,
        learners=LEARNERS,
        positive=table.positive,
        budget=SECONDS_A_TABLE,
        uncorrected=True,
        seed=seed,
    )
    return compare(asked, Context())


def level_of(found: Mapping[Way, Sums]) -> float:
    """Of each interval, so that all of the exact ways' hold at once."""
    return 1 - (1 - LEVEL) / sum(way.standing == "exact" for way in found)


def off(found: Mapping[Way, Sums]) -> list[str]:
    """What is not as it should be: an exact way that is off, or is not without the correction."""
    wrong, level = [], level_of(found)
    for way, sums in found.items():
        if way.standing == "exact" and not pooled_ratio(sums.corrected, level).holds(1.0):
            wrong.append(f"{way.name} is off")
        if sums.uncorrected and pooled_ratio(sums.uncorrected, level).holds(1.0):
            wrong.append(f"{way.name} is not off without the correction")
    return wrong


def pooled(found: Mapping[Way, Sums]) -> str:
    """The table of all ways, in Markdown."""
    level = level_of(found)
    lines = [
        "| way | probabilities | tables | positives | predicted / observed | 1 is inside | "
        "not corrected | 1 is inside |",
        "| --- | --- | ---: | ---: | ---: | --- | ---: | --- |",
    ]
    for way, sums in sorted(found.items(), key=lambda item: (item[0].standing, item[0].name)):
        positives = sum(each.observed.sum() for each in sums.corrected)
        cells = [way.name, way.standing, str(len(sums.corrected)), f"{positives:,.0f}"]
        cells += _cells(pooled_ratio(sums.corrected, level))
        if sums.uncorrected:
            cells += _cells(pooled_ratio(sums.uncorrected, level))
        else:
            cells += ["", ""]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cells(found: Estimate) -> list[str]:
    shown = f"{found.mean:.3f} ({found.low:.3f} to {found.high:.3f})"
    return [shown, "yes" if found.holds(1.0) else "no"]


def main() -> None:
    """Print the table, and what was left out; end with 1 where a way is not as it should be."""
    began = time.perf_counter()
    found, left_out = measure(TABLES)
    print(pooled(found))
    print("\n".join(left_out))
    print(f"{time.perf_counter() - began:.0f} s")
    if wrong := off(found):
        raise SystemExit("; ".join(wrong))


if __name__ == "__main__":
    main()
