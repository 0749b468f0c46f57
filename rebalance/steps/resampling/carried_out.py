"""rows + an order -> the matrix they make, and the rows kept and made"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebalance.core.kinds import Kind
from rebalance.core.matrix import MEDIAN, Matrix, encode
from rebalance.samplers.class_resampling import ClassOrder
from rebalance.samplers.fitting import Resampled
from rebalance.samplers.imbalanced import Method
from rebalance.samplers.resampling import Order
from rebalance.steps.context import Context
from rebalance.steps.resampling.classic import Classic
from rebalance.steps.resampling.effort import Limits, check_effort
from rebalance.steps.resampling.room import memory_of, require_room
from rebalance.steps.resampling.rows import Held, tell_filled
from rebalance.storage.tables import Table
from rebalance.storage.writers import holds_metadata


def carry_out(
    order: Order | ClassOrder,
    wanted: Classic,
    rows: Held,
    codes: NDArray[Any],
    kinds: Mapping[str, Kind],
    *,
    table: Table,
    counts: Sequence[int],
    context: Context,
) -> tuple[Matrix, Resampled]:
    """Encode rows and let the method do its work, once sure that there is time and memory for it.

    Parameters
    ----------
    codes : the class of each row, shape (n,); of two classes whether it is positive. counts : the
        table's rows of each class.

    Raises
    ------
    UsageError : more time or memory than is allowed.
    DataError, FitError : see `core.matrix.encode` and the order's own.
    """
    method = order.method
    columns = {name: rows.feature(name, kind) for name, kind in kinds.items()}
    with rows.located():
        matrix = encode(
            columns,
            kinds,
            fill=wanted.impute == MEDIAN,
            as_numbers=not method.makes,
            measured=wanted.numbers,
            of_rows=sum(counts),
        )
    tell_filled(matrix, method, context)
    order.check(matrix, codes)
    there = np.bincount(codes, minlength=len(counts))
    as_text = not holds_metadata(wanted.asked.output)
    require_room(order, matrix, table, there, context, as_text=as_text)
    held = memory_of(table, len(rows), method)
    check_effort(order, matrix, codes, Limits(wanted.seconds, context.memory_limit, held), context)
    return matrix, order.carry_out(matrix, codes, context.note)


def tell_unmade(no_features: Sequence[str], method: Method, context: Context) -> tuple[str, ...]:
    """The columns that made rows do not have, said."""
    if not method.makes or not no_features:
        return ()
    context.note(
        f"{', '.join(map(repr, no_features))}: null in made rows, and so no feature in training"
    )
    return tuple(no_features)
