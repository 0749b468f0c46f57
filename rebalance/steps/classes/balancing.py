"""options about the balanced error -> how to train for it"""

from __future__ import annotations

from dataclasses import dataclass

from rebalance.errors import UsageError


@dataclass(frozen=True)
class Balancing:
    """How the user asked for a model about the balanced error: the option's name, and tau."""

    name: str
    tau: float


def balancing_of(logit_adjustment: float | None, *, balanced_softmax: bool) -> Balancing | None:
    """What the options ask for.

    Raises
    ------
    UsageError : both are given.
    """
    if balanced_softmax and logit_adjustment is not None:
        raise UsageError(
            "--logit-adjustment and --balanced-softmax contradict each other",
            remedy="give one; --balanced-softmax is --logit-adjustment 1",
        )
    if balanced_softmax:
        return Balancing("balanced softmax", 1.0)
    return None if logit_adjustment is None else Balancing("logit adjustment", logit_adjustment)


def refuse_balancing(balancing: Balancing | None, column: str) -> None:
    """Say why a model of two classes is not balanced.

    Raises
    ------
    UsageError : it was asked for.
    """
    if balancing is not None:
        raise UsageError(
            f"{balancing.name} is for many classes, and '{column}' has a positive value: there it "
            "would move the threshold, and nothing else",
            remedy="leave it out, and take the positives' share as the threshold "
            "('evaluate --threshold')",
        )
