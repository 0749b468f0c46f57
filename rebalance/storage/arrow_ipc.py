"""Arrow IPC files and streams (Feather version 2 among them) as a source of record batches."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from rebalance.errors import DataError
from rebalance.storage.ordinary import as_ordinary, extraordinary, ordinary_schema
from rebalance.storage.regrouped import regrouped
from rebalance.storage.schemas import (
    check_names,
    check_readable,
    check_same,
    decode_names,
    others_metadata,
)

_FILE_MAGIC = b"ARROW1"
_OLD_MAGIC = b"FEA1"
_STREAM_END = b"\xff\xff\xff\xff\0\0\0\0"  # may be left out, which nobody does
_LARGE_BATCH = 64 << 20  # bytes; a larger one comes into memory piece by piece
_PIECE_ROWS = 131_072
_DAMAGE = (pa.ArrowException, OSError, UnicodeDecodeError, EOFError)


@dataclass(frozen=True)
class _Look:
    """What a look at a file came to; `batch_bytes` is the size of a record batch, on average."""

    schema: pa.Schema
    rows: int
    is_stream: bool
    batch_bytes: int


class ArrowFiles:
    """Arrow files with the same columns; types and metadata are the files' own."""

    is_text = False
    turned: Mapping[str, str] = {}
    codec: str | None = None

    def __init__(self, paths: Sequence[Path], titles: Mapping[Path, str]) -> None:
        self._titles = titles
        self._looks = {path: self._look(path) for path in paths}
        stored = self._looks[paths[0]].schema
        self.metadata: Mapping[bytes, bytes] = stored.metadata or {}
        self.stored: Mapping[str, pa.DataType] = extraordinary(stored)
        schema = ordinary_schema(stored)
        self.schema: pa.Schema = schema.with_metadata(others_metadata(self.metadata))
        self.unit_bytes = max(found.batch_bytes for found in self._looks.values())
        for path, found in self._looks.items():
            check_same(schema, ordinary_schema(found.schema), titles[paths[0]], titles[path])

    def count(self) -> int:
        """The number of rows, from the description of each record batch."""
        return sum(found.rows for found in self._looks.values())

    def read(
        self, path: Path, columns: Sequence[str], batch_rows: int, *, coded: bool
    ) -> Iterator[pa.RecordBatch]:
        """The rows of one file, `columns` in this order."""
        yield from regrouped(self._pieces(path, columns), batch_rows)

    def _pieces(self, path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The record batches of a file, large ones in pieces."""
        found = self._looks[path]
        fields = sorted(found.schema.get_field_index(name) for name in columns)
        number, rows = 0, 0
        try:
            pages = _pages(path) if found.batch_bytes > _LARGE_BATCH else None
            if pages is None:
                batches = _batches(pa.OSFile(str(path)), found.is_stream, fields)
            else:  # with all fields: those that are picked would be copied
                batches = _batches(pa.BufferReader(pa.py_buffer(pages)), found.is_stream, None)
            for batch in batches:
                for start in range(0, batch.num_rows, _PIECE_ROWS):
                    piece = batch.slice(start, _PIECE_ROWS).select(list(columns))
                    piece.validate(full=True)
                    rows += piece.num_rows
                    yield as_ordinary(piece)
                    if pages is not None:
                        pages.madvise(mmap.MADV_DONTNEED)  # what is still used comes back
                number += 1
            if rows != found.rows:
                raise pa.ArrowInvalid("rows are missing")
        except PermissionError:
            raise
        except _DAMAGE as exc:
            raise self._damaged(path, exc, f", record batch {number}") from exc

    def _look(self, path: Path) -> _Look:
        try:
            with pa.BufferReader(pa.py_buffer(_pages(path))) as source:
                begin, size = source.read(len(_FILE_MAGIC)), source.size()
                if begin.startswith(_OLD_MAGIC):
                    raise pa.ArrowInvalid("it is in version 1 of Feather")
                source.seek(0)
                if begin == _FILE_MAGIC:
                    reader = pa.ipc.open_file(source)
                    schema, batches = reader.schema, reader.num_record_batches
                    found = _Look(schema, reader.count_rows(), False, size // max(batches, 1))
                else:
                    found = _look_at_stream(source)
            decode_names(found.schema)
            check_names(found.schema.names, self._titles[path])
        except PermissionError:
            raise
        except _DAMAGE as exc:
            raise self._damaged(path, exc) from exc
        check_readable(found.schema, self._titles[path])
        return found

    def _damaged(self, path: Path, exc: Exception, where: str = "") -> DataError:
        reason = (str(exc).splitlines() or [type(exc).__name__])[0]
        return DataError(
            f"the Arrow file cannot be read: {reason}",
            where=f"file '{self._titles[path]}'{where}",
            remedy="it is damaged, cut short or not Arrow; write it again",
        )


def _batches(
    source: pa.NativeFile, is_stream: bool, fields: Sequence[int] | None
) -> Iterator[pa.RecordBatch]:
    """The record batches with the columns at these positions, in the file's order."""
    options = pa.ipc.IpcReadOptions(included_fields=fields)
    if is_stream:
        yield from pa.ipc.open_stream(source, options=options)
        return
    reader = pa.ipc.open_file(source, options=options)
    for number in range(reader.num_record_batches):
        yield reader.get_batch(number)


def _look_at_stream(source: pa.NativeFile) -> _Look:
    """Read a stream for its rows; it must be whole, which it says itself by its end."""
    schema = pa.ipc.open_stream(source).schema
    source.seek(0)
    sizes = [batch.num_rows for batch in _batches(source, True, None)]
    if source.tell() != source.size():
        raise pa.ArrowInvalid("something follows the end of the stream")
    source.seek(max(source.size() - 8, 0))
    if source.read(8) != _STREAM_END:
        raise pa.ArrowInvalid("the stream has no end")
    return _Look(schema, sum(sizes), True, source.size() // max(len(sizes), 1))


def _pages(path: Path) -> mmap.mmap:
    """A file in memory page by page, as it is used: pyarrow would read all of a batch at once.

    Where another process cuts the file meanwhile, the system ends this one; so it is for nothing
    but the look at the beginning and for batches that are too large.
    """
    with path.open("rb") as stream:
        return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
