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

    def within(self, least: float, most: float) -> Estimate:
        """With the interval cut off where the figure cannot be; not a number stays."""
        low, high = (float(np.clip(bound, least, most)) for bound in (self.low, self.high))
        return Estimate(self.mean, low, high, self.standard_error)


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


@dataclass(frozen=True)
class Counted:
    """Predicted and observed positives on the folds of one table, both of shape (k,).

    test_per_train : see `over_folds`.
    """

    predicted: Floats
    observed: Floats
    test_per_train: float


def pooled_ratio(tables: Sequence[Counted], level: float = LEVEL) -> Estimate:
    """All predicted over all observed positives of several tables, R, with its interval.

    The combined ratio estimate of stratified sampling (Cochran, *Sampling Techniques*, 1977,
    section 6.11): tables are strata, so that what differs between them is no noise, and folds are
    what was sampled in them. The variance of R is sum_t k (1 + k n_2/n_1) s_t^2 / (sum observed)^2,
    with s_t^2 that of predicted - R observed over the k folds of a table and the factor of
    `over_folds`; degrees of freedom by Satterthwaite (*Biometrics Bulletin* 2, 1946).

    >>> found = pooled_ratio([Counted(np.array([10.0, 12.0]), np.array([10.0, 10.0]), 0.0)])
    >>> round(found.mean, 6), round(found.standard_error, 6)  # residuals -1, 1; sqrt(2 * 2) / 20
    (1.1, 0.1)
    """
    whole = sum(float(each.observed.sum()) for each in tables)
    if not whole > 0:
        return Estimate(float("nan"), float("nan"), float("nan"), float("nan"))
    ratio = sum(float(each.predicted.sum()) for each in tables) / whole
    if min(len(each.observed) for each in tables) < 2:
        return Estimate(ratio, float("nan"), float("nan"), float("nan"))
    variances = np.empty(len(tables))
    freedoms = np.empty(len(tables))
    for number, each in enumerate(tables):
        count = len(each.observed)
        spread = float((each.predicted - ratio * each.observed).var(ddof=1))
        variances[number] = count * (1 + count * each.test_per_train) * spread
        freedoms[number] = count - 1
    total = float(variances.sum())
    if total == 0:
        return Estimate(ratio, ratio, ratio, 0.0)
    freedom = total**2 / float((variances**2 / freedoms).sum())
    return _around(ratio, math.sqrt(total) / whole, freedom, level)


def _corrected_error(values: Floats, test_per_train: float) -> float:
    spread = float(values.std(ddof=1))
    if spread <= 1e-12 * float(np.abs(values).max()):  # the rounding of equal values
        return 0.0
    return spread * math.sqrt(1 / len(values) + test_per_train)


def _around(mean: float, error: float, freedom: float, level: float) -> Estimate:
    from scipy.special import stdtrit

    reach = float(stdtrit(freedom, (1 + level) / 2)) * error
    return Estimate(mean, mean - reach, mean + reach, error)
