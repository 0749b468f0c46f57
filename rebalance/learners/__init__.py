"""What can be trained: one file a learner behind one small interface."""

from __future__ import annotations

from importlib import import_module

from rebalance.errors import UsageError, nearest
from rebalance.learners.base import Learner, Settings

# Imported when asked for: to score rows by one learner the others are not needed.
LEARNERS = {"logistic": "Logistic", "gbm": "GradientBoosting"}


def get_learner(name: str, settings: Settings | None = None) -> Learner:
    """The learner of this name, once sure that it knows every setting that was given.

    Raises
    ------
    UsageError : no such learner, or a setting that is not its.
    """
    if name not in LEARNERS:
        raise UsageError(f"there is no learner '{name}'", remedy=nearest(name, LEARNERS))
    learner: Learner = getattr(import_module(f"rebalance.learners.{name}"), LEARNERS[name])()
    for setting in (
        "l1", "l2", "cross_validate", "robust", "rounds", "learning_rate", "leaves", "curriculum",
        "two_stage",
    ):  # fmt: skip
        if getattr(settings, setting, None) is not None and setting not in learner.accepts:
            option = "--" + setting.replace("_", "-")
            raise UsageError(
                f"{option} is no option of the learner '{name}'",
                remedy="leave it out, or choose another --model",
            )
    if settings is not None and settings.gamma is not None and "gamma" not in learner.accepts:
        raise UsageError(
            f"the learner '{name}' has no focal loss",
            remedy="leave --loss out, or choose --model gbm or logistic",
        )
    if settings is not None:
        from rebalance.learners.penalties import check_penalty

        check_penalty(settings)
        from rebalance.learners.staged import check_staged

        check_staged(settings)
    return learner
