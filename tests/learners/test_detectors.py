"""One-class learners and xgboost: the libraries' own scores, kept and read again, and altered."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import skops.io

from rebalance.errors import ArtifactError, FitError, UsageError
from rebalance.learners import get_learner
from rebalance.learners.base import Settings, TrainingRows
from rebalance.learners.catalogue import ENTRIES, entry_of
from rebalance.learners.detectors import DetectorModel
from tests.learners.test_tree_votes import rows

FAST = ("gmm", "inne", "kde", "knn", "loda", "lof", "mcd", "pca")
SMALL = {"isolation-forest": ("n_estimators=9",), "pyod:inne": ("n_estimators=9",)}


def fitted(name: str, data: TrainingRows | None = None) -> DetectorModel:
    given = Settings(given=SMALL.get(name, ()), seed=4)
    found = get_learner(name).fit(data or rows(), given)
    assert isinstance(found, DetectorModel)
    return found


def score_of(model: DetectorModel, data: TrainingRows) -> np.ndarray:
    """The library's score, back from the standardised one."""
    return np.sinh(model.log_odds(data.columns)) * model.scale + model.center


def test_isolation_forest_is_scikit_learns_of_the_common_class() -> None:
    from sklearn.ensemble import IsolationForest

    data, ours = rows(), fitted("isolation-forest")
    matrix = ours.encoder.linear(data.columns)
    theirs = IsolationForest(n_estimators=9, max_samples=256, random_state=4)
    theirs.fit(matrix[~data.y_true])
    assert np.allclose(score_of(ours, data), -theirs.score_samples(matrix))


def test_one_class_svm_is_scikit_learns_of_the_common_class() -> None:
    from sklearn.svm import OneClassSVM

    data, ours = rows(), fitted("one-class-svm")
    matrix = ours.encoder.linear(data.columns)
    theirs = OneClassSVM().fit(matrix[~data.y_true])
    assert np.allclose(score_of(ours, data), -theirs.score_samples(matrix))


@pytest.mark.parametrize("name", FAST)
def test_a_detector_of_pyod_comes_back(name: str) -> None:
    pytest.importorskip("pyod")
    data, ours = rows(), fitted(f"pyod:{name}")
    again = get_learner(f"pyod:{name}").load(ours.members())
    assert np.array_equal(again.log_odds(data.columns, None), ours.log_odds(data.columns))
    assert again.members() == ours.members() == fitted(f"pyod:{name}").members()


def test_knn_is_the_distance_to_the_fifth_neighbour() -> None:
    pytest.importorskip("pyod")
    data, ours = rows(), fitted("pyod:knn")
    matrix = ours.encoder.linear(data.columns)
    apart = np.linalg.norm(matrix[:, None] - matrix[~data.y_true][None], axis=2)
    assert np.allclose(score_of(ours, data), np.sort(apart, axis=1)[:, 4])


@pytest.mark.parametrize("name", ["isolation-forest", "one-class-svm"])
def test_detectors_of_scikit_learn_come_back(name: str) -> None:
    data, ours = rows(), fitted(name)
    again = get_learner(name).load(ours.members())
    assert np.array_equal(again.log_odds(data.columns, None), ours.log_odds(data.columns))
    assert again.members() == ours.members() == fitted(name).members()


def test_only_so_many_rows_are_fitted_and_that_is_said() -> None:
    found = get_learner("isolation-forest").fit(rows(), Settings(given=("rows=50",)))
    assert isinstance(found, DetectorModel)
    assert found.fitted_on == 50
    assert "50 of" in found.notes[0]
    assert "drawn uniformly" in found.notes[0]


def test_scores_that_are_not_finite_are_refused_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """pca divides by variances, of which columns that say the same have one of 0, or nearly."""
    pytest.importorskip("pyod")
    data = rows()
    doubled = replace(
        data,
        columns={**data.columns, "again": data.columns["x0"]},
        kinds={**data.kinds, "again": "number"},
    )
    found = get_learner("pyod:pca").fit(doubled, Settings(given=("n_components=0.99",)))
    assert np.isfinite(found.log_odds(doubled.columns, None)).all()
    monkeypatch.setattr(
        "rebalance.learners.detector_backends._decision",
        lambda detector: lambda matrix: np.full(len(matrix), np.inf),
    )
    with pytest.raises(FitError) as caught:
        get_learner("pyod:pca").fit(doubled, Settings())
    assert "--set n_components=0.99" in str(caught.value)


def test_scores_that_are_all_the_same_are_refused() -> None:
    data = rows()
    few = replace(data, y_true=np.arange(len(data)) > 1)
    with pytest.raises(FitError):
        get_learner("isolation-forest").fit(few, Settings(given=("n_estimators=1",)))


@pytest.mark.parametrize("name", ["isolation-forest", "one-class-svm", "pyod:loda"])
def test_another_object_in_its_place_is_refused(name: str) -> None:
    if name.startswith("pyod"):
        pytest.importorskip("pyod")
    from sklearn.neighbors import KNeighborsClassifier

    members = dict(fitted(name).members())
    members["detector.skops"] = skops.io.dumps(KNeighborsClassifier())
    with pytest.raises(ArtifactError, match="nothing of it was run"):
        get_learner(name).load(members)
    members["detector.skops"] = skops.io.dumps([1, 2])
    with pytest.raises(ArtifactError, match="is not whole"):
        get_learner(name).load(members)


def test_arrays_of_another_length_are_refused() -> None:
    from rebalance.learners.skops_member import PLAIN, from_member, to_member

    members = dict(fitted("one-class-svm").members())
    parts = PLAIN | {("ObjectNode", "sklearn.svm._classes.OneClassSVM")}
    detector = from_member(members["detector.skops"], parts, "")
    detector._dual_coef_ = detector._dual_coef_[:, :3]
    members["detector.skops"] = to_member(detector)
    with pytest.raises(ArtifactError, match="do not fit together"):
        get_learner("one-class-svm").load(members)


def test_rows_of_another_shape_are_refused() -> None:
    pytest.importorskip("pyod")
    members = dict(fitted("pyod:knn").members())
    stream = io.BytesIO()
    np.save(stream, np.zeros((20, 9)))
    members["detector_rows.npy"] = stream.getvalue()
    with pytest.raises(ArtifactError, match="another shape"):
        get_learner("pyod:knn").load(members)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pyod:hboss", "the nearest is 'hbos'"),
        ("pyod:ecod", "the rows beside it"),
        ("pyod:VAE", "needs torch"),
        ("pyod:iforest", "--model isolation-forest"),
    ],
)
def test_other_detectors_are_refused_by_name(name: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        entry_of(name)
    assert words in str(caught.value)


def test_names_of_detectors_may_be_in_capitals() -> None:
    assert entry_of("pyod:KNN") is ENTRIES["pyod:knn"]


@pytest.mark.parametrize(("name", "package"), [("xgboost", "xgboost"), ("pyod:knn", "pyod")])
def test_what_is_not_installed_is_named(
    name: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    extra = "xgboost" if name == "xgboost" else "anomaly"
    with pytest.raises(UsageError) as caught:
        get_learner(name)
    assert f"pip install 'rebalance-cli[{extra}]'" in str(caught.value)


def test_xgboost_learns_what_the_start_misses() -> None:
    """The start is the truth plus an offset of 2 that the rows do not have: one tree takes it off.

    With a full step, a leaf moves by G / (H + lambda), a Newton step towards the log odds.
    """
    pytest.importorskip("xgboost")
    rng = np.random.default_rng(6)
    data = rows(4_000)
    truth = np.full(len(data), -1.0)
    data = replace(
        data,
        y_true=rng.random(len(data)) < 1 / (1 + np.exp(-truth)),
        offset=np.full(len(data), 2.0),
        baseline=truth - 2.0,
    )
    given = Settings(rounds=1, learning_rate=1.0, leaves=2, given=("reg_lambda=0",))
    found = get_learner("xgboost").fit(data, given).log_odds(data.columns, data.baseline)
    # offset + baseline is the truth already: what is left for the trees is noise, of a leaf of
    # hundreds of rows at the least some 4 / sqrt(300 * 0.2) = 0.5 log odds, mean far less.
    assert abs(found.mean() - (truth.mean() - 2.0)) < 0.15


def test_xgboost_comes_back_and_keeps_to_the_same_bytes() -> None:
    pytest.importorskip("xgboost")
    data, learner = rows(), get_learner("xgboost")
    one, two = (learner.fit(data, Settings(rounds=5, threads=threads)) for threads in (1, 2))
    assert one.members() == two.members()
    again = learner.load(one.members())
    assert np.array_equal(
        again.log_odds(data.columns, data.baseline), one.log_odds(data.columns, data.baseline)
    )
    assert again.members() == one.members()
    found = learner.fit(data, Settings())
    assert found.summary()["rounds_found_by"] == "held-out rows"


def test_altered_trees_of_xgboost_are_refused() -> None:
    pytest.importorskip("xgboost")
    members = dict(get_learner("xgboost").fit(rows(), Settings(rounds=2)).members())
    with pytest.raises(ArtifactError):
        get_learner("xgboost").load({**members, "trees.ubj": members["trees.ubj"][:200]})
    document = json.loads(members["xgboost.json"])
    document["encoder"]["terms"] = document["encoder"]["terms"][:1]
    members["xgboost.json"] = json.dumps(document).encode()
    with pytest.raises(ArtifactError, match="other features"):
        get_learner("xgboost").load(members)
