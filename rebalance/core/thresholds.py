"""Where to cut probabilities into yes and no, and what comes of it.

A row is predicted positive when `y_prob >= threshold`. Thresholds that are found, not given, are
among the probabilities of the rows themselves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from rebalance.core.ranking import Ranking
from rebalance.core.wording import counted
from rebalance.errors import UsageError

Kind = Literal["value", "f1", "recall", "precision", "top"]

THRESHOLD_METRICS = (
    "value", "selected_rows", "predicted_positives", "tp", "fp", "fn", "tn", "precision", "recall",
    "specificity", "f1", "f_beta", "mcc", "balanced_accuracy",
)  # fmt: skip
FORMS = "a number such as 0.3, or f1, recall=0.8, precision=0.5, top=100, model"
_ROUNDING = 1 - 1e-12  # sums of weights may miss a share by their rounding


@dataclass(frozen=True)
class Threshold:
    """A threshold as asked for; `target` is the number in it (for f1 there is none: 0).

    Two ways of writing the same threshold are equal: recall=.8 and recall=0.80. `word` is what it
    is called where it was asked for by one, as the threshold "model".
    """

    kind: Kind
    target: float = 0.0
    word: str = field(default="", compare=False)

    def __str__(self) -> str:
        if self.word:
            return self.word
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


def find_cut(threshold: Threshold, ranking: Ranking) -> Cut:
    """The value of a threshold on these rows.

    - f1 : the threshold of the largest F1; of equal ones the highest.
    - recall : the highest threshold with at least this recall.
    - precision : the lowest threshold with at least this precision, so the one with most recall.
    - top : the probability of the K-th highest row; it counts rows, not weights.

    Parameters
    ----------
    ranking : `rank` of the rows, with both classes.

    Raises
    ------
    UsageError : top asks for more rows than there are.
    """
    if threshold.kind == "value":
        return Cut(threshold.target)
    if threshold.kind == "top":
        return _top(threshold, ranking)
    if threshold.kind == "f1":
        return _largest_f1(ranking)
    if threshold.kind == "recall":
        return _enough_recall(threshold.target, ranking)
    return _enough_precision(threshold.target, ranking)


def confusion(ranking: Ranking, value: float, *, beta: float = 2.0) -> dict[str, float]:
    """The confusion matrix at a threshold and what follows from it, all of `THRESHOLD_METRICS`.

    `tp`, `fp`, `fn`, `tn` and `predicted_positives` are sums of weights, `selected_rows` counts
    rows. f_beta = (1 + beta^2) tp / ((1 + beta^2) tp + beta^2 fn + fp). A ratio of nothing is NaN,
    and so is everything where the threshold is.

    >>> from rebalance.core.ranking import rank
    >>> found = confusion(rank(np.array([True, False]), np.array([0.9, 0.9])), 0.5)
    >>> found["precision"], found["recall"], found["specificity"], found["mcc"]
    (0.5, 1.0, 0.0, nan)
    """
    if math.isnan(value):
        return dict.fromkeys(THRESHOLD_METRICS, float("nan"))
    below = ranking.below(value)
    tp, fp = ranking.part(slice(below, None)).totals
    fn, tn = ranking.part(slice(below)).totals
    recall, specificity = _ratio(tp, tp + fn), _ratio(tn, tn + fp)
    spread = math.sqrt(tp + fp) * math.sqrt(tp + fn) * math.sqrt(tn + fp) * math.sqrt(tn + fn)
    square = beta**2
    return {
        "value": value,
        "selected_rows": float(len(ranking) - below),
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
    threshold: Threshold, ranking: Ranking, *, beta: float = 2.0
) -> tuple[dict[str, float], str]:
    """`confusion` at the threshold, and a remark that the user should see, or ""."""
    cut = find_cut(threshold, ranking)
    return confusion(ranking, cut.value, beta=beta), cut.remark


def _largest_f1(ranking: Ranking) -> Cut:
    best, value = -1.0, float("nan")
    for levels in ranking.levels():
        f1 = 2 * levels.tp / (levels.tp + levels.fp + ranking.totals[0])
        at = int(np.argmax(f1))
        if f1[at] > best:
            best, value = float(f1[at]), float(levels.values[at])
    return Cut(value)


def _enough_recall(target: float, ranking: Ranking) -> Cut:
    value = float("nan")
    for levels in ranking.levels():
        reached = levels.tp / ranking.totals[0] >= target * _ROUNDING
        value = float(levels.values[np.argmax(reached)])
        if reached.any():
            break
    return Cut(value)


def _enough_precision(target: float, ranking: Ranking) -> Cut:
    value, best, where = float("nan"), -1.0, ""
    for levels in ranking.levels():
        precision = levels.tp / (levels.tp + levels.fp)
        reaching = np.flatnonzero(precision >= target * _ROUNDING)
        if len(reaching):
            value = float(levels.values[reaching[-1]])
        at = len(precision) - 1 - int(np.argmax(precision[::-1]))  # of equal ones, most recall
        if precision[at] >= best:
            best = float(precision[at])
            recall = levels.tp[at] / ranking.totals[0]
            where = f"at {levels.values[at]:.6g} with recall {recall:.4g}"
    if not math.isnan(value):
        return Cut(value)
    return Cut(
        value, f"no threshold has a precision of {target:g}: the best is {best:.4g}, {where}"
    )


def _top(threshold: Threshold, ranking: Ranking) -> Cut:
    rows = int(threshold.target)
    if rows > len(ranking):
        raise UsageError(
            f"{threshold} asks for more rows than there are",
            where=f"--threshold '{threshold}'",
            remedy=f"there are {len(ranking):,}",
        )
    value = ranking.value(len(ranking) - rows)
    selected = len(ranking) - ranking.below(value)
    if selected == rows:
        return Cut(value)
    tied = ranking.up_to(value) - ranking.below(value)
    return Cut(
        value,
        f"{counted(selected, 'row is', 'rows are')} selected, not {rows:,}: {tied:,} of them share "
        f"the probability {value:.6g} at the cut",
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
