"""what the user said + what the sample's design knows -> what training is to do"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rebalance.core.labels import canonical
from rebalance.errors import ArtifactError, UsageError
from rebalance.steps.artifacts.drawn import Drawn, read_design, read_design_file
from rebalance.steps.designed import dropped
from rebalance.storage.tables import Table

SAMPLE_COLUMNS = ("rb_weight", "rb_offset")


@dataclass(frozen=True)
class TrainAsked:
    """What the user said."""

    label: str | None
    positive: str | None
    correction: str | None
    drop: tuple[str, ...]
    key: str | None
    sample_weight: str | None


@dataclass(frozen=True)
class TrainTask:
    """What is to be done: what the user said, completed by what the design knows."""

    label: str
    positive: str | None
    correction: str
    drop: tuple[str, ...]
    key: str | None
    sample_weight: str | None
    drawn: Drawn | None


def find_design(table: Table, inputs: Sequence[str], design: str | None) -> Drawn | None:
    """The design given, or the one that goes with the table."""
    if design is not None:
        return read_design_file(design)
    return read_design(inputs[0], table.metadata) if len(inputs) == 1 else None


def no_population(table: Table) -> UsageError:
    """What is said where --natural is given of a sample."""
    return UsageError(
        "the table is a sample, and --natural says that it is the population",
        where=table.place,
        remedy="leave --natural out",
    )


def natural_task(table: Table, drawn: Drawn | None, asked: TrainAsked) -> TrainTask:
    """The table is the population: nothing to correct.

    Raises
    ------
    UsageError : it is a sample, or something that makes no sense for a population is asked for.
    """
    if drawn is not None:
        raise no_population(table)
    if asked.correction is not None:
        raise UsageError(
            f"--correction {asked.correction} has nothing to correct with --natural",
            remedy="leave one of them out",
        )
    table.refuse_own_columns()
    if asked.label is None:
        raise UsageError(
            "the label is not known", remedy="name its column with --label next to --natural"
        )
    return TrainTask(
        asked.label, asked.positive, "none", asked.drop, asked.key, asked.sample_weight, None
    )


def sampled_task(table: Table, drawn: Drawn | None, asked: TrainAsked) -> TrainTask:
    """The table is a sample, and its design knows the label and what is no feature.

    Raises
    ------
    ArtifactError : it has lost its design, or was drawn for another label.
    """
    lost = [name for name in SAMPLE_COLUMNS if name not in table.names]
    if drawn is None or lost:
        what = f"has no column '{lost[0]}'" if drawn is not None else "has no design"
        raise ArtifactError(
            f"the table {what}, so what it is a sample of is not known",
            where=table.place,
            remedy="give a sample as 'rebalance sample' wrote it (with --design FILE where the "
            "design lies elsewhere), or --natural if the table is the population itself",
        )
    design = drawn.design
    known = design.label
    for given, value, option in (
        (asked.label, known.column, "--label"),
        (asked.positive, known.positive, "--positive"),
    ):
        if given is not None and given != value and canonical(given) != value:
            raise ArtifactError(
                f"the sample was drawn for {option} {value}, not {given}",
                remedy="draw a sample for this label",
            )
    return TrainTask(
        label=known.column,
        positive=known.positive,
        correction=asked.correction or "offset",
        drop=dropped(design, table, asked.drop, asked.key),
        key=asked.key,
        sample_weight=asked.sample_weight or design.sample_weight,
        drawn=drawn,
    )
