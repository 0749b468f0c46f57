"""Boosting from an offset and a baseline."""

from __future__ import annotations

import lightgbm
import numpy as np
import pyarrow as pa
import pytest

from rebalance.errors import FitError, UsageError
from rebalance.learners import get_learner
from rebalance.learners.base import Settings, TrainingRows


def rows(count: int = 4_000, seed: int = 0, shift: float = 2.0) -> TrainingRows:
    generator = np.random.default_rng(seed)
    x = generator.standard_normal(count)
    shop = generator.choice(["a", "b", "c"], count)
    log_odds = -3 + x + 2 * (shop == "b")
    y = generator.random(count) < 1 / (1 + np.exp(-log_odds - shift))
    return TrainingRows(
        {"x": pa.array(x), "shop": pa.array(shop.tolist())},
        {"x": "number", "shop": "category"},
        y,
        np.full(count, shift),
        np.full(count, -2.0),
        None,
        generator.random(count),
    )


def test_offset_and_baseline_are_where_the_trees_start() -> None:
    given = rows()
    fitted = get_learner("gbm").fit(given, Settings(rounds=1, learning_rate=1e-12))
    # Trees of a vanishing step add nothing: what is left is the baseline, without the offset.
    assert fitted.log_odds(given.columns, given.baseline) == pytest.approx(given.baseline)


def test_the_fit_recovers_the_population_below_the_offset() -> None:
    given = rows(20_000)
    fitted = get_learner("gbm").fit(given, Settings())
    found = fitted.log_odds(given.columns, given.baseline)
    shop = np.array(given.columns["shop"].to_pylist())
    truth = -3 + given.columns["x"].to_numpy() + 2 * (shop == "b")
    # 20,000 rows, trees of 20 rows a leaf and more: the mean of 20,000 errors is near zero.
    assert abs((found - truth).mean()) < 0.1
    assert np.corrcoef(found, truth)[0, 1] > 0.97


def test_equal_to_lightgbm_with_the_same_matrix() -> None:
    given = rows()
    fitted = get_learner("gbm").fit(given, Settings(rounds=20))
    shop = np.array(given.columns["shop"].to_pylist())
    order = sorted("abc", key=lambda level: (-(shop == level).sum(), level))
    matrix = np.column_stack(
        [given.columns["x"].to_numpy(), [order.index(level) for level in shop]]
    )
    data = lightgbm.Dataset(
        matrix, given.y_true, init_score=given.offset - 2.0, categorical_feature=[1]
    )
    peer = lightgbm.train(
        {
            "objective": "binary",
            "learning_rate": 0.03,
            "num_leaves": 31,
            "cat_smooth": 50,
            "cat_l2": 50,
            "verbosity": -1,
            "deterministic": True,
            "force_col_wise": True,
        },
        data,
        20,
    )
    expected = peer.predict(matrix, raw_score=True) - 2.0
    assert fitted.log_odds(given.columns, given.baseline) == pytest.approx(expected, abs=1e-9)


def test_threads_change_nothing() -> None:
    given = rows()
    one = get_learner("gbm").fit(given, Settings(threads=1))
    two = get_learner("gbm").fit(given, Settings(threads=2))
    assert one.members() == two.members()


def test_members_bring_back_the_same_bits_and_hold_no_parameters() -> None:
    given = rows()
    learner = get_learner("gbm")
    fitted = learner.fit(given, Settings(rounds=10))
    again = learner.load(fitted.members())
    assert (
        again.log_odds(given.columns, given.baseline)
        == fitted.log_odds(given.columns, given.baseline)
    ).all()
    assert b"num_threads" not in fitted.members()["trees.txt"]


def test_too_few_rows_to_hold_out_is_said() -> None:
    given = rows(200)
    few = given.take(~given.y_true | (np.cumsum(given.y_true) <= 5))
    with pytest.raises(FitError, match="--rounds"):
        get_learner("gbm").fit(few, Settings())
    fitted = get_learner("gbm").fit(few, Settings(rounds=3))
    assert fitted.summary()["rounds"] == 3


def test_settings_of_another_learner_are_refused() -> None:
    with pytest.raises(UsageError, match="--l2"):
        get_learner("gbm", Settings(l2=1.0))
    with pytest.raises(UsageError, match="--leaves"):
        get_learner("logistic", Settings(leaves=3))
    with pytest.raises(UsageError, match="nearest is 'gbm'"):
        get_learner("gbn")
