"""Probabilities of 0 and 1 get finite log odds, and the order stays."""

from __future__ import annotations

import numpy as np
import pytest

from rebalance.core.saturated import Bounds

SMALLEST = float(np.nextafter(0.0, 1.0))
LARGEST = float(np.nextafter(1.0, 0.0))


@pytest.mark.parametrize(("least", "greatest"), [(0.1, 0.8), (SMALLEST, LARGEST), (0.5, 0.5)])
def test_log_odds_are_finite_and_rise(least: float, greatest: float) -> None:
    bounds = Bounds.of(least, greatest)
    given = np.unique([0.0, SMALLEST, 1e-300, least, 0.3, 0.5, greatest, LARGEST, 1.0])
    found = bounds.log_odds(given)
    assert np.isfinite(found).all()
    assert (np.diff(found) >= 0).all()
    # Certainty is apart from all that was seen inside, where a float64 leaves room for that.
    if least > 1e-300:
        assert bounds.low < least
    if greatest < LARGEST:
        assert bounds.high > greatest


def test_inside_nothing_changes() -> None:
    given = np.array([0.1, 0.25, 0.8])
    expected = np.log([1 / 9, 1 / 3, 4.0])
    assert Bounds.of(0.1, 0.8).log_odds(given) == pytest.approx(expected)
    # Half of a tenth: odds of 1 to 19; half way from 0.8 to 1: of 9 to 1.
    assert Bounds.of(0.1, 0.8).log_odds(np.array([0.0, 1.0])) == pytest.approx(np.log([1 / 19, 9]))
