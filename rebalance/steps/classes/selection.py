"""table -> scores and draws -> the rows that a design of many classes keeps

One pass, as `steps.selection` for two classes: what may be kept is retained by a bound for each
class, and thinned when every c_k is known. Where a bound was too low, the table is read once more.
A rank is the log t of the row's own class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rebalance.core.class_design import ClassDesign
from rebalance.core.class_selection import ClassBounds, ClassTerms, forecast, forecast_rates
from rebalance.core.classes import Classes
from rebalance.core.design import ScoreHistogram
from rebalance.core.label_values import MANY, refuse_names
from rebalance.core.labels import label_codes
from rebalance.core.one_of_each import Smallest
from rebalance.core.sketches import KeyCensus
from rebalance.steps.candidates import Candidates, Retained, Scored, score_all
from rebalance.steps.classes.artifacts.drawn import log_scores
from rebalance.steps.classes.artifacts.pilot import ClassPilot
from rebalance.steps.context import Context
from rebalance.steps.keys import draws_of
from rebalance.storage.tables import Batch, Table

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class ClassKnown:
    """What is known before the table is read; `label` and `scoring` where a pilot is given."""

    column: str
    label: Classes | None
    scoring: ClassPilot | None
    terms: ClassTerms
    seed: int
    key: str | None

    @property
    def one_of_each(self) -> bool:
        """Whether no class is left out: rows that share a key share their draw, and are no one."""
        return self.terms.uniform and self.key is None


class ClassPopulation:
    """What all rows together are; classes are numbered as they came.

    values, counts : the classes, and rows of each, shape (K,). ranks : log t of each class's rows,
    by its number, where there are scores. smallest : the smallest draw of each class.
    """

    def __init__(self, column: str) -> None:
        self._column = column
        self._places: dict[str, int] = {}
        self.counts = np.zeros(0, dtype=np.int64)
        self.ranks: dict[int, ScoreHistogram] = {}
        self.surprises: Counter[str] = Counter()
        self.keys = KeyCensus()
        self.smallest = Smallest()

    @property
    def values(self) -> list[str]:
        """The classes in the order they came."""
        return list(self._places)

    def places(self, values: Sequence[str]) -> Codes:
        """Where classes stand here, shape (len(values),); new ones are added.

        Raises
        ------
        DataError : they are so many that they are no classes.
        """
        known = self._places
        found = np.array([known.setdefault(value, len(known)) for value in values], dtype=np.int64)
        new = len(known) - len(self.counts)
        if new > 0:
            self.counts = np.pad(self.counts, (0, new))
        return found

    def count(self, places: Codes) -> None:
        """Count rows, by the number of each one's class."""
        self.counts += np.bincount(places, minlength=len(self.counts))
        if len(self.counts) > MANY:
            refuse_names(self._column, len(self.counts), int(self.counts.sum()))

    def rank(self, places: Codes, rank: Floats) -> None:
        """Add log t of rows, each to those of its class."""
        order = np.argsort(places, kind="stable")
        present, first = np.unique(places[order], return_index=True)
        for place, own in zip(present.tolist(), np.split(rank[order], first[1:]), strict=True):
            self.ranks.setdefault(place, ScoreHistogram(_itself)).add(own)


class ClassSelection:
    """Everything that one pass finds; gives the candidates of a design, in input order."""

    def __init__(self, table: Table, known: ClassKnown, context: Context) -> None:
        self._table = table
        self._known = known
        self._context = context
        self._retained = Retained(table)
        self._bounds = ClassBounds(known.terms)
        self._next = np.zeros(0, dtype=np.int64)
        self.population = ClassPopulation(known.column)

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
            kept = self._bounds.candidates(places, found.draws, found.rank)
            self._retained.put(number, found, kept | self._smallest(places, found.draws))

    def candidates(self, design: ClassDesign) -> Iterator[Candidates]:
        """All rows that the design may keep, in input order."""
        own = self.population.places(design.label.values)
        if not self._bounds.covers(design, own):
            self._retained.clear_for_another_reading(self._context)
            tight = ClassBounds.of(design, own)
            for number, found in enumerate(self._scored("sampling again")):
                places = self.population.places(found.values)[found.codes]
                kept = tight.candidates(places, found.draws, found.rank)
                self._retained.put(number, found, kept | self._smallest(places, found.draws))
        yield from self._retained

    def _smallest(self, places: Codes, draws: Floats) -> NDArray[np.bool_]:
        """Rows that may be the one of their class that is kept whatever its draw, shape (n,)."""
        if not self._known.one_of_each:
            return np.zeros(len(draws), dtype=np.bool_)
        return self.population.smallest.add(places, draws)

    def _scored(self, description: str) -> Iterator[Scored]:
        """All rows, scored by several threads, in input order."""
        score, keyed = partial(_score, self._known), self._known.key is not None
        return score_all(self._table, score, self._context, description, keyed=keyed)

    def _count(self, found: Scored) -> Codes:
        """Count a batch; gives the place in the population of each row's class, shape (n,)."""
        population = self.population
        places = population.places(found.values)[found.codes]
        population.count(places)
        if self._known.scoring is not None:
            population.rank(places, found.rank)
        population.surprises.update(found.surprises)
        if self._known.key is not None:
            population.keys.add_missing(found.missing_keys)
            population.keys.add(found.draws)
        return places

    def _forecast(self) -> None:
        """A new bound for each class of which the rows seen have doubled."""
        terms, population = self._known.terms, self.population
        seen = population.counts
        self._next = np.pad(self._next, (0, len(seen) - len(self._next)))
        due = np.flatnonzero(seen >= self._next)
        if not len(due):
            return
        total = self._table.rows_if_known
        rates = forecast_rates(terms.budget, population.values, seen, total)
        found = [
            forecast(terms, rates[place], population.ranks.get(place), int(seen[place]))
            for place in due.tolist()
        ]
        rate, c, floor = np.array(found).T
        self._bounds.raise_to(due, rate, c, floor)
        self._next[due] = np.maximum(2 * seen[due], 1)


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
