"""How far probabilities are from what happened, each figure with its 95% interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rebalance.core.correction import probability
from rebalance.core.log_odds_cells import Outcomes
from rebalance.core.logit_fit import fit_intercept, fit_logit

_Z95 = 1.959963984540054
NAN = float("nan")


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95% interval; all NaN where there is none."""

    estimate: float = NAN
    low: float = NAN
    high: float = NAN

    def excludes(self, value: float) -> bool:
        """Whether the value lies outside; never where there is no interval.

        >>> Interval(1.2, 1.1, 1.3).excludes(1), Interval(1.2, 0.9, 1.5).excludes(1)
        (True, False)
        """
        return value < self.low or value > self.high

    @property
    def half_width(self) -> float:
        """Half of the interval's length."""
        return (self.high - self.low) / 2

    def __str__(self) -> str:
        if math.isnan(self.estimate):
            return "not known"
        return f"{self.estimate:.3f} ({self.low:.3f} to {self.high:.3f})"

    def document(self) -> dict[str, float | None]:
        """The interval as JSON; null where it is not known."""
        found = {"estimate": self.estimate, "low": self.low, "high": self.high}
        return {name: None if math.isnan(value) else value for name, value in found.items()}


@dataclass(frozen=True)
class Calibration:
    """Calibration in the large, slope, and why there is no slope ("" where there is one)."""

    predicted_over_observed: Interval
    slope: Interval
    intercept: Interval
    reason: str

    @property
    def named(self) -> Mapping[str, Interval]:
        """The figures that are 1 where all is well, by their names in text."""
        return {"predicted/observed": self.predicted_over_observed, "slope": self.slope}

    @property
    def excludes_one(self) -> list[str]:
        """Which of them are not, beyond what chance explains."""
        return [name for name, found in self.named.items() if found.excludes(1.0)]

    def too_wide(self, bound: float) -> list[str]:
        """Which of them are known less well than +-`bound`, or not at all."""
        return [name for name, found in self.named.items() if not found.half_width <= bound]

    def document(self) -> dict[str, Any]:
        """The figures as JSON, by scikit-learn's kind of names."""
        return {
            "predicted_over_observed": self.predicted_over_observed.document(),
            "calibration_slope": self.slope.document(),
            "calibration_intercept": self.intercept.document(),
            "reason": self.reason,
        }


def measure(outcomes: Outcomes) -> Calibration:
    """Estimate calibration; both classes have weight.

    The intercept is a of logit Pr(y=1) = a + g, g the log odds predicted; the slope is b of
    logit Pr(y=1) = a + b g (Van Calster et al. 2016, see `core.calibration`). Intervals are normal
    ones: by the information of the fit, by the sandwich where rows have weights. That of
    predicted/observed, R = sum w p / sum w y, is normal for log R. Its variance is that of the
    outcomes given the predictions, sum m (1 - m) / (sum y)^2 with m at the intercept's fit; where
    rows have weights, that of a ratio of two weighted sums, sum w^2 (p - R y)^2 / (sum w p)^2
    (Cochran 1977, section 6.3).
    """
    x, y, weight = outcomes.log_odds, outcomes.y_true, outcomes.weight
    prob = probability(x)
    predicted, observed = float((weight * prob).sum()), float(weight[y].sum())
    large = fit_intercept(outcomes)
    intercept = Interval()
    if large is not None:
        error = math.sqrt(large.covariance[0, 0])
        intercept = _normal(float(large.theta[0]), error)
    ratio = predicted / observed
    over = Interval(ratio)
    if predicted == 0:  # below 1e-300: whatever the chance, it is not 1
        over = Interval(0.0, 0.0, 0.0)
    elif outcomes.weighted:
        squares = float((outcomes.squared * (prob - ratio * y) ** 2).sum())
        spread = math.sqrt(squares) / predicted
        over = _log_normal(ratio, spread)
    elif large is not None:
        # The information of the intercept is sum m (1 - m).
        over = _log_normal(ratio, 1 / error / observed)
    reason = no_slope(outcomes)
    if reason:
        return Calibration(over, Interval(), intercept, reason)
    line = fit_logit(outcomes, np.column_stack([np.ones(len(x)), x]))
    if line is None:
        return Calibration(over, Interval(), intercept, "the fit did not converge")
    slope = _normal(float(line.theta[1]), math.sqrt(line.covariance[1, 1]))
    return Calibration(over, slope, intercept, "")


def no_slope(outcomes: Outcomes) -> str:
    """Why a slope cannot be estimated, or ""; log odds of one cell count as the same."""
    cell, y = outcomes.cell, outcomes.y_true
    if cell[0] == cell[-1]:
        return "all probabilities are the same"
    if cell[y].min() >= cell[~y].max() or cell[~y].min() >= cell[y].max():
        return "the probabilities separate the classes completely"
    return ""


def _normal(estimate: float, error: float) -> Interval:
    return Interval(estimate, estimate - _Z95 * error, estimate + _Z95 * error)


def _log_normal(estimate: float, error: float) -> Interval:
    factor = math.exp(_Z95 * error)
    return Interval(estimate, estimate / factor, estimate * factor)
