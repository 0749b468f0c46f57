"""Fits of the focal loss, against scipy and the log loss."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy.optimize import minimize

from rebalance.errors import FitError, UsageError
from rebalance.learners import get_learner
from rebalance.learners.base import Settings, TrainingRows
from rebalance.learners.focal import FocalModel
from rebalance.learners.logistic import LinearModel


def rows(count: int = 3_000, seed: int = 1) -> TrainingRows:
    """Rows without sampling, of class weights 4 to 1."""
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((count, 3)) * [1, 10, 0.1]
    y = generator.random(count) < 1 / (1 + np.exp(2 - x @ [1.0, 0.1, -5.0]))
    columns = {f"x{at}": pa.array(x[:, at]) for at in range(3)}
    shift = float(np.log(4.0))
    return TrainingRows(
        columns,
        dict.fromkeys(columns, "number"),
        y,
        np.full(count, shift),
        np.full(count, float(np.log(y.mean() / (1 - y.mean())))),
        np.where(y, 4.0, 1.0),
        generator.random(count),
        class_shift=shift,
    )


@pytest.mark.parametrize("l2", [0.0, 5.0])
def test_logistic_scores_are_scipys_and_come_out_without_loss_and_weights(l2: float) -> None:
    given = rows()
    fitted = get_learner("logistic").fit(given, Settings(l2=l2, gamma=2.0))
    assert isinstance(fitted, FocalModel)
    assert isinstance(fitted.scores, LinearModel)
    x = np.column_stack([array.to_numpy() for array in given.columns.values()])
    z = np.column_stack([np.ones(len(given)), (x - x.mean(0)) / x.std(0)])

    def loss(beta: np.ndarray) -> float:
        own = np.where(given.y_true, 1, -1) * (z @ beta)
        each = np.logaddexp(0, -own) / (1 + np.exp(own)) ** 2
        weight = given.sample_weight
        assert weight is not None
        return float(weight @ each + l2 / 2 * beta[1:] @ beta[1:])

    # BFGS with differences ends within 1e-5 or so of a minimum.
    best = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-4})
    found = np.concatenate([[fitted.scores.intercept], fitted.scores.slopes])
    assert found == pytest.approx(best.x, abs=1e-4)
    q = 1 / (1 + np.exp(-(z @ found)))
    h_up = q / ((1 - q) ** 2 - 2 * (1 - q) * q * np.log(q))
    h_down = (1 - q) / (q**2 - 2 * q * (1 - q) * np.log1p(-q))
    expected = np.log(h_up / h_down) - np.log(4)
    assert fitted.log_odds(given.columns) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", ["logistic", "gbm"])
def test_gamma_0_is_the_log_loss(name: str) -> None:
    given = rows()
    learner = get_learner(name)
    baseline = given.baseline
    plain = learner.fit(given, Settings(rounds=30 if name == "gbm" else None))
    settings = Settings(rounds=30 if name == "gbm" else None, gamma=0.0)
    expected = plain.log_odds(given.columns, baseline)
    assert (learner.fit(given, settings).log_odds(given.columns, baseline) == expected).all()
    # By the focal loss's own way, nearly without it: LightGBM rounds gradients to float32.
    near = learner.fit(given, replace(settings, gamma=1e-9))
    assert isinstance(near, FocalModel)
    found = near.log_odds(given.columns, baseline)
    prob, wanted = (1 / (1 + np.exp(-each)) for each in (found, expected))
    assert prob == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("name", ["logistic", "gbm"])
def test_members_bring_back_the_same_bits(name: str) -> None:
    given = rows()
    learner = get_learner(name)
    fitted = learner.fit(given, Settings(rounds=20 if name == "gbm" else None, gamma=2.0))
    again = learner.load(fitted.members())
    found = again.log_odds(given.columns, given.baseline)
    assert (found == fitted.log_odds(given.columns, given.baseline)).all()
    assert again.members() == fitted.members()
    assert again.summary()["gamma"] == 2.0


def test_trees_learn_the_probability_of_each_cell() -> None:
    # Two values of x: the best score of each cell stands for its share of positives, whatever the
    # weights and the offset. 400 rounds of step .1 leave (1 - .1)^400 of the way.
    count = 4_000
    generator = np.random.default_rng(3)
    x = np.repeat([0.0, 1.0], count // 2)
    y = generator.random(count) < np.where(x == 1, 0.3, 0.05)
    shift, offset = float(np.log(4.0)), np.where(x == 1, 1.0, 2.0)
    given = TrainingRows(
        {"x": pa.array(x)}, {"x": "number"}, y, offset + shift, np.full(count, -2.0),
        np.where(y, 4.0, 1.0), generator.random(count), class_shift=shift,
    )  # fmt: skip
    settings = Settings(rounds=400, learning_rate=0.1, gamma=2.0)
    fitted = get_learner("gbm").fit(given, settings)
    found = fitted.log_odds(given.columns, given.baseline)
    for value in (0.0, 1.0):
        share = y[x == value].mean()
        expected = np.log(share / (1 - share)) - offset[x == value][0]
        assert found[x == value] == pytest.approx(expected, abs=1e-4)


def test_separable_classes_are_said() -> None:
    x = np.linspace(-1, 1, 200)
    given = TrainingRows(
        {"x": pa.array(x)}, {"x": "number"}, x > 0, np.zeros(200), np.zeros(200), None,
        np.arange(200) / 200,
    )  # fmt: skip
    with pytest.raises(FitError, match="--l2"):
        get_learner("logistic").fit(given, Settings(l2=0.0, gamma=2.0))


def test_rows_that_no_tree_can_split_are_said() -> None:
    # A leaf holds 20 rows at the least.
    with pytest.raises(FitError, match="30 rows are too few"):
        get_learner("gbm").fit(rows(30), Settings(gamma=2.0, rounds=5))


@pytest.mark.parametrize(
    "settings",
    [Settings(gamma=2.0, l1=1.0), Settings(gamma=2.0, cross_validate="l2")],
)
def test_what_is_for_the_log_loss_is_refused(settings: Settings) -> None:
    with pytest.raises(UsageError, match="for the log loss"):
        get_learner("logistic", settings)
