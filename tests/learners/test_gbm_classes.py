"""Boosting of many classes from offsets and a baseline."""

from __future__ import annotations

from dataclasses import replace

import lightgbm
import numpy as np
import pyarrow as pa
import pytest

from rebalance.core.classes import log_softmax
from rebalance.errors import FitError, UsageError
from rebalance.learners.base import Settings
from rebalance.learners.class_base import ClassRows
from rebalance.learners.classes import get_class_learner
from rebalance.learners.gbm import TreeModel
from rebalance.learners.gbm_classes import LEAF_L2, ClassTreeModel
from rebalance.steps.pilot import PILOT_TREES


def rows(count: int = 3_000, classes: int = 4, seed: int = 0) -> ClassRows:
    generator = np.random.default_rng(seed)
    x = generator.standard_normal(count)
    shop = generator.choice(["a", "b", "c"], count)
    place = np.arange(classes)
    scores = x[:, None] * (place - 1.0) - place + 1.5 * ((shop == "b")[:, None] & (place == 2))
    offset = np.log(generator.uniform(0.05, 1.0, (count, classes)))
    codes = (scores + offset + generator.gumbel(size=scores.shape)).argmax(axis=1)
    return ClassRows(
        {"x": pa.array(x), "shop": pa.array(shop.tolist())},
        {"x": "number", "shop": "category"},
        codes,
        np.asfortranarray(offset),
        np.asfortranarray(np.tile(-0.5 * place, (count, 1))),
        None,
        generator.random(count),
    )


def test_offset_and_baseline_are_where_the_trees_start() -> None:
    given = rows()
    fitted = get_class_learner("gbm").fit(given, Settings(rounds=1, learning_rate=1e-12))
    # Trees of a vanishing step add nothing: what is left is the baseline, without the offset.
    found = fitted.scores(given.columns, given.baseline)
    assert found == pytest.approx(given.baseline, abs=1e-9)


def test_the_fit_recovers_the_population_below_the_offsets() -> None:
    given = rows(20_000)
    fitted = get_class_learner("gbm").fit(given, Settings(learning_rate=0.1))
    found = log_softmax(fitted.scores(given.columns, given.baseline))
    x = given.columns["x"].to_numpy()[:, None]
    place = np.arange(4)
    extra = (np.array(given.columns["shop"].to_pylist()) == "b")[:, None] & (place == 2)
    truth = log_softmax(x * (place - 1.0) - place + 1.5 * extra)
    # 20,000 rows, the rarest class with some 1,500: shares to .2% at most, three of them.
    assert np.exp(found).mean(axis=0) == pytest.approx(np.exp(truth).mean(axis=0), abs=0.006)
    for one in range(4):
        assert np.corrcoef(np.exp(found[:, one]), np.exp(truth[:, one]))[0, 1] > 0.9


@pytest.mark.parametrize("leaves", [9, 31])
def test_equal_to_lightgbm_with_the_same_matrix(leaves: int) -> None:
    """With up to 16 leaves trees are scored by our forests, beyond by LightGBM."""
    given = rows()
    fitted = get_class_learner("gbm").fit(given, Settings(rounds=7, leaves=leaves))
    assert isinstance(fitted, ClassTreeModel)
    matrix = fitted.encoder.trees(given.columns)
    data = lightgbm.Dataset(
        matrix,
        given.codes,
        init_score=(given.offset + given.baseline).T.ravel(),
        categorical_feature=fitted.encoder.categorical,
    )
    parameters = {
        "objective": "multiclass", "num_class": 4, "learning_rate": 0.03, "num_leaves": leaves,
        "cat_smooth": 50, "cat_l2": 50, "lambda_l2": LEAF_L2, "deterministic": True,
        "force_col_wise": True, "seed": 0, "verbosity": -1,
    }  # fmt: skip
    peer = lightgbm.train(parameters, data, 7).predict(matrix, raw_score=True)
    assert fitted.scores(given.columns, given.baseline) == pytest.approx(given.baseline + peer)
    loaded = get_class_learner("gbm").load(fitted.members())
    found = loaded.scores(given.columns, given.baseline)
    assert (found == fitted.scores(given.columns, given.baseline)).all()


def test_two_classes_are_near_boosting_of_the_log_odds() -> None:
    from rebalance.learners.base import TrainingRows
    from rebalance.learners.gbm import GradientBoosting

    given = rows(4_000, classes=2)
    settings = Settings(rounds=40)
    found = get_class_learner("gbm").fit(given, settings).scores(given.columns, given.baseline)
    both = TrainingRows(
        given.columns, given.kinds, given.codes == 1, given.offset[:, 1] - given.offset[:, 0],
        given.baseline[:, 1] - given.baseline[:, 0], None, given.draws,
    )  # fmt: skip
    two = GradientBoosting().fit(both, settings)
    assert isinstance(two, TreeModel)
    # Each class has half the step of the log odds, but another penalty on its leaves.
    expected = two.log_odds(given.columns, both.baseline)
    differs = found[:, 1] - found[:, 0] - expected
    assert np.abs(differs).mean() < 0.1
    assert np.corrcoef(found[:, 1] - found[:, 0], expected)[0, 1] > 0.98


def test_classes_of_one_row_stay_in_training() -> None:
    given = rows(1_000)
    codes = given.codes.copy()
    codes[17] = 4
    offset = np.column_stack([given.offset, np.zeros(1_000)])
    tail = replace(given, codes=codes, offset=offset, baseline=np.zeros((1_000, 5)))
    fitted = get_class_learner("gbm").fit(tail, Settings(learning_rate=0.2))
    prob = np.exp(log_softmax(fitted.scores(tail.columns, tail.baseline)))
    assert np.isfinite(prob).all()
    assert fitted.summary()["rounds_found_by"] == "held-out rows"


def test_many_rare_classes_do_not_diverge() -> None:
    given = rows(4_000, classes=30, seed=3)
    present, codes = np.unique(given.codes, return_inverse=True)
    offset = np.zeros((4_000, len(present)), order="F")
    share = np.tile(np.log(np.bincount(codes) / 4_000), (4_000, 1))
    tail = replace(given, codes=codes, offset=offset, baseline=np.asfortranarray(share))
    fitted = get_class_learner("gbm").fit(tail, PILOT_TREES)
    log_prob = log_softmax(fitted.scores(tail.columns, tail.baseline))
    own = np.arange(4_000), codes
    assert -log_prob[own].mean() < -share[own].mean()


def test_too_few_rows_and_wrong_settings_are_said() -> None:
    given = rows(12)
    with pytest.raises(FitError, match="--rounds 50"):
        get_class_learner("gbm").fit(given, Settings())
    with pytest.raises(UsageError, match="--rounds is no option of the learner 'logistic'"):
        get_class_learner("logistic", Settings(rounds=3))
