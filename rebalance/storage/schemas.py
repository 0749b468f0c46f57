"""Checks on the columns' names and types, the same for every format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pyarrow as pa

from rebalance.errors import DataError


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


def check_same(first: pa.Schema, other: pa.Schema, first_title: str, title: str) -> None:
    """Refuse files whose columns differ in names or types; their order may differ.

    Raises
    ------
    DataError : which column, in which files.
    """
    for name in first.names:
        if name not in other.names:
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
    for name in other.names:
        if name not in first.names:
            raise DataError(
                f"the column '{name}' is not in '{first_title}'",
                where=f"file '{title}'",
                remedy="the files of one table need the same columns",
            )
