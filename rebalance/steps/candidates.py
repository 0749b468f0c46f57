"""batches -> their scores and draws -> the rows that may be kept, held until that is known"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rebalance.core.arrays import to_arrow, to_numpy
from rebalance.steps.context import Context
from rebalance.storage.held import Held
from rebalance.storage.parallel import in_order
from rebalance.storage.tables import Batch, Table

Floats = NDArray[np.float64]

_ROW, _DRAW, _RANK = "rb_row", "rb_draw", "rb_rank"


@dataclass(frozen=True)
class Scored:
    """The rows of one batch with all that the choice depends on; codes are places in `values`."""

    batch: Batch
    values: Sequence[str]
    codes: NDArray[np.int64]
    rank: Floats
    draws: Floats
    missing_keys: NDArray[np.int64]
    surprises: dict[str, int]

    def __len__(self) -> int:
        return len(self.batch)

    def has(self, values: Collection[str]) -> NDArray[np.bool_]:
        """Which rows have one of these label values, shape (n,)."""
        chosen = np.array([value in values for value in self.values])
        return np.asarray(chosen[self.codes], dtype=np.bool_)


def score_all(
    table: Table,
    score: Callable[[Batch], Scored],
    context: Context,
    description: str,
    *,
    keyed: bool,
) -> Iterator[Scored]:
    """All rows, scored by several threads, in input order; `keyed` where draws hash a key."""
    if keyed:
        importlib.import_module("pandas")  # for the hash; the reading thread may want it, too
    scored = in_order(score, table.batches(coded=True), context.threads)
    return context.track(scored, description, table.rows_if_known)


@dataclass(frozen=True)
class Candidates:
    """Rows that the final design may keep: as they stand in the table, number, draw and rank.

    The draws of a pilot's negatives are 0 where its rows are kept, too.
    """

    rows: Batch
    number: NDArray[np.int64]
    draws: Floats
    rank: Floats


class Retained:
    """The rows of a table that may be kept, with all columns and what chose them."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._held = Held()

    def put(self, number: int, found: Scored, kept: NDArray[np.bool_]) -> None:
        """Hold the rows of the batch of this number where `kept` is true."""
        at = np.flatnonzero(kept)
        if not len(at):
            return
        rows = found.batch.take(at)
        plain = rows.source if self._table.is_text else rows.typed()
        for name, values in (
            (_ROW, found.batch.start + at),
            (_DRAW, found.draws[at]),
            (_RANK, found.rank[at]),
        ):
            plain = plain.append_column(name, to_arrow(values))
        self._held.put(number, plain)

    def __iter__(self) -> Iterator[Candidates]:
        for held in self._held:
            rows, draws, rank = (to_numpy(held.column(name)) for name in (_ROW, _DRAW, _RANK))
            table = self._table
            batch = Batch(0, held.select(table.names), table.schema, table.place)
            yield Candidates(batch, rows, draws, rank)

    def clear_for_another_reading(self, context: Context) -> None:
        """Let all rows go, since a bound was too low, and say so."""
        context.note(
            "the probabilities came out higher than the first rows promised: the table is read "
            "a second time"
        )
        self._held.clear()

    def close(self) -> None:
        """Let the temporary file go."""
        self._held.close()
