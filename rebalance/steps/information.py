"""pilot + the rows it was fitted on -> how much information a sample of any rate will keep"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.correction import log_probability
from rebalance.core.design import LEAST_PI_1, LOCAL, UNIFORM, ScoreHistogram
from rebalance.core.efficiency import Chances, Curve, Information
from rebalance.core.encoding import Encoder
from rebalance.core.selection import FLOOR_SHARE
from rebalance.errors import ArtifactError, UsageError
from rebalance.learners.base import TrainingRows
from rebalance.samplers.nonuniform import MATRICES, SCORES

Floats = NDArray[np.float64]

RATES = (
    0.001, 0.0015, 0.002, 0.003, 0.005, 0.007, 0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2,
    0.3, 0.5, 0.7, 1.0,
)  # fmt: skip
CORRECTIONS = ("offset", "weight")


@dataclass(frozen=True)
class Stand:
    """Rows that stand for the population: n rows of both classes with their weights.

    z : with the intercept, shape (n, d). log_odds : the population's. weight : shape (n,).
    """

    z: Floats
    log_odds: Floats
    y_true: NDArray[np.bool_]
    weight: Floats


def features(encoder: Encoder | None, columns: Mapping[str, pa.Array], log_odds: Floats) -> Floats:
    """z with its intercept, shape (n, d): encoded columns, or for trees their log odds."""
    inner = log_odds[:, None] if encoder is None else encoder.linear(columns)
    return np.column_stack([np.ones(len(log_odds)), inner])


@dataclass(frozen=True)
class Planned:
    """M = sum over the draw's positives of z z', and the efficiency by correction, score, rate."""

    outer: Floats
    curves: Mapping[str, Any]


def plan_of(
    encoder: Encoder | None, rows: TrainingRows, log_odds: Floats, weight: Floats
) -> Planned:
    """What sampling needs to know of a pilot's rows, and what a plan says of them.

    log_odds : the population's. weight : makes the rows stand for the population, shape (n,).
    """
    z = features(encoder, rows.columns, log_odds)
    outer = z[rows.y_true].T @ z[rows.y_true]
    return Planned(outer, efficiency_curves(Stand(z, log_odds, rows.y_true, weight), outer))


def efficiency_curves(rows: Stand, positives_outer: Floats) -> dict[str, Any]:
    """The efficiency by correction, score and rate, as a document.

    The floor is a tenth of the rate, and nothing is mixed in. c is solved over the rows' negatives.
    """
    found: dict[str, dict[str, list[float]]] = {each: {} for each in CORRECTIONS}
    for score in (UNIFORM, *SCORES):
        log_score = log_probability(rows.log_odds)
        if score in MATRICES:
            matrix = MATRICES[score](positives_outer)
            mapped = rows.z if matrix is None else rows.z @ matrix.T
            log_score += np.log(np.linalg.norm(mapped, axis=1))
        kept = [_kept(score, rate, log_score, rows) for rate in RATES]
        whole = score != LOCAL  # which lets positives go even where it keeps all negatives
        for each in CORRECTIONS:
            found[each][score] = [of_rate.efficiency(each) for of_rate in kept]
            if whole:  # c is solved to 1e-4
                found[each][score][-1] = 1.0
    return {"rates": list(RATES), "floor_share": FLOOR_SHARE, "efficiency": found}


def _kept(score: str, rate: float, log_score: Floats, rows: Stand) -> Information:
    pi_0, pi_1 = np.full(len(log_score), rate), np.ones(len(log_score))
    if score != UNIFORM:
        ranks = ScoreHistogram(lambda rank: rank)
        ranks.add(log_score[~rows.y_true])
        floor = FLOOR_SHARE * rate
        c = ranks.solve(rate * float((~rows.y_true).sum()), floor, 0.0)
        pi_0 = np.clip(c * np.exp(log_score), floor, 1.0)
    if score == LOCAL:
        pi_1 = np.clip(-np.expm1(log_score), LEAST_PI_1, 1.0)
    total = Information(rows.z.shape[1])
    total.add(rows.z, rows.log_odds, Chances(pi_0, pi_1), rows.weight)
    return total


def curve(plan: Mapping[str, Any], score: str, correction: str) -> Curve:
    """One curve of the document that `efficiency_curves` gave.

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
            remedy="make it again with 'rebalance pilot'",
        ) from exc


def rate_for(plan: Mapping[str, Any], score: str, correction: str, efficiency: float) -> float:
    """The rate at which a sample keeps this share of the information.

    Raises
    ------
    UsageError : no rate of the plan does; says which can be had.
    """
    known = curve(plan, score, correction)
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
