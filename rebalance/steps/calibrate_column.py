"""labelled rows of the natural distribution with a tool's probabilities -> what makes them true

For probabilities that no formula corrects. The table is read twice: its labels and the range of its
probabilities, then the outcomes, in cells (see `core.log_odds_cells`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebalance.core.cross_fitted import FOLDS, FoldedOutcomes
from rebalance.core.draws import Purpose, uniforms
from rebalance.core.labels import Label, LabelCounter, choose_label, is_positive
from rebalance.core.log_odds_cells import Outcomes
from rebalance.core.miscalibration import Calibration, measure
from rebalance.core.recalibration import Recalibration, fit_recalibration
from rebalance.core.saturated import Bounds
from rebalance.core.wording import counted
from rebalance.errors import DataError
from rebalance.steps.calibrate import WIDEST, refuse_sample
from rebalance.steps.context import Context
from rebalance.steps.features import tell_label
from rebalance.steps.memory import LIGHT, MB, Need, open_within
from rebalance.steps.outcomes import named_positive
from rebalance.steps.probabilities import probabilities
from rebalance.storage.tables import Table, located

Floats = NDArray[np.float64]

# What is fitted where the user names nothing: two numbers, which few positives determine.
USUAL = "platt"
# Of a class. Two numbers fitted to fewer are noise: the slope's interval may go from -0.8 to 10.5.
FEWEST = 10
# The folds' sums, and what is made of them; scikit-learn for isotonic.
_NEED = Need(LIGHT + 200 * MB)
_MEND = "mend it, or leave that row out"


@dataclass(frozen=True)
class LabelledRows:
    """Rows of the natural distribution which carry the same column of probabilities, and a label.

    method : one of `core.recalibration.METHODS`; None for `USUAL`.
    """

    on: tuple[str, ...]
    label: str
    positive: str | None = None
    method: str | None = None


@dataclass(frozen=True)
class ColumnCalibration:
    """The map, and calibration before and after it.

    at_zero, at_one : rows whose probability is exactly that.
    bounds : probabilities outside count as the nearer one.
    after : of rows that the map was not fitted to, in five folds; None where they are too few.
    """

    on: tuple[str, ...]
    label: Label
    rows: int
    positives: int
    at_zero: int
    at_one: int
    bounds: Bounds
    before: Calibration
    recalibration: Recalibration
    after: Calibration | None

    def log_odds(self, y_prob: Floats) -> Floats:
        """The population's log odds of probabilities in [0, 1], shape (n,)."""
        return self.recalibration(self.bounds.log_odds(y_prob))

    def facts(self) -> dict[str, str]:
        """What is shown of it, by name."""
        shown = {f"{name} before": str(found) for name, found in self.before.named.items()}
        shown["calibrated by"] = str(self.recalibration)
        shown["calibrated on"] = f"{self.rows:,} rows, {self.positives:,} positive"
        after = self.after.named if self.after is not None else {}
        return shown | {f"{name} after": str(found) for name, found in after.items()}

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        return {
            "on": list(self.on),
            "label": self.label.to_document(),
            "rows": self.rows,
            "positives": self.positives,
            "at_zero": self.at_zero,
            "at_one": self.at_one,
            "low": self.bounds.low,
            "high": self.bounds.high,
            "before": self.before.document(),
            "recalibration": self.recalibration.to_document(),
            "after": self.after.document() if self.after is not None else None,
        }


def calibrate_column(wanted: LabelledRows, column: str, context: Context) -> ColumnCalibration:
    """Fit the map of one column of probabilities.

    Raises
    ------
    UsageError : the table is a sample, or the label and the probability are one column.
    DataError : a column is missing, a probability is none, all are the same or all are 0 or 1, or
        the label has one class or too few rows of one.
    FitError : the map cannot be fitted, or the probabilities do not rank the rows.
    """
    table = open_within(wanted.on, context, _NEED)
    refuse_sample(table)
    table.require(wanted.label, "--label")
    table.require(column, "--probability")
    seen = _look(table, wanted, column, context)
    tell_label(seen.label, wanted.positive, context)
    sums = _outcomes(table, seen, column, context)
    _tell_certain(seen, context)
    outcomes, method = sums.whole(), wanted.method or USUAL
    _refuse_few(outcomes, f"{table.place}, column '{wanted.label}'")
    if wanted.method is None:
        context.note(f"calibrated by {USUAL}; --recalibrate names beta or isotonic instead")
    fitted = fit_recalibration(method, outcomes)
    before, after = measure(outcomes), _after(sums.moved(method), context)
    _tell_wide(after or before, outcomes, context)
    return ColumnCalibration(
        on=wanted.on,
        label=seen.label,
        rows=outcomes.rows,
        positives=outcomes.positives,
        at_zero=seen.at_zero,
        at_one=seen.at_one,
        bounds=seen.bounds,
        before=before,
        recalibration=fitted,
        after=after,
    )


@dataclass(frozen=True)
class _Seen:
    """What the first reading finds."""

    label: Label
    bounds: Bounds
    rows: int
    at_zero: int
    at_one: int


def _look(table: Table, wanted: LabelledRows, column: str, context: Context) -> _Seen:
    """Read all labels and probabilities, and check them."""
    counter = LabelCounter(wanted.label)
    low, high, least, greatest = np.inf, -np.inf, np.inf, -np.inf
    rows = at_zero = at_one = 0
    batches = table.batches([wanted.label, column])
    for batch in context.track(batches, "checking", table.rows_if_known):
        with batch.located():
            counter.add(batch.column(wanted.label), batch.start)
        y_prob = probabilities(batch, column, _MEND)
        low, high = min(low, float(y_prob.min())), max(high, float(y_prob.max()))
        inside = y_prob[(y_prob > 0) & (y_prob < 1)]
        if len(inside):
            least, greatest = min(least, float(inside.min())), max(greatest, float(inside.max()))
        rows += len(batch)
        at_zero += int((y_prob == 0).sum())
        at_one += int((y_prob == 1).sum())
    with located(table.place):
        positive = named_positive(table, wanted.label, wanted.positive)
        label = choose_label(wanted.label, counter.counts, positive)
    where = f"{table.place}, column '{column}'"
    if low == high:
        raise DataError(
            f"all probabilities are {low:g}: they rank nothing, and no calibration can",
            where=where,
            remedy="give the probabilities of a model, one for each row",
        )
    if not np.isfinite(least):
        raise DataError(
            "all probabilities are exactly 0 or 1: these are classes",
            where=where,
            remedy="write the model's probabilities instead, predict_proba in scikit-learn",
        )
    return _Seen(label, Bounds.of(least, greatest), rows, at_zero, at_one)


def _outcomes(table: Table, seen: _Seen, column: str, context: Context) -> FoldedOutcomes:
    sums = FoldedOutcomes()
    label = seen.label
    for batch in context.track(table.batches([label.column, column]), "calibrating", seen.rows):
        with batch.located():
            y_true = is_positive(batch.column(label.column), label, batch.start)
            log_odds = seen.bounds.log_odds(probabilities(batch, column, _MEND))
            sums.add(y_true, log_odds, uniforms(0, Purpose.FOLDS, batch.start, len(batch)))
    return sums


def _refuse_few(outcomes: Outcomes, where: str) -> None:
    counts = {"positive": outcomes.positives, "negative": outcomes.rows - outcomes.positives}
    for word, count in counts.items():
        if count < FEWEST:
            raise DataError(
                f"the table to calibrate on has {counted(count, word)}, and fewer than "
                f"{FEWEST} do not tell how to calibrate",
                where=where,
                remedy="give more labelled rows of the natural distribution",
            )


def _tell_wide(found: Calibration, outcomes: Outcomes, context: Context) -> None:
    """Say what so few rows do not tell."""
    wide = found.too_wide(WIDEST)
    if wide:
        fewest = min(outcomes.positives, outcomes.rows - outcomes.positives)
        context.note(
            f"from {counted(fewest, 'row')} of the rarer class {' and '.join(wide)} "
            f"{'is' if len(wide) == 1 else 'are'} known less well than to +-{WIDEST:g}: the "
            "calibration is as uncertain; more rows to calibrate on make it better"
        )


def _tell_certain(seen: _Seen, context: Context) -> None:
    if seen.at_zero or seen.at_one:
        context.note(
            f"of the {seen.rows:,} rows to calibrate on {seen.at_zero:,} have a probability of "
            f"exactly 0 and {seen.at_one:,} of exactly 1: they count as {seen.bounds}, half of the "
            "way from their neighbours; --recalibrate isotonic does not depend on that"
        )


def _after(moved: Outcomes | None, context: Context) -> Calibration | None:
    """Calibration where the map was not fitted, said where it is still off."""
    if moved is None:
        context.note(
            f"too few rows of a class to fit the map without each of {FOLDS} parts: calibration "
            "after it is not known"
        )
        return None
    after = measure(moved)
    if after.excludes_one:
        listed = ", ".join(f"{name} {after.named[name]}" for name in after.excludes_one)
        context.note(f"after the calibration 1 is still outside of the interval: {listed}")
    return after
