"""table of many classes + pilot -> inclusion probabilities of each class -> sample"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.arrays import to_arrow
from rebalance.core.class_design import ClassDesign, floors
from rebalance.core.classes import Classes, listed
from rebalance.core.label_values import check_classes
from rebalance.core.one_of_each import draw_bounds
from rebalance.errors import DataError
from rebalance.steps.artifacts.sealed import DESIGN_KEY, store_design
from rebalance.steps.classes.artifacts.drawn import ClassDrawn
from rebalance.steps.classes.artifacts.pilot import ClassPilot
from rebalance.steps.classes.memory import narrowed
from rebalance.steps.classes.ready import class_ready
from rebalance.steps.classes.selection import ClassKnown, ClassPopulation, ClassSelection
from rebalance.steps.context import Context
from rebalance.steps.features import tell_surprises
from rebalance.steps.keys import check_keys
from rebalance.steps.ready import Asked
from rebalance.storage.tables import Batch, Table, located
from rebalance.storage.writers import holds_metadata, table_writers
from rebalance.storage.writing import Writer

Floats = NDArray[np.float64]

OFFSET = "rb_offset"


@dataclass(frozen=True)
class ClassSampleResult:
    """What was kept of each class, against what was expected.

    classes : by class its rows, rate, c, floor, rows expected and rows kept.
    """

    output: str
    method: str
    rows: int
    kept: int
    classes: dict[str, dict[str, float]]

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        return asdict(self)


def class_sample(
    asked: Asked, context: Context, looked_at: tuple[Table, int] | None = None
) -> ClassSampleResult:
    """Keep a budget of the rows of each class, each with a known probability.

    `rb_pi`, `rb_weight` and `rb_row` are as for two classes. `rb_offset` is log pi_k(x) for all
    classes in the order of the design: a list of float64, or in text a column
    `rb_offset_CLASS` each. Beyond `WIDEST` classes it is left out: the design has all of it.

    Parameters
    ----------
    looked_at : the table, opened, and how many classes its label has, where that is known.

    Raises
    ------
    UsageError : a budget that is impossible, or options that contradict each other.
    DataError : the table is damaged or does not fit the pilot.
    ArtifactError : the pilot is damaged, or was made for something else.
    """
    found = class_ready(asked, context, looked_at)
    known, probabilities = found.known, asked.probabilities
    with ClassSelection(found.table, known, context) as selection:
        selection.look()
        design = choose_class_design(selection.population, known, found.pilot, found.table, context)
        drawn = ClassDrawn(design, found.pilot if known.scoring else None)
        outputs = [asked.output, *([probabilities] if probabilities else [])]
        with table_writers(outputs, found.table) as (kept_rows, *others):
            kept = _write(selection, drawn, asked.output, kept_rows)
            for writer in others:
                _write_probabilities(found.table, drawn, writer, context)
    store_design(drawn.to_json(), found.design_output, asked.output, context)
    _tell_kept(design, kept, context)
    tell_offsets(design, context)
    return ClassSampleResult(
        output=asked.output,
        method=asked.called or design.method,
        rows=sum(design.counts),
        kept=int(kept.sum()),
        classes={
            value: {
                "rows": design.counts[place],
                "rate": design.rates[place],
                "c": design.c[place],
                "floor": design.floors[place],
                "expected": design.rates[place] * design.counts[place],
                "kept": int(kept[place]),
            }
            for place, value in enumerate(design.label.values)
        },
    )


def choose_class_design(
    found: ClassPopulation,
    known: ClassKnown,
    pilot: ClassPilot | None,
    table: Table,
    context: Context,
) -> ClassDesign:
    """The design that spends the budget on this population; says what is special about it."""
    check_keys(found.keys, known.key, table, context)
    tell_surprises(found.surprises, "the pilot", context)
    every = zip(found.values, found.counts.tolist(), strict=True)
    counted = {value: count for value, count in every if count}
    label = choose_classes(counted, known, table)
    counts = tuple(counted[value] for value in label.values)
    numbers = found.places(label.values).tolist()
    terms = known.terms
    rates = terms.budget.solve(label, counts)
    lowest = rates if terms.uniform else floors(rates, terms.floor, label)
    c = [
        rate
        if terms.uniform or rate >= 1
        else found.ranks[number].solve(rate * count, floor, terms.mix)
        for number, count, rate, floor in zip(numbers, counts, rates, lowest, strict=True)
    ]
    return ClassDesign(
        method="uniform" if terms.uniform else "nonuniform",
        score="uniform" if terms.uniform else "probability",
        label=label,
        counts=counts,
        rates=rates,
        c=tuple(c),
        floors=lowest,
        mix=1.0 if terms.uniform else terms.mix,
        seed=known.seed,
        drop=pilot.drop if pilot else (),
        key=known.key or (pilot.key if pilot else None),
        sample_weight=pilot.sample_weight if pilot else None,
        pilot_digest=pilot.digest if pilot and not terms.uniform else None,
        draw_key=known.key,
        one_of_each=known.one_of_each,
    )


def choose_classes(counted: Mapping[str, int], known: ClassKnown, table: Table) -> Classes:
    """The classes, those of a pilot where there is one, of a table with so many rows of each.

    Raises
    ------
    DataError : they are no classes, there is one only, or one of the pilot's has no row.
    """
    with located(table.place):
        check_classes(known.column, counted)
    label = known.label or Classes.of(known.column, counted)
    absent = [value for value in label.values if value not in counted]
    if absent:
        raise DataError(
            f"no row has the class {listed(absent)}, which the pilot's table had",
            where=table.place,
            remedy="give the pilot's own table, or make a pilot of this one",
        )
    if len(label) < 2:
        raise DataError(
            f"the label has one class only: {listed(label.values)}",
            where=f"{table.place}, column '{known.column}'",
            remedy="two are needed; check the label column and any filter before this step",
        )
    return label


def _write(
    selection: ClassSelection, drawn: ClassDrawn, output: str, writer: Writer
) -> NDArray[np.int64]:
    """Keep candidates by their draws; gives the rows kept by class."""
    design = drawn.design
    keeps = _Keeps(design, selection.population)
    total = np.zeros(len(design.label), dtype=np.int64)
    as_list = holds_metadata(output)
    writer.describe({DESIGN_KEY.decode(): drawn.to_json()})
    for found in selection.candidates(design):
        codes = design.label.codes(found.rows.column(design.label.column))
        pi = design.own_pi(codes, found.rank)
        keep = np.flatnonzero(keeps(codes, found.draws, pi))
        rows = found.rows.take(keep)
        extra = {
            "rb_row": to_arrow(found.number[keep]),
            "rb_pi": to_arrow(pi[keep]),
            "rb_weight": to_arrow(1.0 / pi[keep]),
        }
        if design.has_offsets:
            log_pi = drawn.log_pi(rows.features(drawn.kinds), len(keep))
            extra |= offset_columns(log_pi, design, as_list)
        writer.write(rows, extra)
        total += np.bincount(codes[keep], minlength=len(total))
    return total


class _Keeps:
    """A row is kept when its draw is below its pi; or, of uniform ones, by `core.one_of_each`."""

    def __init__(self, design: ClassDesign, population: ClassPopulation) -> None:
        self._bounds: tuple[Floats, Floats] | None = None
        if design.one_of_each:
            own = population.places(design.label.values)
            r, s = draw_bounds(np.array(design.rates), np.array(design.counts))
            # The smallest draw itself is kept, where it is below s.
            smallest = population.smallest.draws[own]
            self._bounds = r, np.where(smallest < s, smallest, -1.0)

    def __call__(self, codes: NDArray[np.int64], draws: Floats, pi: Floats) -> NDArray[np.bool_]:
        if self._bounds is None:
            return np.asarray(draws < pi)
        r, smallest = self._bounds
        return np.asarray((draws < r[codes]) | (draws == smallest[codes]))


def offset_columns(log_pi: Floats, design: ClassDesign, as_list: bool) -> Mapping[str, pa.Array]:
    """log pi_k of every row as columns: one of lists, or where text is written one a class."""
    if as_list:
        flat = to_arrow(np.ravel(log_pi, order="C"))
        return {OFFSET: pa.FixedSizeListArray.from_arrays(flat, len(design.label))}
    return {
        f"{OFFSET}_{value}": to_arrow(np.ascontiguousarray(log_pi[:, place]))
        for place, value in enumerate(design.label.values)
    }


def tell_offsets(design: ClassDesign, context: Context) -> None:
    """Say where a sample's rows carry none."""
    if not design.has_offsets:
        context.note(
            f"'{OFFSET}' is left out, which would be {len(design.label):,} numbers in every row: "
            "'train' works them out from the design"
        )


def _write_probabilities(table: Table, drawn: ClassDrawn, writer: Writer, context: Context) -> None:
    """The pi of each class for every row of the table, which is read for it once more."""
    design = drawn.design
    names = list(drawn.kinds) or [design.label.column]
    batches = narrowed(table, len(design.label)).batches(names)
    for batch in context.track(batches, "writing probabilities", table.rows_if_known):
        pi = np.exp(_log_pi(drawn, batch))
        every = {"rb_row": to_arrow(np.arange(batch.start, batch.start + len(batch)))}
        every |= {
            f"pi_{value}": to_arrow(np.ascontiguousarray(pi[:, place]))
            for place, value in enumerate(design.label.values)
        }
        writer.write(None, every)


def _log_pi(drawn: ClassDrawn, batch: Batch) -> Floats:
    with batch.located():
        return drawn.log_pi(batch.features(drawn.kinds), len(batch))


def _tell_kept(design: ClassDesign, kept: NDArray[np.int64], context: Context) -> None:
    """Say which classes were kept whole, and of which no row came along."""
    whole = [place for place, rate in enumerate(design.rates) if rate >= 1]
    if whole:
        named = listed(
            [design.label.values[at] for at in whole], [design.counts[at] for at in whole]
        )
        context.note(f"kept whole: {named}")
    gone = [design.label.values[at] for at in np.flatnonzero(kept == 0)]
    if gone:
        context.note(
            f"no row was drawn of {listed(gone)}: a model trained on this sample gives "
            f"{'it' if len(gone) == 1 else 'them'} probability 0; give a higher rate"
        )
