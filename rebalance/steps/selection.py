"""table -> scores and draws -> the rows that a design keeps

One pass: stretches of the table are read, scored and thinned by several threads; c is solved when
all have passed, and what was retained is thinned again. Where a bound turns out too low, those
stretches are read once more.
"""

from __future__ import annotations

import tempfile
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.allotment import key_texts
from rebalance.core.arrays import to_arrow, to_numpy
from rebalance.core.design import Design, ScoreHistogram
from rebalance.core.draws import Purpose, key_uniforms, uniforms
from rebalance.core.labels import Label, LabelCounter, is_positive
from rebalance.core.selection import Bound, Terms, forecast
from rebalance.core.sketches import KeyCensus
from rebalance.samplers import Sampler
from rebalance.steps.context import Context
from rebalance.storage.atomic import cannot_write
from rebalance.storage.held import Held
from rebalance.storage.parallel import in_order
from rebalance.storage.tables import Batch, Stretch, Table

Floats = NDArray[np.float64]

_ROW, _DRAW, _RANK = "rb_row", "rb_draw", "rb_rank"


@dataclass(frozen=True)
class Known:
    """What is known before the table is read; `label` is known where a pilot is given."""

    column: str
    label: Label | None
    positive: str | None
    sampler: Sampler
    terms: Terms
    seed: int
    key: str | None

    @property
    def columns(self) -> list[str]:
        """The columns on which the choice of a row depends."""
        named = [self.column, *self.sampler.kinds, *([self.key] if self.key else [])]
        return list(dict.fromkeys(named))


@dataclass(frozen=True)
class Candidates:
    """Rows that the final design may keep: as they stand in the table, number, draw and rank."""

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


@dataclass
class _Passed(Population):
    """What one stretch came to."""

    rows: int = 0
    bound: Bound | None = None
    held: pa.RecordBatch | None = None
    every_rank: list[Floats] = field(default_factory=list)

    def __len__(self) -> int:
        return self.rows


@dataclass(frozen=True)
class _Chosen:
    """Rows of one batch that may be kept, and their positions in it."""

    rows: Batch
    at: NDArray[np.int64]
    draws: Floats
    rank: Floats


class Selection:
    """Everything that one pass finds; gives the candidates of a design, in input order."""

    def __init__(self, table: Table, known: Known, context: Context, *, keep_ranks: bool) -> None:
        self._table = table
        self._known = known
        self._context = context
        self._held = Held()
        self._bounds: dict[int, Bound] = {}
        self._lock = threading.Lock()
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
        stretches = self._table.stretches(self._table.names)
        passed = in_order(self._pass, stretches, self._context.threads)
        tracked = self._context.track(passed, "sampling", self._table.rows_if_known or 0)
        for number, found in enumerate(tracked):
            self._merge(found)
            self._take(number, found)
            if self._ranks is not None:
                self._ranks.write(found.every_rank)

    def candidates(self, design: Design) -> Iterator[Candidates]:
        """All rows that the design may keep, in input order."""
        low = {number for number, bound in self._bounds.items() if not bound.covers(design)}
        if low:
            self._again(low, Bound.of(design))
        for held in self._held:
            number, draws, rank = (to_numpy(held.column(name)) for name in (_ROW, _DRAW, _RANK))
            table = self._table
            rows = Batch(0, held.select(table.names), table.schema, table.place)
            yield Candidates(rows, number, draws, rank)

    def ranks(self) -> Iterator[Floats]:
        """The ranks of all rows, in input order, where they were asked for."""
        if self._ranks is not None:
            yield from self._ranks.read(self._context.reading.batch_rows)

    def _merge(self, found: _Passed) -> None:
        with self._lock:
            self.population.counts.update(found.counts)
            self.population.surprises.update(found.surprises)
            self.population.keys.merge(found.keys)
            self.population.ranks.merge(found.ranks)

    def _take(self, number: int, found: _Passed) -> None:
        if found.bound is not None:
            self._bounds[number] = found.bound
        if found.held is not None:
            self._held.put(number, found.held)

    def _again(self, low: Collection[int], bound: Bound) -> None:
        """Read the stretches whose bound was too low once more, with the design known."""
        self._context.note(
            f"the probabilities came out higher than the first rows promised: {len(low):,} of "
            f"{len(self._bounds):,} parts of the table are read a second time"
        )
        stretches = self._table.stretches(self._table.names)
        chosen = ((at, stretch) for at, stretch in enumerate(stretches) if at in low)
        done = in_order(
            lambda pair: (pair[0], self._pass(pair[1], bound)), chosen, self._context.threads
        )
        for number, found in done:
            self._take(number, found)

    def _pass(self, stretch: Stretch, bound: Bound | None = None) -> _Passed:
        """Score the rows of a stretch, and read the other columns of those that may be kept."""
        known = self._known
        found = _Passed(ranks=ScoreHistogram(known.sampler.log_score))
        values = _Values(known)
        chosen: list[_Chosen] = []
        for batch in stretch.batches(known.columns):
            with batch.located():
                codes = values.codes(batch)
                columns = batch.features(known.sampler.kinds)
                rank = known.sampler.rank(columns, len(batch))
                found.surprises.update(known.sampler.surprises(columns))
                draws = _draws(batch, known, found.keys)
            if known.label is not None:
                found.ranks.add(rank[codes != 0])
            found.counts = values.counts
            if bound is None:
                bound = self._forecast(found)
            kept = bound.candidates(draws, rank) | values.among(codes, bound.certain)
            at = np.flatnonzero(kept)
            chosen.append(_Chosen(batch.take(at), at, draws[at], rank[at]))
            if self._ranks is not None:
                found.every_rank.append(rank)
            found.rows += len(batch)
        found.bound = bound
        found.held = self._whole(stretch, chosen)
        return found

    def _whole(self, stretch: Stretch, chosen: Sequence[_Chosen]) -> pa.RecordBatch | None:
        """All columns of the rows chosen, those that only travel read now, and what chose them."""
        if not any(len(part.at) for part in chosen):
            return None
        table = self._table
        late = [name for name in table.names if name not in self._known.columns]
        others = stretch.batches(late) if late else iter(())
        parts: list[pa.RecordBatch] = []
        for part in chosen:
            taken = part.rows
            if late:
                taken = taken.beside(next(others).take(part.at))
            rows = taken.select(table.names)
            plain = rows.source if table.is_text else rows.typed()
            for name, values in (
                (_ROW, part.rows.start + part.at),
                (_DRAW, part.draws),
                (_RANK, part.rank),
            ):
                plain = plain.append_column(name, to_arrow(values))
            if len(plain):
                parts.append(plain)
        return pa.Table.from_batches(parts).combine_chunks().to_batches()[0]

    def _forecast(self, found: _Passed) -> Bound:
        """A bound from what all threads have seen so far."""
        known = self._known
        together = ScoreHistogram(known.sampler.log_score)
        together.merge(found.ranks)
        with self._lock:
            counts = self.population.counts + found.counts
            together.merge(self.population.ranks)
        positive = known.label.positive if known.label else known.positive
        return forecast(known.terms, together, counts, positive, self._table.rows_if_known)


class _Values:
    """The label values of some rows: codes, counts, and which of them are among those named."""

    def __init__(self, known: Known) -> None:
        self._label = known.label
        self._counter = LabelCounter(known.column)
        if known.label is not None:
            self._counter.values.extend(known.label.values)

    def codes(self, batch: Batch) -> NDArray[np.int64]:
        """The code of every row's value, shape (n,); of a known label, 0 is the positive one.

        Raises
        ------
        DataError : a label is missing, or is none of those that are known.
        """
        array = batch.column(self._counter.column)
        codes = self._counter.add(array, batch.start)
        if self._label is not None and len(self._counter.values) > len(self._label.values):
            is_positive(array, self._label, batch.start)  # raises
        return codes

    @property
    def counts(self) -> Counter[str]:
        """Rows by value."""
        return Counter({value: count for value, count in self._counter.counts.items() if count})

    def among(self, codes: NDArray[np.int64], named: Collection[str]) -> NDArray[np.bool_]:
        """Which rows have one of the values named, shape (n,)."""
        chosen = np.array([value in named for value in self._counter.values])
        return np.asarray(chosen[codes], dtype=np.bool_)


class _Ranks:
    """The ranks of all rows, on disk: eight bytes a row."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="rebalance-")  # noqa: SIM115

    def write(self, ranks: Sequence[Floats]) -> None:
        """Append ranks.

        Raises
        ------
        DataError : there is no room for the temporary file.
        """
        try:
            for part in ranks:
                self._file.write(part.tobytes())
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


def _draws(batch: Batch, known: Known, keys: KeyCensus) -> Floats:
    """u of every row, shape (n,): by its number, or by its key; 1 where the key is missing."""
    if known.key is None:
        return uniforms(known.seed, Purpose.SAMPLE, batch.start, len(batch))
    texts, codes = key_texts(batch.column(known.key), known.key)
    of_keys = np.append(key_uniforms(known.seed, Purpose.SAMPLE, texts), 1.0)
    draws = of_keys[codes]
    keys.add_missing(batch.start + np.flatnonzero(codes < 0))
    keys.add(draws[codes >= 0])
    return np.asarray(draws, dtype=np.float64)
