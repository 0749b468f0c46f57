"""Features of recipes that look at which value a row has: bins, crosses and counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from rebalance.core.arrays import to_arrow
from rebalance.core.column_values import Codes, Columns, coded, number_text, numbers, texts
from rebalance.core.kinds import Kind
from rebalance.core.recipe_base import OfOneColumn

_JOINED = " × "
_LONG = 10


@dataclass(frozen=True)
class Bins(OfOneColumn):
    """In which bin a number is, as a category: [edge, next edge).

    quantiles : so many bins of as many rows each, where the edges are learned; None if given.
    """

    quantiles: int | None
    edges: tuple[float, ...] | None = None

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
class Count(OfOneColumn):
    """How many rows have the value; 0 for one that none had.

    counts : rows by value, or how many rows of the population those of a sample stand for.
    """

    counts: Mapping[str, float] | None = None

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


def _joined(first: str, second: str) -> str:
    """Both texts, so that no other two give the same: a sign of theirs is written twice."""
    sign = _JOINED.strip()
    return _JOINED.join(text.replace(sign, sign + sign) for text in (first, second))
