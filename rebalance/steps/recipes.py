"""columns + recipe of features -> features, learned without the label and stored in artifacts"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import pyarrow as pa

from rebalance.core.column_values import Floats
from rebalance.core.kinds import Kind, kind_of
from rebalance.core.recipe_kinds import Made
from rebalance.core.recipe_learning import RecipeLearning
from rebalance.core.recipe_levels import Count, Cross
from rebalance.core.recipe_numbers import Cyclic, RatioToMean
from rebalance.core.recipes import Recipe
from rebalance.errors import DataError, UsageError
from rebalance.learners.base import Reads, TrainingRows
from rebalance.learners.class_base import ClassRows
from rebalance.learners.engineered import that_makes, with_features
from rebalance.steps.artifacts.stored import StoredPilot
from rebalance.steps.context import Context
from rebalance.steps.features import describe_features, whole
from rebalance.steps.recipe_file import Defined, read_recipe
from rebalance.storage.artifacts import FORMAT
from rebalance.storage.tables import Table, located

NONE = "none"

R = TypeVar("R", TrainingRows, ClassRows)
F = TypeVar("F", bound=Reads)

_VALUES: tuple[Kind, ...] = ("category", "boolean", "number")


@dataclass(frozen=True)
class Engineering:
    """Which columns are features as they stand, and the recipe of those that are made.

    is_learned : whether the recipe knows its means, edges and counts.
    """

    kinds: dict[str, Kind]
    recipe: Recipe | None = None
    is_learned: bool = True

    @property
    def needed(self) -> dict[str, Kind]:
        """The columns to read, by kind."""
        return self.kinds if self.recipe is None else self.kinds | dict(self.recipe.sources)

    @property
    def features(self) -> dict[str, Kind]:
        """All features, by kind."""
        if self.recipe is None:
            return self.kinds
        own = {name: kind for name, kind in self.kinds.items() if name not in self.recipe.drop}
        return own | self.recipe.kinds

    def learning(self) -> RecipeLearning | None:
        """What learns the recipe from batches, where there is something to learn."""
        if self.recipe is None or self.is_learned:
            return None
        return RecipeLearning(self.recipe)

    def learned_by(
        self, learning: RecipeLearning | None, place: str, context: Context
    ) -> Engineering:
        """With the recipe as it was learned.

        Raises
        ------
        DataError : there was nothing to learn from.
        """
        if learning is None:
            return self
        with located(place, None):
            recipe, notes = learning.finish()
        for note in notes:
            context.note(note)
        return replace(self, recipe=recipe, is_learned=True)

    def learned_from(
        self, table: pa.Table, weight: Floats | None, place: str, context: Context
    ) -> Engineering:
        """Learned from rows in memory, each standing for `weight` rows of the population.

        Raises
        ------
        DataError : see `core.recipe_learning`.
        """
        learning = self.learning()
        if learning is None or self.recipe is None:
            return self
        columns = {name: whole(table.column(name)) for name in self.recipe.sources}
        with located(place):
            learning.add(columns, weight)
        learned = any(made.learned for made in self.recipe.made)
        if learned and (weight is not None or "rb_row" in table.column_names):
            whose = (
                "the sample's own, which may not be the population's"
                if weight is None
                else "the population's as the sample's weights estimate them"
            )
            context.note(f"the features' means, edges and counts are {whose}")
        return self.learned_by(learning, place, context)

    def rows(self, rows: R, place: str, start: int | None = 0) -> R:
        """The rows with all features; `start` is the first one's number, None if they are apart.

        Raises
        ------
        DataError : a value that no feature can be made of.
        """
        if self.recipe is None:
            return rows
        with located(place, start):
            return with_features(rows, self.kinds, self.recipe)

    def model(self, fitted: F) -> F:
        """The model, fitted to such rows, as one of the table's own columns."""
        return fitted if self.recipe is None else that_makes(fitted, self.recipe)

    def manifest(self, table: Table) -> dict[str, Any]:
        """What an artifact's manifest says of its features."""
        own = describe_features(table, self.kinds)
        if self.recipe is None:
            return {"features": own}
        own = {name: of for name, of in own.items() if name not in self.recipe.drop}
        made = {name: {"kind": kind, "made": True} for name, kind in self.recipe.kinds.items()}
        return {"features": own | made, "recipe": self.recipe.definition, "format": FORMAT}


def engineering(
    path: str | None,
    table: Table,
    kinds: Mapping[str, Kind],
    no_sources: Mapping[str, str | None],
    context: Context,
) -> Engineering:
    """What the file asks for, checked against the table; learned later.

    no_sources : columns of which no feature is made, by what they are: the label, the key.

    Raises
    ------
    UsageError, DataError, ArtifactError : see `recipe_file.read_recipe`; a column is not there, or
        is of a kind that the feature cannot be made of.
    """
    if path is None or path == NONE:
        return Engineering(dict(kinds))
    defined = read_recipe(path)
    for name in defined.drop:
        table.require(name, "'drop' in the recipe")
    _refuse_sources(defined, no_sources)
    sources: dict[str, Kind] = {}
    for made in defined.made:
        _refuse_taken(f"file '{path}'", made, table)
        for source in made.sources:
            sources[source] = _kind(defined, made, source, table, kinds)
    recipe = Recipe(defined.made, sources, defined.drop)
    context.note(f"features made by '{path}': {_named(recipe)}")
    return Engineering(dict(kinds), recipe, is_learned=False)


def engineering_of_sample(
    path: str | None,
    table: Table,
    kinds: Mapping[str, Kind],
    pilot: StoredPilot[Any] | None,
    *,
    no_features: Mapping[str, str | None],
    drop: Collection[str],
    context: Context,
) -> Engineering:
    """What is made of a sample: what the file asks for, else what the pilot makes.

    no_features : the label, the key and the weight, by what they are. drop : columns left out.

    Raises
    ------
    UsageError, DataError, ArtifactError : see `engineering`.
    """
    pilots = pilot.recipe if pilot is not None else None
    if path == NONE:
        if pilots is not None:
            context.note("the features that the pilot makes are not made here")
        return Engineering(dict(kinds))
    if path is not None:
        asked = engineering(path, table, kinds, no_features, context)
        if pilots is None or asked.recipe is None or asked.recipe.definition != pilots.definition:
            return asked
        context.note("they are the pilot's: what it learned of its whole table is taken")
        return Engineering(dict(kinds), pilots)
    if pilots is None or pilot is None:
        return Engineering(dict(kinds))
    barred = {*no_features.values(), *drop} - set(pilot.drop)
    recipe = pilots.without({name for name in barred if name is not None})
    left = [made.name for made in pilots.made if made not in recipe.made]
    if left:
        context.note(
            f"of the features that the pilot makes these are not made here, for they are made of "
            f"columns that are no features: {', '.join(map(repr, left))}"
        )
    if not recipe.made:
        return Engineering(dict(kinds))
    context.note(f"features made as the pilot makes them: {_named(recipe)}")
    table.require_features(recipe.sources, "the pilot's recipe")
    for made in recipe.made:
        _refuse_taken("the pilot's recipe", made, table)
    return Engineering(dict(kinds), recipe)


def _named(recipe: Recipe) -> str:
    return ", ".join(f"'{made.name}'" for made in recipe.made)


def _refuse_sources(defined: Defined, no_sources: Mapping[str, str | None]) -> None:
    for what, column in no_sources.items():
        for made in defined.made:
            if column is not None and column in made.sources:
                raise UsageError(
                    f"'{column}' is the {what}, of which no feature is made",
                    where=f"file '{defined.title}', feature '{made.name}'",
                    remedy="leave the feature out",
                )


def _refuse_taken(whose: str, made: Made, table: Table) -> None:
    taken = [name for name in (made.name, *made.kinds) if name in table.names]
    if taken:
        raise UsageError(
            f"the table has a column '{taken[0]}' already",
            where=f"{whose}, feature '{made.name}'",
            remedy="rename the feature, or the column",
        )


def _kind(
    defined: Defined, made: Made, source: str, table: Table, kinds: Mapping[str, Kind]
) -> Kind:
    """The kind of a column that a feature is made of.

    Raises
    ------
    DataError : it is not there, or is not what the feature needs.
    """
    table.require(source, f"the feature '{made.name}'")
    dtype = table.schema.field(source).type
    kind = kinds.get(source) or kind_of(dtype)
    needed = _needed(made, source)
    if kind in needed and kind is not None and not source.startswith("rb_"):
        return kind
    what, shown = next(iter(made.definition)), f"{dtype}, a {kind}" if kind else str(dtype)
    raise DataError(
        f"{what} needs {_either(needed)}, and the column '{source}' is {shown}",
        where=f"file '{defined.title}', feature '{made.name}'",
        remedy="name another column"
        + (', or write part = "hour"' if kind == "time" and isinstance(made, Cyclic) else ""),
    )


def _needed(made: Made, source: str) -> tuple[Kind, ...]:
    if isinstance(made, Cyclic) and made.part is not None:
        return ("time",)
    if isinstance(made, Cross | Count) or (isinstance(made, RatioToMean) and source == made.by):
        return _VALUES
    return ("number",)


def _either(kinds: Iterable[Kind]) -> str:
    """The kinds as a message names them."""
    return " or ".join(f"a {kind}" for kind in kinds)
