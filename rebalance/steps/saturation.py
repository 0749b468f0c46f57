"""what a fit warned of, and rows on which a model is too sure -> what is said of them"""

from __future__ import annotations

from rebalance.core.wording import counted
from rebalance.learners.base import Reads
from rebalance.steps.artifacts.model import Model
from rebalance.steps.context import Context


def tell_fit(fitted: Reads, context: Context) -> None:
    """Say what the learner had to say of the fit."""
    for text in getattr(fitted, "notes", ()):
        context.note(text)


def tell_saturated(count: int, model: Model, context: Context) -> None:
    """Say on how many rows all trees agree, which are a probability of 0 or 1 by their votes."""
    if count:
        context.note(
            f"all trees of the {model.learner} agree on {counted(count, 'row')}, a probability of "
            "exactly 0 or 1: they count as half a vote from it, and cannot be told apart"
        )
