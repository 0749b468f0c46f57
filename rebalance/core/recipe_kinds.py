"""The kinds of features that a recipe makes of columns, each from the columns of a row alone.

What a kind learns of a table (means, edges, counts) it learns without the label; until then it is
None. Missing in, missing out. Every kind knows its sources, its features by kind, its definition
as the user wrote it, and what it learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rebalance.core.arrays import to_arrow, to_numpy
from rebalance.core.column_values import Codes, Floats, coded, number_text, numbers, texts
from rebalance.core.kinds import Kind
from rebalance.errors import DataError

Columns = Mapping[str, pa.Array]

PARTS = {"hour": 24, "weekday": 7, "month": 12}
_JOINED = " × "
_LONG = 10


class Made(Protocol):
    """One entry of a recipe."""

    @property
    def name(self) -> str:
        """What the user called it."""

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns it is made of."""

    @property
    def kinds(self) -> dict[str, Kind]:
        """The features that it gives, by kind."""

    @property
    def definition(self) -> dict[str, Any]:
        """What the user wrote, as JSON."""

    @property
    def learned(self) -> dict[str, Any]:
        """What it learned of a table, as JSON; empty for what needs nothing."""

    def make(self, columns: Columns) -> list[pa.Array]:
        """The features, arrays of length n.

        Raises
        ------
        DataError : a number is infinite.
        """


@dataclass(frozen=True)
class Log1p:
    """log(1 + x); missing for x <= -1."""

    name: str
    source: str

    @property
    def sources(self) -> tuple[str, ...]:
        """The column x."""
        return (self.source,)

    @property
    def kinds(self) -> dict[str, Kind]:
        """One number."""
        return {self.name: "number"}

    @property
    def definition(self) -> dict[str, Any]:
        """What the user wrote."""
        return {"log1p": self.source}

    @property
    def learned(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def outside(self, columns: Columns) -> NDArray[np.bool_]:
        """Which values have no logarithm, shape (n,)."""
        return np.asarray(numbers(columns[self.source], self.source) <= -1)

    def make(self, columns: Columns) -> list[pa.Array]:
        """The logarithms."""
        values = numbers(columns[self.source], self.source)
        return [to_arrow(np.log1p(np.where(values > -1, values, np.nan)))]


@dataclass(frozen=True)
class RatioToMean:
    """x over the mean of x, of all rows or of those with the same value of `by`.

    means : by value of `by`, or the one of all rows under "". Missing where there is none: a value
        of `by` that was not seen, or whose mean is 0.
    """

    name: str
    source: str
    by: str | None
    means: Mapping[str, float] | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """x, and the column of groups."""
        return (self.source,) if self.by is None else (self.source, self.by)

    @property
    def kinds(self) -> dict[str, Kind]:
        """One number."""
        return {self.name: "number"}

    @property
    def definition(self) -> dict[str, Any]:
        """What the user wrote."""
        by = {} if self.by is None else {"by": self.by}
        return {"ratio_to_mean": self.source, **by}

    @property
    def learned(self) -> dict[str, Any]:
        """The means."""
        return {"means": self.means}

    def make(self, columns: Columns) -> list[pa.Array]:
        """The ratios."""
        values = numbers(columns[self.source], self.source)
        known = dict(self.means or {})
        if self.by is None:
            mean: Floats = np.full(len(values), known.get("", np.nan))
        else:
            mean = texts(columns[self.by], self.by).looked_up(known, np.nan)
        mean[mean == 0] = np.nan
        with np.errstate(over="ignore"):  # whoever reads features refuses infinite ones
            return [to_arrow(values / mean)]


@dataclass(frozen=True)
class Cyclic:
    """sin and cos of 2 pi x / period: the last hour of a day is next to its first.

    part : what of a time x is, in UTC where it has a zone; None where x is a number.
    """

    name: str
    source: str
    period: float
    part: str | None

    @property
    def sources(self) -> tuple[str, ...]:
        """The column x."""
        return (self.source,)

    @property
    def kinds(self) -> dict[str, Kind]:
        """Two numbers."""
        return {f"{self.name} sin": "number", f"{self.name} cos": "number"}

    @property
    def definition(self) -> dict[str, Any]:
        """What the user wrote."""
        if self.part is not None:
            return {"cyclic": self.source, "part": self.part}
        return {"cyclic": self.source, "period": self.period}

    @property
    def learned(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def make(self, columns: Columns) -> list[pa.Array]:
        """The sine and the cosine."""
        array = columns[self.source]
        values = numbers(array, self.source) if self.part is None else _part(array, self.part)
        angle = 2 * np.pi * (np.mod(values, self.period) / self.period)
        return [to_arrow(np.sin(angle)), to_arrow(np.cos(angle))]


@dataclass(frozen=True)
class Bins:
    """In which bin a number is, as a category: [edge, next edge).

    quantiles : so many bins of as many rows each, where the edges are learned; None if given.
    """

    name: str
    source: str
    quantiles: int | None
    edges: tuple[float, ...] | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """The column of numbers."""
        return (self.source,)

    @property
    def kinds(self) -> dict[str, Kind]:
        """One category."""
        return {self.name: "category"}

    @property
    def definition(self) -> dict[str, Any]:
        """What the user wrote."""
        if self.quantiles is not None:
            return {"bins": self.source, "quantiles": self.quantiles}
        return {"bins": self.source, "edges": list(self.edges or ())}

    @property
    def learned(self) -> dict[str, Any]:
        """The edges, where they were not given."""
        return {} if self.quantiles is None else {"edges": self.edges}

    @cached_property
    def levels(self) -> list[str]:
        """What the bins are called, from the lowest."""
        edges = self.edges or ()
        shown = [number_text(edge) for edge in edges]
        short = [f"{edge:.6g}" for edge in edges]
        if max(map(len, shown)) > _LONG and len({*short}) == len(short):
            shown = short
        between = [f"{low} to {high}" for low, high in pairwise(shown)]
        return [f"below {shown[0]}", *between, f"{shown[-1]} or more"]

    def make(self, columns: Columns) -> list[pa.Array]:
        """The bins."""
        values = numbers(columns[self.source], self.source)
        at = np.searchsorted(np.asarray(self.edges or (), dtype=np.float64), values, side="right")
        return [coded(np.where(np.isnan(values), -1, at), self.levels)]


@dataclass(frozen=True)
class Cross:
    """The values of two columns together, as a category."""

    name: str
    sources: tuple[str, ...]

    @property
    def kinds(self) -> dict[str, Kind]:
        """One category."""
        return {self.name: "category"}

    @property
    def definition(self) -> dict[str, Any]:
        """What the user wrote."""
        return {"cross": list(self.sources)}

    @property
    def learned(self) -> dict[str, Any]:
        """Nothing: the encoder learns the levels."""
        return {}

    def make(self, columns: Columns) -> list[pa.Array]:
        """The pairs, missing where one of both is."""
        first, second = (texts(columns[name], name) for name in self.sources)
        width = max(len(second.values), 1)
        pairs = first.codes * width + second.codes
        valid = (first.codes >= 0) & (second.codes >= 0)
        different, inverse = np.unique(pairs[valid], return_inverse=True)
        codes: Codes = np.full(len(pairs), -1)
        codes[valid] = inverse
        named = [
            _joined(first.values[pair // width], second.values[pair % width])
            for pair in different.tolist()
        ]
        return [coded(codes, named)]


@dataclass(frozen=True)
class Count:
    """How many rows have the value; 0 for one that none had.

    counts : rows by value, or how many rows of the population those of a sample stand for.
    """

    name: str
    source: str
    counts: Mapping[str, float] | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """The column of values."""
        return (self.source,)

    @property
    def kinds(self) -> dict[str, Kind]:
        """One number."""
        return {self.name: "number"}

    @property
    def definition(self) -> dict[str, Any]:
        """What the user wrote."""
        return {"count": self.source}

    @property
    def learned(self) -> dict[str, Any]:
        """The counts."""
        return {"counts": self.counts}

    @cached_property
    def _counts(self) -> dict[str, float]:
        return dict(self.counts or {})

    def make(self, columns: Columns) -> list[pa.Array]:
        """The counts, as float64."""
        return [to_arrow(texts(columns[self.source], self.source).looked_up(self._counts, 0.0))]


def made_from(name: str, document: Mapping[str, Any]) -> Made:
    """The entry of this name that its definition and what it learned describe."""
    match document:
        case {"log1p": source}:
            return Log1p(name, source)
        case {"ratio_to_mean": source}:
            return RatioToMean(name, source, document.get("by"), document.get("means"))
        case {"cyclic": source}:
            part = document.get("part")
            return Cyclic(name, source, PARTS[part] if part else document["period"], part)
        case {"bins": source}:
            edges = document.get("edges")
            quantiles = document.get("quantiles")
            return Bins(name, source, quantiles, None if edges is None else tuple(edges))
        case {"cross": sources}:
            return Cross(name, tuple(sources))
        case {"count": source}:
            return Count(name, source, document.get("counts"))
    raise ValueError(f"no such feature: {document}")


def refuse_outside(made: Log1p, columns: Columns) -> None:
    """Refuse numbers without a logarithm.

    Raises
    ------
    DataError : there is one.
    """
    outside = made.outside(columns)
    if outside.any():
        at = int(np.argmax(outside))
        raise DataError(
            f"{number_text(float(to_numpy(columns[made.source])[at]))} has no log1p, which is "
            "the logarithm of 1 + x",
            where=f"column '{made.source}', for the feature '{made.name}'",
            remedy="mend the value, or make no logarithm of the column",
            row=at,
        )


def _part(array: pa.Array, part: str) -> Floats:
    """The hour, the weekday (Monday is 0) or the month (January is 0), NaN where missing."""
    if pa.types.is_timestamp(array.type) and array.type.tz is not None:
        array = array.cast(pa.timestamp(array.type.unit, "UTC"))
    if part == "hour" and pa.types.is_date(array.type):
        return np.where(np.isnan(to_numpy(pc.month(array))), np.nan, 0.0)
    if part == "month":
        return np.asarray(to_numpy(pc.month(array)) - 1.0)
    take = pc.hour if part == "hour" else pc.day_of_week
    return np.asarray(to_numpy(take(array)), dtype=np.float64)


def _joined(first: str, second: str) -> str:
    """Both texts, so that no other two give the same: a sign of theirs is written twice."""
    sign = _JOINED.strip()
    return _JOINED.join(text.replace(sign, sign + sign) for text in (first, second))
