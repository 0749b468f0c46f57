"""Where a pilot's plan would say nothing, and why."""

from __future__ import annotations

from typing import Any

from rebalance.core.wording import counted
from rebalance.steps.artifacts.pilot import Pilot

TOO_FEW = 20
SUSPICIOUS_AUC = 0.999


def withheld_plan(
    positives: int, roc_auc: float, sample_weight: str | None
) -> dict[str, Any] | None:
    """What is stored in place of a plan: the reason why there is none; None where there is one.

    positives : rows the pilot was fitted on. roc_auc : the pilot's, out of fold. sample_weight :
    the column that weighs its rows.
    """
    reason = _weighed(sample_weight) or _too_few(positives)
    if reason is None and roc_auc > SUSPICIOUS_AUC:
        reason = (
            f"the pilot tells the classes apart almost perfectly (AUC {roc_auc:.4f}): nothing can "
            "be planned by it"
        )
    return None if reason is None else {"withheld": reason}


def why_withheld(pilot: Pilot) -> str | None:
    """Why this pilot plans nothing; earlier versions planned by however few, and by weights."""
    reason: str | None = pilot.plan.get("withheld")
    return reason or _weighed(pilot.sample_weight) or _too_few(pilot.draw.positives)


def _weighed(column: str | None) -> str | None:
    if column is None:
        return None
    return (
        f"'{column}' weighs the rows: a few heavy ones may decide a fit, and what samples keep is "
        "not planned"
    )


def _too_few(positives: int) -> str | None:
    if positives >= TOO_FEW:
        return None
    saw = counted(positives, "positive")
    return f"the pilot saw {saw}: nothing can be planned by fewer than {TOO_FEW}"
