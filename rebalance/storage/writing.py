"""What the writers of all formats have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

import pyarrow as pa

from rebalance.storage.atomic import cannot_write
from rebalance.storage.tables import Batch


class Writer(Protocol):
    """Takes batches of the user's columns and new ones beside them."""

    def describe(self, metadata: Mapping[str, str]) -> None:
        """Add key-value metadata, before the first rows; for formats that have a place for it."""

    def write(self, batch: Batch | None, extra: Mapping[str, pa.Array] | None = None) -> None:
        """Append rows: the batch's columns first, if any, then the new ones in their order."""


class OpenWriter(Writer, Protocol):
    """A writer as those see it who opened it."""

    def finish(self) -> None:
        """Write what is still held; everything is on its way to the disk then."""

    def close(self) -> None:
        """Let go of threads and files, whether it was finished or not."""


@contextmanager
def about(output: str) -> Iterator[None]:
    """Say of an error which output it is about; a closed pipe is not an error."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as exc:
        raise cannot_write(output, exc) from exc


def beside(rows: pa.RecordBatch | None, extra: Mapping[str, pa.Array] | None) -> pa.RecordBatch:
    """Rows with new columns after their own."""
    if rows is None:
        return pa.RecordBatch.from_pydict(dict(extra or {}))
    for name, array in (extra or {}).items():
        rows = rows.append_column(name, array)
    return rows
