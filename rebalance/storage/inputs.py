"""Files, folders, patterns and standard input, opened as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from rebalance.errors import DataError, UsageError
from rebalance.storage.delimited import DelimitedFiles
from rebalance.storage.folders import InputFile, expand
from rebalance.storage.formats import file_format
from rebalance.storage.keyed import KeyedFiles
from rebalance.storage.parquet import ParquetFiles
from rebalance.storage.reading import NOTHING, USUAL, Expected, Reading
from rebalance.storage.remote import is_uri
from rebalance.storage.spool import Spool
from rebalance.storage.standard_input import TITLE, keep_standard_input
from rebalance.storage.tables import Source, Table


def use_threads(count: int) -> None:
    """Read and decode with so many threads; what is read does not depend on it."""
    pa.set_cpu_count(count)


def open_table(
    inputs: Sequence[str], reading: Reading = USUAL, expected: Expected = NOTHING
) -> Table:
    """Open files, folders, patterns, URIs, or `-` for standard input, as one table.

    What is `expected` of the columns' types saves a look at them, where they are text.

    Raises
    ------
    UsageError : nothing matches, or the format is not known.
    DataError : a file is missing, empty, damaged, or the files do not have the same columns.
    """
    spool: Spool | None = None
    if "-" in inputs:
        if len(inputs) > 1:
            raise UsageError(
                "standard input ('-') cannot be joined with files", remedy="give one or the other"
            )
        spool = Spool()
        files = [InputFile(keep_standard_input(spool, reading))]
        titles = {files[0].path: TITLE}
    else:
        given: Sequence[str] = inputs
        named: Mapping[Path, str] = {}
        if any(map(is_uri, inputs)):
            from rebalance.storage.fetched import fetch

            spool = Spool()
            fetched = fetch(inputs, spool.path)
            given, named = fetched.inputs, fetched.titles
        files = expand(given, named)
        titles = {file.path: named.get(file.path, str(file.path)) for file in files}
    paths = tuple(file.path for file in files)
    source = _open_source(paths, titles, reading, expected)
    _check_options(source, inputs, reading)
    if files[0].keys:
        source = KeyedFiles(source, {file.path: file.keys for file in files})
    first = titles[paths[0]]
    title = first if len(paths) == 1 else f"{first} and {len(paths) - 1} more"
    return Table(paths, source, title, reading, spool)


def _open_source(
    paths: Sequence[Path], titles: Mapping[Path, str], reading: Reading, expected: Expected
) -> Source:
    formats = {path: file_format(str(path)) for path in paths}
    if len(set(formats.values())) > 1:
        raise UsageError(
            "the files are of different formats: " + ", ".join(sorted(set(formats.values()))),
            remedy="read them one format at a time",
        )
    for path in paths:
        if path.stat().st_size == 0:
            raise DataError(
                "the file is empty",
                where=f"file '{titles[path]}'",
                remedy="check how it was made",
            )
    chosen = formats[paths[0]]
    source: Source
    if chosen == "parquet":
        source = ParquetFiles(paths, titles)
    elif chosen == "arrow":
        from rebalance.storage.arrow_ipc import ArrowFiles

        source = ArrowFiles(paths, titles)
    elif chosen == "jsonl":
        from rebalance.storage.json_lines import JsonFiles

        source = JsonFiles(paths, titles)
    else:
        source = DelimitedFiles(paths, titles, "\t" if chosen == "tsv" else None, reading, expected)
    if chosen not in ("csv", "tsv") and source.count() == 0:
        raise DataError(
            "the table has no rows",
            where=f"file '{titles[paths[0]]}'",
            remedy="check how it was made",
        )
    return source


def _check_options(source: Source, inputs: Sequence[str], reading: Reading) -> None:
    """Refuse options of CSV that were given for a table of another format."""
    if reading.only_text == tuple(inputs) and not isinstance(source, DelimitedFiles):
        options = reading.text_options
        raise UsageError(
            f"{', '.join(options)}: only CSV has {'that' if len(options) == 1 else 'those'}",
            where=f"file '{inputs[0]}'",
            remedy="leave it out" if len(options) == 1 else "leave them out",
        )
