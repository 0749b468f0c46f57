"""predictions of many classes -> label, weights, and the columns of classes one by one

In memory are 8 bytes a row for each column of probabilities held, and some 50 besides. Where all
columns would take more than half of the memory there is to spare, or than --memory-limit allows,
they are read some at a time: the table is then gone over more than once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from rebalance.core.label_values import LabelValues
from rebalance.steps.classes.memory import narrowed
from rebalance.steps.context import Context
from rebalance.steps.features import weights
from rebalance.steps.memory import MIDDLE, Need, estimate, free_bytes, within
from rebalance.steps.probabilities import probabilities
from rebalance.storage.tables import Batch, Table

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

ROW_BYTES = 56.0
# More columns at a time leave few rows for a batch; text must be parsed again each time.
MOST_AT_ONCE = 512
_LEAST_ROWS = 4_096


class ClassOutcomes:
    """All rows: `codes`, places in `values`, shape (n,), and `weight`; columns as they are read.

    names : the columns of the first classes in `values`, in their order.
    """

    def __init__(
        self,
        table: Table,
        label: str,
        names: Sequence[str],
        sample_weight: str | None,
        context: Context,
    ) -> None:
        self._label = label
        self._names = names
        self._sample_weight = sample_weight
        self._context = context
        self._first = [label, *([sample_weight] if sample_weight is not None else [])]
        self._at_once = columns_at_once(table, self._first, names, context)
        need = needed(self._first, names, self._at_once)
        self._table = narrowed(within(table, context, need), self._at_once)
        self._held: dict[str, list[Floats]] = {}
        self.values: list[str] = []
        self.codes: Codes = np.zeros(0, dtype=np.int64)
        self.weight: Floats | None = None

    def read_labels(self, known: Sequence[str]) -> None:
        """Read labels, weights and the first columns; `known` are the classes that have one.

        Raises
        ------
        DataError : a label or a weight is missing, or a column does not hold probabilities.
        """
        labels = LabelValues(self._label, known)
        codes: list[NDArray[np.int32]] = []
        weight: list[Floats] = []
        for batch in self._read(self._first, self._names[: self._at_once]):
            with batch.located():
                found = labels.codes(batch.column(self._label), batch.start)
                codes.append(found.astype(np.int32))
                if self._sample_weight is not None:
                    own = weights(
                        batch.column(self._sample_weight), self._sample_weight, batch.start
                    )
                    weight.append(own)
        self.values = labels.texts
        self.codes = np.concatenate(codes).astype(np.int64)
        self.weight = np.concatenate(weight) if weight else None

    def columns(self) -> Iterator[tuple[int, Floats]]:
        """Each column with its place, in order; the labels were read before.

        Raises
        ------
        DataError : it does not hold probabilities.
        """
        for start in range(0, len(self._names), self._at_once):
            names = self._names[start : start + self._at_once]
            if start:
                for _ in self._read([], names):
                    pass
            for place, name in enumerate(names, start):
                yield place, np.concatenate(self._held.pop(name))

    def _read(self, others: Sequence[str], names: Sequence[str]) -> Iterator[Batch]:
        """Go over the table and hold columns of probabilities; gives the batches."""
        self._held = {name: [] for name in names}
        batches = self._table.batches([*others, *names])
        for batch in self._context.track(batches, "reading", self._table.rows_if_known):
            yield batch
            for name in names:
                found = probabilities(batch, name, "mend it, or leave that row out")
                self._held[name].append(np.array(found))  # a copy, so that the batch can go


def needed(first: Sequence[str], names: Sequence[str], at_once: int) -> Need:
    """What is held with so many columns at a time."""
    wanted = [*first, *names[:at_once]]
    return Need(MIDDLE, per_row=8.0 * at_once + ROW_BYTES, columns=wanted)


def columns_at_once(
    table: Table, first: Sequence[str], names: Sequence[str], context: Context
) -> int:
    """How many columns are held at a time."""
    most = len(names) if table.is_text else min(len(names), MOST_AT_ONCE)
    if context.memory_limit is None:
        free = free_bytes()
        if free is None:
            return most
        rows = max(table.rows_if_known or table.rows_guessed(), 1)
        return int(min(max(free / 2 / (8.0 * rows), 1), most))
    while (
        most > 1
        and estimate(table, needed(first, names, most), _LEAST_ROWS, 1) > context.memory_limit
    ):
        most = (most + 1) // 2
    return most
