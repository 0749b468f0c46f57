"""The values of terms: reals with NaN where missing, or codes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rebalance.core.arrays import is_valid, texts_to_arrow, to_numpy
from rebalance.core.terms import Coded
from rebalance.errors import DataError

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]


def codes_of(array: pa.Array, term: Coded) -> Codes:
    """Places among the term's levels, then one for others, one for missing, shape (n,)."""
    count = len(term.levels)
    if pa.types.is_timestamp(array.type) and array.type.tz is not None:
        # One clock for all files: a CSV's zones are read as UTC.
        array = array.cast(pa.timestamp(array.type.unit, "UTC"))
    if term.part == "level":
        if pa.types.is_dictionary(array.type):
            of_dictionary = _level_codes(array.dictionary, term)
            codes = of_dictionary[_positions(array, len(array.dictionary))]
            return np.asarray(codes, dtype=np.int32)
        return _level_codes(array, term)[:-1]
    if term.part == "hour":
        if pa.types.is_date(array.type):
            codes = np.zeros(len(array), dtype=np.int32)
        else:
            codes = to_numpy(pc.hour(array))
    elif term.part == "weekday":
        codes = to_numpy(pc.day_of_week(array))
    else:
        codes = to_numpy(pc.month(array)) - 1
    valid = is_valid(array)
    if valid is not None:
        codes = np.where(valid, codes, count + 1)
    return np.ascontiguousarray(codes, dtype=np.int32)


def _level_codes(values: pa.Array, term: Coded) -> Codes:
    """The codes of some values, and one more at the end, that of a missing value."""
    text = text_of(values)
    count = len(term.levels)
    codes = np.full(len(text) + 1, count + 1, dtype=np.int32)
    found = to_numpy(pc.index_in(text, value_set=texts_to_arrow(term.levels)))
    codes[:-1] = np.where(np.isnan(found), count, found)
    valid = is_valid(text)
    if valid is not None:
        codes[:-1][~valid] = count + 1
    return codes


def _positions(array: pa.Array, count: int) -> NDArray[np.integer[Any]]:
    """Where a dictionary array's values are in its dictionary; `count` stands for missing."""
    valid = is_valid(array)
    positions: NDArray[np.integer[Any]] = to_numpy(array.indices)
    return positions if valid is None else np.where(valid, positions, count).astype(np.int64)


def text_of(array: pa.Array) -> pa.Array:
    """Values as plain text, whatever stores them."""
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    return array if pa.types.is_string(array.type) else array.cast(pa.string())


def reals_of(array: pa.Array, name: str) -> Floats:
    """Finite numbers as float64, NaN where missing, shape (n,) or, for vectors, (n, elements).

    Raises
    ------
    DataError : one is infinite.
    """
    values = as_reals(array)
    infinite = np.isinf(values)
    if infinite.any():
        raise DataError(
            "a number is infinite",
            where=f"column '{name}'",
            remedy="replace it, or leave the column out with --drop",
            row=int(np.argmax(infinite.reshape(len(array), -1).any(axis=1))),
        )
    return values


def count_nan(array: pa.Array) -> int:
    """Values that are NaN and not null."""
    values = to_numpy(array)
    if not len(values) or not np.isnan(values.min()):  # much the faster test
        return 0
    return int(np.count_nonzero(np.isnan(values))) - int(array.null_count)


def as_reals(array: pa.Array) -> Floats:
    """Numbers as float64, infinite ones too, NaN where missing; shaped as `reals_of` does."""
    if pa.types.is_fixed_size_list(array.type):
        width = array.type.list_size
        inner = array.values.slice(array.offset * width, len(array) * width)
        values = as_reals(inner).reshape(len(array), width)
        valid = is_valid(array)
        return values if valid is None else np.where(valid[:, None], values, np.nan)
    if pa.types.is_decimal(array.type):
        array = array.cast(pa.float64(), safe=False)
    return np.ascontiguousarray(to_numpy(array), dtype=np.float64)
