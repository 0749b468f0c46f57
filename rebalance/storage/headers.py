"""The first record of a CSV file, its delimiter, and where in the file a record stands."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from pathlib import Path
from typing import IO

import pyarrow as pa

from rebalance.errors import DataError

NOT_UTF8 = ("the text is not UTF-8", "convert it first: iconv -f LATIN1 -t UTF-8 OLD.csv > NEW.csv")
NOT_CLOSED = ("a quoted field is not closed", 'close it with a "')
TOO_LONG = ("the line is longer than 16 MiB", "look for an unclosed quote")
LONGEST_LINE = 1 << 24
_LINE_BREAK = re.compile(r"\r\n|\n|\r")
_LONGEST = 1 << 20
_DAMAGE = (OSError, EOFError, zlib.error, pa.ArrowException)


def read_header(path: Path, title: str, delimiter: str | None) -> tuple[list[str], str]:
    """The first record's fields and the delimiter: the likeliest of , ; tab | in that record.

    Raises
    ------
    DataError : there is no header, it is not UTF-8, or its quotes do not match.
    """
    where = f"file '{title}', line 1"
    try:
        with open_text(path) as stream:
            head = _first_record(stream)
    except PermissionError:
        raise
    except _DAMAGE as exc:
        raise _damaged(title, exc) from exc
    if any("\udc80" <= sign <= "\udcff" for sign in head):  # what could not be decoded
        raise DataError(NOT_UTF8[0], where=where, remedy=NOT_UTF8[1])
    if not head.strip():
        raise DataError(
            "the first line is blank where a header must be",
            where=where,
            remedy="start the file with the columns' names",
        )
    if len(set(_LINE_BREAK.findall(head))) > 1:  # DuckDB would lose the rows
        raise DataError(
            "a column's name holds another kind of line break than the lines end in",
            where=where,
            remedy="take the line break out of the name",
        )
    if delimiter is None:
        unquoted = re.sub(r'"[^"]*"', "", head)
        delimiter = max(",;\t|", key=lambda sign: (unquoted.count(sign), sign == ","))
    try:
        return next(csv.reader(io.StringIO(head, ""), delimiter=delimiter, strict=True)), delimiter
    except csv.Error as exc:
        raise DataError(
            f"the header cannot be read: {exc}", where=where, remedy="check the quotes in it"
        ) from exc


def check_packed(path: Path, title: str) -> None:
    """Unpack a compressed file to its end: a truncated one must not pass for a shorter table.

    Raises
    ------
    DataError : it is truncated, or its checksum does not hold.
    """
    if path.suffix.lower() not in (".gz", ".zst"):
        return
    try:
        with _open_bytes(path) as stream:
            while stream.read(_LONGEST):
                pass
    except PermissionError:
        raise
    except _DAMAGE as exc:
        raise _damaged(title, exc) from exc


def check_quotes(path: Path, title: str, delimiter: str) -> None:
    """Read a whole file for nothing but its quotes: one that is never closed would hide rows.

    Raises
    ------
    DataError : a quoted field is not closed, or text follows where it is.
    """
    line = 1
    before = csv.field_size_limit(LONGEST_LINE)
    try:
        with open_text(path) as stream:
            reader = csv.reader(stream, delimiter=delimiter, strict=True)
            for _ in reader:
                line = reader.line_num + 1
    except csv.Error as exc:
        what, remedy = TOO_LONG if "limit" in str(exc) else NOT_CLOSED
        raise DataError(what, where=f"file '{title}', line {line}", remedy=remedy) from exc
    finally:
        csv.field_size_limit(before)


def line_of_record(path: Path, record: int) -> int:
    """The line, counted from 1, at which a record starts; records count from 1, blank ones too.

    Quoted line breaks make the two differ. Where the text cannot be followed as far as that, the
    record's number is the best there is.
    """
    try:
        with open_text(path) as stream:
            reader = csv.reader(stream)
            for _ in range(record - 1):
                next(reader)
            return reader.line_num + 1
    except (csv.Error, StopIteration, *_DAMAGE):
        return record


def open_text(path: Path) -> IO[str]:
    """The text of a file, unpacked, with its line ends as they are.

    Bytes that are not UTF-8 come as lone surrogates, U+DC80 to U+DCFF.
    """
    return io.TextIOWrapper(
        _open_bytes(path), encoding="utf-8-sig", errors="surrogateescape", newline=""
    )


def _open_bytes(path: Path) -> IO[bytes] | gzip.GzipFile:
    packed = path.suffix.lower()
    if packed == ".gz":
        return gzip.open(path)
    if packed == ".zst":
        stream: IO[bytes] = pa.input_stream(str(path), compression="zstd")
        return stream
    return path.open("rb")


def _first_record(stream: IO[str]) -> str:
    """The first line, and those after it as long as a quote is open."""
    head = stream.readline(_LONGEST)
    while head.count('"') % 2 and len(head) < _LONGEST and (line := stream.readline(_LONGEST)):
        head += line
    return head


def _damaged(title: str, exc: Exception) -> DataError:
    return DataError(
        f"the file cannot be read: {exc}",
        where=f"file '{title}'",
        remedy="check its compression and that it is whole, or write it again",
    )
