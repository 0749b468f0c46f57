"""DuckDB as a reader of text: its connection, and its errors in this project's words."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from rebalance.errors import DataError
from rebalance.storage.headers import NOT_CLOSED, NOT_UTF8, TOO_LONG, line_of_record

_LOCK = threading.Lock()


def connect() -> Any:
    """A cursor that works with as many threads as pyarrow was told to."""
    with _LOCK:  # types may be looked for while rows are read
        database = _database()
        database.execute(f"SET threads = {pa.cpu_count()}")
        return database.cursor()


@functools.cache
def _database() -> Any:
    import duckdb

    return duckdb.connect(
        config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    )


def quoted(text: str) -> str:
    """A text as DuckDB quotes it."""
    return "'" + text.replace("'", "''") + "'"


def failures() -> tuple[type[Exception], ...]:
    """What reading may raise; among them what `is_interrupt` is no failure of the text."""
    import duckdb

    return (duckdb.Error, pa.ArrowException, OSError)


def is_interrupt(exc: BaseException | None) -> bool:
    """Whether somebody wants it to stop."""
    import duckdb

    return isinstance(exc, duckdb.InterruptException) or (
        isinstance(exc, RuntimeError | OSError) and str(exc) == "Query interrupted"
    )


class Translated:
    """Turns what DuckDB says of a CSV file into one message with file, line and remedy.

    `titles` has the names for messages by path, `names` those of the columns c0, c1, ...
    """

    def __init__(
        self, titles: Mapping[Path, str], path: Path, names: list[str], quote: str
    ) -> None:
        self._titles = titles
        self._path = path
        self._names = names
        self._quote = quote

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, exc: BaseException | None, trace: Any) -> None:
        if is_interrupt(exc):
            raise KeyboardInterrupt from exc
        if not isinstance(exc, failures()):
            return
        text = str(exc)
        named = re.findall(r"^  file = (.*)$", text, re.MULTILINE)
        path = Path(named[-1]) if named else self._path
        record = re.search(r"CSV Error on Line: (\d+)", text)
        where = f"file '{self._titles.get(path, str(path))}'"
        if record:
            where += f", line {line_of_record(path, int(record.group(1)), self._quote)}"
        column = re.search(r'^Error when converting column "c(\d+)"\. (.*)$', text, re.MULTILINE)
        if column:
            where += f", column '{self._names[int(column.group(1))]}'"
        what, remedy = _meaning(text)
        raise DataError(what, where=where, remedy=remedy) from exc


def _meaning(text: str) -> tuple[str, str]:
    """What happened and what to do; only lines of DuckDB's own are looked at, not the data's."""
    fields = re.search(r"^Expected Number of Columns: (\d+) Found: (\d+)", text, re.MULTILINE)
    if fields:
        expected, found = int(fields.group(1)), int(fields.group(2))
        many = "more" if found > expected else "fewer"
        return (
            f"the row has {many} fields ({found}) than the header ({expected})",
            "quote a field that holds the delimiter, or mend the row",
        )
    number = re.search(
        r"^Error when converting column .*? Could not convert string \"(.*)\" to 'DOUBLE'$",
        text,
        re.MULTILINE,
    )
    if number:
        return f"'{number.group(1)}' cannot be read as double", _number_remedy(number.group(1))
    known = {
        "Invalid unicode": NOT_UTF8,
        "Value with unterminated quote": NOT_CLOSED,
        "Maximum line size": TOO_LONG,
        "Invalid Input Error: The CSV Parser state machine": (
            "the lines end in two ways (LF and CRLF), or a quote is out of place",
            r"make the ends alike: sed 's/\r$//' OLD.csv > NEW.csv",
        ),
    }
    for start, meaning in known.items():
        if re.search(f"^{start}", text, re.MULTILINE):
            return meaning
    reason = " ".join(text.split("\n", maxsplit=1)[0].split())
    return f"the CSV file cannot be read: {reason}", "mend the line, or write the file again"


def _number_remedy(value: str) -> str:
    if re.fullmatch(r"[+-]?[0-9]*,[0-9]+", value):
        return "say that numbers have a comma: --decimal ,"
    if re.fullmatch(r"[A-Za-z/.?*-]+", value):
        return f"if it says that the value is missing: --null {value} --null ''; else mend it"
    return "mend the value, or make a pilot that does not need the column (--drop)"
