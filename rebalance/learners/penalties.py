"""Penalties of a logistic regression: as given, or chosen by cross-validation.

Folds are scored on the population's scale. Each held-out row counts 1 / pi times, and its log odds
are the population's (the offset is dropped): what is chosen is best for predictions, not for the
sample, in which rows that look rare are many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebalance.core.correction import log_probability
from rebalance.core.folds import stratified_folds
from rebalance.errors import FitError, UsageError
from rebalance.learners.base import Settings, TrainingRows
from rebalance.learners.glm import Penalty, Problem, maximise

Floats = NDArray[np.float64]

# A normal prior of standard deviation 10 on the slopes of standardised features: far too weak to
# move an estimate, enough to hold one that the data leave free (a level without positives).
DEFAULT_L2 = 0.01
FOLDS = 5
FEWEST = 2 * FOLDS
STEPS = 15
# l2 goes from 100 times the information that a standardised slope has down to 1e-5 of it, l1 from
# where the last slope becomes 0 down to a thousandth of that.
RIDGE_FROM, RIDGE_TO = 1e2, 1e-5
LASSO_TO = 1e-3
ELASTIC_SHARE = 0.5


@dataclass(frozen=True)
class Chosen:
    """A penalty and how it was found: "default", "given" or "cross-validation" (with its path)."""

    penalty: Penalty
    found_by: str
    path: dict[str, Any] | None = None


def check_penalty(settings: Settings) -> None:
    """Refuse settings that contradict each other.

    Raises
    ------
    UsageError : a penalty is both given and to be chosen; or --robust where no intervals exist.
    """
    given = [f"--{name}" for name in ("l1", "l2") if getattr(settings, name) is not None]
    if settings.cross_validate is not None and given:
        raise UsageError(
            f"{given[0]} gives a penalty, and --cross-validate is to choose it",
            remedy="leave one of them out",
        )
    if settings.gamma and (settings.l1 or settings.cross_validate or settings.robust):
        option = "l1" if settings.l1 else "cross-validate" if settings.cross_validate else "robust"
        raise UsageError(
            f"--{option} is for the log loss, and a focal one is asked for",
            remedy="leave it out (--l2 serves both), or leave --loss out",
        )
    if settings.robust and (settings.l1 or settings.cross_validate in {"l1", "elastic"}):
        raise UsageError(
            "--robust asks for standard errors, and there are no valid ones after an l1 penalty",
            remedy="leave --robust out, or take an l2 penalty",
        )


def choose_penalty(problem: Problem, rows: TrainingRows, settings: Settings) -> Chosen:
    """The penalty that the settings give, or the one whose held-out log loss is the lowest.

    Raises
    ------
    FitError : a class has too few rows for five folds; see also `glm.maximise`.
    """
    if settings.cross_validate is not None:
        return _cross_validate(problem, rows, settings.cross_validate)
    if settings.l1 is None and settings.l2 is None:
        return Chosen(Penalty(0.0, DEFAULT_L2), "default")
    return Chosen(Penalty(settings.l1 or 0.0, settings.l2 or 0.0), "given")


def _cross_validate(problem: Problem, rows: TrainingRows, kind: str) -> Chosen:
    fewest = int(min(rows.y_true.sum(), (~rows.y_true).sum()))
    if fewest < FEWEST:
        raise FitError(
            f"a class has fewer than {FEWEST} rows ({fewest}), too few for {FOLDS} folds",
            remedy="give the penalty yourself, for example --l2 1",
        )
    path = penalty_path(problem, kind)
    fold = stratified_folds(rows.y_true, rows.draws, FOLDS)
    losses = np.zeros((len(path), FOLDS))
    weights = np.zeros(FOLDS)
    for held_out in range(FOLDS):
        inside = fold == held_out
        outside = problem.part(~inside)
        scored = rows.take(inside)
        z = problem.z[inside]
        weights[held_out] = _population_weight(scored).sum()
        start = None
        for at, penalty in enumerate(path):
            start = maximise(outside, penalty, start).coefficients
            losses[at, held_out] = population_loss(scored, z @ start)
    mean = losses.sum(axis=1) / weights.sum()
    best = int(np.argmin(mean))  # of equals, the first: the largest penalty
    found: dict[str, Any] = {
        "kind": kind,
        "folds": FOLDS,
        "chosen": best,
        "path": [
            {"l1": penalty.l1, "l2": penalty.l2, "log_loss": float(loss)}
            for penalty, loss in zip(path, mean, strict=True)
        ],
    }
    return Chosen(path[best], "cross-validation", found)


def penalty_path(problem: Problem, kind: str) -> list[Penalty]:
    """The penalties to choose from, the largest first."""
    start = problem.start()
    if kind == "l2":
        left = problem.information_left(start)
        return [Penalty(0.0, value) for value in _falling(RIDGE_FROM * left, RIDGE_TO * left)]
    share = 1.0 if kind == "l1" else ELASTIC_SHARE
    # At this l1 all slopes are 0: none has a gradient beyond it. A little more, to be rounded.
    largest = 1.01 * float(np.abs(problem.gradient(start)[1:]).max()) / share
    return [
        Penalty(share * value, (1 - share) * value)
        for value in _falling(largest, LASSO_TO * largest)
    ]


def population_loss(rows: TrainingRows, log_odds: Floats) -> float:
    """The summed log loss over the population that the rows stand for.

    log_odds : shape (n,), as fitted, without the offset.
    """
    found = log_odds if rows.shift is None else log_odds - rows.shift
    return float(_population_weight(rows) @ -log_probability(np.where(rows.y_true, found, -found)))


def _population_weight(rows: TrainingRows) -> Floats:
    if rows.population_weight is not None:
        return rows.population_weight
    return np.ones(len(rows)) if rows.sample_weight is None else rows.sample_weight


def _falling(first: float, last: float) -> Sequence[float]:
    """Three significant figures are enough, and can be typed."""
    return [float(f"{value:.3g}") for value in np.geomspace(first, last, STEPS)]
