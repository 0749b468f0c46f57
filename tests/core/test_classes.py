"""Classes, and their probabilities from one scale to another."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from rebalance.core.classes import (
    Classes,
    listed,
    log_rest,
    log_softmax,
    to_population,
    to_sample,
)
from rebalance.core.correction import log_odds, offset
from rebalance.core.correction import to_population as of_two
from rebalance.errors import DataError, UsageError


def some(rows: int, classes: int, seed: int = 0, spread: float = 3.0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, classes)) * spread


def test_the_correction_by_hand() -> None:
    # Of 1000 rows at some x, 700, 200 and 100 are of each class; a tenth, half and all are kept.
    kept = np.array([[70.0, 100.0, 100.0]])
    found = np.exp(to_population(np.log(kept / kept.sum()), np.log([[0.1, 0.5, 1.0]])))
    assert found[0] == pytest.approx([0.7, 0.2, 0.1])
    back = np.exp(to_sample(np.log(found), np.log([[0.1, 0.5, 1.0]])))
    assert back[0] == pytest.approx(kept[0] / 270)


def test_two_classes_are_those_of_the_log_odds() -> None:
    prob = log_softmax(some(50, 2))
    pi = np.random.default_rng(1).random((50, 2))
    found = to_population(prob, np.log(pi))
    expected = of_two(log_odds(np.exp(prob[:, 1])), offset(pi[:, 0], pi[:, 1]))
    assert found[:, 1] - found[:, 0] == pytest.approx(expected)


def test_the_rest_is_exact_where_one_class_is_all_but_certain() -> None:
    # 1 - p is 0 in float64; the others sum to e^-50 + e^-60.
    log_prob = np.array([[0.0, -50.0, -60.0]])
    assert log_rest(log_prob)[0, 0] == pytest.approx(-50 + np.log1p(np.exp(-10)), rel=1e-14)
    assert log_rest(log_prob)[0, 1:] == pytest.approx([-np.exp(-50), -np.exp(-60)], rel=1e-9)


@pytest.mark.parametrize("spread", [0.1, 3.0, 300.0])
def test_the_rest_is_one_minus_p(spread: float) -> None:
    log_prob = log_softmax(some(300, 6, spread=spread))
    found = log_rest(log_prob)
    assert np.isfinite(found).all() or spread == 300.0
    assert (found <= 0).all()
    assert np.exp(found) == pytest.approx(1 - np.exp(log_prob), abs=1e-12)


def test_a_row_depends_on_itself_alone() -> None:
    scores = np.asfortranarray(some(1000, 5))
    whole = log_rest(log_softmax(scores))
    for rows in (slice(0, 1), slice(3, 10), slice(17, 1000)):
        part = log_rest(log_softmax(np.asfortranarray(scores[rows])))
        assert (part == whole[rows]).all()


def test_a_class_that_cannot_be_stays_so() -> None:
    scores = np.array([[0.0, -np.inf, 1.0]])
    found = to_population(log_softmax(scores), np.log([[0.5, 0.1, 1.0]]))
    assert np.exp(found[0, 1]) == 0
    assert np.exp(found).sum() == pytest.approx(1)


def test_the_order_of_the_classes() -> None:
    assert Classes.of("k", ["10", "9", "-1"]).values == ("-1", "9", "10")
    assert Classes.of("k", ["b", "10", "a"]).values == ("10", "a", "b")


def test_codes_and_what_is_strange() -> None:
    label = Classes("k", ("1", "2", "3"))
    assert label.codes(pa.array([3.0, 1.0, 2.0])).tolist() == [2, 0, 1]
    with pytest.raises(DataError, match=r"value '4'.*row 12"):
        label.codes(pa.array([1, 1, 4]), 10)
    with pytest.raises(UsageError, match=r"no class 'lage' \(named by --rate\); the nearest is"):
        Classes("size", ("small", "large")).require(["lage"], "--rate")
    assert Classes.from_document(label.to_document()) == label


def test_long_lists_are_cut() -> None:
    assert listed([str(each) for each in range(10)]) == "0, 1, 2, 3, 4, 5, 6, 7 and 2 more"
