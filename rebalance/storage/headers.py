"""The first record of a CSV file, its delimiter, and where in the file a record stands."""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import io
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from rebalance.errors import DataError
from rebalance.storage.reading import USUAL, Reading

NOT_UTF8 = (
    "the text is not UTF-8",
    "name its encoding, as in --encoding latin-1, or convert it first: "
    "iconv -f LATIN1 -t UTF-8 OLD.csv > NEW.csv",
)
NOT_CLOSED = ("a quoted field is not closed", "close it, or name the --quote sign of this file")
TOO_LONG = ("the line is longer than 16 MiB", "look for an unclosed quote")
LONGEST_LINE = 1 << 24
DAMAGE = (OSError, EOFError, zlib.error, pa.ArrowException)
_LINE_BREAK = re.compile(r"\r\n|\n|\r")
_LONGEST = 1 << 20
_CONTROLS = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")
_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")  # of UTF-16 and UTF-32: text, if not UTF-8
# How files begin that are no text; the last ones are packed, which an ending must say.
_OTHERS = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"SQLite format 3": "an SQLite database",
    b"\x89HDF": "an HDF5 file",
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"\x93NUMPY": "a NumPy array",
    b"\x80\x04\x95": "a Python pickle",
    b"7z\xbc\xaf": "a 7z archive",
    b"\xfd7zXZ": "packed by xz",
    b"\x1f\x8b": "packed by gzip",
    b"\x28\xb5\x2f\xfd": "packed by zstd",
    b"BZh": "packed by bzip2",
}


@dataclass(frozen=True)
class Header:
    """The columns' names, the delimiter, and what is seen of the rows that follow.

    has_breaks : whether fields hold line breaks, as far as the first part of the file tells.
    """

    names: list[str]
    delimiter: str
    has_rows: bool
    has_breaks: bool


def read_header(
    path: Path, title: str, reading: Reading = USUAL, usual: str | None = None
) -> Header:
    """The first record's fields and the delimiter.

    Where none was named and the format has no `usual` one, it is the likeliest of , ; tab | in that
    record.

    Raises
    ------
    DataError : there is no header, it is not UTF-8, its quotes do not match, it does not hold the
        delimiter that was named, or the file is no text.
    """
    where = f"file '{title}', line 1"
    try:
        refuse_no_text(path, title)
        with open_text(path) as stream:
            head = _first_record(stream, reading.quote)
            rest = stream.read(_LONGEST)
    except PermissionError:
        raise
    except DAMAGE as exc:
        raise damaged(title, exc) from exc
    if any("\udc80" <= sign <= "\udcff" for sign in head):  # what could not be decoded
        raise DataError(NOT_UTF8[0], where=where, remedy=NOT_UTF8[1])
    if not head.strip():
        wanted = "a header" if reading.header else "the first row"
        raise DataError(
            f"the first line is blank where {wanted} must be",
            where=where,
            remedy="start the file with the columns' names" if reading.header else "take it out",
        )
    if len(set(_LINE_BREAK.findall(head))) > 1:  # DuckDB would lose the rows
        raise DataError(
            "a column's name holds another kind of line break than the lines end in",
            where=where,
            remedy="take the line break out of the name",
        )
    delimiter = reading.delimiter or usual or _likeliest(head, reading)
    try:
        signs: dict[str, Any] = quoting(reading.quote) | {"delimiter": delimiter, "strict": True}
        fields = next(csv.reader(io.StringIO(head, ""), **signs))
    except csv.Error as exc:
        raise DataError(
            f"the header cannot be read: {exc}", where=where, remedy="check the quotes in it"
        ) from exc
    if reading.delimiter is not None and len(fields) == 1:
        raise DataError(
            f"the delimiter '{delimiter}' is not in the first line",
            where=where,
            remedy=f"it begins with '{head[:40].rstrip()}'; name the sign between its fields with "
            "--delimiter, or leave that out to have it found",
        )
    # One column: a blank line is a missing value.
    has_rows = bool(rest if len(fields) == 1 else rest.strip("\r\n"))
    has_breaks = bool(reading.quote) and any(
        line.count(reading.quote) % 2 for line in _LINE_BREAK.split(rest)[:-1]
    )
    if reading.header:
        return Header(fields, delimiter, has_rows, has_breaks)
    names = [f"column{position}" for position in range(len(fields))]
    return Header(names, delimiter, True, has_breaks)


def quoting(quote: str) -> dict[str, Any]:
    """What Python's csv needs to know of the sign around fields."""
    return {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}


def refuse_no_text(path: Path, title: str, *, nulls: bool = False) -> None:
    """Refuse a file of another kind than text, by how it begins.

    With `nulls`, zero bytes are text, as in UTF-32.

    Raises
    ------
    DataError : it is an image, an archive, a database, ...
    """
    with open_bytes(path) as stream:
        begin = stream.read(1 << 10)
    kind = next((kind for magic, kind in _OTHERS.items() if begin.startswith(magic)), None)
    is_text = nulls or _is_utf8(begin) or begin.startswith(_BYTE_ORDER_MARKS)
    if kind is None and b"\0\0" in begin and not is_text:
        kind = "binary data"
    elif kind is None or (is_text and not _CONTROLS.search(begin)):
        return
    remedy = "name a CSV or a Parquet file"
    if kind.startswith("packed by"):
        remedy = "end its name in what packed it, .gz, .zst or .bz2, or unpack it first"
    raise DataError(
        f"the file is not text: {kind}, by its first bytes", where=f"file '{title}'", remedy=remedy
    )


def _is_utf8(begin: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(begin)  # the last sign may be cut
    except UnicodeDecodeError:
        return False
    return True


def check_packed(path: Path, title: str) -> None:
    """Unpack a compressed file to its end: a truncated one must not pass for a shorter table.

    Raises
    ------
    DataError : it is truncated, or its checksum does not hold.
    """
    if path.suffix.lower() not in (".gz", ".zst"):
        return
    try:
        with open_bytes(path) as stream:
            while stream.read(_LONGEST):
                pass
    except PermissionError:
        raise
    except DAMAGE as exc:
        raise damaged(title, exc) from exc


def check_quotes(path: Path, title: str, delimiter: str, quote: str) -> None:
    """Read a whole file for nothing but its quotes: one that is never closed would hide rows.

    Raises
    ------
    DataError : a quoted field is not closed, or text follows where it is.
    """
    if not quote:
        return
    line = 1
    before = csv.field_size_limit(LONGEST_LINE)
    try:
        with open_text(path) as stream:
            reader = csv.reader(stream, delimiter=delimiter, quotechar=quote, strict=True)
            for _ in reader:
                line = reader.line_num + 1
    except csv.Error as exc:
        what, remedy = TOO_LONG if "limit" in str(exc) else NOT_CLOSED
        raise DataError(what, where=f"file '{title}', line {line}", remedy=remedy) from exc
    finally:
        csv.field_size_limit(before)


def has_quotes(path: Path, quote: str) -> bool:
    """Whether the sign is anywhere in a file."""
    if not quote:
        return False
    sign = quote.encode()
    with open_bytes(path) as stream:
        while block := stream.read(_LONGEST):
            if sign in block:
                return True
    return False


def line_of_record(path: Path, record: int, quote: str) -> int:
    """The line, counted from 1, at which a record starts; records count from 1, blank ones too.

    Quoted line breaks make the two differ. Where the text cannot be followed as far as that, the
    record's number is the best there is.
    """
    try:
        with open_text(path) as stream:
            reader = csv.reader(stream, **quoting(quote))
            for _ in range(record - 1):
                next(reader)
            return reader.line_num + 1
    except (csv.Error, StopIteration, *DAMAGE):
        return record


def open_text(path: Path) -> IO[str]:
    """The text of a file, unpacked, with its line ends as they are.

    Bytes that are not UTF-8 come as lone surrogates, U+DC80 to U+DCFF.
    """
    return io.TextIOWrapper(
        open_bytes(path), encoding="utf-8-sig", errors="surrogateescape", newline=""
    )


def open_bytes(path: Path) -> IO[bytes] | gzip.GzipFile | bz2.BZ2File:
    """The bytes of a file, unpacked."""
    packed = path.suffix.lower()
    if packed == ".gz":
        return gzip.open(path)
    if packed == ".bz2":
        return bz2.open(path)
    if packed == ".zst":
        stream: IO[bytes] = pa.input_stream(str(path), compression="zstd")
        return stream
    return path.open("rb")


def damaged(title: str, exc: Exception) -> DataError:
    """The error that a file cannot be unpacked or read."""
    return DataError(
        f"the file cannot be read: {exc}",
        where=f"file '{title}'",
        remedy="check its compression and that it is whole, or write it again",
    )


def _first_record(stream: IO[str], quote: str) -> str:
    """The first line, and those after it as long as a quote is open."""
    head = stream.readline(_LONGEST)
    while (
        quote
        and head.count(quote) % 2
        and len(head) < _LONGEST
        and (line := stream.readline(_LONGEST))
    ):
        head += line
    return head


def _likeliest(head: str, reading: Reading) -> str:
    """The sign that is most often in the first record, outside quotes."""
    quote = re.escape(reading.quote)
    unquoted = re.sub(f"{quote}[^{quote}]*{quote}", "", head) if quote else head
    signs = ",;\t|"
    if reading.decimal == "," and any(sign in unquoted for sign in ";\t|"):
        signs = ";\t|"
    return max(signs, key=lambda sign: (unquoted.count(sign), sign == ","))
