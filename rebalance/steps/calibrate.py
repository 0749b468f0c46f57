"""model + rows of the natural distribution -> calibration, and a recalibration if asked for

The rows are a table's, streamed through the model; or, without one, the sample's, weighted by 1/pi.
Rows that the model was fitted to are predicted by models that were fitted without them: on flights,
the slope of a gbm is 1.3 to 1.4 on its own rows and 1.0 on others, and Platt's recalibration on
its own rows adds 2% to 4% to the log loss.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rebalance.core.design import UNIFORM
from rebalance.core.labels import is_positive
from rebalance.core.log_odds_cells import Outcomes, OutcomeSums, gather
from rebalance.core.miscalibration import measure
from rebalance.core.recalibration import NotRisingError
from rebalance.core.wording import counted
from rebalance.errors import DataError, FitError, UsageError
from rebalance.steps.artifacts.model import Model
from rebalance.steps.artifacts.sealed import DESIGN_KEY
from rebalance.steps.context import Context
from rebalance.steps.features import check_total, tell_surprises, weights
from rebalance.steps.memory import Need, open_within
from rebalance.steps.recalibrate import Calibrated, Wanted, figures, recalibrate
from rebalance.steps.refits import FOLDS, Refits
from rebalance.steps.saturation import tell_saturated
from rebalance.storage.parallel import in_order
from rebalance.storage.tables import Batch, Table, located

# Beyond this a calibration is not known well enough to change a model by it.
WIDEST = 0.05
# The sums, and what is made of them while a recalibration is fitted.
CELLS_BYTES = 64 << 20
_OF_A_SAMPLE = ("rb_row", "rb_pi", "rb_weight", "rb_offset", "rb_synthetic")

Floats = NDArray[np.float64]


def open_natural(
    wanted: Wanted, label: str, sample_weight: str | None, held: int, context: Context
) -> Table:
    """The table given with --calibrate-on, once sure that it can be used.

    `held` are the bytes that training takes, the libraries among them.

    Raises
    ------
    UsageError : it is a sample.
    DataError : it lacks the label or the weights.
    """
    table = open_within(wanted.on, context, Need(held + CELLS_BYTES))
    refuse_sample(table)
    table.require(label, "the model's label")
    if sample_weight is not None:
        table.require(sample_weight, "--sample-weight")
    return table


def refuse_sample(table: Table) -> None:
    """Check that the table given with --calibrate-on is none that was sampled.

    Raises
    ------
    UsageError : it is a sample.
    """
    own = [name for name in _OF_A_SAMPLE if name in table.names]
    if own or DESIGN_KEY in table.metadata:
        raise UsageError(
            "--calibrate-on needs rows of the natural distribution, and this table is a sample"
            + (f" (it has a column '{own[0]}')" if own else ""),
            where=table.place,
            remedy="give the table that the sample was drawn from, or leave --calibrate-on out",
        )


def calibrate(refits: Refits, table: Table, wanted: Wanted, context: Context) -> Calibrated:
    """Stream a table of the natural distribution through a model on the population's scale.

    Where it is the table that the model's rows came from, in the order it had, or begins with it,
    they are predicted by models that did not see them. In memory are the model's rows, a few
    batches and the cells of `core.log_odds_cells`.

    Raises
    ------
    DataError : a class or a feature is missing, or values that cannot be read.
    FitError : the recalibration asked for cannot be fitted, as where the model ranks by chance.
    """
    model = refits.model
    table.require_features(model.kinds, "the model")
    numbers = refits.numbers
    is_source = numbers is not None and refits.came_from(table)
    unseen = _unseen(numbers, refits, context) if is_source and numbers is not None else None
    column, weighted = model.label.column, model.sample_weight
    named = [column, *([weighted] if weighted else []), *model.kinds]
    sums, surprises, saturated = OutcomeSums(), Counter[str](), 0
    scored = in_order(partial(_scored, model, unseen), table.batches(named), context.threads)
    for found in context.track(scored, "calibrating", table.rows_if_known):
        surprises.update(found.surprises)
        saturated += found.saturated
        with found.batch.located():
            sums.add(found.y_true, found.log_odds, found.weight)
    tell_surprises(surprises, "the model", context)
    tell_saturated(saturated, model, context)
    outcomes = sums.outcomes()
    _refuse_one_class(outcomes, model, table)
    if not is_source and refits.as_many(outcomes.rows, outcomes.positives):
        context.note(
            "the table to calibrate on has as many rows and positives as the one that the model's "
            "rows came from: if they are the same in another order, calibration looks better than "
            "it is; give them in the order they had, or other rows"
        )
    try:
        return recalibrate(outcomes, 0 if unseen is None else len(unseen[0]), wanted, context)
    except NotRisingError as exc:
        if model.scale != "score" or model.drawn is None or model.drawn.design.score == UNIFORM:
            raise
        raise FitError(
            exc.what,
            remedy="draw the sample with --method uniform: this one keeps negatives that look like "
            f"positives, and --model {model.learner} takes them for usual; or {exc.remedy}",
        ) from exc


# Numbers of rows, rising, and their log odds, each of shape (m,).
_Unseen = tuple[NDArray[np.int64], Floats]


def _unseen(numbers: NDArray[np.int64], refits: Refits, context: Context) -> _Unseen | None:
    """The model's rows as others predict them; None where they are too few for that."""
    if refits.fewest < FOLDS:
        context.note(
            f"a class has {counted(refits.fewest, 'row')}, too few to predict them by models "
            "fitted without them: calibration looks better than it is"
        )
        return None
    order = np.argsort(numbers, kind="stable")
    order = order[numbers[order] >= 0]
    return numbers[order], refits.log_odds()[order]


@dataclass(frozen=True)
class _Scored:
    """Rows of a batch with what the model says of them."""

    batch: Batch
    y_true: NDArray[np.bool_]
    log_odds: Floats
    weight: Floats | None
    surprises: dict[str, int]
    saturated: int

    def __len__(self) -> int:
        return len(self.batch)


def _scored(model: Model, unseen: _Unseen | None, batch: Batch) -> _Scored:
    """One batch; several threads work on several batches."""
    with batch.located():
        y_true = is_positive(batch.column(model.label.column), model.label, batch.start)
        weight = None
        if model.sample_weight is not None:
            column = batch.column(model.sample_weight)
            weight = weights(column, model.sample_weight, batch.start)
        fitted = model.fitted_log_odds(batch)
        found = model.corrected(fitted, batch).copy()
        if unseen is not None:
            numbers, others = unseen
            here = slice(*np.searchsorted(numbers, [batch.start, batch.start + len(batch)]))
            found[numbers[here] - batch.start] = others[here]
        saturated = model.saturated(fitted)
        return _Scored(batch, y_true, found, weight, model.surprises(batch), saturated)


def _refuse_one_class(outcomes: Outcomes, model: Model, table: Table) -> None:
    for positive, word in ((True, "positives"), (False, "negatives")):
        count = outcomes.positives if positive else outcomes.rows - outcomes.positives
        if count == 0:
            raise DataError(
                f"the table to calibrate on has no {word}",
                where=f"{table.place}, column '{model.label.column}'",
                remedy="give rows of the natural distribution, with both classes",
            )
    if model.sample_weight is not None:
        with located(table.place):
            check_total(outcomes.weight, outcomes.y_true, model.sample_weight)


def calibrate_out_of_fold(refits: Refits, wanted: Wanted, context: Context) -> Calibrated:
    """Estimate calibration from the model's own rows, with five more fits.

    Raises
    ------
    FitError : too few rows of a class, or intervals too wide to recalibrate by.
    """
    if refits.fewest < FOLDS:
        raise FitError(
            f"calibration cannot be estimated out of fold: a class has "
            f"{counted(refits.fewest, 'row')}, and each of {FOLDS} folds needs one",
            remedy="give a table of the natural distribution with --calibrate-on",
        )
    outcomes = gather(refits.rows.y_true, refits.log_odds(), refits.weight)
    found = measure(outcomes)
    wide = found.too_wide(WIDEST)
    if wide and wanted.method is not None:
        raise FitError(
            f"from the sample alone calibration is not known well enough to recalibrate by: "
            f"{figures(found)}, where +-{WIDEST:g} is needed",
            remedy="give a table of the natural distribution with --calibrate-on, for example the "
            "one that the sample was drawn from",
        )
    if wide:
        context.note(
            f"from the sample alone {' and '.join(wide)} {'is' if len(wide) == 1 else 'are'} known "
            f"less well than to +-{WIDEST:g}: give a table of the natural distribution with "
            "--calibrate-on"
        )
    return recalibrate(outcomes, len(refits.rows), wanted, context)
