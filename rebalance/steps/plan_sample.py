"""table + what is asked of a sample -> what it will take, before any of it is drawn"""

from __future__ import annotations

import math
from dataclasses import replace

from rebalance.core.design import LOCAL, UNIFORM, Budget
from rebalance.core.labels import LabelCounter, choose_label
from rebalance.samplers.chains import share_budget
from rebalance.steps.classes.oversample import all_kept
from rebalance.steps.classes.plan import plan_class_sample
from rebalance.steps.classes.ready import class_ready
from rebalance.steps.classes.resample import class_budgets
from rebalance.steps.context import Context
from rebalance.steps.plan import Plan, plan_table, stored_bytes
from rebalance.steps.ready import NEED, Asked, asks_for_classes, ready
from rebalance.steps.resampling.classic import Classic, check_options
from rebalance.steps.resampling.copies import check_repeating
from rebalance.steps.resampling.room import memory_of
from rebalance.steps.resampling.rows import choose_kinds
from rebalance.storage.tables import Table, located

# The columns that a sample adds; of a uniform one, all but the row's number take next to nothing.
_ADDED_BYTES, _ROW_BYTES = 32, 8


def plan_sample(asked: Asked, context: Context) -> Plan:
    """What `sample` would do; reads no more than the first rows.

    Raises
    ------
    UsageError, DataError, ArtifactError : whatever `sample` would find before it reads the table.
    """
    if asks_for_classes(asked):
        return plan_class_sample(asked, context)
    found = ready(asked, context)
    known, table = found.known, found.table
    if found.pilot is not None:
        share = 1.0 / (1.0 + math.exp(-found.pilot.population_log_odds))
        classes_from = "the share that the pilot saw"
    else:
        share, classes_from = _first_share(table, known.column, known.positive)
    plan = plan_table(table, NEED, context)
    positives = round(share * plan.rows)
    negatives = plan.rows - positives
    wanted = known.terms.budget.negatives(positives, negatives)
    if known.joined is not None:  # the pilot's own that are not drawn anyway
        wanted += known.joined.rate * (negatives - wanted)
    kept = positives + round(wanted)
    added = _ROW_BYTES if known.terms.uniform else _ADDED_BYTES
    return replace(
        plan,
        positives=positives,
        classes_from=classes_from,
        expected_rows=kept,
        expected_negatives=round(wanted),
        at_most=known.sampler.score == LOCAL or None,
        output_bytes=round(kept * (stored_bytes(table, asked.output) + added)),
    )


def _first_share(table: Table, column: str, positive: str | None) -> tuple[float, str]:
    """The share of positives in the first rows."""
    counter = LabelCounter(column)
    first = next(table.batches([column]))
    counter.add(first.column(column), first.start)
    with located(table.place):
        label = choose_label(column, counter.counts, positive)
    share = counter.counts[label.positive] / len(first)
    return share, f"the share in the first {len(first):,} rows"


def plan_classic(wanted: Classic, context: Context) -> Plan:
    """What a classic method would do; reads no more than the first rows.

    After a thinning, the memory is that of the thinning: its rows are not known yet.

    Raises
    ------
    UsageError, DataError, ArtifactError : whatever would be found before the table is read.
    """
    if wanted.chain.then is None:
        check_repeating(wanted.asked)
    else:
        check_options(wanted)
    if asks_for_classes(wanted.asked):
        return _plan_classes(wanted, context)
    thin, _ = share_budget(wanted.chain, wanted.asked.budget)
    asked = replace(
        wanted.asked,
        method=wanted.chain.thinning or UNIFORM,
        budget=thin or Budget(rate=1.0),
        key=wanted.asked.key if thin else None,
    )
    found = ready(asked, context)
    plan = plan_table(found.table, NEED, context)
    if wanted.chain.then is None or thin is not None:
        return plan
    wanted.chain.then.settings(wanted.settings)
    choose_kinds(found, wanted.chain.then, wanted, context)
    return replace(plan, memory_bytes=memory_of(found.table, plan.rows, wanted.chain.then))


def _plan_classes(wanted: Classic, context: Context) -> Plan:
    """The same where many classes are asked for."""
    method = wanted.chain.then
    if method is None:
        share_budget(wanted.chain, wanted.asked.budget)
        asked = all_kept(wanted.asked)
    else:
        asked, _ = class_budgets(wanted)
    found = class_ready(asked, context)
    plan = plan_table(found.table, found.need, context)
    if method is None:
        return plan
    method.settings(wanted.settings)
    choose_kinds(found, method, wanted, context)
    if wanted.chain.thinning is not None:
        return plan
    return replace(plan, memory_bytes=memory_of(found.table, plan.rows, method))
