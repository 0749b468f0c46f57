"""table, thinned or whole -> matrix in memory -> kept rows and made rows"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rebalance.core.design import UNIFORM, Budget, Design
from rebalance.core.labels import Label, ManyClassesError, is_positive
from rebalance.errors import DataError, FitError
from rebalance.samplers.chains import positives_wanted, share_budget
from rebalance.samplers.fitting import Resampled
from rebalance.samplers.imbalanced import Method
from rebalance.samplers.resampling import Order
from rebalance.steps.artifacts.drawn import Drawn
from rebalance.steps.artifacts.sealed import store_design
from rebalance.steps.classes.resample import class_resample
from rebalance.steps.classes.resampled import ClassResampleResult
from rebalance.steps.context import Context
from rebalance.steps.ready import Ready, asks_for_classes, ready
from rebalance.steps.resampling.carried_out import carry_out, tell_unmade
from rebalance.steps.resampling.classic import Classic, ResampleResult, check_options
from rebalance.steps.resampling.resampled import Work, write
from rebalance.steps.resampling.room import require_memory, tell_memory
from rebalance.steps.resampling.rows import Rows, choose_kinds
from rebalance.steps.sample import choose_design
from rebalance.steps.selection import Selection
from rebalance.storage.tables import Batch


@tell_memory
def resample(wanted: Classic, context: Context) -> ResampleResult | ClassResampleResult:
    """Keep rows, bit for bit and in input order, and write made ones after them.

    A label of three or more values without a positive one is taken with all its classes.

    `rb_row` is int64, null in made rows; with methods that make rows, `rb_synthetic` is bool and
    `rb_parents` a list of int64, the `rb_row` of the rows that a made one was made of (text in
    CSV). Made rows have null in columns that are no features.

    Raises
    ------
    UsageError : an impossible budget or setting, or more time or memory than is allowed.
    DataError : missing values, or features of a kind that the method does not take.
    FitError : the method found nothing to work on.
    """
    method = wanted.chain.then
    if method is None:
        raise ValueError("a chain without a method of imbalanced-learn's")
    if asks_for_classes(wanted.asked):
        return class_resample(wanted, context)
    settings = method.settings(wanted.settings)
    thin, budget = share_budget(wanted.chain, wanted.asked.budget)
    check_options(wanted)
    found = ready(
        replace(
            wanted.asked,
            method=wanted.chain.thinning or UNIFORM,
            budget=thin or Budget(rate=1.0),
            key=wanted.asked.key if thin else None,
        ),
        context,
    )
    kinds, no_features = choose_kinds(found, method, wanted, context)
    if thin is None:
        known = found.table.rows_if_known
        require_memory(found.table, known or found.table.rows_guessed(), method, context)
    try:
        design, rows = _thinned(found, context)
    except ManyClassesError:
        return class_resample(wanted, context, (found.table, kinds, no_features))
    require_memory(found.table, len(rows), method, context)
    _check_label(method, design.label)
    number = _wanted(method, budget, rows.y_true)
    order = Order(method, settings, number, wanted.asked.seed, context.threads)
    matrix, done = carry_out(
        order,
        wanted,
        rows,
        rows.y_true,
        kinds,
        table=found.table,
        counts=(design.negatives, design.positives),
        context=context,
    )
    _check_done(order, done, rows.y_true, context)
    unmade = tell_unmade(no_features, method, context)
    work = Work(found, rows, matrix, order, done, design if thin else None, unmade)
    final = work.design(design, wanted.asked.key)
    write(work, final, wanted.asked.output)
    store_design(Drawn(final, None).to_json(), found.design_output, wanted.asked.output, context)
    kept_positives, kept_negatives, made_positives, made_negatives = work.counts
    left = kept_positives + made_positives
    return ResampleResult(
        output=wanted.asked.output,
        method=wanted.chain.name,
        rows=design.positives + design.negatives,
        positives=design.positives,
        negatives=design.negatives,
        kept_positives=kept_positives,
        kept_negatives=kept_negatives,
        made_positives=made_positives,
        made_negatives=made_negatives,
        ratio=(kept_negatives + made_negatives) / left if left else None,
        correctable=False,
        stages=final.stages,
        imputed=work.imputed,
    )


def _check_done(order: Order, done: Resampled, y_true: NDArray[np.bool_], context: Context) -> None:
    """Say where another number of rows came out than was wanted.

    Raises
    ------
    FitError : a class has no rows left.
    """
    positives = int(y_true[done.kept].sum() + done.made_codes.sum())
    negatives = len(done.kept) + len(done.made) - positives
    if not positives or not negatives:
        raise FitError(
            f"{order.method.name} left no {'negatives' if positives else 'positives'}",
            remedy="change its parameters with --set, or choose another --method",
        )
    found = negatives if order.method.role == "under" else positives
    wanted = order.wanted
    if order.method.role in ("over", "under") and wanted and abs(found - wanted) > wanted / 100:
        word = "negatives" if order.method.role == "under" else "positives"
        context.note(
            f"{order.method.name} came to {found:,} {word}, for {wanted:,} wanted: "
            f"{negatives / positives:.4g} negatives per positive"
        )
    if order.method.role == "combine":
        _tell_cleaned(order, done, y_true, negatives / positives, context)


def _tell_cleaned(
    order: Order, done: Resampled, y_true: NDArray[np.bool_], ratio: float, context: Context
) -> None:
    """Say what the cleaning after rows were made took of the real ones, and of the ratio."""
    real = int(y_true.sum())
    others = len(y_true) - real
    kept = int(y_true[done.kept].sum())
    dropped, dropped_others = real - kept, others - (len(done.kept) - kept)
    asked = others / order.wanted if order.wanted else ratio
    is_off = abs(ratio - asked) > asked / 100
    if dropped or is_off:
        context.note(
            f"the cleaning of {order.method.name} dropped {dropped:,} of the {real:,} real "
            f"positives and {dropped_others:,} of the {others:,} negatives: {ratio:.4g} negatives "
            "per positive" + (f", for {asked:.4g} asked" if is_off else "")
        )


def _check_label(method: Method, label: Label) -> None:
    """Refuse to make negatives where several values of the label count as negative."""
    if method.makes and method.role == "under" and len(label.negatives) > 1:
        raise DataError(
            f"{method.name} makes negatives, and {len(label.negatives)} values of the label count "
            "as negative: which one a made row has is not known",
            where=f"column '{label.column}'",
            remedy="choose a method that keeps rows, as near-miss",
        )


def _thinned(found: Ready, context: Context) -> tuple[Design, Rows]:
    """The rows that a thinning keeps, in memory; all of them at the rate 1."""
    parts: list[Batch] = []
    numbers: list[NDArray[np.int64]] = []
    classes: list[NDArray[np.bool_]] = []
    with Selection(found.table, found.known, context, keep_ranks=False) as selection:
        selection.look()
        design = choose_design(selection.population, found.known, found.pilot, found.table, context)
        drawn = Drawn(design, found.pilot)
        for each in selection.candidates(design):
            y_true = is_positive(each.rows.column(design.label.column), design.label)
            log_score = drawn.log_score_of(each.rank)
            pi = np.where(y_true, design.pi_1(log_score), design.pi_0(log_score))
            at = np.flatnonzero(each.draws < pi)
            parts.append(each.rows if len(at) == len(y_true) else each.rows.take(at))
            numbers.append(each.number[at])
            classes.append(y_true[at])
    rows = Rows(tuple(parts), np.concatenate(numbers), np.concatenate(classes))
    for positive, word in ((True, "positives"), (False, "negatives")):
        if not (rows.y_true == positive).any():
            raise DataError(
                f"the thinning left no {word}",
                where=found.table.place,
                remedy="give a larger --rate",
            )
    return design, rows


def _wanted(method: Method, budget: Budget | None, y_true: NDArray[np.bool_]) -> int | None:
    """The number of rows wanted of the class that the method changes."""
    positives = int(y_true.sum())
    negatives = len(y_true) - positives
    if budget is None:
        return None
    if method.role == "under":
        return max(round(budget.negatives(positives, negatives)), 1)
    wanted = round(positives_wanted(method.name, budget.ratio or 0.0, positives, negatives))
    return max(wanted, positives + 1)
