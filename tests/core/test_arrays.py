"""Conversions against pyarrow's own, which are the reference."""

from __future__ import annotations

import datetime
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalance.core.arrays import is_valid, texts_to_arrow, to_arrow, to_numpy

TYPES = [
    pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(),
    pa.uint64(), pa.float32(), pa.float64(),
]  # fmt: skip


@given(
    st.lists(st.one_of(st.none(), st.integers(0, 100))),
    st.sampled_from(TYPES),
    st.integers(0, 20),
    st.integers(0, 20),
)
def test_numbers_come_as_pyarrow_gives_them(
    values: list[int | None], dtype: pa.DataType, start: int, count: int
) -> None:
    array = pa.array(values, dtype).slice(start, count)
    found = to_numpy(array)
    expected = array.to_numpy(zero_copy_only=False)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@given(st.lists(st.one_of(st.none(), st.booleans())), st.integers(0, 20), st.integers(0, 20))
def test_truth_values_come_from_any_offset(
    values: list[bool | None], start: int, count: int
) -> None:
    array = pa.array(values, pa.bool_()).slice(start, count)
    valid = is_valid(array)
    assert (valid is None) == (array.null_count == 0)
    if valid is not None:
        assert valid.tolist() == array.is_valid().to_pylist()
    expected = [np.nan if value is None else float(value) for value in array.to_pylist()]
    np.testing.assert_array_equal(to_numpy(array).astype(float), np.array(expected))


def test_large_whole_numbers_with_nulls_are_float64_not_less() -> None:
    array = pa.array([2**31 - 1, None], pa.int32())
    assert to_numpy(array).tolist()[0] == 2**31 - 1


def test_times_are_the_numbers_they_are_stored_as() -> None:
    days = pa.array([datetime.date(1970, 1, 3)])
    assert to_numpy(days).tolist() == [2]
    assert to_numpy(pa.array([5], pa.timestamp("us", "UTC"))).tolist() == [5]


def test_nothing_but_nulls() -> None:
    assert np.isnan(to_numpy(pa.nulls(2, pa.float64()))).all()


@pytest.mark.parametrize("dtype", [np.int8, np.uint32, np.int64, np.float32, np.float64, np.bool_])
def test_numpy_arrays_go_there_and_back(dtype: type) -> None:
    values = np.arange(20).astype(dtype)[::2]
    array = to_arrow(values)
    array.validate(full=True)
    assert array.equals(pa.array(values))
    assert (to_numpy(array) == values).all()


@given(st.lists(st.text()))
def test_texts(values: list[str]) -> None:
    array = texts_to_arrow(values)
    array.validate(full=True)
    assert array.to_pylist() == values


def test_no_conversion_imports_pandas() -> None:
    code = (
        "import sys, numpy as np, pyarrow as pa\n"
        "from rebalance.core.arrays import *\n"
        "to_numpy(to_arrow(np.arange(3.0))); to_numpy(to_arrow(np.ones(3, bool)))\n"
        "texts_to_arrow(['a'])\n"
        "assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
