"""table -> scores and draws -> the rows that a design of many classes keeps

One pass, as `steps.selection` for two classes: what may be kept is retained by a bound for each
class, and thinned when every c_k is known. Where a bound was too low, the table is read once more.
A rank is the log t of the row's own class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rebalance.core.class_design import ClassDesign
from rebalance.core.class_selection import ClassBound, ClassTerms, forecast, forecast_rates
from rebalance.core.classes import Classes
from rebalance.core.design import ScoreHistogram
from rebalance.core.labels import label_codes
from rebalance.core.sketches import KeyCensus
from rebalance.steps.candidates import Candidates, Retained, Scored, score_all
from rebalance.steps.classes.artifacts.drawn import log_scores
from rebalance.steps.classes.artifacts.pilot import ClassPilot
from rebalance.steps.context import Context
from rebalance.steps.keys import draws_of
from rebalance.storage.tables import Batch, Table

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ClassKnown:
    """What is known before the table is read; `label` and `scoring` where a pilot is given."""

    column: str
    label: Classes | None
    scoring: ClassPilot | None
    terms: ClassTerms
    seed: int
    key: str | None


@dataclass
class ClassPopulation:
    """What all rows together are; lists are in the order in which the classes came.

    ranks : log t of each class's rows.
    """

    values: list[str] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    ranks: list[ScoreHistogram] = field(default_factory=list)
    surprises: Counter[str] = field(default_factory=Counter)
    keys: KeyCensus = field(default_factory=KeyCensus)

    def places(self, values: Sequence[str]) -> NDArray[np.int64]:
        """Where classes stand here, shape (len(values),); new ones are added."""
        for value in values:
            if value not in self.values:
                self.values.append(value)
                self.counts.append(0)
                self.ranks.append(ScoreHistogram(_itself))
        return np.array([self.values.index(value) for value in values], dtype=np.int64)


class ClassSelection:
    """Everything that one pass finds; gives the candidates of a design, in input order."""

    def __init__(self, table: Table, known: ClassKnown, context: Context) -> None:
        self._table = table
        self._known = known
        self._context = context
        self._retained = Retained(table)
        self._bounds: dict[str, list[ClassBound]] = {}
        self._next: dict[str, int] = {}
        self.population = ClassPopulation()

    def __enter__(self) -> ClassSelection:
        return self

    def __exit__(self, *exc: object) -> None:
        self._retained.close()

    def look(self) -> None:
        """Read the table, and retain what may be kept.

        Raises
        ------
        DataError : the table is damaged, or a label or a key is missing.
        """
        for number, found in enumerate(self._scored("sampling")):
            places = self._count(found)
            self._forecast()
            bounds = [self._bounds[value][-1] for value in self.population.values]
            self._retain(number, found, places, bounds)

    def candidates(self, design: ClassDesign) -> Iterator[Candidates]:
        """All rows that the design may keep, in input order."""
        place = {value: at for at, value in enumerate(design.label.values)}
        covered = all(
            bound.covers(design, place[value])
            for value, bounds in self._bounds.items()
            for bound in bounds
        )
        if not covered:
            self._retained.clear_for_another_reading(self._context)
            tight = [ClassBound.of(design, place[value]) for value in self.population.values]
            for number, found in enumerate(self._scored("sampling again")):
                self._retain(number, found, self.population.places(found.values), tight)
        yield from self._retained

    def _scored(self, description: str) -> Iterator[Scored]:
        """All rows, scored by several threads, in input order."""
        score, keyed = partial(_score, self._known), self._known.key is not None
        return score_all(self._table, score, self._context, description, keyed=keyed)

    def _count(self, found: Scored) -> NDArray[np.int64]:
        """Count a batch; gives the place in the population of each of its classes."""
        population = self.population
        places = population.places(found.values)
        counted = np.bincount(found.codes, minlength=len(found.values))
        for code, place in enumerate(places.tolist()):
            population.counts[place] += int(counted[code])
            if counted[code] and self._known.scoring is not None:
                population.ranks[place].add(found.rank[found.codes == code])
        population.surprises.update(found.surprises)
        if self._known.key is not None:
            population.keys.add_missing(found.missing_keys)
            population.keys.add(found.draws)
        return places

    def _forecast(self) -> None:
        """A new bound for each class of which the rows seen have doubled."""
        terms, population = self._known.terms, self.population
        total = self._table.rows_if_known
        rates = forecast_rates(terms.budget, population.values, population.counts, total)
        for place, value in enumerate(population.values):
            seen = population.counts[place]
            if value not in self._bounds or seen >= self._next[value]:
                bound = forecast(terms, rates[place], population.ranks[place], seen)
                self._bounds.setdefault(value, []).append(bound)
                self._next[value] = max(2 * seen, 1)

    def _retain(
        self,
        number: int,
        found: Scored,
        places: NDArray[np.int64],
        bounds: Sequence[ClassBound],
    ) -> None:
        """Hold the rows that may be kept."""
        kept = np.zeros(len(found), dtype=bool)
        for code, place in enumerate(places.tolist()):
            members = np.flatnonzero(found.codes == code)
            if len(members):
                draws, rank = found.draws[members], found.rank[members]
                kept[members] = bounds[place].candidates(draws, rank)
        self._retained.put(number, found, kept)


def _score(known: ClassKnown, batch: Batch) -> Scored:
    """What the choice of a batch's rows depends on.

    Raises
    ------
    DataError : a label is missing or is none of those known; a number is infinite.
    """
    with batch.located():
        labels = batch.column(known.column)
        scoring = known.scoring
        if known.label is not None:
            values = list(known.label.values)
            codes = known.label.codes(labels, batch.start)
        else:
            values = []
            codes = label_codes(labels, values, known.column, batch.start)
        own, surprises = np.zeros(len(batch)), {}
        if scoring is not None:
            columns = batch.features(scoring.kinds)
            scores = log_scores(scoring, columns, len(batch), len(values))
            own = scores[np.arange(len(batch)), codes]
            surprises = scoring.surprises(columns)
        draws, missing = draws_of(batch, known.seed, known.key)
    return Scored(batch, values, codes, own, draws, missing, surprises)


def _itself(rank: Floats) -> Floats:
    """A rank is log t as it stands."""
    return rank
