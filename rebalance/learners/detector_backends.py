"""Detectors of scikit-learn and of pyod: what is fitted, kept and read again.

Those of pyod that search neighbours are kept as their rows and settings and fitted again when they
are read: a search tree of scikit-learn's is walked without looking, and a file could hold any.
"""

from __future__ import annotations

import importlib
import inspect
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebalance.core.described import array_bytes
from rebalance.core.parameters import Value
from rebalance.errors import UsageError
from rebalance.learners.base import Settings
from rebalance.learners.catalogue import Entry
from rebalance.learners.detectors import Backend, Kept, fit_alone
from rebalance.learners.ensembles import made_by
from rebalance.learners.pyod_detectors import DETECTORS, PyodDetector
from rebalance.learners.skops_member import PLAIN, Part, damaged, from_member, to_member
from rebalance.learners.tree_votes import TREES, check_tree

Floats = NDArray[np.float64]

_FOREST: frozenset[Part] = TREES | {
    ("ObjectNode", "sklearn.ensemble._iforest.IsolationForest"),
    ("ObjectNode", "sklearn.tree._classes.ExtraTreeRegressor"),
}
_SVM: frozenset[Part] = PLAIN | {("ObjectNode", "sklearn.svm._classes.OneClassSVM")}


def backend_of(entry: Entry) -> Backend:
    """What fits and keeps the detector of this entry.

    Raises
    ------
    UsageError : its library is not installed.
    """
    if entry.extra is None:
        return ScikitLearn()
    return Pyod(DETECTORS[entry.name.partition(":")[2]])


class ScikitLearn(Backend):
    """one-class-svm and isolation-forest."""

    def fit(
        self, name: str, matrix: Floats, given: Mapping[str, Value], settings: Settings
    ) -> tuple[Kept, tuple[str, ...]]:
        """The detector of these rows of z, and what was warned of."""
        from sklearn.ensemble import IsolationForest
        from sklearn.svm import OneClassSVM

        if name == "one-class-svm":
            detector: Any = OneClassSVM(**given)
        else:
            samples = min(int(given["max_samples"]), len(matrix))
            detector = IsolationForest(
                **{**given, "max_samples": samples}, random_state=settings.seed % 2**31
            )
        notes = fit_alone(name, detector, matrix)
        return Kept(
            _strangeness(detector), {"detector.skops": to_member(detector)}, made_by()
        ), notes

    def load(self, name: str, members: Mapping[str, bytes], features: int, made_by: str) -> Kept:
        """The detector that was kept; what it walks through without looking is looked at."""
        svm = name == "one-class-svm"
        content = members["detector.skops"]
        detector = from_member(content, _SVM if svm else _FOREST, made_by)
        try:
            whole = _whole_svm(detector, features) if svm else True
            for at, tree in enumerate([] if svm else detector.estimators_):
                check_tree(tree.tree_, features, made_by)
                whole &= tree.tree_.value.shape[1:] == (1, 1)
                nodes = (tree.tree_.node_count,)
                lengths = detector._decision_path_lengths, detector._average_path_length_per_tree
                whole &= all(each[at].shape == nodes for each in lengths)
                whole &= bool(np.isin(detector.estimators_features_[at], range(features)).all())
        except (AttributeError, TypeError, ValueError, IndexError) as exc:
            raise damaged(made_by, str(exc)) from exc
        if not whole:
            raise damaged(made_by, "its parts do not fit together")
        return Kept(_strangeness(detector), {"detector.skops": content}, made_by)


def _strangeness(detector: Any) -> Any:
    def score(matrix: Floats) -> Floats:
        return -np.asarray(detector.score_samples(matrix), dtype=np.float64)

    return score


def _whole_svm(detector: Any, features: int) -> bool:
    """Whether the arrays that libsvm reads, without looking, are as long as each other says."""
    count = len(detector.support_vectors_)
    shapes = (
        (detector.support_vectors_, (count, features)),
        (detector.support_, (count,)),
        (detector._dual_coef_, (1, count)),
        (detector._intercept_, (1,)),
    )
    return (
        all(array.shape == shape for array, shape in shapes)
        and detector._n_support.tolist() == [count, count]
        and (len(detector._probA), len(detector._probB)) == (0, 0)
        and (detector.kernel, detector._sparse) == ("rbf", False)
    )


class Pyod(Backend):
    """The detectors of pyod."""

    def __init__(self, detector: PyodDetector) -> None:
        try:
            self._pyod = importlib.import_module("pyod")
        except ImportError as exc:
            raise UsageError(
                "the detectors of pyod are not installed",
                where=f"--model pyod:{detector.name}",
                remedy="pip install 'rebalance-cli[anomaly]'",
            ) from exc
        self._detector = detector

    def fit(
        self, name: str, matrix: Floats, given: Mapping[str, Value], settings: Settings
    ) -> tuple[Kept, tuple[str, ...]]:
        """The detector of these rows of z, and what pyod warned of."""
        named = dict(given)
        kind = self._kind()
        if "random_state" in inspect.signature(kind).parameters:
            named["random_state"] = settings.seed % 2**31
        detector = kind(**named)
        notes = fit_alone(name, detector, matrix)
        said = f"pyod {self._pyod.__version__}, {made_by()}"
        if self._detector.refitted:
            members = {
                "detector_rows.npy": array_bytes(matrix),
                "detector_settings.json": json.dumps(named, sort_keys=True).encode(),
            }
            return Kept(_decision(detector), members, said), notes
        # Of the training rows, which no prediction needs.
        detector.decision_scores_ = np.zeros(0)
        detector.labels_ = np.zeros(0)
        return Kept(_decision(detector), {"detector.skops": to_member(detector)}, said), notes

    def load(self, name: str, members: Mapping[str, bytes], features: int, made_by: str) -> Kept:
        """The detector that was kept, or one fitted again to the rows that were."""
        kept = {key: value for key, value in members.items() if key.startswith("detector_rows")}
        if not self._detector.refitted:
            content = members["detector.skops"]
            parts = PLAIN | {("ObjectNode", path) for path in self._detector.parts}
            detector = from_member(content, parts, made_by)
            if type(detector) is not self._kind():
                raise damaged(made_by, "it is another detector")
            return Kept(_decision(detector), {"detector.skops": content}, made_by)
        kept["detector_settings.json"] = members["detector_settings.json"]
        matrix = np.load(io.BytesIO(members["detector_rows.npy"]), allow_pickle=False)
        if matrix.ndim != 2 or matrix.shape[1] != features or matrix.dtype != np.float64:
            raise damaged(made_by, "its rows have another shape")
        detector = self._kind()(**json.loads(kept["detector_settings.json"]))
        fit_alone(name, detector, matrix)
        return Kept(_decision(detector), kept, made_by)

    def _kind(self) -> Any:
        path = f"pyod.models.{self._detector.name}"
        return getattr(importlib.import_module(path), self._detector.kind)


def _decision(detector: Any) -> Any:
    def score(matrix: Floats) -> Floats:
        return np.asarray(detector.decision_function(matrix), dtype=np.float64)

    return score
