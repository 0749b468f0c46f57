"""A map that is fitted to outcomes, judged on outcomes that it was not fitted to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rebalance.core.log_odds_cells import Bools, Floats, Outcomes, OutcomeSums, merged
from rebalance.core.recalibration import fit_recalibration
from rebalance.errors import FitError

FOLDS = 5


class FoldedOutcomes:
    """Takes rows in, each in one of `FOLDS` folds; 6 MB for each fold, whatever the rows."""

    def __init__(self) -> None:
        self._folds = [OutcomeSums() for _ in range(FOLDS)]

    def add(self, y_true: Bools, log_odds: Floats, draws: Floats) -> None:
        """Add rows, arrays of shape (n,); draws, in [0, 1), say which fold a row is in."""
        fold: NDArray[np.int64] = (draws * FOLDS).astype(np.int64)
        for number, sums in enumerate(self._folds):
            inside = fold == number
            sums.add(y_true[inside], log_odds[inside])

    def whole(self) -> Outcomes:
        """The outcomes of all rows."""
        return merged(self._folds).outcomes()

    def moved(self, method: str) -> Outcomes | None:
        """All outcomes at the log odds of maps of the other folds, one of `recalibration.METHODS`.

        None where the rows are too few: a map of four of the five folds cannot be fitted.
        """
        found = []
        for number, sums in enumerate(self._folds):
            others = merged([each for each in self._folds if each is not sums]).outcomes()
            own = self._folds[number].outcomes()
            if others.positives in (0, others.rows):
                return None
            try:
                fitted = fit_recalibration(method, others)
            except FitError:
                return None
            found.append(own.moved(fitted(own.log_odds)))
        return _together(found)


def _together(parts: list[Outcomes]) -> Outcomes:
    """The outcomes of all parts; entries of several may share a cell."""
    cell = np.concatenate([part.cell for part in parts])
    order = np.argsort(cell, kind="stable")
    return Outcomes(
        cell[order],
        np.concatenate([part.log_odds for part in parts])[order],
        np.concatenate([part.y_true for part in parts])[order],
        np.concatenate([part.weight for part in parts])[order],
        np.concatenate([part.squared for part in parts])[order],
        rows=sum(part.rows for part in parts),
        positives=sum(part.positives for part in parts),
        weighted=False,
    )
