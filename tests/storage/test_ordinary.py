"""Types that are read as ordinary ones and come back."""

from __future__ import annotations

import pyarrow as pa
import pytest

from rebalance.storage.ordinary import as_ordinary, as_stored, extraordinary, is_readable
from tests.storage.test_arrow_ipc import EVERYTHING

READABLE = {name: array for name, array in EVERYTHING.items() if is_readable(array.type)}


@pytest.mark.parametrize("name", READABLE)
def test_rows_can_be_picked_and_come_back_as_they_were(name):
    rows = pa.RecordBatch.from_arrays([READABLE[name]], [name])
    plain = as_ordinary(rows)
    picked = plain.take(pa.array([2, 0]))
    back = as_stored(picked, extraordinary(rows.schema))
    assert back.schema == rows.schema
    values = rows.column(0).to_pylist()
    assert back.column(0).to_pylist() == [values[2], values[0]]


def test_all_that_is_tested_is_readable():
    assert list(READABLE) == list(EVERYTHING)


@pytest.mark.parametrize(
    ("dtype", "readable"),
    [
        (pa.large_list(pa.struct([("x", pa.binary_view())])), True),
        (pa.list_(pa.string_view(), 2), True),
        (pa.run_end_encoded(pa.int32(), pa.string_view()), True),
        (pa.struct([("x", pa.run_end_encoded(pa.int32(), pa.string()))]), False),
        (pa.list_view(pa.list_(pa.string_view())), False),
        (pa.dense_union([pa.field("x", pa.string_view())]), False),
        (pa.opaque(pa.string_view(), "t", "v"), False),
        (pa.opaque(pa.string(), "t", "v"), True),
    ],
    ids=str,
)
def test_what_is_readable(dtype, readable):
    assert is_readable(dtype) is readable


@pytest.mark.parametrize("start", [0, 1, 3])
def test_what_stands_at_a_null_of_a_view_is_not_followed(start):
    """The specification leaves it open; Arrow's own cast would read memory that is not there."""
    array = pa.array(["long enough for a buffer", None, "short", None, "x" * 50], pa.string_view())
    valid, views, *texts = array.buffers()
    slots = bytearray(views.to_pybytes())
    for null in (1, 3):
        slots[16 * null : 16 * null + 16] = b"\xff\xff\xff\x7f" * 4
    wild = pa.Array.from_buffers(array.type, 5, [valid, pa.py_buffer(bytes(slots)), *texts])
    rows = pa.RecordBatch.from_arrays([wild.slice(start)], ["x"])
    assert as_ordinary(rows).column(0).to_pylist() == array.to_pylist()[start:]
