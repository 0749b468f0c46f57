"""`make pilots`, too: what `pilot` plans and `sample` estimates, against what a design keeps.

Populations whose log odds are known, of which a sample keeps 1% of the negatives. What its design
keeps of the information is summed over all rows at the true log odds.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.random import Generator
from numpy.typing import NDArray

from rebalance.core.correction import probability, shift_to
from rebalance.core.design import Budget
from rebalance.core.efficiency import Chances, Information
from rebalance.steps.context import Context
from rebalance.steps.pilot import pilot
from rebalance.steps.ready import Asked
from rebalance.steps.sample import sample
from tests.benchmarks.contest import ROOT, replace_table
from tests.benchmarks.pilots import markdown

Floats = NDArray[np.float64]

GUIDE = ROOT / "rebalance" / "guide" / "sampling.md"
ROWS, FEATURES, RATE, PILOTS, REPLICATIONS = 150_000, 6, 0.01, (300, 5000), 20
SCORES = ("uniform", "probability")


@dataclass(frozen=True)
class Case:
    """Features of standard deviation 1, slopes of 6^-.5, and the intercept that goes with them."""

    name: str
    intercept: float
    features: Callable[[Generator], Floats]


CASES = (
    Case("normal", -5.4, lambda draw: draw.standard_normal((ROWS, FEATURES))),
    Case("t3", -5.5, lambda draw: draw.standard_t(3, (ROWS, FEATURES)) / 3**0.5),
    Case("log-normal", -7.7, lambda draw: np.exp(draw.standard_normal((ROWS, FEATURES))) / 2.16),
)


@dataclass(frozen=True)
class Ratio:
    """log of an efficiency over the design's own, and whether the range held that."""

    log: float
    held: bool


def ratios(case: Case, score: str, size: int, seed: int, folder: Path) -> tuple[Ratio, Ratio]:
    """Of what was planned, and of what was estimated after sampling."""
    draw = np.random.default_rng([seed, size, len(case.name), SCORES.index(score)])
    x = case.features(draw)
    log_odds = case.intercept + x.sum(axis=1) * FEATURES**-0.5
    y_true = draw.random(ROWS) < probability(log_odds)
    columns = {f"x{at}": x[:, at] for at in range(FEATURES)} | {"y": y_true.astype(np.int8)}
    table, guide, every = (str(folder / name) for name in ("t.parquet", "p.rbl", "pi.parquet"))
    pq.write_table(pa.table(columns), table)
    pilot([table], "y", guide, size=size, seed=seed, context=Context())
    out = str(folder / "s.parquet")
    asked = Asked(
        [table], out, Budget(rate=RATE), guide, score=score, seed=seed, probabilities=every
    )
    found = sample(asked, Context())
    chances = pq.read_table(every)
    own = Information(1 + FEATURES)
    own.add(
        np.column_stack([np.ones(ROWS), x]),
        log_odds + shift_to(log_odds, 1.0, float(y_true.sum())),  # of this table
        Chances(chances["pi_0"].to_numpy(), chances["pi_1"].to_numpy()),
        np.ones(ROWS),
    )
    truth = own.efficiency("offset")
    seen = (
        (found.planned_efficiency, found.planned_efficiency_between),
        (found.realised_efficiency, found.realised_efficiency_between),
    )
    planned, realised = (
        Ratio(float(np.log(value / truth)), between[0] <= truth <= between[1])
        for value, between in seen
    )
    return planned, realised


def lines(folder: Path) -> list[list[str]]:
    """The table's: mean and standard deviation of log ratios, and ranges that held."""
    found = []
    for case in CASES:
        for score in SCORES:
            line = [case.name, score]
            for size in PILOTS:
                each = [ratios(case, score, size, seed, folder) for seed in range(REPLICATIONS)]
                for which in (0, 1):
                    logs = [pair[which].log for pair in each]
                    held = sum(pair[which].held for pair in each)
                    line.append(f"{np.mean(logs):+.2f}, {np.std(logs):.2f}; {held}")
            print(" | ".join(line), flush=True)
            found.append(line)
    return found


def main() -> None:
    """Measure, print, and put the table into the guide if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into the guide")
    chosen = parser.parse_args()
    heads = [f"{what}, pilot of {size:,}" for size in PILOTS for what in ("planned", "after")]
    with tempfile.TemporaryDirectory() as name:
        table = markdown(["features", "sampling", *heads], lines(Path(name)))
    print(table)
    if chosen.write:
        replace_table(GUIDE, "kept", table)


if __name__ == "__main__":
    main()
