"""rows kept and made -> whether there is memory for them

What a table takes is known before it is read, what made rows take before any is made.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rebalance.core.matrix import Matrix
from rebalance.core.wording import counted
from rebalance.errors import RebalanceError, UsageError
from rebalance.samplers.class_resampling import ClassOrder
from rebalance.samplers.imbalanced import Method
from rebalance.samplers.resampling import Order
from rebalance.steps.context import Context
from rebalance.steps.memory import HEAVY, MB, free_bytes, row_bytes, shown
from rebalance.steps.resampling.classic import Classic
from rebalance.storage.tables import Table

R = TypeVar("R")
# Every value as it was read, as a feature, in the matrix, in the method's copy and in the output.
_COPIES = 5.0
# One column for each value of a category on top, though mostly zeros.
_CODED_COPIES = 8.0
# A made number: the difference of two rows, the step, their sum, and what is written. With a
# cleaning after it, what that looks at and leaves.
_MADE_COPIES, _CLEANED_COPIES = 4, 4
# The mode of neighbours' codes sorts them; an entry of a sparse row is an object of Python's.
_MODE_COPIES, _ENTRY_BYTES = 5, 100
# The rows that it lies between, before and after they are found, and its marks in the output; the
# neighbours that a cleaning looks at; a value as text.
_MADE_ROW, _CLEANED_ROW, _TEXT = 100, 250, 20


def require_memory(table: Table, rows: int, method: Method, context: Context) -> None:
    """Refuse a table that is too large for the memory limit, where there is one.

    Raises
    ------
    UsageError : says how much is needed, and to thin first.
    """
    if context.memory_limit is None:
        return
    needed = memory_of(table, rows, method)
    if needed > context.memory_limit:
        raise UsageError(
            f"{method.name} needs all rows in memory: about {needed / MB:,.0f} MB for {rows:,} "
            f"rows, and the limit is {context.memory_limit / MB:,.0f} MB",
            where=table.place,
            remedy=f"{_thin_first(method)}, or raise --memory-limit",
        )


def memory_of(table: Table, rows: int, method: Method) -> int:
    """The bytes that so many rows take, with the matrix and its copies."""
    copies = _COPIES if method.needs == "numbers" else _CODED_COPIES
    return int(HEAVY + copies * rows * (row_bytes(table) + 8 * len(table.names)))


def require_room(
    order: Order | ClassOrder,
    matrix: Matrix,
    table: Table,
    counts: NDArray[np.int64],
    context: Context,
    *,
    as_text: bool,
) -> None:
    """Refuse to make more rows than there is memory for, before the first is made.

    Parameters
    ----------
    counts : rows of each class, of two classes the negatives' first, shape (K,). as_text : they
        are written as text.

    Raises
    ------
    UsageError : says how many rows they are, what they take, and which ratio would do.
    """
    made = _rows_made(order, counts)
    limit, method = context.memory_limit, order.method
    if limit is None:
        free, room = free_bytes(), "the machine has {} to spare"
    else:
        free = max(limit - memory_of(table, int(counts.sum()), method), 0)
        room = "--memory-limit leaves {} for them"
    each = made_bytes(order, matrix, table, as_text=as_text)
    if free is None or made * each <= free:
        return
    most = int(free / each)
    ratio = _least_ratio(order, counts, most)
    raised = "" if limit is None else ", or raise --memory-limit"
    raise UsageError(
        f"{method.name} would make {counted(made, 'row')}, which take about {shown(made * each)} "
        f"of memory, and {room.format(shown(free))}",
        remedy=(f"give --ratio {ratio:g} or more" if ratio else _thin_first(method)) + raised,
    )


def made_bytes(order: Order | ClassOrder, matrix: Matrix, table: Table, *, as_text: bool) -> int:
    """The bytes that a made row takes at the most, while it is made and when it is written."""
    method, width = order.method, matrix.values.shape[1]
    if method.needs == "numbers":
        making = 8 * width * _MADE_COPIES
        if method.role == "combine":
            making += 8 * width * _CLEANED_COPIES + _CLEANED_ROW
    elif method.needs == "categories":
        making = 8 * width * _MODE_COPIES * int(order.settings["k_neighbors"])
    else:  # all neighbours are held, with a column for each value of a category
        levels = sum(len(each.first_rows) for each in matrix.places)
        held = 8 * (width - len(matrix.codes) + levels) * (int(order.settings["k_neighbors"]) + 2)
        making = held + _ENTRY_BYTES * width
    written = row_bytes(table) + (_TEXT * len(table.names) if as_text else 0)
    return int(making + written + _MADE_ROW)


def _rows_made(order: Order | ClassOrder, counts: NDArray[np.int64]) -> int:
    """How many rows are made on top of those that are there."""
    if order.method.role not in ("over", "combine") or order.wanted is None:
        return 0
    wanted = order.wanted if isinstance(order, ClassOrder) else {1: order.wanted}
    return sum(max(rows - int(counts[place]), 0) for place, rows in wanted.items())


def _least_ratio(order: Order | ClassOrder, counts: NDArray[np.int64], most: int) -> float | None:
    """The smallest ratio, to three figures, by which at most so many rows are made.

    None where no ratio that makes rows is so large. To raise classes of c_1 <= c_2 <= ... rows to
    L each takes max over j of (j L - c_1 - ... - c_j) rows: the greatest L is the least of
    (most + c_1 + ... + c_j) / j.
    """
    raised = np.sort(counts) if isinstance(order, ClassOrder) else counts[1:]
    largest = counts.max() if isinstance(order, ClassOrder) else counts[0]
    levels = (most + np.cumsum(raised)) / np.arange(1, len(raised) + 1)
    ratio = float(largest / levels.min())
    step = 10.0 ** (math.floor(math.log10(ratio)) - 2)
    rounded = float(f"{math.ceil(ratio / step) * step:.3g}")
    return rounded if rounded < largest / raised[0] else None


def tell_memory(step: Callable[[Classic, Context], R]) -> Callable[[Classic, Context], R]:
    """The step, whose end by a lack of memory says what would take less."""

    @wraps(step)
    def told(wanted: Classic, context: Context) -> R:
        try:
            return step(wanted, context)
        except MemoryError:
            method = wanted.chain.then
            if method is None:
                raise
            less = [] if method.role not in ("over", "combine") else ["give a larger --ratio"]
            thinned = wanted.chain.thinning is not None
            less.append("thin to fewer rows" if thinned else _thin_first(method))
            raise RebalanceError(
                f"there is not enough memory for {method.name}", remedy=", or ".join(less)
            ) from None

    return told


def _thin_first(method: Method) -> str:
    return (
        f"thin first: --method nonuniform,{method.name} with --pilot and --rate (or "
        f"uniform,{method.name})"
    )
