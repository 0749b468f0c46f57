"""Rows written in groups of one size, by a thread beside the one that makes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Protocol

import pyarrow as pa

from rebalance.errors import DataError
from rebalance.storage.ordinary import as_stored
from rebalance.storage.tables import Batch
from rebalance.storage.writing import about, beside

_GROUP_ROWS = 131_072  # filtered batches may be tiny, and tiny row groups are slow to read
_GROUP_BYTES = 128 << 20
_PIECE_ROWS = 16_384
_LEAST_PIECE, _WIDE_BYTES = 64, 256 << 20  # thousands of columns, of so many classes
_TEXT_BYTES, _NESTED_BYTES = 32, 64  # of a value in memory, at a guess


class OutputFile(Protocol):
    """A file of one format, open for writing."""

    def put(self, group: pa.Table) -> None:
        """Write rows as one group."""

    def end(self) -> None:
        """Write what stands at the end of a file, and close it."""


OpenFile = Callable[[pa.Table, Mapping[str, str]], OutputFile]
"""Opens a file for rows like the first group's, with key-value metadata."""


def group_rows(row_bytes: float) -> int:
    """The rows of a group, for rows of so many bytes in memory.

    >>> group_rows(200), group_rows(4_000), group_rows(1_000_000)
    (131072, 32768, 256)
    """
    size = piece_rows(row_bytes)
    pieces = min(_GROUP_ROWS, int(_GROUP_BYTES / max(row_bytes, 1))) // size
    return max(pieces, 1) * size


def piece_rows(row_bytes: float) -> int:
    """The rows of the pieces that groups are made of: fewer where rows are very wide.

    >>> piece_rows(200), piece_rows(1_000_000), piece_rows(160_000_000)
    (16384, 256, 64)
    """
    size = _PIECE_ROWS
    while size > _LEAST_PIECE and size * row_bytes > _WIDE_BYTES:
        size //= 2
    return size


class GroupedWriter:
    """Holds rows until a group is full; its size depends on the columns' types alone.

    So the bytes do not depend on how the rows came. While one group is encoded, in a thread, the
    next is filled; what goes wrong in the thread is raised here with the next rows or at the end.
    `types` are those, by column, that rows had before they were read as ordinary ones.
    """

    def __init__(self, output: str, open_file: OpenFile, types: Mapping[str, pa.DataType]) -> None:
        self._output = output
        self._open_file = open_file
        self._types = types
        self._metadata: dict[str, str] = {}
        self._file: OutputFile | None = None
        self._schema: pa.Schema | None = None
        self._held: list[pa.RecordBatch] = []
        self._pieces: list[pa.RecordBatch] = []
        self._group: list[pa.RecordBatch] = []
        self._count = 0
        self._rows, self._piece = _GROUP_ROWS, _PIECE_ROWS
        self._pool = ThreadPoolExecutor(1) if pa.cpu_count() > 1 else None
        self._pending: Future[None] | None = None

    def describe(self, metadata: Mapping[str, str]) -> None:
        """Add key-value metadata, before the first rows."""
        self._metadata |= metadata

    def write(self, batch: Batch | None, extra: Mapping[str, pa.Array] | None = None) -> None:
        """Append rows.

        Raises
        ------
        DataError : there is no room, or the format cannot hold a column.
        """
        rows = beside(batch.typed() if batch is not None else None, extra)
        if self._schema is None:
            self._schema = rows.schema
            width = sum(map(_width, rows.schema.types))
            self._rows, self._piece = group_rows(width), piece_rows(width)
        self._held.append(rows.cast(self._schema) if rows.schema != self._schema else rows)
        self._count += rows.num_rows
        while self._count >= self._piece:
            self._cut(self._piece)

    def finish(self) -> None:
        """Write the rows that are left, and the end of the file.

        Raises
        ------
        DataError : there were no rows, or see `write`.
        """
        if self._count:
            self._cut(self._count)
        if self._pieces:
            self._send()
        self._wait()
        if self._file is None:
            raise DataError(
                "there are no rows to write",
                where=f"file '{self._output}'",
                remedy="check the input",
            )
        with about(self._output):
            self._file.end()

    def close(self) -> None:
        """Let go of the thread and the file."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        if self._file is not None:
            with suppress(OSError, pa.ArrowException):  # closed already, or nobody wants it
                self._file.end()

    def _cut(self, count: int) -> None:
        """Make one piece of the first rows held: groups always consist of the same pieces."""
        table = pa.Table.from_batches(self._held)
        piece = table.slice(0, count).unify_dictionaries().combine_chunks()
        self._pieces += piece.to_batches()
        self._held = table.slice(count).to_batches()
        self._count -= count
        if len(self._pieces) * self._piece >= self._rows:
            self._send()

    def _send(self) -> None:
        """Give a group to the thread."""
        self._wait()
        self._group, self._pieces = self._pieces, []
        if self._pool is None:
            self._put()
        else:
            self._pending = self._pool.submit(self._put)

    def _wait(self) -> None:
        if self._pending is not None:
            self._pending.result()

    def _put(self) -> None:
        stored = [as_stored(rows, self._types) for rows in self._group]
        group = pa.Table.from_batches(stored).unify_dictionaries()
        with about(self._output):
            if self._file is None:
                self._file = self._open_file(group, self._metadata)
            self._file.put(group)


def _width(dtype: pa.DataType) -> float:
    try:
        return int(dtype.bit_width) / 8
    except ValueError:  # of no fixed width
        return _NESTED_BYTES if pa.types.is_nested(dtype) else _TEXT_BYTES
