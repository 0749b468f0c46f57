"""calibration -> what is said of it, and a recalibration where that was asked for"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rebalance.core.log_odds_cells import Outcomes
from rebalance.core.miscalibration import Calibration, measure
from rebalance.core.recalibration import Recalibration, fit_recalibration
from rebalance.core.wording import counted
from rebalance.errors import UsageError
from rebalance.steps.context import Context

AUTO = "auto"
NO_METHOD = "none"


@dataclass(frozen=True)
class Wanted:
    """What the user asked for.

    on : the table of the natural distribution; empty for none.
    method : one of `core.recalibration.METHODS`, "auto", or None for no recalibration.
    check : to estimate calibration out of fold, where there is no table.
    declined : "none" was asked for, not left at that.
    """

    on: tuple[str, ...] = ()
    method: str | None = None
    check: bool = False
    declined: bool = False

    @classmethod
    def of(cls, on: Sequence[str], method: str | None, *, check: bool = False) -> Wanted:
        """The same with "none" for no recalibration, and None where nothing was said of it."""
        declined = method == NO_METHOD
        return cls(tuple(on), None if declined else method, check, declined)

    @property
    def is_any(self) -> bool:
        """Whether calibration is to be measured at all."""
        return bool(self.on) or self.out_of_fold

    @property
    def out_of_fold(self) -> bool:
        """Whether the learner is to be fitted again, without each fifth of the rows."""
        return not self.on and (self.check or self.method is not None)

    def refuse_contradictions(self, inputs: Sequence[str]) -> None:
        """Check what can be checked before anything is read.

        Raises
        ------
        UsageError : standard input is asked for twice, or two sources of calibration.
        """
        if "-" in inputs and "-" in self.on:
            raise UsageError(
                "standard input ('-') is INPUT and --calibrate-on at once",
                remedy="give one of them as a file",
            )
        if self.on and self.check:
            raise UsageError(
                "--check-calibration estimates from the sample what --calibrate-on tells better",
                remedy="leave --check-calibration out",
            )

    def refuse_without_table(self, method: str) -> None:
        """Check that a sample without known probabilities is not asked what it cannot know.

        Raises
        ------
        UsageError : calibration is to be estimated from the sample itself.
        """
        if self.out_of_fold:
            raise UsageError(
                f"a sample made by {method} does not know the population: its rows tell nothing "
                "of calibration",
                remedy="give a table of the natural distribution with --calibrate-on",
            )

    def refuse_many_classes(self) -> None:
        """Check that nothing is asked for, where the label has many classes.

        Raises
        ------
        UsageError : calibration is to be measured or corrected.
        """
        if self.is_any:
            raise UsageError(
                "calibration is measured and corrected for two classes, and the label has many",
                remedy="leave --calibrate-on, --recalibrate and --check-calibration out, and look "
                "at each class with 'rebalance evaluate'",
            )


NOTHING_WANTED = Wanted()


@dataclass(frozen=True)
class Calibrated:
    """What was found, and the map that was chosen, with the calibration after it.

    on : the inputs that were given; None where the rows are the model's own.
    rows, positives : how many there were; out_of_fold : how many of the rows were predicted by
        models fitted without them, since the model itself was fitted to them.
    asked : the method as asked for.
    """

    on: tuple[str, ...] | None
    rows: int
    positives: int
    out_of_fold: int
    calibration: Calibration
    asked: str | None
    recalibration: Recalibration | None
    after: Calibration | None

    def facts(self, *, afterwards: bool = False) -> dict[str, str]:
        """What is shown of it, by name: the calibration before, or after the recalibration."""
        of = "out of fold" if self.on is None else f"on {counted(self.rows, 'row')}"
        figures = self.calibration
        if afterwards and self.after is not None:
            figures, of = self.after, f"{of}, recalibrated to them"
        shown = {f"{name} {of}": str(found) for name, found in figures.named.items()}
        if self.recalibration is not None:
            shown["recalibrated by"] = str(self.recalibration)
        return shown

    def document(self) -> dict[str, Any]:
        """The result as JSON, without the names of files."""
        return {
            "from": "sample" if self.on is None else "table",
            "rows": self.rows,
            "positives": self.positives,
            "rows_out_of_fold": self.out_of_fold,
            **self.calibration.document(),
            "asked": self.asked or NO_METHOD,
            "recalibration": self.recalibration.to_document() if self.recalibration else None,
            "after": self.after.document() if self.after else None,
        }


def recalibrate(
    outcomes: Outcomes, out_of_fold: int, wanted: Wanted, context: Context
) -> Calibrated:
    """Measure, choose, fit, and say what is off; `out_of_fold` as in `Calibrated`.

    Raises
    ------
    FitError : see `core.recalibration.fit_recalibration`.
    """
    before = measure(outcomes)
    found = Calibrated(
        on=wanted.on or None,
        rows=outcomes.rows,
        positives=outcomes.positives,
        out_of_fold=out_of_fold,
        calibration=before,
        asked=wanted.method,
        recalibration=None,
        after=None,
    )
    if before.reason:
        context.note(f"the calibration slope cannot be estimated: {before.reason}")
    method = wanted.method
    if method == AUTO:
        method = _automatic(before, context)
    if method is None:
        if before.excludes_one and wanted.method is None:
            context.note(
                f"{_warning(before)}: probabilities are off; --recalibrate "
                f"{'platt' if before.slope.estimate > 0 else 'intercept'} corrects that"
            )
        return found
    fitted = fit_recalibration(method, outcomes)
    after = measure(outcomes.moved(fitted(outcomes.log_odds)))
    if after.excludes_one:
        context.note(f"after the recalibration by {method}, {_warning(after)}")
    return replace(found, recalibration=fitted, after=after)


def _automatic(before: Calibration, context: Context) -> str | None:
    """What `auto` comes to, said: Platt's where an interval excludes 1, else nothing."""
    if not before.excludes_one:
        context.note(f"--recalibrate auto changes nothing: {figures(before)}, and 1 is inside")
        return None
    if before.reason:
        context.note(f"--recalibrate auto is intercept: {_warning(before)}")
        return "intercept"
    if before.slope.estimate <= 0:
        context.note(
            f"--recalibrate auto changes nothing: {_warning(before)}, and a slope below 0 means "
            "that the model ranks the wrong way round"
        )
        return None
    context.note(f"--recalibrate auto is platt: {_warning(before)}")
    return "platt"


def _warning(found: Calibration) -> str:
    names = found.excludes_one
    listed = " and ".join(f"{name} is {found.named[name]}" for name in names)
    return f"{listed}, and 1 is outside of the interval{'s' * (len(names) > 1)}"


def figures(found: Calibration) -> str:
    """Both figures with their intervals, as text."""
    return ", ".join(f"{name} {interval}" for name, interval in found.named.items())
