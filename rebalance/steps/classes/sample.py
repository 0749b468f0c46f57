"""table of many classes + pilot -> inclusion probabilities of each class -> sample"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.arrays import to_arrow
from rebalance.core.class_design import TWO_WAYS, ClassBudget, ClassDesign, floors
from rebalance.core.class_selection import ClassTerms
from rebalance.core.classes import Classes, listed
from rebalance.errors import ArtifactError, DataError, UsageError
from rebalance.steps.artifacts.sealed import DESIGN_KEY, design_sidecar
from rebalance.steps.classes.artifacts.drawn import ClassDrawn
from rebalance.steps.classes.artifacts.pilot import ClassPilot, read_if_class_pilot
from rebalance.steps.classes.selection import ClassKnown, ClassPopulation, ClassSelection
from rebalance.steps.context import Context
from rebalance.steps.features import tell_surprises
from rebalance.steps.memory import LIGHT, Need, within
from rebalance.storage.atomic import check_outputs, write_bytes
from rebalance.storage.held import HELD_BYTES
from rebalance.storage.inputs import open_table
from rebalance.storage.reading import Expected
from rebalance.storage.tables import Batch, Table
from rebalance.storage.text_schema import expect
from rebalance.storage.writers import holds_metadata, output_format, table_writers
from rebalance.storage.writing import Writer

if TYPE_CHECKING:
    from rebalance.steps.ready import Asked

Floats = NDArray[np.float64]

# Retained rows, and the bins of some classes' scores.
NEED = Need(LIGHT + HELD_BYTES + (48 << 20), outputs=1)
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


@dataclass(frozen=True)
class ClassReady:
    """A request that was checked as far as that goes without reading the table."""

    table: Table
    pilot: ClassPilot | None
    known: ClassKnown
    design_output: str | None


def is_of_classes(asked: Asked) -> bool:
    """Whether a sample of many classes is asked for, as far as the table need not be read."""
    if asked.class_rates is not None:
        return True
    return asked.pilot is not None and read_if_class_pilot(asked.pilot) is not None


def class_sample(
    asked: Asked, context: Context, looked_at: tuple[Table, int] | None = None
) -> ClassSampleResult:
    """Keep a budget of the rows of each class, each with a known probability.

    `rb_pi`, `rb_weight` and `rb_row` are as for two classes. `rb_offset` is log pi_k(x) for all
    classes in the order of the design: a list of float64, or in text a column
    `rb_offset_CLASS` each.

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
        design = _design(selection.population, known, found.pilot, found.table, context)
        drawn = ClassDrawn(design, found.pilot if known.scoring else None)
        outputs = [asked.output, *([probabilities] if probabilities else [])]
        with table_writers(outputs, found.table) as (kept_rows, *others):
            kept = _write(selection, drawn, asked.output, kept_rows)
            for writer in others:
                _write_probabilities(found.table, drawn, writer, context)
    if found.design_output is not None:
        write_bytes(found.design_output, drawn.to_json().encode())
    elif asked.output == "-":
        context.note("the design was not written: give --design FILE to train on this sample")
    _tell_kept(design, kept, context)
    return ClassSampleResult(
        output=asked.output,
        method=design.method,
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


def class_ready(
    asked: Asked, context: Context, looked_at: tuple[Table, int] | None = None
) -> ClassReady:
    """Check everything that can be checked before the table is read.

    Raises
    ------
    UsageError, DataError, ArtifactError : see `class_sample`.
    """
    sources = [*asked.inputs, *([asked.pilot] if asked.pilot else [])]
    output, design_output = asked.output, asked.design
    check_outputs([output, asked.probabilities, design_output], sources, clobber=asked.clobber)
    for name in filter(None, (output, asked.probabilities)):
        output_format(name)
    if design_output is None and output != "-" and not holds_metadata(output):
        design_output = design_sidecar(output)
        check_outputs([output, design_output], sources, clobber=asked.clobber)
    pilot = _read_pilot(asked)
    terms = _terms(asked, pilot, looked_at[1] if looked_at is not None else None)
    scoring = None if terms.uniform else pilot
    if looked_at is not None:
        table = looked_at[0]
    else:
        expected = _expected(pilot, scoring, asked, context)
        table = within(open_table(asked.inputs, context.reading, expected), context, NEED)
        table.refuse_own_columns()
    label = pilot.label if pilot is not None else None
    column = asked.label if label is None else label.column
    if column is None:
        raise UsageError(
            "the label is not known", remedy="name its column with --label, or give a --pilot"
        )
    table.require(column, "--label" if pilot is None else "the pilot's label")
    if scoring is not None:
        table.require_features(scoring.kinds, "the pilot")
    if asked.key is not None:
        table.require(asked.key, "--key")
        if asked.key == column:
            raise UsageError(
                f"'{column}' is the label and --key at once",
                remedy="name another column with --key",
            )
    if label is not None and terms.budget.rates is not None:
        label.require(terms.budget.rates, "--rate")
    known = ClassKnown(column, label, scoring, terms, asked.seed, asked.key)
    return ClassReady(table, pilot, known, design_output)


def _refuse_two_class_options(asked: Asked) -> None:
    given = {
        "--efficiency": asked.budget.efficiency is not None,
        f"--score {asked.score}": asked.score not in (None, "probability"),
        "--combine-pilot": asked.combine_pilot,
    }
    for option, is_given in given.items():
        if is_given:
            raise UsageError(
                f"{option} is for two classes, and each of many is asked for",
                remedy="leave it out, or make a pilot of one class with --positive",
            )


def _read_pilot(asked: Asked) -> ClassPilot | None:
    """The pilot, once sure that it is of the label and the classes asked for."""
    _refuse_two_class_options(asked)
    if asked.positive is not None:
        raise UsageError(
            f"--positive {asked.positive} makes two classes of the label, and each of many is "
            "asked for",
            remedy="leave it out, or make a pilot with it and give --rate R",
        )
    if asked.pilot is None:
        return None
    pilot = read_if_class_pilot(asked.pilot)
    if pilot is None:
        raise ArtifactError(
            "the pilot is of a label with a positive value, not of many classes",
            where=f"file '{asked.pilot}'",
            remedy="give one --rate R, the share of the negatives to keep, or make a pilot of "
            "all classes: 'rebalance pilot' without --positive, for a label of three or more",
        )
    if asked.label is not None and asked.label != pilot.label.column:
        raise ArtifactError(
            f"the pilot was made for the label '{pilot.label.column}', not '{asked.label}'",
            remedy=f"make one with 'rebalance pilot -l {asked.label}'",
        )
    return pilot


def _terms(asked: Asked, pilot: ClassPilot | None, classes: int | None) -> ClassTerms:
    """What is asked for, once sure that it says something of each class."""
    if asked.class_rates is None and asked.budget.rows is None:
        column = pilot.label.column if pilot is not None else asked.label
        raise UsageError(
            f"the label '{column}' has {len(pilot.label) if pilot is not None else classes} "
            "classes, and one number for all of them does not say what to keep of each",
            remedy=f"{TWO_WAYS}; or one class against all others with --positive VALUE",
        )
    uniform = asked.method == "uniform" or (asked.method is None and pilot is None)
    if not uniform and pilot is None:
        raise UsageError(
            "nonuniform sampling needs a pilot",
            remedy="make one with 'rebalance pilot' and give it with --pilot, or choose "
            "--method uniform",
        )
    if uniform and (asked.floor is not None or asked.mix is not None):
        raise UsageError(
            "--floor and --mix have no meaning for uniform sampling", remedy="leave them out"
        )
    rows = asked.budget.rows if asked.class_rates is None else None
    budget = ClassBudget(asked.class_rates, rows)
    return ClassTerms(budget, asked.floor, asked.mix or 0.0, uniform)


def _expected(
    pilot: ClassPilot | None, scoring: ClassPilot | None, asked: Asked, context: Context
) -> Expected:
    """The types of text columns that the pilot knows: the table need not be read twice."""
    if pilot is None:
        return Expected()
    named = [pilot.label.column, *([asked.key] if asked.key is not None else [])]
    as_text = output_format(asked.output) in ("csv", "tsv")
    kinds = scoring.kinds if scoring is not None else {}
    return expect(pilot.columns, kinds, named, as_text=as_text, tell=context.note)


def _design(
    found: ClassPopulation,
    known: ClassKnown,
    pilot: ClassPilot | None,
    table: Table,
    context: Context,
) -> ClassDesign:
    """The design that spends the budget on this population; says what is special about it."""
    _check_keys(found, known, table, context)
    tell_surprises(found.surprises, "the pilot", context)
    counted = {
        value: count for value, count in zip(found.values, found.counts, strict=True) if count
    }
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
    counts = tuple(counted[value] for value in label.values)
    ranks = dict(zip(found.values, found.ranks, strict=True))
    terms = known.terms
    rates = terms.budget.solve(label, counts)
    lowest = rates if terms.uniform else floors(rates, terms.floor, label)
    c = [
        rate if terms.uniform or rate >= 1 else ranks[value].solve(rate * count, floor, terms.mix)
        for value, count, rate, floor in zip(label.values, counts, rates, lowest, strict=True)
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
    )


def _check_keys(found: ClassPopulation, known: ClassKnown, table: Table, context: Context) -> None:
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
    selection: ClassSelection, drawn: ClassDrawn, output: str, writer: Writer
) -> NDArray[np.int64]:
    """Keep a candidate when its draw is below its class's pi; gives the rows kept by class."""
    design = drawn.design
    total = np.zeros(len(design.label), dtype=np.int64)
    as_list = holds_metadata(output)
    writer.describe({DESIGN_KEY.decode(): drawn.to_json()})
    for found in selection.candidates(design):
        codes = design.label.codes(found.rows.column(design.label.column))
        pi = np.empty(len(codes))
        for place in range(len(design.label)):
            members = codes == place
            pi[members] = design.pi(place, found.log_score[members])
        keep = np.flatnonzero(found.draws < pi)
        rows = found.rows.take(keep)
        extra = {
            "rb_row": to_arrow(found.number[keep]),
            "rb_pi": to_arrow(pi[keep]),
            "rb_weight": to_arrow(1.0 / pi[keep]),
            **offset_columns(drawn.log_pi(rows.features(drawn.kinds), len(keep)), design, as_list),
        }
        writer.write(rows, extra)
        total += np.bincount(codes[keep], minlength=len(total))
    return total


def offset_columns(log_pi: Floats, design: ClassDesign, as_list: bool) -> Mapping[str, pa.Array]:
    """log pi_k of every row as columns: one of lists, or where text is written one a class."""
    if as_list:
        flat = to_arrow(np.ravel(log_pi, order="C"))
        return {OFFSET: pa.FixedSizeListArray.from_arrays(flat, len(design.label))}
    return {
        f"{OFFSET}_{value}": to_arrow(np.ascontiguousarray(log_pi[:, place]))
        for place, value in enumerate(design.label.values)
    }


def _write_probabilities(table: Table, drawn: ClassDrawn, writer: Writer, context: Context) -> None:
    """The pi of each class for every row of the table, which is read for it once more."""
    design = drawn.design
    names = list(drawn.kinds) or [design.label.column]
    batches = table.batches(names)
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
