"""Rows held for later: in memory, and on disk where there are many."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO

import pyarrow as pa

from rebalance.storage.atomic import cannot_write

HELD_BYTES = 32 << 20


class Held:
    """Batches under numbers, given back in the order of the numbers.

    Beyond `limit` bytes, what is in memory moves to a temporary file without a name, which goes
    with the process.
    """

    def __init__(self, limit: int = HELD_BYTES) -> None:
        self._limit = limit
        self._bytes = 0
        self._fresh: dict[int, pa.RecordBatch] = {}
        self._spilled: dict[int, int] = {}  # number -> which of the flushes
        self._flushes: list[tuple[int, list[int]]] = []  # where in the file, and the numbers
        self._file: IO[bytes] | None = None

    def clear(self) -> None:
        """Hold nothing."""
        self.close()
        self._file = None
        self._bytes = 0
        for kept in (self._fresh, self._spilled, self._flushes):
            kept.clear()

    def close(self) -> None:
        """Let the temporary file go."""
        if self._file is not None:
            self._file.close()

    def put(self, number: int, rows: pa.RecordBatch) -> None:
        """Hold rows under a number, in place of what was held under it.

        Raises
        ------
        DataError : there is no room for the temporary file.
        """
        self._spilled.pop(number, None)
        self._fresh[number] = rows
        self._bytes += rows.nbytes
        if self._bytes > self._limit:
            self._flush()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        streams = [self._stream(start, numbers) for start, numbers in self._flushes]
        for number in sorted({*self._fresh, *self._spilled}):
            if number in self._fresh:
                yield self._fresh[number]
                continue
            # In a flush the numbers ascend, so each is read forwards, past what was replaced.
            for found, rows in streams[self._spilled[number]]:
                if found == number:
                    yield rows
                    break

    def _flush(self) -> None:
        numbers = sorted(self._fresh)
        try:
            file = self._file or tempfile.TemporaryFile(prefix="rebalance-")  # noqa: SIM115
            self._file = file
            file.seek(0, 2)
            self._flushes.append((file.tell(), numbers))
            with pa.ipc.new_stream(file, self._fresh[numbers[0]].schema) as stream:
                for number in numbers:
                    stream.write_batch(self._fresh[number])
        except OSError as exc:
            raise cannot_write(tempfile.gettempdir(), exc) from exc
        self._spilled |= dict.fromkeys(numbers, len(self._flushes) - 1)
        self._fresh.clear()
        self._bytes = 0

    def _stream(self, start: int, numbers: list[int]) -> Iterator[tuple[int, pa.RecordBatch]]:
        """The batches of one flush; another stream may move the file's position in between."""
        if self._file is None:
            return
        self._file.seek(start)
        stream = pa.ipc.open_stream(self._file)
        position = self._file.tell()
        for number in numbers:
            self._file.seek(position)
            rows = stream.read_next_batch()
            position = self._file.tell()
            yield number, rows
