"""How good probabilities are: ranking, calibration, and both at once.

Names are scikit-learn's. Array arguments are `y_true` (bool), `y_prob` (0 to 1) and
`sample_weight` (0 or more; None for 1 each), each of shape (n,). A figure that is not defined is
NaN: a ratio of nothing, a ranking of one class, a calibration line without both classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rebalance.core.correction import log_odds, probability

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

EPS = float(np.finfo(np.float64).eps)
BINS = 10
METRICS = (
    "rows", "positives", "weight", "weight_positives", "mean_observed", "mean_predicted",
    "log_loss", "brier", "roc_auc", "average_precision", "predicted_over_observed", "ece",
    "calibration_slope", "calibration_intercept",
)  # fmt: skip
_Z95 = 1.959963984540054
_ITERATIONS = 100
_NEARLY = 1e-6
_CONVERGED = 1e-14


@dataclass(frozen=True)
class Ranking:
    """The rows grouped by probability, the highest first; one sort serves every curve.

    values : the different probabilities, descending, shape (k,).
    positive, negative : the weight of each class at each value, shape (k,).
    squared : the sum of squared weights at each value, shape (k,).
    """

    values: Floats
    positive: Floats
    negative: Floats
    squared: Floats

    @cached_property
    def tp(self) -> Floats:
        """The weight of positives at this value or above."""
        return np.cumsum(self.positive)

    @cached_property
    def fp(self) -> Floats:
        """The weight of negatives at this value or above."""
        return np.cumsum(self.negative)

    @property
    def both(self) -> bool:
        """Whether both classes have weight."""
        return bool(len(self.values) and self.tp[-1] > 0 and self.fp[-1] > 0)


def rank(y_true: Bools, y_prob: Floats, sample_weight: Floats | None = None) -> Ranking:
    """Group the rows by probability; rows without weight are left out."""
    y_true, y_prob, weight = _arrays(y_true, y_prob, sample_weight)
    if not weight.all():
        keep = weight > 0
        y_true, y_prob, weight = y_true[keep], y_prob[keep], weight[keep]
    if len(y_prob) == 0:
        nothing = np.empty(0)
        return Ranking(nothing, nothing, nothing, nothing)
    order = np.argsort(-y_prob, kind="stable")
    sorted_prob, truth, weight = y_prob[order], y_true[order], weight[order]
    starts = np.flatnonzero(np.append(True, sorted_prob[1:] != sorted_prob[:-1]))
    return Ranking(
        sorted_prob[starts],
        np.add.reduceat(np.where(truth, weight, 0.0), starts),
        np.add.reduceat(np.where(truth, 0.0, weight), starts),
        np.add.reduceat(weight**2, starts),
    )


def score(y_true: Bools, y_prob: Floats, sample_weight: Floats | None = None) -> dict[str, float]:
    """Every metric of `METRICS`.

    - `log_loss`: probabilities are clipped to [2.2e-16, 1 - 2.2e-16], as scikit-learn does.
    - `predicted_over_observed`: weighted mean of `y_prob` over that of `y_true`.
    - `ece`: expected calibration error over the bins of `reliability`.
    - `calibration_slope`, `calibration_intercept`: see `calibration_line`.
    - `rows`, `positives` count rows; `weight`, `weight_positives` are sums of weights.

    >>> found = score(np.array([False, True]), np.array([0.2, 0.6]))
    >>> round(found["brier"], 4), found["roc_auc"], round(found["predicted_over_observed"], 4)
    (0.1, 1.0, 0.8)
    """
    y_true, y_prob, weight = _arrays(y_true, y_prob, sample_weight)
    total, positives = float(weight.sum()), float(weight[y_true].sum())
    found = dict.fromkeys(METRICS, float("nan"))
    found |= {"rows": float(len(y_true)), "positives": float(y_true.sum())}
    found |= {"weight": total, "weight_positives": positives}
    if not total > 0:
        return found
    share = weight / total
    clipped = np.clip(y_prob, EPS, 1 - EPS)
    found["log_loss"] = -_dot(share, np.where(y_true, np.log(clipped), np.log1p(-clipped)))
    found["brier"] = _dot(share, (y_prob - y_true) ** 2)
    found["mean_predicted"] = _dot(share, y_prob)
    found["mean_observed"] = positives / total
    if positives > 0:
        found["predicted_over_observed"] = found["mean_predicted"] / found["mean_observed"]
    ranking = rank(y_true, y_prob, sample_weight)
    found["roc_auc"] = roc_auc(ranking)
    found["average_precision"] = average_precision(ranking)
    bins = reliability(ranking)
    gap = np.abs(bins.mean_predicted - bins.mean_observed)
    found["ece"] = _dot(bins.weight, gap) / float(bins.weight.sum())
    line = calibration_line(y_true, y_prob, sample_weight)
    found["calibration_slope"], found["calibration_intercept"] = line.slope, line.intercept
    return found


def roc_auc(ranking: Ranking) -> float:
    """The probability that a positive ranks above a negative, ties one half (Mann and Whitney)."""
    if not ranking.both:
        return float("nan")
    above = (ranking.tp - 0.5 * ranking.positive) / ranking.tp[-1]
    return _dot(ranking.negative / ranking.fp[-1], above)


def average_precision(ranking: Ranking) -> float:
    """The sum of precision times the step in recall, over the thresholds."""
    if not ranking.both:
        return float("nan")
    precision = ranking.tp / (ranking.tp + ranking.fp)
    return _dot(ranking.positive / ranking.tp[-1], precision)


@dataclass(frozen=True)
class Reliability:
    """Predicted against observed in bins, the lowest first; arrays of one number a bin.

    low, high : the 95% interval of the observed share (Wilson 1927), with the effective number
        of rows (sum w)^2 / sum w^2 (Kish 1965) where rows are weighted.
    """

    mean_predicted: Floats
    mean_observed: Floats
    low: Floats
    high: Floats
    weight: Floats


def reliability(ranking: Ranking, bins: int = BINS) -> Reliability:
    """Cut the rows, by rising probability, into at most `bins` bins of equal weight.

    Rows with the same probability stay together: they go to the bin in which the middle of their
    weight lies. So the bins do not depend on the order of the rows, and with few different
    probabilities there are fewer of them.
    """
    if len(ranking.values) == 0:
        nothing = np.empty(0)
        return Reliability(nothing, nothing, nothing, nothing, nothing)
    weight = ranking.positive + ranking.negative
    middle = np.cumsum(weight[::-1])[::-1] - 0.5 * weight  # from the lowest probability up
    place = np.floor(bins * middle / weight.sum()).astype(np.int64).clip(0, bins - 1)
    total = np.bincount(place, weight, bins).astype(np.float64)
    filled = total > 0
    total = total[filled]
    predicted = np.bincount(place, weight * ranking.values, bins)[filled] / total
    observed = np.bincount(place, ranking.positive, bins)[filled] / total
    low, high = wilson(observed, total**2 / np.bincount(place, ranking.squared, bins)[filled])
    return Reliability(predicted, observed, low, high, total)


def wilson(share: Floats, rows: Floats) -> tuple[Floats, Floats]:
    """The 95% score interval of a share among so many rows (Wilson 1927, equation 1).

    >>> low, high = wilson(np.array([0.0]), np.array([10.0]))
    >>> low.round(4).tolist(), high.round(4).tolist()
    ([0.0], [0.2775])
    """
    square = _Z95**2
    centre = share + square / (2 * rows)
    half = _Z95 * np.sqrt(share * (1 - share) / rows + square / (4 * rows**2))
    low, high = (centre - half) / (1 + square / rows), (centre + half) / (1 + square / rows)
    return np.clip(low, 0.0, share), np.clip(high, share, 1.0)


@dataclass(frozen=True)
class CalibrationLine:
    """Slope and intercept, and why one is NaN ("" where both are known)."""

    slope: float
    intercept: float
    reason: str = ""


def calibration_line(
    y_true: Bools, y_prob: Floats, sample_weight: Floats | None = None
) -> CalibrationLine:
    """Logistic regressions of the outcome on logit(y_prob).

    The slope is b of logit Pr(y=1) = a + b logit(y_prob), below 1 where probabilities are too
    extreme. The intercept is a of logit Pr(y=1) = a + logit(y_prob), the slope fixed at 1
    (calibration in the large), below 0 where they are too high. Van Calster et al., "A calibration
    hierarchy for risk models was defined", J. Clin. Epidemiol. 2016; "Calibration: the Achilles
    heel of predictive analytics", BMC Medicine 2019.

    Probabilities of exactly 0 or 1 have no logit and are left out of both, as R's predRupdate
    does; `certain` counts them.
    """
    y_true, y_prob, weight = _arrays(y_true, y_prob, sample_weight)
    inside = (y_prob > 0) & (y_prob < 1) & (weight > 0)
    y_true, weight, logit = y_true[inside], weight[inside], log_odds(y_prob[inside])
    nan = float("nan")
    if y_true.all() or not y_true.any():
        return CalibrationLine(nan, nan, "of the probabilities between 0 and 1 one class is empty")
    weight = weight / weight.mean()
    ones = np.ones((1, len(logit)))
    means = np.array([_dot(weight, y_true), _dot(weight, y_prob[inside])]) / weight.sum()
    odds, predicted = log_odds(np.clip(means, 1e-300, 1 - EPS))
    large = _fit(ones, logit, y_true, weight, [odds - predicted])
    intercept = nan if large is None else float(large[0])
    if logit.min() == logit.max():
        return CalibrationLine(nan, intercept, "all probabilities are the same")
    if logit[y_true].min() >= logit[~y_true].max() or logit[y_true].max() <= logit[~y_true].min():
        return CalibrationLine(nan, intercept, "the probabilities separate the classes completely")
    spread = float(logit.max() - logit.min())
    line = np.vstack([ones, (logit - logit.mean()) / spread])
    fitted = _fit(line, np.zeros(len(logit)), y_true, weight, [odds, 0.0])
    slope = nan if fitted is None else float(fitted[1]) / spread
    unknown = large is None or fitted is None
    return CalibrationLine(slope, intercept, "the fit did not converge" if unknown else "")


def certain(y_true: Bools, y_prob: Floats) -> tuple[int, int]:
    """How many probabilities are exactly 0 or 1, and how many of those are wrong.

    >>> certain(np.array([True, False, True]), np.array([0.0, 0.0, 0.5]))
    (2, 1)
    """
    at_bounds = (y_prob == 0) | (y_prob == 1)
    return int(at_bounds.sum()), int((at_bounds & ((y_prob == 1) != y_true)).sum())


def _fit(
    x: Floats, shift: Floats, y_true: Bools, weight: Floats, start: list[float]
) -> Floats | None:
    """Maximise the likelihood of logit Pr(y=1) = shift + theta x, x of shape (k, n), or None.

    Newton's method with step halving, until the decrement is (1e-7)^2: the last step was then a
    ten-millionth of a standard error, and what is left is its square. `weight` has mean 1.
    """
    theta: Floats = np.array(start)
    for _ in range(_ITERATIONS):
        found = shift + (theta[:, None] * x).sum(axis=0)
        mean, value = probability(found), _log_likelihood(found, y_true, weight)
        gradient = np.array([_dot(row, weight * (y_true - mean)) for row in x])
        curved = weight * mean * (1 - mean)
        information = np.array([[_dot(row * curved, other) for other in x] for row in x])
        try:
            step = np.linalg.solve(information, gradient)
        except np.linalg.LinAlgError:
            return None
        decrement = _dot(gradient, step)
        if not np.isfinite(decrement):
            return None
        size = 1.0
        # Near the optimum a full step is safe, and rounding would hide what it gains.
        while decrement >= _NEARLY and size > 1e-30:
            tried = shift + ((theta + size * step)[:, None] * x).sum(axis=0)
            if _log_likelihood(tried, y_true, weight) >= value + 1e-4 * size * decrement:
                break
            size *= 0.5
        theta = theta + size * step
        if decrement < _CONVERGED:
            return theta
    return None


def _log_likelihood(found: Floats, y_true: Bools, weight: Floats) -> float:
    return _dot(weight, y_true * found - np.logaddexp(0.0, found))


def _dot(first: Floats, second: Floats | Bools) -> float:
    """The sum of products, which unlike BLAS's does not depend on the number of threads."""
    return float((first * second).sum())


def _arrays(
    y_true: Bools, y_prob: Floats, sample_weight: Floats | None
) -> tuple[Bools, Floats, Floats]:
    truth = np.asarray(y_true, dtype=np.bool_)
    prob = np.asarray(y_prob, dtype=np.float64)
    if sample_weight is None:
        return truth, prob, np.ones(len(prob))
    return truth, prob, np.asarray(sample_weight, dtype=np.float64)
