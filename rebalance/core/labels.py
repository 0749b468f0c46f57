"""The label: which of its values is the positive one, and which rows have it.

Values are compared as text, written one way for every type, so that 1, 1.0, "1" and a CSV's 1 are
the same label, and true, True and TRUE are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rebalance.core.arrays import to_numpy
from rebalance.errors import ArtifactError, DataError, nearest

MAX_VALUES = 1_000
SHOWN = 12


@dataclass(frozen=True)
class Label:
    """A two-class label: the column, its positive value, and the values that are negative."""

    column: str
    positive: str
    negatives: tuple[str, ...]

    @property
    def values(self) -> tuple[str, ...]:
        """Every value the label may take, the positive first."""
        return (self.positive, *self.negatives)

    def to_document(self) -> dict[str, Any]:
        """The label as JSON."""
        return {
            "column": self.column,
            "positive": self.positive,
            "negatives": list(self.negatives),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Label:
        """The label that `to_document` described.

        Raises
        ------
        ArtifactError : it has many classes and no positive value.
        """
        if "classes" in document:
            raise ArtifactError(
                f"it was made for the {len(document['classes'])} classes of "
                f"'{document['column']}', and a positive value is needed here",
                remedy="make it with --positive VALUE, or name the classes as --help says",
            )
        return cls(document["column"], document["positive"], tuple(document["negatives"]))


class ManyClassesError(DataError):
    """A label has three or more values, and none was named as the positive one."""


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


def label_codes(
    array: pa.Array, values: list[str], column: str, start: int = 0, limit: int | None = None
) -> NDArray[np.int64]:
    """The position in `values` of each row's label; new values are appended to `values`.

    Raises
    ------
    DataError : a label is null or NaN, is a list or a struct, or there are more values than
        `limit`, by default `MAX_VALUES`.
    """
    most = MAX_VALUES if limit is None else limit
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
    encoded = array.dictionary_encode()
    position = np.empty(len(encoded.dictionary), dtype=np.int64)
    known = {text: at for at, text in enumerate(values)}
    for code, value in enumerate(encoded.dictionary.to_pylist()):
        text = canonical(value)
        if text not in known:
            known[text] = len(values)
            values.append(text)
        position[code] = known[text]
        if len(values) > most:
            raise DataError(
                f"the label has more than {most:,} different values",
                where=f"column '{column}'",
                remedy="name a column that holds classes, with --label, or put rare ones together",
            )
    codes: NDArray[np.int64] = position[to_numpy(encoded.indices)]
    return codes


class LabelCounter:
    """Counts rows by label value, batch by batch."""

    def __init__(self, column: str) -> None:
        self.column = column
        self.values: list[str] = []
        self._counts = np.zeros(0, dtype=np.int64)

    def add(self, array: pa.Array, start: int) -> NDArray[np.int64]:
        """Count rows; gives the position of each row's value in `values`.

        Raises
        ------
        DataError : see `label_codes`.
        """
        codes = label_codes(array, self.values, self.column, start)
        found = np.bincount(codes, minlength=len(self.values))
        self._counts = found + np.pad(self._counts, (0, len(self.values) - len(self._counts)))
        return codes

    @property
    def counts(self) -> dict[str, int]:
        """Rows by value, in the order the values came."""
        return {value: int(count) for value, count in zip(self.values, self._counts, strict=True)}


def choose_label(column: str, counts: Mapping[str, int], asked: str | None) -> Label:
    """Decide which value is positive: the one asked for, else 1 of 0/1, else the rarer of two.

    Raises
    ------
    DataError : one class only; three or more and no value asked for; a value that is not there.
        With three or more it is a `ManyClassesError`.
    """
    where = f"column '{column}'"
    largest = sorted(counts, key=lambda value: -counts[value])[:SHOWN]
    listed = ", ".join(f"{value} ({counts[value]:,})" for value in largest)
    listed += f" and {len(counts) - SHOWN} more" if len(counts) > SHOWN else ""
    if not counts:
        raise DataError("the table has no rows", where=where, remedy="check how it was made")
    if len(counts) == 1:
        raise DataError(
            f"the label has one class only: {listed}",
            where=where,
            remedy="two are needed; check the label column and any filter before this step",
        )
    if asked is not None:
        wanted = canonical(asked)
        if wanted not in counts:
            raise DataError(
                f"no row has the positive value '{asked}'",
                where=where,
                remedy=f"name another with --positive; {nearest(wanted, counts)}",
            )
    elif len(counts) > 2:
        raise ManyClassesError(
            f"the label has {len(counts)} classes where two are needed: {listed}",
            where=where,
            remedy="name the rare one with --positive VALUE, and all others count as negative; or "
            "go step by step, with 'pilot', 'sample', 'train', which know many classes",
        )
    elif set(counts) == {"0", "1"}:
        wanted = "1"
    else:
        wanted = min(counts, key=lambda value: (counts[value], value))
    negatives = tuple(sorted(value for value in counts if value != wanted))
    return Label(column, wanted, negatives)


def is_positive(array: pa.Array, label: Label, start: int = 0) -> NDArray[np.bool_]:
    """Which rows are positive.

    Raises
    ------
    DataError : a label is null, or a value that was not there when the label was chosen.
    """
    remedy = "known values are " + ", ".join(label.values)
    return np.asarray(known_codes(array, label.values, label.column, start, remedy) == 0)


def known_codes(
    array: pa.Array, known: Sequence[str], column: str, start: int, remedy: str
) -> NDArray[np.int64]:
    """The position in `known` of each row's label, shape (n,).

    Raises
    ------
    DataError : a label is null, or a value that is not known.
    """
    values = list(known)
    codes = label_codes(array, values, column, start)
    if len(values) > len(known):
        strange = values[len(known)]
        first = start + int(np.argmax(codes == len(known)))
        raise DataError(
            f"the label has the value '{strange}', which was not there before",
            where=f"column '{column}', row {first} (counting from 0)",
            remedy=remedy,
        )
    return codes
