"""Text files, open for writing: lines are made in several threads and written in order."""

from __future__ import annotations

import bz2
import gzip
import sys
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import pyarrow as pa

from rebalance.core.arrays import texts_to_arrow
from rebalance.storage.tables import Batch
from rebalance.storage.writing import about, beside

_ROWS_AT_ONCE = 16_384
_AHEAD = 2  # parts that a thread may be ahead of the disk
_PACKED_AT_ONCE = 1 << 20  # bytes; packed in pieces of one size, they do not depend on the batches


class _Stream(Protocol):
    def write(self, text: bytes | memoryview, /) -> int | None: ...

    def close(self) -> None: ...


class TextForm(Protocol):
    """How rows are written as lines."""

    def head(self, names: list[str]) -> pa.Array:
        """The lines before the rows, with their ends."""

    def rows(self, batch: Batch) -> pa.RecordBatch:
        """The user's columns, with the values that are written."""

    def lines(self, rows: pa.RecordBatch) -> pa.Array:
        """One line for each row, with its end, as large strings without nulls."""


class TextWriter:
    """Writes lines to a file, packed where its name says so, or to standard output."""

    def __init__(self, path: Path | None, output: str, form: TextForm) -> None:
        self._output = output if path is not None else "standard output"
        self._form = form
        self._started = False
        self._is_file = path is not None
        self._packing = Path(output).suffix.lower() if path is not None else ""
        self._tail = b""
        with about(self._output):
            self._raw: BinaryIO = path.open("wb") if path is not None else sys.stdout.buffer
            self._stream = _packed(self._raw, self._packing)
        self._pool = ThreadPoolExecutor(pa.cpu_count()) if pa.cpu_count() > 1 else None
        self._waiting: deque[Future[pa.Array]] = deque()

    def describe(self, metadata: Mapping[str, str]) -> None:
        """Text has no place for metadata."""

    def write(self, batch: Batch | None, extra: Mapping[str, pa.Array] | None = None) -> None:
        """Append rows.

        Raises
        ------
        DataError : there is no room, or text cannot hold a column.
        """
        rows = beside(self._form.rows(batch) if batch is not None else None, extra)
        if not self._started:
            self._send(self._form.head(rows.schema.names))
            self._started = True
        for start in range(0, rows.num_rows, _ROWS_AT_ONCE):
            part = rows.slice(start, _ROWS_AT_ONCE)
            if self._pool is None:
                self._send(self._form.lines(part))
                continue
            self._waiting.append(self._pool.submit(self._form.lines, part))
            while len(self._waiting) > pa.cpu_count() * _AHEAD:
                self._send(self._waiting.popleft().result())

    def finish(self) -> None:
        """Write what waits, and what a packed file ends in.

        Raises
        ------
        DataError : see `write`.
        """
        while self._waiting:
            self._send(self._waiting.popleft().result())
        with about(self._output):
            if self._tail:
                self._stream.write(self._tail)
            if self._stream is not self._raw:
                self._stream.close()
            if not self._raw.closed:
                self._raw.flush()

    def close(self) -> None:
        """Let go of the threads and the file."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        if not self._is_file:
            return
        for stream in (self._stream, self._raw):
            with suppress(OSError, pa.ArrowException, ValueError):  # closed, or nobody wants it
                stream.close()

    def _send(self, lines: pa.Array) -> None:
        _, ends, text = lines.buffers()
        if text is None:
            return
        bounds = np.frombuffer(ends, np.int64)[lines.offset : lines.offset + len(lines) + 1]
        left = memoryview(text)[bounds[0] : bounds[-1]]
        with about(self._output):
            if self._packing:
                self._pack(left)
                return
            while left:  # an unbuffered standard output may take a part only
                left = left[self._stream.write(left) or 0 :]

    def _pack(self, text: memoryview) -> None:
        joined = self._tail + text
        whole = len(joined) // _PACKED_AT_ONCE * _PACKED_AT_ONCE
        for start in range(0, whole, _PACKED_AT_ONCE):
            self._stream.write(joined[start : start + _PACKED_AT_ONCE])
        self._tail = joined[whole:]


def _packed(raw: BinaryIO, packing: str) -> _Stream:
    """The stream through which bytes are packed; the same ones for the same bytes."""
    if packing == ".gz":
        return gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0)
    if packing == ".bz2":
        return bz2.BZ2File(raw, "wb")
    if packing == ".zst":
        stream: _Stream = pa.CompressedOutputStream(raw, "zstd")
        return stream
    return raw


def large(text: str) -> pa.Scalar:
    """A text as Arrow's own scalar, made without pandas."""
    return texts_to_arrow([text]).cast(pa.large_string())[0]
