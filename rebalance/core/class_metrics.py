"""How good the probabilities of many classes are. A figure that is not defined is NaN."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rebalance.core.calibration import EPS
from rebalance.core.metrics import roc_auc
from rebalance.core.ranking import rank

Floats = NDArray[np.float64]
Codes = NDArray[np.integer]

_FEW = 4_096  # rows of a class; of more it is quicker to sort all

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
    scorer = ClassScorer(codes, len(values), sample_weight)
    for place, column in enumerate(y_prob):
        scorer.add(place, column)
    return scorer.figures(values)


class ClassScorer:
    """Scores the columns of classes one by one, so that they need not all be in memory.

    See `score_classes`; about 40 bytes a row are held.
    """

    def __init__(self, codes: Codes, count: int, sample_weight: Floats | None = None) -> None:
        self._codes = codes
        self._weight = sample_weight
        self._order = np.argsort(codes, kind="stable")
        self._rows = np.bincount(codes, minlength=count)
        self._starts = np.cumsum(self._rows) - self._rows
        self._observed = np.bincount(codes, sample_weight, count).astype(np.float64)
        self._predicted = np.zeros(count)
        self._auc = np.full(count, np.nan)
        self._truth = np.zeros(len(codes))
        self._highest = np.full(len(codes), -1.0)
        self._best = np.zeros(len(codes), dtype=np.int32)
        self.sums = np.zeros(len(codes))

    def add(self, place: int, column: Floats) -> None:
        """The probabilities of one class, shape (n,); classes come in their order."""
        own = self._order[self._starts[place] : self._starts[place] + self._rows[place]]
        self._truth[own] = column[own]
        self._best[column > self._highest] = place  # the first of equals
        np.maximum(column, self._highest, out=self._highest)
        self.sums += column
        total = column.sum() if self._weight is None else self._weight @ column
        self._predicted[place] = float(total)
        self._auc[place] = auc_of_class(own, column, self._weight)

    def figures(self, values: Sequence[str]) -> ClassFigures:
        """Every figure, once all columns were added."""
        count = len(values)
        observed, predicted = self._observed, self._predicted
        losses = np.log(np.clip(self._truth, EPS, 1 - EPS))
        hit = (self._best == self._codes).astype(np.float64)
        loss = -float(losses.sum() if self._weight is None else self._weight @ losses)
        hits = np.bincount(self._codes, hit if self._weight is None else self._weight * hit, count)
        total = float(observed.sum())
        nothing = float("nan")
        each: dict[str, dict[str, float]] = {}
        for place, value in enumerate(values):
            found = dict.fromkeys(OF_EACH_CLASS, nothing)
            found |= {"rows": float(self._rows[place]), "weight": float(observed[place])}
            if total > 0:
                found["mean_observed"] = float(observed[place] / total)
                found["mean_predicted"] = float(predicted[place] / total)
            if observed[place] > 0:
                found["predicted_over_observed"] = float(predicted[place] / observed[place])
                found["recall"] = float(hits[place] / observed[place])
            found["roc_auc"] = float(self._auc[place])
            each[value] = found
        overall = dict.fromkeys(CLASS_METRICS, nothing)
        overall |= {"rows": float(len(self._codes)), "weight": total}
        if total > 0:
            overall["log_loss"] = loss / total
            overall["accuracy"] = float(hits.sum() / total)
            overall["balanced_accuracy"] = _mean(each, "recall")
            overall["roc_auc"] = _mean(each, "roc_auc")
            overall["share_difference"] = float(np.abs(predicted - observed).sum() / total)
        return ClassFigures(overall, each)


def auc_of_class(own: Codes, column: Floats, sample_weight: Floats | None) -> float:
    """ROC AUC of one class against all others; NaN where one side has no weight.

    Most of many classes have few rows: these are sorted then, and all others placed among them.

    own : the rows of the class. column : their probability of it, of all rows, shape (n,).

    >>> auc_of_class(np.array([2]), np.array([0.1, 0.5, 0.5, 0.9]), None)
    0.5
    """
    if len(own) > _FEW:
        y_true = np.zeros(len(column), dtype=bool)
        y_true[own] = True
        return roc_auc(rank(y_true, column, sample_weight))
    order = np.argsort(column[own], kind="stable")
    positives = column[own[order]]
    weight = np.ones(len(own)) if sample_weight is None else sample_weight[own[order]]
    upto = np.concatenate([[0.0], np.cumsum(weight)])
    # Twice the weight of the positives above each row, ties once: of all rows, less their own.
    above = 2.0 * upto[-1] - upto[np.searchsorted(positives, column, "left")]
    above -= upto[np.searchsorted(positives, column, "right")]
    if sample_weight is None:
        rest = float(len(column) - len(own))
        twice = above.sum() - above[own].sum()
    else:
        above[own] = 0.0
        twice = sample_weight @ above
        others = sample_weight.copy()
        others[own] = 0.0
        rest = float(others.sum())
    if not (upto[-1] > 0 and rest > 0):
        return float("nan")
    return float(twice / (2.0 * upto[-1] * rest))


def _mean(each: dict[str, dict[str, float]], name: str) -> float:
    found = [figures[name] for figures in each.values() if not np.isnan(figures[name])]
    return float(np.mean(found)) if found else float("nan")
