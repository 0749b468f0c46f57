"""Any number of classes; and columns that hold none."""

from __future__ import annotations

import datetime
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from rebalance.core import label_values
from rebalance.core.label_values import (
    MOST_MEASURED,
    LabelValues,
    check_classes,
    refuse_names,
)
from rebalance.errors import DataError


def test_any_number_of_classes() -> None:
    values = LabelValues("y")
    first = values.codes(pa.array(range(50_000)), 0)
    assert first.tolist() == list(range(50_000))
    # Other types of the same values, in another order, have the same numbers.
    again = pa.array([str(at) for at in reversed(range(50_000))])
    assert values.codes(again, 50_000).tolist() == first[::-1].tolist()
    assert len(values.texts) == 50_000


def test_truth_values_are_not_numbers() -> None:
    values = LabelValues("y")
    assert values.codes(pa.array([1, 0]), 0).tolist() == [0, 1]
    assert values.codes(pa.array([True, False, True]), 2).tolist() == [2, 3, 2]
    assert values.texts == ["1", "0", "true", "false"]


@pytest.mark.parametrize(
    ("array", "word"),
    [
        (pa.array(np.arange(101) + 0.5), "fractions"),
        (pa.array([Decimal(at) + Decimal("0.25") for at in range(101)]), "fractions"),
        (pa.array([datetime.date(2024, 1, 1) + datetime.timedelta(at) for at in range(101)]),
         "times"),
    ],
)  # fmt: skip
def test_measurements_are_no_classes(array: pa.Array, word: str) -> None:
    assert MOST_MEASURED == 100
    values = LabelValues("y")
    values.codes(array[:100], 0)
    with pytest.raises(DataError, match=rf"more than 100 different {word}.*'y'.*ranges"):
        values.codes(array[100:], 100)


def test_whole_numbers_are_classes_whatever_their_type() -> None:
    for dtype in (pa.float64(), pa.decimal128(9, 2), pa.int64()):
        values = LabelValues("y")
        values.codes(pa.array(range(1_000), pa.int16()).cast(dtype), 0)
        assert values.texts == [str(at) for at in range(1_000)]


def test_names_are_no_classes() -> None:
    # 95% of the rows or more.
    refuse_names("y", 94, 100)
    with pytest.raises(DataError, match=r"label of its own, 95 different .* 100 rows.*'y'"):
        refuse_names("y", 95, 100)
    refuse_names("y", 19, 19)  # too few rows to tell
    check_classes("y", dict.fromkeys("ab", 1))
    check_classes("y", {str(at): 2 for at in range(100)})
    with pytest.raises(DataError, match="label of its own"):
        check_classes("y", {str(at): 1 for at in range(100)})


def test_names_are_refused_before_they_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_values, "MANY", 1_000)
    values = LabelValues("y")
    for start in range(0, 3_000, 500):  # as many classes, each of two rows
        values.codes(pa.array([at // 2 for at in range(start, start + 500)]), start)
    assert len(values.texts) == 1_500
    names = LabelValues("y")
    for start in (0, 500):
        names.codes(pa.array(range(start, start + 500)), start)
    with pytest.raises(DataError, match="1,500 different values in the 1,500 rows"):
        names.codes(pa.array(range(1_000, 1_500)), 1_000)


def test_known_values_stay_the_known_ones() -> None:
    values = LabelValues("y", ["a", "b"])
    for _ in range(2):  # what was refused once is not known the next time
        with pytest.raises(DataError, match=r"value 'c', which was not there.*row 8 .*; see there"):
            values.known_codes(pa.array(["b", "c"]), 7, "see there")
    assert values.known_codes(pa.array(["b", "a"]), 0, "").tolist() == [1, 0]


def test_threads_agree() -> None:
    values = LabelValues("y", [str(at) for at in range(2_000)])
    arrays = [pa.array(np.random.default_rng(seed).integers(0, 2_000, 5_000)) for seed in range(8)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda array: values.known_codes(array, 0, ""), arrays))
    for codes, array in zip(found, arrays, strict=True):
        assert (codes == array.to_numpy()).all()
