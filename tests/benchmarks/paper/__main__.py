"""Run the replications in processes beside each other; print, and write the guide's page."""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from threadpoolctl import threadpool_limits

from tests.benchmarks.contest import ROOT, replace_table
from tests.benchmarks.paper.estimators import Replication, replicate
from tests.benchmarks.paper.picture import picture
from tests.benchmarks.paper.populations import CASES
from tests.benchmarks.paper.results import Results
from tests.benchmarks.paper.tables import tables

ROWS = 500_000
BUDGETS = (1000, 2000, 3000, 5000, 10_000)
REPLICATIONS = 200
PROCESSES = 2
PAGE = ROOT / "rebalance" / "guide" / "paper.md"


def run(
    replications: int = REPLICATIONS,
    rows: int = ROWS,
    budgets: tuple[int, ...] = BUDGETS,
    processes: int = PROCESSES,
) -> Results:
    """All cases; the estimates do not depend on the number of processes."""
    runs: list[list[Replication]] = []
    pool = ProcessPoolExecutor(
        processes, mp_context=get_context("spawn"), initializer=threadpool_limits, initargs=(1,)
    )
    with pool:
        for number, case in enumerate(CASES):
            one = partial(replicate, number, rows=rows, budgets=budgets)
            began = time.perf_counter()
            runs.append(list(pool.map(one, range(replications))))
            positives = sum(each.positives for each in runs[-1]) / replications
            took = time.perf_counter() - began
            print(
                f"{case.name}: {replications} populations of {rows:,} rows, "
                f"{positives:,.0f} positive on average; {took:.0f} s",
                flush=True,
            )
    return Results.of(runs, budgets, rows)


def main() -> None:
    """Run, print the tables, and write them and the picture where asked."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.paper", description=__doc__)
    parser.add_argument("--replications", type=int, default=REPLICATIONS)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--processes", type=int, default=PROCESSES)
    parser.add_argument("--again", action="store_true", help="from the last run's estimates")
    parser.add_argument("--write", action="store_true", help="into the guide's page and picture")
    chosen = parser.parse_args()
    if chosen.replications < 2:
        parser.error("paired standard errors need at least two replications")
    folder = Path("out") / "paper"
    folder.mkdir(parents=True, exist_ok=True)
    stored = folder / "estimates.npz"
    if chosen.again and not stored.exists():
        parser.error(f"there is no {stored}: run without --again first")
    if chosen.again:
        results = Results.load(stored)
    else:
        began = time.perf_counter()
        results = run(chosen.replications, chosen.rows, processes=chosen.processes)
        results.save(stored)
        print(f"{(time.perf_counter() - began) / 60:.1f} minutes\n")
    made = tables(results)
    for name, text in made.items():
        print(f"{name}\n\n{text}")
    svg = picture(results)
    (folder / "paper.svg").write_bytes(svg)
    print(f"Picture: {folder / 'paper.svg'}")
    if chosen.write:
        for name, text in made.items():
            replace_table(PAGE, name, text)
        PAGE.with_suffix(".svg").write_bytes(svg)


if __name__ == "__main__":
    main()
