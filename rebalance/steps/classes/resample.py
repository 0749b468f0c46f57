"""table of many classes, thinned or whole -> matrix in memory -> kept rows and made rows"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rebalance.core.class_design import WAYS, ClassBudget, ClassDesign
from rebalance.core.classes import listed
from rebalance.core.design import UNIFORM, Budget
from rebalance.core.kinds import Kind
from rebalance.errors import DataError, FitError, UsageError
from rebalance.samplers.chains import share_budget
from rebalance.samplers.class_resampling import ClassOrder, rows_wanted
from rebalance.samplers.fitting import Resampled
from rebalance.samplers.imbalanced import Method
from rebalance.steps.artifacts.sealed import store_design
from rebalance.steps.classes.artifacts.drawn import ClassDrawn
from rebalance.steps.classes.ready import ClassReady, class_ready
from rebalance.steps.classes.resampled import ClassHeld, ClassResampleResult, ClassWork, Counts
from rebalance.steps.classes.sample import choose_class_design
from rebalance.steps.classes.selection import ClassSelection
from rebalance.steps.context import Context
from rebalance.steps.ready import Asked
from rebalance.steps.resampling.carried_out import carry_out, tell_unmade
from rebalance.steps.resampling.classic import Classic, check_options
from rebalance.steps.resampling.room import require_memory
from rebalance.steps.resampling.rows import choose_kinds
from rebalance.storage.tables import Batch, Table


def class_resample(
    wanted: Classic,
    context: Context,
    begun: tuple[Table, dict[str, Kind], list[str]] | None = None,
) -> ClassResampleResult:
    """Keep rows of each class, bit for bit and in input order, and write made ones after them.

    Methods that take rows away bring every class down to at most `--ratio` rows per row of the
    rarest; those that make rows raise every class until the largest has at most so many per row
    of it. Columns are as for two classes.

    Parameters
    ----------
    begun : the table, opened, its features by kind, and its columns that are none, where it turned
        out on the way that there are many classes.

    Raises
    ------
    UsageError : an impossible budget or setting, or more time or memory than is allowed.
    DataError : missing values, features of a kind that the method does not take, or a class with
        too few rows.
    FitError : the method found nothing to work on, or left nothing of a class.
    """
    method = wanted.chain.then
    if method is None:
        raise ValueError("a chain without a method of imbalanced-learn's")
    settings = method.settings(wanted.settings)
    check_options(wanted)
    asked, budget = class_budgets(wanted)
    found = class_ready(asked, context, (begun[0], 0) if begun is not None else None)
    if begun is None:
        kinds, no_features = choose_kinds(found, method, wanted, context)
    else:
        _, kinds, no_features = begun
    if wanted.chain.thinning is None:
        known = found.table.rows_if_known
        require_memory(found.table, known or found.table.rows_guessed(), method, context)
    design, rows = _thinned(found, context)
    counts = np.bincount(rows.codes, minlength=len(design.label))
    numbers = _wanted(method, budget, design, counts)
    require_memory(found.table, len(rows), method, context)
    order = ClassOrder(
        method, settings, design.label.values, numbers, wanted.asked.seed, context.threads
    )
    matrix, done = carry_out(
        order,
        wanted,
        rows,
        rows.codes,
        kinds,
        table=found.table,
        counts=design.counts,
        context=context,
    )
    kept, made = _check_done(order, done, rows, context)
    unmade = tell_unmade(no_features, method, context)
    work = ClassWork(wanted, found.table, design, rows, order, matrix, done, kept, made, unmade)
    content = ClassDrawn(work.design, None).to_json()
    work.write(content)
    store_design(content, found.design_output, wanted.output, context)
    return work.result


def class_budgets(wanted: Classic) -> tuple[Asked, ClassBudget | None]:
    """What is asked of the thinning, which keeps all where there is none; and of the method.

    Raises
    ------
    UsageError : a budget is missing, contradicts another, or does not say what becomes of each
        class.
    """
    asked = wanted.asked
    if asked.budget.rate is not None:
        raise UsageError(
            f"one --rate {asked.budget.rate:g} for all of many classes does not say what to keep "
            "of each",
            remedy=f"{WAYS}; or one class against all others with --positive VALUE",
        )
    rates = asked.class_rates
    # Rates of classes take the place of one rate.
    budget = asked.budget if rates is None else replace(asked.budget, rate=1.0)
    thin, then = share_budget(wanted.chain, budget)
    thinning = replace(
        asked,
        method=wanted.chain.thinning or UNIFORM,
        budget=Budget() if thin is None else replace(thin, rate=None),
        class_rates={} if thin is None else rates if thin.rate is not None else None,
        key=asked.key if thin else None,
    )
    if then is None:
        return thinning, None
    return thinning, ClassBudget(rates if then.rate is not None else None, then.rows, then.ratio)


def _thinned(found: ClassReady, context: Context) -> tuple[ClassDesign, ClassHeld]:
    """The rows that a thinning keeps, in memory; all of them where no class has a rate below 1."""
    parts: list[Batch] = []
    numbers: list[Counts] = []
    codes: list[Counts] = []
    with ClassSelection(found.table, found.known, context) as selection:
        selection.look()
        design = choose_class_design(
            selection.population, found.known, found.pilot, found.table, context
        )
        for each in selection.candidates(design):
            own = design.label.codes(each.rows.column(design.label.column))
            at = np.flatnonzero(each.draws < design.own_pi(own, each.rank))
            parts.append(each.rows if len(at) == len(own) else each.rows.take(at))
            numbers.append(each.number[at])
            codes.append(own[at])
    rows = ClassHeld(tuple(parts), np.concatenate(numbers), np.concatenate(codes))
    kept = np.bincount(rows.codes, minlength=len(design.label))
    gone = [design.label.values[place] for place in np.flatnonzero(kept == 0).tolist()]
    if gone:
        raise DataError(
            f"the thinning left no row of {listed(gone)}",
            where=found.table.place,
            remedy="give a larger --rate, CLASS=R for each class",
        )
    return design, rows


def _wanted(
    method: Method, budget: ClassBudget | None, design: ClassDesign, counts: Counts
) -> dict[int, int] | None:
    """The number of rows wanted of each class that the method changes; None if it cleans."""
    if budget is None:
        return None
    names = design.label.values
    if method.role != "under":
        return rows_wanted(method.name, budget.ratio or 0.0, names, counts)
    shares = budget.solve(design.label, counts.tolist())
    found = {
        place: max(round(share * int(counts[place])), 1)
        for place, share in enumerate(shares)
        if share < 1
    }
    found = {place: number for place, number in found.items() if number < counts[place]}
    if not found:
        there = int(counts.max()) / int(counts.min())
        raise UsageError(
            f"nothing is to be taken away: the largest class has {there:.6g} rows per row of the "
            f"rarest, and {method.name} takes rows away",
            remedy=f"give a --ratio below {there:.6g}"
            if there > 1
            else "all classes have as many rows: nothing is to be done",
        )
    return found


def _check_done(
    order: ClassOrder, done: Resampled, rows: ClassHeld, context: Context
) -> tuple[Counts, Counts]:
    """The rows kept and made of each class; says where another number came out than was wanted.

    Raises
    ------
    FitError : a class has no rows left.
    """
    kept = np.bincount(rows.codes[done.kept], minlength=len(order.names))
    made = np.bincount(done.made_codes, minlength=len(order.names))
    gone = [order.names[place] for place in np.flatnonzero(kept + made == 0).tolist()]
    if gone:
        raise FitError(
            f"{order.method.name} left no row of {listed(gone)}",
            remedy="change its parameters with --set, or choose another --method",
        )
    if order.method.role in ("over", "under"):
        off = [
            f"{order.names[place]} {kept[place] + made[place]:,} for {number:,}"
            for place, number in (order.wanted or {}).items()
            if abs(kept[place] + made[place] - number) > number / 100
        ]
        if off:
            context.note(f"{order.method.name} came to other numbers than wanted: {listed(off)}")
    return kept, made
