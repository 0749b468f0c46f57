"""rows x classes -> whether a fit has room, and batches that have

Probabilities of many classes are a number for each row and class: what makes all other steps cheap,
a batch of rows or a small sample, is large again with thousands of classes.
"""

from __future__ import annotations

from dataclasses import replace

from rebalance.core.softmax import softmax_bytes
from rebalance.errors import UsageError
from rebalance.steps.context import Context
from rebalance.steps.memory import free_bytes, shown
from rebalance.storage.tables import Table

# Numbers of all classes for the rows of a batch: 32 MB each time that they are held.
CELLS = 1 << 22
_LEAST_ROWS = 64
# By boosting: scores, two derivatives, where they start from, and the copies on the way.
_BOOSTING = 6


def narrowed(table: Table, classes: int) -> Table:
    """The table in batches of so few rows that the numbers of all classes pass through memory."""
    rows = max(CELLS // classes, _LEAST_ROWS)
    if table.reading.batch_rows <= rows:
        return table
    return replace(table, reading=replace(table.reading, batch_rows=rows))


def fit_bytes(model: str, rows: int, classes: int, features: int) -> int:
    """About the memory of a fit, with the numbers that are made for it and from it."""
    if model == "logistic":
        return softmax_bytes(rows, classes, features) + 16 * rows * classes
    return 8 * _BOOSTING * rows * classes


def check_fit(
    model: str, rows: int, classes: int, features: int, *, context: Context, remedy: str
) -> None:
    """Check that a fit has room, before anything is made for it.

    Parameters
    ----------
    features : columns; what they are encoded to may be more.

    Raises
    ------
    UsageError : it takes more than --memory-limit, or more than the machine has.
    """
    needed = fit_bytes(model, rows, classes, features)
    limit, free = context.memory_limit, free_bytes()
    most = limit if limit is not None else free
    if most is None or needed <= most:
        return
    room = (
        f"--memory-limit allows {shown(most)}"
        if limit is not None
        else f"the machine has {shown(most)} to spare"
    )
    raise UsageError(
        f"a {model} fit of {rows:,} rows and {classes:,} classes takes about {shown(needed)} of "
        f"memory, a number for each row and class several times over, and {room}",
        remedy=remedy,
    )
