"""The values of a column as recipes need them: as numbers, or as a few different texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rebalance.core.arrays import texts_to_arrow, to_numpy
from rebalance.errors import DataError

Columns = Mapping[str, pa.Array]
Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

_WHOLE = 2.0**53


class Texts(NamedTuple):
    """Where each row's value is among the different ones, shape (n,), -1 where it is missing."""

    codes: Codes
    values: list[str]

    def looked_up(self, known: dict[str, Any], otherwise: float) -> Floats:
        """What is known of each row's value, shape (n,); NaN where it is missing."""
        found = np.array([known.get(value, otherwise) for value in self.values] + [np.nan])
        return np.asarray(found[self.codes], dtype=np.float64)  # -1 is the last


def numbers(array: pa.Array, name: str) -> Floats:
    """Finite numbers as float64, shape (n,), NaN where missing.

    Raises
    ------
    DataError : one is infinite.
    """
    if pa.types.is_decimal(array.type):
        array = array.cast(pa.float64(), safe=False)
    values = np.asarray(to_numpy(array), dtype=np.float64)
    infinite = np.isinf(values)
    if infinite.any():
        raise DataError(
            "a number is infinite",
            where=f"column '{name}'",
            remedy="replace it, or make no feature of the column",
            row=int(np.argmax(infinite)),
        )
    return values


def texts(array: pa.Array, name: str) -> Texts:
    """The values of a category, boolean or number, written one way for every type and format.

    Raises
    ------
    DataError : a number is infinite, or of so many digits that it could be another one.
    """
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if _is_number(array.type):
        return _of_numbers(numbers(array, name), name)
    text = array if pa.types.is_string(array.type) else array.cast(pa.string())
    encoded = pc.dictionary_encode(text)
    return Texts(_codes(to_numpy(encoded.indices)), encoded.dictionary.to_pylist())


def coded(codes: Codes, values: list[str]) -> pa.Array:
    """The values at these places as a category, null for -1."""
    valid = codes >= 0
    bits = pa.py_buffer(np.packbits(valid, bitorder="little"))
    data = pa.py_buffer(np.where(valid, codes, 0).astype(np.int32))
    indices = pa.Array.from_buffers(pa.int32(), len(codes), [bits, data])
    return pa.DictionaryArray.from_arrays(indices, texts_to_arrow(values))


def number_text(value: float) -> str:
    """A number as text, the same for whole numbers of every type.

    >>> number_text(5.0), number_text(-0.0), number_text(0.25)
    ('5', '0', '0.25')
    """
    return str(int(value)) if value.is_integer() else repr(value)


def _is_number(dtype: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(dtype) or pa.types.is_floating(dtype) or pa.types.is_decimal(dtype)
    )


def _of_numbers(values: Floats, name: str) -> Texts:
    large = np.abs(values) >= _WHOLE
    if large.any():
        raise DataError(
            "a number has more digits than float64 can tell apart",
            where=f"column '{name}'",
            remedy="write such numbers as text, or make no feature of the column",
            row=int(np.argmax(large)),
        )
    valid = ~np.isnan(values)
    different, inverse = np.unique(values[valid], return_inverse=True)
    codes = np.full(len(values), -1)
    codes[valid] = inverse
    return Texts(codes, [number_text(value) for value in different.tolist()])


def _codes(indices: NDArray[Any]) -> Codes:
    missing = np.isnan(indices)
    return np.where(missing, -1, indices).astype(np.int64)
