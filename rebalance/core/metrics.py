"""How good probabilities are: ranking, calibration, and both at once.

Names are scikit-learn's. Array arguments are `y_true` (bool), `y_prob` (0 to 1) and
`sample_weight` (0 or more; None for 1 each), each of shape (n,). Every figure comes from the rows
in the order of their probability, in blocks, so that memory is theirs alone. A figure that is not
defined is NaN: a ratio of nothing, a ranking of one class, a calibration line without both classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum

import numpy as np

from rebalance.core.calibration import EPS, calibration_line
from rebalance.core.ranking import Bools, Floats, Ranking, rank

BINS = 10
METRICS = (
    "rows", "positives", "weight", "weight_positives", "mean_observed", "mean_predicted",
    "log_loss", "brier", "roc_auc", "average_precision", "predicted_over_observed", "ece",
    "calibration_slope", "calibration_intercept",
)  # fmt: skip
_Z95 = 1.959963984540054


def score(y_true: Bools, y_prob: Floats, sample_weight: Floats | None = None) -> dict[str, float]:
    """Every metric of `METRICS`, see `score_ranking`.

    >>> found = score(np.array([False, True]), np.array([0.2, 0.6]))
    >>> round(found["brier"], 4), found["roc_auc"], round(found["predicted_over_observed"], 4)
    (0.1, 1.0, 0.8)
    """
    return score_ranking(rank(y_true, y_prob, sample_weight))


def score_ranking(ranking: Ranking) -> dict[str, float]:
    """Every metric of `METRICS`.

    - `log_loss`: probabilities are clipped to [2.2e-16, 1 - 2.2e-16], as scikit-learn does.
    - `predicted_over_observed`: weighted mean of `y_prob` over that of `y_true`.
    - `ece`: expected calibration error over the bins of `reliability`.
    - `calibration_slope`, `calibration_intercept`: see `calibration_line`.
    - `rows`, `positives` count rows; `weight`, `weight_positives` are sums of weights.
    """
    positives, negatives = ranking.totals
    total = positives + negatives
    found = dict.fromkeys(METRICS, float("nan"))
    found |= {"rows": float(len(ranking)), "positives": ranking.counted.totals[0]}
    found |= {"weight": total, "weight_positives": positives}
    if not total > 0:
        return found
    found |= _means(ranking, total)
    found["mean_observed"] = positives / total
    if positives > 0:
        found["predicted_over_observed"] = found["mean_predicted"] / found["mean_observed"]
    found["roc_auc"] = roc_auc(ranking)
    found["average_precision"] = average_precision(ranking)
    bins = reliability(ranking)
    gap = np.abs(bins.mean_predicted - bins.mean_observed)
    found["ece"] = float((bins.weight * gap).sum() / bins.weight.sum())
    line = calibration_line(ranking)
    found["calibration_slope"], found["calibration_intercept"] = line.slope, line.intercept
    return found


def _means(ranking: Ranking, total: float) -> dict[str, float]:
    """The figures that are means over the rows."""
    sums: list[tuple[float, float, float]] = []
    for levels in ranking.levels():
        y_prob, positive = levels.values, levels.positive / total
        negative = levels.negative / total
        clipped = np.clip(y_prob, EPS, 1 - EPS)
        log_loss = positive * np.log(clipped) + negative * np.log1p(-clipped)
        brier = positive * (1 - y_prob) ** 2 + negative * y_prob**2
        predicted = (positive + negative) * y_prob
        sums.append((float(log_loss.sum()), float(brier.sum()), float(predicted.sum())))
    log_loss_sum, brier_sum, predicted_sum = (fsum(each) for each in zip(*sums, strict=True))
    return {"log_loss": -log_loss_sum, "brier": brier_sum, "mean_predicted": predicted_sum}


def roc_auc(ranking: Ranking) -> float:
    """The probability that a positive ranks above a negative, ties one half (Mann and Whitney)."""
    if not ranking.both:
        return float("nan")
    positives, negatives = ranking.totals
    sums = []
    for levels in ranking.levels():
        above = (levels.tp - 0.5 * levels.positive) / positives
        sums.append(float((levels.negative / negatives * above).sum()))
    return fsum(sums)


def average_precision(ranking: Ranking) -> float:
    """The sum of precision times the step in recall, over the thresholds."""
    if not ranking.both:
        return float("nan")
    positives, _ = ranking.totals
    sums = []
    for levels in ranking.levels():
        precision = levels.tp / (levels.tp + levels.fp)
        sums.append(float((levels.positive / positives * precision).sum()))
    return fsum(sums)


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
    whole = sum(ranking.totals)
    if not whole > 0:
        nothing = np.empty(0)
        return Reliability(nothing, nothing, nothing, nothing, nothing)
    sums = np.zeros((4, bins))
    for levels in ranking.levels():
        weight = levels.weight
        middle = whole - (levels.tp + levels.fp) + 0.5 * weight  # from the lowest probability up
        place = np.floor(bins * middle / whole).astype(np.int64).clip(0, bins - 1)
        summed = (weight, weight * levels.values, levels.positive, levels.squared)
        for row, what in enumerate(summed):
            sums[row] += np.bincount(place, what, bins)
    total, predicted, observed, squared = sums[:, sums[0] > 0]
    share = observed / total
    low, high = wilson(share, total**2 / squared)
    return Reliability(predicted / total, share, low, high, total)


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
