"""columns of probabilities -> arrays, once sure that they hold what they must"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.arrays import to_numpy
from rebalance.errors import DataError
from rebalance.storage.tables import Batch, Table

Floats = NDArray[np.float64]

# What the columns are called that a model about balanced classes gives, before the class.
BALANCED = "rb_balanced_"


def numbers(batch: Batch, name: str) -> Floats:
    """A column as float64, shape (n,); NaN where a value is missing.

    Raises
    ------
    DataError : they are not numbers.
    """
    array = batch.column(name)
    if not (pa.types.is_floating(array.type) or pa.types.is_integer(array.type)):
        raise DataError(
            f"the column '{name}' is {array.type}, not numbers",
            where=batch.place,
            remedy="name a column of probabilities",
        )
    return np.asarray(to_numpy(array.cast(pa.float64(), safe=False)), dtype=np.float64)


def refuse(batch: Batch, name: str, values: Floats, wrong: NDArray[np.bool_], needed: str) -> None:
    """Say which is the first value that is wrong.

    Raises
    ------
    DataError : one is.
    """
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{values[row]:g} is not {needed}",
            where=f"{batch.place}, row {batch.start + row} (counting from 0), column '{name}'",
            remedy="mend the value, or name another column",
        )


def probabilities(batch: Batch, name: str, remedy: str) -> Floats:
    """A column of numbers from 0 to 1, shape (n,), for values as they stand in the file.

    Raises
    ------
    DataError : they are not numbers, or one is missing or outside.
    """
    values = numbers(batch, name)
    inside = (values >= 0) & (values <= 1)  # false for NaN, which nulls are too
    if not inside.all():
        row = int(np.argmin(inside))
        value = batch.column(name)[row].as_py()
        raise DataError(
            "the probability is missing" if value is None else f"{value} is not between 0 and 1",
            where=f"{batch.place}, row {batch.start + row} (counting from 0), column '{name}'",
            remedy=remedy,
        )
    return values


def kept_beside(
    table: Table, keep: Sequence[str] | None, new: Sequence[str], option: str
) -> list[str]:
    """The columns that stay beside new ones: those of `keep`, all where it is None.

    Raises
    ------
    DataError : one is not there, or has the name of a new one.
    """
    kept = table.names if keep is None else list(dict.fromkeys(keep))
    made = set(new)
    for name in kept:
        if keep is not None:
            table.require(name, option)
        if name in made:
            raise DataError(
                f"the table has a column '{name}' already",
                where=f"file '{table.title}'",
                remedy="rename it"
                + (f", or name the columns to keep with {option}" if option == "--keep" else ""),
            )
    return kept
