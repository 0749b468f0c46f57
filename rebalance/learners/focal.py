"""A learner fitted by the focal loss: its scores, and the log odds that they stand for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.described import read_json
from rebalance.core.kinds import Kind
from rebalance.core.losses import focal_score, undo_focal
from rebalance.learners.base import Fitted

Floats = NDArray[np.float64]

MEMBER = "focal.json"


@dataclass(frozen=True)
class UndoFocal:
    """From scores to log odds: U of `core.losses`, less log(w_1 / w_0) of class weights."""

    gamma: float
    class_shift: float

    def log_odds(self, score: Floats) -> Floats:
        """The log odds that a score stands for, shape (n,)."""
        return undo_focal(score, self.gamma) - self.class_shift

    def score(self, log_odds: Floats) -> Floats:
        """The score that stands for these log odds, shape (n,)."""
        return focal_score(log_odds + self.class_shift, self.gamma)


@dataclass(frozen=True)
class FocalModel:
    """log odds = U(score) - log(w_1 / w_0), where `scores` is a fitted learner of scores."""

    scores: Fitted
    undo: UndoFocal

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The columns it reads, by kind."""
        return self.scores.kinds

    @property
    def left_out(self) -> Mapping[str, str]:
        """The columns it was given and does not use, with the reason."""
        return self.scores.left_out

    def surprises(self, columns: Mapping[str, pa.Array]) -> dict[str, int]:
        """Values for which training left no place, by column: they count as the usual ones."""
        return self.scores.surprises(columns)

    def log_odds(self, columns: Mapping[str, pa.Array], baseline: Floats | None = None) -> Floats:
        """The log odds of every row, shape (n,), neither focal nor weighted any more."""
        start = None if baseline is None else self.undo.score(baseline)
        return self.undo.log_odds(self.scores.log_odds(columns, start))

    def summary(self) -> dict[str, Any]:
        """What the fit found, and the loss."""
        return self.scores.summary() | {"loss": "focal", "gamma": self.undo.gamma}

    def members(self) -> dict[str, bytes]:
        """Those of the learner, and how its scores are undone as JSON."""
        document = {"gamma": self.undo.gamma, "class_shift": self.undo.class_shift}
        return dict(self.scores.members()) | {MEMBER: json.dumps(document, sort_keys=True).encode()}


def with_focal(scores: Fitted, members: Mapping[str, bytes]) -> Fitted:
    """The fitted learner as it is, or as one of scores where `members` say so."""
    if MEMBER not in members:
        return scores
    undo = read_json(UndoFocal, members[MEMBER])
    if undo.gamma < 0:
        raise ValueError("the focal loss has a gamma below 0")
    return FocalModel(scores, undo)
