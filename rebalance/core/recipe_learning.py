"""What recipes learn of a table without its label, batch by batch: means, edges, counts.

Sums add one value after the other in the order of the rows, so batches cannot change them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rebalance.core.column_values import Codes, Columns, Floats, Texts, numbers, texts
from rebalance.core.recipe_kinds import Made
from rebalance.core.recipe_levels import Bins, Count
from rebalance.core.recipe_numbers import RatioToMean
from rebalance.core.recipes import Recipe
from rebalance.core.value_cells import ValueCells
from rebalance.core.wording import counted
from rebalance.errors import DataError

MOST_VALUES = 1_000_000


class RecipeLearning:
    """Learns a recipe from the sources of all rows, in their order."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._parts = [_learning(made) for made in recipe.made]

    def add(self, columns: Columns, weight: Floats | None = None) -> None:
        """Learn from rows, each standing for `weight` rows, shape (n,), of the population.

        Raises
        ------
        DataError : a number is infinite or has no logarithm; too many different values.
        """
        self._recipe.check(columns)
        for part in self._parts:
            if part is not None:
                part.add(columns, weight)

    def finish(self) -> tuple[Recipe, list[str]]:
        """The recipe, and what the user should know of it.

        Raises
        ------
        DataError : there is nothing to learn from.
        """
        made: list[Made] = []
        notes: list[str] = []
        for each, part in zip(self._recipe.made, self._parts, strict=True):
            learned, note = (each, "") if part is None else part.finish()
            made.append(learned)
            notes += [note] if note else []
        return replace(self._recipe, made=tuple(made)), notes


class _Learning(Protocol):
    def add(self, columns: Columns, weight: Floats | None) -> None: ...

    def finish(self) -> tuple[Made, str]: ...


def _learning(made: Made) -> _Learning | None:
    """What learns for this entry; None where there is nothing to learn."""
    if isinstance(made, RatioToMean):
        return _MeanLearning(made)
    if isinstance(made, Bins) and made.quantiles is not None:
        return _EdgeLearning(made)
    return _CountLearning(made) if isinstance(made, Count) else None


class _Places:
    """The place of each different value, given as values come."""

    def __init__(self, column: str) -> None:
        self._column = column
        self.places: dict[str, int] = {}

    def of(self, found: Texts) -> Codes:
        """The places of rows, shape (n,), -1 where the value is missing."""
        places = [self.places.setdefault(value, len(self.places)) for value in found.values]
        if len(self.places) > MOST_VALUES:
            raise DataError(
                f"the column has more than {MOST_VALUES:,} different values, too many to keep a "
                "number for each",
                where=f"column '{self._column}'",
                remedy="make no such feature of it",
            )
        return np.array([*places, -1], dtype=np.int64)[found.codes]


def _added(totals: Floats, places: Codes, values: Floats, count: int) -> Floats:
    """Totals by place with values added in their order, with room for `count` places."""
    if len(totals) < count:
        totals = np.concatenate([totals, np.zeros(max(count, 2 * len(totals)) - len(totals))])
    np.add.at(totals, places, values)
    return totals


class _MeanLearning:
    def __init__(self, made: RatioToMean) -> None:
        self._made = made
        self._groups = _Places(made.by or made.source)
        self._sums, self._weights = np.zeros(1), np.zeros(1)

    def add(self, columns: Columns, weight: Floats | None) -> None:
        values = numbers(columns[self._made.source], self._made.source)
        if self._made.by is None:
            places: Codes = np.zeros(len(values), dtype=np.int64)
            self._groups.places[""] = 0
        else:
            places = self._groups.of(texts(columns[self._made.by], self._made.by))
        known: NDArray[np.bool_] = ~np.isnan(values) & (places >= 0)
        own = np.ones(int(known.sum())) if weight is None else weight[known]
        count = len(self._groups.places)
        self._sums = _added(self._sums, places[known], values[known] * own, count)
        self._weights = _added(self._weights, places[known], own, count)

    def finish(self) -> tuple[Made, str]:
        means = {
            group: float(self._sums[place] / self._weights[place])
            for group, place in sorted(self._groups.places.items())
            if self._weights[place] > 0
        }
        made = self._made
        if not any(means.values()) or not all(np.isfinite(mean) for mean in means.values()):
            raise DataError(
                f"the column '{made.source}' has no mean to divide by: it is 0, or there is none",
                where=f"feature '{made.name}'",
                remedy="make no ratio of the column",
            )
        zero = sum(mean == 0 for mean in means.values())
        note = f"in {counted(zero, 'group')} of '{made.by}' the mean of '{made.source}' is 0: "
        return replace(made, means=means), f"{note}'{made.name}' is missing there" if zero else ""


class _EdgeLearning:
    def __init__(self, made: Bins) -> None:
        self._made = made
        self._cells = ValueCells()

    def add(self, columns: Columns, weight: Floats | None) -> None:
        values = numbers(columns[self._made.source], self._made.source)
        known = ~np.isnan(values)
        self._cells.add(values[known], None if weight is None else weight[known])

    def finish(self) -> tuple[Made, str]:
        made, bins = self._made, self._made.quantiles or 1
        edges = self._cells.edges(bins)
        if not edges:
            raise DataError(
                f"the column '{made.source}' has too few different values for {bins} bins",
                where=f"feature '{made.name}'",
                remedy="give the bins' edges, or make no bins of the column",
            )
        fewer = f"'{made.name}' has {len(edges) + 1} bins, not {bins}: many values of "
        note = f"{fewer}'{made.source}' are the same" if len(edges) + 1 < bins else ""
        return replace(made, edges=tuple(edges)), note


class _CountLearning:
    def __init__(self, made: Count) -> None:
        self._made = made
        self._values = _Places(made.source)
        self._counts = np.zeros(1)

    def add(self, columns: Columns, weight: Floats | None) -> None:
        places = self._values.of(texts(columns[self._made.source], self._made.source))
        known = places >= 0
        own = np.ones(int(known.sum())) if weight is None else weight[known]
        self._counts = _added(self._counts, places[known], own, len(self._values.places))

    def finish(self) -> tuple[Made, str]:
        places = sorted(self._values.places.items())
        counts = {value: float(self._counts[place]) for value, place in places}
        return replace(self._made, counts=counts), ""
