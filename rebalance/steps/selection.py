"""table -> scores and draws -> the rows that a design keeps

One pass: batches are scored by several threads while the next are read, and thinned by a bound on
what c will be; c is solved when all have passed, and what was retained is thinned again. Where a
bound turns out too low, the table is read once more.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rebalance.core.design import LOCAL, Design, ScoreHistogram
from rebalance.core.draws import Purpose, uniforms
from rebalance.core.label_values import MANY, refuse_names
from rebalance.core.labels import Label, is_positive, label_codes
from rebalance.core.selection import Bound, Terms, forecast
from rebalance.core.sketches import KeyCensus
from rebalance.samplers import Sampler
from rebalance.steps.artifacts.pilot import PilotDraw
from rebalance.steps.candidates import Candidates, Retained, Scored, score_all
from rebalance.steps.context import Context
from rebalance.steps.keys import draws_of
from rebalance.storage.atomic import cannot_write
from rebalance.storage.tables import Batch, Table

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Known:
    """What is known before the table is read.

    label : known where a pilot is given. joined : the pilot's draw, where its rows are kept, too.
    """

    column: str
    label: Label | None
    positive: str | None
    sampler: Sampler
    terms: Terms
    seed: int
    key: str | None
    joined: PilotDraw | None = None

    @property
    def columns(self) -> list[str]:
        """The columns on which the choice of a row depends."""
        named = [self.column, *self.sampler.kinds, *([self.key] if self.key else [])]
        return list(dict.fromkeys(named))


@dataclass
class Population:
    """What all rows together are: counts by label value, ranks, values without a place, keys.

    ranks : those of the negatives. positive_ranks : those of the positives, where these are
        thinned, too.
    """

    ranks: ScoreHistogram
    positive_ranks: ScoreHistogram | None = None
    counts: Counter[str] = field(default_factory=Counter)
    surprises: Counter[str] = field(default_factory=Counter)
    keys: KeyCensus = field(default_factory=KeyCensus)


class Selection:
    """Everything that one pass finds; gives the candidates of a design, in input order."""

    def __init__(self, table: Table, known: Known, context: Context, *, keep_ranks: bool) -> None:
        self._table = table
        self._known = known
        self._context = context
        self._retained = Retained(table)
        self._bounds: list[Bound] = []
        self._next_forecast = 0
        self._ranks = _Ranks() if keep_ranks else None
        self.population = Population(ranks=ScoreHistogram(known.sampler.log_score))
        if known.sampler.score == LOCAL:
            self.population.positive_ranks = ScoreHistogram(known.sampler.log_score)

    def __enter__(self) -> Selection:
        return self

    def __exit__(self, *exc: object) -> None:
        self._retained.close()
        if self._ranks is not None:
            self._ranks.close()

    def look(self) -> None:
        """Read the table, and retain what may be kept.

        Raises
        ------
        DataError : the table is damaged, or a label or a key is missing.
        """
        for number, found in enumerate(self._scored("sampling")):
            self._count(found)
            if self.population.counts.total() >= self._next_forecast:
                self._forecast()
            self._retain(number, found, self._bounds[-1])
            if self._ranks is not None:
                self._ranks.write(found.rank)

    def candidates(self, design: Design) -> Iterator[Candidates]:
        """All rows that the design may keep, in input order."""
        if not all(bound.covers(design) for bound in self._bounds):
            self._retained.clear_for_another_reading(self._context)
            for number, found in enumerate(self._scored("sampling again")):
                self._retain(number, found, Bound.of(design))
        yield from self._retained

    def ranks(self) -> Iterator[Floats]:
        """The ranks of all rows, in input order, where they were asked for."""
        if self._ranks is not None:
            yield from self._ranks.read(self._context.reading.batch_rows)

    def _scored(self, description: str) -> Iterator[Scored]:
        """All rows, scored by several threads, in input order."""
        score, keyed = partial(_score, self._known), self._known.key is not None
        return score_all(self._table, score, self._context, description, keyed=keyed)

    def _count(self, found: Scored) -> None:
        counted = np.bincount(found.codes, minlength=len(found.values)).tolist()
        rows = {value: count for value, count in zip(found.values, counted, strict=True) if count}
        counts = self.population.counts
        counts.update(rows)
        if len(counts) > MANY:
            refuse_names(self._known.column, len(counts), counts.total())
        self.population.surprises.update(found.surprises)
        if self._known.label is not None:
            self.population.ranks.add(found.rank[found.codes != 0])
            if self.population.positive_ranks is not None:
                self.population.positive_ranks.add(found.rank[found.codes == 0])
        if self._known.key is not None:
            self.population.keys.add_missing(found.missing_keys)
            self.population.keys.add(found.draws)

    def _forecast(self) -> None:
        """A new bound each time that the rows seen have doubled."""
        known, counts = self._known, self.population.counts
        positive = known.label.positive if known.label else known.positive
        ranks, total = self.population.ranks, self._table.rows_if_known
        self._bounds.append(forecast(known.terms, ranks, counts, positive, total))
        self._next_forecast = 2 * counts.total()

    def _retain(self, number: int, found: Scored, bound: Bound) -> None:
        """Hold the rows that may be kept."""
        kept = bound.candidates(found.draws, found.rank) | found.has(bound.certain)
        self._retained.put(number, found, kept)


def _score(known: Known, batch: Batch) -> Scored:
    """What the choice of a batch's rows depends on.

    Raises
    ------
    DataError : a label is missing or is none of those known; a number is infinite.
    """
    # Of a label that is known, the positive value comes first.
    values = list(known.label.values) if known.label is not None else []
    with batch.located():
        labels = batch.column(known.column)
        codes = label_codes(labels, values, known.column, batch.start)
        if known.label is not None and len(values) > len(known.label.values):
            is_positive(labels, known.label, batch.start)  # raises
        columns = batch.features(known.sampler.kinds)
        rank = known.sampler.rank(columns, len(batch))
        surprises = known.sampler.surprises(columns)
        draws, missing = draws_of(batch, known.seed, known.key)
        if known.joined is not None:
            draws = np.where(_in_pilot(batch, known.joined) & (codes != 0), 0.0, draws)
    return Scored(batch, values, codes, rank, draws, missing, surprises)


def _in_pilot(batch: Batch, draw: PilotDraw) -> NDArray[np.bool_]:
    """Which rows have a draw for the pilot as low as the negatives that it was fitted on."""
    found = uniforms(draw.seed, Purpose.PILOT, batch.start, len(batch))
    return np.asarray(found <= (1.0 if draw.bound is None else draw.bound), dtype=np.bool_)


class _Ranks:
    """The ranks of all rows, on disk: eight bytes a row."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="rebalance-")  # noqa: SIM115

    def write(self, rank: Floats) -> None:
        """Append ranks.

        Raises
        ------
        DataError : there is no room for the temporary file.
        """
        try:
            self._file.write(rank.tobytes())
        except OSError as exc:
            raise cannot_write(tempfile.gettempdir(), exc) from exc

    def read(self, rows: int) -> Iterator[Floats]:
        """All ranks in order, so many at a time."""
        self._file.seek(0)
        while block := self._file.read(8 * rows):
            yield np.frombuffer(block)

    def close(self) -> None:
        """Let the file go."""
        self._file.close()
