"""what the user said of a pilot + the table and its features -> what is to be fitted"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rebalance.learners.base import Settings
from rebalance.steps.recipes import Engineering
from rebalance.storage.tables import Table


@dataclass(frozen=True)
class DrawOptions:
    """What the user chose of the draw."""

    size: int
    positive: str | None
    sample_weight: str | None
    seed: int


@dataclass(frozen=True)
class PilotTask:
    """Where the rows came from, and what the user chose.

    correction, plan : what is planned for, and the picture of it; of two classes only.
    """

    table: Table
    made: Engineering
    output: str
    model: str
    options: DrawOptions
    drop: Sequence[str]
    key: str | None
    settings: Settings
    correction: str | None = None
    plan: str | None = None
