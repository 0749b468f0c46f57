"""The label: its values as text, its positive one, and what is refused."""

from __future__ import annotations

import datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalance.core.labels import (
    Label,
    LabelCounter,
    canonical,
    choose_label,
    is_positive,
    label_codes,
)
from rebalance.errors import DataError


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1", [1, 1.0, "1", "1.0", "1.00", Decimal("1"), Decimal("1.00"), np.int8(1).item()]),
        ("0", [0, 0.0, -0.0, Decimal("0.00"), Decimal("-0.00")]),
        ("100", [100, 100.0, Decimal("1E+2")]),
        ("0.5", [0.5, "0.5", Decimal("0.50")]),
        ("true", [True, "true", "True", "TRUE"]),
        ("false", [False, "false", "False", "FALSE"]),
        ("tRUE", ["tRUE"]),
        ("007", ["007"]),
        ("-3", [-3, -3.0]),
        ("inf", [float("inf")]),
        ("2024-05-31", [datetime.date(2024, 5, 31)]),
        ("fraud", ["fraud", b"fraud"]),
        ("\\xff", [b"\xff"]),
        (
            "12345678901234567890123456789012345.6",
            [Decimal("12345678901234567890123456789012345.60")],
        ),
    ],
)
def test_canonical_text(text, values):
    assert [canonical(value) for value in values] == [text] * len(values)


@pytest.mark.parametrize(
    "array",
    [
        pa.array([0, 1, 0, 1], pa.int8()),
        pa.array([0, 1, 0, 1], pa.uint64()),
        pa.array([0, 1, 0, 1], pa.float64()),
        pa.array(["0", "1", "0", "1"], pa.large_string()),
        pa.array(["0", "1", "0", "1"]).dictionary_encode(),
        pa.array([Decimal("0.0"), Decimal("1.0"), Decimal("0.0"), Decimal("1.0")]),
        pa.array([b"0", b"1", b"0", b"1"]),
        pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 1]), pa.array(["0", "1", "0"])),
        pa.ExtensionArray.from_storage(pa.json_(), pa.array(["0", "1", "0", "1"])),
    ],
    ids=lambda array: str(array.type),
)
def test_codes_are_the_same_for_every_type(array):
    values: list[str] = []
    assert label_codes(array, values, "y").tolist() == [0, 1, 0, 1]
    assert values == ["0", "1"]


def test_new_values_are_appended_and_known_ones_found():
    values = ["b"]
    assert label_codes(pa.array(["a", "b", "c", "a"]), values, "y").tolist() == [1, 0, 2, 1]
    assert values == ["b", "a", "c"]


def test_no_rows():
    values = ["b"]
    assert label_codes(pa.array([], pa.string()), values, "y").tolist() == []


@pytest.mark.parametrize(
    "array",
    [
        pa.array([1, 0, None, None]),
        pa.array([1.0, 0.0, float("nan"), None]),
        pa.array(["a", "b", None, None]).dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array([0, 0, 1, 1]), pa.array(["x", None])),
    ],
)
def test_missing_labels_are_counted_and_placed(array):
    with pytest.raises(DataError, match=r"missing in 2 of the rows.*'y', first in row 1002"):
        label_codes(array, [], "y", start=1000)


def test_all_missing():
    with pytest.raises(DataError, match=r"missing in 3 .*first in row 0 "):
        label_codes(pa.nulls(3), [], "y")


@pytest.mark.parametrize("array", [pa.array([[1], [2]]), pa.array([{"a": 1}, {"a": 2}])])
def test_lists_and_structs_are_no_classes(array):
    with pytest.raises(DataError, match=r"of type .*which is no class.*'y'.*--label"):
        label_codes(array, [], "y")


@given(st.lists(st.sampled_from("abc"), min_size=1), st.integers(1, 5))
def test_counter_counts_over_batches(labels, size):
    counter = LabelCounter("y")
    found: list[str] = []
    for start in range(0, len(labels), size):
        codes = counter.add(pa.array(labels[start : start + size]), start)
        found += [counter.values[code] for code in codes]
    assert found == labels
    assert counter.counts == {value: labels.count(value) for value in dict.fromkeys(labels)}


@pytest.mark.parametrize(
    ("counts", "asked", "label"),
    [
        ({"0": 1, "1": 99}, None, Label("y", "1", ("0",))),  # 1 of 0/1, though it is common
        ({"a": 9, "b": 1}, None, Label("y", "b", ("a",))),  # the rarer of two
        ({"b": 5, "a": 5}, None, Label("y", "a", ("b",))),  # a tie: by text, whatever came first
        ({"true": 9, "false": 1}, None, Label("y", "false", ("true",))),
        ({"a": 9, "b": 1}, "a", Label("y", "a", ("b",))),
        ({"true": 9, "false": 1}, "True", Label("y", "true", ("false",))),
        ({"c": 1, "a": 9, "b": 1}, "b", Label("y", "b", ("a", "c"))),
    ],
)
def test_the_positive_value(counts, asked, label):
    assert choose_label("y", counts, asked) == label
    assert label.values == (label.positive, *label.negatives)


@pytest.mark.parametrize(
    ("counts", "asked", "message"),
    [
        ({}, None, "no rows, column 'y'"),
        ({"0": 1200}, None, r"one class only: 0 \(1,200\), column 'y'"),
        ({"0": 5}, "0", "one class only"),
        ({"a": 1, "b": 2, "c": 3}, None, "3 classes where two are needed: .*--positive VALUE"),
        ({"yes": 1, "no": 2}, "Yes", "no row has the positive value 'Yes'.*nearest is 'yes'"),
    ],
)
def test_no_positive_value(counts, asked, message):
    with pytest.raises(DataError, match=message):
        choose_label("y", counts, asked)


def test_is_positive():
    label = Label("y", "1", ("0", "2"))
    assert is_positive(pa.array([0, 1, 2, 1]), label).tolist() == [False, True, False, True]


def test_a_value_that_was_not_there_before():
    with pytest.raises(DataError, match=r"value '7', which was not there.*row 502 .*1, 0"):
        is_positive(pa.array([0, 1, 7, 8]), Label("y", "1", ("0",)), start=500)
