"""Gradient boosted trees of many classes by LightGBM, started from offsets and a baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.described import read_json
from rebalance.core.encoding import Encoder
from rebalance.core.folds import class_folds
from rebalance.errors import FitError
from rebalance.learners.base import Settings
from rebalance.learners.boosting import HELD_OUT_FOLDS, Boosting
from rebalance.learners.class_base import ClassFitted, ClassRows
from rebalance.learners.forest import Forest, read_forests
from rebalance.learners.trees import StoredTrees, Trees
from rebalance.learners.trees_text import trees_text

Floats = NDArray[np.float64]

# A rare class has a Hessian near 0 in most leaves, and with LightGBM's own penalty, 0, a pilot of
# 67 long-tailed classes diverges (log loss 30; 1.127 with a penalty of 1, 1.117 with 5); five
# classes of .6% to 67% are fitted as well with any of them.
LEAF_L2 = 5.0


@dataclass(frozen=True)
class ClassTreeModel(Trees):
    """scores = baseline + sum of trees, of which each class has one a round."""

    classes: int = field(kw_only=True)

    def scores(self, columns: Mapping[str, pa.Array], baseline: Floats) -> Floats:
        """Log probabilities up to a constant of each row, shape (n, K)."""
        matrix = self.matrix(columns)
        found = np.asfortranarray(baseline).copy(order="F")
        if self._forests is not None:
            values = self.by_term(matrix)
            for column, forest in zip(found.T, self._forests, strict=True):
                column[:] += forest.score(values, len(matrix))
            return found
        return found + np.asfortranarray(self.raw_by_lightgbm(matrix), dtype=np.float64)

    def document(self) -> dict[str, Any]:
        """All but the trees, as JSON."""
        return super().document() | {"classes": self.classes}

    @cached_property
    def _forests(self) -> list[Forest] | None:
        return read_forests(self.text, self.classes)


class ClassBoosting:
    """Boosting of the log loss of all classes; init_score = offset + baseline."""

    name = "gbm"
    starts_from_baseline = True

    def fit(self, rows: ClassRows, settings: Settings) -> ClassFitted:
        """Find the number of rounds on a held-out fifth of the rows, then fit on all of them.

        A class of fewer than five rows stays in training while the rounds are sought.

        Raises
        ------
        FitError : too few rows to hold some out of two classes, and no number of rounds given.
        """
        objective = {
            "objective": "multiclass",
            "num_class": rows.count,
            "metric": "multi_logloss",
            "lambda_l2": LEAF_L2,
        }
        boosting = Boosting.of(rows, rows.codes, objective, settings)
        rounds, found_by = settings.rounds, "given"
        if rounds is None:
            rounds, found_by = boosting.find_rounds(held_out_of_classes(rows)), "held-out rows"
        return ClassTreeModel(
            boosting.encoder,
            boosting.text(rounds),
            rounds,
            found_by,
            settings.threads,
            classes=rows.count,
        )

    def load(self, members: Mapping[str, bytes]) -> ClassFitted:
        """The model that `members` described."""
        stored = read_json(StoredTrees, members["gbm.json"])
        encoder = Encoder.from_document(stored.encoder)
        objective = f"multiclass num_class:{stored.classes}"
        return ClassTreeModel(
            encoder,
            trees_text(members["trees.txt"], encoder, objective, stored.classes),
            stored.rounds,
            stored.found_by,
            classes=stored.classes,
        )


def held_out_of_classes(rows: ClassRows) -> NDArray[np.bool_]:
    """The rows that tell how many rounds are best, shape (n,)."""
    counts = np.bincount(rows.codes, minlength=rows.count)
    if np.count_nonzero(counts >= 2 * HELD_OUT_FOLDS) < 2:
        raise FitError(
            f"fewer than two classes have {2 * HELD_OUT_FOLDS} rows, too few to hold some out and "
            "find the number of rounds",
            remedy="give it with --rounds 50, or train a --model logistic",
        )
    return np.equal(class_folds(rows.codes, rows.draws, HELD_OUT_FOLDS), 0)
