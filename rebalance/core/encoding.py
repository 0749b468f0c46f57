"""Columns of a table as numbers: for linear models (z) and for trees, by one stored encoder.

Every feature becomes one or more terms. A `Numeric` term is a real number, missing as NaN. A
`Coded` term is a small integer (a level, an hour) that a table turns into columns of z. The value
of a row depends on the row alone, to the last bit: scores are added column by column, because a
matrix product may round differently for another batch shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rebalance.core.arrays import is_valid, texts_to_arrow, to_numpy
from rebalance.core.described import described
from rebalance.core.kinds import Kind
from rebalance.errors import DataError

if TYPE_CHECKING:
    from rebalance.core.recipes import Recipe

Columns = Mapping[str, pa.Array]
Floats = NDArray[np.float64]
Codes = NDArray[np.int32]

_PERIODS: dict[Literal["hour", "weekday", "month"], int] = {"hour": 24, "weekday": 7, "month": 12}
_FARTHEST = 1e100  # in z: squares of it, and sums of them, are finite
_LARGEST = 1e300  # learned from: differences of such numbers are finite
_SQUARED = 1e100  # the squares of larger numbers are summed in a smaller unit


@dataclass(frozen=True)
class Numeric:
    """A number, or one element of a vector; in z standardised, with its own missing indicator."""

    feature: str
    element: int | None
    mean: float
    scale: float
    missing: bool

    @property
    def names(self) -> list[str]:
        """The names of the columns of z."""
        name = self.feature if self.element is None else f"{self.feature}[{self.element}]"
        return [name, f"{name} is missing"] if self.missing else [name]

    def standard(self, values: Floats) -> Floats:
        """Standardised, shape (n,); NaN where missing, and never further from 0 than 1e100."""
        with np.errstate(over="ignore"):  # a number that training had none of comes close to
            found = (values - self.mean) / self.scale
        return np.asarray(np.clip(found, -_FARTHEST, _FARTHEST))

    def expand(self, values: Floats) -> Floats:
        """Columns of z, shape (n, 1 or 2); a missing value stands at the mean."""
        absent = np.isnan(values)
        standard = np.where(absent, 0.0, self.standard(values))
        return np.column_stack([standard, absent] if self.missing else [standard])


@dataclass(frozen=True)
class Coded:
    """A level, or a part of a time: codes 0..L-1, then L for other values and L + 1 for missing.

    `shares` are those of codes 0..L-1 in the training rows: a value without a place of its own,
    where training had no other or no missing ones, stands at their mean in z.
    """

    feature: str
    part: Literal["level", "hour", "weekday", "month"]
    levels: tuple[str, ...]
    shares: tuple[float, ...]
    other: bool
    missing: bool

    @property
    def names(self) -> list[str]:
        """The names of the columns of z."""
        if self.part in _PERIODS:
            pair = [f"{self.feature} {self.part} {wave}" for wave in ("sin", "cos")]
            return pair + ([f"{self.feature} is missing"] if self.missing else [])
        shown = [f"{self.feature} = {level}" for level in self.levels]
        shown += [f"{self.feature} is another"] if self.other else []
        shown += [f"{self.feature} is missing"] if self.missing else []
        return shown[1:]

    @property
    def table(self) -> Floats:
        """Row k holds the columns of z for code k, shape (L + 2, columns).

        Levels are indicators without the first, the reference; a part of a time is a cyclic pair.
        """
        count = len(self.levels)
        if self.part in _PERIODS:
            angle = 2 * np.pi * np.arange(count) / count
            rows = np.zeros((count + 2, 3))
            rows[:count, 0], rows[:count, 1] = np.sin(angle), np.cos(angle)
            rows[count:, :2] = np.asarray(self.shares) @ rows[:count, :2]
            if self.missing:
                rows[count + 1] = 0.0, 0.0, 1.0
            return rows if self.missing else rows[:, :2]
        present = list(range(count))
        present += [count] if self.other else []
        present += [count + 1] if self.missing else []
        rows = np.eye(count + 2)
        for code, placed in ((count, self.other), (count + 1, self.missing)):
            if not placed:
                rows[code, :count] = self.shares
                rows[code, code] = 0.0
        return rows[:, present[1:]]

    def expand(self, codes: Codes) -> Floats:
        """Columns of z, shape (n, columns)."""
        return np.asarray(self.table[codes], dtype=np.float64)


@dataclass(frozen=True)
class Encoder:
    """What was learned of the features: their kinds, terms, and those left out with the reason.

    recipe : makes features of columns; None where all of them are columns.
    """

    kinds: dict[str, Kind]
    terms: tuple[Numeric | Coded, ...]
    left_out: dict[str, str]
    widths: dict[str, int]
    recipe: Recipe | None = None

    @cached_property
    def reads(self) -> dict[str, Kind]:
        """The columns that are read, by kind: features, and what features are made of."""
        if self._used is None:
            return self.kinds
        own = {name: kind for name, kind in self.kinds.items() if name not in self._used.kinds}
        return own | dict(self._used.sources)

    @cached_property
    def _used(self) -> Recipe | None:
        return None if self.recipe is None else self.recipe.for_features(self.kinds)

    def features(self, columns: Columns) -> Columns:
        """The columns with the features that are made of them."""
        return columns if self._used is None else self._used.columns(columns)

    @property
    def names(self) -> list[str]:
        """The names of the columns of z, without the intercept."""
        return [name for term in self.terms for name in term.names]

    @property
    def categorical(self) -> list[int]:
        """Positions of the terms that trees take as categories."""
        return [
            position
            for position, term in enumerate(self.terms)
            if isinstance(term, Coded) and term.part == "level"
        ]

    def linear(self, columns: Columns) -> Floats:
        """The columns of z without the intercept, shape (n, d)."""
        values = self.values(columns)
        rows = len(next(iter(columns.values()))) if columns else 0
        parts = [term.expand(values[at]) for at, term in enumerate(self.terms)]
        return np.hstack(parts) if parts else np.zeros((rows, 0))

    def trees(self, columns: Columns) -> Floats:
        """One column a term, shape (n, terms), in column order; missing is NaN, another level L.

        Trees take NaN for 0 where training had none missing: there a missing number stands at the
        mean, and a part of a time at the most frequent.
        """
        placed = {term.feature for term in self.terms if term.missing}
        values = self.values(columns)
        rows = len(next(iter(columns.values()))) if columns else 0
        matrix = np.empty((rows, len(self.terms)), order="F")
        for at, term in enumerate(self.terms):
            matrix[:, at] = values[at]
            stands_at = np.nan
            if isinstance(term, Numeric):
                absent = np.isnan(values[at])
                stands_at = term.mean if term.feature not in placed else np.nan
            else:
                absent = values[at] == len(term.levels) + 1
                if term.feature not in placed and term.part in _PERIODS:
                    stands_at = float(np.argmax(term.shares))
            matrix[absent, at] = stands_at
        return matrix

    def surprises(self, columns: Columns) -> dict[str, int]:
        """Values by column for which training left no place: missing, or of a level not seen."""
        found: dict[str, int] = {} if self._used is None else self._used.outside(columns)
        columns = self.features(columns)
        placed = {term.feature for term in self.terms if term.missing}
        for term in {term.feature: term for term in self.terms}.values():
            array = columns[term.feature]
            count = 0
            if term.feature not in placed:
                count += array.null_count
                if pa.types.is_floating(array.type):
                    count += _count_nan(array)
            if isinstance(term, Coded) and term.part == "level" and not term.other:
                count += int((_codes(array, term) == len(term.levels)).sum())
            if count:
                found[term.feature] = count
        return found

    def to_document(self) -> dict[str, Any]:
        """The encoder as JSON."""
        terms = [{"type": type(term).__name__.lower(), **asdict(term)} for term in self.terms]
        document = {
            "kinds": self.kinds,
            "terms": terms,
            "left_out": self.left_out,
            "widths": self.widths,
        }
        return document | ({"recipe": self.recipe.to_document()} if self.recipe else {})

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Encoder:
        """The encoder that `to_document` described.

        Raises
        ------
        ValueError : no encoder is described.
        """
        stored = described(_Stored, document)
        terms = tuple(
            described(Numeric, term) if term.get("type") == "numeric" else described(Coded, term)
            for term in stored.terms
        )
        widths = stored.widths
        if not terms or not all(_is_of(term, stored.kinds, widths) for term in terms):
            raise ValueError("its terms are not of its features")
        if widths.keys() != {name for name, kind in stored.kinds.items() if kind == "vector"}:
            raise ValueError("its widths are not of its vectors")
        recipe = None
        if stored.recipe is not None:
            from rebalance.core.recipes import Recipe  # most have none

            recipe = Recipe.from_document(stored.recipe)
        return cls(dict(stored.kinds), terms, dict(stored.left_out), dict(widths), recipe)

    def values(self, columns: Columns, *, checked: bool = True) -> list[Any]:
        """The values of every term, shape (n,): reals with NaN where missing, or codes.

        Raises
        ------
        DataError : vectors have another length than in training; a number is infinite, if
            `checked`.
        """
        columns = self.features(columns)
        raw = {
            name: _reals(columns[name], name) if checked else _as_reals(columns[name])
            for name, kind in self.kinds.items()
            if kind in ("number", "boolean", "vector")
        }
        for name, width in self.widths.items():
            if raw[name].shape[1] != width:
                raise DataError(
                    f"the vectors have {raw[name].shape[1]} elements, and had {width} in training",
                    where=f"column '{name}'",
                    remedy="give the vectors that the model was trained on",
                )
        found: list[Any] = []
        for term in self.terms:
            if isinstance(term, Coded):
                found.append(_codes(columns[term.feature], term))
            elif term.element is None:
                found.append(raw[term.feature])
            else:
                found.append(np.ascontiguousarray(raw[term.feature][:, term.element]))
        return found


@dataclass(frozen=True)
class _Stored:
    """An encoder as JSON, but for its terms."""

    kinds: Mapping[str, Kind]
    terms: tuple[Mapping[str, Any], ...]
    left_out: Mapping[str, str]
    widths: Mapping[str, int]
    recipe: Mapping[str, Any] | None = None


def _is_of(term: Numeric | Coded, kinds: Mapping[str, Kind], widths: Mapping[str, int]) -> bool:
    """Whether there is such a feature, and the term can be one of its."""
    kind = kinds.get(term.feature)
    if isinstance(term, Numeric):
        if kind == "vector":
            fits = term.element is not None and 0 <= term.element < widths.get(term.feature, 0)
        else:
            fits = term.element is None and kind in ("number", "boolean")
        return fits and term.scale > 0
    if term.part == "level":
        return kind == "category" and len(term.shares) == len(term.levels)
    period = _PERIODS[term.part]
    return kind == "time" and len(term.shares) == len(term.levels) == period


def learn_encoder(
    columns: Columns, kinds: Mapping[str, Kind], *, min_count: int, max_levels: int
) -> Encoder:
    """Learn means, scales, levels and where values are missing.

    Parameters
    ----------
    columns : the features of the training rows, arrays of length n.
    min_count : a level seen less often is pooled with the other rare ones.
    max_levels : so many levels at the most keep their own place, the most frequent first.

    Raises
    ------
    DataError : a number is infinite, or no feature varies.
    """
    terms: list[Numeric | Coded] = []
    left_out: dict[str, str] = {}
    for name, kind in kinds.items():
        if kind == "category":
            learned = _learn_levels(columns[name], name, min_count, max_levels)
        elif kind == "time":
            learned = _learn_time(columns[name], name)
        else:
            learned = _learn_numbers(columns[name], name)
        if learned:
            terms.extend(learned)
        elif kind == "category":
            left_out[name] = f"its values are too rare, each in under {min_count} rows, or all one"
        else:
            left_out[name] = "constant in the training rows"
    if not terms:
        raise DataError(
            "no feature varies in the training rows",
            remedy="give a table with columns that tell the classes apart",
        )
    used = {name: kind for name, kind in kinds.items() if name not in left_out}
    widths = {name: columns[name].type.list_size for name, kind in used.items() if kind == "vector"}
    return Encoder(used, tuple(terms), left_out, widths)


def _learn_numbers(array: pa.Array, name: str) -> list[Numeric | Coded]:
    values = _reals(array, name)
    elements: list[int | None] = [None] if values.ndim == 1 else list(range(values.shape[1]))
    terms: list[Numeric | Coded] = []
    for element in elements:
        column = values if element is None else values[:, element]
        present = column[~np.isnan(column)]
        missing = len(present) < len(column)
        constant = len(present) == 0 or bool(present.min() == present.max())
        if constant and not (missing and len(present)):
            continue
        mean, scale = _moments(present, column, name)
        scale = 1.0 if constant else scale
        if not np.isfinite(mean) or not np.isfinite(scale) or scale == 0.0:
            raise DataError(
                f"the column '{name}' has numbers too close to tell apart",
                remedy="rescale it, or leave it out with --drop",
            )
        terms.append(Numeric(name, element, mean, scale, missing))
    return terms


def _moments(present: Floats, column: Floats, name: str) -> tuple[float, float]:
    """Mean and standard deviation of the numbers present in a column.

    Raises
    ------
    DataError : one is too large to compute with.
    """
    largest = float(np.abs(present).max())
    if largest > _LARGEST:
        row = int(np.nanargmax(np.abs(column)))
        raise DataError(
            f"the number {column[row]:g} is too large to compute with",
            where=f"column '{name}'",
            remedy=f"numbers up to {_LARGEST:g} are: mend or rescale the column, or leave it out "
            "with --drop",
            row=row,
        )
    unit = largest if largest > _SQUARED else 1.0
    scaled = present if unit == 1.0 else present / unit
    return float(scaled.mean()) * unit, float(scaled.std()) * unit


def _learn_levels(
    array: pa.Array, name: str, min_count: int, max_levels: int
) -> list[Numeric | Coded]:
    text = _text(array)
    counted = pc.value_counts(pc.drop_null(text))
    pairs = zip(
        counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True
    )
    order = sorted(pairs, key=lambda pair: (-pair[1], pair[0]))
    levels = tuple(value for value, count in order if count >= min_count)[:max_levels]
    missing = text.null_count > 0
    other = len(levels) < len(order)
    if len(levels) + other + missing < 2:
        return []
    counted_rows = dict(order)
    total = sum(counted_rows[level] for level in levels) or 1
    shares = tuple(counted_rows[level] / total for level in levels)
    return [Coded(name, "level", levels, shares, other, missing)]


def _learn_time(array: pa.Array, name: str) -> list[Numeric | Coded]:
    missing = array.null_count > 0
    terms: list[Numeric | Coded] = []
    for part, period in _PERIODS.items():
        levels = tuple(str(step) for step in range(period))
        even = (1 / period,) * period
        term = Coded(name, part, levels, even, other=False, missing=missing and not terms)
        codes = _codes(array, term)
        counts = np.bincount(codes[codes < period], minlength=period)
        if np.count_nonzero(counts) > 1 or (term.missing and counts.any()):
            shares = tuple(float(count) for count in counts / counts.sum())
            terms.append(replace(term, shares=shares))
    return terms


def _codes(array: pa.Array, term: Coded) -> Codes:
    count = len(term.levels)
    if pa.types.is_timestamp(array.type) and array.type.tz is not None:
        # One clock for all files: a CSV's zones are read as UTC.
        array = array.cast(pa.timestamp(array.type.unit, "UTC"))
    if term.part == "level":
        if pa.types.is_dictionary(array.type):
            of_dictionary = _level_codes(array.dictionary, term)
            codes = of_dictionary[_positions(array, len(array.dictionary))]
            return np.asarray(codes, dtype=np.int32)
        return _level_codes(array, term)[:-1]
    if term.part == "hour":
        if pa.types.is_date(array.type):
            codes = np.zeros(len(array), dtype=np.int32)
        else:
            codes = to_numpy(pc.hour(array))
    elif term.part == "weekday":
        codes = to_numpy(pc.day_of_week(array))
    else:
        codes = to_numpy(pc.month(array)) - 1
    valid = is_valid(array)
    if valid is not None:
        codes = np.where(valid, codes, count + 1)
    return np.ascontiguousarray(codes, dtype=np.int32)


def _level_codes(values: pa.Array, term: Coded) -> Codes:
    """The codes of some values, and one more at the end, that of a missing value."""
    text = _text(values)
    count = len(term.levels)
    codes = np.full(len(text) + 1, count + 1, dtype=np.int32)
    found = to_numpy(pc.index_in(text, value_set=texts_to_arrow(term.levels)))
    codes[:-1] = np.where(np.isnan(found), count, found)
    valid = is_valid(text)
    if valid is not None:
        codes[:-1][~valid] = count + 1
    return codes


def _positions(array: pa.Array, count: int) -> NDArray[np.integer[Any]]:
    """Where a dictionary array's values are in its dictionary; `count` stands for missing."""
    valid = is_valid(array)
    positions: NDArray[np.integer[Any]] = to_numpy(array.indices)
    return positions if valid is None else np.where(valid, positions, count).astype(np.int64)


def _text(array: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    return array if pa.types.is_string(array.type) else array.cast(pa.string())


def _reals(array: pa.Array, name: str) -> Floats:
    """Finite numbers as float64, NaN where missing, shape (n,) or, for vectors, (n, elements).

    Raises
    ------
    DataError : one is infinite.
    """
    values = _as_reals(array)
    infinite = np.isinf(values)
    if infinite.any():
        raise DataError(
            "a number is infinite",
            where=f"column '{name}'",
            remedy="replace it, or leave the column out with --drop",
            row=int(np.argmax(infinite.reshape(len(array), -1).any(axis=1))),
        )
    return values


def _count_nan(array: pa.Array) -> int:
    """Values that are NaN and not null."""
    values = to_numpy(array)
    if not len(values) or not np.isnan(values.min()):  # much the faster test
        return 0
    return int(np.count_nonzero(np.isnan(values))) - int(array.null_count)


def _as_reals(array: pa.Array) -> Floats:
    if pa.types.is_fixed_size_list(array.type):
        width = array.type.list_size
        inner = array.values.slice(array.offset * width, len(array) * width)
        values = _as_reals(inner).reshape(len(array), width)
        valid = is_valid(array)
        return values if valid is None else np.where(valid[:, None], values, np.nan)
    if pa.types.is_decimal(array.type):
        array = array.cast(pa.float64(), safe=False)
    return np.ascontiguousarray(to_numpy(array), dtype=np.float64)
