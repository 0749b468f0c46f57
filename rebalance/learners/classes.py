"""What can be trained on a label of many classes."""

from __future__ import annotations

from rebalance.errors import UsageError
from rebalance.learners import get_learner
from rebalance.learners.base import Settings
from rebalance.learners.class_base import ClassLearner
from rebalance.learners.gbm_classes import ClassBoosting
from rebalance.learners.multinomial import Multinomial

CLASS_LEARNERS: dict[str, ClassLearner] = {
    learner.name: learner for learner in (Multinomial(), ClassBoosting())
}


def get_class_learner(name: str, settings: Settings | None = None) -> ClassLearner:
    """The learner of many classes of this name, once sure that it knows every setting given.

    Raises
    ------
    UsageError : no such learner, or a setting that is not its.
    """
    known = get_learner(name, settings).name
    for setting in ("l1", "cross_validate", "robust", "curriculum", "two_stage"):
        if getattr(settings, setting, None):
            raise UsageError(
                f"--{setting.replace('_', '-')} is for two classes",
                remedy="leave it out, or choose one class with --positive",
            )
    if known not in CLASS_LEARNERS:
        raise UsageError(
            f"the learner '{known}' knows two classes only",
            remedy=f"choose --model {' or '.join(CLASS_LEARNERS)}, or one class with --positive",
        )
    return CLASS_LEARNERS[known]
