"""`make demo`: on flights, everything against 5% of the negatives, in one table and one picture."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks.contest import (
    AT_FIVE_PERCENT,
    EVERYTHING,
    ROOT,
    Outcome,
    contest,
    replace_table,
)

HEADINGS = (
    "trained on", "rows", "seconds to fit", "log loss", "AUC", "average precision",
    "predicted / observed",
)  # fmt: skip


def cells(name: str, found: Outcome) -> list[str]:
    """One row of the table."""
    metrics = found.metrics
    return [
        name,
        f"{found.rows:,}",
        f"{found.seconds:.1f}",
        f"{metrics['log_loss']:.5f}",
        f"{metrics['roc_auc']:.4f}",
        f"{metrics['average_precision']:.4f}",
        f"{metrics['predicted_over_observed']:.3f}",
    ]


def main() -> None:
    """Run the contest on one random 70/30 split and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into the README")
    chosen = parser.parse_args()
    folder = Path("out") / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    console = Console(width=120)
    console.print(
        "Departures from New York, 2013: 327,346 flights, 1.19% three hours late or more.\n"
        "A random 70% trains, 30% tests; LightGBM with the same settings each time.\n"
    )
    found = contest(folder, (EVERYTHING, *AT_FIVE_PERCENT), seed=0)
    rows = [cells(name, outcome) for name, outcome in found.items()]
    table = Table(box=None, header_style="bold")
    for position, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="left" if position == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    console.print(f"\nPictures: {folder / 'curves.png'}; models, samples and pilots beside it.")
    if chosen.write:
        lines = [HEADINGS, ["---", *["---:"] * (len(HEADINGS) - 1)], *rows]
        markdown = "".join(f"| {' | '.join(line)} |\n" for line in lines)
        replace_table(ROOT / "README.md", "demo", markdown)


if __name__ == "__main__":
    main()
