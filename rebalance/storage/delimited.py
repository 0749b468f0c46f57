"""CSV and TSV files as a source of record batches.

DuckDB splits the text into fields; every field stays text until somebody asks for a type, so that
a value can travel from file to file untouched. Types are decided over all rows, never by the first
ones; where they are known already, numbers are read as such at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from rebalance.errors import DataError
from rebalance.storage.duck import Translated, connect, failures, is_interrupt, quoted
from rebalance.storage.fields import TEXT, Form
from rebalance.storage.headers import (
    DAMAGE,
    LONGEST_LINE,
    Header,
    check_packed,
    check_quotes,
    damaged,
    has_quotes,
    open_bytes,
    read_header,
    refuse_no_text,
)
from rebalance.storage.parallel import in_order
from rebalance.storage.reading import BATCH_ROWS, NOTHING, USUAL, Expected, Reading
from rebalance.storage.schemas import check_names
from rebalance.storage.spool import Spool, is_utf8, spool_as_utf8
from rebalance.storage.text_schema import Found, TextSchema

_BUFFER = 33_554_432  # bytes that a thread takes at once; more than the longest line


class DelimitedFiles:
    """CSV files with the same columns.

    `delimiter` is the format's own, used where the reading names none. What is `expected` of the
    columns' types need not be looked for.
    """

    is_text = True
    unit_bytes = 4 * _BUFFER
    metadata: Mapping[bytes, bytes] = {}
    codec: str | None = None
    stored: Mapping[str, pa.DataType] = {}

    def __init__(
        self,
        paths: Sequence[Path],
        titles: Mapping[Path, str],
        delimiter: str | None = None,
        reading: Reading = USUAL,
        expected: Expected = NOTHING,
    ) -> None:
        self._reading = reading
        self._spool: Spool | None = None
        self._texts = {path: self._plain(path, titles[path]) for path in paths}
        self._titles = {self._texts[path]: titles[path] for path in paths}
        self._headers = self._read_headers(delimiter)
        for path in paths:
            check_packed(path, titles[path])
        first = self._headers[self._texts[paths[0]]]
        self.delimiter = first.delimiter
        self._parallel = True
        self._has_breaks = any(header.has_breaks for header in self._headers.values())
        self._counted: dict[Path, int] = {}
        # DuckDB must know the fields that say that a number is missing, and takes not every one.
        signs = (self.delimiter, self._quote or self.delimiter, "\n", "\r")
        is_odd = any(sign in token for token in reading.nulls for sign in signs)
        self._numbers = frozenset(() if is_odd else expected.numbers.intersection(first.names))
        form = Form(reading.decimal, () if self._numbers else reading.nulls)
        expected = replace(expected, numbers=self._numbers)
        self.schema = TextSchema(first.names, form, self._look, expected)
        self.turned: Mapping[str, str] = self.schema.turned

    def _read_headers(self, delimiter: str | None) -> dict[Path, Header]:
        """The files' headers: the same columns in any order, rows after one of them at least."""
        headers = {
            text: read_header(text, title, self._reading, delimiter)
            for text, title in self._titles.items()
        }
        first, *_ = headers.values()
        first_title, *_ = self._titles.values()
        for text, header in headers.items():
            check_names(header.names, self._titles[text])
            if header.delimiter != first.delimiter or set(header.names) != set(first.names):
                raise _differ(first, first_title, header, self._titles[text])
        if not any(header.has_rows for header in headers.values()):
            raise DataError(
                "the table has no rows",
                where=f"file '{first_title}'",
                remedy="check how it was made",
            )
        return headers

    def count(self) -> int:
        """The number of rows; the files are read for it, if they were not yet."""
        if self.schema.rows is None:
            self.schema.rows = self._look([]).rows
        return self.schema.rows

    def read(
        self, path: Path, columns: Sequence[str], batch_rows: int, *, coded: bool
    ) -> Iterator[pa.RecordBatch]:
        """The rows of one file as text, `columns` in this order.

        Numbers that were expected come as float64.
        """
        if self._has_breaks:
            self.count()  # finds out whether threads go astray in them
        others = list(self._texts)[: list(self._texts).index(path)]
        before = sum(self._counted.get(other, 0) for other in others)
        rows = 0
        for batch in self._rows(path, columns, self._numbers, batch_rows):
            self.schema.check(batch, before + rows)
            rows += batch.num_rows
            yield batch
        self._counted[path] = rows
        if len(self._counted) == len(self._texts):
            self.schema.rows = sum(self._counted.values())

    def _look(self, columns: Sequence[str]) -> Found:
        """Count the rows, and find the types of columns."""
        try:
            return self._look_once(columns)
        except _MisreadError:
            return self._look_once(columns)

    def _look_once(self, columns: Sequence[str]) -> Found:
        found = Found()
        forms = [self.schema.form(name) for name in columns]

        def types_of(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, list[pa.DataType]]:
            pairs = zip(forms, batch.columns, strict=True)
            return batch, [form.type_of(fields) for form, fields in pairs]

        for path in self._texts:
            batches = self._rows(path, columns, frozenset(), BATCH_ROWS)
            for batch, types in in_order(types_of, batches):
                for name, fields, dtype, form in zip(
                    columns, batch.columns, types, forms, strict=True
                ):
                    found.add(name, fields, dtype, form)
                found.rows += batch.num_rows
        return found

    def _rows(
        self, path: Path, columns: Sequence[str], numbers: frozenset[str], batch_rows: int
    ) -> Iterator[pa.RecordBatch]:
        """The rows of one file, `numbers` as float64, the other columns as text."""
        text, parallel = self._texts[path], self._parallel
        passed = _Passed()
        with Translated(self._titles, text, self._headers[text].names, self._quote):
            try:
                for batch in self._scan(text, columns, numbers, batch_rows):
                    passed.add(batch)
                    yield batch
                return
            except failures() as exc:
                if is_interrupt(exc) or not parallel or not has_quotes(text, self._quote):
                    raise
            # A thread may have begun inside a long quoted field. One alone does not, but it takes
            # no notice of a quote that is never closed, so that is looked for first.
            check_quotes(text, self._titles[text], self.delimiter, self._quote)
            self._parallel = False
            again = self._scan(text, columns, numbers, batch_rows)
            yield from passed.rest(again, self._titles[text])

    def _scan(
        self, text: Path, columns: Sequence[str], numbers: frozenset[str], batch_rows: int
    ) -> Iterator[pa.RecordBatch]:
        """The same, as DuckDB gives it."""
        names = self._headers[text].names
        types = [
            f"c{at}: '{'DOUBLE' if name in numbers else 'VARCHAR'}'"
            for at, name in enumerate(names)
        ]
        options = {
            # A bracket around each sign that DuckDB takes for a pattern: [*] matches * alone.
            "files": quoted(re.sub(r"([*?[])", r"[\1]", str(text))),
            "auto_detect": "false",
            "header": str(self._reading.header).lower(),
            "delim": quoted(self.delimiter),
            "quote": quoted(self._quote),
            "escape": quoted(self._quote),
            "strict_mode": "true",
            "null_padding": "false",
            "max_line_size": str(LONGEST_LINE),
            "buffer_size": str(_BUFFER),
            "parallel": str(self._parallel).lower(),
            "decimal_separator": quoted(self._reading.decimal),
            "columns": "{" + ", ".join(types) + "}",
            **self._null_options(len(names)),
        }
        files = options.pop("files")
        listed = ", ".join(f"{option} = {value}" for option, value in options.items())
        # Positions for names: DuckDB does not tell "Age" from "age".
        picked = ", ".join(f"c{names.index(name)}" for name in columns) or "c0"
        reader = connect().sql(f"SELECT {picked} FROM read_csv({files}, {listed})")
        for batch in reader.to_arrow_reader(batch_rows):
            yield batch.rename_columns(list(columns)) if columns else batch.select([])

    def _null_options(self, columns: int) -> dict[str, str]:
        """Which fields are null: the empty one, or those named, unless they travel as text."""
        nulls = self._reading.nulls
        if self._numbers and nulls:
            listed = ", ".join(map(quoted, nulls))
            return {"nullstr": f"[{listed}]", "allow_quoted_nulls": "true"}
        options = {"nullstr": "''", "allow_quoted_nulls": "false"}
        if nulls and "" not in nulls:
            listed = ", ".join(quoted(f"c{at}") for at in range(columns))
            options["force_not_null"] = f"[{listed}]"
        return options

    @property
    def _quote(self) -> str:
        return self._reading.quote

    def _plain(self, path: Path, title: str) -> Path:
        """A file that DuckDB can read: where need be a copy, unpacked and in UTF-8."""
        if path.suffix.lower() != ".bz2" and is_utf8(self._reading.encoding):
            return path
        self._spool = self._spool or Spool()
        copy = self._spool.path / f"{len(list(self._spool.path.iterdir()))}.csv"
        try:
            refuse_no_text(path, title, nulls=not is_utf8(self._reading.encoding))
            with open_bytes(path) as stream:
                spool_as_utf8(stream, copy, title, self._reading.encoding)
        except PermissionError:
            raise
        except DAMAGE as exc:
            raise damaged(title, exc) from exc
        return copy


class _MisreadError(DataError):
    """Rows were given that are none."""


class _Passed:
    """What was given of a file's rows, to be told from what one thread reads."""

    def __init__(self) -> None:
        self.rows = 0
        self._sizes: list[int] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Take note of more rows: their number, and how much is in their columns."""
        if batch.num_rows:
            sizes = [_size(column) for column in batch.columns]
            known = self._sizes or [0] * len(sizes)
            self._sizes = [old + new for old, new in zip(known, sizes, strict=True)]
            self.rows += batch.num_rows

    def rest(self, batches: Iterator[pa.RecordBatch], title: str) -> Iterator[pa.RecordBatch]:
        """The rows after those that were given.

        Raises
        ------
        _MisreadError : what was given was not what these begin with.
        """
        again = _Passed()
        for batch in batches:
            old = min(self.rows - again.rows, batch.num_rows)
            again.add(batch[:old])
            if again.rows == self.rows:
                if again._sizes != self._sizes:
                    break
                if old < batch.num_rows:
                    yield batch[old:]
        if (again.rows, again._sizes) != (self.rows, self._sizes):
            raise _MisreadError(
                "a quoted field is so long that its lines were taken for rows",
                where=f"file '{title}'",
                remedy="shorten it, or write the table as Parquet",
            )


def _size(column: pa.Array) -> int:
    """The bytes of text in a column, else the values that are not null."""
    if column.type != TEXT:
        return len(column) - int(column.null_count)
    ends = np.frombuffer(column.buffers()[1], np.int32)
    return int(ends[column.offset + len(column)]) - int(ends[column.offset])


def _differ(first: Header, first_title: str, header: Header, title: str) -> DataError:
    """The error that two files are no one table."""
    others = [name for name in header.names if name not in first.names]
    missing = [name for name in first.names if name not in header.names]
    remedy = "the files of one CSV table need the same columns"
    if others or missing:
        remedy += f": '{(others or missing)[0]}' is in one of the two only"
    elif header.delimiter != first.delimiter:
        remedy = f"'{header.delimiter}' is the delimiter here, and '{first.delimiter}' there"
    return DataError(
        f"the header differs from that of '{first_title}'", where=f"file '{title}'", remedy=remedy
    )
