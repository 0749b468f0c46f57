"""predictions -> label, probabilities, weights and segments of all rows

In memory are 8 bytes a row for each column of probabilities and 1 for the label; 8 more for
weights; and for segments 2, and 8 while the rows of each are put together.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from rebalance.core.labels import Label, LabelCounter, canonical, choose_label
from rebalance.core.ranking import Bools, Floats, Keys, pack
from rebalance.core.segments import PERIODS, SegmentKeys, Value, bounds, put_together
from rebalance.errors import DataError, UsageError
from rebalance.steps.context import Context
from rebalance.steps.features import check_total, tell_label, weights
from rebalance.steps.predict import PROBABILITY
from rebalance.steps.predictions import LABEL_KEY
from rebalance.steps.probabilities import probabilities
from rebalance.storage.tables import Batch, Table, located

_MEND = "mend it, leave that row out, or name another column with --probability"

_BYTE = 255  # the last value that has a byte of its own; beyond two no probabilities are judged


@dataclass(frozen=True)
class Asked:
    """Which columns to read: the label, probabilities, weights and what makes segments."""

    label: str
    probabilities: Sequence[str]
    positive: str | None
    sample_weight: str | None
    segment_keys: SegmentKeys | None


@dataclass(frozen=True)
class Outcomes:
    """All rows as arrays of shape (n,), those of each segment together.

    keys : of each column of probabilities, see `rebalance.core.ranking.pack`.
    segments : value and rows of every segment, in the order of the values, missing last.
    """

    label: Label
    keys: dict[str, Keys]
    sample_weight: Floats | None
    segments: Sequence[tuple[Value, slice]]


def read_outcomes(table: Table, asked: Asked, context: Context) -> Outcomes:
    """Read the columns needed, batch by batch.

    Raises
    ------
    DataError : a column is missing or does not hold what it must, or there is one class only.
    """
    label, given, by = asked.label, asked.sample_weight, asked.segment_keys
    if given is not None:
        table.require(given, "--sample-weight")
    elif "rb_pi" in table.names:
        context.note(
            "the table has a column 'rb_pi': if these are the rows of a sample, --sample-weight "
            "rb_weight makes the figures those of the population"
        )
    named = (label, *asked.probabilities, given, by.column if by is not None else None)
    wanted = [name for name in named if name is not None]
    with located(table.place):
        positive = named_positive(table, label, asked.positive)
    rows = _Rows(asked, table.num_rows, positive)
    for batch in context.track(table.batches(wanted), "reading", table.num_rows):
        rows.add(batch)
    rows.check(table.place)
    with located(table.place):
        chosen = choose_label(label, rows.counts, positive)
        y_true = rows.is_positive(chosen)
        if given is not None:
            check_total(rows.weight, y_true, given)
    tell_label(chosen, asked.positive, context)
    keys = {name: pack(y_true, rows.y_prob.pop(name)) for name in asked.probabilities}
    weight = None if given is None else rows.weight
    if by is None:
        return Outcomes(chosen, keys, weight, [])
    starts = bounds(rows.codes, len(by.values))
    for name in asked.probabilities:
        keys[name] = put_together(keys.pop(name), rows.codes, starts)
    if weight is not None:
        weight = put_together(weight, rows.codes, starts)
    segments = [(by.values[code], slice(*starts[code : code + 2])) for code in by.in_order()]
    return Outcomes(chosen, keys, weight, segments)


class _Rows:
    """Room for all rows of the columns asked for, filled batch by batch.

    Memory is taken once, as it is written to: parts that are joined at the end would take it twice.
    A label takes a byte: whether it is the positive value where that is known, else the value's
    number.
    """

    def __init__(self, asked: Asked, count: int, positive: str | None) -> None:
        self._asked = asked
        self._filled = 0
        self._counter = LabelCounter(asked.label)
        self._positive = None if positive is None else canonical(positive)
        self.labels = np.empty(count, dtype=np.uint8)
        self.y_prob = {name: np.empty(count) for name in asked.probabilities}
        self.weight = np.empty(0 if asked.sample_weight is None else count)
        self.codes = np.empty(0 if asked.segment_keys is None else count, dtype=np.int16)

    def add(self, batch: Batch) -> None:
        """Put the rows of a batch in their place."""
        rows = slice(batch.start, batch.start + len(batch))
        self._filled = rows.stop
        if self._filled > len(self.labels):
            self.check(batch.place)
        label, given, by = self._asked.label, self._asked.sample_weight, self._asked.segment_keys
        with batch.located():
            codes = self._counter.add(batch.column(label), batch.start)
            if self._positive is None:
                self.labels[rows] = np.minimum(codes, _BYTE)
            else:
                self.labels[rows] = self._counter.is_value(codes, self._positive)
            if given is not None:
                self.weight[rows] = weights(batch.column(given), given, batch.start)
            if by is not None:
                self.codes[rows] = by.codes(batch.column(by.column))
        for name, y_prob in self.y_prob.items():
            y_prob[rows] = probabilities(batch, name, _MEND)

    def check(self, place: str) -> None:
        """Check that there were as many rows as there is room for.

        Raises
        ------
        DataError : there were more, or fewer.
        """
        if self._filled != len(self.labels):
            raise DataError(
                f"the file had {len(self.labels):,} rows when it was opened, and has "
                f"{'more' if self._filled > len(self.labels) else 'fewer'} now",
                where=place,
                remedy="run the command again when nothing writes to it",
            )

    @property
    def counts(self) -> dict[str, int]:
        """Rows by the label's value."""
        return self._counter.counts

    def is_positive(self, label: Label) -> Bools:
        """Which rows are positive, shape (n,), in the memory of `labels`."""
        y_true = self.labels.view(np.bool_)
        if self._positive is not None:
            return y_true
        return np.equal(self.labels, self._counter.values.index(label.positive), out=y_true)


def probability_columns(table: Table, label: str, asked: Sequence[str]) -> list[str]:
    """The columns to evaluate, each a column of numbers; none asked for stands for the usual one.

    Raises
    ------
    UsageError : no column is named where none is usual, or one is named twice.
    DataError : a column is not there, or not of numbers.
    """
    table.require(label, "--label")
    numbers = [field.name for field in table.schema if pa.types.is_floating(field.type)]
    listed = "columns of real numbers: " + (", ".join(numbers[:12]) or "none")
    if not asked and PROBABILITY not in table.names:
        raise UsageError(
            f"which column holds the probabilities? there is no '{PROBABILITY}'",
            where=f"file '{table.title}'",
            remedy=f"name it with --probability; {listed}",
        )
    columns = list(asked) or [PROBABILITY]
    for name in columns:
        table.require(name, "--probability")
        if name == label:
            raise UsageError(
                f"'{name}' is named as label and as probability", remedy="name two columns"
            )
        if columns.count(name) > 1:
            raise UsageError(f"--probability '{name}' is given twice", remedy="give it once")
        found = table.schema.field(name).type
        if not (pa.types.is_floating(found) or pa.types.is_integer(found)):
            raise DataError(
                f"the column '{name}' is {found}, not numbers",
                where=f"file '{table.title}'",
                remedy=f"name a column of probabilities; {listed}",
            )
    return columns


def segment_keys(table: Table, by: str | None) -> SegmentKeys | None:
    """Read COLUMN or COLUMN:PERIOD; a column of exactly that name comes first.

    Raises
    ------
    UsageError, DataError : see `SegmentKeys`; the column is not there.
    """
    if by is None:
        return None
    column, colon, period = by.rpartition(":")
    if by in table.names or (column not in table.names and period not in PERIODS):
        column, colon = by, ""
    table.require(column, "--by")
    return SegmentKeys(column, table.schema.field(column).type, period if colon else None)


def named_positive(table: Table, label: str, positive: str | None) -> str | None:
    """The positive value asked for, or else the one `predict` wrote beside its probabilities."""
    written = table.metadata.get(LABEL_KEY.encode())
    if positive is None and written is not None:
        try:
            found = json.loads(written)
            positive = str(found["positive"]) if found["column"] == label else None
        except (ValueError, KeyError, TypeError, RecursionError) as exc:
            raise DataError(
                f"what the file's metadata '{LABEL_KEY}' says of the label cannot be read",
                remedy="say which value is positive with --positive",
            ) from exc
    return positive
