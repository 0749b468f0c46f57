"""What a pilot holds, of two classes or of many."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.kinds import Kind
from rebalance.learners.base import Reads
from rebalance.learners.engineered import encoder_of, recipe_of
from rebalance.storage.tables import FEATURE_TYPES

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


def one_row(reads: Reads) -> Columns:
    """A row of the columns that something reads, in which all values are missing."""
    encoder = encoder_of(reads)
    widths = {} if encoder is None else encoder.widths
    return {
        name: pa.nulls(1, FEATURE_TYPES.get(kind) or pa.list_(pa.float64(), widths[name]))
        for name, kind in reads.kinds.items()
    }


def require_finite(scores: NDArray[np.float64], *shape: int) -> None:
    """Check what was computed for one row, of parts that may not fit together.

    Raises
    ------
    ValueError : it has another shape, or is not finite.
    """
    if scores.shape != shape or not np.isfinite(scores).all():
        raise ValueError("its parts do not fit together")
