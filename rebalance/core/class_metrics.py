"""How good the probabilities of many classes are. A figure that is not defined is NaN."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rebalance.core.calibration import EPS
from rebalance.core.metrics import roc_auc
from rebalance.core.ranking import blocks, rank

Floats = NDArray[np.float64]
Codes = NDArray[np.integer]

CLASS_METRICS = (
    "rows", "weight", "log_loss", "accuracy", "balanced_accuracy", "roc_auc", "share_difference",
)  # fmt: skip
OF_EACH_CLASS = (
    "rows", "weight", "mean_observed", "mean_predicted", "predicted_over_observed", "roc_auc",
    "recall",
)  # fmt: skip


@dataclass(frozen=True)
class ClassFigures:
    """`overall` by the names in `CLASS_METRICS`; `each`, by class and by `OF_EACH_CLASS`."""

    overall: dict[str, float]
    each: dict[str, dict[str, float]]


def score_classes(
    codes: Codes,
    y_prob: Sequence[Floats],
    values: Sequence[str],
    sample_weight: Floats | None = None,
) -> ClassFigures:
    """Every figure of many classes.

    - `log_loss`: of each row's own class, clipped to [2.2e-16, 1 - 2.2e-16].
    - `accuracy`: weight of the rows whose class has the highest probability, the first of equals.
    - `balanced_accuracy`: mean recall over the classes that have weight.
    - `roc_auc`: mean over the classes, each against all the rest, where that is defined.
    - `share_difference`: sum over the classes of |mean predicted - observed share|.

    Parameters
    ----------
    codes : each row's class, shape (n,), a position in `values`.
    y_prob : K columns of shape (n,). Classes beyond them, from K on, have probability 0.
    values : the names of all classes, K or more. sample_weight : shape (n,), or None for 1 each.

    >>> found = score_classes(np.array([0, 1]), [np.array([0.8, 0.4]), np.array([0.2, 0.6])], "ab")
    >>> found.overall["accuracy"], round(found.overall["share_difference"], 9)
    (1.0, 0.2)
    """
    count, known = len(values), len(y_prob)
    losses, hits = 0.0, np.zeros(count)
    observed, predicted = np.zeros(count), np.zeros(count)
    for part in blocks(len(codes)):
        own, w = codes[part], _part(sample_weight, part)
        columns = [column[part] for column in y_prob]
        best, highest, truth = np.zeros(len(own), dtype=np.int64), columns[0], np.zeros(len(own))
        for place, column in enumerate(columns):
            truth = np.where(own == place, column, truth)
            best = np.where(column > highest, place, best)
            highest = np.maximum(column, highest)
            predicted[place] += float(w @ column)
        losses -= float(w @ np.log(np.clip(truth, EPS, 1 - EPS)))
        observed += np.bincount(own, w, count)
        hits += np.bincount(own, w * (best == own), count)
    total = float(observed.sum())
    nothing = float("nan")
    rows = np.bincount(codes, minlength=count)
    each: dict[str, dict[str, float]] = {}
    for place, value in enumerate(values):
        found = dict.fromkeys(OF_EACH_CLASS, nothing)
        found |= {"rows": float(rows[place]), "weight": float(observed[place])}
        if total > 0:
            found["mean_observed"] = float(observed[place] / total)
            found["mean_predicted"] = float(predicted[place] / total)
        if observed[place] > 0:
            found["predicted_over_observed"] = float(predicted[place] / observed[place])
            found["recall"] = float(hits[place] / observed[place])
        if place < known:
            found["roc_auc"] = roc_auc(rank(codes == place, y_prob[place], sample_weight))
        each[value] = found
    overall = dict.fromkeys(CLASS_METRICS, nothing) | {"rows": float(len(codes)), "weight": total}
    if total > 0:
        overall["log_loss"] = losses / total
        overall["accuracy"] = float(hits.sum() / total)
        overall["balanced_accuracy"] = _mean(each, "recall")
        overall["roc_auc"] = _mean(each, "roc_auc")
        overall["share_difference"] = float(np.abs(predicted - observed).sum() / total)
    return ClassFigures(overall, each)


def _mean(each: dict[str, dict[str, float]], name: str) -> float:
    found = [figures[name] for figures in each.values() if not np.isnan(figures[name])]
    return float(np.mean(found)) if found else float("nan")


def _part(sample_weight: Floats | None, part: slice) -> Floats:
    """The weights of some rows, 1 each where there are none."""
    return np.ones(part.stop - part.start) if sample_weight is None else sample_weight[part]
