"""what is asked of a sample of many classes -> the same, checked before the table is read"""

from __future__ import annotations

from dataclasses import dataclass

from rebalance.core.class_design import WAYS, ClassBudget
from rebalance.core.class_selection import ClassTerms
from rebalance.errors import ArtifactError, UsageError
from rebalance.steps.classes.artifacts.pilot import ClassPilot, read_if_class_pilot
from rebalance.steps.classes.memory import narrowed
from rebalance.steps.classes.selection import ClassKnown
from rebalance.steps.context import Context
from rebalance.steps.memory import LIGHT, Need, within
from rebalance.steps.ready import (
    Asked,
    check_sample_outputs,
    expected_types,
    label_unknown,
    refuse_label_as_key,
    refuse_other_label,
    refuse_uniform_floor,
)
from rebalance.storage.held import HELD_BYTES
from rebalance.storage.inputs import open_table
from rebalance.storage.reading import Expected
from rebalance.storage.tables import Table

# Retained rows, and the bins of some classes' scores.
_BINS = 4 << 20  # the bins of one class's scores, and those that wait to be counted
_BINNED = 64  # of more classes most have few rows, of which the scores themselves are held


@dataclass(frozen=True)
class ClassReady:
    """A request that was checked as far as that goes without reading the table."""

    table: Table
    pilot: ClassPilot | None
    known: ClassKnown
    design_output: str | None
    need: Need


def class_ready(
    asked: Asked, context: Context, looked_at: tuple[Table, int] | None = None
) -> ClassReady:
    """Check everything that can be checked before the table is read.

    Raises
    ------
    UsageError, DataError, ArtifactError : see `class_sample`.
    """
    design_output = check_sample_outputs(asked)
    pilot = _read_pilot(asked)
    terms = _terms(asked, pilot, looked_at[1] if looked_at is not None else None)
    scoring = None if terms.uniform else pilot
    classes = 0 if scoring is None else len(scoring.label)
    bins = _BINS * min(classes, _BINNED)
    need = Need(LIGHT + HELD_BYTES + bins, per_row=8.0 * (classes > _BINNED), outputs=1)
    if looked_at is not None:
        table = looked_at[0]
    else:
        expected = Expected()
        if pilot is not None:
            kinds = scoring.kinds if scoring is not None else {}
            expected = expected_types(pilot.columns, pilot.label.column, kinds, asked, context)
        table = within(open_table(asked.inputs, context.reading, expected), context, need)
        table.refuse_own_columns()
    label = pilot.label if pilot is not None else None
    column = asked.label if label is None else label.column
    if column is None:
        raise label_unknown()
    table.require(column, "--label" if pilot is None else "the pilot's label")
    if scoring is not None:
        table.require_features(scoring.kinds, "the pilot")
        table = narrowed(table, len(scoring.label))
    if asked.key is not None:
        table.require(asked.key, "--key")
        refuse_label_as_key(column, asked.key)
    if label is not None and terms.budget.rates is not None:
        label.require(terms.budget.rates, "--rate")
    known = ClassKnown(column, label, scoring, terms, asked.seed, asked.key)
    return ClassReady(table, pilot, known, design_output, need)


def _refuse_two_class_options(asked: Asked) -> None:
    given = {
        "--efficiency": asked.budget.efficiency is not None,
        f"--score {asked.score}": asked.score not in (None, "probability"),
        "--combine-pilot": asked.combine_pilot,
    }
    for option, is_given in given.items():
        if is_given:
            raise UsageError(
                f"{option} is for two classes, and each of many is asked for",
                remedy="leave it out, or make a pilot of one class with --positive",
            )


def _read_pilot(asked: Asked) -> ClassPilot | None:
    """The pilot, once sure that it is of the label and the classes asked for."""
    _refuse_two_class_options(asked)
    if asked.positive is not None:
        raise UsageError(
            f"--positive {asked.positive} makes two classes of the label, and each of many is "
            "asked for",
            remedy="leave it out, or make a pilot with it and give --rate R",
        )
    if asked.pilot is None:
        return None
    pilot = read_if_class_pilot(asked.pilot)
    if pilot is None:
        raise ArtifactError(
            "the pilot is of a label with a positive value, not of many classes",
            where=f"file '{asked.pilot}'",
            remedy="give one --rate R, the share of the negatives to keep, or make a pilot of "
            "all classes: 'rebalance pilot' without --positive, for a label of three or more",
        )
    refuse_other_label(pilot.label.column, asked)
    return pilot


def _terms(asked: Asked, pilot: ClassPilot | None, classes: int | None) -> ClassTerms:
    """What is asked for, once sure that it says something of each class."""
    if asked.class_rates is None and asked.budget.rows is None and asked.budget.ratio is None:
        column = pilot.label.column if pilot is not None else asked.label
        raise UsageError(
            f"the label '{column}' has {len(pilot.label) if pilot is not None else classes or 0:,} "
            "classes, and one number for all of them does not say what to keep of each",
            remedy=f"{WAYS}; or one class against all others with --positive VALUE",
        )
    uniform = asked.method == "uniform" or (asked.method is None and pilot is None)
    if not uniform and pilot is None:
        raise UsageError(
            "nonuniform sampling needs a pilot",
            remedy="make one with 'rebalance pilot' and give it with --pilot, or choose "
            "--method uniform",
        )
    if uniform:
        refuse_uniform_floor(asked)
    budget = ClassBudget(asked.class_rates, asked.budget.rows, asked.budget.ratio)
    return ClassTerms(budget, asked.floor, asked.mix or 0.0, uniform)
