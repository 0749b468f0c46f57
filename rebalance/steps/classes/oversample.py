"""table of many classes -> every row, those of a small class as often as its share of w_k copies

pi_k = w_k is the expected number of a row of class k, and the offsets are log w_k for all rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.class_design import ClassDesign
from rebalance.core.design import RANDOM_OVER, UNIFORM, Budget
from rebalance.samplers.class_resampling import times_wanted
from rebalance.steps.classes.artifacts.drawn import ClassDrawn
from rebalance.steps.classes.memory import CELLS
from rebalance.steps.classes.ready import ClassReady, class_ready
from rebalance.steps.classes.resampled import ClassResampleResult
from rebalance.steps.classes.sample import choose_classes, offset_columns, tell_offsets
from rebalance.steps.context import Context
from rebalance.steps.ready import Asked
from rebalance.steps.resampling.copies import AT_ONCE, count_label, write_copies
from rebalance.storage.tables import Batch, Table
from rebalance.storage.writers import holds_metadata


def class_oversample(
    asked: Asked,
    ratio: float,
    context: Context,
    begun: tuple[Table, Mapping[str, int]] | None = None,
) -> ClassResampleResult:
    """Repeat rows until the largest class has `ratio` per row of any other at most, on average.

    Columns are those of `steps.resampling.copies.write_copies`, and `rb_offset` as
    `steps.classes.sample.class_sample` has it.

    Parameters
    ----------
    begun : the table, opened, and the rows by value of its label, where those are known.

    Raises
    ------
    UsageError : a ratio that is there already, or below 1.
    DataError : the table is damaged, or a label or a key is missing.
    """
    looked_at = (begun[0], len(begun[1])) if begun is not None else None
    found = class_ready(all_kept(asked), context, looked_at)
    table = found.table
    counts = begun[1] if begun is not None else count_label(table, found.known.column, context)
    design = _design(found, ratio, counts)
    drawn = ClassDrawn(design, None)
    tell_offsets(design, context)
    as_list = holds_metadata(asked.output)

    def offsets(rows: int) -> Mapping[str, pa.Array]:
        if not design.has_offsets:
            return {}
        return offset_columns(drawn.log_pi({}, rows), design, as_list)

    kept = write_copies(
        table,
        asked,
        drawn.to_json(),
        times=np.array(design.rates),
        counts=design.counts,
        codes_of=lambda batch: _codes(batch, design),
        offsets=offsets,
        design_output=found.design_output,
        context=context,
        at_once=min(AT_ONCE, max(CELLS // len(design.label), 1)),
    )
    values = design.label.values
    return ClassResampleResult(
        output=asked.output,
        method=design.method,
        rows=sum(design.counts),
        kept=int(kept.sum()),
        made=0,
        ratio=float(kept.max() / kept.min()),
        classes={
            value: {"rows": rows, "kept": int(count), "made": 0}
            for value, rows, count in zip(values, design.counts, kept, strict=True)
        },
        correctable=True,
        stages=(
            {
                "method": RANDOM_OVER,
                "repeated": dict(zip(values, design.rates, strict=True)),
            },
        ),
        imputed={},
    )


def all_kept(asked: Asked) -> Asked:
    """The same as a uniform sample of all rows, which is what copies are made of."""
    return replace(asked, method=UNIFORM, budget=Budget(), class_rates={})


def _design(found: ClassReady, ratio: float, counted: Mapping[str, int]) -> ClassDesign:
    """How often rows of each class are repeated, from its rows."""
    known, pilot = found.known, found.pilot
    label = choose_classes(counted, known, found.table)
    counts = tuple(counted[value] for value in label.values)
    times = times_wanted(RANDOM_OVER, ratio, label.values, np.array(counts))
    rates = tuple(times.tolist())
    return ClassDesign(
        method=RANDOM_OVER,
        score=UNIFORM,
        label=label,
        counts=counts,
        rates=rates,
        c=rates,
        floors=rates,
        mix=1.0,
        seed=known.seed,
        drop=pilot.drop if pilot else (),
        key=known.key or (pilot.key if pilot else None),
        sample_weight=pilot.sample_weight if pilot else None,
        draw_key=known.key,
    )


def _codes(batch: Batch, design: ClassDesign) -> NDArray[np.int64]:
    return design.label.codes(batch.column(design.label.column), batch.start)
