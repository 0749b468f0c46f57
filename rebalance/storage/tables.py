"""Input tables: Parquet and CSV files, read as a stream of batches in input order."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.arrays import to_arrow
from rebalance.core.kinds import Kind, kind_of
from rebalance.errors import DataError, nearest
from rebalance.storage.fields import TEXT, Form, first_failing
from rebalance.storage.reading import USUAL, Reading
from rebalance.storage.text_schema import TextSchema

OWN_PREFIX = "rb_"
_GUESS_BYTES = 1 << 20
_PACKED = (".gz", ".zst", ".bz2")
FEATURE_TYPES: dict[Kind, pa.DataType] = {
    "number": pa.float64(),
    "category": pa.string(),
    "boolean": pa.bool_(),
    "time": pa.timestamp("us"),
}


@dataclass(frozen=True)
class Batch:
    """Consecutive rows of a table: as they stand in the file, and typed on demand."""

    start: int
    source: pa.RecordBatch
    schema: pa.Schema
    place: str

    def __len__(self) -> int:
        return int(self.source.num_rows)

    def column(self, name: str) -> pa.Array:
        """The column with the table's type."""
        return self._cast(name, self.schema.field(name).type)

    def feature(self, name: str, kind: Kind) -> pa.Array:
        """The column as a feature of this kind: a CSV's text becomes what the kind needs."""
        array = self.source.column(name)
        if kind_of(array.type) == kind:
            return self._form(name).filled(array)
        if kind != "time":
            return self._cast(name, FEATURE_TYPES[kind], as_feature=True)
        decided = self.schema.field(name).type
        return self._cast(name, decided if kind_of(decided) == "time" else FEATURE_TYPES[kind])

    def features(self, kinds: Mapping[str, Kind]) -> dict[str, pa.Array]:
        """The columns that a model reads."""
        return {name: self.feature(name, kind) for name, kind in kinds.items()}

    def typed(self) -> pa.RecordBatch:
        """All columns with the table's types."""
        schema = self.schema_of_source()
        return pa.RecordBatch.from_arrays(
            [self.column(name) for name in self.source.schema.names], schema=schema
        )

    def schema_of_source(self) -> pa.Schema:
        """The table's types for the columns that were read."""
        names = self.source.schema.names
        if isinstance(self.schema, TextSchema):
            self.schema.decide(names)
        fields = [self.schema.field(name) for name in names]
        return pa.schema(fields, metadata=self.schema.metadata)

    def take(self, at: NDArray[np.int64]) -> Batch:
        """The rows at these positions; `start` stays that of the whole."""
        return Batch(self.start, self.source.take(to_arrow(at)), self.schema, self.place)

    def select(self, names: Sequence[str]) -> Batch:
        """The columns of these names."""
        return Batch(self.start, self.source.select(list(names)), self.schema, self.place)

    def located(self) -> AbstractContextManager[None]:
        """Add the file and the row to what goes wrong with these rows' values."""
        return located(self.place, self.start)

    def filter(self, mask: pa.Array) -> Batch:
        """The rows where `mask` is true."""
        return Batch(self.start, self.source.filter(mask), self.schema, self.place)

    def _form(self, name: str) -> Form:
        return self.schema.form(name) if isinstance(self.schema, TextSchema) else Form()

    def _cast(self, name: str, dtype: pa.DataType, *, as_feature: bool = False) -> pa.Array:
        array, form = self.source.column(name), self._form(name)
        if array.type == dtype:
            return form.filled(array)
        is_lenient = as_feature and (array.type, dtype) == (TEXT, FEATURE_TYPES["number"])
        read = form.numbers if is_lenient else partial(form.cast, dtype=dtype)
        try:
            return read(array)
        except pa.ArrowInvalid:
            row = first_failing(array, read)
            raise DataError(
                f"'{array[row].as_py()}' cannot be read as {dtype}",
                where=f"{self.place}, row {self.start + row} (counting from 0), column '{name}'",
                remedy="mend the value, or leave the column out with --drop",
            ) from None


@contextmanager
def located(place: str, start: int | None = 0) -> Iterator[None]:
    """Add the file, and the row counted over the whole table, to what goes wrong with values.

    `start` is the first row's number; None where the rows are not consecutive ones.
    """
    try:
        yield
    except DataError as exc:
        if place in exc.where:
            raise
        known = start is not None and exc.row is not None
        row = f"row {(start or 0) + (exc.row or 0)} (counting from 0)" if known else ""
        where = ", ".join(filter(None, (place, row, exc.where)))
        raise type(exc)(exc.what, where=where, remedy=exc.remedy) from exc


class Source(Protocol):
    """One format: the files of a table, their common schema, and how to stream them.

    unit_bytes : what reading keeps in memory besides the batches, a row group for example.
    stored : the types, by column, that are not those of the schema; see `storage.ordinary`.
    """

    schema: pa.Schema
    is_text: bool
    unit_bytes: int
    metadata: Mapping[bytes, bytes]
    stored: Mapping[str, pa.DataType]

    @property
    def turned(self) -> Mapping[str, str]:
        """Columns that begin as numbers and are text, with the first value that is no number."""

    @property
    def codec(self) -> str | None:
        """What compresses most columns of Parquet files; None for other formats."""

    def count(self) -> int:
        """The number of rows of all files."""

    def read(
        self, path: Path, columns: Sequence[str], batch_rows: int, *, coded: bool
    ) -> Iterator[pa.RecordBatch]:
        """The rows of one file as they stand there, `columns` in this order.

        With `coded`, text may come as dictionaries, where it is stored so.
        """


@dataclass(frozen=True)
class Table:
    """One or several files of the same format with the same columns."""

    paths: tuple[Path, ...]
    source: Source
    title: str
    reading: Reading = USUAL
    _spool: object = field(default=None, repr=False)
    _states: dict[Path, object] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_states", {path: _state(path) for path in self.paths})

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns, decided over all rows of all files."""
        return self.source.schema

    @property
    def place(self) -> str:
        """The table's name in messages."""
        return f"file '{self.title}'"

    @property
    def metadata(self) -> Mapping[bytes, bytes]:
        """The first file's key-value metadata; empty for formats that have none."""
        return self.source.metadata

    def document(self, key: str) -> dict[str, Any]:
        """The JSON object of this key in the metadata; empty where there is none.

        Raises
        ------
        DataError : it is no JSON object.
        """
        try:
            found = json.loads(self.metadata.get(key.encode(), b"{}"))
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise DataError(
                f"the file's metadata '{key}' cannot be read",
                where=f"file '{self.title}'",
                remedy="make the file anew, or write it without metadata",
            )
        return found

    @property
    def turned(self) -> Mapping[str, str]:
        """Columns that begin as numbers and are text, with the first value that is no number."""
        return self.source.turned

    @property
    def names(self) -> list[str]:
        """The columns' names in the first file's order."""
        return list(self.schema.names)

    @property
    def rows_if_known(self) -> int | None:
        """The number of rows, where it can be told without reading the table."""
        schema = self.source.schema
        return schema.rows if isinstance(schema, TextSchema) else self.source.count()

    @property
    def stored_bytes(self) -> int:
        """The size of all files."""
        return sum(path.stat().st_size for path in self.paths)

    def rows_guessed(self) -> int:
        """The number of rows of text, guessed from the length of the first file's first lines."""
        with pa.input_stream(str(self.paths[0]), compression="detect") as stream:
            head = stream.read(_GUESS_BYTES)
        packed = self.paths[0].suffix.lower() in _PACKED
        length = len(zlib.compress(head)) if packed else len(head)
        return int(self.stored_bytes * max(head.count(b"\n"), 1) / max(length, 1))

    @property
    def num_rows(self) -> int:
        """The number of rows of all files."""
        return self.source.count()

    def batches(
        self, columns: Sequence[str] | None = None, *, coded: bool = False
    ) -> Iterator[Batch]:
        """Stream the rows in input order; `start` counts over all files.

        With `coded`, text that is stored as a small dictionary comes as one, which is faster.

        Raises
        ------
        DataError : a file is damaged, or a CSV row does not fit its header.
        """
        wanted = self.names if columns is None else list(dict.fromkeys(columns))
        start = 0
        for path in self.paths:
            with self._unchanged(path):
                size = self.reading.batch_rows
                for rows in self.source.read(path, wanted, size, coded=coded):
                    if rows.num_rows:
                        yield Batch(start, rows, self.schema, f"file '{self._shown(path)}'")
                        start += rows.num_rows

    @contextmanager
    def _unchanged(self, path: Path) -> Iterator[None]:
        """Check that a file is the one that was opened, before and after something is read."""
        try:
            self._check(path)
            yield
        except DataError:
            self._check(path)  # a change explains the damage
            raise
        self._check(path)

    def _check(self, path: Path) -> None:
        if _state(path) != self._states[path]:
            raise DataError(
                "the file changed while it was read",
                where=f"file '{self._shown(path)}'",
                remedy="run the command again when nothing writes to it",
            )

    def require(self, name: str, option: str) -> None:
        """Check that a column the user named is there.

        Raises
        ------
        DataError : it is not; the nearest names are given.
        """
        if name not in self.names:
            raise DataError(
                f"there is no column '{name}' (named by {option})",
                where=f"file '{self.title}'",
                remedy=nearest(name, self.names),
            )

    def require_features(self, kinds: Mapping[str, Kind], owner: str) -> None:
        """Check that the columns an artifact reads are there, with types it can read.

        Raises
        ------
        DataError : a column is missing, or is of another kind (text where numbers were).
        """
        for name, kind in kinds.items():
            if name not in self.names:
                raise DataError(
                    f"{owner} needs the column '{name}'",
                    where=f"file '{self.title}'",
                    remedy=nearest(name, self.names),
                )
            if kind != "vector" and self.is_text:
                continue
            found = self.schema.field(name).type
            if kind_of(found) != kind and not (kind != "vector" and pa.types.is_null(found)):
                raise DataError(
                    f"{owner} reads the column '{name}' as a {kind}, and here it is {found}",
                    where=f"file '{self.title}'",
                    remedy="give the column the type it had, or train again without it (--drop)",
                )

    @property
    def is_text(self) -> bool:
        """Whether values stand in the files as text (CSV)."""
        return self.source.is_text

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the bytes of all files, in order."""
        digest = hashlib.sha256()
        for path in self.paths:
            with path.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
        return digest.hexdigest()

    def refuse_own_columns(self) -> None:
        """Check that no column has a name that a sample needs for itself.

        Raises
        ------
        DataError : a column's name starts with `rb_`.
        """
        for name in self.names:
            if name.startswith(OWN_PREFIX):
                raise DataError(
                    f"the column '{name}' has a name that rebalance keeps for its own columns",
                    where=f"file '{self.title}'",
                    remedy="rename it; if this is a sample already, give the table it came from",
                )

    def _shown(self, path: Path) -> str:
        return self.title if self._spool is not None else str(path)


def _state(path: Path) -> tuple[int, int, int]:
    """What changes when a file is written to or replaced."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns
