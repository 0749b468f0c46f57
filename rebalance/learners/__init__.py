"""What can be trained: one file a learner behind one small interface."""

from __future__ import annotations

from rebalance.errors import UsageError, nearest
from rebalance.learners.base import Learner, Settings
from rebalance.learners.gbm import GradientBoosting
from rebalance.learners.logistic import Logistic
from rebalance.learners.penalties import check_penalty

LEARNERS: dict[str, Learner] = {
    learner.name: learner for learner in (Logistic(), GradientBoosting())
}


def get_learner(name: str, settings: Settings | None = None) -> Learner:
    """The learner of this name, once sure that it knows every setting that was given.

    Raises
    ------
    UsageError : no such learner, or a setting that is not its.
    """
    if name not in LEARNERS:
        raise UsageError(f"there is no learner '{name}'", remedy=nearest(name, LEARNERS))
    learner = LEARNERS[name]
    for setting in ("l1", "l2", "cross_validate", "robust", "rounds", "learning_rate", "leaves"):
        if getattr(settings, setting, None) is not None and setting not in learner.accepts:
            option = "--" + setting.replace("_", "-")
            raise UsageError(
                f"{option} is no option of the learner '{name}'",
                remedy="leave it out, or choose another --model",
            )
    if settings is not None:
        check_penalty(settings)
    return learner
