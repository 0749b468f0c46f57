"""Parquet files, open for writing: encodings that suit the values, and the codec of the input."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rebalance.errors import DataError

DEFAULT_CODEC = "zstd"
_RUNS, _RUN = 16, 256
_LEAST_REPEATS = 2


class ParquetOutput:
    """A Parquet file with pages that have checksums."""

    def __init__(
        self,
        path: Path,
        output: str,
        codec: str | None,
        first: pa.Table,
        metadata: Mapping[str, str],
    ) -> None:
        schema = _without(first.schema, metadata)
        _check(schema, output)
        self._metadata = metadata
        self._writer = pq.ParquetWriter(
            path,
            schema,
            compression=codec or DEFAULT_CODEC,
            use_dictionary=_repetitive(first),
            write_page_checksum=True,
        )

    def put(self, group: pa.Table) -> None:
        """Write rows as one row group."""
        self._writer.write_table(group, row_group_size=group.num_rows)

    def end(self) -> None:
        """Write the footer."""
        if self._writer.is_open:
            self._writer.add_key_value_metadata(dict(self._metadata))
        self._writer.close()


def types_in_parquet(types: Mapping[str, pa.DataType]) -> dict[str, pa.DataType]:
    """Those of the types, by column, that Parquet has a place for."""
    return {
        name: dtype
        for name, dtype in types.items()
        if not pa.types.is_run_end_encoded(dtype) and not pa.types.is_dictionary(dtype)
    }


def _without(schema: pa.Schema, metadata: Mapping[str, str]) -> pa.Schema:
    """The schema without metadata that is going to be replaced."""
    kept = dict(schema.metadata or {})
    for key in metadata:
        kept.pop(key.encode(), None)
    return schema.with_metadata(kept)


def _check(schema: pa.Schema, output: str) -> None:
    """Refuse types that Parquet has none for."""
    for field in schema:
        try:
            pq.ParquetWriter(pa.BufferOutputStream(), pa.schema([field])).close()
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as exc:
            raise DataError(
                f"the column '{field.name}' is {field.type}, which Parquet cannot hold",
                where=f"file '{output}'",
                remedy="write an .arrow file, or leave the column out",
            ) from exc


def _repetitive(first: pa.Table) -> list[str]:
    """The columns, by their path in the file, of whose values a dictionary is worth making.

    Told by some rows from all over the first group. For a column of different numbers, Arrow would
    make one of the first megabyte of each group and then let go of it, which takes most of the
    time of writing.
    """
    starts = range(0, first.num_rows, max(_RUN, first.num_rows // _RUNS))
    some = pa.concat_tables([first.slice(start, _RUN) for start in starts])
    flat = {
        field.name: _repeats(some.column(at))
        for at, field in enumerate(first.schema)
        if not pa.types.is_nested(field.type)
    }
    return [path for path in _paths(first.schema) if flat.get(path, True)]


def _repeats(values: pa.ChunkedArray) -> bool:
    kind = values.type
    if pa.types.is_dictionary(kind) or pa.types.is_null(kind):
        return True
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        values = values.cast(pa.large_binary())
    try:
        different = pc.count_distinct(values).as_py()
    except pa.ArrowNotImplementedError:
        return True
    return bool(different * _LEAST_REPEATS <= len(values))


def _paths(schema: pa.Schema) -> list[str]:
    """What Parquet calls the columns, those inside of nested ones too."""
    sink = pa.BufferOutputStream()
    pq.ParquetWriter(sink, schema).close()
    parquet = pq.read_metadata(pa.BufferReader(sink.getvalue())).schema
    return [parquet.column(at).path for at in range(len(parquet))]
