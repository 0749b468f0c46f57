"""Rows as lines of CSV: what a reader would misunderstand is quoted, the rest is as it was."""

from __future__ import annotations

from contextlib import suppress

import pyarrow as pa
import pyarrow.compute as pc

from rebalance.core.arrays import texts_to_arrow
from rebalance.errors import DataError
from rebalance.storage.tables import Batch
from rebalance.storage.text_writer import large

# Every sign that a reader may take for a delimiter, and a byte order mark, which it would drop.
_NEEDS_QUOTES = '[,;|"\r\n\t\ufeff]|^$'


class CsvForm:
    """Lines of fields, under a header."""

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter

    def head(self, names: list[str]) -> pa.Array:
        """The header."""
        fields = [_quote(texts_to_arrow([name]).cast(pa.large_string())) for name in names]
        return self._joined(fields)

    def rows(self, batch: Batch) -> pa.RecordBatch:
        """The user's columns as they stand in the input."""
        return batch.source

    def lines(self, rows: pa.RecordBatch) -> pa.Array:
        """The rows; a lone null is a blank line, which `storage.delimited` reads as a null again.

        Raises
        ------
        DataError : CSV cannot hold a column.
        """
        names = rows.schema.names
        return self._joined([_field(rows.column(at), name) for at, name in enumerate(names)])

    def _joined(self, fields: list[pa.Array]) -> pa.Array:
        null = {"null_handling": "replace", "null_replacement": ""}
        ended = pc.binary_join_element_wise(fields[-1], large("\n"), large(""), **null)
        columns = [*fields[:-1], ended]
        return pc.binary_join_element_wise(*columns, large(self._delimiter), **null)


def _field(array: pa.Array, name: str) -> pa.Array:
    """A column's fields as they stand in a CSV file; nulls stay null."""
    text = plain_text(array)
    if text is None:
        raise DataError(
            f"the column '{name}' is {array.type}, which CSV cannot hold",
            remedy="write a .parquet file",
        )
    return _quote(text) if is_text(array.type) else text


def is_text(kind: pa.DataType) -> bool:
    """Whether values of a type are texts, which may hold anything."""
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def plain_text(array: pa.Array) -> pa.Array | None:
    """Values as text, as large strings; None for a type whose values are none."""
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_timestamp(array.type) and array.type.unit == "ns":
        with suppress(pa.ArrowInvalid):  # CSV's own timestamps are microseconds
            array = array.cast(pa.timestamp("us", array.type.tz))
    if pa.types.is_nested(array.type) or _is_binary(array.type):
        return None
    try:
        return array.cast(pa.large_string())
    except pa.ArrowNotImplementedError:
        return None


def _is_binary(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def _quote(text: pa.Array) -> pa.Array:
    needs = pc.match_substring_regex(text, _NEEDS_QUOTES)
    if not pc.any(needs).as_py():
        return text
    escaped = pc.replace_substring(text, '"', '""')
    sign = large('"')
    return pc.if_else(needs, pc.binary_join_element_wise(sign, escaped, sign, large("")), text)
