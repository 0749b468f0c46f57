"""Boosting in two stages: trees of all rows, then trees of as many rows of either class.

The decoupling of Kang et al. 2020, "Decoupling representation and classifier for long-tailed
recognition" (ICLR): a representation from the rows as they are, and a final fit on balanced
classes. Here the first stage's log odds are the representation. The second is boosted from them on
all rows of the rarer class and as many of the other, with the offset l = log pi_1 - log pi_0 of
that thinning, which is dropped at prediction: its trees add to log odds of the rows as they are.

The rows of the second stage are predicted by first stages that did not see them, five fits more.
Trees rank rows of their own too well: started from that, the second stage learns to trust it, and
on parts of flights predicted/observed came to .54 to .87.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebalance.core.correction import log_probability, offset
from rebalance.core.folds import stratified_folds
from rebalance.core.wording import counted
from rebalance.errors import FitError
from rebalance.learners.boosting import (
    HELD_OUT_FOLDS,
    MAX_ROUNDS,
    PATIENCE,
    Boosting,
    without_parameters,
)
from rebalance.learners.curriculum import STEP, Stage
from rebalance.learners.joined_trees import joined

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

FOLDS = 5


@dataclass(frozen=True)
class TwoStage:
    """The rows, and draws in [0, 1), shape (n,): they make folds and thin the commoner class."""

    boosting: Boosting
    draws: Floats

    def find_rounds(self, held_out: Bools) -> int:
        """The number of rounds of the first stage, as without a second."""
        return self.boosting.find_rounds(held_out)

    def trees(self, rounds: int) -> tuple[str, tuple[Stage, ...]]:
        """The trees of both stages, as LightGBM's text without its parameters, and the stages.

        The second has 0 rounds where none lessens the loss of rows held out.

        Raises
        ------
        FitError : a class has too few rows to predict them by trees that did not see them.
        """
        y_true = self.boosting.target == 1
        positives = int(y_true.sum())
        negatives = len(y_true) - positives
        if min(positives, negatives) < 2 * HELD_OUT_FOLDS:
            raise FitError(
                f"a class has {counted(min(positives, negatives), 'row')}, too few for a second "
                "stage",
                remedy="leave --two-stage out",
            )
        fewest = min(positives, negatives)
        pi = np.where(y_true, fewest / positives, fewest / negatives)
        kept = np.flatnonzero((self.draws + STEP) % 1.0 < pi)
        shift = offset(np.array(fewest / negatives), np.array(fewest / positives))
        log_odds = self._out_of_fold(rounds, y_true) + float(shift)
        held_out = stratified_folds(y_true[kept], self.draws[kept], HELD_OUT_FOLDS) == 0
        first = self._trees(np.arange(len(y_true)), self.boosting.start, rounds)
        more = self._rounds_of_second(kept[~held_out], kept[held_out], log_odds)
        way = (
            Stage(rounds, 1.0, 1.0),
            Stage(more, fewest / negatives, fewest / positives),
        )
        if not more:
            return _text(first, rounds), way
        second = self._trees(kept, log_odds, more)
        return joined([_text(first, rounds), _text(second, more)]), way

    def _out_of_fold(self, rounds: int, y_true: Bools) -> Floats:
        """What first stages say of rows that they did not see, with where they start from."""
        fold = stratified_folds(y_true, self.draws, FOLDS)
        found = self.boosting.start.copy()
        threads = self.boosting.parameters["num_threads"]
        for number in range(FOLDS):
            outside = fold == number
            trees = self._trees(np.flatnonzero(~outside), self.boosting.start, rounds)
            rows = self.boosting.matrix[outside]
            found[outside] += trees.predict(rows, raw_score=True, num_threads=threads)
        return found

    def _rounds_of_second(
        self, seen: NDArray[np.int64], held_out: NDArray[np.int64], log_odds: Floats
    ) -> int:
        from lightgbm import early_stopping, train

        stop = early_stopping(PATIENCE, verbose=False)
        watched = [self._part(held_out, log_odds)]
        part = self._part(seen, log_odds)
        booster = train(
            self.boosting.parameters, part, MAX_ROUNDS, valid_sets=watched, callbacks=[stop]
        )
        least = next(iter(next(iter(booster.best_score.values())).values()))
        return int(booster.best_iteration) if least < self._loss(held_out, log_odds) else 0

    def _loss(self, rows: NDArray[np.int64], log_odds: Floats) -> float:
        """The log loss of rows before any tree is added."""
        boosting = self.boosting
        signed = np.where(boosting.target[rows] == 1, log_odds[rows], -log_odds[rows])
        weight = None if boosting.sample_weight is None else boosting.sample_weight[rows]
        return float(np.average(-log_probability(signed), weights=weight))

    def _trees(self, rows: NDArray[np.int64], log_odds: Floats, rounds: int) -> Any:
        from lightgbm import train

        return train(self.boosting.parameters, self._part(rows, log_odds), rounds)

    def _part(self, rows: NDArray[np.int64], log_odds: Floats) -> Any:
        """Some of the rows, started from their log odds."""
        part = self._whole.subset(rows, params=self.boosting.parameters).construct()
        return part.set_init_score(log_odds[rows])

    @cached_property
    def _whole(self) -> Any:
        """All rows. Parts take their bins: a missing value is known as one in each of them."""
        return self.boosting.dataset().construct()


def _text(booster: Any, rounds: int) -> str:
    return without_parameters(booster.model_to_string(num_iteration=rounds))
