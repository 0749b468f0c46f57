"""How the rounds of a gbm follow each other: all alike, by a curriculum, or in two stages."""

from __future__ import annotations

from rebalance.errors import UsageError
from rebalance.learners.base import Floats, Settings
from rebalance.learners.boosting import Boosting
from rebalance.learners.curriculum import Curriculum
from rebalance.learners.two_stage import TwoStage


def check_staged(settings: Settings) -> None:
    """Check that one way is asked for at most.

    Raises
    ------
    UsageError : two at once, or one with the focal loss, whose scores take no offset.
    """
    asked = "--curriculum" if settings.curriculum else "--two-stage" if settings.two_stage else None
    if asked is not None and settings.gamma:
        raise UsageError(
            f"{asked} fits the log loss, and --loss asks for the focal one", remedy="choose one"
        )
    if settings.curriculum and settings.two_stage:
        raise UsageError(
            "--curriculum and --two-stage are two ways to balance the rounds", remedy="choose one"
        )


def staged(
    boosting: Boosting, draws: Floats, settings: Settings
) -> Boosting | Curriculum | TwoStage:
    """What finds the number of rounds and fits them, as the settings say."""
    if settings.curriculum:
        return Curriculum(boosting, draws)
    return TwoStage(boosting, draws) if settings.two_stage else boosting
