"""Checks on the columns' names and types, the same for every format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pyarrow as pa

from rebalance.errors import DataError
from rebalance.storage.ordinary import is_readable

_NOT_THE_USERS = (b"ARROW:schema", b"rebalance.")


def others_metadata(metadata: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """The key-value metadata that travels with rows: what this project wrote says of one file.

    >>> others_metadata({b"pandas": b"{}", b"rebalance.design": b"{}"})
    {b'pandas': b'{}'}
    """
    return {key: text for key, text in metadata.items() if not key.startswith(_NOT_THE_USERS)}


def decode_names(columns: pa.Schema | pa.StructType) -> None:
    """Decode the names of all fields, which pyarrow else does when one is asked for.

    Raises
    ------
    UnicodeDecodeError : a name is not UTF-8: the file is damaged.
    """
    for field in map(columns.field, range(len(columns))):
        str(field.name)
        dtype = field.type
        if pa.types.is_nested(dtype) and not pa.types.is_run_end_encoded(dtype):
            decode_names(pa.struct([dtype.field(at) for at in range(dtype.num_fields)]))


def check_names(names: Sequence[str], title: str) -> None:
    """Refuse duplicate and empty column names.

    Raises
    ------
    DataError : a name is there twice, or is empty.
    """
    for name, count in Counter(names).items():
        if count > 1:
            raise DataError(
                f"the column name '{name}' is there {count} times",
                where=f"file '{title}'",
                remedy="give every column its own name",
            )
        if not name.strip():
            raise DataError(
                f"column {list(names).index(name) + 1} has no name",
                where=f"file '{title}'",
                remedy="give every column a name in the header",
            )


def check_readable(schema: pa.Schema, title: str) -> None:
    """Refuse types of which Arrow cannot pick rows.

    Raises
    ------
    DataError : which column.
    """
    for field in schema:
        if not is_readable(field.type):
            raise DataError(
                f"the column '{field.name}' is {field.type}, of which rows cannot be picked",
                where=f"file '{title}'",
                remedy="write it with a plainer type",
            )


def check_same(first: pa.Schema, other: pa.Schema, first_title: str, title: str) -> None:
    """Refuse files whose columns differ in names or types; their order may differ.

    Raises
    ------
    DataError : which column, in which files.
    """
    there = set(other.names)  # once: each time that they are asked for they are made
    for name in first.names:
        if name not in there:
            raise DataError(
                f"the column '{name}' of '{first_title}' is missing",
                where=f"file '{title}'",
                remedy="the files of one table need the same columns",
            )
        if first.field(name).type != other.field(name).type:
            raise DataError(
                f"the column '{name}' is {other.field(name).type} here and "
                f"{first.field(name).type} in '{first_title}'",
                where=f"file '{title}'",
                remedy="the files of one table need the same types",
            )
    there = set(first.names)
    for name in other.names:
        if name not in there:
            raise DataError(
                f"the column '{name}' is not in '{first_title}'",
                where=f"file '{title}'",
                remedy="the files of one table need the same columns",
            )
