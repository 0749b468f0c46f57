"""table -> scores and draws -> the rows that a design keeps

One pass: batches are scored by several threads while the next are read, and thinned by a bound on
what c will be; c is solved when all have passed, and what was retained is thinned again. Where a
bound turns out too low, the table is read once more.
"""

from __future__ import annotations

import importlib
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rebalance.core.allotment import key_texts
from rebalance.core.arrays import to_arrow, to_numpy
from rebalance.core.design import Design, ScoreHistogram
from rebalance.core.draws import Purpose, key_uniforms, uniforms
from rebalance.core.labels import Label, is_positive, label_codes
from rebalance.core.selection import Bound, Terms, forecast
from rebalance.core.sketches import KeyCensus
from rebalance.samplers import Sampler
from rebalance.steps.artifacts.pilot import PilotDraw
from rebalance.steps.context import Context
from rebalance.storage.atomic import cannot_write
from rebalance.storage.held import Held
from rebalance.storage.parallel import in_order
from rebalance.storage.tables import Batch, Table

Floats = NDArray[np.float64]

_ROW, _DRAW, _RANK = "rb_row", "rb_draw", "rb_rank"


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


@dataclass(frozen=True)
class Candidates:
    """Rows that the final design may keep: as they stand in the table, number, draw and rank.

    The draws of a pilot's negatives are 0 where its rows are kept, too.
    """

    rows: Batch
    number: NDArray[np.int64]
    draws: Floats
    rank: Floats


@dataclass
class Population:
    """What all rows together are: counts by label value, ranks, values without a place, keys."""

    ranks: ScoreHistogram
    counts: Counter[str] = field(default_factory=Counter)
    surprises: Counter[str] = field(default_factory=Counter)
    keys: KeyCensus = field(default_factory=KeyCensus)


@dataclass(frozen=True)
class _Scored:
    """The rows of one batch with all that the choice depends on; codes are places in `values`."""

    batch: Batch
    values: Sequence[str]
    codes: NDArray[np.int64]
    rank: Floats
    draws: Floats
    missing_keys: NDArray[np.int64]
    surprises: dict[str, int]

    def __len__(self) -> int:
        return len(self.batch)

    def has(self, values: Collection[str]) -> NDArray[np.bool_]:
        """Which rows have one of these label values, shape (n,)."""
        chosen = np.array([value in values for value in self.values])
        return np.asarray(chosen[self.codes], dtype=np.bool_)


class Selection:
    """Everything that one pass finds; gives the candidates of a design, in input order."""

    def __init__(self, table: Table, known: Known, context: Context, *, keep_ranks: bool) -> None:
        self._table = table
        self._known = known
        self._context = context
        self._held = Held()
        self._bounds: list[Bound] = []
        self._next_forecast = 0
        self._ranks = _Ranks() if keep_ranks else None
        self.population = Population(ranks=ScoreHistogram(known.sampler.log_score))

    def __enter__(self) -> Selection:
        return self

    def __exit__(self, *exc: object) -> None:
        self._held.close()
        if self._ranks is not None:
            self._ranks.close()

    def look(self) -> None:
        """Read the table, and retain what may be kept.

        Raises
        ------
        DataError : the table is damaged, or a label or a key is missing.
        """
        if self._known.key is not None:
            importlib.import_module("pandas")  # for the hash; the reading thread may want it, too
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
            self._context.note(
                "the probabilities came out higher than the first rows promised: the table is read "
                "a second time"
            )
            self._held.clear()
            for number, found in enumerate(self._scored("sampling again")):
                self._retain(number, found, Bound.of(design))
        for held in self._held:
            rows, draws, rank = (to_numpy(held.column(name)) for name in (_ROW, _DRAW, _RANK))
            table = self._table
            batch = Batch(0, held.select(table.names), table.schema, table.place)
            yield Candidates(batch, rows, draws, rank)

    def ranks(self) -> Iterator[Floats]:
        """The ranks of all rows, in input order, where they were asked for."""
        if self._ranks is not None:
            yield from self._ranks.read(self._context.reading.batch_rows)

    def _scored(self, description: str) -> Iterator[_Scored]:
        """All rows, scored by several threads, in input order."""
        batches = self._table.batches(coded=True)
        scored = in_order(partial(_score, self._known), batches, self._context.threads)
        return self._context.track(scored, description, self._table.rows_if_known)

    def _count(self, found: _Scored) -> None:
        counted = np.bincount(found.codes, minlength=len(found.values)).tolist()
        rows = {value: count for value, count in zip(found.values, counted, strict=True) if count}
        self.population.counts.update(rows)
        self.population.surprises.update(found.surprises)
        if self._known.label is not None:
            self.population.ranks.add(found.rank[found.codes != 0])
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

    def _retain(self, number: int, found: _Scored, bound: Bound) -> None:
        """Hold the rows that may be kept, with all columns and what chose them."""
        kept = bound.candidates(found.draws, found.rank) | found.has(bound.certain)
        at = np.flatnonzero(kept)
        if not len(at):
            return
        rows = found.batch.take(at)
        plain = rows.source if self._table.is_text else rows.typed()
        for name, values in (
            (_ROW, found.batch.start + at),
            (_DRAW, found.draws[at]),
            (_RANK, found.rank[at]),
        ):
            plain = plain.append_column(name, to_arrow(values))
        self._held.put(number, plain)


def _score(known: Known, batch: Batch) -> _Scored:
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
        draws, missing = _draws(batch, known)
        if known.joined is not None:
            draws = np.where(_in_pilot(batch, known.joined) & (codes != 0), 0.0, draws)
    return _Scored(batch, values, codes, rank, draws, missing, surprises)


def _draws(batch: Batch, known: Known) -> tuple[Floats, NDArray[np.int64]]:
    """u of every row, shape (n,), by its number or its key; and the rows whose key is missing."""
    if known.key is None:
        found = uniforms(known.seed, Purpose.SAMPLE, batch.start, len(batch))
        return found, np.empty(0, dtype=np.int64)
    texts, codes = key_texts(batch.column(known.key), known.key)
    of_keys = np.append(key_uniforms(known.seed, Purpose.SAMPLE, texts), 1.0)
    return of_keys[codes], batch.start + np.flatnonzero(codes < 0)


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
