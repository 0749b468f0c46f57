"""How the rounds of a gbm follow each other: all alike, by a curriculum, or in two stages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rebalance.errors import UsageError
from rebalance.learners.base import Floats, Settings
from rebalance.learners.boosting import Boosting
from rebalance.learners.curriculum import Curriculum, Stage
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


def trees_of(
    fits: Boosting | Curriculum | TwoStage, rounds: int
) -> tuple[str, tuple[Mapping[str, Any], ...]]:
    """The trees as LightGBM's text, and as JSON the stages that they are of; none of all alike."""
    if isinstance(fits, Boosting):
        return fits.text(rounds), ()
    text, stages = fits.trees(rounds)
    return text, tuple(_document(each) for each in stages)


def _document(stage: Stage) -> dict[str, Any]:
    """So many rounds, fitted to these shares of either class."""
    return {
        "rounds": stage.rounds,
        "share_of_positives": float(stage.pi_1),
        "share_of_negatives": float(stage.pi_0),
    }
