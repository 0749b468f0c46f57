"""What a step needs of its surroundings: somebody to tell things to, and how many threads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rebalance.storage.tables import Batch


@dataclass
class Context:
    """Collects what a step has to say; the command line shows it as it comes."""

    threads: int | None = None
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Say one thing that the user should know."""
        self.notes.append(text)

    def track(
        self,
        batches: Iterable[Batch],
        description: str,
        rows: int,
    ) -> Iterator[Batch]:
        """Pass the batches on, counting rows for whoever watches."""
        yield from batches
