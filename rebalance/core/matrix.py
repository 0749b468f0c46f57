"""Columns of a table as one matrix of numbers, for distances between rows, and back.

Numbers (and the elements of vectors) are standardised: mean 0, variance 1. A category or a boolean
is one column of codes, the positions of its values in sorted order; whoever takes categories makes
of codes what they need. A value that is missing is filled in for the distances alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.arrays import to_numpy
from rebalance.core.kinds import Kind
from rebalance.core.whole_identifiers import refuse_whole_identifiers
from rebalance.errors import DataError

Floats = NDArray[np.float64]
Columns = Mapping[str, pa.Array]

MAX_LEVELS = 1_000
MEDIAN = "median"


@dataclass(frozen=True)
class Place:
    """Where a feature stands in the matrix: columns `start` to `stop`.

    codes : it is a category. first_rows : of each code, the first row that has it.
    low, high : the least and greatest number that was there.
    filled : values that were missing, and what stands for them.
    """

    name: str
    start: int
    stop: int
    codes: bool
    first_rows: NDArray[np.int64]
    low: float
    high: float
    filled: int
    filled_with: str


@dataclass(frozen=True)
class Matrix:
    """The rows as numbers, shape (n, d), and what it takes to make columns of such rows again."""

    values: Floats
    places: tuple[Place, ...]
    constant: tuple[str, ...]
    _scaler: Any

    @property
    def codes(self) -> NDArray[np.int64]:
        """The columns of the matrix that hold codes."""
        return np.array([each.start for each in self.places if each.codes], dtype=np.int64)

    @property
    def has_numbers(self) -> bool:
        """Whether some feature is a number."""
        return not all(each.codes for each in self.places)

    def unscaled(self, made: Floats) -> dict[str, Floats]:
        """Rows like the matrix's in the features' own units, by feature.

        Shape (m,) for numbers and codes, (m, elements) for vectors.
        """
        numbers = _number_columns(self.places)
        found = {}
        at = 0  # among the numbers
        for each in self.places:
            part = made[:, each.start : each.stop]
            if not each.codes and len(numbers):
                # What the scaler's inverse does, a column at a time: contiguous, and in place.
                place = slice(at, at + each.stop - each.start)
                part = part * self._scaler.scale_[place]
                part += self._scaler.mean_[place]
                at = place.stop
            found[each.name] = part[:, 0] if each.stop == each.start + 1 else part
        return found


def encode(
    columns: Columns,
    kinds: Mapping[str, Kind],
    *,
    fill: bool,
    as_numbers: bool,
    of_rows: int | None = None,
) -> Matrix:
    """Learn scales and codes of these rows, and apply them.

    Parameters
    ----------
    fill : fill in the median of a number, and the most frequent value of a category.
    as_numbers : booleans are numbers 0 and 1, not categories.
    of_rows : rows of the table that these are of; None where they are all.

    Raises
    ------
    DataError : a value is missing and is not filled in; a number is infinite; a category has more
        than `MAX_LEVELS` values, or whole numbers are an identifier; no feature varies.
    """
    numbers = {name: columns[name] for name, kind in kinds.items() if kind == "number"}
    refuse_whole_identifiers(numbers, of_rows)
    parts: list[Floats] = []
    places: list[Place] = []
    start = 0
    for name, kind in kinds.items():
        array = columns[name]
        if kind == "category" or (kind == "boolean" and not as_numbers):
            part, place = _codes(name, array, start)
        else:
            part, place = _numbers(name, array, start)
        parts.append(part)
        places.append(place)
        start = place.stop
    if not fill:
        _refuse_missing(places)
    values = np.hstack(parts)  # a copy, that is ours to scale
    constant = tuple(
        each.name for part, each in zip(parts, places, strict=True) if _is_constant(part, each)
    )
    if len(constant) == len(places):
        raise DataError(
            "no feature varies: all rows are at the same place",
            where=f"column{'s' * (len(places) > 1)} {', '.join(map(repr, constant))}",
            remedy="give a table with columns that tell rows apart, or choose a method that does "
            "not look at features: random-under, random-over",
        )
    values, scaler = _scaled(values, _number_columns(tuple(places)))
    return Matrix(values, tuple(places), constant, scaler)


def _scaled(values: Floats, numbers: NDArray[np.int64]) -> tuple[Floats, Any]:
    """The matrix with these columns standardised, and what did it; overwrites the matrix."""
    from sklearn import config_context
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler(copy=False)
    with config_context(assume_finite=True):  # seen by their least and greatest
        if len(numbers) == values.shape[1]:
            values = scaler.fit_transform(values)
        elif len(numbers):
            values[:, numbers] = scaler.fit_transform(values[:, numbers])
    return values, scaler


def _number_columns(places: tuple[Place, ...]) -> NDArray[np.int64]:
    found = [np.arange(each.start, each.stop) for each in places if not each.codes]
    return np.concatenate(found) if found else np.empty(0, dtype=np.int64)


def _is_constant(part: Floats, place: Place) -> bool:
    if part.shape[1] == 1:
        return place.low == place.high
    return bool((part.min(axis=0) == part.max(axis=0)).all())


def _refuse_missing(places: list[Place]) -> None:
    missing = [each for each in places if each.filled]
    if missing:
        listed = ", ".join(f"'{each.name}' ({each.filled:,})" for each in missing)
        raise DataError(
            f"values are missing in {listed}, and there is no distance to a missing value",
            remedy="fill them in for the distances with --impute median (the median; of "
            "categories the most frequent), or leave those columns out with --drop",
        )


def _vector(array: pa.Array) -> Floats:
    width = array.type.list_size
    inner = array.values.slice(array.offset * width, len(array) * width)
    values = np.array(to_numpy(inner.cast(pa.float64(), safe=False))).reshape(len(array), width)
    values[to_numpy(array.is_null())] = np.nan
    return values


def _numbers(name: str, array: pa.Array, start: int) -> tuple[Floats, Place]:
    """Numbers as a matrix of one column, or of one for each element."""
    if pa.types.is_fixed_size_list(array.type):
        values = _vector(array)
    else:
        values = to_numpy(array.cast(pa.float64(), safe=False))[:, None]
    low, high = float(values.min(initial=np.inf)), float(values.max(initial=-np.inf))
    filled, filled_with = 0, ""
    if not (math.isfinite(low) and math.isfinite(high)):
        values, filled, filled_with = _filled(name, values)
        low, high = float(values.min()), float(values.max())
    place = Place(
        name=name,
        start=start,
        stop=start + values.shape[1],
        codes=False,
        first_rows=np.empty(0, dtype=np.int64),
        low=low,
        high=high,
        filled=filled,
        filled_with=filled_with,
    )
    return values, place


def _filled(name: str, values: Floats) -> tuple[Floats, int, str]:
    """Numbers with medians where some are missing, how many were, and the medians.

    Raises
    ------
    DataError : one is infinite, or all are missing.
    """
    infinite = np.isinf(values)
    if infinite.any():
        raise DataError(
            "a number is infinite",
            where=f"column '{name}'",
            remedy="replace it, or leave the column out with --drop",
            row=int(np.argmax(infinite.any(axis=1))),
        )
    absent = np.isnan(values)
    if absent.all(axis=0).any():
        raise DataError(
            "all values are missing",
            where=f"column '{name}'",
            remedy="leave the column out with --drop",
        )
    medians = np.nanmedian(values, axis=0)
    listed = ", ".join(f"{value:g}" for value in medians)
    return np.where(absent, medians, values), int(absent.any(axis=1).sum()), listed


def _codes(name: str, array: pa.Array, start: int) -> tuple[Floats, Place]:
    """The position of each row's value among all, sorted."""
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    encoded = array.dictionary_encode()
    levels = encoded.dictionary.to_pylist()
    if len(levels) > MAX_LEVELS:
        raise DataError(
            f"there are {len(levels):,} different values, more than {MAX_LEVELS:,}: an identifier?",
            where=f"column '{name}'",
            remedy=f"leave it out of the distances with --drop {name}; it travels with the rows",
        )
    if not levels:
        raise DataError(
            "all values are missing",
            where=f"column '{name}'",
            remedy="leave the column out with --drop",
        )
    order = sorted(range(len(levels)), key=lambda at: levels[at])
    rank = np.empty(len(levels), dtype=np.int64)
    rank[order] = np.arange(len(levels))
    indices = to_numpy(encoded.indices)
    absent = np.isnan(indices) if array.null_count else np.zeros(len(array), dtype=bool)
    codes = rank[np.where(absent, 0, indices).astype(np.int64)]
    first_rows = np.full(len(levels), -1, dtype=np.int64)
    present = np.flatnonzero(~absent)
    found, at = np.unique(codes[present], return_index=True)
    first_rows[found] = present[at]
    filled, filled_with = int(absent.sum()), ""
    if filled:
        commonest = int(np.argmax(np.bincount(codes[present], minlength=len(levels))))
        codes = np.where(absent, commonest, codes)
        filled_with = str(levels[order[commonest]])
    place = Place(
        name=name,
        start=start,
        stop=start + 1,
        codes=True,
        first_rows=first_rows,
        low=0.0,
        high=float(len(levels) - 1),
        filled=filled,
        filled_with=filled_with,
    )
    return codes.astype(np.float64)[:, None], place
