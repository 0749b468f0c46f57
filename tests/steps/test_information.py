"""The plan: what the pilot says of samples before they are drawn."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from rebalance.errors import ArtifactError, UsageError
from rebalance.learners import get_learner
from rebalance.learners.base import Settings, TrainingRows
from rebalance.steps.information import (
    RATES,
    Stand,
    curve,
    efficiency_curves,
    known_between,
    rate_for,
    stand_of,
)


@pytest.fixture(scope="module")
def plan() -> dict[str, object]:
    """Of 2,000 rows that stand for 20,100: every positive and a twentieth of the negatives."""
    generator = np.random.default_rng(0)
    z = np.column_stack([np.ones(2000), generator.normal(size=(2000, 2))])
    log_odds = z @ np.array([-4.0, 1.0, 0.5])
    y_true = np.arange(2000) < 1000
    weight = np.where(y_true, 0.1, 20.0)
    return efficiency_curves(Stand(z, log_odds, y_true, weight, weight), z[:1000].T @ z[:1000])


def test_efficiency_rises_with_the_rate_to_one(plan: dict[str, object]) -> None:
    for correction in ("offset", "weight"):
        for score in ("uniform", "probability", "l-opt", "a-opt", "leverage"):
            found = curve(plan, score, correction).efficiencies
            assert list(found) == sorted(found)
            assert found[-1] == pytest.approx(1, abs=1e-6)
        # Some positives are let go at every rate.
        assert curve(plan, "local-case-control", correction).efficiencies[-1] < 1


def test_uniform_sampling_with_the_offset_by_hand(plan: dict[str, object]) -> None:
    generator = np.random.default_rng(0)
    z = np.column_stack([np.ones(2000), generator.normal(size=(2000, 2))])
    prob = 1 / (1 + np.exp(-(z @ np.array([-4.0, 1.0, 0.5]))))
    weight = np.where(np.arange(2000) < 1000, 0.1, 20.0)
    whole = (z * (weight * prob * (1 - prob))[:, None]).T @ z
    kept = (z * (weight * prob * (1 - prob) * 0.1 / (prob + 0.1 * (1 - prob)))[:, None]).T @ z
    expected = 3 / np.trace(whole @ np.linalg.inv(kept))
    found = curve(plan, "uniform", "offset").efficiencies[RATES.index(0.1)]
    assert found == pytest.approx(expected)


def test_the_rate_for_an_efficiency_is_read_off_the_curve(plan: dict[str, object]) -> None:
    known = curve(plan, "probability", "offset")
    for at in (3, 10):
        asked = known.efficiencies[at]
        assert rate_for(plan, "probability", "offset", asked) == pytest.approx(RATES[at])
    with pytest.raises(UsageError, match=r"ask for 0\.\d+ \(--rate 0.001\) to 1.000"):
        rate_for(plan, "probability", "offset", 0.001)


def test_a_range_is_given_where_the_pilots_own_error_is_known(plan: dict[str, object]) -> None:
    assert known_between(plan, "uniform", "offset", 0.1, 0.5) is None
    errors = {"offset": {"uniform": [0.1] * (len(RATES) - 1) + [0.0]}}
    told = plan | {"standard_error_of_log": errors}
    between = known_between(told, "uniform", "offset", 0.1, 0.5)
    assert between == pytest.approx((0.5 / np.exp(0.196), 0.5 * np.exp(0.196)), rel=1e-4)
    assert known_between(told, "uniform", "offset", 0.1, 0.9)[1] == 1.0  # type: ignore[index]
    assert known_between(told, "uniform", "offset", 1.0, 1.0) == (1.0, 1.0)


def test_a_pilot_without_a_plan_is_named() -> None:
    with pytest.raises(ArtifactError, match="make it again"):
        rate_for({}, "probability", "offset", 0.5)


def test_weights_of_a_user_are_no_counts_of_rows() -> None:
    # Weights of mean 1 that do not depend on the rows leave slopes with E[w^2] / E[w]^2 times the
    # variance that as many equal rows give: of 1 and 9, half each, 41 / 25 = 1.64. Of 4,000 rows,
    # 1,000 of them positive, either estimate of a variance is good to some 10%.
    draw = np.random.default_rng(2)
    x = draw.normal(size=4000)
    y = draw.random(4000) < 1 / (1 + np.exp(1.3 - x))
    spread = []
    for weight in (np.ones(4000), draw.permutation(np.repeat([0.2, 1.8], 2000))):
        nothing = np.zeros(4000)
        kinds = {"x": "number"}
        rows = TrainingRows({"x": pa.array(x)}, kinds, y, nothing, nothing, weight, nothing)
        fitted = get_learner("logistic").fit(rows, Settings())
        stand = stand_of(fitted, rows, rows, weight, np.ones(4000))
        assert stand.known is not None
        spread.append(stand.known.covariance[0, 0])
    assert spread[1] / spread[0] == pytest.approx(1.64, rel=0.2)
