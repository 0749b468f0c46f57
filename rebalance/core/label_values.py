"""The values of a label, each numbered as it comes; and which columns hold no classes at all.

A label may have any number of classes, also of one row each. What is refused are columns that hold
something else: measurements (real numbers with fractions, or times), and names, of which nearly
every row has its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rebalance.core.arrays import to_numpy
from rebalance.errors import DataError

MOST_MEASURED = 100  # different fractions or times, beyond which they are no classes
IDENTIFIER_SHARE = 0.95
MIN_IDENTIFIER_ROWS = 20
# So many values are looked at before the end: only then do names cost memory worth saving.
MANY = 1 << 18


class LabelValues:
    """The values of a label as text, numbered in the order they came.

    >>> values = LabelValues("y")
    >>> values.codes(pa.array(["b", "a", "b"]), 0).tolist(), values.texts
    ([0, 1, 0], ['b', 'a'])
    """

    def __init__(self, column: str, known: Iterable[str] = ()) -> None:
        self.column = column
        self.texts = list(known)
        self._known = len(self.texts)
        self._places = {text: at for at, text in enumerate(self.texts)}
        self._met: dict[Any, int] = {}  # by the value as it stands: its text takes time
        self._measured = 0
        self._rows = 0

    def codes(self, array: pa.Array, start: int) -> NDArray[np.int64]:
        """The number of each row's value, shape (n,); new values get the next ones.

        Raises
        ------
        DataError : a label is null or NaN, is a list or a struct; or the values are no classes,
            but measurements or names.
        """
        array = _plain(array, self.column, start)
        encoded = array.dictionary_encode()
        values = encoded.dictionary.to_pylist()
        # True is 1 to a dictionary, and another class.
        found = (
            [self._place(value) for value in values]
            if pa.types.is_boolean(array.type)
            else [self._met_place(value) for value in values]
        )
        self._rows += len(array)
        if len(self.texts) > MANY:
            refuse_names(self.column, len(self.texts), self._rows)
        places = np.array(found, dtype=np.int64)
        codes: NDArray[np.int64] = places[to_numpy(encoded.indices)]
        return codes

    def place_of(self, text: str) -> int:
        """The number of a value, -1 where it is not there."""
        return self._places.get(text, -1)

    def known_codes(self, array: pa.Array, start: int, remedy: str) -> NDArray[np.int64]:
        """The same where only the values known from the start may come.

        Raises
        ------
        DataError : one is, or see `codes`.
        """
        codes = self.codes(array, start)
        if len(self.texts) > self._known and (new := codes >= self._known).any():
            first = int(np.argmax(new))
            raise DataError(
                f"the label has the value '{self.texts[codes[first]]}', which was not there before",
                where=f"column '{self.column}', row {start + first} (counting from 0)",
                remedy=remedy,
            )
        return codes

    def _met_place(self, value: Any) -> int:
        place = self._met.get(value)
        if place is None:
            place = self._met[value] = self._place(value)
        return place

    def _place(self, value: Any) -> int:
        text = canonical(value)
        place = self._places.get(text)
        if place is None:
            place = self._places[text] = len(self.texts)
            self.texts.append(text)
            self._measured += _is_measured(value)
            if self._measured > MOST_MEASURED:
                kind = "times" if isinstance(value, date | time | timedelta) else "fractions"
                raise DataError(
                    f"the label has more than {MOST_MEASURED} different {kind}: it is measured, "
                    "and holds no classes",
                    where=f"column '{self.column}'",
                    remedy="name a column that holds classes, with --label, or cut its values "
                    "into ranges first",
                )
        return place


def refuse_names(column: str, values: int, rows: int) -> None:
    """Refuse a label of which nearly every row has a value of its own.

    Raises
    ------
    DataError : at least 95% of 20 rows or more have.
    """
    if rows >= MIN_IDENTIFIER_ROWS and values >= IDENTIFIER_SHARE * rows:
        raise DataError(
            f"nearly every row has a label of its own, {values:,} different values in the {rows:,} "
            "rows read: it names rows, and holds no classes",
            where=f"column '{column}'",
            remedy="name a column that holds classes, with --label, or put rare ones together",
        )


def check_classes(column: str, counts: Mapping[str, int]) -> None:
    """Check that three values or more, counted over all rows, are classes.

    Raises
    ------
    DataError : see `refuse_names`.
    """
    if len(counts) > 2:
        refuse_names(column, len(counts), sum(counts.values()))


def _plain(array: pa.Array, column: str, start: int) -> pa.Array:
    """The labels without what an encoding adds to them."""
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_nested(array.type):
        raise DataError(
            f"the label is of type {array.type}, which is no class",
            where=f"column '{column}'",
            remedy="name a column that holds classes, with --label",
        )
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    missing = pc.is_null(array, nan_is_null=True)
    if pc.any(missing).as_py():
        first = start + pc.index(missing, True).as_py()
        raise DataError(
            f"the label is missing in {pc.sum(missing).as_py()} of the rows just read",
            where=f"column '{column}', first in row {first} (counting from 0)",
            remedy="fill it in or leave those rows out",
        )
    return array


def _is_measured(value: Any) -> bool:
    """Whether it is a number with a fraction, or a time."""
    if isinstance(value, float):
        return not value.is_integer()
    if isinstance(value, Decimal):
        return value != value.to_integral_value()
    return isinstance(value, date | time | timedelta)


def canonical(value: Any) -> str:
    """The text a label value is compared by.

    >>> canonical(1), canonical(1.0), canonical("1"), canonical(True), canonical("True")
    ('1', '1', '1', 'true', 'true')
    >>> from decimal import Decimal
    >>> canonical(Decimal("1.00")), canonical(Decimal("0.50")), canonical(0.5)
    ('1', '0.5', '0.5')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, Decimal):
        text = f"{value:f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return "0" if text == "-0" else text
    if isinstance(value, bytes):  # text from writers that do not mark it as such
        value = value.decode(errors="backslashreplace")
    text = str(value)
    if text in ("True", "TRUE", "False", "FALSE"):
        return text.lower()
    return re.sub(r"^(-?[0-9]+)\.0+$", r"\1", text)
