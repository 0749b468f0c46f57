"""probabilities of any other tool + design -> probabilities on the population's scale"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.correction import log_odds, offset, prior_shift, probability, to_population
from rebalance.errors import ArtifactError, DataError, UsageError
from rebalance.steps.artifacts.drawn import Drawn, read_design, read_design_file
from rebalance.steps.calibrate_column import ColumnCalibration, LabelledRows, calibrate_column
from rebalance.steps.classes.correct import (
    ClassCorrectResult,
    class_correct,
    class_sampling,
    corrects_classes,
)
from rebalance.steps.context import Context
from rebalance.steps.memory import LIGHT, Need, open_within
from rebalance.steps.predict import PROBABILITY, SAMPLED, WEIGHTED
from rebalance.steps.predictions import SCALE_KEY
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
    calibrate_on : nothing is known, and labelled rows of the natural distribution tell.
    """

    design: str | None = None
    pi: str | None = None
    offset: str | None = None
    rate: float | Mapping[str, float] | None = None
    prior: tuple[float, float] | None = None
    balanced: str | None = None
    calibrate_on: LabelledRows | None = None

    def check(self) -> None:
        """Refuse none or several.

        Raises
        ------
        UsageError : not exactly one is given.
        """
        options = ("design", "pi", "offset", "rate", "prior", "balanced", "calibrate_on")
        given = [
            f"--{name.replace('_', '-')}" for name in options if getattr(self, name) is not None
        ]
        if not given:
            raise UsageError(
                "how the training rows were sampled is not known",
                remedy="give one of --design SAMPLE, --pi COLUMN, --offset COLUMN, --rate R, "
                "--prior TRAIN,TRUE; or, where nothing undoes it, --calibrate-on FILE",
            )
        if len(given) > 1:
            remedy = "give one"
            if self.calibrate_on is not None:
                remedy += ": a formula undoes the sampling, or a calibration does all of it"
            raise UsageError(" and ".join(given) + " contradict each other", remedy=remedy)


@dataclass(frozen=True)
class CorrectResult:
    """Mean probability before and after, and the calibration, where that is how."""

    output: str
    rows: int
    mean_before: float
    mean_after: float
    at_zero_or_one: int
    calibration: ColumnCalibration | None = None

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        found = {name: getattr(self, name) for name in _FIGURES}
        calibration = self.calibration.document() if self.calibration is not None else None
        return found | {"calibration": calibration}


_FIGURES = ("output", "rows", "mean_before", "mean_after", "at_zero_or_one")


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

    Probabilities of exactly 0 or 1 are counted. A formula leaves them what they are; a calibration
    takes them as `core.saturated` says.

    Raises
    ------
    UsageError : what is needed is not given, or given twice.
    DataError : a probability outside 0..1, a pi that is none, or probabilities corrected already.
    FitError : a calibration cannot be fitted.
    """
    sampling.check()
    beside = filter(None, [sampling.design, sampling.balanced])
    on = sampling.calibrate_on.on if sampling.calibrate_on is not None else ()
    check_outputs([output], [*inputs, *beside, *on], clobber=clobber)
    output_format(output)
    table = open_within(inputs, context, Need(LIGHT, outputs=1))
    if corrects_classes(table, column, sampling.rate, sampling.balanced):
        _refuse_classes(sampling)
        known = class_sampling(
            sampling.design, sampling.rate, sampling.balanced, sampling.pi, sampling.offset,
            sampling.prior,
        )  # fmt: skip
        return class_correct(
            table, column, output, sampling=known, sampled=sampled, context=context
        )
    drawn = _read_drawn(sampling.design) if sampling.design is not None else None
    _check(table, column, sampling, drawn)
    calibration = None
    if sampling.calibrate_on is not None:
        _tell_same(inputs, sampling.calibrate_on, context)
        calibration = calibrate_column(sampling.calibrate_on, column, context)
    rows, before, after, certain = 0, 0.0, 0.0, 0
    with table_writer(output, table) as writer:
        writer.describe({SCALE_KEY: json.dumps({PROBABILITY: "population"})})
        for batch in context.track(table.batches(), "correcting", table.rows_if_known):
            given = numbers(batch, column)
            refuse(batch, column, given, ~((given >= 0) & (given <= 1)), "between 0 and 1")
            with batch.located():
                if calibration is not None:
                    found = probability(calibration.log_odds(given))
                else:
                    shift = _shift(batch, sampling, drawn)
                    found = probability(to_population(log_odds(given), shift))
            extra = {PROBABILITY: pa.array(found)}
            if sampled and column != SAMPLED:  # else it is there as it was
                extra[SAMPLED] = pa.array(given)
            writer.write(batch, extra)
            rows += len(batch)
            before += float(given.sum())
            after += float(found.sum())
            certain += int(((given == 0) | (given == 1)).sum())
    if certain:
        stay = "no correction moves them"
        if calibration is not None:
            stay = f"they count as {calibration.bounds}"
        context.note(f"{certain:,} of the probabilities to correct are exactly 0 or 1: {stay}")
    return CorrectResult(output, rows, before / rows, after / rows, certain, calibration)


def _refuse_classes(sampling: Sampling) -> None:
    if sampling.calibrate_on is not None:
        raise UsageError(
            "--calibrate-on calibrates the probability of one class, and several are named",
            remedy="name one column with --probability, and its class with --positive",
        )


def _tell_same(inputs: Sequence[str], rows: LabelledRows, context: Context) -> None:
    """Say that a calibration looks better on the rows that it was fitted to.

    Raises
    ------
    UsageError : both are standard input.
    """
    if "-" in inputs and "-" in rows.on:
        raise UsageError(
            "standard input ('-') is PREDICTIONS and --calibrate-on at once",
            remedy="give one of them as a file",
        )
    if set(inputs) & set(rows.on):
        context.note(
            "the rows to correct are those to calibrate on: figures of them will look better than "
            "they are"
        )


def _check(table: Table, column: str, sampling: Sampling, drawn: Drawn | None) -> None:
    table.require(column, "--probability")
    where = f"file '{table.title}'"
    scales = table.document(SCALE_KEY)
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
