"""What measurements on folds say: means with intervals, and differences that are more than noise.

Training sets of a cross-validation overlap, so that its folds' figures are not independent and the
plain t test finds differences where there are none. Nadeau and Bengio, *Inference for the
Generalization Error*, Machine Learning 52 (2003), equation 9, multiply the variance of the mean of
k figures by 1 + k n_2 / n_1, for n_1 rows to train on and n_2 to test on.

NaN stands for what cannot be told: an interval from one fold, or of a figure that is not defined.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A figure with the bounds of its interval, and its standard error."""

    mean: float
    low: float
    high: float
    standard_error: float

    @property
    def half(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2

    def holds(self, value: float) -> bool:
        """Whether a value is inside of the interval."""
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Difference(Estimate):
    """A mean difference, and how often as large a one comes of noise alone (two-sided)."""

    p_value: float


def over_folds(values: Floats, test_per_train: float, level: float = LEVEL) -> Estimate:
    """The mean of k folds' figures and its interval, mean +- t_(k-1) s sqrt(1/k + n_2/n_1).

    Parameters
    ----------
    values : shape (k,). test_per_train : n_2/n_1, the rows to test on for each one to train on.

    >>> found = over_folds(np.array([1.0, 2.0, 3.0]), 0.5)
    >>> round(found.mean, 6), round(found.standard_error, 6)  # sqrt(1/3 + 1/2)
    (2.0, 0.912871)
    """
    mean = float(values.mean()) if len(values) else float("nan")
    if len(values) < 2 or not np.isfinite(values).all():
        return Estimate(mean, float("nan"), float("nan"), float("nan"))
    return _around(mean, _corrected_error(values, test_per_train), len(values) - 1, level)


def paired(differences: Floats, test_per_train: float, level: float = LEVEL) -> Difference:
    """The mean of differences on the same folds, with the corrected resampled t test.

    Parameters
    ----------
    differences : shape (k,), of two ways on the same folds. test_per_train : see `over_folds`.
    """
    found = over_folds(differences, test_per_train, level)
    if math.isnan(found.standard_error):
        return Difference(found.mean, found.low, found.high, found.standard_error, float("nan"))
    if found.standard_error == 0:  # the same difference on every fold
        p_value = 1.0 if found.mean == 0 else 0.0
    else:
        from scipy.special import stdtr

        ratio = abs(found.mean) / found.standard_error
        p_value = 2 * float(stdtr(len(differences) - 1, -ratio))
    return Difference(found.mean, found.low, found.high, found.standard_error, p_value)


def adjusted(p_values: Sequence[float]) -> list[float]:
    """Bonferroni's: each p value times the number of comparisons, 1 at the most; NaN counts none.

    It is for comparisons with whatever came out best. That one is chosen by the data; but to call
    the truly best way worse, one of its own comparisons must go wrong, of which there are as many
    (Hsu, *Simultaneous confidence intervals for all distances from the "best"*, Annals of
    Statistics 9, 1981). Holm's steps would not be safe there.

    >>> adjusted([0.01, 0.4, float("nan")])
    [0.02, 0.8, nan]
    """
    count = sum(not math.isnan(each) for each in p_values)
    return [each if math.isnan(each) else min(each * count, 1.0) for each in p_values]


def pooled_ratio(predicted: Floats, observed: Floats, level: float = LEVEL) -> Estimate:
    """The mean of `predicted` / `observed` over independent tables: geometric, each counts alike.

    exp of mean +- t_(m-1) s / sqrt(m) of the logarithms, so that what differs between tables, the
    noise of few positives or the amount of sampling, is in the interval. The standard error is that
    of the mean logarithm.

    Parameters
    ----------
    predicted, observed : sums over each table's rows, above 0, shape (m,).

    >>> found = pooled_ratio(np.array([10.0, 40.0]), np.array([10.0, 10.0]))
    >>> round(found.mean, 6), round(found.standard_error, 6)  # log(4) / 2 both
    (2.0, 0.693147)
    """
    if not len(observed) or not (observed > 0).all() or not (predicted > 0).all():
        return Estimate(float("nan"), float("nan"), float("nan"), float("nan"))
    logs = over_folds(np.log(predicted / observed), 0.0, level)  # tables share no rows
    mean, low, high = (math.exp(each) for each in (logs.mean, logs.low, logs.high))
    return Estimate(mean, low, high, logs.standard_error)


def _corrected_error(values: Floats, test_per_train: float) -> float:
    spread = float(values.std(ddof=1))
    if spread <= 1e-12 * float(np.abs(values).max()):  # the rounding of equal values
        return 0.0
    return spread * math.sqrt(1 / len(values) + test_per_train)


def _around(mean: float, error: float, freedom: int, level: float) -> Estimate:
    from scipy.special import stdtrit

    reach = float(stdtrit(freedom, (1 + level) / 2)) * error
    return Estimate(mean, mean - reach, mean + reach, error)
