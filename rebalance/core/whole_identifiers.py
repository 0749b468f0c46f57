"""Whole numbers that are identifiers: between them there is no distance, and no row is made."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from rebalance.core.suspicions import IDENTIFIER_SHARE, is_identifier
from rebalance.errors import DataError


def is_whole_identifier(values: pa.Array, of_rows: int | None = None) -> bool:
    """Whether whole numbers are nearly all different, as `profile` tells identifiers.

    In a part of a table so are times of the day, where rows are few. So there the numbers must also
    lie so far apart that those of the whole table can be nearly all different.

    Parameters
    ----------
    of_rows : rows of the table that these are of; None where they are all.

    >>> is_whole_identifier(pa.array(range(0, 2400, 24))), is_whole_identifier(pa.array([1.5] * 30))
    (True, False)
    >>> is_whole_identifier(pa.array(range(0, 2400, 24)), of_rows=300_000)
    False
    """
    if not (pa.types.is_integer(values.type) or pa.types.is_decimal(values.type)):
        return False
    filled = len(values) - values.null_count
    distinct = pc.count_distinct(values, mode="only_valid").as_py()
    if not is_identifier(values.type, filled, distinct):
        return False
    if of_rows is None or of_rows <= len(values):
        return True
    ends = pc.min_max(values).as_py()
    of_filled = of_rows * filled / len(values)
    return bool(int(ends["max"]) - int(ends["min"]) + 1 >= IDENTIFIER_SHARE**2 * of_filled)


def refuse_whole_identifiers(columns: Mapping[str, pa.Array], of_rows: int | None) -> None:
    """Refuse columns of whole numbers that are identifiers.

    Raises
    ------
    DataError : one is; names all of them.
    """
    found = [name for name, values in columns.items() if is_whole_identifier(values, of_rows)]
    if not found:
        return
    drop = " ".join(f"--drop {_quoted(name)}" for name in found)
    one = len(found) == 1
    raise DataError(
        f"nearly all whole numbers differ: {'an identifier' if one else 'identifiers'}?",
        where=f"column{'' if one else 's'} {', '.join(map(repr, found))}",
        remedy=f"leave {'it' if one else 'them'} out of the distances with {drop}; "
        f"{'it travels' if one else 'they travel'} with the rows. Of a measurement, say so with "
        f"--number {_quoted(found[0])}",
    )


def _quoted(name: str) -> str:
    return f"'{name}'" if " " in name else name
