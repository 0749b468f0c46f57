"""table -> every negative once, every positive as often as its share of w copies

pi_1 = w is the expected number of a positive, and the offset is log w for all rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rebalance.core.arrays import to_arrow
from rebalance.core.design import RANDOM_OVER, UNIFORM, Budget, Design
from rebalance.core.labels import choose_label, is_positive
from rebalance.samplers.chains import Chain, positives_wanted, share_budget
from rebalance.steps.artifacts.drawn import Drawn
from rebalance.steps.classes.oversample import class_oversample
from rebalance.steps.classes.resampled import ClassResampleResult
from rebalance.steps.context import Context
from rebalance.steps.ready import Asked, Ready, asks_for_classes, ready
from rebalance.steps.resampling.classic import ResampleResult
from rebalance.steps.resampling.copies import check_repeating, count_label, write_copies
from rebalance.storage.tables import Batch, located


def oversample(
    asked: Asked, chain: Chain, context: Context
) -> ResampleResult | ClassResampleResult:
    """Repeat positives until there are `--ratio` negatives per positive, on average.

    The table is read twice: its label, and then all of it. A label of three or more values without
    a positive one is taken with all its classes. Columns are those of `write_copies`, and
    `rb_offset`.

    Raises
    ------
    UsageError : no ratio, one that is there already, or options without a meaning here.
    DataError : the table is damaged, or a label or a key is missing.
    """
    ratio = (share_budget(chain, asked.budget)[1] or Budget()).ratio or 0.0
    check_repeating(asked)
    if asks_for_classes(asked):
        return class_oversample(asked, ratio, context)
    found = ready(replace(asked, method=UNIFORM, budget=Budget(rate=1.0)), context)
    counts = count_label(found.table, found.known.column, context)
    if found.known.positive is None and len(counts) > 2:
        return class_oversample(asked, ratio, context, (found.table, counts))
    design = _design(found, ratio, counts, context)

    def codes_of(batch: Batch) -> NDArray[np.int64]:
        labels = batch.column(design.label.column)
        return is_positive(labels, design.label, batch.start).astype(np.int64)

    negatives, positives = write_copies(
        found.table,
        asked,
        Drawn(design, None).to_json(),
        times=np.array([1.0, design.repeated]),
        counts=(design.negatives, design.positives),
        codes_of=codes_of,
        offsets=lambda rows: {"rb_offset": to_arrow(design.offset(np.zeros(rows)))},
        design_output=found.design_output,
        context=context,
    ).tolist()
    return ResampleResult(
        output=asked.output,
        method=design.method,
        rows=design.positives + design.negatives,
        positives=design.positives,
        negatives=design.negatives,
        kept_positives=positives,
        kept_negatives=negatives,
        made_positives=0,
        made_negatives=0,
        ratio=negatives / positives,
        correctable=True,
        stages=({"method": RANDOM_OVER, "repeated": design.repeated},),
        imputed={},
    )


def _design(found: Ready, ratio: float, counts: Mapping[str, int], context: Context) -> Design:
    """How often positives are repeated, from the rows of each value of the label."""
    known, pilot = found.known, found.pilot
    with located(found.table.place):
        label = choose_label(known.column, counts, known.positive)
    if known.positive is None:
        context.note(f"'{label.positive}' is the positive value of '{known.column}'")
    positives = counts[label.positive]
    negatives = sum(counts.values()) - positives
    wanted = positives_wanted(RANDOM_OVER, ratio, positives, negatives)
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
