"""table + pilot -> inclusion probabilities -> sample"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.correction import offset
from rebalance.core.design import Budget, Design, ScoreHistogram
from rebalance.core.draws import Purpose, uniforms
from rebalance.core.labels import Label, LabelCounter, canonical, choose_label, is_positive
from rebalance.errors import ArtifactError, UsageError
from rebalance.samplers import Sampler, get_sampler
from rebalance.steps.artifacts import DESIGN_KEY, Drawn, Pilot, design_sidecar, read_pilot
from rebalance.steps.context import Context
from rebalance.steps.features import tell_surprises
from rebalance.storage.atomic import check_outputs, write_bytes
from rebalance.storage.inputs import open_table
from rebalance.storage.tables import Table, located
from rebalance.storage.writers import output_format, table_writers

FLOOR_SHARE = 0.1


@dataclass(frozen=True)
class SampleResult:
    """What was kept, against what was expected."""

    output: str
    method: str
    rows: int
    positives: int
    negatives: int
    rate: float
    c: float
    floor: float
    kept_positives: int
    kept_negatives: int
    expected_negatives: float
    standard_deviation: float
    at_floor: int
    at_one: int

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        return asdict(self)


@dataclass(frozen=True)
class _Known:
    """The label's column, all of it where a pilot knows it, else the positive value asked for."""

    column: str
    label: Label | None
    positive: str | None


@dataclass(frozen=True)
class _Population:
    """What the first pass found."""

    label: Label
    positives: int
    negatives: int
    scores: ScoreHistogram


@dataclass
class _Tally:
    """Counts over all rows, filled as they pass."""

    kept_positives: int = 0
    kept_negatives: int = 0
    expected: float = 0.0
    variance: float = 0.0
    at_floor: int = 0
    at_one: int = 0

    def add(self, pi_0: NDArray[np.float64], y_true: NDArray[np.bool_], floor: float) -> None:
        negatives = pi_0[~y_true]
        self.expected += float(negatives.sum())
        self.variance += float((negatives * (1 - negatives)).sum())
        self.at_floor += int((negatives <= floor).sum())
        self.at_one += int((negatives >= 1).sum())


def sample(
    inputs: Sequence[str],
    output: str,
    *,
    budget: Budget,
    pilot: str | None = None,
    label: str | None = None,
    positive: str | None = None,
    method: str | None = None,
    floor: float | None = None,
    mix: float | None = None,
    seed: int = 0,
    probabilities: str | None = None,
    design_output: str | None = None,
    clobber: bool = True,
    context: Context,
) -> SampleResult:
    """Keep every positive and a budget of negatives, each with a known probability.

    The first pass scores all rows and solves for c; the second keeps and writes. `rb_pi`,
    `rb_weight` and `rb_offset` are float64, `rb_row` int64, counted over all inputs.

    Raises
    ------
    UsageError : a budget that is impossible, or options that contradict each other.
    DataError : the table is damaged or does not fit the pilot.
    ArtifactError : the pilot is damaged, or was made for another label.
    """
    sources = [*inputs, *([pilot] if pilot else [])]
    check_outputs([output, probabilities, design_output], sources, clobber=clobber)
    for name in filter(None, (output, probabilities)):
        output_format(name)
    if design_output is None and output != "-" and output_format(output) != "parquet":
        design_output = design_sidecar(output)
        check_outputs([design_output], sources, clobber=clobber)
    read = read_pilot(pilot) if pilot is not None else None
    sampler = get_sampler(method, read)
    if sampler.score == "uniform" and (floor is not None or mix is not None):
        raise UsageError(
            "--floor and --mix have no meaning for uniform sampling", remedy="leave them out"
        )
    table = open_table(inputs)
    table.refuse_own_columns()
    known = _known_label(table, read, label, positive)
    if read is not None and sampler.kinds:
        table.require_features(read.kinds, "the pilot")
    found = _look(table, known, sampler, context)
    design = _design(found, sampler, read, budget=budget, floor=floor, mix=mix or 0.0, seed=seed)
    drawn = Drawn(design, read if sampler.kinds else None)
    tally = _keep(table, drawn, output, probabilities, context)
    if design_output is not None:
        write_bytes(Path(design_output), drawn.to_json().encode())
    elif output == "-":
        context.note("the design was not written: give --design FILE to train on this sample")
    return SampleResult(
        output=output,
        method=design.method,
        rows=design.positives + design.negatives,
        positives=design.positives,
        negatives=design.negatives,
        rate=design.rate,
        c=design.c,
        floor=design.floor,
        kept_positives=tally.kept_positives,
        kept_negatives=tally.kept_negatives,
        expected_negatives=tally.expected,
        standard_deviation=float(np.sqrt(tally.variance)),
        at_floor=tally.at_floor,
        at_one=tally.at_one,
    )


def _known_label(
    table: Table, pilot: Pilot | None, label: str | None, positive: str | None
) -> _Known:
    """What is known of the label before the table is read."""
    if pilot is None:
        if label is None:
            raise UsageError(
                "the label is not known", remedy="name its column with --label, or give a --pilot"
            )
        table.require(label, "--label")
        return _Known(label, None, positive)
    if label is not None and label != pilot.label.column:
        raise ArtifactError(
            f"the pilot was made for the label '{pilot.label.column}', not '{label}'",
            remedy=f"make one with 'rebalance pilot -l {label}'",
        )
    if positive is not None and canonical(positive) != pilot.label.positive:
        raise ArtifactError(
            f"the pilot's positive value is '{pilot.label.positive}', not '{positive}'",
            remedy=f"make one with 'rebalance pilot --positive {positive}'",
        )
    table.require(pilot.label.column, "the pilot's label")
    return _Known(pilot.label.column, pilot.label, None)


def _look(table: Table, known: _Known, sampler: Sampler, context: Context) -> _Population:
    """First pass: count the classes and the scores of the negatives."""
    histogram = ScoreHistogram()
    counter = LabelCounter(known.column)
    surprises: Counter[str] = Counter()
    batches = table.batches([known.column, *sampler.kinds])
    for batch in context.track(batches, "scoring", table.num_rows):
        labels = batch.column(known.column)
        with batch.located():
            counter.add(labels, batch.start)
            if known.label is not None and sampler.kinds:
                y_true = is_positive(labels, known.label, batch.start)
                columns = batch.features(sampler.kinds)
                histogram.add(sampler.log_score(columns, len(batch))[~y_true])
                surprises.update(sampler.surprises(columns))
    wanted = known.positive if known.label is None else known.label.positive
    with located(table.place):
        label = choose_label(known.column, counter.counts, wanted)
    tell_surprises(surprises, "the pilot", context)
    if wanted is None:
        context.note(f"'{label.positive}' is the positive value of '{known.column}'")
    positives = counter.counts[label.positive]
    negatives = sum(counter.counts.values()) - positives
    return _Population(known.label or label, positives, negatives, histogram)


def _design(
    found: _Population,
    sampler: Sampler,
    pilot: Pilot | None,
    *,
    budget: Budget,
    floor: float | None,
    mix: float,
    seed: int,
) -> Design:
    wanted = budget.negatives(found.positives, found.negatives)
    rate = wanted / found.negatives
    lowest = FLOOR_SHARE * rate if floor is None else floor
    if lowest > rate:
        raise UsageError(
            f"the floor {lowest:g} is above the rate {rate:g}",
            remedy=f"give a --floor of at most {rate:g}",
        )
    uniform = sampler.score == "uniform"
    return Design(
        method=sampler.name,
        score=sampler.score,
        rate=rate,
        c=rate if uniform else found.scores.solve(wanted, lowest, mix),
        floor=rate if uniform else lowest,
        mix=1.0 if uniform else mix,
        seed=seed,
        label=found.label,
        positives=found.positives,
        negatives=found.negatives,
        drop=pilot.drop if pilot else (),
        key=pilot.key if pilot else None,
        sample_weight=pilot.sample_weight if pilot else None,
        pilot_digest=pilot.digest if pilot and not uniform else None,
    )


def _keep(
    table: Table, drawn: Drawn, output: str, probabilities: str | None, context: Context
) -> _Tally:
    """Second pass: keep a row when its draw is below its inclusion probability, and write it."""
    design = drawn.design
    tally = _Tally()
    outputs = [output, *([probabilities] if probabilities else [])]
    with table_writers(outputs) as (kept_rows, *others):
        for batch in context.track(table.batches(), "sampling", table.num_rows):
            with batch.located():
                y_true = is_positive(batch.column(design.label.column), design.label, batch.start)
            log_score = drawn.log_score(batch)
            pi_0 = design.pi_0(log_score)
            pi = np.where(y_true, 1.0, pi_0)
            keep = uniforms(design.seed, Purpose.SAMPLE, batch.start, len(batch)) < pi
            tally.add(pi_0, y_true, design.floor)
            tally.kept_positives += int((keep & y_true).sum())
            tally.kept_negatives += int((keep & ~y_true).sum())
            rows = np.arange(batch.start, batch.start + len(batch))
            shift = offset(pi_0, np.ones(len(batch)))
            extra = {
                "rb_row": pa.array(rows[keep]),
                "rb_pi": pa.array(pi[keep]),
                "rb_weight": pa.array(1.0 / pi[keep]),
                "rb_offset": pa.array(shift[keep]),
            }
            kept_rows.write(batch.filter(pa.array(keep)), extra)
            for all_rows in others:
                every = {
                    "rb_row": pa.array(rows),
                    "score": pa.array(np.exp(log_score)),
                    "pi_0": pa.array(pi_0),
                    "pi_1": pa.array(np.ones(len(batch))),
                }
                all_rows.write(None, every)
        kept_rows.describe({DESIGN_KEY.decode(): drawn.to_json()})
    return tally
