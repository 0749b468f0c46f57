"""Rows as lines of JSON: an object each, every digit of a number as it was."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rebalance.core.arrays import Values, texts_to_arrow, to_arrow, to_numpy
from rebalance.errors import DataError
from rebalance.storage.csv_text import is_text, plain_text
from rebalance.storage.tables import Batch
from rebalance.storage.text_writer import large

_SIGNS = {"\\": "\\\\", '"': '\\"'}  # the backslash first, since the others bring more of it
_CONTROLS = {chr(code): f"\\u{code:04x}" for code in range(32)}
_CONTROLS |= {"\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class JsonForm:
    """Objects with a key for each column; what is missing is null, and NaN, which JSON has not."""

    def head(self, names: list[str]) -> pa.Array:
        """Nothing: every line has the names."""
        return texts_to_arrow([]).cast(pa.large_string())

    def rows(self, batch: Batch) -> pa.RecordBatch:
        """The user's columns: numbers and truth values as such, times as they stand in text."""
        names = batch.source.schema.names
        return pa.RecordBatch.from_arrays([_column(batch, name) for name in names], names=names)

    def lines(self, rows: pa.RecordBatch) -> pa.Array:
        """The rows.

        Raises
        ------
        DataError : JSON cannot hold a column, or one of its values.
        """
        return _objects(rows.schema.names, rows.columns, "", "}\n")


def _column(batch: Batch, name: str) -> pa.Array:
    stored, typed = batch.source.column(name), batch.column(name)
    if stored.type == typed.type or not pa.types.is_temporal(typed.type):
        return typed
    if stored.null_count == typed.null_count:
        return stored
    missing = pa.nulls(1, stored.type)[0]  # where a token stands for it
    return pc.if_else(typed.is_valid(), stored, missing)


def _objects(names: list[str], columns: list[pa.Array], path: str, end: str) -> pa.Array:
    """An object for each row; `path` leads to them."""
    parts: list[pa.Array | pa.Scalar] = [large("{")]
    for at, (name, column) in enumerate(zip(names, columns, strict=True)):
        key = json.dumps(name, ensure_ascii=False)
        parts += [large(f"{',' * (at > 0)}{key}:"), _literals(column, f"{path}{name}")]
    return _joined(*parts, large(end))


def _literals(array: pa.Array, path: str) -> pa.Array:
    """Values as JSON, as large strings; nulls stay null."""
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    kind = array.type
    if pa.types.is_struct(kind):
        names = [kind.field(at).name for at in range(kind.num_fields)]
        plain = pa.repeat(large("{}"), len(array))
        text = _objects(names, array.flatten(), f"{path}.", "}") if names else plain
        return _where_valid(array, text)
    if pa.types.is_map(kind):
        return _maps(array, path)
    if pa.types.is_nested(kind) and hasattr(kind, "value_type"):
        return _lists(array, path)
    text = plain_text(array)
    if text is None:
        raise DataError(
            f"the column '{path}' is {kind}, which JSON cannot hold",
            remedy="write a .parquet or an .arrow file, or leave the column out",
        )
    if pa.types.is_floating(kind):
        return _floats(array, text, path)
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_boolean(kind):
        return text
    return _quoted(text) if is_text(kind) else _between('"', text, '"')


def _lists(array: pa.Array, path: str) -> pa.Array:
    """The values of each list, of whatever layout, with commas between them."""
    lengths = pc.fill_null(pc.list_value_length(array), 0)
    ends = np.concatenate([[0], np.cumsum(to_numpy(lengths))]).astype(np.int32)
    return _in_signs(array, ends, _literals(array.flatten(), f"{path}[]"), "[]")


def _maps(array: pa.Array, path: str) -> pa.Array:
    """The entries of each map, with commas between them."""
    ends = to_numpy(array.offsets)
    keys, items = (part.slice(ends[0], ends[-1] - ends[0]) for part in (array.keys, array.items))
    return _in_signs(array, ends - ends[0], _entries(keys, items, path), "{}")


def _in_signs(array: pa.Array, ends: Values, inside: pa.Array, signs: str) -> pa.Array:
    """What is inside of each value, which ends where said, as text in signs."""
    filled = pc.fill_null(inside, large("null")).cast(pa.string())
    parts = pa.ListArray.from_arrays(to_arrow(ends), filled)
    joined = pc.binary_join(parts, ",").cast(pa.large_string())
    return _where_valid(array, _between(signs[0], joined, signs[1]))


def _entries(keys: pa.Array, items: pa.Array, path: str) -> pa.Array:
    text = plain_text(keys)
    if text is None:
        raise DataError(
            f"the column '{path}' has keys of type {keys.type}, which JSON cannot hold",
            remedy="write a .parquet or an .arrow file, or leave the column out",
        )
    return _joined(_quoted(text), large(":"), _literals(items, f"{path}{{}}"))


def _floats(array: pa.Array, text: pa.Array, path: str) -> pa.Array:
    """Numbers that will be read as floats again; NaN is null."""
    if pc.any(pc.is_inf(array)).as_py():
        raise DataError(
            f"the column '{path}' has an infinite value, which JSON cannot hold",
            remedy="write a .parquet, .arrow or .csv file, or leave the column out",
        )
    whole = pc.invert(pc.match_substring_regex(text, "[.e]"))
    text = pc.if_else(whole, _between("", text, ".0"), text)
    return _where_valid(array, text, nan_is_null=True)


def _quoted(text: pa.Array) -> pa.Array:
    """Texts as JSON strings."""
    if pc.any(pc.match_substring_regex(text, r'["\\\x00-\x1f]')).as_py():
        signs = _SIGNS
        if pc.any(pc.match_substring_regex(text, r"[\x00-\x1f]")).as_py():
            signs = _SIGNS | _CONTROLS
        for sign, escaped in signs.items():
            text = pc.replace_substring(text, sign, escaped)
    return _between('"', text, '"')


def _between(before: str, text: pa.Array, after: str) -> pa.Array:
    """The texts with others around them; nulls stay null."""
    return pc.binary_join_element_wise(large(before), text, large(after), large(""))


def _joined(*parts: pa.Array | pa.Scalar) -> pa.Array:
    return pc.binary_join_element_wise(
        *parts, large(""), null_handling="replace", null_replacement="null"
    )


def _where_valid(array: pa.Array, text: pa.Array, *, nan_is_null: bool = False) -> pa.Array:
    missing = array.is_null(nan_is_null=nan_is_null)
    if not pc.any(missing).as_py():
        return text
    return pc.if_else(missing, pa.nulls(1, pa.large_string())[0], text)
