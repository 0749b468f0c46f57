"""--curriculum and --two-stage -> what is said of the stages that were fitted"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rebalance.learners.base import Settings
from rebalance.steps.artifacts.drawn import Drawn
from rebalance.steps.context import Context

# Of all rows, up to rounding.
_ALL = 1 - 1e-9


def asked_stages(settings: Settings) -> str | None:
    """The option that asks for stages, where one does."""
    if settings.curriculum:
        return "--curriculum"
    return "--two-stage" if settings.two_stage else None


def tell_balanced_again(settings: Settings, drawn: Drawn | None, context: Context) -> None:
    """Say that stages balance rows whose number was changed, by probabilities nobody knows."""
    asked = asked_stages(settings)
    if asked is None or drawn is None or drawn.design.correctable:
        return
    context.note(
        f"{asked} balances the classes of a {drawn.design.method} sample again, made or cleaned "
        f"rows and all: better is the whole table, or a sample of --method uniform or nonuniform"
    )


def tell_stages(summary: Mapping[str, Any], settings: Settings, context: Context) -> None:
    """Say where the second stage has no rounds."""
    stages = summary.get("stages", ())
    if settings.two_stage and len(stages) == 2 and not stages[1]["rounds"]:
        context.note(
            "the second stage has no rounds: on balanced rows held out none lessens the loss, and "
            "the model is that without --two-stage"
        )


def stages_shown(stages: Sequence[Mapping[str, Any]]) -> str:
    """The stages in one line.

    >>> stages_shown([{"rounds": 9, "share_of_positives": 1.0, "share_of_negatives": 0.05},
    ...               {"rounds": 8, "share_of_positives": 1.0, "share_of_negatives": 1.0}])
    '2: 9 rounds of 0.05 of the negatives, 8 of all rows'
    """
    found = []
    for number, each in enumerate(stages):
        shares = {name: each[f"share_of_{name}"] for name in ("positives", "negatives")}
        parts = [f"{share:.3g} of the {name}" for name, share in shares.items() if share < _ALL]
        word = "" if number else f" round{'s' * (each['rounds'] != 1)}"
        found.append(f"{each['rounds']:,}{word} of {' and '.join(parts) or 'all rows'}")
    return f"{len(stages)}: {', '.join(found)}"
