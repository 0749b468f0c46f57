"""table -> as many rows of each class, drawn uniformly: those that a pilot is fitted on"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.draws import Purpose, uniforms
from rebalance.core.kinds import Kind
from rebalance.core.label_values import check_classes
from rebalance.core.labels import Label, LabelCounter, canonical, choose_label
from rebalance.core.recipe_learning import RecipeLearning
from rebalance.core.reservoir import Reservoir
from rebalance.steps.classes.pilot import ClassDraw
from rebalance.steps.context import Context
from rebalance.steps.features import tell_label, weights
from rebalance.steps.pilot_task import DrawOptions
from rebalance.storage.tables import Table, located

POOL = 20  # rows of all classes for each that is drawn of one, at the most
# A plan looks at no fewer rows of each class than that, however small the pilot.
STAND = 5000


@dataclass(frozen=True)
class Draw:
    """The rows that the pilot is fitted on, and the counts of the table they came from.

    negatives_draw : the negatives are those with a draw of at most this.
    stand : more rows, drawn in the same way, that stand for the table in a plan; None where there
        are none but these.
    """

    table: pa.Table
    y_true: NDArray[np.bool_]
    label: Label
    positives: int
    negatives: int
    negatives_draw: float
    stand: Draw | None = None

    @property
    def counts(self) -> dict[str, int]:
        """Rows of each class in the table, and in the draw."""
        drawn = int(self.y_true.sum())
        return {
            "positives": self.positives,
            "negatives": self.negatives,
            "drawn_positives": drawn,
            "drawn_negatives": len(self.y_true) - drawn,
        }

    @property
    def population_log_odds(self) -> float:
        """log(N_1 / N_0)."""
        return float(np.log(self.positives / self.negatives))

    @property
    def stands_for(self) -> NDArray[np.float64]:
        """How many rows of the table each row drawn stands for, shape (n,)."""
        found: NDArray[np.float64] = np.where(
            self.y_true,
            self.positives / self.y_true.sum(),
            self.negatives / (~self.y_true).sum(),
        )
        return found


def draw_rows(
    table: Table,
    label: str,
    kinds: dict[str, Kind],
    options: DrawOptions,
    context: Context,
    *,
    learning: RecipeLearning | None = None,
) -> Draw | ClassDraw:
    """Draw up to `size` rows of each class uniformly; `learning` sees all rows on the way.

    It is a draw of many classes where the label has three or more values and none is positive.

    Raises
    ------
    DataError : the table is damaged, or the label has one value only.
    """
    reservoir = Reservoir(options.size, POOL * options.size)
    counter = LabelCounter(label)
    weight = options.sample_weight
    planned = options.size < STAND and weight is None
    wider = Reservoir(STAND, POOL * STAND) if planned else None
    wanted = [*kinds, *([weight] if weight is not None else [])]
    batches = table.batches([label, *wanted])
    for batch in context.track(batches, "drawing the pilot's rows", table.rows_if_known):
        with batch.located():
            codes = counter.add(batch.column(label), batch.start)
        if options.positive is not None:  # one value against all others, which are one class
            codes = counter.is_value(codes, canonical(options.positive)).astype(np.int64)
        arrays = [batch.feature(name, kind) for name, kind in kinds.items()]
        if learning is not None:
            with batch.located():
                learning.add(dict(zip(kinds, arrays, strict=True)))
        if weight is not None:
            with batch.located():
                arrays.append(pa.array(weights(batch.column(weight), weight, batch.start)))
        rows = pa.RecordBatch.from_arrays(arrays, names=wanted)
        draws = uniforms(options.seed, Purpose.PILOT, batch.start, len(batch))
        reservoir.add(rows, codes, draws)
        if options.positive is None and len(counter.counts) > 2:
            wider = None  # of many classes nothing is planned
        if wider is not None:
            wider.add(rows, codes, draws)
    if options.positive is None and len(counter.counts) > 2:
        with located(table.place):
            check_classes(label, counter.counts)
        return ClassDraw.of(label, counter.counts, reservoir.finish())
    with located(table.place):
        chosen = choose_label(label, counter.counts, options.positive)
    tell_label(chosen, options.positive, context)
    kept, codes = reservoir.finish()
    positive = 1 if options.positive is not None else counter.values.index(chosen.positive)
    positives = counter.counts[chosen.positive]
    negatives = sum(counter.counts.values()) - positives
    bound = reservoir.bound(1 - positive)  # of two classes the other one
    found = Draw(kept, codes == positive, chosen, positives, negatives, bound)
    if wider is None:
        return found
    more, codes = wider.finish()
    return replace(found, stand=replace(found, table=more, y_true=codes == positive))
