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
from rebalance.core.efficiency import Chances, Curve, standing_for, whitening
from rebalance.core.encoding import Encoder
from rebalance.core.forecast import Forecast, Foreseen
from rebalance.core.inference import model_based
from rebalance.core.posterior import PRIOR, Drawn, Posterior, posterior
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
MISFIT = 0.25
_SURE = 3.0  # standard errors
_QUANTILE = 1.959963984540054  # of the normal distribution, at .975


@dataclass(frozen=True)
class Stand:
    """Rows that stand for the population: n rows of both classes.

    z : with the intercept, shape (n, d). log_odds : the pilot's, on the population's scale.
    count : how many rows of the population each stands for, shape (n,).
    known : what these rows tell of the population's log odds; None takes the pilot at its word.
    """

    z: Floats
    log_odds: Floats
    y_true: NDArray[np.bool_]
    count: Floats
    known: Posterior | None = None


def features(encoder: Encoder | None, columns: Mapping[str, pa.Array], log_odds: Floats) -> Floats:
    """z with its intercept, shape (n, d): encoded columns, or for trees their log odds."""
    inner = log_odds[:, None] if encoder is None else encoder.linear(columns)
    return np.column_stack([np.ones(len(log_odds)), inner])


@dataclass(frozen=True)
class Planned:
    """The efficiencies, or why there are none, and what is known of the population beside p~."""

    curves: Mapping[str, Any]
    known: Posterior | None = None


def plan_of(
    fitted: Fitted,
    rows: TrainingRows,
    standing: TrainingRows,
    count: Floats,
    *,
    outer: Floats,
    correction: str,
) -> Planned:
    """What a pilot says of samples.

    rows : those the pilot was fitted on. standing : those that stand for the population. count :
    how many of their class each of these stands for, shape (n,). outer : see `outer_of`.
    correction : what is planned for; the plan for "weight" takes simulated draws.

    Raises
    ------
    FitError : the standing rows have no fit.
    """
    stand = stand_of(fitted, rows, standing, count)
    curves = efficiency_curves(stand, outer, correction)
    misfit = misfit_of(stand, float(count[~standing.y_true][0]))
    return Planned(curves if misfit is None else curves | {"misfit": misfit}, stand.known)


def outer_of(fitted: Fitted, rows: TrainingRows) -> Floats:
    """M = sum over the positives of z z', shape (d, d)."""
    z = _seen(fitted, rows)[1][rows.y_true]
    return np.asarray(z.T @ z)


def stand_of(fitted: Fitted, rows: TrainingRows, standing: TrainingRows, count: Floats) -> Stand:
    """The rows that stand for the population, as `plan_of` takes them, with what they tell of it.

    Of a linear pilot the population's log odds are those of a fit to these rows, however few the
    pilot was fitted on. Of trees they are taken at their word.

    Raises
    ------
    FitError : the standing rows have no fit.
    """
    own, z = _seen(fitted, standing)
    stand = Stand(z, own, standing.y_true, count)
    if not isinstance(fitted, LinearModel):
        return stand
    coefficients, once = np.append(fitted.intercept, fitted.slopes), np.ones(len(z))
    if standing is not rows:
        names = ["intercept", *fitted.encoder.names]
        problem = Problem(z, names, stand.y_true, standing.offset, once)
        with one_thread():
            coefficients = maximise(problem, fitted.penalty, coefficients).coefficients
    log_odds = z @ coefficients
    prior = fitted.penalty.diagonal(z.shape[1])
    prior[1:] += PRIOR
    drawn_odds = log_odds + standing.offset
    spread = model_based(z, drawn_odds, once, prior)
    negative, positive = (1 / count[stand.y_true == value][0] for value in (False, True))
    count = standing_for(probability(log_odds), Chances(negative * once, positive * once))
    known = posterior(
        coefficients[1:],
        spread.variance[1:, 1:],
        spread.bias[1:],
        prior[1:],
        Drawn(z, stand.y_true, count, drawn_odds),
        positives=float(stand.y_true.sum() / positive),
    )
    return replace(stand, count=count, known=known)


def misfit_of(stand: Stand, times: float) -> float | None:
    """How many times the variance by weights is, by the labels drawn, what the plan's p says.

    None where it may well be 1: within a quarter, or within three standard errors. With z whitened
    by the information, what is compared is the sum over negatives of p^2 z'z, each standing for
    `times`, and the sum over all rows of (1 - p) p^2 z'z, its mean if log odds are linear in z.
    """
    if stand.known is None:
        return None
    p = probability(stand.known.mean(stand.z))
    white = stand.z @ whitening((stand.z * (stand.count * p * (1 - p))[:, None]).T @ stand.z)
    carried = p**2 * (white**2).sum(axis=1)
    negatives = stand.count * (1 - p)
    seen, expected = times * carried[~stand.y_true].sum(), float(negatives @ carried)
    error = float(np.sqrt(times * (negatives @ carried**2)))
    ratio = float(seen / expected) if expected > 0 else 1.0
    near = 1 / (1 + MISFIT) < ratio < 1 + MISFIT or abs(seen - expected) < _SURE * error
    return None if near else ratio


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
    forecast = Forecast(
        rows.z, rows.log_odds, rows.count, rows.known, simulated=correction == "weight"
    )
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
        pi_0 = np.clip(np.exp(np.minimum(np.log(c) + log_score, 0.0)), floor, 1.0)
    if score == LOCAL:
        pi_1 = np.clip(-np.expm1(log_score), LEAST_PI_1, 1.0)
    return Chances(pi_0, pi_1)


def known_between(
    plan: Mapping[str, Any], score: str, correction: str, rate: float, efficiency: float
) -> tuple[float, float] | None:
    """The 95% range of an efficiency that the plan gives for a rate.

    None where it is not known: of trees, of an earlier version's pilot, and of weights by formula.
    """
    errors = plan.get("standard_error_of_log")
    if errors is None or by_formula(plan, correction):
        return None
    error = float(np.interp(np.log(rate), np.log(plan["rates"]), errors[correction][score]))
    return range_of(efficiency, error)


def by_formula(plan: Mapping[str, Any], correction: str) -> bool:
    """Whether it is a plan for weights without simulated draws, whose error is not known."""
    return correction == "weight" and plan.get("correction") != "weight"


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
    """Say where a plan's range is wider than a tenth to either side, or is not known of weights."""
    if by_formula(plan, correction):
        context.note(
            "the pilot plans weights by a formula, which may be off by a factor where few rows are "
            "kept; a pilot made with --correction weight knows better"
        )
    if between is None or between[1] <= (1 + ROUGH) ** 2 * between[0]:
        return
    # An earlier version's says for nothing what it is.
    better = "" if "correction" in plan else "; made again, the pilot knows better"
    context.note(
        f"the pilot knows its plan only roughly: an efficiency of {efficiency:.2f} may be "
        f"{between[0]:.2f} to {between[1]:.2f} (95% range){better}"
    )


def tell_misfit(plan: Mapping[str, Any], context: Context) -> None:
    """Say where the labels of the rows drawn tell that log odds are not linear."""
    if plan.get("misfit") is not None:
        context.note(
            "log odds are not linear in the features: by the rows that the pilot drew, fits with "
            f"weights vary {plan['misfit']:.2g} times as much as a linear model says; what is "
            "planned, and its range, may be wrong"
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
