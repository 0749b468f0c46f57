"""sample or population -> which learner `--model auto` comes to, and why

Above 1,000 negatives per positive in the population, with fewer than 500 positives, boosting has
little to learn from, and a balanced forest may do better: there the two meet, on held-out rows,
each with its probabilities made true in its own way. Everywhere else it is gbm with the offset,
which needs no calibration.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebalance.core.correction import log_probability
from rebalance.core.folds import stratified_folds
from rebalance.core.log_odds_cells import gather
from rebalance.core.recalibration import fit_recalibration
from rebalance.core.wording import counted
from rebalance.errors import FitError, UsageError
from rebalance.learners import OF_SOME
from rebalance.learners.catalogue import AUTO, DEFAULT_CALIBRATION, entry_of, option_of
from rebalance.steps.context import Context
from rebalance.steps.refits import FOLDS, Refits
from rebalance.steps.train_task import TrainAsked, TrainTask

RIVALS = GBM, BALANCED = "gbm", "balanced-forest"
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

    def applied(self, asked: TrainAsked) -> TrainAsked:
        """What is asked for, with this learner."""
        return replace(asked, model=self.model)

    def document(self) -> dict[str, Any]:
        """The choice as JSON."""
        return {"model": self.model, "why": self.why, "log_loss": self.log_loss}


def as_gbm(asked: TrainAsked) -> TrainAsked:
    """What is asked for, with gbm in the place of `auto` as long as nothing is chosen.

    Raises
    ------
    UsageError : parameters of a learner are given, which is not chosen yet.
    """
    if asked.model != AUTO:
        return asked
    if asked.settings.given:
        raise UsageError(
            "--set is for one learner, and --model auto chooses it later",
            remedy="name the learner with --model, or leave --set out",
        )
    return replace(asked, model=GBM)


def tell_many_classes(context: Context, *, chosen: bool) -> None:
    """Say what `auto` comes to where it was given, and the label has many classes."""
    if chosen:
        context.note(f"--model auto is {GBM}: the label has many classes")


def choose(
    asked: TrainAsked,
    task: TrainTask,
    y_true: NDArray[np.bool_],
    contest: Callable[[TrainAsked, TrainTask], Refits],
    context: Context,
) -> Choice:
    """The learner; `contest` fits one that is asked for. What was chosen is said.

    y_true : shape (n,), of the training table; a sample's design knows its population's counts.

    Raises
    ------
    FitError : a learner cannot be fitted.
    """
    design = task.drawn.design if task.drawn is not None else None
    positives = int(y_true.sum())
    negatives = len(y_true) - positives
    if design is not None:
        positives, negatives = design.positives, design.negatives
    ratio = negatives / positives
    said = f"{ratio:,.0f} negatives per positive, {counted(positives, 'positive')}"
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
    elif asked.correction not in (None, *entry_of(BALANCED).corrections):
        found = Choice(GBM, f"{said}; a {BALANCED} knows no --correction {asked.correction}")
    elif task.sample_weight is not None:
        found = Choice(GBM, f"{said}; a {BALANCED} takes no weights of rows")
    elif unknown := _unknown(asked):
        found = Choice(GBM, f"{said}; a {BALANCED} knows no {unknown}")
    else:
        rivals = [replace(asked, model=each) for each in RIVALS]
        found = _by_log_loss(said, [partial(contest, rival, task) for rival in rivals])
    context.note(f"--model auto is {found.model}: {found.why}")
    return found


def _unknown(asked: TrainAsked) -> str:
    """The options that were given and mean nothing to a balanced forest; "" of none."""
    known, settings, weighting = entry_of(BALANCED).accepts, asked.settings, asked.weighting
    found = []
    if weighting.weighs and "class_weight" not in known:
        found.append(weighting.option)
    if weighting.gamma is not None and "gamma" not in known:
        found.append(f"--loss {weighting.loss}")
    given = [name for name in OF_SOME if getattr(settings, name) is not None]
    found += [option_of(name) for name in given if name not in known]
    return ", ".join(dict.fromkeys(found))


def _by_log_loss(said: str, contest: Sequence[Callable[[], Refits]]) -> Choice:
    """The one whose held-out log loss on the population's scale is less."""
    offset = contest[0]()
    loss = {GBM: _log_loss(offset, offset.log_odds())}
    balanced = contest[1]()
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
