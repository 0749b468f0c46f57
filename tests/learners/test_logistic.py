"""The offset likelihood, against scipy and the known truth."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.optimize import minimize

from rebalance.errors import FitError
from rebalance.learners import get_learner
from rebalance.learners.base import Settings, TrainingRows
from rebalance.learners.logistic import LinearModel


def rows(
    x: np.ndarray, y: np.ndarray, offset: np.ndarray, weight: np.ndarray | None = None
) -> TrainingRows:
    columns = {f"x{at}": pa.array(x[:, at]) for at in range(x.shape[1])}
    return TrainingRows(
        columns,
        dict.fromkeys(columns, "number"),
        y,
        offset,
        np.zeros(len(y)),
        weight,
        np.zeros(len(y)),
    )


def drawn(seed: int, count: int = 3_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((count, 3)) * [1, 10, 0.1] + [0, 5, 1]
    offset = generator.uniform(0, 8, count)
    log_odds = -4 + x @ [1.0, 0.1, -5.0] + offset
    return x, generator.random(count) < 1 / (1 + np.exp(-log_odds)), offset


@pytest.mark.parametrize("l2", [0.0, 0.01, 5.0])
def test_the_maximum_is_scipys(l2: float) -> None:
    x, y, offset = drawn(1)
    weight = np.random.default_rng(2).uniform(0.5, 2, len(y))
    fitted = get_learner("logistic").fit(rows(x, y, offset, weight), Settings(l2=l2))
    assert isinstance(fitted, LinearModel)
    z = np.column_stack([np.ones(len(y)), (x - x.mean(0)) / x.std(0)])

    def loss(beta: np.ndarray) -> tuple[float, np.ndarray]:
        eta = z @ beta + offset
        value = weight @ (np.logaddexp(0, eta) - y * eta) + l2 / 2 * beta[1:] @ beta[1:]
        gradient = z.T @ (weight * (1 / (1 + np.exp(-eta)) - y))
        gradient[1:] += l2 * beta[1:]
        return float(value), gradient

    best = minimize(loss, np.zeros(4), jac=True, method="BFGS", options={"gtol": 1e-8})
    found = np.concatenate([[fitted.intercept], fitted.slopes])
    assert found == pytest.approx(best.x, abs=1e-5)


def test_large_offsets_do_not_derail_the_start() -> None:
    x, y, offset = drawn(3)
    shifted = get_learner("logistic").fit(rows(x, y, offset + 300), Settings(l2=0.0))
    plain = get_learner("logistic").fit(rows(x, y, offset), Settings(l2=0.0))
    assert isinstance(shifted, LinearModel)
    assert isinstance(plain, LinearModel)
    assert shifted.intercept == pytest.approx(plain.intercept - 300, abs=1e-6)
    assert shifted.slopes == pytest.approx(plain.slopes, abs=1e-6)


def test_rare_positives_do_not_stop_early() -> None:
    # 60 positives in 200,000 rows: at a loose tolerance the slope stays near its start.
    generator = np.random.default_rng(4)
    x = generator.standard_normal((200_000, 1))
    y = generator.random(200_000) < 1 / (1 + np.exp(9 - 1.5 * x[:, 0]))
    fitted = get_learner("logistic").fit(rows(x, y, np.zeros(len(y))), Settings(l2=0.0))
    found = 1 / (1 + np.exp(-fitted.log_odds({"x0": pa.array(x[:, 0])}, None)))
    # At the maximum the scores are zero: predicted and observed agree in sum and in sum of x.
    assert found.sum() == pytest.approx(y.sum(), rel=1e-6)
    assert (found * x[:, 0]).sum() == pytest.approx((y * x[:, 0]).sum(), rel=1e-6)


def test_separable_classes_are_said_without_a_penalty_and_fitted_with_one() -> None:
    x = np.linspace(-1, 1, 200)[:, None]
    separable = rows(x, x[:, 0] > 0, np.zeros(200))
    with pytest.raises(FitError, match="--l2"):
        get_learner("logistic").fit(separable, Settings(l2=0.0))
    fitted = get_learner("logistic").fit(separable, Settings())
    assert isinstance(fitted, LinearModel)
    assert 0 < fitted.slopes[0] < 1_000


def test_members_bring_back_the_same_bits() -> None:
    x, y, offset = drawn(5)
    learner = get_learner("logistic")
    given = rows(x, y, offset)
    fitted = learner.fit(given, Settings())
    again = learner.load(fitted.members())
    assert (again.log_odds(given.columns, None) == fitted.log_odds(given.columns, None)).all()
    assert learner.load(again.members()).members() == fitted.members()
