"""Where to cut probabilities into yes and no, and what comes of it.

A row is predicted positive when `y_prob >= threshold`. Thresholds that are found, not given, are
among the probabilities of the rows themselves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rebalance.core.metrics import Bools, Floats, Ranking
from rebalance.errors import UsageError

Kind = Literal["value", "f1", "recall", "precision", "top"]

THRESHOLD_METRICS = (
    "value", "selected_rows", "predicted_positives", "tp", "fp", "fn", "tn", "precision", "recall",
    "specificity", "f1", "f_beta", "mcc", "balanced_accuracy",
)  # fmt: skip
FORMS = "a number such as 0.3, or f1, recall=0.8, precision=0.5, top=100"
_ROUNDING = 1 - 1e-12  # sums of weights may miss a share by their rounding


@dataclass(frozen=True)
class Threshold:
    """A threshold as asked for; `target` is the number in it (for f1 there is none: 0).

    Two ways of writing the same threshold are equal: recall=.8 and recall=0.80.
    """

    kind: Kind
    target: float = 0.0

    def __str__(self) -> str:
        if self.kind == "f1":
            return "f1"
        number = f"{self.target:.0f}" if self.kind == "top" else repr(self.target)
        return number if self.kind == "value" else f"{self.kind}={number}"


@dataclass(frozen=True)
class Cut:
    """A threshold as found: NaN where there is none; a remark that the user should see, or ""."""

    value: float
    remark: str = ""


def parse_threshold(text: str) -> Threshold:
    """Read `0.3`, `f1`, `recall=R`, `precision=P` or `top=K`.

    Raises
    ------
    UsageError : none of these, or a number that is out of range.

    >>> str(parse_threshold("recall=.80"))
    'recall=0.8'
    """
    stripped = text.strip()
    if stripped == "f1":
        return Threshold("f1")
    name, equals, number = (part.strip() for part in stripped.partition("="))
    if not equals:
        return Threshold("value", _number(name, text, least=0.0))
    if name == "recall":
        return Threshold("recall", _number(number, text))
    if name == "precision":
        return Threshold("precision", _number(number, text))
    if name == "top":
        if not (number.isascii() and number.isdigit() and int(number) > 0):
            raise UsageError(
                f"'{number}' is not a number of rows",
                where=f"--threshold '{text}'",
                remedy="give a whole number above 0, for example top=100",
            )
        return Threshold("top", float(int(number)))
    raise UsageError(
        f"'{stripped}' is no threshold", where=f"--threshold '{text}'", remedy=f"give {FORMS}"
    )


def find_cut(threshold: Threshold, ranking: Ranking, y_prob: Floats) -> Cut:
    """The value of a threshold on these rows.

    - f1 : the threshold of the largest F1; of equal ones the highest.
    - recall : the highest threshold with at least this recall.
    - precision : the lowest threshold with at least this precision, so the one with most recall.
    - top : the probability of the K-th highest row; it counts rows, not weights.

    Parameters
    ----------
    ranking : `rank` of the rows, with both classes.
    y_prob : shape (n,), all rows.

    Raises
    ------
    UsageError : top asks for more rows than there are.
    """
    if threshold.kind == "value":
        return Cut(threshold.target)
    if threshold.kind == "top":
        return _top(threshold, y_prob)
    recall = ranking.tp / ranking.tp[-1]
    if threshold.kind == "recall":
        reached = recall >= threshold.target * _ROUNDING
        return Cut(float(ranking.values[np.argmax(reached)]))
    predicted = ranking.tp + ranking.fp
    if threshold.kind == "f1":
        f1 = 2 * ranking.tp / (predicted + ranking.tp[-1])
        return Cut(float(ranking.values[np.argmax(f1)]))
    precision = ranking.tp / predicted
    reaching = np.flatnonzero(precision >= threshold.target * _ROUNDING)
    if len(reaching):
        return Cut(float(ranking.values[reaching[-1]]))
    best = len(precision) - 1 - int(np.argmax(precision[::-1]))  # of equal ones, most recall
    return Cut(
        float("nan"),
        f"no threshold has a precision of {threshold.target:g}: the best is "
        f"{precision[best]:.4g}, at {ranking.values[best]:.6g} with recall {recall[best]:.4g}",
    )


def confusion(
    y_true: Bools,
    y_prob: Floats,
    value: float,
    sample_weight: Floats | None = None,
    *,
    beta: float = 2.0,
) -> dict[str, float]:
    """The confusion matrix at a threshold and what follows from it, all of `THRESHOLD_METRICS`.

    `tp`, `fp`, `fn`, `tn` and `predicted_positives` are sums of weights, `selected_rows` counts
    rows. f_beta = (1 + beta^2) tp / ((1 + beta^2) tp + beta^2 fn + fp). A ratio of nothing is NaN,
    and so is everything where the threshold is.

    >>> found = confusion(np.array([True, False]), np.array([0.9, 0.9]), 0.5)
    >>> found["precision"], found["recall"], found["specificity"], found["mcc"]
    (0.5, 1.0, 0.0, nan)
    """
    if math.isnan(value):
        return dict.fromkeys(THRESHOLD_METRICS, float("nan"))
    weight = np.ones(len(y_prob)) if sample_weight is None else sample_weight
    chosen = y_prob >= value
    tp, fp = float(weight[chosen & y_true].sum()), float(weight[chosen & ~y_true].sum())
    fn, tn = float(weight[~chosen & y_true].sum()), float(weight[~chosen & ~y_true].sum())
    recall, specificity = _ratio(tp, tp + fn), _ratio(tn, tn + fp)
    spread = math.sqrt(tp + fp) * math.sqrt(tp + fn) * math.sqrt(tn + fp) * math.sqrt(tn + fn)
    square = beta**2
    return {
        "value": value,
        "selected_rows": float(chosen.sum()),
        "predicted_positives": tp + fp,
        "tp": tp,
        "fp": fp,
        "fn": fn,
        "tn": tn,
        "precision": _ratio(tp, tp + fp),
        "recall": recall,
        "specificity": specificity,
        "f1": _ratio(2 * tp, 2 * tp + fn + fp),
        "f_beta": _ratio((1 + square) * tp, (1 + square) * tp + square * fn + fp),
        "mcc": _ratio(tp * tn - fp * fn, spread),
        "balanced_accuracy": (recall + specificity) / 2,
    }


def figures_at(
    threshold: Threshold,
    y_true: Bools,
    y_prob: Mapping[str, Floats],
    rankings: Mapping[str, Ranking],
    sample_weight: Floats | None = None,
    *,
    beta: float = 2.0,
) -> tuple[dict[str, dict[str, float]], list[str]]:
    """`confusion` at the threshold for each column of probabilities, and remarks to pass on."""
    found, remarks = {}, []
    for name, values in y_prob.items():
        cut = find_cut(threshold, rankings[name], values)
        if cut.remark:
            remarks.append(f"{threshold} of '{name}': {cut.remark}")
        found[name] = confusion(y_true, values, cut.value, sample_weight, beta=beta)
    return found, remarks


def _top(threshold: Threshold, y_prob: Floats) -> Cut:
    rows = int(threshold.target)
    if rows > len(y_prob):
        raise UsageError(
            f"{threshold} asks for more rows than there are",
            where=f"--threshold '{threshold}'",
            remedy=f"there are {len(y_prob):,}",
        )
    value = float(np.partition(y_prob, len(y_prob) - rows)[len(y_prob) - rows])
    selected = int((y_prob >= value).sum())
    if selected == rows:
        return Cut(value)
    tied = int((y_prob == value).sum())
    return Cut(
        value,
        f"{selected:,} rows are selected, not {rows:,}: {tied:,} of them share the probability "
        f"{value:.6g} at the cut",
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")


def _number(number: str, text: str, least: float | None = None) -> float:
    """A number above 0 (or from `least`) up to 1."""
    try:
        value = float(number)
    except ValueError:
        raise UsageError(
            f"'{number}' is not a number", where=f"--threshold '{text}'", remedy=f"give {FORMS}"
        ) from None
    inside = (value > 0 if least is None else value >= least) and value <= 1
    if not inside:
        raise UsageError(
            f"{number} is not between 0 and 1",
            where=f"--threshold '{text}'",
            remedy=f"give {FORMS}",
        )
    return value + 0.0
