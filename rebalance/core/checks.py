"""Checks on the figures, which fail a run.

A check is `[COLUMN:]METRIC[@THRESHOLD] < NUMBER`, with <, <=, > or >=, and says when to fail:
`roc_auc<0.8` fails when the ROC AUC is below 0.8. A column's name may hold any sign, colons and
comparisons too: the metric is what follows the last colon, and the comparison is the last one.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rebalance.core.metrics import METRICS
from rebalance.core.thresholds import THRESHOLD_METRICS, Threshold, parse_threshold
from rebalance.errors import CheckError, UsageError, nearest

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_EXPRESSION = re.compile(r"(?P<left>.*[^<>=\s])\s*(?P<sign><=|>=|<|>)\s*(?P<number>[^<>=\s]+)")


@dataclass(frozen=True)
class Check:
    """One condition under which to fail; `column` is None where it is meant for all."""

    expression: str
    column: str | None
    metric: str
    threshold: Threshold | None
    sign: str
    limit: float

    def failed(self, value: float) -> bool:
        """Whether the condition holds; a value that is not defined (NaN) fails too.

        >>> check = parse_check("brier>0.1", ["rb_probability"], [])
        >>> check.failed(0.2), check.failed(0.1), check.failed(float("nan"))
        (True, False, True)
        """
        return math.isnan(value) or _OPERATORS[self.sign](value, self.limit)


@dataclass(frozen=True)
class Checked:
    """A check on one probability column: the value found (NaN: not defined), and the verdict."""

    check: Check
    column: str
    value: float

    @property
    def failed(self) -> bool:
        """Whether the check failed."""
        return self.check.failed(self.value)

    def __str__(self) -> str:
        at = "" if self.check.threshold is None else f"@{self.check.threshold}"
        found = "not defined" if math.isnan(self.value) else f"{self.value:.6g}"
        return f"'{self.check.expression}': {self.check.metric}{at} of '{self.column}' is {found}"

    def document(self) -> dict[str, Any]:
        """The check as JSON."""
        return {
            "expression": self.check.expression,
            "column": self.column,
            "value": None if math.isnan(self.value) else self.value,
            "failed": self.failed,
        }


class Judged:
    """What was found, with checks on it."""

    checks: Sequence[Checked]

    @property
    def failed(self) -> list[Checked]:
        """The checks that failed."""
        return [each for each in self.checks if each.failed]

    def raise_failed(self) -> None:
        """Stop with exit code 1 where a check failed.

        Raises
        ------
        CheckError : at least one failed.
        """
        if self.failed:
            raise CheckError(f"{len(self.failed)} of {len(self.checks)} checks failed")


def run_checks(
    checks: Sequence[Check],
    metrics: Mapping[str, Mapping[str, float]],
    thresholds: Mapping[Threshold, Mapping[str, Mapping[str, float]]],
) -> list[Checked]:
    """Hold every check against the column it names, or against each of them.

    Parameters
    ----------
    metrics : by column and name. thresholds : by threshold, column and name.
    """
    done = []
    for check in checks:
        found = metrics if check.threshold is None else thresholds[check.threshold]
        for column in found if check.column is None else [check.column]:
            done.append(Checked(check, column, found[column][check.metric]))
    return done


def parse_check(
    text: str,
    columns: Sequence[str],
    thresholds: Sequence[Threshold],
    metrics: Sequence[str] = METRICS,
) -> Check:
    """Read one check.

    Parameters
    ----------
    columns : the probability columns that are evaluated.
    thresholds : those that are evaluated; a check can name no other.
    metrics : the names of the figures that need no threshold.

    Raises
    ------
    UsageError : no comparison, no number, or an unknown column, metric or threshold.

    >>> check = parse_check("a:b:recall@0.30<0.5", ["a:b"], [Threshold("value", 0.3)])
    >>> check.column, check.metric, str(check.threshold), check.limit
    ('a:b', 'recall', '0.3', 0.5)
    """
    where = f"--fail-if '{text}'"
    found = _EXPRESSION.fullmatch(text.strip())
    if found is None:
        raise UsageError(
            "there is no comparison with a number",
            where=where,
            remedy="write METRIC, one of < <= > >=, and a number, in quotes: 'roc_auc<0.8'",
        )
    try:
        limit = float(found["number"])
    except ValueError:
        limit = math.nan
    if not math.isfinite(limit):
        raise UsageError(
            f"'{found['number']}' is not a number", where=where, remedy="for example 'roc_auc<0.8'"
        )
    name, colon, rest = found["left"].strip().rpartition(":")
    if colon and name not in columns:
        raise UsageError(
            f"the probability column '{name}' is not evaluated",
            where=where,
            remedy=nearest(name, columns),
        )
    metric, at, named = (part.strip() for part in rest.partition("@"))
    threshold = _known_threshold(named, thresholds, where) if at else None
    _check_metric(metric, metrics, bool(at), where)
    return Check(text, name if colon else None, metric, threshold, found["sign"], limit)


def _known_threshold(named: str, thresholds: Sequence[Threshold], where: str) -> Threshold:
    for each in thresholds:
        if each.word and each.word == named:
            return each
    threshold = parse_threshold(named)
    if threshold not in thresholds:
        given = ", ".join(str(each) for each in thresholds)
        raise UsageError(
            f"the threshold '{named}' is not evaluated",
            where=where,
            remedy=f"add --threshold {named}" + (f"; given are: {given}" if given else ""),
        )
    return threshold


def _check_metric(metric: str, metrics: Sequence[str], at_threshold: bool, where: str) -> None:
    known, other = (THRESHOLD_METRICS, metrics) if at_threshold else (metrics, THRESHOLD_METRICS)
    if metric in known:
        return
    if metric in other:
        raise UsageError(
            f"'{metric}' does not depend on a threshold"
            if at_threshold
            else f"'{metric}' is a metric at a threshold",
            where=where,
            remedy=f"write {metric} alone"
            if at_threshold
            else f"name one that is given with --threshold, for example '{metric}@0.3'",
        )
    raise UsageError(f"there is no metric '{metric}'", where=where, remedy=nearest(metric, known))
