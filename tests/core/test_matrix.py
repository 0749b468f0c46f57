"""Columns as a matrix for distances, and back."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.preprocessing import StandardScaler

from rebalance.core.matrix import MAX_LEVELS, encode
from rebalance.errors import DataError

ALL = {"a": "number", "shop": "category", "member": "boolean", "v": "vector"}


def columns() -> dict[str, pa.Array]:
    return {
        "a": pa.array([1, 2, 4, 9], pa.int16()),
        "shop": pa.array(["south", "north", "south", "east"]).dictionary_encode(),
        "member": pa.array([True, False, False, True]),
        "v": pa.FixedSizeListArray.from_arrays(pa.array(np.arange(8.0) ** 2), 2),
    }


def test_numbers_are_standardised_and_categories_are_positions_in_sorted_order() -> None:
    matrix = encode(columns(), ALL, fill=False, as_numbers=False)
    numbers = np.column_stack([[1, 2, 4, 9], (np.arange(8.0) ** 2).reshape(4, 2)])
    assert (matrix.values[:, [0, 3, 4]] == StandardScaler().fit_transform(numbers)).all()
    assert matrix.values[:, 1].tolist() == [2, 1, 2, 0]  # east, north, south
    assert matrix.values[:, 2].tolist() == [1, 0, 0, 1]
    assert matrix.codes.tolist() == [1, 2]
    assert matrix.places[1].first_rows.tolist() == [3, 1, 0]


def test_booleans_are_numbers_where_no_rows_are_made() -> None:
    matrix = encode(columns(), ALL, fill=False, as_numbers=True)
    assert matrix.codes.tolist() == [1]
    assert matrix.values[:, 2].tolist() == [1, -1, -1, 1]


def test_what_was_scaled_comes_back() -> None:
    matrix = encode(columns(), ALL, fill=False, as_numbers=False)
    back = matrix.unscaled(matrix.values)
    assert back["a"] == pytest.approx([1, 2, 4, 9])
    assert back["v"] == pytest.approx((np.arange(8.0) ** 2).reshape(4, 2))
    assert back["shop"].tolist() == [2, 1, 2, 0]


def test_missing_values_are_refused_or_filled_in() -> None:
    some = {
        "a": pa.array([1.0, None, float("nan"), 4.0, 9.0]),
        "shop": pa.array(["b", None, "b", "a", "c"]),
    }
    kinds = {"a": "number", "shop": "category"}
    with pytest.raises(DataError, match=r"'a' \(2\), 'shop' \(1\).*--impute median"):
        encode(some, kinds, fill=False, as_numbers=True)
    matrix = encode(some, kinds, fill=True, as_numbers=True)
    assert matrix.unscaled(matrix.values)["a"] == pytest.approx([1, 4, 4, 4, 9])
    assert matrix.values[:, 1].tolist() == [1, 1, 1, 0, 2]
    assert [(each.filled, each.filled_with) for each in matrix.places] == [(2, "4"), (1, "b")]


def test_bad_columns() -> None:
    with pytest.raises(DataError, match="infinite") as raised:
        encode({"a": pa.array([1.0, np.inf])}, {"a": "number"}, fill=True, as_numbers=True)
    assert raised.value.row == 1
    with pytest.raises(DataError, match="no feature varies"):
        encode({"a": pa.array([2, 2])}, {"a": "number"}, fill=False, as_numbers=True)
    ids = pa.array([f"c{row}" for row in range(MAX_LEVELS + 1)])
    with pytest.raises(DataError, match=r"an identifier.*--drop id"):
        encode({"id": ids}, {"id": "category"}, fill=False, as_numbers=True)
    with pytest.raises(DataError, match="all values are missing"):
        encode({"a": pa.nulls(3, pa.int8())}, {"a": "number"}, fill=True, as_numbers=True)
    kinds = {"a": "number", "b": "number"}
    some = {"a": pa.array([2, 2]), "b": pa.array([1, 2])}
    assert encode(some, kinds, fill=False, as_numbers=True).constant == ("a",)
