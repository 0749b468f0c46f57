"""batches -> scored by several threads -> written beside the columns kept, in the same order"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.kinds import Kind
from rebalance.steps.context import Context
from rebalance.steps.features import tell_surprises
from rebalance.storage.parallel import in_order
from rebalance.storage.tables import Batch, Table
from rebalance.storage.writers import table_writer

Floats = NDArray[np.float64]

# Metadata of a table of predictions, which later steps read.
LABEL_KEY = "rebalance.label"
SCALE_KEY = "rebalance.scale"
THRESHOLD_KEY = "rebalance.threshold"


@dataclass(frozen=True)
class Predicted:
    """Rows with the columns that go beside them.

    totals : the sum of their probabilities and how many are decided positive, shape (2,), or the
        sums of each class's probabilities, shape (K,).
    saturated : how many the model gave a probability of 0 or 1.
    """

    batch: Batch
    extra: dict[str, pa.Array]
    surprises: dict[str, int]
    totals: Floats
    saturated: int = 0

    def __len__(self) -> int:
        return len(self.batch)


def write_predictions(
    table: Table,
    output: str,
    predict: Callable[[Batch], Predicted],
    *,
    kept: Sequence[str],
    kinds: Mapping[str, Kind],
    metadata: Mapping[str, str],
    context: Context,
) -> tuple[int, Floats, int]:
    """How many rows there are, the mean of their `totals`, and how many are saturated.

    Raises
    ------
    DataError : the table lacks one of the features `kinds`, or has it as another type.
    """
    table.require_features(kinds, "the model")
    surprises: Counter[str] = Counter()
    rows, saturated, totals = 0, 0, np.zeros(())
    with table_writer(output, table) as writer:
        writer.describe(metadata)
        found = in_order(predict, table.batches([*kept, *kinds]), context.threads)
        for each in context.track(found, "predicting", table.rows_if_known):
            surprises.update(each.surprises)
            writer.write(each.batch.select(kept), each.extra)
            rows += len(each)
            saturated += each.saturated
            totals = totals + each.totals
    tell_surprises(surprises, "the model", context)
    return rows, totals / rows, saturated
