"""Output tables: Parquet or CSV by the name's ending, written whole or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rebalance.errors import DataError, UsageError
from rebalance.storage.atomic import cannot_write, replaced_together
from rebalance.storage.inputs import file_format
from rebalance.storage.tables import Batch

# Every sign that a reader may take for a delimiter, and a byte order mark, which it would drop.
_NEEDS_QUOTES = '[,;|"\r\n\t\ufeff]|^$'
_GROUP_ROWS = 131_072  # filtered batches may be tiny, and tiny row groups are slow to read


class Writer(Protocol):
    """Takes batches of the user's columns and new ones beside them."""

    def write(self, batch: Batch | None, extra: Mapping[str, pa.Array] | None = None) -> None:
        """Append rows: the batch's columns first, if any, then the new ones in their order."""

    def describe(self, metadata: Mapping[str, str]) -> None:
        """Add key-value metadata, where the format has a place for it."""


@contextmanager
def table_writer(output: str) -> Iterator[Writer]:
    """Open an output table; it takes the name's place when the block ends without an exception.

    `-` is standard output, as CSV.

    Raises
    ------
    UsageError : no known ending, or one that can only be read.
    DataError : the disk is full, the folder cannot be written to, or a column fits no CSV.
    """
    with table_writers([output]) as (writer,):
        yield writer


@contextmanager
def table_writers(outputs: Sequence[str]) -> Iterator[list[Writer]]:
    """Open several output tables; none takes its name's place before all are on disk.

    Raises
    ------
    UsageError, DataError : see `table_writer`.
    """
    formats = [output_format(output) for output in outputs]
    with replaced_together([Path(output) for output in outputs if output != "-"]) as temporaries:
        paths = iter(temporaries)
        opened: list[_ParquetWriter | _CsvWriter] = []
        try:
            for output, chosen in zip(outputs, formats, strict=True):
                if output == "-":
                    opened.append(_CsvWriter(None, "standard output", ","))
                elif chosen == "parquet":
                    opened.append(_ParquetWriter(next(paths), output))
                else:
                    delimiter = "\t" if chosen == "tsv" else ","
                    opened.append(_CsvWriter(next(paths), output, delimiter))
            yield list(opened)
            for writer in opened:
                writer.finish()
        finally:
            for writer in opened:
                writer.close()


def output_format(output: str) -> str:
    """The format that an output's name asks for.

    Raises
    ------
    UsageError : no known ending, or a compressed one.
    """
    if output == "-":
        return "csv"
    if output.lower().endswith((".gz", ".zst")):
        raise UsageError(
            f"cannot write the compressed text '{output}'",
            remedy="write .parquet, which is compressed, or pipe '-o -' into gzip",
        )
    return file_format(output)


class _ParquetWriter:
    def __init__(self, path: Path, output: str) -> None:
        self._path = path
        self._output = output
        self._writer: pq.ParquetWriter | None = None
        self._schema: pa.Schema | None = None
        self._held: list[pa.RecordBatch] = []
        self._count = 0

    def write(self, batch: Batch | None, extra: Mapping[str, pa.Array] | None = None) -> None:
        rows = _beside(batch.typed() if batch is not None else None, extra)
        with _about(self._output):
            if self._writer is None:
                self._schema = rows.schema
                self._writer = pq.ParquetWriter(
                    self._path, rows.schema, compression="zstd", write_page_checksum=True
                )
            self._held.append(rows.cast(self._schema) if rows.schema != self._schema else rows)
            self._count += rows.num_rows
            while self._count >= _GROUP_ROWS:
                self._send(_GROUP_ROWS)

    def describe(self, metadata: Mapping[str, str]) -> None:
        self._started().add_key_value_metadata(dict(metadata))

    def finish(self) -> None:
        with _about(self._output):
            self._send(self._count)
            self._started().close()

    def close(self) -> None:
        if self._writer is not None:
            with suppress(OSError, pa.ArrowException):  # closed already, or nobody wants it
                self._writer.close()

    def _send(self, count: int) -> None:
        """Write the first rows held as one row group: its bytes do not depend on the batches."""
        if count:
            table = pa.Table.from_batches(self._held)
            group = table.slice(0, count).unify_dictionaries().combine_chunks()
            self._started().write_table(group, row_group_size=count)
            self._held = table.slice(count).to_batches()
            self._count -= count

    def _started(self) -> pq.ParquetWriter:
        if self._writer is None:
            raise DataError(
                "there are no rows to write",
                where=f"file '{self._output}'",
                remedy="check the input",
            )
        return self._writer


class _CsvWriter:
    def __init__(self, path: Path | None, output: str, delimiter: str) -> None:
        self._output = output
        self._delimiter = delimiter
        self._started = False
        with _about(output):
            self._stream: IO[bytes] = path.open("wb") if path else sys.stdout.buffer
        self._is_file = path is not None

    def write(self, batch: Batch | None, extra: Mapping[str, pa.Array] | None = None) -> None:
        rows = _beside(batch.source if batch is not None else None, extra)
        if not self._started:
            names = _quote(pa.array(rows.schema.names, pa.string()))
            self._send([self._delimiter.join(names.to_pylist())])
            self._started = True
        columns = [
            _as_text(rows.column(position), name) for position, name in enumerate(rows.schema.names)
        ]
        # A lone null is a blank line, which `storage.delimited` reads as a null again.
        lines = pc.binary_join_element_wise(
            *columns, pa.scalar(self._delimiter), null_handling="replace", null_replacement=""
        )
        self._send(lines.to_pylist())

    def describe(self, metadata: Mapping[str, str]) -> None:
        """CSV has no place for metadata."""

    def finish(self) -> None:
        with _about(self._output):
            self._stream.flush()

    def close(self) -> None:
        if self._is_file:
            with suppress(OSError):  # flushed already, or nobody wants it
                self._stream.close()

    def _send(self, lines: Sequence[str]) -> None:
        left = memoryview("".join(f"{line}\n" for line in lines).encode())
        with _about(self._output):
            while left:  # an unbuffered standard output may take a part only
                left = left[self._stream.write(left) or 0 :]


@contextmanager
def _about(output: str) -> Iterator[None]:
    """Say of an error which output it is about; a closed pipe is not an error."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as exc:
        raise cannot_write(output, exc) from exc


def _beside(rows: pa.RecordBatch | None, extra: Mapping[str, pa.Array] | None) -> pa.RecordBatch:
    if rows is None:
        return pa.RecordBatch.from_pydict(dict(extra or {}))
    for name, array in (extra or {}).items():
        rows = rows.append_column(name, array)
    return rows


def _as_text(array: pa.Array, name: str) -> pa.Array:
    """The fields as they stand in a CSV file; nulls stay null."""
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_timestamp(array.type) and array.type.unit == "ns":
        with suppress(pa.ArrowInvalid):  # CSV's own timestamps are microseconds
            array = array.cast(pa.timestamp("us", array.type.tz))
    kind = array.type
    text = (
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )
    try:
        if text:
            return _quote(array.cast(pa.string()))
        if not pa.types.is_nested(kind) and not _is_binary(kind):
            return array.cast(pa.string())
    except pa.ArrowNotImplementedError:
        pass
    raise DataError(
        f"the column '{name}' is {kind}, which CSV cannot hold", remedy="write a .parquet file"
    )


def _is_binary(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def _quote(text: pa.Array) -> pa.Array:
    needs = pc.match_substring_regex(text, _NEEDS_QUOTES)
    if not pc.any(needs).as_py():
        return text
    escaped = pc.replace_substring(text, '"', '""')
    return pc.if_else(needs, pc.binary_join_element_wise('"', escaped, '"', ""), text)


def quiet_standard_output() -> None:
    """Let a reader that closed the pipe be the end of it, without a message at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
