"""Boosting of the focal loss by LightGBM, with an objective of our own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebalance.core.losses import Focal
from rebalance.errors import FitError
from rebalance.learners.base import Settings, TrainingRows
from rebalance.learners.boosting import MAX_ROUNDS, PATIENCE, Boosting, without_parameters
from rebalance.learners.focal import UndoFocal

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FocalBoosting(Boosting):
    """Boosting with the loss to make least; `start` are scores, without sampling's offset."""

    loss: Focal

    def find_rounds(self, held_out: NDArray[np.bool_]) -> int:
        """The number of rounds after which the loss of the rows held out is least.

        Raises
        ------
        FitError : the rows are too few to split any feature.
        """
        from lightgbm import early_stopping

        watched = self._part(held_out)

        def mean_loss(score: Floats, _: Any) -> tuple[str, float, bool]:
            value = float(watched.loss(score).sum() / watched.weight.sum())
            return "focal_loss", value, False

        data = self.dataset(~held_out)
        booster = _train(
            self._with_objective(~held_out),
            data,
            MAX_ROUNDS,
            valid_sets=[self.dataset(held_out, reference=data)],
            feval=mean_loss,
            callbacks=[early_stopping(PATIENCE, verbose=False)],
        )
        return max(1, int(booster.best_iteration))

    def text(self, rounds: int) -> str:
        """The trees of so many rounds over all rows, as LightGBM's text without its parameters.

        Raises
        ------
        FitError : the rows are too few to split any feature.
        """
        whole = np.ones(len(self.loss.y_true), dtype=bool)
        booster = _train(self._with_objective(whole), self.dataset(), rounds)
        return without_parameters(booster.model_to_string(num_iteration=rounds))

    def _with_objective(self, mask: NDArray[np.bool_]) -> dict[str, Any]:
        """LightGBM's parameters, with the loss of the rows where `mask` is true."""
        part = self._part(mask)

        def objective(score: Floats, _: Any) -> tuple[Floats, Floats]:
            return part.derivatives(score)

        return self.parameters | {"objective": objective}

    def _part(self, mask: NDArray[np.bool_]) -> Focal:
        loss = self.loss
        return Focal(loss.gamma, loss.y_true[mask], loss.offset[mask], loss.weight[mask])


def _train(parameters: dict[str, Any], data: Any, rounds: int, **more: Any) -> Any:
    """LightGBM's fit, which fails with an objective of ours where there is no feature to split."""
    from lightgbm import train
    from lightgbm.basic import LightGBMError

    try:
        return train(parameters, data, rounds, **more)
    except LightGBMError as exc:
        if "num_features" not in str(exc):
            raise
        raise FitError(
            f"{data.num_data():,} rows are too few for a tree to split any feature",
            remedy="keep more rows, or choose --model logistic",
        ) from exc


def focal_boosting(rows: TrainingRows, undo: UndoFocal, settings: Settings) -> FocalBoosting:
    """The rows, encoded, that start from the scores of their baseline.

    Raises
    ------
    DataError : see `core.encoding.learn_encoder`.
    """
    started = replace(rows, offset=np.zeros(len(rows)), baseline=undo.score(rows.baseline))
    found = Boosting.of(started, rows.y_true, {"metric": "None"}, settings)
    weight = np.ones(len(rows)) if rows.sample_weight is None else rows.sample_weight
    # Sampling's own offset: that of class weights is part of what scores stand for.
    loss = Focal(undo.gamma, rows.y_true, rows.offset - rows.class_shift, weight)
    return FocalBoosting(**vars(found), loss=loss)
