"""predictions of many classes -> metrics of all and of each class, checks"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebalance.core.checks import Check, Checked, Judged, parse_check
from rebalance.core.class_metrics import CLASS_METRICS, ClassFigures, ClassScorer
from rebalance.core.classes import Classes, listed
from rebalance.core.wording import counted
from rebalance.errors import UsageError
from rebalance.steps.classes.columns import named_columns, split_parts
from rebalance.steps.classes.outcomes import ClassOutcomes
from rebalance.steps.classes.pilot import check_class_weights
from rebalance.steps.classes.predict import PREFIXES
from rebalance.steps.context import Context
from rebalance.steps.predict import PROBABILITY
from rebalance.steps.predictions import LABEL_KEY, SCALE_KEY
from rebalance.storage.tables import Table

Floats = NDArray[np.float64]
COLUMN = "rb_probability_CLASS"


@dataclass(frozen=True)
class ClassEvaluation(Judged):
    """Everything found; NaN where a figure is not defined.

    scale : what the probabilities are true for, where the table says so.
    """

    label: Classes
    sample_weight: str | None
    scale: str | None
    figures: ClassFigures
    checks: Sequence[Checked]

    def document(self) -> dict[str, Any]:
        """The result as JSON; what is not defined is null."""
        return {
            "label": self.label.to_document(),
            "rows": int(self.figures.overall["rows"]),
            "sample_weight": self.sample_weight,
            "scale": self.scale,
            "metrics": _plain(self.figures.overall),
            "classes": {value: _plain(found) for value, found in self.figures.each.items()},
            "checks": [each.document() for each in self.checks],
        }


@dataclass(frozen=True)
class ClassColumns:
    """The columns with the probabilities of the classes, in their order."""

    named: Mapping[str, str]
    scale: str | None


def class_columns_of(
    table: Table, label: str, asked: Sequence[str], positive: str | None
) -> ClassColumns | None:
    """The columns of many classes: those asked for as CLASS=COLUMN, or as `predict` wrote them.

    None where one column is asked for, or is usual, as for two classes.

    Raises
    ------
    UsageError, DataError : see `steps.classes.columns.named_columns`; there are none of the
        population, and those of the sample were not asked for.
    """
    if positive is not None or (not asked and PROBABILITY in table.names):
        return None
    if asked:
        parts, names = [part for text in asked for part in split_parts(text)], set(table.names)
        if any(name in names or "=" not in name for name in [*asked, *parts]):
            return None
        named = named_columns(parts, table)
        scales = {table.document(SCALE_KEY).get(column) for column in named.values()}
        return ClassColumns(named, "sampled" if scales == {"sampled"} else None)
    written, there = table.document(LABEL_KEY), set(table.names)
    if written.get("column") == label and "classes" in written:
        for scale in ("population", "balanced"):
            named = {value: f"{PREFIXES[scale]}{value}" for value in written["classes"]}
            if there.issuperset(named.values()):
                return ClassColumns(named, scale)
        if there.issuperset(f"{PREFIXES['sampled']}{value}" for value in written["classes"]):
            raise _sampled_alone(table)
    for scale in ("population", "balanced"):
        start = PREFIXES[scale]
        found = [name[len(start) :] for name in table.names if name.startswith(start)]
        every = set(found)
        if scale == "population" and every and all(each.startswith("sampled_") for each in every):
            raise _sampled_alone(table)
        found = [value for value in found if not _is_sampled(value, every)]
        if len(found) > 1:
            return ClassColumns({value: f"{start}{value}" for value in found}, scale)
    return None


def _sampled_alone(table: Table) -> UsageError:
    return UsageError(
        "the probabilities are the sample's, and there are none of the population",
        where=f"file '{table.title}'",
        remedy=f"to score them as they are, --probability '*={PREFIXES['sampled']}*'",
    )


def class_evaluate(
    table: Table,
    label: str,
    columns: ClassColumns,
    *,
    sample_weight: str | None,
    checks: Sequence[str],
    unused: Mapping[str, bool],
    context: Context,
) -> ClassEvaluation:
    """Compare the probabilities of all classes with what happened.

    What is in memory `steps.classes.outcomes` says.

    Parameters
    ----------
    unused : options that are for two classes, and whether they were given.

    Raises
    ------
    UsageError : options that make no sense here. DataError : a column does not hold what it must.
    """
    given = [option for option, is_given in unused.items() if is_given]
    if given:
        raise UsageError(
            f"{given[0]} is for a label of two classes",
            remedy="leave it out, or name one class with --positive and its column with "
            "--probability",
        )
    parsed = [_check(text) for text in checks]
    names = list(columns.named.values())
    table.require(label, "--label")
    if sample_weight is not None:
        table.require(sample_weight, "--sample-weight")
    rows = ClassOutcomes(table, label, names, sample_weight, context)
    rows.read_labels(list(columns.named))
    values = rows.values
    if rows.weight is not None and sample_weight is not None:
        every = Classes(label, tuple(values))
        check_class_weights(rows.weight, rows.codes, every, sample_weight)
    scorer = ClassScorer(rows.codes, len(values), rows.weight)
    for place, column in rows.columns():
        scorer.add(place, column)
    _remark(rows.codes, values, len(names), scorer.sums, context)
    figures = scorer.figures(values)
    if columns.scale == "balanced":
        context.note(
            "the probabilities are about balanced classes (a logit adjustment): their ranking and "
            "balanced_accuracy say something, log_loss and shares of the population do not"
        )
    if columns.scale == "sampled":
        context.note(
            "the probabilities are the sample's: their ranking and balanced_accuracy say "
            "something, log_loss and shares of the population do not"
        )
    done = [Checked(check, COLUMN, figures.overall[check.metric]) for check in parsed]
    return ClassEvaluation(
        Classes(label, tuple(values)), sample_weight, columns.scale, figures, done
    )


def _check(text: str) -> Check:
    """A check on one of the figures of all classes."""
    return parse_check(text, [], [], metrics=CLASS_METRICS)


def _remark(
    codes: NDArray[np.int64], values: Sequence[str], known: int, sums: Floats, context: Context
) -> None:
    """Say which classes have no column or no row, and where probabilities do not sum to 1."""
    rows = np.bincount(codes, minlength=len(values)).tolist()
    if len(values) > known:
        context.note(
            f"there is no column for {listed(values[known:], rows[known:])}: probability 0"
        )
    empty = [value for value, count in zip(values, rows, strict=True) if not count]
    if empty:
        context.note(f"no row is of {listed(empty)}: what needs one is not defined")
    wrong = int((np.abs(sums - 1) > 0.02).sum())
    if wrong:
        context.note(f"in {counted(wrong, 'row')} the probabilities do not sum to 1")


def _is_sampled(value: str, found: Collection[str]) -> bool:
    """Whether a column is `rb_probability_sampled_CLASS` beside that class's own."""
    return value.startswith("sampled_") and value.removeprefix("sampled_") in found


def _plain(figures: Mapping[str, float]) -> dict[str, float | int | None]:
    """NaN becomes null, and counts whole numbers."""
    return {
        name: None if math.isnan(value) else int(value) if name == "rows" else value
        for name, value in figures.items()
    }
