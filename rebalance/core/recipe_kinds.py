"""The kinds of features that a recipe makes of columns, each from the columns of a row alone.

What a kind learns of a table (means, edges, counts) it learns without the label; until then it is
None. Missing in, missing out. Every kind knows its sources, its features by kind, its definition
as the user wrote it, and what it learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import pyarrow as pa

from rebalance.core.column_values import Columns
from rebalance.core.described import read_document
from rebalance.core.kinds import Kind
from rebalance.core.recipe_levels import Bins, Count, Cross
from rebalance.core.recipe_numbers import PARTS, Cyclic, Log1p, RatioToMean


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


def described_made(name: str, document: Mapping[str, Any]) -> Made:
    """The same of a document that may describe anything, with what was learned.

    Raises
    ------
    ValueError : it describes no such entry, or a bin without edges.
    """
    made: Any = made_from(name, document)
    found: Made = read_document(type(made), vars(made))
    if isinstance(found, Bins) and not found.edges:
        raise ValueError(f"the bins '{name}' have no edges")
    if isinstance(found, Cyclic) and not found.period > 0:
        raise ValueError(f"'{name}' has no period")
    return found
