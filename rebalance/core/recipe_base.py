"""What features of a recipe that are made of one column have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rebalance.core.kinds import Kind


@dataclass(frozen=True)
class OfOneColumn:
    """One number made of one column, with nothing to learn, unless said otherwise."""

    name: str
    source: str

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns it is made of."""
        return (self.source,)

    @property
    def kinds(self) -> dict[str, Kind]:
        """The features that it gives, by kind."""
        return {self.name: "number"}

    @property
    def learned(self) -> dict[str, Any]:
        """What it learned of a table, as JSON."""
        return {}
