"""The calibration line: logistic regressions of the outcome on the log odds of probabilities.

Both are fitted to the rows in blocks. Newton's method begins where it ends on the rows' summary in
narrow cells of the log odds, so that it passes over all rows only two or three times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import fsum

import numpy as np

from rebalance.core.correction import log_odds, probability
from rebalance.core.ranking import Floats, Levels, Ranking

EPS = float(np.finfo(np.float64).eps)
_ITERATIONS = 100
_NEARLY = 1e-6
_CONVERGED = 1e-14
_CELLS = 4096

# x, the weight of the positives and that of both classes, each of shape (k,).
Outcomes = tuple[Floats, Floats, Floats]


@dataclass(frozen=True)
class CalibrationLine:
    """Slope and intercept, and why one is NaN ("" where both are known)."""

    slope: float
    intercept: float
    reason: str = ""


def calibration_line(ranking: Ranking) -> CalibrationLine:
    """Logistic regressions of the outcome on logit(y_prob).

    The slope is b of logit Pr(y=1) = a + b logit(y_prob), below 1 where probabilities are too
    extreme. The intercept is a of logit Pr(y=1) = a + logit(y_prob), the slope fixed at 1
    (calibration in the large), below 0 where they are too high. Van Calster et al., "A calibration
    hierarchy for risk models was defined", J. Clin. Epidemiol. 2016; "Calibration: the Achilles
    heel of predictive analytics", BMC Medicine 2019.

    Probabilities of exactly 0 or 1 have no logit and are left out of both, as R's predRupdate
    does; `certain` counts them.
    """
    inside = ranking.part(slice(ranking.up_to(0.0), ranking.below(1.0)))
    nan = float("nan")
    if not inside.both:
        return CalibrationLine(nan, nan, "of the probabilities between 0 and 1 one class is empty")
    # With weights of mean 1 a decrement is in squares of a standard error.
    scale = len(inside) / sum(inside.totals)
    outline = _outline(inside, scale)

    def data() -> Iterator[Outcomes]:
        for levels in inside.levels():
            yield outline.x(log_odds(levels.values)), scale * levels.positive, scale * levels.weight

    shifted = np.array([outline.centre + outline.odds - outline.predicted, outline.spread])
    large = _solve(data, outline.cells, shifted, free=1)
    intercept = nan if large is None else float(large[0]) - outline.centre
    if outline.no_slope:
        return CalibrationLine(nan, intercept, outline.no_slope)
    fitted = _solve(data, outline.cells, np.array([outline.odds, 0.0]), free=2)
    slope = nan if fitted is None else float(fitted[1]) / outline.spread
    unknown = large is None or fitted is None
    return CalibrationLine(slope, intercept, "the fit did not converge" if unknown else "")


def certain(ranking: Ranking) -> tuple[int, int]:
    """How many probabilities are exactly 0 or 1, and how many of those are wrong.

    >>> from rebalance.core.ranking import rank
    >>> certain(rank(np.array([True, False, True]), np.array([0.0, 0.0, 0.5])))
    (2, 1)
    """
    rows = ranking.counted
    zeros = rows.part(slice(rows.up_to(0.0)))
    ones = rows.part(slice(rows.below(1.0), None))
    return len(zeros) + len(ones), int(zeros.totals[0] + ones.totals[1])


@dataclass(frozen=True)
class _Outline:
    """What one pass over the rows tells.

    centre, spread : x = (logit - centre) / spread, between -1 and 1 and 0 on average.
    cells : the rows by x in cells of equal width, for the start of the fits.
    odds, predicted : the log odds of the observed share and of the mean probability.
    no_slope : why there is no slope, or "".
    """

    centre: float
    spread: float
    cells: Outcomes
    odds: float
    predicted: float
    no_slope: str

    def x(self, logit: Floats) -> Floats:
        """The log odds as the fits see them."""
        return (logit - self.centre) / self.spread


def _outline(inside: Ranking, scale: float) -> _Outline:
    ends = np.array([inside.value(0), inside.value(len(inside) - 1)])
    low, high = log_odds(ends).tolist()
    spread = high - low or 1.0
    summed = np.zeros((3, _CELLS))  # weight of the positives, of both classes, and its x
    predicted: list[float] = []
    met: list[list[float]] = []  # the lowest and highest probability of each class
    for levels in inside.levels():
        x = (log_odds(levels.values) - low) / spread
        cell = np.minimum(x * _CELLS, _CELLS - 1).astype(np.int64)
        for row, what in enumerate((levels.positive, levels.weight, levels.weight * x)):
            summed[row] += np.bincount(cell, what, _CELLS)
        predicted.append(float((levels.weight * levels.values).sum()))
        met.append(_extent(levels))
    positive, weight, moment = summed[:, summed[1] > 0]
    total = float(weight.sum())
    centre = float(moment.sum()) / total
    means = np.array([float(positive.sum()), fsum(predicted)]) / total
    odds = log_odds(np.clip(means, 1e-300, 1 - EPS))
    return _Outline(
        low + spread * centre,
        spread,
        (moment / weight - centre, scale * positive, scale * weight),
        float(odds[0]),
        float(odds[1]),
        _no_slope(np.array(met)),
    )


def _extent(levels: Levels) -> list[float]:
    """The lowest and highest probability of the positives, then of the negatives."""
    found = []
    for weight in (levels.positive, levels.negative):
        values = levels.values[weight > 0]
        found += [values.min(initial=np.inf), values.max(initial=-np.inf)]
    return found


def _no_slope(met: Floats) -> str:
    lowest = log_odds(met[:, [0, 2]].min(axis=0))
    highest = log_odds(met[:, [1, 3]].max(axis=0))
    if lowest.min() == highest.max():
        return "all probabilities are the same"
    if (lowest >= highest[::-1]).any():
        return "the probabilities separate the classes completely"
    return ""


def _solve(
    data: Callable[[], Iterable[Outcomes]], cells: Outcomes, start: Floats, *, free: int
) -> Floats | None:
    """Fit the cells from `start`, then the rows from there."""
    near = _fit(lambda: [cells], start, free)
    for begin in [start] if near is None else [near, start]:
        found = _fit(data, begin, free)
        if found is not None:
            return found
    return None


def _fit(data: Callable[[], Iterable[Outcomes]], start: Floats, free: int) -> Floats | None:
    """Maximise the likelihood of logit Pr(y=1) = theta_0 + theta_1 x, or None.

    Only the first `free` of theta are; the others stay at `start`. Newton's method with step
    halving, until the decrement is (1e-7)^2: the last step was then a ten-millionth of a standard
    error, and what is left is its square. Weights have mean 1.
    """
    theta = start.copy()
    for _ in range(_ITERATIONS):
        gradient, information = _derivatives(data(), theta, free)
        try:
            step = np.linalg.solve(information, gradient)
        except np.linalg.LinAlgError:
            return None
        decrement = float((gradient * step).sum())
        if not np.isfinite(decrement):
            return None
        whole: Floats = np.append(step, np.zeros(2 - free))
        # Near the optimum a full step is safe, and rounding would hide what it gains.
        if decrement >= _NEARLY:
            whole *= _safe(data, theta, whole, decrement)
        theta = theta + whole
        if decrement < _CONVERGED:
            return theta
    return None


def _safe(
    data: Callable[[], Iterable[Outcomes]], theta: Floats, step: Floats, decrement: float
) -> float:
    """The share of the step, halved as often as it takes, that gains what it should."""
    value, size = _log_likelihood(data(), theta), 1.0
    while size > 1e-30:
        if _log_likelihood(data(), theta + size * step) >= value + 1e-4 * size * decrement:
            break
        size *= 0.5
    return size


def _derivatives(data: Iterable[Outcomes], theta: Floats, free: int) -> tuple[Floats, Floats]:
    """The gradient and minus the second derivatives of the log likelihood."""
    sums = []
    for x, positive, weight in data:
        mean = probability(theta[0] + theta[1] * x)
        left = positive - weight * mean
        curved = weight * mean * (1 - mean)
        terms = (left, left * x, curved, curved * x, curved * x * x)
        sums.append([float(each.sum()) for each in terms])
    first, second, ones, once, twice = (fsum(each) for each in zip(*sums, strict=True))
    gradient, information = np.array([first, second]), np.array([[ones, once], [once, twice]])
    return gradient[:free], information[:free, :free]


def _log_likelihood(data: Iterable[Outcomes], theta: Floats) -> float:
    found = []
    for x, positive, weight in data:
        eta = theta[0] + theta[1] * x
        found.append(float((positive * eta - weight * np.logaddexp(0.0, eta)).sum()))
    return fsum(found)
