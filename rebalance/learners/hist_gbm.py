"""scikit-learn's histogram boosting: its log odds are the sample's, and corrected at prediction."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.described import read_json
from rebalance.core.encoding import Encoder
from rebalance.learners.base import Fitted, Settings, TrainingRows
from rebalance.learners.boosting import LEARNING_RATE, LEAVES, MAX_ROUNDS, PATIENCE
from rebalance.learners.class_base import ClassFitted, ClassRows
from rebalance.learners.encoded import Encoded
from rebalance.learners.ensembles import fit_quietly, made_by
from rebalance.learners.gbm import held_out
from rebalance.learners.gbm_classes import held_out_of_classes
from rebalance.learners.listed import Listed
from rebalance.learners.skops_member import PLAIN, Part, damaged, from_member, to_member

Floats = NDArray[np.float64]

_BOOSTING = "sklearn.ensemble._hist_gradient_boosting"
PARTS: frozenset[Part] = PLAIN | {
    ("ObjectNode", f"{_BOOSTING}.predictor.TreePredictor"),
}


@dataclass(frozen=True)
class HistogramTrees(Encoded):
    """log odds = a level + sum of trees, as scikit-learn's predictors hold them.

    levels : shape (1,) of two classes; (K,) of more, each of which has a tree a round in `trees`,
        one after the other.
    """

    levels: tuple[float, ...]
    trees: list[Any]
    found_by: str
    made_by: str
    notes: tuple[str, ...] = ()

    def log_odds(self, columns: Mapping[str, pa.Array], baseline: Floats | None = None) -> Floats:
        """The log odds of every row, shape (n,), on the scale of the rows that were fitted."""
        return np.ascontiguousarray(self._sums(columns)[:, 0])

    def scores(self, columns: Mapping[str, pa.Array], baseline: Floats) -> Floats:
        """Log probabilities up to a constant of each row, shape (n, K), on the same scale."""
        found = self._sums(columns)
        if len(self.levels) > 1:
            return found
        return np.asfortranarray(np.column_stack([np.zeros(len(found)), found]))

    def _sums(self, columns: Mapping[str, pa.Array]) -> Floats:
        """Levels and trees added up, shape (n, len(levels))."""
        matrix = np.ascontiguousarray(self.encoder.linear(columns))
        no_sets = np.zeros((0, 8), dtype=np.uint32)
        places = np.zeros(matrix.shape[1], dtype=np.uint32)
        each = len(self.levels)
        found = np.tile(np.array(self.levels)[:, None], len(matrix)).T
        for number, tree in enumerate(self.trees):
            found[:, number % each] += tree.predict(matrix, no_sets, places, 1)
        return found

    def summary(self) -> dict[str, Any]:
        """Rounds of boosting, and how their number was found."""
        return {
            "learner": "hist-gbm",
            "rounds": len(self.trees) // len(self.levels),
            "rounds_found_by": self.found_by,
        }

    def members(self) -> dict[str, bytes]:
        """The encoder as JSON, the trees by skops."""
        one = len(self.levels) == 1
        document = {
            "encoder": self.encoder.to_document(),
            **({"level": self.levels[0]} if one else {"levels": list(self.levels)}),
            "found_by": self.found_by,
            "made_by": self.made_by,
        }
        return {
            "boosting.json": json.dumps(document, sort_keys=True).encode(),
            "trees.skops": to_member(self.trees),
        }


@dataclass(frozen=True)
class _Stored:
    """`boosting.json`: one level, or those of all classes."""

    encoder: dict[str, Any]
    found_by: str
    made_by: str
    level: float | None = None
    levels: tuple[float, ...] = ()


class _Boosting(Listed):
    """The offset of a sample is no part of the fit."""

    def grown(
        self,
        rows: TrainingRows | ClassRows,
        target: NDArray[Any],
        out: Callable[[], NDArray[np.bool_]],
        settings: Settings,
    ) -> HistogramTrees:
        """Find the number of rounds on a held-out fifth of the rows, then fit on all of them.

        out : gives the rows held out.

        Raises
        ------
        FitError : a class has too few rows to hold some out, and no number of rounds was given.
        """
        given = self.parameters(settings)
        encoder = self.encoder(rows)
        fixed = {
            **given,
            "learning_rate": settings.learning_rate or LEARNING_RATE,
            "max_leaf_nodes": settings.leaves or LEAVES,
            "random_state": settings.seed % 2**31,
        }
        matrix = encoder.linear(rows.columns)
        rounds, found_by = settings.rounds, "given"
        if rounds is None:
            rounds = self._find_rounds(matrix, target, rows.sample_weight, out(), fixed)
            found_by = "held-out rows"
        estimator, notes = self._fitted(
            matrix, target, rows.sample_weight, {**fixed, "max_iter": rounds}
        )
        trees = [tree for of_round in estimator._predictors for tree in of_round]
        levels = tuple(map(float, np.ravel(estimator._baseline_prediction)))
        return HistogramTrees(encoder, levels, trees, found_by, made_by(), notes)

    def load(self, members: Mapping[str, bytes]) -> HistogramTrees:
        """The model that `members` described.

        Raises
        ------
        ArtifactError : it holds something else than trees, or trees that are not whole.
        """
        stored = read_json(_Stored, members["boosting.json"])
        encoder = Encoder.from_document(stored.encoder)
        trees = from_member(members["trees.skops"], PARTS, stored.made_by)
        levels = stored.levels if stored.level is None else (stored.level,)
        if not isinstance(trees, list) or not levels or len(trees) % len(levels):
            raise damaged(stored.made_by, "there are no trees, or not one for each class")
        for tree in trees:
            _check(tree, len(encoder.names), stored.made_by)
        return HistogramTrees(encoder, levels, trees, stored.found_by, stored.made_by)

    def _find_rounds(
        self,
        matrix: Floats,
        target: NDArray[Any],
        weight: Floats | None,
        out: NDArray[np.bool_],
        fixed: dict[str, Any],
    ) -> int:
        """The number of rounds after which the loss of the rows held out is least."""
        watched: dict[str, Any] = {"X_val": matrix[out], "y_val": target[out]}
        if weight is not None:
            watched["sample_weight_val"] = weight[out]
        stop = {
            "max_iter": MAX_ROUNDS,
            "early_stopping": True,
            "n_iter_no_change": PATIENCE,
            "tol": 0.0,
            "scoring": "loss",
        }
        kept = None if weight is None else weight[~out]
        found, _ = self._fitted(matrix[~out], target[~out], kept, {**fixed, **stop}, watched)
        # The first of the scores is that of no round at all.
        return max(1, int(np.argmax(found.validation_score_)))

    def _fitted(
        self,
        matrix: Floats,
        target: NDArray[Any],
        weight: Floats | None,
        named: dict[str, Any],
        watched: dict[str, Any] | None = None,
    ) -> tuple[Any, tuple[str, ...]]:
        from sklearn.ensemble import HistGradientBoostingClassifier
        from threadpoolctl import threadpool_limits

        estimator = HistGradientBoostingClassifier(**{"early_stopping": False, **named})
        rest = {} if weight is None else {"sample_weight": weight}
        # Sums of gradients are added by threads: on one they are the same on every machine.
        with threadpool_limits(1):
            notes = fit_quietly(self.name, estimator, matrix, target, rest | (watched or {}))
        return estimator, notes


class HistGradientBoosting(_Boosting):
    """Boosting of the log loss of two classes."""

    def fit(self, rows: TrainingRows, settings: Settings) -> Fitted:
        """See `_Boosting.grown`."""
        return self.grown(rows, rows.y_true, partial(held_out, rows), settings)


class ClassHistGradientBoosting(_Boosting):
    """Boosting of the log loss of many classes."""

    def fit(self, rows: ClassRows, settings: Settings) -> ClassFitted:
        """See `_Boosting.grown`."""
        return self.grown(rows, rows.codes, partial(held_out_of_classes, rows), settings)


def _check(tree: Any, features: int, made_by: str) -> None:
    """Check that a tree leads from its first node to a leaf; see `tree_votes.check_tree`.

    Raises
    ------
    ArtifactError : it does not.
    """
    nodes = getattr(tree, "nodes", None)
    names = getattr(getattr(nodes, "dtype", None), "names", None) or ()
    wanted = {"left", "right", "feature_idx", "is_leaf", "is_categorical", "value"}
    if nodes is None or not wanted <= set(names) or len(nodes) == 0:
        raise damaged(made_by, "a tree has no nodes")
    number, inner = np.arange(len(nodes)), nodes["is_leaf"] == 0
    onward = np.logical_and.reduce(
        [(nodes[side] > number) & (nodes[side] < len(nodes)) for side in ("left", "right")]
    )
    asked = nodes["feature_idx"]
    known = (asked >= 0) & (asked < features) & (nodes["is_categorical"] == 0)
    if not (onward & known)[inner].all():
        raise damaged(made_by, "a tree leads nowhere")
