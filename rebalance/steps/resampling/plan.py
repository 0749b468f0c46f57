"""table + a method that works in memory -> what it will take, before any of it is done"""

from __future__ import annotations

from dataclasses import replace

from rebalance.core.design import UNIFORM, Budget
from rebalance.samplers.chains import share_budget
from rebalance.steps.classes.oversample import all_kept
from rebalance.steps.classes.ready import class_ready
from rebalance.steps.classes.resample import class_budgets
from rebalance.steps.context import Context
from rebalance.steps.plan import Plan, plan_table
from rebalance.steps.ready import NEED, is_of_classes, ready
from rebalance.steps.resampling.classic import Classic, check_options
from rebalance.steps.resampling.copies import check_repeating
from rebalance.steps.resampling.room import memory_of
from rebalance.steps.resampling.rows import choose_kinds


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
    if is_of_classes(wanted.asked):
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
