"""Output tables: the format is said by the name's ending; written whole or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pyarrow as pa

from rebalance.errors import UsageError
from rebalance.storage.arrow_writer import ArrowOutput
from rebalance.storage.atomic import replaced_together
from rebalance.storage.csv_text import CsvForm
from rebalance.storage.formats import file_format, unpacked
from rebalance.storage.grouped import GroupedWriter
from rebalance.storage.json_text import JsonForm
from rebalance.storage.parquet_writer import ParquetOutput, types_in_parquet
from rebalance.storage.tables import Table
from rebalance.storage.text_writer import TextWriter
from rebalance.storage.writing import OpenWriter, Writer


@contextmanager
def table_writer(output: str, like: Table | None = None) -> Iterator[Writer]:
    """Open an output table; it takes the name's place when the block ends without an exception.

    `-` is standard output, as CSV. `like` is the table that rows come from: Parquet files get its
    codec, and columns the types that they have there.

    Raises
    ------
    UsageError : no known ending, or one that can only be read.
    DataError : the disk is full, the folder cannot be written to, or the format has no place for a
        column.
    """
    with table_writers([output], like) as (writer,):
        yield writer


@contextmanager
def table_writers(outputs: Sequence[str], like: Table | None = None) -> Iterator[list[Writer]]:
    """Open several output tables; none takes its name's place before all are on disk.

    Raises
    ------
    UsageError, DataError : see `table_writer`.
    """
    formats = [output_format(output) for output in outputs]
    with replaced_together([output for output in outputs if output != "-"]) as temporaries:
        paths = iter(temporaries)
        opened: list[OpenWriter] = []
        try:
            for output, chosen in zip(outputs, formats, strict=True):
                path = None if output == "-" else next(paths)
                opened.append(_opened(path, output, chosen, like))
            yield list(opened)
            for writer in opened:
                writer.finish()
        finally:
            for writer in opened:
                writer.close()


def output_format(output: str) -> str:
    """The format that an output's name asks for; `-`, standard output, is CSV.

    Raises
    ------
    UsageError : no known ending, or one that is not written.
    """
    if output == "-":
        return "csv"
    found = file_format(output)
    if unpacked(output).endswith(".json"):
        raise UsageError(
            f"the output '{output}' would be taken for one JSON document",
            remedy="end it in .jsonl: it is written line by line",
        )
    return found


def holds_metadata(output: str) -> bool:
    """Whether the output's format has a place for key-value metadata, the design among it."""
    return output_format(output) in ("parquet", "arrow")


def _opened(path: Path | None, output: str, chosen: str, like: Table | None) -> OpenWriter:
    types: Mapping[str, pa.DataType] = like.source.stored if like is not None else {}
    if path is not None and chosen == "parquet":
        codec = like.source.codec if like is not None else None
        open_file = partial(ParquetOutput, path, output, codec)
        return GroupedWriter(output, open_file, types_in_parquet(types))
    if path is not None and chosen == "arrow":
        return GroupedWriter(output, partial(ArrowOutput, path), types)
    if chosen == "jsonl":
        return TextWriter(path, output, JsonForm())
    return TextWriter(path, output, CsvForm("\t" if chosen == "tsv" else ","))


def quiet_standard_output() -> None:
    """Let a reader that closed the pipe be the end of it, without a message at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
