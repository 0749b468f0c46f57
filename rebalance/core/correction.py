"""From the sample's scale to the population's, and back.

A row of class k at x is kept with probability pi_k(x). By Bayes, with p the population's
probability and p_s that among the kept rows,

    logit p_s(x) = logit p(x) + l(x),    l(x) = log pi_1(x) - log pi_0(x).

So the correction ADDS log pi_0 - log pi_1 to the sample's log odds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_HALVINGS = 100


def offset(pi_0: Floats, pi_1: Floats) -> Floats:
    """l = log pi_1 - log pi_0, the shift of the log odds that sampling causes at x.

    Rows of either class have it: a kept positive's offset is that of a negative at its x
    (Wang, Zhang and Wang 2021, arXiv 2110.13048, equation 5).

    >>> float(offset(np.array([0.1]), np.array([1.0]))[0].round(4))
    2.3026
    """
    return np.log(pi_1) - np.log(pi_0)


def to_population(log_odds_sampled: Floats, shift: Floats | float) -> Floats:
    """The population's log odds from the sample's, where `shift` is the offset l.

    >>> sampled = log_odds(np.array([0.01 / (0.01 + 0.99 * 0.1)]))
    >>> float(probability(to_population(sampled, -np.log(0.1)))[0].round(6))
    0.01
    """
    return log_odds_sampled - shift


def to_sample(log_odds_population: Floats, shift: Floats | float) -> Floats:
    """The sample's log odds from the population's, where `shift` is the offset l.

    >>> sampled = to_sample(log_odds(np.array([0.01])), -np.log(0.1))
    >>> float(probability(sampled)[0].round(4))
    0.0917
    """
    return log_odds_population + shift


def shift_to(log_odds: Floats, weight: Floats | float, positives: float) -> float:
    """What must be added to all log odds for the sum of weighted probabilities to be `positives`.

    By bisection, which works however large log odds are; without BLAS, whose threads would make
    sums depend on the machine.

    >>> round(shift_to(np.zeros(4), 1.0, 1.0), 4)  # logit 1/4
    -1.0986
    """
    low, high = -50.0 - float(log_odds.max()), 50.0 - float(log_odds.min())
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if float((weight * probability(middle + log_odds)).sum()) < positives:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def prior_shift(train: float, true: float) -> float:
    """The offset l of a sample with the share `train` of positives from a population with `true`.

    Saerens, Latinne and Decaestecker 2002, equation 4, for two classes: only the shares differ,
    the features' distribution within each class does not.

    >>> round(prior_shift(0.5, 0.01), 4)
    4.5951
    """
    return float(np.log(train / (1 - train)) - np.log(true / (1 - true)))


def probability(log_odds: Floats) -> Floats:
    """1 / (1 + exp(-log_odds)), without overflow.

    >>> probability(np.array([-800.0, 0.0, 800.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    small = np.exp(-np.abs(log_odds))
    return np.where(log_odds >= 0, 1.0, small) / (1.0 + small)


def log_probability(log_odds: Floats) -> Floats:
    """log(1 / (1 + exp(-log_odds))), exact where the probability itself underflows.

    >>> log_probability(np.array([-800.0, 0.0])).round(4).tolist()
    [-800.0, -0.6931]
    """
    return np.minimum(log_odds, 0.0) - np.log1p(np.exp(-np.abs(log_odds)))


def log_odds(y_prob: Floats) -> Floats:
    """log(p / (1 - p)); minus infinity at 0, infinity at 1.

    >>> log_odds(np.array([0.0, 0.5, 1.0])).tolist()
    [-inf, 0.0, inf]
    """
    with np.errstate(divide="ignore"):
        return np.log(y_prob) - np.log1p(-y_prob)
