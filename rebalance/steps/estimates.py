"""fitted model -> coefficients with intervals, and what is to be said of them"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rebalance.core.design import UNIFORM
from rebalance.core.inference import MOST_BIAS
from rebalance.core.wording import counted
from rebalance.learners.base import Settings
from rebalance.learners.focal import FocalModel
from rebalance.learners.logistic import LinearModel
from rebalance.steps.artifacts.drawn import Drawn
from rebalance.steps.artifacts.model import Model
from rebalance.steps.context import Context
from rebalance.steps.keys import has_lost_key
from rebalance.storage.tables import Table

FEW, NAMED = 20, 4
# With fewer rows of a class for each coefficient, some designs' intervals hold 97% to 99%.
FOR_EACH = 5
# An interval that is off by half a standard error holds the truth 92 times in 100 instead of 95.
DRAWN = 0.5
# Of samples in which no row has more leverage, intervals with weights hold 93% to 97%.
LEVERAGE = 0.3


def with_estimates(
    settings: Settings, correction: str, drawn: Drawn | None, table: Table
) -> Settings:
    """The settings of a fit whose coefficients are to have standard errors.

    Post-hoc, with inclusion probabilities that depend on x, the log odds that are fitted are those
    of the population plus a curve: the linear model is wrong for them, and only the sandwich is
    right.
    """
    robust = True if _curved(correction, drawn) else settings.robust
    lost = drawn is not None and has_lost_key(table, drawn.design)
    independent = not (lost or _has_copies(drawn))
    return replace(settings, estimates=True, robust=robust, independent=independent)


def _has_copies(drawn: Drawn | None) -> bool:
    """Whether rows of the sample are copies of others, or made of them."""
    return drawn is not None and (drawn.design.repeats or not drawn.design.correctable)


def _curved(correction: str, drawn: Drawn | None) -> bool:
    """Whether what is fitted is the population's log odds and the pilot's choice of rows."""
    return correction == "posthoc" and drawn is not None and drawn.design.score != UNIFORM


def _why_none(model: Model, table: Table) -> str:
    """Why coefficients have no standard errors."""
    if _has_copies(model.drawn):
        return (
            "copies, made rows and rows chosen by their neighbours are no evidence of their own: "
            "no standard errors are given"
        )
    if model.drawn is not None and has_lost_key(table, model.drawn.design):
        return (
            f"the sample was drawn by '{model.drawn.design.draw_key}' and has no such column any "
            "more, so which rows one draw kept is not known: no standard errors are given (train "
            "on the sample as 'rebalance sample' wrote it; --drop leaves a column out of the "
            "features)"
        )
    return (
        "an l1 penalty chooses among the slopes, and after that no valid standard errors exist: "
        "none are given"
    )


def _tell_rows(
    found: Mapping[str, Any], key: str | None, classes: tuple[int, int], context: Context
) -> None:
    """Say what counts as one draw, where a `key` makes it more than a row, and if that is few."""
    coefficients = len(found["coefficients"])
    if key is None:
        _tell_few(min(classes), "rows", coefficients, context)
        return
    clusters = found["clusters"]
    context.note(
        f"the sample was drawn by '{key}', and {counted(sum(classes), 'row')} have "
        f"{counted(clusters['all'], 'value')} of it: the variance is the sandwich clustered by it"
    )
    rarer = min(clusters["positives"], clusters["negatives"])
    _tell_few(rarer, f"values of '{key}'", coefficients, context)


def _tell_few(rarer: int, what: str, coefficients: int, context: Context) -> None:
    """Say where intervals, which hold for many rows, are rough; `what` there are few of."""
    if rarer < FEW:
        few = f"fewer than {FEW} {what} ({rarer})"
    elif rarer < FOR_EACH * coefficients:
        few = f"fewer than {FOR_EACH} {what} for each coefficient ({rarer} for {coefficients})"
    else:
        return
    context.note(f"a class has {few}: the intervals, which hold for many, are rough")


def _tell_undetermined(found: Mapping[str, Any], context: Context) -> None:
    """Say which coefficients the penalty determines, not the rows; older models do not know."""
    same, by = found.get("collinear") or [], found.get("separated_by") or []
    if same:
        what = f"{_named(same)} are collinear" if same[1:] else f"{_named(same)} does not vary"
        share = "how they share what they say" if same[1:] else "its coefficient"
        context.note(f"{what}: {share} is the penalty's choice, not the data's")
    if by:
        context.note(
            f"the classes, of some rows or all, can be separated by {_named(by)}: without the "
            "penalty the best coefficients are infinite, and how large they are is its choice"
        )


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(f"'{name}'" for name in names[:NAMED]) + more


def _tell_drawn(found: Mapping[str, Any], context: Context) -> None:
    """Say where the penalty moves a coefficient so far that its interval misses the truth."""
    if found.get("largest_shrinkage", 0.0) > DRAWN:
        context.note(
            "the l2 penalty draws coefficients towards 0, one by "
            f"{found['largest_shrinkage']:.1f} of its standard errors: intervals hold for all of "
            "them on average, not for each (a smaller --l2 does not draw)"
        )


def _tell_leverage(
    found: Mapping[str, Any], key: str | None, correction: str, context: Context
) -> None:
    """Say where one row, or one value of `key`, nearly decides a coefficient."""
    if found.get("largest_leverage", 0.0) > LEVERAGE:
        what = "row" if key is None else f"value of '{key}'"
        context.note(
            f"one {what} has a leverage of {found['largest_leverage']:.2f} (above {LEVERAGE:g}), "
            "it nearly decides a coefficient: the intervals are rough"
            + (
                ", with skewed features too narrow (the offset holds: leave --correction weight "
                "out, or keep more rows)"
                if correction == "weight"
                else ""
            )
        )


def _tell_bias(found: Mapping[str, Any], context: Context) -> None:
    """Say where a few rows bias a coefficient by more than its interval is moved."""
    # Where the model is believed, any level without positives has such a bias: that is no news.
    if found["variance"] == "sandwich" and found.get("largest_bias", 0.0) > MOST_BIAS:
        context.note(
            f"the bias of a coefficient is about {found['largest_bias']:.1f} of its standard "
            f"errors: a few rows decide it. Intervals are moved by {MOST_BIAS:g} at the most; that "
            "one is rough"
        )


def tell_estimates(
    model: Model, table: Table, correction: str, classes: tuple[int, int], context: Context
) -> dict[str, Any]:
    """The estimates and the path of penalties of a linear model, None of any other.

    table : what it was fitted on. classes : the rows of either class.
    """
    fitted = model.fitted
    if isinstance(fitted, FocalModel) and isinstance(fitted.scores, LinearModel):
        context.note(
            "the coefficients of a focal loss are of its own scores, not of log odds: they are not "
            "shown, and have no standard errors"
        )
    if not isinstance(fitted, LinearModel):
        return {"estimates": None, "cross_validation": None}
    found, path = fitted.estimates, fitted.cross_validation
    estimates = None
    if found is not None:
        key = model.drawn.design.draw_key if model.drawn and found.get("clusters") else None
        if found["variance"] == "none":
            context.note(_why_none(model, table))
        else:
            _tell_rows(found, key, classes, context)
        _tell_undetermined(found, context)
        _tell_drawn(found, context)
        _tell_leverage(found, key, correction, context)
        _tell_bias(found, context)
        estimates = {
            "scale": model.scale,
            "before_recalibration": model.recalibration is not None,
            **({"clustered_by": key} if key is not None else {}),
            **found,
        }
    if path is not None and path["chosen"] == 0:
        beside = " beside those of the pilot" if _curved(correction, model.drawn) else ""
        context.note(
            "the largest penalty won: held-out rows are predicted best (nearly) without features"
            f"{beside}"
        )
    return {"estimates": estimates, "cross_validation": path}
