"""What a pilot holds, of two classes or of many."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeVar

import pyarrow as pa

from rebalance.core.kinds import Kind
from rebalance.learners.base import Reads
from rebalance.learners.engineered import recipe_of

if TYPE_CHECKING:
    from rebalance.core.recipes import Recipe

Columns = Mapping[str, pa.Array]


F = TypeVar("F", bound=Reads)


@dataclass(frozen=True)
class StoredPilot(Generic[F]):
    """A cheap model of the population, with the bytes that it was read from.

    columns : the types of all columns of the table it was made from, as Arrow names them; empty in
        a pilot of a version that did not store them.
    """

    content: bytes
    learner: str
    fitted: F
    drop: tuple[str, ...]
    key: str | None
    sample_weight: str | None
    columns: Mapping[str, str]

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The columns it reads, by kind."""
        return self.fitted.kinds

    @property
    def recipe(self) -> Recipe | None:
        """What it makes features by; None where all of them are columns."""
        return recipe_of(self.fitted)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the artifact's bytes."""
        return hashlib.sha256(self.content).hexdigest()

    def surprises(self, columns: Columns) -> dict[str, int]:
        """Values for which training left no place, by column."""
        return self.fitted.surprises(columns)
