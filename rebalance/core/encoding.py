"""Columns of a table as numbers: for linear models (z) and for trees, by one stored encoder.

Every feature becomes one or more terms. A `Numeric` term is a real number, missing as NaN. A
`Coded` term is a small integer (a level, an hour) that a table turns into columns of z. The value
of a row depends on the row alone, to the last bit: scores are added column by column, because a
matrix product may round differently for another batch shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.described import read_document
from rebalance.core.kinds import Kind
from rebalance.core.term_values import as_reals, codes_of, count_nan, reals_of
from rebalance.core.terms import PERIODS, Coded, Numeric, is_of
from rebalance.errors import DataError

if TYPE_CHECKING:
    from rebalance.core.recipes import Recipe

Columns = Mapping[str, pa.Array]
Floats = NDArray[np.float64]


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
                if term.feature not in placed and term.part in PERIODS:
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
                    count += count_nan(array)
            if isinstance(term, Coded) and term.part == "level" and not term.other:
                count += int((codes_of(array, term) == len(term.levels)).sum())
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
        stored = read_document(_Stored, document)
        terms = tuple(
            read_document(Numeric, term)
            if term.get("type") == "numeric"
            else read_document(Coded, term)
            for term in stored.terms
        )
        widths = stored.widths
        if not terms or not all(is_of(term, stored.kinds, widths) for term in terms):
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
            name: reals_of(columns[name], name) if checked else as_reals(columns[name])
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
                found.append(codes_of(columns[term.feature], term))
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
