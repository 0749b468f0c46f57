"""One pass over a table: what each column holds, how the classes stand, and a few rows of each.

Of many classes those with the most rows have fewer drawn, and the rows with the smallest draws of
all are among them, so that some class and all others together can both be had. Memory is bounded by
the batch, the rows drawn and, for each column, two sketches of fixed size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rebalance.core.draws import Purpose, uniforms
from rebalance.core.kinds import kind_of
from rebalance.core.labels import LabelCounter
from rebalance.core.reservoir import Reservoir
from rebalance.core.sketches import DistinctSketch, FrequencySketch
from rebalance.storage.tables import Batch

DRAW_ROWS = 10_000
_DRAW_MOST = 20 * DRAW_ROWS  # of all classes, where they are many


@dataclass(frozen=True)
class Summary:
    """What a column holds.

    `distinct` is exact below 16,384 and has a standard error of 0.8% above; None where values of
    the type cannot be compared. `low` and `high` are for numbers (as such) and times (as ISO
    text). `top` is the most frequent value of a category, `top_count` its rows, at least.
    """

    missing: int
    distinct: int | None = None
    distinct_is_exact: bool = True
    low: float | int | str | None = None
    high: float | int | str | None = None
    top: str | None = None
    top_count: int = 0
    top_is_exact: bool = True


@dataclass(frozen=True)
class Drawn:
    """Rows drawn of each label value, in input order.

    `rows` are their positions, `u` the draws that chose them, `codes` positions in the counts of
    the label's values, and `columns` their plain values.
    """

    rows: NDArray[np.int64]
    u: NDArray[np.float64]
    codes: NDArray[np.int64]
    columns: dict[str, pa.Array]


@dataclass(frozen=True)
class Gathered:
    """Everything that one pass finds; `counts` are rows by label value."""

    rows: int
    counts: dict[str, int]
    summaries: dict[str, Summary]
    drawn: Drawn


class ColumnStatistics:
    """The summary of one column, batch by batch."""

    def __init__(self, dtype: pa.DataType) -> None:
        self._type = dtype
        self._kind = kind_of(dtype)
        self._missing = 0
        self._filled = 0
        self._limits: list[Any] = []
        self._distinct = DistinctSketch()
        self._frequent = FrequencySketch()

    def add(self, values: pa.Array) -> None:
        """Add the plain values of one batch."""
        self._missing += values.null_count
        self._filled += len(values) - values.null_count
        if self._kind in (None, "vector"):
            return
        present = values.drop_null()
        if not len(present):
            return
        if self._kind in ("number", "time"):
            self._distinct.add(pc.unique(present))
            limits = pc.min_max(present).as_py()
            known = [*self._limits, limits["min"], limits["max"]]
            self._limits = [min(known), max(known)]
            return
        counted = pc.value_counts(present)
        different = counted.field("values").cast(pa.large_string())
        self._distinct.add(different)
        self._frequent.add(different, counted.field("counts").to_numpy(zero_copy_only=False))

    def result(self) -> Summary:
        """The summary of all batches added."""
        if self._kind in (None, "vector"):
            return Summary(self._missing)
        low, high = (_shown(value, self._type) for value in self._limits or (None, None))
        top, count = self._frequent.top()
        return Summary(
            missing=self._missing,
            distinct=min(self._distinct.count(), self._filled),
            distinct_is_exact=self._distinct.is_exact,
            low=low,
            high=high,
            top=top,
            top_count=count,
            top_is_exact=self._frequent.lost == 0,
        )


def gather(
    batches: Iterable[Batch],
    schema: pa.Schema,
    label: str,
    drawn: Sequence[str],
    *,
    seed: int,
    threads: int | None = None,
    positive: str | None = None,
) -> Gathered:
    """Read all batches once.

    Parameters
    ----------
    drawn : the columns that the drawn rows keep.
    threads : columns worked on at the same time; the result does not depend on it.
    positive : the value against which all others are one class, where it is known.

    Raises
    ------
    DataError : a batch cannot be read, or a label is missing.
    """
    columns = {name: ColumnStatistics(schema.field(name).type) for name in schema.names}
    reservoir = Reservoir(DRAW_ROWS, _DRAW_MOST, DRAW_ROWS)
    counter = LabelCounter(label)
    rows = 0
    with ThreadPoolExecutor(threads) as pool:
        for batch in batches:
            codes = counter.add(batch.column(label), batch.start)
            rows += len(batch)
            taken = pool.map(partial(_measure, batch, columns), schema.names)
            read = dict(zip(schema.names, taken, strict=True))
            u = uniforms(seed, Purpose.PROFILE, batch.start, len(batch))
            offered = pa.RecordBatch.from_arrays(
                [
                    pa.array(u),
                    pa.array(codes),
                    pa.array(batch.start + np.arange(len(batch))),
                    *(read[name] for name in drawn),
                ],
                names=["u", "code", "row", *drawn],
            )
            if positive is not None:
                codes = counter.is_value(codes, positive).astype(np.int64)
            reservoir.add(offered, codes, u)
    table, _ = reservoir.finish()
    kept_u, kept_codes, kept_rows, *kept = (
        pa.concat_arrays(column.chunks) for column in table.columns
    )
    return Gathered(
        rows=rows,
        counts=counter.counts,
        summaries={name: column.result() for name, column in columns.items()},
        drawn=Drawn(
            rows=kept_rows.to_numpy(),
            u=kept_u.to_numpy(),
            codes=kept_codes.to_numpy(),
            columns=dict(zip(drawn, kept, strict=True)),
        ),
    )


def plain(array: pa.Array) -> pa.Array:
    """The values without what sets types apart: levels spelled out, times as whole numbers.

    NaN becomes null. A type that is no feature stays as it is.
    """
    dtype = array.type
    if kind_of(dtype) is None:
        return array
    if pa.types.is_dictionary(dtype):
        return plain(array.cast(dtype.value_type)).cast(pa.large_string())
    if pa.types.is_floating(dtype):
        wide = array.cast(pa.float64())
        return pc.if_else(pc.is_nan(wide), pa.scalar(None, pa.float64()), wide)
    if pa.types.is_integer(dtype):
        return array if dtype == pa.uint64() else array.cast(pa.int64())
    if pa.types.is_date32(dtype):
        return array.cast(pa.int32()).cast(pa.int64())
    if pa.types.is_timestamp(dtype) or pa.types.is_date64(dtype):
        return array.cast(pa.int64())
    if kind_of(dtype) == "category":
        return array.cast(pa.large_string())
    return array


def _measure(batch: Batch, columns: Mapping[str, ColumnStatistics], name: str) -> pa.Array:
    values = plain(batch.column(name))
    columns[name].add(values)
    return values


def _shown(value: Any, dtype: pa.DataType) -> float | int | str | None:
    """A limit as JSON has it: a number, or a time as ISO text (UTC, with Z, if it has a zone)."""
    if value is None:
        return None
    if kind_of(dtype) == "time":
        days = pa.types.is_date32(dtype)
        zoned = pa.types.is_timestamp(dtype) and dtype.tz is not None
        naive = pa.timestamp(dtype.unit) if zoned else dtype
        instant = pa.array([value], pa.int32() if days else pa.int64()).cast(naive)
        text: str = instant.cast(pa.string())[0].as_py()
        return text.replace(" ", "T") + ("Z" if zoned else "")
    if pa.types.is_floating(dtype):
        # The shortest text that the type reads back as itself: 39.02, not 39.020000457.
        return float(str(np.dtype(f"f{dtype.bit_width // 8}").type(value)))
    return int(value) if pa.types.is_integer(dtype) else float(value)
