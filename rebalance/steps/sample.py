"""table + pilot -> inclusion probabilities -> sample"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rebalance.core.arrays import to_arrow
from rebalance.core.correction import offset
from rebalance.core.design import Design, Outlook
from rebalance.core.efficiency import Chances
from rebalance.core.labels import choose_label, is_positive
from rebalance.errors import UsageError
from rebalance.steps.artifacts.drawn import Drawn
from rebalance.steps.artifacts.pilot import Pilot
from rebalance.steps.artifacts.sealed import DESIGN_KEY, store_design
from rebalance.steps.context import Context
from rebalance.steps.features import tell_surprises
from rebalance.steps.keys import check_keys
from rebalance.steps.ready import Asked, Ready, asks_for_classes, ready
from rebalance.steps.realised import Realised
from rebalance.steps.selection import Known, Population, Selection
from rebalance.storage.tables import Batch, Table, located
from rebalance.storage.writers import table_writers

if TYPE_CHECKING:
    from rebalance.steps.classes.sample import ClassSampleResult

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SampleResult:
    """What was kept, against what was expected.

    shares_draws : values of the key repeat. What is kept then varies by more than a standard
    deviation or a range of independent draws tells, and there is none.
    Of local case-control, which thins positives: those expected, and those of the table at its
    least pi_1. With the pilot's rows: its rate, and the negatives kept that it had drawn.
    not_planned : why there is no planned efficiency, where a pilot has a plan.
    efficiency_correction : the estimate that efficiencies are of, "offset" or "weight".
    """

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
    standard_deviation: float | None
    at_floor: int
    at_one: int
    score: str
    planned_efficiency: float | None
    planned_efficiency_between: tuple[float, float] | None
    realised_efficiency: float | None
    realised_efficiency_between: tuple[float, float] | None
    efficiency_withheld: str | None
    efficiency_correction: str
    shares_draws: bool = False
    not_planned: str | None = None
    expected_positives: float | None = None
    standard_deviation_positives: float | None = None
    positives_at_floor: int | None = None
    pilot_rate: float | None = None
    kept_pilot_negatives: int | None = None

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        return asdict(self)


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
    if asks_for_classes(asked):
        from rebalance.steps.classes.sample import class_sample

        return class_sample(asked, context)
    found = ready(asked, context)
    known, output, probabilities = found.known, asked.output, asked.probabilities
    with Selection(found.table, known, context, keep_ranks=probabilities is not None) as selection:
        selection.look()
        if known.positive is None and len(selection.population.counts) > 2:
            from rebalance.steps.classes.sample import class_sample

            values = len(selection.population.counts)
            return class_sample(asked, context, (found.table, values))
        design = choose_design(selection.population, known, found.pilot, found.table, context)
        drawn = Drawn(design, found.pilot if known.sampler.kinds or known.joined else None)
        kept = _write(found, selection, drawn, output, probabilities)
        population = selection.population
        outlook = population.ranks.outlook(design) if known.sampler.kinds else None
        thinned = population.positive_ranks
        positives = thinned.outlook_of_positives(design) if thinned is not None else None
    store_design(drawn.to_json(), found.design_output, output, context)
    if outlook is None:
        rate = float(design.pi_0(np.zeros(1))[0])
        expected = rate * design.negatives
        outlook = Outlook(expected, expected * (1 - rate), 0, 0)
    realised, between = kept.efficiency(found.correction)
    shares = population.keys.repeated()[0] > 0
    return SampleResult(
        output=output,
        method=asked.called or design.method,
        rows=design.positives + design.negatives,
        positives=design.positives,
        negatives=design.negatives,
        rate=design.rate,
        c=design.c,
        floor=design.floor,
        kept_positives=kept.positives,
        kept_negatives=kept.negatives,
        expected_negatives=outlook.expected,
        standard_deviation=None if shares else float(np.sqrt(outlook.variance)),
        at_floor=outlook.at_floor,
        at_one=outlook.at_one,
        score=design.score,
        planned_efficiency=found.planned_efficiency,
        planned_efficiency_between=None if shares else found.planned_between,
        realised_efficiency=realised,
        realised_efficiency_between=None if shares else between,
        efficiency_withheld=found.withheld,
        efficiency_correction=found.correction,
        shares_draws=shares,
        not_planned=found.not_planned,
        expected_positives=positives.expected if positives else None,
        standard_deviation_positives=float(np.sqrt(positives.variance))
        if positives and not shares
        else None,
        positives_at_floor=positives.at_floor if positives else None,
        pilot_rate=design.pilot_rate,
        kept_pilot_negatives=kept.pilot_negatives if known.joined else None,
    )


def choose_design(
    found: Population, known: Known, pilot: Pilot | None, table: Table, context: Context
) -> Design:
    """The design that spends the budget on this population; says what is special about it."""
    check_keys(found.keys, known.key, table, context)
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
        pilot_digest=pilot.digest if pilot and (not terms.uniform or known.joined) else None,
        draw_key=known.key,
        pilot_rate=known.joined.rate if known.joined else None,
        pilot_draw=known.joined.bound if known.joined else None,
    )


class _Kept:
    """Counts of the rows kept, and what information they have."""

    def __init__(self, realised: Realised | None) -> None:
        self.positives = 0
        self.negatives = 0
        self.pilot_negatives = 0
        self._realised = realised

    def add(self, rows: Batch, y_true: NDArray[np.bool_], chances: Chances) -> None:
        """Count rows that are kept."""
        self.positives += int(y_true.sum())
        self.negatives += int((~y_true).sum())
        if self._realised is not None:
            self._realised.add(rows, y_true, chances)

    def efficiency(self, correction: str) -> tuple[float | None, tuple[float, float] | None]:
        """Of the rows kept, where a pilot tells, with its range."""
        found = self._realised.efficiency(correction) if self._realised is not None else None
        return (None, None) if found is None else found


def _write(
    found: Ready, selection: Selection, drawn: Drawn, output: str, probabilities: str | None
) -> _Kept:
    """Keep a candidate when its draw is below its inclusion probability; gives the rows kept."""
    design = drawn.design
    pilot = found.pilot if found.withheld is None else None
    kept = _Kept(Realised(pilot, design.seed) if pilot is not None else None)
    outputs = [output, *([probabilities] if probabilities else [])]
    with table_writers(outputs, found.table) as (kept_rows, *others):
        kept_rows.describe({DESIGN_KEY.decode(): drawn.to_json()})
        for each in selection.candidates(design):
            y_true = is_positive(each.rows.column(design.label.column), design.label)
            log_score = drawn.log_score_of(each.rank)
            pi_1 = design.pi_1(log_score)
            at = np.flatnonzero(each.draws < np.where(y_true, pi_1, design.own_pi_0(log_score)))
            y_true, log_score, pi_1 = y_true[at], log_score[at], pi_1[at]
            pi_0 = design.pi_0(log_score)
            pi = np.where(y_true, pi_1, pi_0)
            extra = {
                "rb_row": to_arrow(each.number[at]),
                "rb_pi": to_arrow(pi),
                "rb_weight": to_arrow(1.0 / pi),
                "rb_offset": to_arrow(offset(pi_0, pi_1)),
            }
            # Of the pilot's negatives the draws are 0.
            kept.pilot_negatives += int((~y_true & (each.draws[at] == 0.0)).sum())
            rows = each.rows.take(at)
            kept_rows.write(rows, extra)
            kept.add(rows, y_true, Chances(pi_0, pi_1))
        for all_rows in others:
            start = 0
            for rank in selection.ranks():
                log_score = drawn.log_score_of(rank)
                every = {
                    "rb_row": to_arrow(np.arange(start, start + len(rank))),
                    "score": to_arrow(np.exp(log_score)),
                    "pi_0": to_arrow(design.pi_0(log_score)),
                    "pi_1": to_arrow(design.pi_1(log_score)),
                }
                all_rows.write(None, every)
                start += len(rank)
    return kept
