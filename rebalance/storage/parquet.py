"""Parquet files as a source of record batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rebalance.errors import DataError
from rebalance.storage.ordinary import as_ordinary, extraordinary, ordinary_schema
from rebalance.storage.schemas import (
    check_names,
    check_readable,
    check_same,
    decode_names,
    others_metadata,
)

_SMALL_DICTIONARY = 1 << 19  # bytes; beyond it, many values stand outside the dictionary
_FOOTERS = 8
_BUFFER = 1 << 18
_PROBE_BYTES = 4096
_ERROR_ROWS = 65_536
_DAMAGE = (pa.ArrowException, OSError, UnicodeDecodeError)


class ParquetFiles:
    """Parquet files with the same columns; types and metadata are the files' own."""

    is_text = False
    turned: Mapping[str, str] = {}

    def __init__(self, paths: Sequence[Path], titles: Mapping[Path, str]) -> None:
        self._titles = titles
        self._first = paths[0]
        # The last few: a footer is parsed once for all row groups of its file.
        self._footer = lru_cache(maxsize=_FOOTERS)(self._read_footer)
        self._rows = 0
        self.unit_bytes = 0
        for path in paths:
            footer = self._footer(path)
            self._rows += footer.num_rows
            groups = [footer.row_group(group) for group in range(footer.num_row_groups)]
            largest = max((group.total_byte_size for group in groups), default=0)
            self.unit_bytes = max(self.unit_bytes, largest)
            stored = footer.schema.to_arrow_schema()
            schema = ordinary_schema(stored)
            if path == paths[0]:
                self.metadata: Mapping[bytes, bytes] = footer.metadata or {}
                travels = {**(schema.metadata or {}), **self.metadata}
                self.schema: pa.Schema = schema.with_metadata(others_metadata(travels))
                self.stored: Mapping[str, pa.DataType] = extraordinary(stored)
            check_same(self.schema, schema, titles[paths[0]], titles[path])

    def count(self) -> int:
        """The number of rows, from the files' footers."""
        return self._rows

    @property
    def codec(self) -> str | None:
        """The codec of most columns in the first row group, by the name that writing knows it by.

        None where there are no rows.
        """
        found = Counter(chunk.compression for chunk in self._first_chunks(self._first))
        for codec, _ in found.most_common(1):
            return "LZ4" if codec.startswith("LZ4") else str(codec).replace("UNCOMPRESSED", "NONE")
        return None

    def read(
        self, path: Path, columns: Sequence[str], batch_rows: int, *, coded: bool
    ) -> Iterator[pa.RecordBatch]:
        """The rows of one file, `columns` in this order, decoded by as many threads as allowed."""
        texts = self._coded(path, columns) if coded else ()
        for groups in self._runs(path, batch_rows):
            try:
                yield from self._decoded(path, groups, columns, batch_rows, texts)
            except PermissionError:
                raise
            except _DAMAGE as exc:
                bad = self._first_bad(path, groups, columns)
                raise self._damaged(path, exc, f", row group {bad}") from exc

    def _runs(self, path: Path, batch_rows: int) -> Iterator[list[int]]:
        """Row groups in runs of some batch: of many small ones, each would be slow by itself."""
        footer = self._footer(path)
        run: list[int] = []
        rows = 0
        for group in range(footer.num_row_groups):
            run.append(group)
            rows += footer.row_group(group).num_rows
            if rows >= batch_rows:
                yield run
                run, rows = [], 0
        if run:
            yield run

    def _decoded(
        self,
        path: Path,
        groups: Sequence[int],
        columns: Sequence[str],
        batch_rows: int,
        texts: Sequence[str],
    ) -> Iterator[pa.RecordBatch]:
        with self._open(path, texts) as parquet:
            left = sum(parquet.metadata.row_group(group).num_rows for group in groups)
            for batch in parquet.iter_batches(batch_rows, row_groups=groups, columns=list(columns)):
                rows = batch.select(list(columns))
                rows.validate(full=True)
                left -= rows.num_rows
                yield as_ordinary(rows)
            if left:
                raise pa.ArrowInvalid("rows are missing")

    def _first_bad(self, path: Path, groups: Sequence[int], columns: Sequence[str]) -> int:
        """The first row group that cannot be read by itself; the last, where each one can."""
        for group in groups[:-1]:
            try:
                for _ in self._decoded(path, [group], columns, _ERROR_ROWS, ()):
                    pass
            except _DAMAGE:
                return group
        return groups[-1]

    def _coded(self, path: Path, columns: Sequence[str]) -> list[str]:
        """The text columns whose first row group has a small dictionary."""
        wanted = {
            name
            for name in columns
            if pa.types.is_string(kind := self.schema.field(name).type)
            or pa.types.is_large_string(kind)
        }
        if not wanted:
            return []
        return [
            chunk.path_in_schema
            for chunk in self._first_chunks(path)
            if chunk.path_in_schema in wanted
            and chunk.has_dictionary_page
            and chunk.data_page_offset - (chunk.dictionary_page_offset or 0) < _SMALL_DICTIONARY
        ]

    def _first_chunks(self, path: Path) -> list[pq.ColumnChunkMetaData]:
        """What is said of the columns in the first row group; nothing where it is damaged.

        pyarrow ends the process over a damaged description, unless a read has found it sound.
        """
        footer = self._footer(path)
        if not footer.num_row_groups:
            return []
        probe = pq.ParquetFile(path, metadata=footer, buffer_size=_PROBE_BYTES, pre_buffer=False)
        try:
            with probe:
                next(probe.iter_batches(1, row_groups=[0]), None)
        except _DAMAGE:  # told when it is read for its rows
            return []
        first = footer.row_group(0)
        return [first.column(position) for position in range(first.num_columns)]

    def _open(self, path: Path, coded: Sequence[str] = ()) -> pq.ParquetFile:
        return pq.ParquetFile(
            path,
            metadata=self._footer(path),
            page_checksum_verification=True,
            read_dictionary=list(coded),
            # Pages are decoded out of small buffers that stay in the cache: a whole row group read
            # ahead takes a quarter longer to decode, and its size in memory.
            pre_buffer=False,
            buffer_size=_BUFFER,
        )

    def _read_footer(self, path: Path) -> pq.FileMetaData:
        try:
            footer = pq.read_metadata(path)
            groups = [footer.row_group(group).num_rows for group in range(footer.num_row_groups)]
            if sum(groups) != footer.num_rows:
                raise pa.ArrowInvalid("its footer contradicts itself")
            schema = footer.schema.to_arrow_schema()
            decode_names(schema)
        except PermissionError:
            raise
        except _DAMAGE as exc:
            raise self._damaged(path, exc) from exc
        check_names(schema.names, self._titles[path])
        check_readable(schema, self._titles[path])
        return footer

    def _damaged(self, path: Path, exc: Exception, where: str = "") -> DataError:
        reason = (str(exc).splitlines() or [type(exc).__name__])[0]
        return DataError(
            f"the Parquet file cannot be read: {reason}",
            where=f"file '{self._titles[path]}'{where}",
            remedy="it is damaged, cut short or not Parquet; write it again",
        )
