"""CLASS=COLUMN -> the column with the probabilities of each class"""

from __future__ import annotations

import csv
from collections.abc import Sequence

from rebalance.errors import UsageError, nearest
from rebalance.storage.tables import Table

EVERY = "*="


def named_columns(columns: Sequence[str], table: Table) -> dict[str, str]:
    """The column of each class from CLASS=COLUMN, in the order given.

    Where there are several =, the first is taken after which a column's name follows. `*=score_*`
    alone names every column that begins with score_, by what follows.

    Raises
    ------
    UsageError : no =, a class twice, a column twice, or fewer than two classes.
    DataError : a column is not there.
    """
    found: dict[str, str] = {}
    there, used = set(table.names), set[str]()
    if len(columns) == 1 and columns[0].startswith(EVERY) and columns[0] not in there:
        return _by_prefix(columns[0], table)
    for text in columns:
        cuts = [at for at, sign in enumerate(text) if sign == "="]
        if not cuts or cuts[0] == 0:
            raise UsageError(
                f"'{text}' does not say which class a column is of",
                where="--probability",
                remedy="write CLASS=COLUMN for each: --probability a=COL_A,b=COL_B,c=COL_C",
            )
        cut = next((at for at in cuts if text[at + 1 :] in there), cuts[0])
        value, column = text[:cut], text[cut + 1 :]
        if column not in there:
            table.require(column, "--probability")
        if value in found or column in used:
            raise UsageError(
                f"--probability names {'the class ' + value if value in found else column} twice",
                remedy="name each class and each column once",
            )
        found[value] = column
        used.add(column)
    if len(found) < 2:
        raise UsageError(
            "--probability names one class only",
            remedy="name the column of each class, or one column without '=' for two classes",
        )
    return found


def _by_prefix(text: str, table: Table) -> dict[str, str]:
    """The columns that begin in one way, by the classes that their names end with."""
    prefix = text.removeprefix(EVERY).removesuffix("*")
    if not text.endswith("*") or not prefix or "*" in prefix:
        raise UsageError(
            f"'{text}' does not say how the classes' columns begin",
            where="--probability",
            remedy="write '*=score_*' for columns score_CLASS",
        )
    cut = len(prefix)
    found = {name[cut:]: name for name in table.names if name.startswith(prefix) and name[cut:]}
    if len(found) < 2:
        raise UsageError(
            f"{len(found) or 'no'} column{'s' * (len(found) != 1)} of the table "
            f"begin{'s' * (len(found) == 1)} with '{prefix}'",
            where=f"file '{table.title}'",
            remedy="write '*=score_*' for columns score_CLASS; " + nearest(prefix, table.names),
        )
    return found


def split_parts(text: str) -> list[str]:
    """The parts between commas; one that holds a comma itself stands in double quotes.

    >>> split_parts('a=1,"b,c=2"')
    ['a=1', 'b,c=2']
    """
    return [part.strip() for part in next(csv.reader([text], skipinitialspace=True), [])]
