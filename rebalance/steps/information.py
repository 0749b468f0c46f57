"""pilot + the rows it was fitted on -> how much information a sample of any rate will keep"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.correction import log_probability, probability
from rebalance.core.design import LEAST_PI_1, LOCAL, UNIFORM, ScoreHistogram
from rebalance.core.efficiency import Chances, Curve, standing_for
from rebalance.core.encoding import Encoder
from rebalance.core.forecast import Forecast, Foreseen
from rebalance.core.inference import model_based
from rebalance.core.posterior import PRIOR, Posterior, posterior
from rebalance.core.sandwich import sandwich
from rebalance.core.selection import FLOOR_SHARE
from rebalance.errors import ArtifactError, UsageError
from rebalance.learners.base import Fitted, TrainingRows
from rebalance.learners.glm import Problem, maximise, one_thread
from rebalance.learners.logistic import LinearModel
from rebalance.samplers.nonuniform import MATRICES, SCORES
from rebalance.steps.context import Context

Floats = NDArray[np.float64]

RATES = (
    0.001, 0.0015, 0.002, 0.003, 0.005, 0.007, 0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2,
    0.3, 0.5, 0.7, 1.0,
)  # fmt: skip
CORRECTIONS = ("offset", "weight")
ROUGH = 0.1
_QUANTILE = 1.959963984540054  # of the normal distribution, at .975


@dataclass(frozen=True)
class Stand:
    """Rows that stand for the population: n rows of both classes with their weights.

    z : with the intercept, shape (n, d). log_odds : the pilot's, on the population's scale.
    weight, drawn : what each row stands for, with the user's weights and without, shape (n,).
    known : what these rows tell of the population's log odds; None takes the pilot at its word.
    """

    z: Floats
    log_odds: Floats
    y_true: NDArray[np.bool_]
    weight: Floats
    drawn: Floats
    known: Posterior | None = None


def features(encoder: Encoder | None, columns: Mapping[str, pa.Array], log_odds: Floats) -> Floats:
    """z with its intercept, shape (n, d): encoded columns, or for trees their log odds."""
    inner = log_odds[:, None] if encoder is None else encoder.linear(columns)
    return np.column_stack([np.ones(len(log_odds)), inner])


@dataclass(frozen=True)
class Planned:
    """M = sum over the draw's positives of z z', the efficiencies, and what is known beside p~."""

    outer: Floats
    curves: Mapping[str, Any]
    known: Posterior | None


def plan_of(
    fitted: Fitted,
    rows: TrainingRows,
    standing: TrainingRows,
    weight: Floats,
    drawn: Floats,
    *,
    correction: str,
) -> Planned:
    """What sampling needs to know of a pilot's rows, and what a plan says of them.

    rows : those the pilot was fitted on. standing : those that stand for the population, with their
    weights, and how many of their class each stands for, shape (n,). correction : what is planned
    for; the plan for "weight" takes simulated draws.
    """
    _, z = _seen(fitted, rows)
    outer = z[rows.y_true].T @ z[rows.y_true]
    stand = stand_of(fitted, rows, standing, weight, drawn)
    return Planned(outer, efficiency_curves(stand, outer, correction), stand.known)


def stand_of(
    fitted: Fitted, rows: TrainingRows, standing: TrainingRows, weight: Floats, drawn: Floats
) -> Stand:
    """The rows that stand for the population, as `plan_of` takes them, with what they tell of it.

    Of a linear pilot the population's log odds are those of a fit to these rows, however few the
    pilot was fitted on. Of trees they are taken at their word.
    """
    own, z = _seen(fitted, standing)
    stand = Stand(z, own, standing.y_true, weight, drawn)
    if not isinstance(fitted, LinearModel):
        return stand
    counted = np.ones(len(z)) if standing.sample_weight is None else standing.sample_weight
    coefficients = np.append(fitted.intercept, fitted.slopes)
    if standing is not rows:
        names = ["intercept", *fitted.encoder.names]
        problem = Problem(z, names, stand.y_true, standing.offset, counted)
        with one_thread():
            coefficients = maximise(problem, fitted.penalty, coefficients).coefficients
    log_odds = z @ coefficients
    prior = fitted.penalty.diagonal(z.shape[1])
    prior[1:] += PRIOR
    # Weights are no counts of rows: one of weight 5 tells as much as one.
    spread = (
        model_based(z, log_odds + standing.offset, counted, prior)
        if standing.sample_weight is None
        else sandwich(z, stand.y_true, log_odds + standing.offset, counted, prior)
    )
    each = [np.full(len(z), 1 / drawn[stand.y_true == value].mean()) for value in (False, True)]
    count, weighs = standing_for(
        probability(log_odds), Chances(*each), stand.y_true, standing.sample_weight
    )
    known = posterior(
        coefficients[1:],
        spread.variance[1:, 1:],
        spread.bias[1:],
        prior[1:],
        z,
        weight=weighs,
        positives=float(weight[stand.y_true].sum()),
    )
    return replace(stand, weight=weighs, drawn=count, known=known)


def _seen(fitted: Fitted, rows: TrainingRows) -> tuple[Floats, Floats]:
    """The log odds of rows, and their z."""
    encoder = fitted.encoder if isinstance(fitted, LinearModel) else None
    log_odds = fitted.log_odds(rows.columns, rows.baseline)
    return log_odds, features(encoder, rows.columns, log_odds)


def efficiency_curves(
    rows: Stand, positives_outer: Floats, correction: str = "offset"
) -> dict[str, Any]:
    """The efficiency by correction, score and rate, as a document, with its logarithm's error.

    The floor is a tenth of the rate, and nothing is mixed in. c is solved over the rows' negatives.
    """
    found: dict[str, dict[str, list[float]]] = {each: {} for each in CORRECTIONS}
    errors: dict[str, dict[str, list[float]]] = {each: {} for each in CORRECTIONS}
    simulated = correction == "weight"
    stand = rows.z, rows.log_odds, rows.weight, rows.drawn, rows.known
    forecast = Forecast(*stand, simulated=simulated)
    for score in (UNIFORM, *SCORES):
        log_score = log_probability(rows.log_odds)
        if score in MATRICES:
            matrix = MATRICES[score](positives_outer)
            mapped = rows.z if matrix is None else rows.z @ matrix.T
            log_score += np.log(np.linalg.norm(mapped, axis=1))
        kept = [forecast.of(_chances(score, rate, log_score, rows)) for rate in RATES]
        if score != LOCAL:  # which lets positives go even where it keeps all negatives
            kept[-1] = dict.fromkeys(CORRECTIONS, Foreseen(1.0, 0.0))  # c is solved to 1e-4
        for each in CORRECTIONS:
            found[each][score] = [of_rate[each].efficiency for of_rate in kept]
            errors[each][score] = [of_rate[each].error for of_rate in kept]
    document = {
        "correction": correction,
        "rates": list(RATES),
        "floor_share": FLOOR_SHARE,
        "efficiency": found,
    }
    # Without the pilot's own part they would be too small.
    return document if rows.known is None else document | {"standard_error_of_log": errors}


def _chances(score: str, rate: float, log_score: Floats, rows: Stand) -> Chances:
    pi_0, pi_1 = np.full(len(log_score), rate), np.ones(len(log_score))
    if score != UNIFORM:
        ranks = ScoreHistogram(lambda rank: rank)
        ranks.add(log_score[~rows.y_true])
        floor = FLOOR_SHARE * rate
        c = ranks.solve(rate * float((~rows.y_true).sum()), floor, 0.0)
        pi_0 = np.clip(c * np.exp(log_score), floor, 1.0)
    if score == LOCAL:
        pi_1 = np.clip(-np.expm1(log_score), LEAST_PI_1, 1.0)
    return Chances(pi_0, pi_1)


def known_between(
    plan: Mapping[str, Any], score: str, correction: str, rate: float, efficiency: float
) -> tuple[float, float] | None:
    """The 95% range of an efficiency that the plan gives for a rate.

    None where it is not known: of trees, and of a pilot of an earlier version.
    """
    errors = plan.get("standard_error_of_log")
    if errors is None:
        return None
    error = float(np.interp(np.log(rate), np.log(plan["rates"]), errors[correction][score]))
    return range_of(efficiency, error)


def range_of(efficiency: float, error: float) -> tuple[float, float]:
    """The 95% range of an efficiency whose logarithm has this standard error."""
    times = math.exp(_QUANTILE * error)
    return efficiency / times, min(efficiency * times, 1.0)


def curve(plan: Mapping[str, Any], score: str, correction: str, place: str = "") -> Curve:
    """One curve of the document that `efficiency_curves` gave; `place` says where it is from.

    Raises
    ------
    ArtifactError : the pilot has no such plan; an earlier version made it.
    """
    try:
        return Curve(plan["rates"], plan["efficiency"][correction][score])
    except KeyError as exc:
        raise ArtifactError(
            "the pilot does not know how much information a sample keeps: it is of an earlier "
            "version",
            where=place,
            remedy="make it again with 'rebalance pilot'",
        ) from exc


def tell_rough(
    plan: Mapping[str, Any],
    correction: str,
    efficiency: float | None,
    between: tuple[float, float] | None,
    context: Context,
) -> None:
    """Say where a plan's range is wider than a tenth to either side, and what knows better."""
    if between is not None and between[1] > (1 + ROUGH) ** 2 * between[0]:
        better = "a pilot of more rows, as far as the table has them (--size)"
        if correction == "weight" != plan.get("correction"):
            better = "a pilot made with --correction weight"
        context.note(
            f"the pilot knows its plan only roughly: an efficiency of {efficiency:.2f} may be "
            f"{between[0]:.2f} to {between[1]:.2f} (95% range); {better} knows better"
        )


def rate_for(
    plan: Mapping[str, Any], score: str, correction: str, efficiency: float, place: str = ""
) -> float:
    """The rate at which a sample keeps this share of the information.

    Raises
    ------
    UsageError : no rate of the plan does; says which can be had.
    """
    known = curve(plan, score, correction, place)
    rate = known.rate(efficiency)
    if rate is None:
        low = math.ceil(1000 * known.efficiencies[0]) / 1000
        high = math.floor(1000 * max(known.efficiencies)) / 1000
        raise UsageError(
            f"an efficiency of {efficiency:g} cannot be planned with the score '{score}' and the "
            f"correction '{correction}'",
            remedy=f"ask for {low:.3f} (--rate {known.rates[0]:g}) to {high:.3f}, or give a --rate",
        )
    return rate
