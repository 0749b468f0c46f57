"""Columns as a matrix for distances, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.preprocessing import StandardScaler

from rebalance.core.matrix import LARGEST, encode
from rebalance.core.whole_identifiers import MAX_LEVELS
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


def test_the_scaler_is_that_of_a_matrix_in_column_order() -> None:
    draw = np.random.default_rng(2)
    count, elements = 3_001, 37
    vector = draw.lognormal(size=(count, elements)) * np.logspace(-100, 100, elements)
    alone = {
        "skewed": draw.lognormal(size=count),
        "far off": 1e6 + draw.standard_normal(count),
        "noise of a sum": 0.1 + 1e-17 * draw.standard_normal(count),
        "nearly constant": 1e9 + 1e-6 * draw.random(count),
        "constant": np.full(count, 0.1),
    }
    columns = {name: pa.array(values) for name, values in alone.items()}
    columns["v"] = pa.FixedSizeListArray.from_arrays(pa.array(vector.ravel()), elements)
    kinds: dict[str, Any] = dict.fromkeys(alone, "number") | {"v": "vector"}
    matrix = encode(columns, kinds, fill=False, as_numbers=True)
    scaler = StandardScaler()
    scaled = scaler.fit_transform(np.asfortranarray(np.column_stack([*alone.values(), vector])))
    assert matrix.values.flags.c_contiguous
    assert (matrix.values == scaled).all()
    assert (matrix.mean == scaler.mean_).all()
    assert (matrix.scale == scaler.scale_).all()
    assert matrix.scale[2:5].tolist() == [1, 1, 1]
    assert matrix.constant == ("constant",)


def test_what_comes_back_is_a_copy() -> None:
    matrix = encode({"a": columns()["a"]}, {"a": "number"}, fill=False, as_numbers=True)
    before = matrix.values.copy()
    assert matrix.unscaled(matrix.values)["a"] == pytest.approx([1, 2, 4, 9])
    assert (matrix.values == before).all()


def test_rows_at_one_place() -> None:
    some = {"a": pa.array([1, 2, 1, 1]), "b": pa.array([5, 5, 5, 6])}
    matrix = encode(some, dict.fromkeys(some, "number"), fill=False, as_numbers=True)
    assert matrix.coincide(np.array([0, 2]))
    assert not matrix.coincide(np.array([0, 2, 3]))
    assert not matrix.coincide(np.array([0, 1, 2]))


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


def test_vectors_that_are_missing_or_part_of_a_longer_array() -> None:
    lists = pa.array(
        [[9.0, 9.0], [1.0, 2.0], None, [3.0, 4.0], [5.0, None]], pa.list_(pa.float64(), 2)
    )
    matrix = encode({"v": lists[1:]}, {"v": "vector"}, fill=True, as_numbers=True)
    back = matrix.unscaled(matrix.values)["v"]
    assert back == pytest.approx(np.array([[1, 2], [3, 3], [3, 4], [5, 3]]))  # medians 3 and 3
    assert (matrix.places[0].filled, matrix.places[0].filled_with) == (2, "3, 3")


def test_bad_columns() -> None:
    with pytest.raises(DataError, match="infinite") as raised:
        encode({"a": pa.array([1.0, np.inf])}, {"a": "number"}, fill=True, as_numbers=True)
    assert raised.value.row == 1
    most, far = pa.array([1.0, LARGEST]), pa.array([1.0, 2.0, -2 * LARGEST])
    assert np.isfinite(
        encode({"a": most}, {"a": "number"}, fill=False, as_numbers=True).values
    ).all()
    with pytest.raises(DataError, match=r"-2e\+150 is too large.*'a'.*--drop") as raised:
        encode({"a": far}, {"a": "number"}, fill=False, as_numbers=True)
    assert raised.value.row == 2
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


def test_missing_booleans_are_the_more_frequent_value_and_false_of_two_as_frequent() -> None:
    some = {
        "x": pa.array([1.0, 2.0, 3.0, 4.0, 5.0]),
        "tie": pa.array([True, None, False, True, False]),
        "yes": pa.array([True, True, None, False, True]),
    }
    kinds: dict[str, Any] = {"x": "number", "tie": "boolean", "yes": "boolean"}
    for as_numbers in (True, False):
        matrix = encode(some, kinds, fill=True, as_numbers=as_numbers)
        back = matrix.unscaled(matrix.values)
        assert back["tie"] == pytest.approx([1, 0, 0, 1, 0])
        assert back["yes"] == pytest.approx([1, 1, 1, 0, 1])
        filled = [(each.filled_by, each.filled_with) for each in matrix.places[1:]]
        assert filled == [("most frequent value", "false"), ("most frequent value", "true")]


def test_remedies_quote_names_for_the_shell() -> None:
    with pytest.raises(DataError, match="all values are missing") as raised:
        encode({"my $no": pa.nulls(3, pa.int8())}, {"my $no": "number"}, fill=True, as_numbers=True)
    assert raised.value.remedy == "leave the column out with --drop 'my $no'"
