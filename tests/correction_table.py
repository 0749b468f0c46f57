"""The guide's table of corrections, from the one that the code reads: `make docs` writes it."""

from __future__ import annotations

import sys
from pathlib import Path

from rebalance.core.corrections import ANY, CORRECTIONS, Correction

PATH = Path(__file__).resolve().parents[1] / "rebalance" / "guide" / "correction.md"
START, END = "<!-- corrections -->", "<!-- end of corrections -->"
HEADERS = ("what was done", "model", "by", "probabilities are", "formula", "if that is not enough")


def table() -> str:
    """All rows as Markdown."""
    lines = [HEADERS, ("---",) * len(HEADERS), *map(_cells, CORRECTIONS)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _cells(row: Correction) -> tuple[str, ...]:
    done = "any other sampler: smote, near-miss, tomek and all the rest"
    if row.methods == (ANY,):
        done = "anything"
    elif row.methods:
        done = ", ".join(row.methods)
    return (
        done,
        ", ".join(row.learners) or "any, of other tools too",
        ", ".join(row.by) or "any formula",
        f"**{row.kind}**" + ", at best as the sampler's row" * row.on_top,
        row.formula,
        row.remedy,
    )


def page() -> str:
    """The page with the table as the code has it."""
    text = PATH.read_text()
    before, rest = text.split(START)
    _, after = rest.split(END)
    return f"{before}{START}\n{table()}{END}{after}"


if __name__ == "__main__":
    if "--write" in sys.argv:
        PATH.write_text(page())
    else:
        sys.stdout.write(page())
