"""XGBoost's and scikit-learn's boosting of many classes: the libraries' own scores, kept."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from rebalance.core.classes import log_softmax
from rebalance.errors import ArtifactError, UsageError
from rebalance.learners.base import Settings
from rebalance.learners.classes import get_class_learner
from rebalance.learners.hist_gbm import HistogramTrees
from rebalance.learners.xgboost_trees import XgboostModel
from tests.learners.test_gbm_classes import rows


def test_equal_to_xgboost_with_the_same_matrix() -> None:
    xgboost = pytest.importorskip("xgboost")
    given, learner = rows(), get_class_learner("xgboost")
    fitted = learner.fit(given, Settings(rounds=7, learning_rate=0.3))
    assert isinstance(fitted, XgboostModel)
    start = given.offset + given.baseline
    data = xgboost.DMatrix(
        fitted.encoder.trees(given.columns),
        given.codes,
        base_margin=start,
        feature_types=["c" if at in fitted.encoder.categorical else "q" for at in range(2)],
        enable_categorical=True,
    )
    named = {"objective": "multi:softprob", "num_class": 4, "eta": 0.3, "tree_method": "hist",
             "grow_policy": "lossguide", "max_leaves": 31, "max_depth": 0}  # fmt: skip
    peer = xgboost.train(named, data, 7).predict(data, output_margin=True)
    found = fitted.scores(given.columns, given.baseline)
    # The peer's margins hold the offset, and are float32.
    theirs = log_softmax(peer.astype(np.float64) - given.offset)
    assert log_softmax(found) == pytest.approx(theirs, abs=1e-5)
    loaded = learner.load(fitted.members())
    assert (loaded.scores(given.columns, given.baseline) == found).all()


def test_the_fit_of_xgboost_recovers_the_population_below_the_offsets() -> None:
    pytest.importorskip("xgboost")
    given = rows(20_000)
    fitted = get_class_learner("xgboost").fit(given, Settings(learning_rate=0.1))
    found = np.exp(log_softmax(fitted.scores(given.columns, given.baseline)))
    x = given.columns["x"].to_numpy()[:, None]
    place = np.arange(4)
    extra = (np.array(given.columns["shop"].to_pylist()) == "b")[:, None] & (place == 2)
    truth = np.exp(log_softmax(x * (place - 1.0) - place + 1.5 * extra))
    # As for LightGBM: the rarest class has some 1,500 rows, shares to .2% at most, three of them.
    assert found.mean(axis=0) == pytest.approx(truth.mean(axis=0), abs=0.006)


@pytest.mark.parametrize("classes", [4, 2])
def test_equal_to_scikit_learn_with_the_same_matrix(classes: int) -> None:
    given, learner = rows(classes=classes), get_class_learner("hist-gbm")
    fitted = learner.fit(given, Settings(rounds=5))
    assert isinstance(fitted, HistogramTrees)
    matrix = fitted.encoder.linear(given.columns)
    peer = HistGradientBoostingClassifier(
        max_iter=5, learning_rate=0.03, early_stopping=False, random_state=0
    ).fit(matrix, given.codes)
    found = fitted.scores(given.columns, given.baseline)
    assert np.exp(log_softmax(found)) == pytest.approx(peer.predict_proba(matrix), abs=1e-12)
    assert fitted.summary()["rounds"] == 5
    loaded = learner.load(fitted.members())
    assert (loaded.scores(given.columns, given.baseline) == found).all()


@pytest.mark.parametrize("name", ["hist-gbm", "xgboost"])
def test_rounds_are_found_with_classes_of_one_row(name: str) -> None:
    if name == "xgboost":
        pytest.importorskip("xgboost")
    given = rows(1_000)
    codes = given.codes.copy()
    codes[17] = 4
    offset = np.column_stack([given.offset, np.zeros(1_000)])
    tail = replace(given, codes=codes, offset=offset, baseline=np.zeros((1_000, 5)))
    fitted = get_class_learner(name).fit(tail, Settings(learning_rate=0.2))
    assert np.isfinite(log_softmax(fitted.scores(tail.columns, tail.baseline))).all()
    assert fitted.summary()["rounds_found_by"] == "held-out rows"


def test_models_of_other_classes_are_refused() -> None:
    given, learner = rows(), get_class_learner("hist-gbm")
    members = dict(learner.fit(given, Settings(rounds=2)).members())
    document = json.loads(members["boosting.json"])
    document["levels"] = document["levels"][:3]
    members["boosting.json"] = json.dumps(document).encode()
    with pytest.raises(ArtifactError, match="not one for each class"):
        learner.load(members)
    pytest.importorskip("xgboost")
    learner = get_class_learner("xgboost")
    members = dict(learner.fit(given, Settings(rounds=2)).members())
    document = json.loads(members["xgboost.json"]) | {"classes": 3}
    members["xgboost.json"] = json.dumps(document).encode()
    with pytest.raises(ArtifactError, match="other classes"):
        learner.load(members).scores(given.columns, given.baseline[:, :3])


@pytest.mark.parametrize("name", ["forest", "balanced-bagging", "rusboost", "isolation-forest"])
def test_others_know_two_classes_only(name: str) -> None:
    with pytest.raises(UsageError, match=r"two classes only.*gbm or logistic or xgboost or hist"):
        get_class_learner(name)
