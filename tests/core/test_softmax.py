"""The multinomial fit, against scikit-learn, glum, derivatives and known coefficients."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from sklearn.linear_model import LogisticRegression

from rebalance.core import softmax
from rebalance.core.softmax import Fit, fit_softmax
from rebalance.learners.glm import Penalty, Problem, maximise

Arrays = tuple[np.ndarray, np.ndarray]


def simulated(
    count: int, offset: np.ndarray | float = 0.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of four classes with known coefficients, in which `offset` counts."""
    generator = np.random.default_rng(seed)
    z = generator.standard_normal((count, 3))
    true = np.array(
        [[2.0, 0.5, -0.5, -2.0], [0.8, 0.1, -0.4, -0.5], [-0.6, 0.5, 0.2, -0.1], [0, 0, 0.3, -0.3]]
    )
    scores = true[0] + z @ true[1:] + offset
    codes = (scores + generator.gumbel(size=scores.shape)).argmax(axis=1)
    return z, codes, true


def value(at: np.ndarray, z: np.ndarray, codes: np.ndarray, offset: np.ndarray, l2: float) -> float:
    """The objective, written down plainly."""
    at = at.reshape(1 + z.shape[1], -1)
    scores = at[0] + z @ at[1:] + offset
    own = scores[np.arange(len(codes)), codes]
    return float((np.log(np.exp(scores).sum(axis=1)) - own).sum() + l2 * (at[1:] ** 2).sum())


@pytest.mark.parametrize("l2", [0.01, 5.0])
def test_scikit_learn_finds_the_same(l2: float) -> None:
    z, codes, _ = simulated(3000)
    fit = fit_softmax(z, codes, np.zeros((3000, 4)), None, l2)
    # Its objective is |b|^2 / 2 + C loss.
    peer = LogisticRegression(C=1 / (2 * l2), tol=1e-10, max_iter=5000).fit(z, codes)
    slopes = peer.coef_.T - peer.coef_.T.mean(axis=1, keepdims=True)
    assert fit.coefficients[1:] == pytest.approx(slopes, abs=2e-5)
    assert fit.coefficients[0] == pytest.approx(peer.intercept_ - peer.intercept_.mean(), abs=2e-5)


def test_at_the_end_no_direction_descends() -> None:
    z, codes, _ = simulated(400)
    offset = np.random.default_rng(1).standard_normal((400, 4)) * 2
    fit = fit_softmax(z, codes, offset, None, 0.5)
    slope = approx_fprime(fit.coefficients.ravel(), value, 1e-6, z, codes, offset, 0.5)
    # The rounding of differences of values near 500 by steps of 1e-6.
    assert np.abs(slope).max() < 1e-3
    best = value(fit.coefficients.ravel(), z, codes, offset, 0.5)
    generator = np.random.default_rng(2)
    for _ in range(20):
        other = fit.coefficients + 0.01 * generator.standard_normal(fit.coefficients.shape)
        assert value(other.ravel(), z, codes, offset, 0.5) > best


def test_known_coefficients_come_back_below_the_offsets() -> None:
    generator = np.random.default_rng(3)
    offset = np.log(generator.uniform(0.02, 1.0, (20_000, 4)))
    z, codes, true = simulated(20_000, offset, seed=4)
    fit = fit_softmax(z, codes, offset, None, 0.0)
    true = true - true.mean(axis=1, keepdims=True)
    # The rarest class has some 350 rows: standard errors up to 0.07; four of them.
    assert np.bincount(codes).min() > 250
    assert fit.coefficients == pytest.approx(true, abs=0.28)
    assert np.abs(fit.coefficients - true).mean() < 0.06
    # Without the offsets, intercepts are off by far more.
    plain = fit_softmax(z, codes, np.zeros_like(offset), None, 0.0)
    assert fit.gradient < 1e-6
    assert np.abs(plain.coefficients - true).max() > 2 * np.abs(fit.coefficients - true).max()


@pytest.mark.parametrize("l2", [0.01, 3.0])
def test_two_classes_are_logistic_regression(l2: float) -> None:
    z, codes, _ = simulated(2000, seed=6)
    y = codes > 1
    shift = np.random.default_rng(7).uniform(-4, 0, (2000, 2))
    weight = np.random.default_rng(8).uniform(0.5, 2, 2000)
    fit = fit_softmax(z, y.astype(np.int64), shift, weight, l2)
    with_ones = np.column_stack([np.ones(len(z)), z])
    names = [str(at) for at in range(with_ones.shape[1])]
    problem = Problem(with_ones, names, y, shift[:, 1] - shift[:, 0], weight)
    expected = maximise(problem, Penalty(0.0, l2)).coefficients
    found = fit.coefficients[:, 1] - fit.coefficients[:, 0]
    assert found == pytest.approx(expected, abs=1e-6)


def test_a_weight_of_two_is_a_row_twice() -> None:
    z, codes, _ = simulated(500)
    weight = np.where(np.arange(500) < 100, 2.0, 1.0)
    offset = np.random.default_rng(1).standard_normal((500, 4))
    twice = np.concatenate([np.arange(500), np.arange(100)])
    once = fit_softmax(z, codes, offset, weight, 1.0)
    again = fit_softmax(z[twice], codes[twice], offset[twice], None, 1.0)
    assert once.coefficients == pytest.approx(again.coefficients, abs=1e-8)


def test_large_offsets_and_a_class_of_one_row() -> None:
    z, codes, _ = simulated(2000)
    codes = codes.copy()
    codes[0] = 4
    offset = np.zeros((2000, 5))
    offset[:, 0] = -12.0
    fit = fit_softmax(z, codes, offset, None, 0.01)
    moved = fit_softmax(z, codes, np.zeros((2000, 5)), None, 0.01)
    # An offset that is the same for all rows is the intercept's.
    expected = moved.coefficients.copy()
    expected[0, 0] += 12.0
    expected[0] -= expected[0].mean()
    assert fit.coefficients == pytest.approx(expected, abs=1e-6)
    assert fit.gradient < 1e-6 * fit.spread


def test_collinear_columns() -> None:
    z, codes, _ = simulated(1000)
    twice = np.column_stack([z, z[:, 0]])
    fit = fit_softmax(twice, codes, np.zeros((1000, 4)), None, 0.0)
    single = fit_softmax(z, codes, np.zeros((1000, 4)), None, 0.0)
    together = fit.coefficients[1] + fit.coefficients[4]
    assert together == pytest.approx(single.coefficients[1], abs=1e-5)


def test_beyond_so_many_columns_the_diagonal_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    z, codes, _ = simulated(1000)
    expected = fit_softmax(z, codes, np.zeros((1000, 4)), None, 0.1)
    monkeypatch.setattr("rebalance.core.softmax._BLOCK_COLUMNS", 2)
    found = fit_softmax(z, codes, np.zeros((1000, 4)), None, 0.1)
    assert found.coefficients == pytest.approx(expected.coefficients, abs=1e-7)


def test_classes_that_are_nearly_separated() -> None:
    z, codes, _ = simulated(1500)
    z = z * [30, 1, 1]
    codes = np.digitize(z[:, 0], [-20, 0, 20])
    offset = np.log(np.random.default_rng(0).uniform(0.001, 1, (1500, 4)))
    fit = fit_softmax(z, codes, offset, None, 0.001)
    assert converged(fit)
    assert fit.steps < 60


def converged(fit: Fit) -> bool:
    return fit.gradient < 1e-6 * fit.spread


def test_the_hessian_formed_is_that_of_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(6)
    z, offset = generator.standard_normal((700, 4)), generator.standard_normal((700, 5))
    codes, weight = generator.integers(0, 5, 700), generator.uniform(0.1, 3, 700)
    monkeypatch.setattr(softmax, "_SCALED", 1_000)  # rows in many parts
    problem = softmax._Problem(z, codes, offset, weight, 0.3)
    direction = generator.standard_normal((5, 5))
    _, prob = problem.value(generator.standard_normal((5, 5)))
    formed = (problem._hessian(prob) @ direction.T.ravel()).reshape(5, 5).T
    assert formed == pytest.approx(problem._curve(direction, prob), rel=1e-10)
    # From the first step, and never: the same optimum.
    found = []
    for per_pass in (np.inf, 1e-9):
        monkeypatch.setattr(softmax, "_PER_PASS", per_pass)
        found.append(softmax.fit_softmax(z, codes, offset, weight, 0.3).coefficients)
    assert found[0] == pytest.approx(found[1], abs=1e-7)
