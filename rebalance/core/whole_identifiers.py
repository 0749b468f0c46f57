"""Columns that are identifiers: between their values is no distance, and no row is made of them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from rebalance.core.suspicions import IDENTIFIER_SHARE, is_identifier
from rebalance.core.wording import dropping
from rebalance.errors import DataError

MAX_LEVELS = 1_000


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


def refuse_identifiers(
    whole: Mapping[str, pa.Array], levels: Mapping[str, int], of_rows: int | None
) -> None:
    """Refuse columns that are identifiers: whole numbers, and categories with too many values.

    Parameters
    ----------
    levels : how many values each category has. of_rows : see `is_whole_identifier`.

    Raises
    ------
    DataError : one is; names all of them.
    """
    numbers = [name for name, values in whole.items() if is_whole_identifier(values, of_rows)]
    many = [name for name, count in levels.items() if count > MAX_LEVELS]
    found = [*numbers, *many]
    if not found:
        return
    reasons = ["nearly all whole numbers differ"] if numbers else []
    if many:
        up_to = "up to " if len(many) > 1 else ""
        most = max(levels[name] for name in many)
        reasons.append(f"there are {up_to}{most:,} different values, more than {MAX_LEVELS:,}")
    one = len(found) == 1
    measured = "".join(
        f". Of a measurement, say so with --number {shlex.quote(name)}" for name in numbers[:1]
    )
    raise DataError(
        f"{', or '.join(reasons)}: {'an identifier' if one else 'identifiers'}?",
        where=f"column{'' if one else 's'} {', '.join(map(repr, found))}",
        remedy=f"leave {'it' if one else 'them'} out of the distances with {dropping(found)}; "
        f"{'it travels' if one else 'they travel'} with the rows{measured}",
    )
