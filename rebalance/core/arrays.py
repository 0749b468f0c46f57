"""Arrow arrays as NumPy arrays and back, without a copy where that is possible.

pyarrow's own conversions import pandas, which takes longer than sampling a million rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Values = NDArray[Any]

_TYPES = {
    pa.int8(): np.int8,
    pa.int16(): np.int16,
    pa.int32(): np.int32,
    pa.int64(): np.int64,
    pa.uint8(): np.uint8,
    pa.uint16(): np.uint16,
    pa.uint32(): np.uint32,
    pa.uint64(): np.uint64,
    pa.float16(): np.float16,
    pa.float32(): np.float32,
    pa.float64(): np.float64,
}
_ARROW = {np.dtype(found): kind for kind, found in _TYPES.items()}


def to_arrow(values: Values) -> pa.Array:
    """Numbers or truth values, shape (n,), as an Arrow array without nulls.

    >>> to_arrow(np.array([True, False, True])).to_pylist()
    [True, False, True]
    """
    if values.dtype == np.bool_:
        bits = np.packbits(values, bitorder="little")
        return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(bits)])
    buffer = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(_ARROW[values.dtype], len(values), [None, buffer])


def texts_to_arrow(values: Sequence[str]) -> pa.Array:
    """Texts as an Arrow array of strings without nulls.

    >>> texts_to_arrow(["a", "", "bcd"]).to_pylist()
    ['a', '', 'bcd']
    """
    encoded = [value.encode() for value in values]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


def to_numpy(array: pa.Array) -> Values:
    """Numbers or truth values, shape (n,); nulls are NaN, for which whole numbers become float64.

    Times come as the whole numbers that they are stored as.

    >>> to_numpy(pa.array([1, None, 3])).tolist()
    [1.0, nan, 3.0]
    """
    kind = array.type
    if pa.types.is_temporal(kind):
        array = array.view(pa.int32() if kind.bit_width == 32 else pa.int64())
        kind = array.type
    valid = is_valid(array)
    buffer = array.buffers()[1]
    if pa.types.is_boolean(kind):
        values = _bits(buffer, array.offset, len(array))
    elif buffer is None:
        values = np.zeros(len(array), _TYPES[kind])
    else:
        whole = np.frombuffer(buffer, _TYPES[kind], array.offset + len(array))
        values = whole[array.offset :]
    if valid is None:
        return values
    values = values.astype(values.dtype if pa.types.is_floating(kind) else np.float64)
    values[~valid] = np.nan
    return values


def is_valid(array: pa.Array) -> NDArray[np.bool_] | None:
    """Which values are not null, shape (n,); None where none is."""
    if array.null_count == 0:
        return None
    buffer = array.buffers()[0]
    if buffer is None:  # of the type null
        return np.zeros(len(array), dtype=bool)
    return _bits(buffer, array.offset, len(array))


def _bits(buffer: pa.Buffer | None, start: int, count: int) -> NDArray[np.bool_]:
    if buffer is None:
        return np.zeros(count, dtype=bool)
    first = start // 8
    packed = np.frombuffer(buffer, np.uint8)[first : (start + count + 7) // 8]
    bits = np.unpackbits(packed, bitorder="little")
    return bits[start - 8 * first : start - 8 * first + count].view(np.bool_)
