"""sample or population -> which learner `--model auto` comes to, and why

Above 1,000 negatives per positive in the population, with fewer than 500 positives, boosting has
little to learn from and balanced forests are known to do well: there the two meet, on held-out rows,
each with its probabilities made true in its own way. Everywhere else it is gbm with the offset, which
needs no calibration.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebalance.core.correction import log_probability
from rebalance.core.folds import stratified_folds
from rebalance.core.log_odds_cells import gather
from rebalance.core.recalibration import fit_recalibration
from rebalance.errors import FitError, UsageError
from rebalance.learners.base import Settings
from rebalance.learners.catalogue import DEFAULT_CALIBRATION
from rebalance.steps.context import Context
from rebalance.steps.refits import FOLDS, Refits
from rebalance.steps.train_task import TrainAsked, TrainTask

GBM, BALANCED = "gbm", "balanced-forest"
MANY_NEGATIVES = 1_000
FEW_POSITIVES = 500
# As many as gbm needs to find its number of rounds.
FEWEST_POSITIVES = 10

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Choice:
    """The learner, why, and the held-out log losses where there was a contest."""

    model: str
    why: str
    log_loss: dict[str, float] | None = None

    def document(self) -> dict[str, Any]:
        """The choice as JSON."""
        return {"model": self.model, "why": self.why, "log_loss": self.log_loss}


def refuse_set(settings: Settings) -> None:
    """Refuse parameters of a learner that is not chosen yet.

    Raises
    ------
    UsageError : some are given.
    """
    if settings.given:
        raise UsageError(
            "--set is for one learner, and --model auto chooses it later",
            remedy="name the learner with --model, or leave --set out",
        )


def choose(
    asked: TrainAsked,
    task: TrainTask,
    positives: int,
    negatives: int,
    contest: Callable[[str], Refits],
    context: Context,
) -> Choice:
    """The learner; `contest` fits one of a name. What was chosen is said.

    positives, negatives : rows of the training table; of a sample's population the design knows.

    Raises
    ------
    FitError : a learner cannot be fitted.
    """
    design = task.drawn.design if task.drawn is not None else None
    if design is not None:
        positives, negatives = design.positives, design.negatives
    ratio = negatives / positives
    said = f"{ratio:,.0f} negatives per positive, {positives:,} positives"
    if ratio <= MANY_NEGATIVES or positives >= FEW_POSITIVES:
        found = Choice(GBM, said)
    elif positives < FEWEST_POSITIVES:
        found = Choice(GBM, f"{said}, too few to compare by")
    elif not asked.wanted.on or asked.wanted.declined:
        found = Choice(
            GBM, f"{said}; a {BALANCED} would need --calibrate-on TABLE, and is not tried"
        )
    elif design is not None and not design.correctable:
        found = Choice(
            GBM, f"{said}; held-out rows of a sample by {design.method} are not the population's"
        )
    else:
        found = _by_log_loss(said, contest)
    context.note(f"--model auto is {found.model}: {found.why}")
    return found


def _by_log_loss(said: str, contest: Callable[[str], Refits]) -> Choice:
    """The one whose held-out log loss on the population's scale is less."""
    offset = contest(GBM)
    loss = {GBM: _log_loss(offset, offset.log_odds())}
    balanced = contest(BALANCED)
    try:
        loss[BALANCED] = _log_loss(balanced, _calibrated(balanced))
    except FitError:
        return Choice(GBM, f"{said}; a {BALANCED} ranks held-out rows no better than chance", loss)
    best = min(loss, key=lambda name: loss[name])
    shown = " against ".join(f"{value:.5f} ({name})" for name, value in loss.items())
    return Choice(best, f"{said}; held-out log loss {shown}", loss)


def _calibrated(refits: Refits) -> Floats:
    """Held-out log odds, each fifth recalibrated by what the others tell, shape (n,)."""
    rows, found, weight = refits.rows, refits.log_odds(), refits.weight
    fold = stratified_folds(rows.y_true, rows.draws, FOLDS)
    calibrated = np.empty(len(found))
    for held_out in range(FOLDS):
        inside = fold == held_out
        known = None if weight is None else weight[~inside]
        outcomes = gather(rows.y_true[~inside], found[~inside], known)
        calibrated[inside] = fit_recalibration(DEFAULT_CALIBRATION, outcomes)(found[inside])
    return calibrated


def _log_loss(refits: Refits, log_odds: Floats) -> float:
    """The mean over the population, of which each row stands for so many."""
    y_true = refits.rows.y_true
    loss = -np.where(y_true, log_probability(log_odds), log_probability(-log_odds))
    return float(np.average(loss, weights=refits.weight))


def for_learner(settings: Settings, model: str) -> Settings:
    """The settings of gbm, as far as they mean something to the learner that was chosen."""
    if model == GBM:
        return settings
    return replace(settings, rounds=None, learning_rate=None, leaves=None)
