"""probabilities of any other tool + design -> probabilities on the population's scale"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.correction import log_odds, offset, prior_shift, probability, to_population
from rebalance.errors import ArtifactError, DataError, UsageError
from rebalance.steps.artifacts.drawn import Drawn, read_design, read_design_file
from rebalance.steps.classes.correct import (
    ClassCorrectResult,
    class_correct,
    class_sampling,
    is_of_classes,
)
from rebalance.steps.context import Context
from rebalance.steps.memory import LIGHT, Need, open_within
from rebalance.steps.predict import PROBABILITY, SAMPLED, SCALE_KEY, WEIGHTED
from rebalance.steps.probabilities import BALANCED, numbers, refuse
from rebalance.storage.atomic import check_outputs
from rebalance.storage.inputs import open_table
from rebalance.storage.tables import Batch, Table
from rebalance.storage.writers import output_format, table_writer

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sampling:
    """What is known of how the model's training rows were sampled; exactly one of these.

    design : a sample, or a design file; its pi is recomputed for every row.
    pi : the column with pi_0 for every row. offset : the column with l for every row.
    rate : the pi_0 of all rows; of many classes the pi of each. balanced : many classes, see
        `steps.classes.correct`. prior : shares of positives in the training rows and in truth.
    """

    design: str | None = None
    pi: str | None = None
    offset: str | None = None
    rate: float | Mapping[str, float] | None = None
    prior: tuple[float, float] | None = None
    balanced: str | None = None

    def check(self) -> None:
        """Refuse none or several.

        Raises
        ------
        UsageError : not exactly one is given.
        """
        options = ("design", "pi", "offset", "rate", "prior", "balanced")
        given = [f"--{name}" for name in options if getattr(self, name) is not None]
        if not given:
            raise UsageError(
                "how the training rows were sampled is not known",
                remedy="give one of --design SAMPLE, --pi COLUMN, --offset COLUMN, --rate R, "
                "--prior TRAIN,TRUE",
            )
        if len(given) > 1:
            raise UsageError(" and ".join(given) + " contradict each other", remedy="give one")


@dataclass(frozen=True)
class CorrectResult:
    """Mean probability before and after."""

    output: str
    rows: int
    mean_before: float
    mean_after: float
    at_zero_or_one: int

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        return asdict(self)


def correct(
    inputs: Sequence[str],
    column: str,
    output: str,
    *,
    sampling: Sampling,
    sampled: bool = False,
    clobber: bool = True,
    context: Context,
) -> CorrectResult | ClassCorrectResult:
    """Write the table with `rb_probability` beside its columns, in the same order.

    Probabilities of exactly 0 or 1 stay what they are, and are counted.

    Raises
    ------
    UsageError : what is needed is not given, or given twice.
    DataError : a probability outside 0..1, a pi that is none, or probabilities corrected already.
    """
    sampling.check()
    beside = filter(None, [sampling.design, sampling.balanced])
    check_outputs([output], [*inputs, *beside], clobber=clobber)
    output_format(output)
    table = open_within(inputs, context, Need(LIGHT, outputs=1))
    if is_of_classes(table, column, sampling.rate, sampling.balanced):
        known = class_sampling(
            sampling.design, sampling.rate, sampling.balanced, sampling.pi, sampling.offset,
            sampling.prior,
        )  # fmt: skip
        return class_correct(
            table, column, output, sampling=known, sampled=sampled, context=context
        )
    drawn = _read_drawn(sampling.design) if sampling.design is not None else None
    _check(table, column, sampling, drawn)
    rows, before, after, certain = 0, 0.0, 0.0, 0
    with table_writer(output, table) as writer:
        writer.describe({SCALE_KEY: json.dumps({PROBABILITY: "population"})})
        for batch in context.track(table.batches(), "correcting", table.rows_if_known):
            given = numbers(batch, column)
            refuse(batch, column, given, ~((given >= 0) & (given <= 1)), "between 0 and 1")
            with batch.located():
                found = probability(to_population(log_odds(given), _shift(batch, sampling, drawn)))
            extra = {PROBABILITY: pa.array(found)}
            if sampled:
                extra[SAMPLED] = pa.array(given)
            writer.write(batch, extra)
            rows += len(batch)
            before += float(given.sum())
            after += float(found.sum())
            certain += int(((given == 0) | (given == 1)).sum())
    if certain:
        context.note(f"{certain:,} probabilities are exactly 0 or 1: no correction moves them")
    return CorrectResult(output, rows, before / rows, after / rows, certain)


def _check(table: Table, column: str, sampling: Sampling, drawn: Drawn | None) -> None:
    table.require(column, "--probability")
    where = f"file '{table.title}'"
    metadata = table.metadata
    scales = json.loads(metadata.get(SCALE_KEY.encode(), b"{}"))
    if column == PROBABILITY or scales.get(column) == "population":
        raise DataError(
            f"the column '{column}' is on the population's scale already",
            where=where,
            remedy="correct the probabilities as the model gave them, once",
        )
    if column.startswith(BALANCED) or scales.get(column) == "balanced":
        raise DataError(
            f"the column '{column}' is about balanced classes: it was shifted already",
            where=where,
            remedy="give the columns of all classes, a=COLUMN,b=COLUMN, with --balanced MODEL, "
            "which undoes the shift",
        )
    if scales.get(column) == WEIGHTED:
        raise DataError(
            f"the column '{column}' has class weights or a focal loss in it, which the correction "
            "of a sampling does not undo",
            where=where,
            remedy="train the model without --scale sample: its 'rb_probability' is free of them",
        )
    for name in (PROBABILITY, SAMPLED):
        if name in table.names and name != column:
            raise DataError(
                f"the table has a column '{name}': it was corrected already",
                where=where,
                remedy="use that column, or start from the table without it",
            )
    if sampling.pi == "rb_pi":
        raise UsageError(
            "'rb_pi' is the probability with which the very row was kept, 1 for positives: "
            "what is needed is pi_0 for every row",
            remedy="give --offset rb_offset, which holds it for both classes, or --design SAMPLE",
        )
    for named, option in ((sampling.pi, "--pi"), (sampling.offset, "--offset")):
        if named is not None:
            table.require(named, option)
    if drawn is not None:
        drawn.design.require_known()
        table.require_features(drawn.kinds, "the design's pilot")


def _shift(batch: Batch, sampling: Sampling, drawn: Drawn | None) -> Floats | float:
    """The offset l of every row, or of all."""
    if drawn is not None:
        return drawn.offset(batch)
    if sampling.pi is not None:
        pi_0 = numbers(batch, sampling.pi)
        refuse(batch, sampling.pi, pi_0, ~((pi_0 > 0) & (pi_0 <= 1)), "above 0 and at most 1")
        return offset(pi_0, np.ones(len(batch)))
    if sampling.offset is not None:
        found = numbers(batch, sampling.offset)
        refuse(batch, sampling.offset, found, ~np.isfinite(found), "finite")
        return found
    if isinstance(sampling.rate, float | int):
        return -float(np.log(sampling.rate))
    train, true = sampling.prior or (0.5, 0.5)
    return prior_shift(train, true)


def _read_drawn(path: str) -> Drawn:
    if path.endswith(".json"):
        return read_design_file(path)
    found = read_design(path, open_table([path]).metadata)
    if found is None:
        raise ArtifactError(
            "the table has no design",
            where=f"file '{path}'",
            remedy="name a sample as 'rebalance sample' wrote it, or its .design.json",
        )
    return found
