"""Segments of the rows, by the values of a column or the periods of a time."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rebalance.core.arrays import to_numpy
from rebalance.core.ranking import blocks
from rebalance.errors import DataError, UsageError

PERIODS = ("hour", "day", "week", "month", "quarter", "year")
MAX_SEGMENTS = 1000
Value = str | float | bool | None
Codes = NDArray[np.int16]


class SegmentKeys:
    """The values of a column, or the periods that its times fall in, numbered as they come.

    Periods are those of the clock on the wall, in the column's time zone: 2013-01-31T14:00,
    2013-01-31, 2013-W05 (ISO 8601), 2013-01, 2013-Q1, 2013. Missing is a value, None, and NaN
    counts as missing.

    Raises
    ------
    UsageError : a time without a period, a period of what is no time, or an unknown period.
    DataError : a type whose values make no segments.

    >>> keys = SegmentKeys("size", pa.int64(), None)
    >>> keys.codes(pa.array([7, None, 5, 7])).tolist(), keys.values, keys.in_order()
    ([0, 1, 2, 0], [7, None, 5], [2, 0, 1])
    """

    def __init__(self, column: str, dtype: pa.DataType, period: str | None) -> None:
        self.column = column
        self._period = period
        self._codes: dict[Any, int] = {}
        _check_period(column, dtype, period)

    @property
    def values(self) -> list[Value]:
        """The values by number; what is neither text, number nor boolean as text."""
        return [_plain(value) for value in self._codes]

    def in_order(self) -> list[int]:
        """The numbers in the order of their values, missing last."""
        known = sorted(value for value in self._codes if value is not None)
        missing = [None] if None in self._codes else []
        return [self._codes[value] for value in [*known, *missing]]

    def codes(self, array: pa.Array) -> Codes:
        """The number of each row's value, shape (n,).

        Raises
        ------
        DataError : there are more than `MAX_SEGMENTS` values.
        """
        if pa.types.is_dictionary(array.type):
            array = array.cast(array.type.value_type)
        if self._period is not None:
            if pa.types.is_timestamp(array.type) and array.type.tz is not None:
                array = pc.local_timestamp(array)
            array = pc.floor_temporal(array, unit=self._period)
        encoded = array.dictionary_encode(null_encoding="encode")
        values: list[Any] = encoded.dictionary[: MAX_SEGMENTS + 1].to_pylist()
        if self._period is not None:
            values = [_period_text(value, self._period) for value in values]
        numbers = np.array([self._number(value) for value in values], dtype=np.int16)
        return np.asarray(numbers[to_numpy(encoded.indices)])

    def _number(self, value: Any) -> int:
        if isinstance(value, float) and math.isnan(value):
            value = None
        code = self._codes.setdefault(value, len(self._codes))
        if code >= MAX_SEGMENTS:
            raise DataError(
                f"the column '{self.column}' makes more than {MAX_SEGMENTS:,} segments",
                remedy="name one with fewer values, a longer period, or cut its numbers into "
                "ranges first",
            )
        return code


def bounds(codes: Codes, count: int) -> NDArray[np.int64]:
    """Where each of `count` segments begins among rows put together, shape (count + 1,).

    The last number is that of the rows.
    """
    sizes = np.zeros(count, dtype=np.int64)
    for block in blocks(len(codes)):
        sizes += np.bincount(codes[block], minlength=count)
    return np.append(0, np.cumsum(sizes))


def put_together(values: NDArray[Any], codes: Codes, starts: NDArray[np.int64]) -> NDArray[Any]:
    """The rows of each segment together, in their order, the first segment first, shape (n,).

    `starts` are the segments' `bounds`.

    >>> codes = np.array([1, 0, 1], dtype=np.int16)
    >>> put_together(np.array([5.0, 6.0, 7.0]), codes, bounds(codes, 2)).tolist()
    [6.0, 5.0, 7.0]
    """
    found, following = np.empty_like(values), starts[:-1].copy()
    for block in blocks(len(codes)):
        order = np.argsort(codes[block], kind="stable")
        sizes = np.bincount(codes[block], minlength=len(following))
        shift = following - (np.cumsum(sizes) - sizes)
        place = np.arange(len(order)) + np.repeat(shift, sizes)
        found[place] = values[block][order]
        following += sizes
    return found


def _check_period(column: str, dtype: pa.DataType, period: str | None) -> None:
    if pa.types.is_dictionary(dtype):
        dtype = dtype.value_type
    timed = pa.types.is_timestamp(dtype)
    periods = PERIODS if timed else PERIODS[1:] if pa.types.is_date(dtype) else ()
    listed = "give one of " + ", ".join(f"--by {column}:{each}" for each in periods)
    if period is not None and not periods:
        raise UsageError(
            f"the column '{column}' is {dtype}, which has no periods", remedy=f"give --by {column}"
        )
    if period is not None and period not in periods:
        raise UsageError(f"'{period}' is no period of {dtype}", remedy=listed)
    if period is None and timed:
        raise UsageError(f"the column '{column}' is {dtype}, and no period is given", remedy=listed)
    nested, binary = pa.types.is_nested(dtype), pa.types.is_binary(dtype)
    if nested or binary or pa.types.is_duration(dtype):
        raise DataError(
            f"the column '{column}' is {dtype}, whose values make no segments",
            remedy="name a column of text, numbers, booleans or times",
        )


def _period_text(start: date | None, period: str) -> str | None:
    """The name of the period that starts there, four digits for the year."""
    if start is None:
        return None
    year, week, _ = start.isocalendar()
    return {
        "hour": f"{start:%Y-%m-%dT%H:00}",
        "day": f"{start:%Y-%m-%d}",
        "week": f"{year:04}-W{week:02}",
        "month": f"{start:%Y-%m}",
        "quarter": f"{start:%Y}-Q{(start.month + 2) // 3}",
        "year": f"{start:%Y}",
    }[period]


def _plain(value: Any) -> Value:
    if value is None or isinstance(value, str | bool | int):
        return value
    return value if isinstance(value, float) and math.isfinite(value) else str(value)
