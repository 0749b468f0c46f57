"""sample with copies or made rows -> draws that hold kin out together

A copy of a row that is trained on, or a row that was made of it, says nothing new when it is held
out: rounds chosen by such rows are too many.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.arrays import to_numpy
from rebalance.core.draws import Purpose, uniforms
from rebalance.storage.tables import Table

_ROW, _PARENTS = "rb_row", "rb_parents"


class Repeats(Protocol):
    """A design, of two classes or of many."""

    @property
    def repeats(self) -> bool:
        """Whether rows of the sample are copies of each other."""


def has_kin(table: Table, design: Repeats) -> bool:
    """Whether some rows of a sample are copies of each other, or were made of others it names."""
    return _ROW in table.names and (_PARENTS in table.names or design.repeats)


def kin_draws(table: Table, seed: int) -> NDArray[np.float64]:
    """A draw in [0, 1) for every row, shape (n,): copies share it, and made rows their parent's.

    Of several parents it is the first, the one that a row was made next to. A made row that does
    not know its parents has a draw of its own.
    """
    named = [_ROW, *([_PARENTS] if _PARENTS in table.names else [])]
    found = [np.empty(0, dtype=np.int64)]
    for batch in table.batches(named):
        rows = to_numpy(batch.column(_ROW).cast(pa.float64(), safe=False))
        own = np.isnan(rows)
        # Numbers that no row has, for rows without one.
        numbers = np.where(own, 0, rows).astype(np.int64)
        numbers[own] = -1 - (batch.start + np.flatnonzero(own))
        if own.any() and len(named) > 1:
            first = _first_parents(batch.column(_PARENTS).filter(pa.array(own)))
            numbers[own] = np.where(first >= 0, first, numbers[own])
        found.append(numbers)
    distinct, place = np.unique(np.concatenate(found), return_inverse=True)
    return uniforms(seed, Purpose.HOLD_OUT, 0, len(distinct))[place]


def _first_parents(listed: pa.Array) -> NDArray[np.int64]:
    """The first of each row's parents, -1 where there is none; in CSV they are text."""
    first = []
    for value in listed.to_pylist():
        texts = value.split() if isinstance(value, str) else (value or [])
        first.append(int(texts[0]) if texts else -1)
    return np.array(first, dtype=np.int64)
