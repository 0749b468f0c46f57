"""Splits of long-tailed labels: small classes are kept, and said."""

from __future__ import annotations

import numpy as np
import pytest

from rebalance.core import allotment
from rebalance.core.allotment import DrawCounts, RankCuts, Shares
from rebalance.errors import DataError
from rebalance.steps.context import Context
from tests.steps.test_split import run

SHARES = Shares(0.3, 0.2)


def long_tail(seed: int = 0) -> np.ndarray:
    """1,000 classes: some large, 400 of one row, 300 of two."""
    sizes = [900, 500, *[12] * 298, *[2] * 300, *[1] * 400]
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))


def test_small_classes_are_in_the_training_set(tmp_path):
    y, context = long_tail(), Context()
    _, (train, test) = run(tmp_path, {"y": y}, test=0.3, context=context)
    totals = np.bincount(y)
    assert set(y[train].tolist()) == set(range(1000))
    # A third of twelve is 4 (3.6 rounded); of two rows .6 is one; of one row none.
    expected = {900: 270, 500: 150, 12: 4, 2: 1, 1: 0}
    assert np.bincount(y[test], minlength=1000).tolist() == [
        expected[total] for total in totals.tolist()
    ]
    assert any(
        "400 classes have too few rows for every part" in note and "400 of one row" in note
        for note in context.notes
    )


def test_a_row_of_each_class_trains_however_large_the_test(tmp_path):
    y = long_tail()
    _, parts = run(tmp_path, {"y": y}, ("a", "b", "c"), test=0.6, validation=0.3)
    assert set(y[parts[0]].tolist()) == set(range(1000))
    # Of two rows .6 is one, so that one is left; of one row none.
    assert np.bincount(y[parts[1]], minlength=1000)[-700:].tolist() == [1] * 300 + [0] * 400


def test_nothing_but_small_classes(tmp_path):
    y = np.repeat(np.arange(50), 2)
    with pytest.raises(DataError, match=r"every class has too few rows for the test set.*--test"):
        run(tmp_path, {"y": y}, test=0.1)


@pytest.mark.parametrize("how", ["key", "time"])
def test_by_key_and_by_time_small_classes_may_be_lacking(tmp_path, how):
    y, context = long_tail(), Context()
    _, parts = run(tmp_path, {"y": y, "at": np.arange(len(y))}, context=context, **{how: "at"})
    for name, part in zip(("train", "test"), parts, strict=True):
        lacking = 1000 - len(np.unique(y[part]))
        assert lacking > 50
        assert any(f"the {name} set has no row of {lacking} classes" in note
                   for note in context.notes)  # fmt: skip


def test_a_large_class_must_not_be_lacking(tmp_path):
    y = ["a"] * 300 + ["b"] * 100 + ["c"] * 200
    with pytest.raises(
        DataError, match=r"test set would have no row of class 'a', which has 300, column 'y'"
    ):
        run(tmp_path, {"y": y, "at": range(600)}, time="at")


@pytest.mark.parametrize("cells", [64, 1 << 10, 1 << 22])
def test_cuts_are_exact_with_few_bins(monkeypatch, cells):
    """The smallest draws of each class, for any number of bins and cut into batches."""
    monkeypatch.setattr(allotment, "_CELLS", cells)
    strata = long_tail(1)
    draws = np.random.default_rng(2).integers(0, 1000, len(strata)) / 1000  # with ties
    counts = DrawCounts()
    batches = [slice(at, at + 700) for at in range(0, len(strata), 700)]
    for part in batches:
        counts.add(strata[part], draws[part])
    totals = np.bincount(strata)
    assert counts.totals.tolist() == totals.tolist()
    sizes = [SHARES.sizes_with_train(total) for total in totals.tolist()]
    cuts = RankCuts(counts, sizes)
    for part in batches:
        cuts.collect(strata[part], draws[part], part.start)
    found = cuts.finish()
    expected = np.zeros(len(strata), dtype=np.int8)
    for code, (test, validation) in enumerate(sizes):
        rows = np.flatnonzero(strata == code)
        order = rows[np.argsort(draws[rows], kind="stable")]
        expected[order[:test]] = 1
        expected[order[test : test + validation]] = 2
    parts = [found.parts(strata[part], draws[part], part.start) for part in batches]
    assert np.concatenate(parts).tolist() == expected.tolist()
