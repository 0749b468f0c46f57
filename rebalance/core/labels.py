"""The label: which of its values is the positive one, and which rows have it.

Values are compared as text, written one way for every type, so that 1, 1.0, "1" and a CSV's 1 are
the same label, and true, True and TRUE are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.described import read_document
from rebalance.core.label_values import LabelValues, canonical
from rebalance.errors import ArtifactError, DataError, nearest

__all__ = [
    "Label", "LabelCounter", "ManyClassesError", "canonical", "choose_label", "is_positive",
    "label_codes",
]  # fmt: skip

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
        if isinstance(document, Mapping) and "classes" in document:
            raise ArtifactError(
                f"it was made for the {len(document['classes'])} classes of "
                f"'{document['column']}', and a positive value is needed here",
                remedy="make it with --positive VALUE, or name the classes as --help says",
            )
        return read_document(cls, document)


class ManyClassesError(DataError):
    """A label has three or more values, and none was named as the positive one."""


def label_codes(
    array: pa.Array, values: list[str], column: str, start: int = 0
) -> NDArray[np.int64]:
    """The position in `values` of each row's label; new values are appended to `values`.

    Raises
    ------
    DataError : see `core.label_values.LabelValues.codes`.
    """
    found = LabelValues(column, values)
    codes = found.codes(array, start)
    values += found.texts[len(values) :]
    return codes


class LabelCounter:
    """Counts rows by label value, batch by batch."""

    def __init__(self, column: str) -> None:
        self.column = column
        self._values = LabelValues(column)
        self._counts = np.zeros(0, dtype=np.int64)

    @property
    def values(self) -> list[str]:
        """The values in the order they came."""
        return self._values.texts

    def add(self, array: pa.Array, start: int) -> NDArray[np.int64]:
        """Count rows; gives the position of each row's value in `values`.

        Raises
        ------
        DataError : see `core.label_values.LabelValues.codes`.
        """
        codes = self._values.codes(array, start)
        found = np.bincount(codes, minlength=len(self.values))
        found[: len(self._counts)] += self._counts
        self._counts = found
        return codes

    def is_value(self, codes: NDArray[np.int64], value: str) -> NDArray[np.bool_]:
        """Which of these codes stand for a value, shape (n,); none where it did not come yet."""
        place = self._values.place_of(value)
        return np.asarray(codes == place)

    @property
    def counts(self) -> dict[str, int]:
        """Rows by value, in the order the values came."""
        return dict(zip(self.values, self._counts.tolist(), strict=True))


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
            f"the label has {len(counts):,} classes where two are needed: {listed}",
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
    more = len(label.values) - SHOWN
    remedy = "known values are " + ", ".join(label.values[:SHOWN])
    remedy += f" and {more:,} more" if more > 0 else ""
    found = LabelValues(label.column, label.values).known_codes(array, start, remedy)
    return np.asarray(found == 0)
