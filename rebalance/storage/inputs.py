"""Files, globs and standard input, opened as one table."""

from __future__ import annotations

import glob
import shutil
import sys
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from rebalance.errors import DataError, UsageError
from rebalance.storage.delimited import DelimitedFiles
from rebalance.storage.parquet import ParquetFiles
from rebalance.storage.reading import USUAL, Reading
from rebalance.storage.tables import Source, Table

_MAGIC = {
    b"PAR1": "input.parquet",
    b"\x1f\x8b": "input.csv.gz",
    b"\x28\xb5\x2f\xfd": "input.csv.zst",
}


def use_threads(count: int) -> None:
    """Read and decode with so many threads; what is read does not depend on it."""
    pa.set_cpu_count(count)


def open_table(inputs: Sequence[str], reading: Reading = USUAL) -> Table:
    """Open files, globs, or `-` for standard input, as one table.

    Raises
    ------
    UsageError : nothing matches, or the format is not known.
    DataError : a file is missing, empty, damaged, or the files do not have the same columns.
    """
    if "-" in inputs:
        if len(inputs) > 1:
            raise UsageError(
                "standard input ('-') cannot be joined with files", remedy="give one or the other"
            )
        return _open_standard_input(reading)
    paths = _expand(inputs)
    title = str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
    return Table(paths, _open_source(paths, {path: str(path) for path in paths}), title, reading)


class _Spool:
    """A temporary folder that goes with its owner, at the end of the process at the latest."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="rebalance-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def _open_standard_input(reading: Reading) -> Table:
    """Spool standard input to disk: the draw and the solution for c may need a second look."""
    if sys.stdin.isatty():
        raise UsageError(
            "standard input is a terminal", remedy="pipe a table in, or name a file as INPUT"
        )
    spool = _Spool()
    path = spool.path / "input.csv"
    with path.open("wb") as stream:
        shutil.copyfileobj(sys.stdin.buffer, stream, 1 << 20)
    with path.open("rb") as stream:
        head = stream.read(4)
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            path = path.rename(path.with_name(name))
    title = "standard input"
    return Table((path,), _open_source((path,), {path: title}), title, reading, spool)


def _expand(inputs: Sequence[str]) -> tuple[Path, ...]:
    paths: list[Path] = []
    for given in inputs:
        if Path(given).is_file():
            paths.append(Path(given))
            continue
        matched = sorted(Path(name) for name in glob.glob(given, recursive=True))
        files = [path for path in matched if path.is_file()]
        if not files:
            raise _no_file(given)
        paths.extend(files)
    seen: set[Path] = set()
    for path in paths:
        if path.resolve() in seen:
            raise UsageError(
                f"the file '{path}' is named twice as input",
                remedy="its rows would count twice; leave one out",
            )
        seen.add(path.resolve())
    return tuple(paths)


def _no_file(given: str) -> DataError:
    path = Path(given)
    if path.is_dir():
        return DataError(f"'{given}' is a folder", remedy=f"name its files: '{given}/*.parquet'")
    if path.exists():
        return DataError(
            f"'{given}' is a pipe or a device, not a file", remedy="pipe the table in: INPUT '-'"
        )
    return DataError(f"there is no file '{given}'", remedy="check the path")


def _open_source(paths: Sequence[Path], titles: Mapping[Path, str]) -> Source:

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
    else:
        source = DelimitedFiles(paths, titles, "\t" if chosen == "tsv" else None)
    if source.count() == 0:
        raise DataError(
            "the table has no rows",
            where=f"file '{titles[paths[0]]}'",
            remedy="check how it was made",
        )
    return source


def file_format(name: str) -> str:
    """The format that a file's name says: parquet, csv or tsv.

    Raises
    ------
    UsageError : no known ending.
    """
    lowered = name.lower()
    for packed in (".gz", ".zst"):
        lowered = lowered.removesuffix(packed)
    endings = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".tsv": "tsv"}
    for ending, meaning in endings.items():
        if lowered.endswith(ending):
            return meaning
    raise UsageError(
        f"cannot tell the format of '{name}' from its name",
        remedy="end it in .parquet, .csv or .tsv (.csv.gz, .csv.zst for reading)",
    )
