"""Parquet files as a source of record batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rebalance.errors import DataError
from rebalance.storage.schemas import check_names, check_same

_SMALL_DICTIONARY = 1 << 19  # bytes; beyond it, many values stand outside the dictionary
_FOOTERS = 8
_ERROR_ROWS = 65_536
_DAMAGE = (pa.ArrowException, OSError, UnicodeDecodeError)


class ParquetFiles:
    """Parquet files with the same columns; types and metadata are the files' own."""

    is_text = False
    turned: Mapping[str, str] = {}

    def __init__(self, paths: Sequence[Path], titles: Mapping[Path, str]) -> None:
        self._titles = titles
        # The last few: a footer is parsed once for all row groups of its file.
        self._footer = lru_cache(maxsize=_FOOTERS)(self._read_footer)
        self._rows = 0
        for path in paths:
            footer = self._footer(path)
            self._rows += footer.num_rows
            schema = _without_views(footer.schema.to_arrow_schema())
            if path == paths[0]:
                self.schema: pa.Schema = schema
                self.metadata: Mapping[bytes, bytes] = footer.metadata or {}
            check_same(self.schema, schema, titles[paths[0]], titles[path])

    def count(self) -> int:
        """The number of rows, from the files' footers."""
        return self._rows

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
                target = _without_views(rows.schema)
                yield rows if rows.schema == target else rows.cast(target)
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
        first = self._footer(path).row_group(0)
        chunks = [first.column(position) for position in range(first.num_columns)]
        return [
            chunk.path_in_schema
            for chunk in chunks
            if chunk.path_in_schema in wanted
            and chunk.has_dictionary_page
            and chunk.data_page_offset - (chunk.dictionary_page_offset or 0) < _SMALL_DICTIONARY
        ]

    def _open(self, path: Path, coded: Sequence[str] = ()) -> pq.ParquetFile:
        return pq.ParquetFile(
            path,
            metadata=self._footer(path),
            page_checksum_verification=True,
            read_dictionary=list(coded),
        )

    def _read_footer(self, path: Path) -> pq.FileMetaData:
        try:
            footer = pq.read_metadata(path)
            groups = [footer.row_group(group).num_rows for group in range(footer.num_row_groups)]
            if sum(groups) != footer.num_rows:
                raise pa.ArrowInvalid("its footer contradicts itself")
            check_names(footer.schema.to_arrow_schema().names, self._titles[path])
        except PermissionError:
            raise
        except _DAMAGE as exc:
            raise self._damaged(path, exc) from exc
        return footer

    def _damaged(self, path: Path, exc: Exception, where: str = "") -> DataError:
        reason = (str(exc).splitlines() or [type(exc).__name__])[0]
        return DataError(
            f"the Parquet file cannot be read: {reason}",
            where=f"file '{self._titles[path]}'{where}",
            remedy="it is damaged, cut short or not Parquet; write it again",
        )


def _without_views(schema: pa.Schema) -> pa.Schema:
    """The schema with ordinary strings for string views, whose rows Arrow cannot filter yet."""
    fields = [field.with_type(_ordinary(field.type)) for field in schema]
    return pa.schema(fields, metadata=schema.metadata)


def _ordinary(dtype: pa.DataType) -> pa.DataType:
    if pa.types.is_string_view(dtype):
        return pa.large_string()
    if pa.types.is_binary_view(dtype):
        return pa.large_binary()
    if pa.types.is_list(dtype):
        return pa.list_(dtype.value_field.with_type(_ordinary(dtype.value_type)))
    if pa.types.is_large_list(dtype):
        return pa.large_list(dtype.value_field.with_type(_ordinary(dtype.value_type)))
    if pa.types.is_struct(dtype):
        return pa.struct([field.with_type(_ordinary(field.type)) for field in dtype])
    return dtype
