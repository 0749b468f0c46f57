"""Columns of a table as one matrix of numbers, for distances between rows, and back.

Numbers (and the elements of vectors) are standardised: mean 0, variance 1. A category or a boolean
is one column of codes, the positions of its values in sorted order; whoever takes categories makes
of codes what they need. A value that is missing is filled in for the distances alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.arrays import is_valid, to_numpy
from rebalance.core.kinds import Kind
from rebalance.core.whole_identifiers import refuse_identifiers
from rebalance.core.wording import dropping
from rebalance.errors import DataError

Floats = NDArray[np.float64]
Columns = Mapping[str, pa.Array]

# Squares of larger numbers cannot be summed.
LARGEST = 1e150
# Neighbouring columns of a vector share the cache's lines: they are read together.
_AT_ONCE = 16
MEDIAN, COMMONEST = "median", "most frequent value"


@dataclass(frozen=True)
class Place:
    """Where a feature stands in the matrix: columns `start` to `stop`.

    codes : it is a category. first_rows : of each code, the first row that has it.
    low, high : the least and greatest number that was there. constant : no two rows differ in it.
    filled : values that were missing, by what word they are filled in, and what stands for them.
    """

    name: str
    start: int
    stop: int
    codes: bool
    first_rows: NDArray[np.int64]
    low: float
    high: float
    constant: bool
    filled: int
    filled_by: str
    filled_with: str


@dataclass(frozen=True)
class Matrix:
    """The rows as numbers, shape (n, d), and what it takes to make columns of such rows again.

    mean, scale : what was taken off each column, and what it was then divided by, shape (d,); of
    codes 0 and 1.
    """

    values: Floats
    places: tuple[Place, ...]
    mean: Floats
    scale: Floats

    @property
    def codes(self) -> NDArray[np.int64]:
        """The columns of the matrix that hold codes."""
        return np.array([each.start for each in self.places if each.codes], dtype=np.int64)

    @property
    def constant(self) -> tuple[str, ...]:
        """The features in which no two rows differ."""
        return tuple(each.name for each in self.places if each.constant)

    def coincide(self, rows: NDArray[np.int64]) -> bool:
        """Whether rows at these positions are the same in every feature."""
        parts = (column[rows] for column in self.values.T)
        return all((part == part[0]).all() for part in parts)

    def unscaled(self, made: Floats) -> dict[str, Floats]:
        """Rows like the matrix's in the features' own units, by feature.

        Shape (m,) for numbers and codes, (m, elements) for vectors.
        """
        whole = made.T.copy()  # each column in one piece
        whole *= self.scale[:, None]
        whole += self.mean[:, None]
        parts = {each.name: whole[each.start : each.stop] for each in self.places}
        return {name: part[0] if len(part) == 1 else part.T for name, part in parts.items()}


def encode(
    columns: Columns,
    kinds: Mapping[str, Kind],
    *,
    fill: bool,
    as_numbers: bool,
    measured: Collection[str] = (),
    of_rows: int | None = None,
) -> Matrix:
    """Learn scales and codes of these rows, and apply them.

    Parameters
    ----------
    fill : fill in the median of a number, and the most frequent value of a category or a boolean,
        false of two as frequent.
    as_numbers : booleans are numbers 0 and 1, not categories.
    measured : whole numbers that are no identifier, even where nearly all differ.
    of_rows : rows of the table that these are of; None where they are all.

    Raises
    ------
    DataError : a value is missing and is not filled in; a number is infinite or beyond `LARGEST`; a
        category has too many values, or whole numbers are an identifier; no feature varies.
    """
    coded = {
        name: _coded(columns[name])
        for name, kind in kinds.items()
        if kind == "category" or (kind == "boolean" and not as_numbers)
    }
    numbers = [name for name, kind in kinds.items() if kind == "number" and name not in measured]
    refuse_identifiers(
        {name: columns[name] for name in numbers},
        {name: len(each.dictionary) for name, each in coded.items()},
        of_rows,
    )
    width = sum(
        columns[name].type.list_size if kind == "vector" else 1 for name, kind in kinds.items()
    )
    values = np.empty((len(next(iter(columns.values()))), width))
    mean, scale = np.zeros(width), np.ones(width)
    places: list[Place] = []
    start = 0
    for name in kinds:
        if name in coded:
            values[:, start], place = _codes(name, coded[name], start)
        else:
            part, place = _numbers(name, columns[name], start)
            own = [each[..., start : place.stop] for each in (values, mean, scale)]
            _standardise(part, *own)
        places.append(place)
        start = place.stop
    if not fill:
        _refuse_missing(places)
    matrix = Matrix(values, tuple(places), mean, scale)
    if len(matrix.constant) == len(places):
        raise DataError(
            "no feature varies: all rows are at the same place",
            where=f"column{'s' * (len(places) > 1)} {', '.join(map(repr, matrix.constant))}",
            remedy="give a table with columns that tell rows apart, or choose a method that does "
            "not look at features: random-under, random-over",
        )
    return matrix


def _standardise(part: Floats, values: Floats, mean: Floats, scale: Floats) -> None:
    """Write a feature's numbers, standardised, to its place in the matrix."""
    for first in range(0, part.shape[1], _AT_ONCE):
        at = slice(first, first + _AT_ONCE)
        values[:, at], mean[at], scale[at] = _standardised(part[:, at])


def _standardised(columns: Floats) -> tuple[Floats, Floats, Floats]:
    """Numbers with mean 0 and variance 1, their means, and their standard deviations.

    As scikit-learn's StandardScaler has them of a matrix in column order, bit for bit: the variance
    in two passes, corrected for the mean's error (Chan, Golub and LeVeque 1983), and a deviation
    that may be that error alone counts as 1.
    """
    count, epsilon = len(columns), np.finfo(np.float64).eps
    whole = np.ascontiguousarray(columns.T)  # each column in one piece
    mean = whole.sum(axis=1) / count
    centred = whole - mean[:, None]
    error = centred.sum(axis=1)
    variance = (np.square(centred).sum(axis=1) - error**2 / count) / count
    is_error = variance <= count * epsilon * variance + (count * mean * epsilon) ** 2
    scale = np.sqrt(np.where(is_error, 1.0, variance))
    centred /= scale[:, None]
    return centred.T, mean, scale


def _refuse_missing(places: list[Place]) -> None:
    missing = [each for each in places if each.filled]
    if missing:
        listed = ", ".join(f"'{each.name}' ({each.filled:,})" for each in missing)
        raise DataError(
            f"values are missing in {listed}, and there is no distance to a missing value",
            remedy="fill them in for the distances with --impute median (the median; of "
            "categories and booleans the most frequent), or leave those columns out with "
            f"{dropping(each.name for each in missing)}",
        )


def _vector(array: pa.Array) -> Floats:
    width = array.type.list_size
    inner = array.values.slice(array.offset * width, len(array) * width)
    values = to_numpy(inner.cast(pa.float64(), safe=False)).reshape(len(array), width)
    valid = is_valid(array)
    return values if valid is None else np.where(valid[:, None], values, np.nan)


def _numbers(name: str, array: pa.Array, start: int) -> tuple[Floats, Place]:
    """Numbers as a matrix of one column, or of one for each element."""
    if pa.types.is_fixed_size_list(array.type):
        values = _vector(array)
    else:
        values = to_numpy(array.cast(pa.float64(), safe=False))[:, None]
    low, high = float(values.min(initial=np.inf)), float(values.max(initial=-np.inf))
    filled, filled_with = 0, ""
    is_boolean = pa.types.is_boolean(array.type)
    if not (low >= -LARGEST and high <= LARGEST):  # neither holds of NaN
        _refuse_beyond(name, values)
        absent = np.isnan(values)
        filled = int(absent.any(axis=1).sum())
        # Between true and false is nothing: the more frequent one, which of two as many is false.
        middle = np.floor if is_boolean else np.asarray
        medians = middle(np.nanmedian(values, axis=0))
        filled_with = ", ".join(_shown(bool(v)) if is_boolean else f"{v:g}" for v in medians)
        values = np.where(absent, medians, values)
        low, high = float(values.min()), float(values.max())
    place = Place(
        name=name,
        start=start,
        stop=start + values.shape[1],
        codes=False,
        first_rows=np.empty(0, dtype=np.int64),
        low=low,
        high=high,
        constant=bool((values[-1] == values[0]).all() and (values == values[0]).all()),
        filled=filled,
        filled_by=COMMONEST if is_boolean else MEDIAN,
        filled_with=filled_with,
    )
    return values, place


def _refuse_beyond(name: str, values: Floats) -> None:
    """Refuse numbers that are infinite or beyond `LARGEST`, and columns without any."""
    beyond = np.abs(values) > LARGEST
    if beyond.any():
        number = values[beyond][0]
        raise DataError(
            "a number is infinite"
            if np.isinf(number)
            else f"the number {number:g} is too large to compute distances with",
            where=f"column '{name}'",
            remedy=f"replace it, or leave the column out with {dropping([name])}",
            row=int(np.argmax(beyond.any(axis=1))),
        )
    if np.isnan(values).all(axis=0).any():
        raise _all_missing(name)


def _all_missing(name: str) -> DataError:
    return DataError(
        "all values are missing",
        where=f"column '{name}'",
        remedy=f"leave the column out with {dropping([name])}",
    )


def _coded(array: pa.Array) -> pa.DictionaryArray:
    """The values that are there, and where each row's is among them."""
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    return array.dictionary_encode()


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _codes(name: str, encoded: pa.DictionaryArray, start: int) -> tuple[NDArray[np.int64], Place]:
    """The position of each row's value among all, sorted."""
    levels = encoded.dictionary.to_pylist()
    if not levels:
        raise _all_missing(name)
    order = sorted(range(len(levels)), key=lambda at: levels[at])
    rank = np.empty(len(levels), dtype=np.int64)
    rank[order] = np.arange(len(levels))
    indices = to_numpy(encoded.indices)
    absent = np.isnan(indices) if encoded.null_count else np.zeros(len(encoded), dtype=bool)
    codes = rank[np.where(absent, 0, indices).astype(np.int64)]
    first_rows = np.full(len(levels), -1, dtype=np.int64)
    present = np.flatnonzero(~absent)
    first_rows[codes[present][::-1]] = present[::-1]  # of a code's rows, the one written last stays
    filled, filled_with = int(absent.sum()), ""
    if filled:
        commonest = int(np.argmax(np.bincount(codes[present], minlength=len(levels))))
        codes = np.where(absent, commonest, codes)
        filled_with = _shown(levels[order[commonest]])
    place = Place(
        name=name,
        start=start,
        stop=start + 1,
        codes=True,
        first_rows=first_rows,
        low=0.0,
        high=float(len(levels) - 1),
        constant=len(levels) == 1,
        filled=filled,
        filled_by=COMMONEST,
        filled_with=filled_with,
    )
    return codes, place
