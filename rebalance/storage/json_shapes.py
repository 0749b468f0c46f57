"""What the values of JSON look like, seen over all rows, and the Arrow types that hold them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from rebalance.core.arrays import texts_to_arrow
from rebalance.storage.fields import EMPTY, INTEGER, NUMBER, TEXT, Form, merged

_DEEPEST = 60  # what is nested deeper is kept as JSON text, and so is
_WIDEST = 1_000  # an object inside of a column with more keys than that: they are values then
_EXACT = 10**18  # float64 holds whole numbers beside others up to here, as for CSV
_FORM = Form()
_NUMBERS = {"integer", "float"}


class Literal(float):
    """A number as it stands in the file."""

    def __new__(cls, text: str) -> Literal:
        """The number that a text says."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    text: str


@dataclass
class Shape:
    """The kinds of values seen in one place, and for numbers, texts, objects and lists which.

    low, high : the range of the integers.
    times : the type of time that all texts are written as; EMPTY where there is no text yet.
    began : the first value's kind; `first_text` is the first text.
    """

    kinds: set[str] = field(default_factory=set)
    low: int = 0
    high: int = 0
    times: pa.DataType = EMPTY
    began: str = ""
    first_text: str = ""
    fields: dict[str, Shape] = field(default_factory=dict)
    items: Shape | None = None

    def merge(self, later: Shape) -> None:
        """Take in what was seen later."""
        self.low, self.high = min(self.low, later.low), max(self.high, later.high)
        self.times = merged(self.times, later.times)
        self.began = self.began or later.began
        if "text" not in self.kinds:
            self.first_text = later.first_text
        self.kinds |= later.kinds
        for name, shape in later.fields.items():
            self.fields.setdefault(name, Shape()).merge(shape)
        if later.items is not None:
            self.items = self.items or Shape()
            self.items.merge(later.items)

    def dtype(self, depth: int = 0) -> pa.DataType:
        """The type that holds all values without a loss: text, if there is no other."""
        if not self.kinds:
            return EMPTY
        if self.kinds == {"text"}:
            return self.times if depth == 0 else TEXT
        if self.kinds == {"boolean"}:
            return pa.bool_()
        if self.kinds <= _NUMBERS:
            return self._number()
        if self.kinds == {"list"} and depth < _DEEPEST:
            return pa.list_((self.items or Shape()).dtype(depth + 1))
        if self.kinds == {"object"} and depth < _DEEPEST and 0 < len(self.fields) <= _WIDEST:
            inside = [(name, shape.dtype(depth + 1)) for name, shape in self.fields.items()]
            return pa.struct(inside)
        return TEXT

    def _number(self) -> pa.DataType:
        if "float" in self.kinds:
            return NUMBER if max(-self.low, self.high) < _EXACT else TEXT
        if self.low >= -(2**63) and self.high < 2**63:
            return INTEGER
        return pa.uint64() if self.low >= 0 and self.high < 2**64 else TEXT

    def turned(self) -> str | None:
        """The first text, where numbers came before it."""
        return self.first_text if self.began in _NUMBERS and "text" in self.kinds else None


def shape_of_values(values: Iterable[Any], depth: int = 0) -> Shape:
    """The shape of values as Python's json gives them."""
    shape = Shape()
    texts: list[str] = []
    for value in values:
        kind = _kind(value)
        if kind is None:
            continue
        shape.kinds.add(kind)
        shape.began = shape.began or kind
        if kind == "integer":
            shape.low, shape.high = min(shape.low, value), max(shape.high, value)
        elif kind == "text":
            texts.append(value)
        elif kind == "list" and depth < _DEEPEST:
            shape.items = shape.items or Shape()
            shape.items.merge(shape_of_values(value, depth + 1))
        elif kind == "object" and depth < _DEEPEST:
            for name, inner in value.items():
                found = shape_of_values([inner], depth + 1)
                shape.fields.setdefault(name, Shape()).merge(found)
    if texts:
        shape.first_text = texts[0]
        shape.times = _times(texts_to_arrow(texts)) if depth == 0 else TEXT
    return shape


def _kind(value: Any) -> str | None:
    if value is None:
        return None
    kinds = {bool: "boolean", int: "integer", str: "text", list: "list", dict: "object"}
    return kinds.get(type(value), "float")


def shape_of_array(array: pa.Array, depth: int = 0) -> Shape:
    """The shape of values as pyarrow's reader gives them, whose texts are no timestamps."""
    kind = array.type
    if array.null_count == len(array):
        return Shape()
    if pa.types.is_boolean(kind):
        return Shape({"boolean"}, began="boolean")
    if pa.types.is_integer(kind):
        found = pc.min_max(array)
        low, high = found["min"].as_py(), found["max"].as_py()
        return Shape({"integer"}, min(low, 0), max(high, 0), began="integer")
    if pa.types.is_floating(kind):
        return Shape({"float"}, began="float")
    if pa.types.is_struct(kind):
        names = [kind.field(at).name for at in range(kind.num_fields)]
        columns = zip(names, array.flatten(), strict=True)
        fields = {name: shape_of_array(column, depth + 1) for name, column in columns}
        return Shape({"object"}, began="object", fields=fields)
    if pa.types.is_list(kind):
        return Shape({"list"}, began="list", items=shape_of_array(array.flatten(), depth + 1))
    times = _times(array) if depth == 0 else TEXT
    return Shape({"text"}, times=times, began="text", first_text=array.drop_null()[0].as_py())


def _times(texts: pa.Array) -> pa.DataType:
    """The type of time that all texts are written as, else text."""
    first = texts.drop_null()[:1]
    dtype = _FORM.type_of(first)
    return dtype if pa.types.is_temporal(dtype) and _FORM.fits(texts, dtype) else TEXT


def as_type(value: Any, dtype: pa.DataType) -> Any:
    """A value as pyarrow wants it for a type; what is no text becomes one where text is wanted."""
    if value is None:
        return None
    if dtype == TEXT:
        return value if isinstance(value, str) else _text(value)
    if pa.types.is_list(dtype):
        return [as_type(inner, dtype.value_type) for inner in value]
    if pa.types.is_struct(dtype):
        inside = [dtype.field(at) for at in range(dtype.num_fields)]
        return {inner.name: as_type(value.get(inner.name), inner.type) for inner in inside}
    return float(value) if dtype == NUMBER else value


def _text(value: Any) -> str:
    """JSON for a value, a number as it stands in the file."""
    if isinstance(value, Literal):
        return value.text
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
