"""The focal loss against its definition, finite differences and minimisation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from rebalance.core.losses import (
    Focal,
    Reweighted,
    focal_loss,
    focal_score,
    undo_focal,
    undo_focal_slope,
)

GAMMAS = [0.0, 0.5, 1.0, 2.0, 5.0]
SCORES = np.linspace(-12, 12, 97)
BOTH = [np.ones(97, dtype=bool), np.zeros(97, dtype=bool)]


def defined(y: np.ndarray, v: np.ndarray, gamma: float) -> np.ndarray:
    q = 1 / (1 + np.exp(-np.where(y, v, -v)))
    return -((1 - q) ** gamma) * np.log(q)


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("y", BOTH)
def test_the_loss_is_its_definition(y: np.ndarray, gamma: float) -> None:
    # 1 - q loses 16 - log10(exp(12)), some 11, digits at the ends, times gamma.
    assert focal_loss(y, SCORES, gamma) == pytest.approx(defined(y, SCORES, gamma), rel=1e-9)


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("y", BOTH)
def test_the_gradient_is_the_difference_quotient(y: np.ndarray, gamma: float) -> None:
    # A central difference of step 1e-5 is off by 1e-10 L''' / 6 and by rounding, 1e-16 L / 1e-5.
    step = 1e-5
    quotient = (focal_loss(y, SCORES + step, gamma) - focal_loss(y, SCORES - step, gamma)) / (
        2 * step
    )
    gradient, _ = Focal(gamma, y, np.zeros(len(y)), np.ones(len(y))).derivatives(SCORES)
    assert gradient == pytest.approx(quotient, abs=1e-8)
    # The formula with q and log q, as it stands in papers.
    q = 1 / (1 + np.exp(-np.where(y, SCORES, -SCORES)))
    written = (1 - q) ** gamma * (gamma * q * np.log(q) - (1 - q))
    expected = np.where(y, written, -written)
    assert gradient == pytest.approx(expected, rel=1e-8, abs=1e-14)


@pytest.mark.parametrize("gamma", GAMMAS)
def test_undone_scores_are_the_probability_whose_expected_loss_they_make_least(
    gamma: float,
) -> None:
    for p in (1e-4, 0.02, 0.3, 0.5, 0.9):
        best = minimize_scalar(
            lambda v, p=p: (
                p * defined(np.array(True), v, gamma) + (1 - p) * defined(np.array(False), v, gamma)
            ),
            bounds=(-15, 15),
            method="bounded",
            options={"xatol": 1e-10},
        ).x
        # A minimum is found to the root of the rounding, about 1e-7 in the score.
        assert float(undo_focal(np.array([best]), gamma)[0]) == pytest.approx(
            np.log(p / (1 - p)), abs=2e-5
        )


def test_by_hand_gamma_2_brings_1903_back_to_2_percent() -> None:
    # h(q) = q / ((1-q)^2 - 2 (1-q) q log q): h(.1903) = .1903 / (.65561 + .51139) = .16307,
    # h(.8097) = .8097 / (.03621 + .06505) = 7.9963; .16307 / 8.15937 = .019986.
    score = np.log(np.array([0.1903 / 0.8097]))
    found = 1 / (1 + np.exp(-undo_focal(score, 2.0)))
    assert found[0] == pytest.approx(0.019986, abs=5e-6)


@pytest.mark.parametrize("gamma", GAMMAS)
def test_there_and_back_over_the_whole_range(gamma: float) -> None:
    wanted = np.concatenate([np.linspace(-900, 900, 61), np.linspace(-3, 3, 61)])
    found = undo_focal(focal_score(wanted, gamma), gamma)
    assert found == pytest.approx(wanted, rel=1e-12, abs=1e-12)
    slope = (undo_focal(SCORES + 1e-5, gamma) - undo_focal(SCORES - 1e-5, gamma)) / 2e-5
    assert undo_focal_slope(SCORES, gamma) == pytest.approx(slope, abs=1e-7)


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("shift", [0.0, 2.5])
def test_derivatives_hold_with_an_offset_inside(gamma: float, shift: float) -> None:
    scores = np.linspace(-6, 4, 41)
    weight = np.linspace(0.5, 2, 41)
    offset = np.full(41, shift)
    positive, negative = (Focal(gamma, np.full(41, y), offset, weight) for y in (True, False))
    step = 1e-4
    seconds = []
    for loss in (positive, negative):
        high, middle, low = (loss.loss(scores + move) for move in (step, 0.0, -step))
        first, second = loss.derivatives(scores)
        assert first == pytest.approx((high - low) / (2 * step), abs=1e-7)
        assert (second > 0).all()
        seconds.append((high - 2 * middle + low) / step**2)
    # Expected at the sampled probability, whose log odds are those of f plus the offset.
    p = 1 / (1 + np.exp(-(undo_focal(scores, gamma) + offset)))
    expected = p * seconds[0] + (1 - p) * seconds[1]
    assert positive.derivatives(scores)[1] == pytest.approx(expected, abs=1e-6)


def test_gamma_0_is_the_log_loss() -> None:
    y = np.arange(97) % 3 == 0
    offset = np.linspace(0, 4, 97)
    first, second = Focal(0.0, y, offset, np.ones(97)).derivatives(SCORES)
    p = 1 / (1 + np.exp(-(SCORES + offset)))
    assert first == pytest.approx(p - y, abs=1e-12)
    assert second == pytest.approx(p * (1 - p), abs=1e-12)


def test_as_fitted_puts_weights_and_loss_back() -> None:
    # Weights 3 to 1 take p = .25 to .5, where a focal score of any gamma is 0.
    odds = np.log(np.array([1 / 3]))
    assert Reweighted(np.log(3.0)).as_fitted(odds) == pytest.approx(0.0, abs=1e-12)
    assert Reweighted(np.log(3.0), 2.0).as_fitted(odds) == pytest.approx(0.0, abs=1e-12)
    assert not Reweighted().bends
