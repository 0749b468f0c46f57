"""Features that are made of columns: a recipe, learned without the label and stored."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pyarrow as pa

from rebalance.core.column_values import Columns
from rebalance.core.described import read_document
from rebalance.core.kinds import Kind
from rebalance.core.recipe_kinds import Made, described_made
from rebalance.core.recipe_numbers import Log1p, refuse_outside

# What follows the name of a feature where values are counted that have no logarithm.
NO_LOGARITHM = " (log1p)"


@dataclass(frozen=True)
class Recipe:
    """What is made of which columns.

    sources : the kinds of the columns that features are made of.
    drop : columns that are themselves no features.
    """

    made: tuple[Made, ...]
    sources: Mapping[str, Kind]
    drop: tuple[str, ...] = ()

    @cached_property
    def kinds(self) -> dict[str, Kind]:
        """The features made, by kind."""
        return {name: kind for made in self.made for name, kind in made.kinds.items()}

    @property
    def definition(self) -> dict[str, Any]:
        """What the user wrote, and how the columns were taken; two equal ones mean the same."""
        return {
            "features": {made.name: made.definition for made in self.made},
            "sources": dict(self.sources),
            "drop": list(self.drop),
        }

    def without(self, columns: Collection[str]) -> Recipe:
        """The recipe without what is made of these columns."""
        return self._of([made for made in self.made if not {*made.sources} & {*columns}])

    def for_features(self, names: Collection[str]) -> Recipe:
        """The recipe of what gives one of these features."""
        return self._of([made for made in self.made if {*made.kinds} & {*names}])

    def _of(self, made: list[Made]) -> Recipe:
        needed = {source for each in made for source in each.sources}
        sources = {name: kind for name, kind in self.sources.items() if name in needed}
        return replace(self, made=tuple(made), sources=sources)

    def columns(self, columns: Columns) -> dict[str, pa.Array]:
        """The columns with the features made of them; a row's depend on that row alone.

        Raises
        ------
        DataError : a number is infinite.
        """
        found = dict(columns)
        for made in self.made:
            found |= dict(zip(made.kinds, made.make(columns), strict=True))
        return found

    def check(self, columns: Columns) -> None:
        """Check values that a feature is to be learned from.

        Raises
        ------
        DataError : one has no logarithm.
        """
        for made in self.made:
            if isinstance(made, Log1p):
                refuse_outside(made, columns)

    def outside(self, columns: Columns) -> dict[str, int]:
        """How many values of which feature are missing because they have no logarithm."""
        found = {
            made.name + NO_LOGARITHM: int(made.outside(columns).sum())
            for made in self.made
            if isinstance(made, Log1p)
        }
        return {name: count for name, count in found.items() if count}

    def to_document(self) -> dict[str, Any]:
        """The recipe as JSON, with what it learned."""
        features = {made.name: made.definition | made.learned for made in self.made}
        return self.definition | {"features": features, "order": [made.name for made in self.made]}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Recipe:
        """The recipe that `to_document` described.

        Raises
        ------
        ValueError : it described none.
        """
        stored = read_document(_Stored, document)
        made = tuple(described_made(name, stored.features[name]) for name in stored.order)
        if not {source for each in made for source in each.sources} <= stored.sources.keys():
            raise ValueError("its features are not of its columns")
        return cls(made, stored.sources, stored.drop)


@dataclass(frozen=True)
class _Stored:
    """A recipe as JSON; `order` is that of its features."""

    features: Mapping[str, Mapping[str, Any]]
    order: tuple[str, ...]
    sources: Mapping[str, Kind]
    drop: tuple[str, ...]
