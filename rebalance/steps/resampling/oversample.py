"""table -> every negative once, every positive as often as its share of w copies

A positive is in the sample floor(w) times, and once more with probability w - floor(w): pi_1 = w is
its expected number, and the offset is log w for all rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rebalance.core.allotment import key_texts
from rebalance.core.arrays import to_arrow
from rebalance.core.design import RANDOM_OVER, UNIFORM, Budget, Design
from rebalance.core.draws import Purpose, key_uniforms, uniforms
from rebalance.core.labels import LabelCounter, choose_label, is_positive
from rebalance.errors import DataError, UsageError
from rebalance.samplers.chains import Chain, positives_wanted, share_budget
from rebalance.steps.artifacts.drawn import Drawn
from rebalance.steps.artifacts.sealed import DESIGN_KEY
from rebalance.steps.context import Context
from rebalance.steps.ready import Asked, Ready, ready
from rebalance.steps.resampling.classic import ResampleResult, one_class_against_others
from rebalance.storage.atomic import write_bytes
from rebalance.storage.tables import Batch, located
from rebalance.storage.writers import table_writer

Floats = NDArray[np.float64]

_AT_ONCE = 131_072


def check_repeating(asked: Asked) -> None:
    """Refuse options that have no meaning where positives are repeated.

    Raises
    ------
    UsageError : one is given.
    """
    for name, value in (
        ("--probabilities", asked.probabilities),
        ("--combine-pilot", asked.combine_pilot or None),
        ("--score", asked.score),
        ("--correction", asked.correction),
        ("--floor", asked.floor),
        ("--mix", asked.mix),
    ):
        if value is not None:
            raise UsageError(f"{name} has no meaning for {RANDOM_OVER}", remedy="leave it out")


def oversample(asked: Asked, chain: Chain, context: Context) -> ResampleResult:
    """Repeat positives until there are `--ratio` negatives per positive, on average.

    The table is read twice: its label, and then all of it. Copies of a row follow each other and
    have the same `rb_row`; `rb_pi`, the expected number of copies, may exceed 1.

    Raises
    ------
    UsageError : no ratio, one that is there already, or options without a meaning here.
    DataError : the table is damaged, or a label or a key is missing.
    """
    budget = share_budget(chain, asked.budget)[1] or Budget()
    check_repeating(asked)
    found = ready(replace(asked, method=UNIFORM, budget=Budget(rate=1.0)), context)
    design = _design(found, budget.ratio or 0.0, context)
    drawn = Drawn(design, None)
    copies = {True: 0, False: 0}
    with table_writer(asked.output, found.table) as writer:
        writer.describe({DESIGN_KEY.decode(): drawn.to_json()})
        for batch in context.track(found.table.batches(), "repeating", found.table.rows_if_known):
            with batch.located():
                y_true = is_positive(batch.column(design.label.column), design.label, batch.start)
                at = _repeated(batch, y_true, design)
            for some in _pieces(at):
                positive = y_true[some]
                pi = np.where(positive, design.pi_1(np.zeros(len(some))), 1.0)
                extra = {
                    "rb_row": to_arrow(batch.start + some),
                    "rb_pi": to_arrow(pi),
                    "rb_weight": to_arrow(1.0 / pi),
                    "rb_offset": to_arrow(design.offset(np.zeros(len(some)))),
                }
                writer.write(batch.take(some), extra)
                copies[True] += int(positive.sum())
                copies[False] += int((~positive).sum())
    if found.design_output is not None:
        write_bytes(found.design_output, drawn.to_json().encode())
    elif asked.output == "-":
        context.note("the design was not written: give --design FILE to train on this sample")
    return ResampleResult(
        output=asked.output,
        method=design.method,
        rows=design.positives + design.negatives,
        positives=design.positives,
        negatives=design.negatives,
        kept_positives=copies[True],
        kept_negatives=copies[False],
        made_positives=0,
        made_negatives=0,
        ratio=copies[False] / copies[True],
        correctable=True,
        stages=({"method": RANDOM_OVER, "repeated": design.repeated},),
        imputed={},
    )


def _design(found: Ready, ratio: float, context: Context) -> Design:
    """How often positives are repeated, from a look at the label."""
    known, table = found.known, found.table
    counter = LabelCounter(known.column)
    for batch in context.track(table.batches([known.column]), "counting", table.rows_if_known):
        with batch.located():
            counter.add(batch.column(known.column), batch.start)
    with located(table.place), one_class_against_others(RANDOM_OVER):
        label = choose_label(known.column, counter.counts, known.positive)
    if known.positive is None:
        context.note(f"'{label.positive}' is the positive value of '{known.column}'")
    positives = counter.counts[label.positive]
    negatives = sum(counter.counts.values()) - positives
    wanted = positives_wanted(RANDOM_OVER, ratio, positives, negatives)
    pilot = found.pilot
    return Design(
        method=RANDOM_OVER,
        score=UNIFORM,
        rate=1.0,
        c=1.0,
        floor=1.0,
        mix=1.0,
        seed=known.seed,
        label=known.label or label,
        positives=positives,
        negatives=negatives,
        drop=pilot.drop if pilot else (),
        key=known.key or (pilot.key if pilot else None),
        sample_weight=pilot.sample_weight if pilot else None,
        draw_key=known.key,
        repeated=wanted / positives,
    )


def _repeated(batch: Batch, y_true: NDArray[np.bool_], design: Design) -> NDArray[np.int64]:
    """The positions of a batch's rows, each as often as it is in the sample."""
    whole, part = divmod(design.repeated or 1.0, 1.0)
    times = np.where(y_true, whole + (_draws(batch, design) < part), 1.0)
    return np.repeat(np.arange(len(batch)), times.astype(np.int64))


def _draws(batch: Batch, design: Design) -> Floats:
    """u of every row, shape (n,), by its number or its key.

    Raises
    ------
    DataError : a key is missing.
    """
    if design.draw_key is None:
        return uniforms(design.seed, Purpose.SAMPLE, batch.start, len(batch))
    texts, codes = key_texts(batch.column(design.draw_key), design.draw_key)
    if (codes < 0).any():
        raise DataError(
            "the key is missing",
            where=f"column '{design.draw_key}'",
            remedy="fill it in, leave those rows out, or sample without --key",
            row=int(np.argmax(codes < 0)),
        )
    return key_uniforms(design.seed, Purpose.SAMPLE, texts)[codes]


def _pieces(at: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Positions, so many at a time that copies of a batch do not fill the memory."""
    for start in range(0, len(at), _AT_ONCE):
        yield at[start : start + _AT_ONCE]
