"""what is known of ways before they are fitted, and of the winner when they are"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rebalance.core.kinds import Kind
from rebalance.errors import RebalanceError
from rebalance.steps.compare.recipes import Recipe
from rebalance.steps.compare.results import Place
from rebalance.steps.compare.ways import Way
from rebalance.steps.context import Context
from rebalance.steps.resampling.rows import check_kinds
from rebalance.storage.tables import Table


def refused_at_once(
    recipes: Mapping[Way, Recipe], table: Table, kinds: Mapping[str, Kind]
) -> dict[Way, str]:
    """The ways that kinds of columns or numbers of rows rule out, with the reason."""
    seen = {name: kind for name, kind in kinds.items() if kind != "time"}
    found = {}
    for way, recipe in recipes.items():
        try:
            _ = recipe.budget
            chain = recipe.in_memory
            if chain is not None and chain.then is not None:
                check_kinds(table, seen, chain.then)
        except RebalanceError as exc:
            found[way] = reason(exc)
    return found


def reason(exc: RebalanceError) -> str:
    """Why a way refuses, in one line; not where, which is a file that is gone."""
    taken, too_long, limit = exc.what.partition(": more than --max-time ")
    if too_long:  # the time was what the budget left for it
        left = float(limit.partition(" ")[0])
        return f"{taken}: more than the {left:.2g} s that were left for it"
    return f"{exc.what}; {exc.remedy}" if exc.remedy else exc.what


def tell_repeated(option: str, names: Sequence[str], context: Context) -> None:
    """Say which names are given more than once: each is one way, or there is nothing to compare."""
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        listed = ", ".join(f"'{name}'" for name in twice)
        context.note(f"{option} names {listed} more than once: it is compared once")


def tell_winner(best: Place, context: Context) -> None:
    """Say where the winner's probabilities are too large or too small by more than noise."""
    found = best.metrics["predicted_over_observed"]
    if found.high < 1 or found.low > 1:
        context.note(
            f"predicted/observed of the best, {best.way.name}, is {found.mean:.3g} "
            f"({found.low:.3g} to {found.high:.3g}), which is not 1: 'train' with --calibrate-on "
            "TABLE --recalibrate platt makes its probabilities true"
        )
