"""What is asked of a contest, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rebalance.steps.compare.results import Place
from rebalance.steps.compare.ways import FAST, FULL

DEFAULT_FOLDS = 5
DEFAULT_RATIO = 5.0
DEFAULT_PRECISION = 0.5
# Seconds, by preset.
DEFAULT_BUDGETS = {FAST: 120.0, FULL: 3600.0}
DOCUMENT_FORMAT = 1


@dataclass(frozen=True)
class CompareAsked:
    """What the user wants compared.

    methods, learners : empty for the preset's. ratio : negatives per positive that samplers keep or
    make. precision : at which recall is measured. budget : seconds; None for the preset's.
    """

    inputs: Sequence[str]
    label: str
    preset: str = FAST
    methods: Sequence[str] = ()
    learners: Sequence[str] = ()
    budget: float | None = None
    folds: int = DEFAULT_FOLDS
    ratio: float = DEFAULT_RATIO
    precision: float = DEFAULT_PRECISION
    rank_by: str = "log_loss"
    key: str | None = None
    time: str | None = None
    positive: str | None = None
    drop: tuple[str, ...] = ()
    uncorrected: bool = False
    seed: int = 0
    state: str | None = None
    plot: str | None = None
    clobber: bool = True


@dataclass(frozen=True)
class Fold:
    """The rows of a fold."""

    train_rows: int
    train_positives: int
    test_rows: int
    test_positives: int


@dataclass(frozen=True)
class Missed:
    """A way that was not measured on all folds, and why."""

    way: str
    folds: int
    reason: str


@dataclass(frozen=True)
class CompareResult:
    """The ranked ways, those that were not or not wholly run, and the winner's commands."""

    asked: CompareAsked
    positive: str
    rows: int
    positives: int
    folds: tuple[Fold, ...]
    budget: float
    seconds: float
    places: tuple[Place, ...]
    missed: tuple[Missed, ...]
    commands: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        asked = self.asked
        return {
            "compare_format": DOCUMENT_FORMAT,
            "label": asked.label,
            "positive": self.positive,
            "rows": self.rows,
            "positives": self.positives,
            "folds_by": "key" if asked.key else "time" if asked.time else "row",
            "folds": [vars(each) for each in self.folds],
            "ratio": asked.ratio,
            "precision": asked.precision,
            "ranked_by": asked.rank_by,
            "seed": asked.seed,
            "budget": self.budget,
            "seconds": self.seconds,
            "ways": [each.document() for each in self.places],
            "missed": [vars(each) for each in self.missed],
            "winner": {
                "method": self.places[0].way.typed,
                "learner": self.places[0].way.learner,
                "commands": list(self.commands),
            },
        }
