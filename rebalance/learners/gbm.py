"""Gradient boosted trees by LightGBM, started from the offset and a baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.described import read_json
from rebalance.core.encoding import Encoder
from rebalance.core.folds import stratified_folds
from rebalance.core.wording import counted
from rebalance.errors import FitError
from rebalance.learners.base import Fitted, Settings, TrainingRows
from rebalance.learners.boosting import HELD_OUT_FOLDS, Boosting
from rebalance.learners.catalogue import ENTRIES
from rebalance.learners.focal import MEMBER, FocalModel, UndoFocal, with_focal
from rebalance.learners.focal_boosting import focal_boosting
from rebalance.learners.forest import Forest, read_forest
from rebalance.learners.staged import staged, trees_of
from rebalance.learners.trees import StoredTrees, Trees
from rebalance.learners.trees_text import trees_text

Floats = NDArray[np.float64]

OBJECTIVE = {"objective": "binary", "metric": "binary_logloss"}


@dataclass(frozen=True)
class TreeModel(Trees):
    """log odds = baseline + sum of trees. LightGBM forgets what it started from; we add it."""

    def log_odds(self, columns: Mapping[str, pa.Array], baseline: Floats | None = None) -> Floats:
        """The log odds of every row, shape (n,)."""
        matrix = self.matrix(columns)
        if self._forest is not None:
            raw = self._forest.score(self.by_term(matrix), len(matrix))
        else:
            raw = self.raw_by_lightgbm(matrix)
        return np.asarray(raw, dtype=np.float64) + (0.0 if baseline is None else baseline)

    @cached_property
    def _forest(self) -> Forest | None:
        return read_forest(self.text)


class GradientBoosting:
    """Boosting of the log loss; init_score = offset + baseline, so trees learn what is missing."""

    name = "gbm"
    accepts = ENTRIES["gbm"].accepts
    starts_from_baseline = True

    def fit(self, rows: TrainingRows, settings: Settings) -> Fitted:
        """Find the number of rounds on a held-out fifth of the rows, then fit on all of them.

        Raises
        ------
        FitError : a class has too few rows to hold some out, and no number of rounds was given.
        """
        if settings.gamma:
            return self._focal(rows, settings)
        boosting = Boosting.of(rows, rows.y_true, OBJECTIVE, settings)
        rounds, found_by = settings.rounds, "given"
        fits = staged(boosting, rows.draws, settings)
        if rounds is None:
            rounds, found_by = fits.find_rounds(held_out(rows)), "held-out rows"
        text, stages = trees_of(fits, rounds)
        return TreeModel(boosting.encoder, text, rounds, found_by, settings.threads, stages)

    def _focal(self, rows: TrainingRows, settings: Settings) -> Fitted:
        """Boosting of the focal loss: the trees add to the loss's own scores."""
        undo = UndoFocal(settings.gamma or 0.0, rows.class_shift)
        boosting = focal_boosting(rows, undo, settings)
        rounds, found_by = settings.rounds, "given"
        if rounds is None:
            rounds, found_by = boosting.find_rounds(held_out(rows)), "held-out rows"
        text = boosting.text(rounds)
        trees = TreeModel(boosting.encoder, text, rounds, found_by, settings.threads)
        return FocalModel(trees, undo)

    def load(self, members: Mapping[str, bytes]) -> Fitted:
        """The model that `members` described."""
        stored = read_json(StoredTrees, members["gbm.json"])
        encoder = Encoder.from_document(stored.encoder)
        objective = None if MEMBER in members else "binary sigmoid:1"
        trees = TreeModel(
            encoder,
            trees_text(members["trees.txt"], encoder, objective),
            stored.rounds,
            stored.found_by,
            stages=stored.stages,
        )
        return with_focal(trees, members)


def held_out(rows: TrainingRows) -> NDArray[np.bool_]:
    """The rows that tell how many rounds are best, shape (n,)."""
    fewest = int(min(rows.y_true.sum(), (~rows.y_true).sum()))
    if fewest < 2 * HELD_OUT_FOLDS:
        raise FitError(
            f"a class has {counted(fewest, 'row')}, too few to hold some out and find the "
            "number of rounds",
            remedy="give it with --rounds 50, or train a --model logistic",
        )
    return np.equal(stratified_folds(rows.y_true, rows.draws, HELD_OUT_FOLDS), 0)
