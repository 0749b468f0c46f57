"""What a step needs of its surroundings: somebody to tell things to, and how many threads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from dataclasses import dataclass, field
from typing import TypeVar

from rebalance.storage.reading import USUAL, Reading

Counted = TypeVar("Counted", bound=Sized)


@dataclass
class Context:
    """Collects what a step has to say; the command line shows it as it comes."""

    threads: int | None = None
    reading: Reading = USUAL
    memory_limit: int | None = None
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Say one thing that the user should know."""
        self.notes.append(text)

    def track(
        self,
        things: Iterable[Counted],
        description: str,
        rows: int | None,
    ) -> Iterator[Counted]:
        """Pass batches on, counting their rows for whoever watches; `rows` are all, if known."""
        yield from things
