"""what the user said + what the sample's design knows -> what training is to do"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rebalance.core.design import Design
from rebalance.core.labels import canonical
from rebalance.errors import ArtifactError, UsageError
from rebalance.learners.base import Settings
from rebalance.steps.artifacts.drawn import Drawn, read_design, read_design_file
from rebalance.steps.classes.balancing import Balancing
from rebalance.steps.context import Context
from rebalance.steps.designed import dropped
from rebalance.steps.recalibrate import NOTHING_WANTED, Wanted
from rebalance.steps.weighting import PLAIN, Weighting
from rebalance.storage.tables import Table

SAMPLE_COLUMNS = ("rb_weight", "rb_offset")


@dataclass(frozen=True)
class TrainAsked:
    """What the user wants of a model; None stands for what follows from the rest.

    natural : the table is the population itself, and no sample.
    features : a file with a recipe of features, "none" for none; None for what the pilot makes.
    wanted : on what to measure calibration, and whether to correct it; see `steps.calibrate`.
    weighting : class weights, the loss and costs; see `steps.weighting`.
    """

    inputs: Sequence[str]
    output: str
    model: str = "gbm"
    settings: Settings = field(default_factory=Settings)
    correction: str | None = None
    natural: bool = False
    label: str | None = None
    positive: str | None = None
    design: str | None = None
    drop: Sequence[str] = ()
    key: str | None = None
    sample_weight: str | None = None
    balancing: Balancing | None = None
    wanted: Wanted = NOTHING_WANTED
    weighting: Weighting = PLAIN
    clobber: bool = True
    features: str | None = None


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


def task_of(table: Table, asked: TrainAsked) -> TrainTask:
    """What is to be done with a table of two classes.

    Raises
    ------
    UsageError, ArtifactError : what was said contradicts what the table is.
    """
    drawn = None
    if asked.design is not None:
        drawn = read_design_file(asked.design)
    elif len(asked.inputs) == 1:
        drawn = read_design(asked.inputs[0], table.metadata)
    return (
        _natural_task(table, drawn, asked) if asked.natural else _sampled_task(table, drawn, asked)
    )


def own_columns(drawn: Drawn | None) -> tuple[str, ...]:
    """The sample's columns that a correction needs."""
    return SAMPLE_COLUMNS if drawn is None or drawn.design.correctable else ()


def tell_limits(drawn: Drawn | None, wanted: Wanted, context: Context) -> None:
    """Say what no correction undoes.

    Raises
    ------
    UsageError : a sample is asked for what it cannot know.
    """
    design = drawn.design if drawn is not None else None
    if design is not None and not design.correctable:
        wanted.refuse_without_table(design.method)
        if wanted.method is None:
            context.note(
                f"{design.method} has no known inclusion probabilities: the model's are the "
                "sample's; --calibrate-on TABLE --recalibrate platt makes them the population's"
            )
    elif design is not None and design.repeats:
        wanted.refuse_without_table(design.method)


def scale_of(task: TrainTask) -> str:
    """Whether what is fitted is on the scale of the "sample" or of the "population"."""
    known = task.drawn is None or task.drawn.design.correctable
    return "sample" if task.correction == "posthoc" or not known else "population"


def _correction(design: Design, asked: str | None) -> str:
    """The correction asked for; "none" of a sample that nothing undoes.

    Raises
    ------
    ArtifactError : one is asked for, and there is none.
    """
    if asked is not None:
        design.require_known()
    return asked or ("offset" if design.correctable else "none")


def no_population(table: Table) -> UsageError:
    """What is said where --natural is given of a sample."""
    return UsageError(
        "the table is a sample, and --natural says that it is the population",
        where=table.place,
        remedy="leave --natural out",
    )


def _natural_task(table: Table, drawn: Drawn | None, asked: TrainAsked) -> TrainTask:
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
        asked.label, asked.positive, "none", tuple(asked.drop), asked.key, asked.sample_weight, None
    )


def _sampled_task(table: Table, drawn: Drawn | None, asked: TrainAsked) -> TrainTask:
    """The table is a sample, and its design knows the label and what is no feature.

    Raises
    ------
    ArtifactError : it has lost its design, or was drawn for another label.
    """
    lost = [name for name in own_columns(drawn) if name not in table.names]
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
        correction=_correction(design, asked.correction),
        drop=dropped(design, table, asked.drop, asked.key),
        key=asked.key,
        sample_weight=asked.sample_weight or design.sample_weight,
        drawn=drawn,
    )
