"""Parquet files as a source of record batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rebalance.errors import DataError
from rebalance.storage.schemas import check_names, check_same

_DAMAGE = (pa.ArrowException, OSError, UnicodeDecodeError)


class ParquetFiles:
    """Parquet files with the same columns; types and metadata are the files' own."""

    is_text = False
    turned: Mapping[str, str] = {}

    def __init__(self, paths: Sequence[Path], titles: Mapping[Path, str]) -> None:
        self._titles = titles
        opened = [self._open(path) for path in paths]
        schemas = [_without_views(parquet.schema_arrow) for parquet in opened]
        for path, schema in zip(paths, schemas, strict=True):
            check_same(schemas[0], schema, titles[paths[0]], titles[path])
        self.schema: pa.Schema = schemas[0]
        self.metadata: Mapping[bytes, bytes] = opened[0].metadata.metadata or {}
        self._rows: int = sum(parquet.metadata.num_rows for parquet in opened)
        for parquet in opened:
            parquet.close()

    def count(self) -> int:
        """The number of rows, from the files' footers."""
        return self._rows

    def read(self, path: Path, columns: Sequence[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        """The rows of one file, `columns` in this order."""
        group = 0
        try:
            with self._open(path) as parquet:
                for group in range(parquet.num_row_groups):
                    left = parquet.metadata.row_group(group).num_rows
                    for batch in parquet.iter_batches(
                        batch_rows, row_groups=[group], columns=list(columns)
                    ):
                        rows = batch.select(list(columns))
                        rows.validate(full=True)
                        left -= rows.num_rows
                        target = _without_views(rows.schema)
                        yield rows if rows.schema == target else rows.cast(target)
                    if left:
                        raise pa.ArrowInvalid("rows are missing")
        except PermissionError:
            raise
        except _DAMAGE as exc:
            raise self._damaged(path, exc, f", row group {group}") from exc

    def _open(self, path: Path) -> pq.ParquetFile:
        try:
            parquet = pq.ParquetFile(path, page_checksum_verification=True)
            footer = parquet.metadata
            groups = [footer.row_group(group).num_rows for group in range(footer.num_row_groups)]
            if sum(groups) != footer.num_rows:
                raise pa.ArrowInvalid("its footer contradicts itself")
            check_names(parquet.schema_arrow.names, self._titles[path])
        except PermissionError:
            raise
        except _DAMAGE as exc:
            raise self._damaged(path, exc) from exc
        return parquet

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
