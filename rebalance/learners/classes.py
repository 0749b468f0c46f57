"""What can be trained on a label of many classes."""

from __future__ import annotations

from rebalance.errors import UsageError
from rebalance.learners import get_learner, imported
from rebalance.learners.base import Settings
from rebalance.learners.catalogue import ENTRIES, entry_of
from rebalance.learners.class_base import ClassLearner


def get_class_learner(name: str, settings: Settings | None = None) -> ClassLearner:
    """The learner of many classes of this name, once sure that it knows every setting given.

    Raises
    ------
    UsageError : no such learner, or a setting that is not its.
    """
    get_learner(name, settings)
    for setting in ("l1", "cross_validate", "robust", "curriculum", "two_stage"):
        if getattr(settings, setting, None):
            raise UsageError(
                f"--{setting.replace('_', '-')} is for two classes",
                remedy="leave it out, or choose one class with --positive",
            )
    entry = entry_of(name)
    if entry.of_classes is None:
        others = [each.name for each in ENTRIES.values() if each.of_classes is not None]
        raise UsageError(
            f"the learner '{name}' knows two classes only",
            remedy=f"choose --model {' or '.join(others)}, or one class with --positive",
        )
    learner: ClassLearner = imported(entry.of_classes, entry)
    return learner
