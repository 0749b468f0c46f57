"""table + pilot -> inclusion probabilities -> sample"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rebalance.core.arrays import to_arrow
from rebalance.core.correction import offset
from rebalance.core.design import Budget, Design, Outlook
from rebalance.core.labels import canonical, choose_label, is_positive
from rebalance.core.selection import Terms
from rebalance.errors import ArtifactError, DataError, UsageError
from rebalance.samplers import Sampler, get_sampler
from rebalance.steps.artifacts import DESIGN_KEY, Drawn, Pilot, design_sidecar, read_pilot
from rebalance.steps.context import Context
from rebalance.steps.features import tell_surprises
from rebalance.steps.memory import LIGHT, Need, within
from rebalance.steps.selection import Known, Population, Selection
from rebalance.storage.atomic import check_outputs, write_bytes
from rebalance.storage.held import HELD_BYTES
from rebalance.storage.inputs import open_table
from rebalance.storage.reading import Expected
from rebalance.storage.tables import Table, located
from rebalance.storage.text_schema import expect
from rebalance.storage.writers import holds_metadata, output_format, table_writers

if TYPE_CHECKING:
    from rebalance.steps.class_sample import ClassSampleResult

# Retained rows, and the bins of the scores.
NEED = Need(LIGHT + HELD_BYTES + (16 << 20), outputs=1)


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
class Asked:
    """What the user wants of a sample; None stands for what follows from the rest."""

    inputs: Sequence[str]
    output: str
    budget: Budget
    pilot: str | None = None
    label: str | None = None
    positive: str | None = None
    method: str | None = None
    key: str | None = None
    floor: float | None = None
    mix: float | None = None
    seed: int = 0
    probabilities: str | None = None
    design: str | None = None
    clobber: bool = True
    class_rates: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Ready:
    """A request that was checked as far as that goes without reading the table."""

    table: Table
    pilot: Pilot | None
    known: Known
    design_output: str | None


def ready(asked: Asked, context: Context) -> Ready:
    """Check everything that can be checked before the table is read.

    Raises
    ------
    UsageError, DataError, ArtifactError : see `sample`.
    """
    sources = [*asked.inputs, *([asked.pilot] if asked.pilot else [])]
    output, design_output = asked.output, asked.design
    check_outputs([output, asked.probabilities, design_output], sources, clobber=asked.clobber)
    for name in filter(None, (output, asked.probabilities)):
        output_format(name)
    if design_output is None and output != "-" and not holds_metadata(output):
        design_output = design_sidecar(output)
        check_outputs([output, design_output], sources, clobber=asked.clobber)
    read = read_pilot(asked.pilot) if asked.pilot is not None else None
    sampler = get_sampler(asked.method, read)
    uniform = sampler.score == "uniform"
    if uniform and (asked.floor is not None or asked.mix is not None):
        raise UsageError(
            "--floor and --mix have no meaning for uniform sampling", remedy="leave them out"
        )
    expected = _expected(read, sampler, asked, context)
    table = within(open_table(asked.inputs, context.reading, expected), context, NEED)
    table.refuse_own_columns()
    terms = Terms(asked.budget, asked.floor, asked.mix or 0.0, uniform)
    return Ready(table, read, _known(table, read, sampler, terms, asked), design_output)


def _expected(pilot: Pilot | None, sampler: Sampler, asked: Asked, context: Context) -> Expected:
    """The types of text columns that the pilot knows: the table need not be read twice."""
    if pilot is None:
        return Expected()
    named = [pilot.label.column, *([asked.key] if asked.key is not None else [])]
    as_text = output_format(asked.output) in ("csv", "tsv")
    return expect(pilot.columns, sampler.kinds, named, as_text=as_text, tell=context.note)


def sample(asked: Asked, context: Context) -> SampleResult | ClassSampleResult:
    """Keep every positive and a budget of negatives, each with a known probability.

    One pass scores all rows and retains those that may be kept; then c is solved and they are
    thinned and written. `rb_pi`, `rb_weight` and `rb_offset` are float64, `rb_row` int64, counted
    over all inputs. With a key, draws depend on that column's value instead of the row's number.

    Raises
    ------
    UsageError : a budget that is impossible, or options that contradict each other.
    DataError : the table is damaged or does not fit the pilot.
    ArtifactError : the pilot is damaged, or was made for another label.
    """
    from rebalance.steps.class_sample import class_sample, is_of_classes

    if is_of_classes(asked):
        return class_sample(asked, context)
    found = ready(asked, context)
    known, output, probabilities = found.known, asked.output, asked.probabilities
    with Selection(found.table, known, context, keep_ranks=probabilities is not None) as selection:
        selection.look()
        if known.positive is None and len(selection.population.counts) > 2:
            values = len(selection.population.counts)
            return class_sample(asked, context, (found.table, values))
        design = _design(selection.population, known, found.pilot, found.table, context)
        drawn = Drawn(design, found.pilot if known.sampler.kinds else None)
        kept = _write(found.table, selection, drawn, output, probabilities)
        outlook = selection.population.ranks.outlook(design) if known.sampler.kinds else None
    if found.design_output is not None:
        write_bytes(found.design_output, drawn.to_json().encode())
    elif output == "-":
        context.note("the design was not written: give --design FILE to train on this sample")
    if outlook is None:
        expected = design.rate * design.negatives
        outlook = Outlook(expected, expected * (1 - design.rate), 0, 0)
    return SampleResult(
        output=output,
        method=design.method,
        rows=design.positives + design.negatives,
        positives=design.positives,
        negatives=design.negatives,
        rate=design.rate,
        c=design.c,
        floor=design.floor,
        kept_positives=design.positives,
        kept_negatives=kept - design.positives,
        expected_negatives=outlook.expected,
        standard_deviation=float(np.sqrt(outlook.variance)),
        at_floor=outlook.at_floor,
        at_one=outlook.at_one,
    )


def _known(
    table: Table, pilot: Pilot | None, sampler: Sampler, terms: Terms, asked: Asked
) -> Known:
    """What is known before the table is read; checks that the columns needed are there."""
    label, positive, key = asked.label, asked.positive, asked.key
    if key is not None:
        table.require(key, "--key")
    if pilot is None:
        if label is None:
            raise UsageError(
                "the label is not known", remedy="name its column with --label, or give a --pilot"
            )
        table.require(label, "--label")
        wanted = canonical(positive) if positive is not None else None
        found = Known(label, None, wanted, sampler, terms, asked.seed, key)
    else:
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
        table.require_features(sampler.kinds, "the pilot")
        known = pilot.label
        found = Known(known.column, known, known.positive, sampler, terms, asked.seed, key)
    if key == found.column:
        raise UsageError(
            f"'{key}' is the label and --key at once", remedy="name another column with --key"
        )
    return found


def _design(
    found: Population, known: Known, pilot: Pilot | None, table: Table, context: Context
) -> Design:
    """The design that spends the budget on this population; says what is special about it."""
    _check_keys(found, known, table, context)
    with located(table.place):
        label = choose_label(known.column, found.counts, known.positive)
    if known.positive is None:
        context.note(f"'{label.positive}' is the positive value of '{known.column}'")
    tell_surprises(found.surprises, "the pilot", context)
    terms = known.terms
    positives = found.counts[label.positive]
    negatives = found.counts.total() - positives
    wanted = terms.budget.negatives(positives, negatives)
    rate = wanted / negatives
    lowest = terms.lowest(rate)
    if lowest > rate:
        raise UsageError(
            f"the floor {lowest:g} is above the rate {rate:g}",
            remedy=f"give a --floor of at most {rate:g}",
        )
    sampler = known.sampler
    return Design(
        method=sampler.name,
        score=sampler.score,
        rate=rate,
        c=rate if terms.uniform else found.ranks.solve(wanted, lowest, terms.mix),
        floor=rate if terms.uniform else lowest,
        mix=1.0 if terms.uniform else terms.mix,
        seed=known.seed,
        label=known.label or label,
        positives=positives,
        negatives=negatives,
        drop=pilot.drop if pilot else (),
        key=known.key or (pilot.key if pilot else None),
        sample_weight=pilot.sample_weight if pilot else None,
        pilot_digest=pilot.digest if pilot and not terms.uniform else None,
        draw_key=known.key,
    )


def _check_keys(found: Population, known: Known, table: Table, context: Context) -> None:
    """Refuse rows without a key; say how many rows share one."""
    if known.key is None:
        return
    if found.keys.missing:
        raise DataError(
            f"the key is missing in {found.keys.missing:,} rows",
            where=f"{table.place}, column '{known.key}', first in row {found.keys.first_missing} "
            "(counting from 0)",
            remedy="fill it in, leave those rows out, or sample without --key",
        )
    repeated, exact = found.keys.repeated()
    if repeated:
        context.note(
            f"{'' if exact else 'about '}{repeated:,} rows have a '{known.key}' that an earlier "
            "row has: they share its draw"
        )


def _write(
    table: Table, selection: Selection, drawn: Drawn, output: str, probabilities: str | None
) -> int:
    """Keep a candidate when its draw is below its inclusion probability; gives the rows kept."""
    design = drawn.design
    total = 0
    outputs = [output, *([probabilities] if probabilities else [])]
    with table_writers(outputs, table) as (kept_rows, *others):
        kept_rows.describe({DESIGN_KEY.decode(): drawn.to_json()})
        for found in selection.candidates(design):
            y_true = is_positive(found.rows.column(design.label.column), design.label)
            pi_0 = design.pi_0(drawn.log_score_of(found.rank))
            pi = np.where(y_true, 1.0, pi_0)
            keep = np.flatnonzero(found.draws < pi)
            shift = offset(pi_0, np.ones(len(pi_0)))
            extra = {
                "rb_row": to_arrow(found.number[keep]),
                "rb_pi": to_arrow(pi[keep]),
                "rb_weight": to_arrow(1.0 / pi[keep]),
                "rb_offset": to_arrow(shift[keep]),
            }
            kept_rows.write(found.rows.take(keep), extra)
            total += len(keep)
        for all_rows in others:
            start = 0
            for rank in selection.ranks():
                log_score = drawn.log_score_of(rank)
                every = {
                    "rb_row": to_arrow(np.arange(start, start + len(rank))),
                    "score": to_arrow(np.exp(log_score)),
                    "pi_0": to_arrow(design.pi_0(log_score)),
                    "pi_1": to_arrow(np.ones(len(rank))),
                }
                all_rows.write(None, every)
                start += len(rank)
    return total
