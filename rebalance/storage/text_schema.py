"""The columns of text files: their names at once, their types when somebody asks for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from rebalance.core.kinds import Kind
from rebalance.storage.fields import EMPTY, INTEGER, NUMBER, TEXT, Form, merged, text_type
from rebalance.storage.reading import Expected

_OWN_PREFIX = "rb_"
_MANY_ROWS = 10_000


@dataclass
class Found:
    """What a look at all rows came to: how many there are, and the columns' types.

    `turned` has the first value that is no number of columns that begin with many numbers.
    """

    rows: int = 0
    types: dict[str, pa.DataType] = field(default_factory=dict)
    turned: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, fields: pa.Array, dtype: pa.DataType, form: Form) -> None:
        """Take what type the next rows' fields of a column have."""
        before = self.types.get(name, EMPTY)
        self.types[name] = merged(before, dtype)
        numbers = (EMPTY, INTEGER, NUMBER)
        if self.types[name] in numbers or before not in numbers:
            return
        at = form.first_other(fields)
        if at < 0:
            return
        begins = before != EMPTY or form.type_of(fields[:at]) != EMPTY
        if begins and self.rows + at >= _MANY_ROWS:
            self.turned[name] = fields[at].as_py()


class TextSchema:
    """Names and types of text's columns, with as much of a `pyarrow.Schema` as tables need.

    A type that is asked for is decided over all rows, never by the first ones. A type that was
    expected holds until a field is seen that is not written as a value of it.
    """

    metadata = None

    def __init__(
        self,
        names: Sequence[str],
        form: Form,
        look: Callable[[Sequence[str]], Found],
        expected: Expected,
    ) -> None:
        self.names = list(names)
        self.turned: dict[str, str] = {}
        self.rows: int | None = None
        self._form = form
        self._look = look
        self._tell = expected.tell
        self._types = {name: expected.types[name] for name in names if name in expected.types}
        self._unsure = set(self._types) - expected.numbers
        self._let_go: dict[str, str] = {}
        self._lock = threading.RLock()

    def __iter__(self) -> Iterator[pa.Field]:
        self.decide(self.names)
        return (self.field(name) for name in self.names)

    @property
    def types(self) -> list[pa.DataType]:
        """The types of all columns."""
        return [column.type for column in self]

    def field(self, name: str) -> pa.Field:
        """A column's name and type."""
        self.decide([name])
        return pa.field(name, self._types[name])

    def form(self, name: str) -> Form:
        """How the values of a column are written; the project's own have a point always."""
        return Form(nulls=self._form.nulls) if name.startswith(_OWN_PREFIX) else self._form

    def add(self, name: str, dtype: pa.DataType) -> None:
        """Add a column that is not in the text, of a type that is known."""
        self.names.append(name)
        self._types[name] = dtype

    def decide(self, names: Iterable[str]) -> None:
        """Decide the types of these columns, in one look for all that are not known."""
        with self._lock:
            unknown = [name for name in dict.fromkeys(names) if name not in self._types]
            if not unknown:
                return
            for name in unknown:
                if name in self._let_go:
                    self._tell(self._let_go.pop(name))
            found = self._look(unknown)
            self.rows = found.rows
            self.turned |= found.turned
            self._types |= found.types

    def check(self, rows: pa.RecordBatch, start: int) -> None:
        """Let go the types expected that fields of these rows do not fit: they are decided anew."""
        for name in self._unsure.intersection(rows.schema.names):
            dtype, form, fields = self._types[name], self.form(name), rows.column(name)
            if form.fits(fields, dtype):
                continue
            at = form.first_misfit(fields, dtype)
            with self._lock:
                self._unsure.discard(name)
                del self._types[name]
                self._let_go[name] = (
                    f"the column '{name}' was {dtype} in the pilot's table, and '{fields[at]}' in "
                    f"row {start + at} (counting from 0) is none: its type is decided anew, over "
                    "all rows"
                )


def expect(
    stored: Mapping[str, str],
    kinds: Mapping[str, Kind],
    named: Collection[str],
    *,
    as_text: bool,
    tell: Callable[[str], None],
) -> Expected:
    """What types the columns of text should have, by those of a table that was seen before.

    Parameters
    ----------
    stored : the names of Arrow types by column, of any format.
    kinds : the columns that are read as features.
    named : the columns whose values are compared as text, such as the label: there a type is known
        only if it does not matter where in the table another one is found.
    as_text : whether rows are written as text again, which needs no types.
    """
    types = {name: text_type(dtype) for name, dtype in stored.items()}
    known = {name: dtype for name, dtype in types.items() if dtype is not None}
    for name in named:
        if known.get(name) not in (INTEGER, TEXT, pa.bool_()):
            known.pop(name, None)
    if as_text:
        needed = {*named, *(name for name, kind in kinds.items() if kind == "time")}
        return Expected({name: known[name] for name in needed & set(known)}, tell=tell)
    numbers = {name for name, kind in kinds.items() if kind == "number" and name not in named}
    return Expected(
        known, frozenset(name for name in numbers if known.get(name) == NUMBER), tell=tell
    )
