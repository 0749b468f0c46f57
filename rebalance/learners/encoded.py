"""What a model of encoded columns reads, of two classes or of many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from rebalance.core.encoding import Encoder
from rebalance.core.kinds import Kind

# Levels seen in fewer rows are pooled, as are those beyond so many.
LEVEL_ROWS = 20
MAX_LEVELS = 100


@dataclass(frozen=True)
class Encoded:
    """Reads all columns that its encoder learned."""

    encoder: Encoder

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The columns it reads, by kind."""
        return self.reading.reads

    @property
    def left_out(self) -> Mapping[str, str]:
        """The columns it was given and does not use, with the reason."""
        return self.reading.left_out

    @property
    def reading(self) -> Encoder:
        """The encoder of the columns that are read."""
        return self.encoder

    def surprises(self, columns: Mapping[str, pa.Array]) -> dict[str, int]:
        """Values for which training left no place, by column: they count as the usual ones."""
        return self.reading.surprises(columns)
