"""classes of many sizes -> how many rows of each go to test and validation"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rebalance.core.allotment import Shares
from rebalance.core.classes import listed
from rebalance.core.wording import counted
from rebalance.errors import DataError
from rebalance.steps.context import Context

# A class of which a part should get so many rows and gets none is not small: what parts the rows
# goes by the class.
EXPECTED = 20


def sizes_of_classes(
    shares: Shares, counts: Mapping[str, int], column: str, context: Context
) -> list[tuple[int, int]]:
    """Rows for test and validation of each class; one row at least always trains.

    Raises
    ------
    DataError : all classes together have no row for a part.
    """
    sizes = [shares.sizes_with_train(count) for count in counts.values()]
    got = np.sum(sizes, axis=0)
    for name, rows in zip(shares.parts[1:], got.tolist(), strict=False):
        if not rows:
            raise DataError(
                f"every class has too few rows for the {name} set to get one",
                where=f"column '{column}'",
                remedy=f"give a larger --{name}, or put rare classes together",
            )
    few = {value: rows for value, rows in counts.items() if shares.lacking(rows) is not None}
    if few:
        single = sum(rows == 1 for rows in few.values())
        context.note(
            f"{counted(len(few), 'class has', 'classes have')} too few rows for every part: "
            f"{listed(list(few), list(few.values()))}; {single:,} of one row. Each has one in the "
            "training set first, and what is left goes by the rounded shares"
        )
    return sizes


def check_classes_of_part(
    name: str, share: float, rows: Mapping[str, int], in_all: Mapping[str, int], context: Context
) -> None:
    """Say which of many classes have no row in a part that goes by key or time.

    Parameters
    ----------
    share : the part's of the rows. rows, in_all : rows of each class there, and in all.

    Raises
    ------
    DataError : a class has so many rows that the part should have `EXPECTED` of them, and has none.
    """
    lacking = {value: in_all[value] for value, count in rows.items() if not count}
    for value, count in lacking.items():
        if share * count >= EXPECTED:
            raise DataError(
                f"the {name} set would have no row of class '{value}', which has {count:,}",
                remedy="give it a larger share, or split by row, without --key and --time",
            )
    if lacking:
        classes = counted(len(lacking), "class", "classes")
        named = listed(list(lacking), list(lacking.values()))
        context.note(f"the {name} set has no row of {classes}: {named}")
