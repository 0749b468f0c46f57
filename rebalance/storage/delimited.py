"""CSV and TSV files as a source of record batches.

DuckDB splits the text into fields; every field stays text until somebody asks for a type, so that
a value can travel from file to file untouched. Types are decided over all rows, never by the first
ones.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from rebalance.errors import DataError
from rebalance.storage.headers import (
    LONGEST_LINE,
    NOT_CLOSED,
    NOT_UTF8,
    TOO_LONG,
    check_packed,
    check_quotes,
    line_of_record,
    read_header,
)
from rebalance.storage.schemas import check_names

# Whole numbers with a leading zero or of more than 18 digits are codes or identifiers, not numbers.
_INTEGER = r"-?(0|[1-9][0-9]{0,17})"
_DECIMAL = r"[+-]?((0|[1-9][0-9]{0,17})(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?"
_NUMBER = rf"({_DECIMAL}|[nN][aA][nN]|[+-]?[iI][nN][fF](inity)?)"
_BOOLEAN = r"([tT]rue|TRUE|[fF]alse|FALSE)"
_YEAR = "([1-9][0-9]{3}|0[0-9]{2}[1-9]|0[0-9][1-9]0|0[1-9]00)"  # there was no year 0
_DATE = rf"{_YEAR}-[0-9]{{2}}-[0-9]{{2}}"
_HOUR = "([01][0-9]|2[0-3])"
_SIXTY = "[0-5][0-9]"
_TIME = rf"{_DATE}[ T]{_HOUR}:{_SIXTY}(:{_SIXTY}(\.[0-9]{{1,6}})?)?"
_ZONED = rf"{_TIME}(Z|[+-]{_HOUR}(:?{_SIXTY})?)"
_FIRST_LOOK = 10_000
_TIMES = 2  # the types before this one are numbers
# Tried in this order: pattern, then a cast that must succeed, and the type they stand for.
_TYPES: tuple[tuple[str, str, pa.DataType], ...] = (
    (_INTEGER, "BIGINT", pa.int64()),
    (_NUMBER, "", pa.float64()),
    (_BOOLEAN, "", pa.bool_()),
    (_DATE, "DATE", pa.date32()),
    (_TIME, "TIMESTAMP", pa.timestamp("us")),
    (_ZONED, "TIMESTAMPTZ", pa.timestamp("us", tz="UTC")),
)


class DelimitedFiles:
    """CSV files with a header and the same columns, in UTF-8; an empty field is null."""

    is_text = True
    metadata: Mapping[bytes, bytes] = {}

    def __init__(
        self, paths: Sequence[Path], titles: Mapping[Path, str], delimiter: str | None
    ) -> None:
        self._titles = titles
        self._paths = paths
        headers = {path: read_header(path, titles[path], delimiter) for path in paths}
        first, self.delimiter = headers[paths[0]]
        for path in paths:
            names, found = headers[path]
            check_names(names, titles[path])
            if names != first or found != self.delimiter:
                raise DataError(
                    f"the header differs from that of '{titles[paths[0]]}'",
                    where=f"file '{titles[path]}'",
                    remedy="the files of one CSV table need the same columns in the same order",
                )
        for path in paths:
            check_packed(path, titles[path])
        self._names = first
        self._parallel = True
        self.schema: pa.Schema = self._infer()

    def count(self) -> int:
        """The number of rows, known since the types were decided."""
        return self._rows

    def read(
        self, path: Path, columns: Sequence[str], batch_rows: int, *, coded: bool
    ) -> Iterator[pa.RecordBatch]:
        """The rows of one file as text, `columns` in this order."""
        picked = ", ".join(f"c{self._names.index(name)}" for name in columns)
        with self._errors(path):
            query = f"SELECT {picked} FROM {self._read_csv([path])}"
            for batch in _connect().sql(query).to_arrow_reader(batch_rows):
                yield batch.rename_columns(list(columns))

    def _infer(self) -> pa.Schema:
        """Find for each column the first type that every value of the files fits.

        The first rows only rule types out; what they leave is tried on all rows, and where that
        fails the next type is.
        """
        names = range(len(self._names))
        every = {name: list(range(len(_TYPES))) for name in names}
        _, filled, matches = self._fits(every, f"LIMIT {_FIRST_LOOK}")
        left = {
            name: [kind for kind, match in matches[name].items() if match == filled[name]]
            for name in names
        }
        numbers = [name for name in names if filled[name] and left[name] and left[name][0] < _TIMES]
        decided: dict[int, pa.DataType] = {}
        while len(decided) < len(self._names):
            tried = {name: left[name][:1] for name in names if name not in decided}
            count, filled, matches = self._fits(tried)
            self._rows = count
            for name in tried:
                if filled[name] == 0:
                    decided[name] = pa.null()
                elif not left[name]:
                    decided[name] = pa.string()
                elif matches[name][left[name][0]] == filled[name]:
                    decided[name] = _TYPES[left[name][0]][2]
                else:
                    left[name].pop(0)
        self.turned: Mapping[str, str] = {
            self._names[name]: self._first_text(name)
            for name in numbers
            if pa.types.is_string(decided[name])
        }
        return pa.schema([pa.field(self._names[name], decided[name]) for name in names])

    def _first_text(self, name: int) -> str:
        """The first value of a column that is no number."""
        query = (
            f"SELECT c{name} FROM {self._read_csv(self._paths)} WHERE c{name} IS NOT NULL "
            f"AND NOT regexp_full_match(c{name}, {_quoted(_NUMBER)}) LIMIT 1"
        )
        with self._errors(self._paths[0]):
            found = _connect().execute(query).fetchone()
        return str(found[0]) if found else ""

    def _fits(
        self, tried: Mapping[int, Sequence[int]], limit: str = ""
    ) -> tuple[int, dict[int, int], dict[int, dict[int, int]]]:
        """Count rows, filled fields by column, and fields that fit each type tried."""
        asked: list[str] = ["count(*)"]
        for name, kinds in tried.items():
            asked.append(f"count(c{name})")
            for kind in kinds:
                pattern, cast, _ = _TYPES[kind]
                test = f"regexp_full_match(c{name}, {_quoted(pattern)})"
                if cast:
                    test += f" AND TRY_CAST(c{name} AS {cast}) IS NOT NULL"
                asked.append(f"count(*) FILTER ({test})")
        with self._errors(self._paths[0]):
            answers = iter(self._scan(", ".join(asked), limit))
        count = next(answers)
        filled: dict[int, int] = {}
        matches: dict[int, dict[int, int]] = {}
        for name, kinds in tried.items():
            filled[name] = next(answers)
            matches[name] = {kind: next(answers) for kind in kinds}
        return count, filled, matches

    def _scan(self, asked: str, limit: str) -> list[int]:
        """Ask for numbers about the rows of all files."""
        import duckdb

        query = f"SELECT {asked} FROM (SELECT * FROM {self._read_csv(self._paths)} {limit})"
        try:
            return [int(number) for number in _connect().execute(query).fetchone()]
        except duckdb.InterruptException:
            raise
        except duckdb.Error:
            if not self._parallel:
                raise
            # A thread may have begun inside a long quoted field. One alone does not, but it takes
            # no notice of a quote that is never closed, so that is looked for first.
            for path in self._paths:
                check_quotes(path, self._titles[path], self.delimiter)
            self._parallel = False
            return self._scan(asked, limit)

    def _read_csv(self, paths: Sequence[Path]) -> str:
        # A bracket around each sign that DuckDB would take for a pattern: [*] matches * alone.
        names = (re.sub(r"([*?[])", r"[\1]", str(path)) for path in paths)
        listed = ", ".join(_quoted(name) for name in names)
        # Positions for names: DuckDB does not tell "Age" from "age".
        columns = ", ".join(f"c{position}: 'VARCHAR'" for position in range(len(self._names)))
        return (
            f"read_csv([{listed}], auto_detect=false, header=true, delim={_quoted(self.delimiter)},"
            " quote='\"', escape='\"', strict_mode=true, null_padding=false, nullstr='',"
            f" allow_quoted_nulls=false, max_line_size={LONGEST_LINE}, buffer_size=33554432,"
            f" parallel={str(self._parallel).lower()}, columns={{{columns}}})"
        )

    def _errors(self, path: Path) -> _Translated:
        return _Translated(self._titles, path)


class _Translated:
    """Turns what DuckDB says of a CSV file into one message with file, line and remedy."""

    def __init__(self, titles: Mapping[Path, str], path: Path) -> None:
        self._titles = titles
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, exc: BaseException | None, trace: Any) -> None:
        import duckdb

        if isinstance(exc, duckdb.InterruptException) or (
            isinstance(exc, RuntimeError) and str(exc) == "Query interrupted"
        ):
            raise KeyboardInterrupt from exc
        if not isinstance(exc, duckdb.Error | pa.ArrowException | OSError):
            return
        text = str(exc)
        named = re.findall(r"^  file = (.*)$", text, re.MULTILINE)
        path = Path(named[-1]) if named else self._path
        record = re.search(r"CSV Error on Line: (\d+)", text)
        where = f"file '{self._titles.get(path, str(path))}'"
        if record:
            where += f", line {line_of_record(path, int(record.group(1)))}"
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


def _connect() -> Any:
    database = _database()
    database.execute(f"SET threads = {pa.cpu_count()}")
    return database.cursor()


@functools.cache
def _database() -> Any:
    import duckdb

    return duckdb.connect(
        config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    )


def _quoted(text: str) -> str:
    """A text as DuckDB quotes it."""
    return "'" + text.replace("'", "''") + "'"
