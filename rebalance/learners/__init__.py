"""What can be trained: one file a learner behind one small interface."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from rebalance.core.parameters import read_parameters
from rebalance.errors import UsageError
from rebalance.learners.base import Learner, Settings
from rebalance.learners.catalogue import Entry, entry_of, option_of

# Settings that mean something to some learners only, by the names of `learners.base.Settings`.
OF_SOME = (
    "l1", "l2", "cross_validate", "robust", "rounds", "learning_rate", "leaves", "curriculum",
    "two_stage",
)  # fmt: skip


def get_learner(name: str, settings: Settings | None = None) -> Learner:
    """The learner of this name, once sure that it knows every setting that was given.

    Its module is imported when asked for: to score rows by one learner the others are not needed.

    Raises
    ------
    UsageError : no such learner, or a setting that is not its.
    """
    entry = entry_of(name)
    learner: Learner = imported(entry.path, entry)
    for setting in OF_SOME:
        if getattr(settings, setting, None) is not None and setting not in learner.accepts:
            raise UsageError(
                f"{option_of(setting)} is no option of the learner '{name}'",
                remedy="leave it out, or choose another --model",
            )
    if settings is not None and settings.gamma is not None and "gamma" not in learner.accepts:
        raise UsageError(
            f"the learner '{name}' has no focal loss",
            remedy="leave --loss out, or choose --model gbm or logistic",
        )
    if settings is not None:
        read_parameters(name, entry.parameters, settings.given)
        from rebalance.learners.penalties import check_penalty

        check_penalty(settings)
        from rebalance.learners.staged import check_staged

        check_staged(settings)
    return learner


def imported(path: tuple[str, str], entry: Entry) -> Any:
    """The learner in a module below this one, by the module's name and the class's."""
    kind = getattr(import_module(f"rebalance.learners.{path[0]}"), path[1])
    return kind() if entry.name in _WITHOUT_ENTRY else kind(entry)


_WITHOUT_ENTRY = ("logistic", "gbm")
