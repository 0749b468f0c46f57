"""what the user said + what the sample's design knows -> what training is to do"""

from __future__ import annotations

from dataclasses import replace

from rebalance.core.class_design import ClassDesign
from rebalance.core.labels import canonical
from rebalance.errors import ArtifactError, UsageError
from rebalance.learners.catalogue import entry_of
from rebalance.steps.classes.artifacts.drawn import ClassDrawn
from rebalance.steps.classes.sample import OFFSET
from rebalance.steps.designed import dropped
from rebalance.steps.train_task import TrainAsked
from rebalance.storage.tables import Table

WEIGHT = "rb_weight"


def complete(table: Table, drawn: ClassDrawn | None, asked: TrainAsked) -> TrainAsked:
    """What the user said, completed by what the design knows.

    Raises
    ------
    ArtifactError : the sample was drawn for something else, or has lost its columns.
    """
    if drawn is None:
        return asked
    design = drawn.design
    for given, option in ((asked.label, "--label"), (asked.positive, "--positive")):
        if given is not None and (option == "--positive" or given != design.label.column):
            raise ArtifactError(
                f"the sample was drawn for the classes of '{design.label.column}', not for "
                f"{option} {canonical(given)}",
                remedy="leave it out, or draw a sample for it",
            )
    if asked.correction is not None:
        design.require_known()
    if asked.balancing is not None and not design.correctable:
        raise UsageError(
            f"--logit-adjustment and --balanced-softmax need the classes' shares, which a sample "
            f"made by {design.method} has changed in a way that nothing undoes",
            remedy="leave it out, or thin each class with --method uniform or nonuniform",
        )
    usual = entry_of(asked.model).corrections[0]
    own = own_columns(table, design)
    lost = [name for name in own if name not in table.names]
    if lost:
        raise ArtifactError(
            f"the table has no column '{lost[0]}', so what it is a sample of is not known",
            where=table.place,
            remedy="give a sample as 'rebalance sample' wrote it",
        )
    return replace(
        asked,
        label=design.label.column,
        positive=None,
        correction=asked.correction or (usual if design.correctable else "none"),
        drop=dropped(design, table, asked.drop, asked.key),
        sample_weight=asked.sample_weight or design.sample_weight,
    )


def own_columns(table: Table, design: ClassDesign) -> list[str]:
    """The sample's columns that a correction needs; none where there is none."""
    return [WEIGHT, *offset_names(table, design)] if design.correctable else []


def offset_names(table: Table, design: ClassDesign) -> list[str]:
    """The column with the offsets of all classes, or those with one each; none of very many."""
    if OFFSET in table.names:
        return [OFFSET]
    return [f"{OFFSET}_{value}" for value in design.label.values] if design.has_offsets else []
