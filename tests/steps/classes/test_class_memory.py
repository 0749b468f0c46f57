"""What a fit of many classes needs is said before it is tried; wide tables pass in parts."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from rebalance.core import softmax
from rebalance.core.classes import Classes, classes_of, columns_of, repeated
from rebalance.core.softmax import fit_softmax, softmax_bytes
from rebalance.errors import UsageError
from rebalance.steps.classes import memory
from rebalance.steps.classes.memory import check_fit, fit_bytes
from rebalance.steps.classes.pilot import check_size
from rebalance.steps.context import Context


@pytest.mark.parametrize(("rows", "classes", "columns"), [(2_000, 300, 3), (600, 150, 20)])
def test_the_memory_of_a_fit_is_as_estimated(
    rows: int, classes: int, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(softmax, "MAX_STEPS", 2)  # the others need no more
    monkeypatch.setattr(softmax, "_INNER", 5)
    generator = np.random.default_rng(0)
    z = generator.standard_normal((rows, columns))
    codes = np.arange(rows) % classes
    offset = repeated(generator.standard_normal(classes), rows)
    tracemalloc.start()
    try:
        fit_softmax(z, codes, offset, None, 1.0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    estimated = softmax_bytes(rows, classes, columns)
    # Blocks of rows that are worked on take some MB more.
    assert 0.5 * estimated < peak < 1.05 * estimated + 4e6


def test_the_same_offsets_for_every_row_give_the_same_fit() -> None:
    generator = np.random.default_rng(1)
    z, codes = generator.standard_normal((900, 2)), np.arange(900) % 70
    offset = generator.standard_normal(70)
    found = [
        fit_softmax(z, codes, each, None, 0.1).coefficients
        for each in (repeated(offset, 900), np.tile(offset, (900, 1)))
    ]
    assert (found[0] == found[1]).all()


def test_repeated_rows_stay_in_the_memory_of_one() -> None:
    whole = repeated([1.0, 2.0, 3.0], 1_000)
    mask = np.arange(1_000) < 400
    for found in (columns_of(whole, mask), columns_of(whole, np.flatnonzero(mask))):
        assert found.shape == (400, 3)
        assert found.strides[0] == 0
    some = classes_of(whole, np.array([2, 0]))
    assert some.strides[0] == 0
    assert some[7].tolist() == [3.0, 1.0]
    plain = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    assert columns_of(plain, np.array([1])).tolist() == [[3.0, 4.0, 5.0]]
    assert classes_of(plain, np.array([2, 0])).tolist() == [[2.0, 0.0], [5.0, 3.0]]


def test_what_is_too_large_is_refused_with_a_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    context = Context(memory_limit=1 << 30)
    check_fit("logistic", 1_000, 100, 5, context=context, remedy="-")
    # 8 bytes x 50,000 rows x 5,000 classes are 2 GB; six of them are 12 GB.
    for model in ("logistic", "gbm"):
        assert fit_bytes(model, 50_000, 5_000, 5) == pytest.approx(12e9, rel=0.02)
        with pytest.raises(
            UsageError, match=rf"a {model} fit of 50,000 rows and 5,000 classes takes about 11\.\d "
            r"GB .*--memory-limit allows 1\.0 GB; do this",
        ):  # fmt: skip
            check_fit(model, 50_000, 5_000, 5, context=context, remedy="do this")
    monkeypatch.setattr(memory, "free_bytes", lambda: 4 << 30)
    with pytest.raises(UsageError, match=r"the machine has 4\.0 GB to spare"):
        check_fit("gbm", 50_000, 5_000, 5, context=Context(), remedy="-")
    monkeypatch.setattr(memory, "free_bytes", lambda: None)
    check_fit("gbm", 50_000, 5_000, 5, context=Context(), remedy="-")


def test_a_pilot_needs_rows_of_each_class() -> None:
    label = Classes("k", tuple(map(str, range(1_000))))
    check_size(label, [900] * 1_000, 1_000)
    check_size(label, [900] + [1] * 999, 300)  # one class has more than its row
    check_size(label, [2] * 1_000, 400)  # all rows there are
    with pytest.raises(
        UsageError, match=r"4,500 rows of all 1,000 classes, 4 of each.*--size 1000"
    ):
        check_size(label, [900] * 1_000, 900)
