"""table + model -> probabilities on the population's scale"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import pyarrow as pa

from rebalance.core.arrays import to_arrow
from rebalance.core.correction import probability, to_sample
from rebalance.errors import DataError, UsageError
from rebalance.steps.artifacts import Model, read_model
from rebalance.steps.context import Context
from rebalance.steps.features import tell_surprises
from rebalance.steps.memory import HEAVY, LIGHT, Need, open_within
from rebalance.storage.atomic import check_outputs
from rebalance.storage.parallel import in_order
from rebalance.storage.tables import Batch, Table
from rebalance.storage.writers import output_format, table_writer

PROBABILITY = "rb_probability"
SAMPLED = "rb_probability_sampled"
LABEL_KEY = "rebalance.label"
SCALE_KEY = "rebalance.scale"


@dataclass(frozen=True)
class PredictResult:
    """How many rows were scored, and their mean probability."""

    output: str
    rows: int
    mean_probability: float

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        return asdict(self)


def predict(
    inputs: Sequence[str],
    model: str,
    output: str,
    *,
    keep: Sequence[str] | None = None,
    sampled: bool = False,
    clobber: bool = True,
    context: Context,
) -> PredictResult:
    """Score every row, in the same order, beside the columns kept (all where `keep` is None).

    Raises
    ------
    UsageError : the sampled scale is asked of a model that was trained on the population.
    DataError : the table lacks a feature, or has it as another type.
    """
    check_outputs([output], [*inputs, model], clobber=clobber)
    output_format(output)
    read = read_model(model)
    if sampled and read.drawn is None:
        raise UsageError(
            "the model was trained on the population: there is no sampled scale",
            where=f"file '{model}'",
            remedy="leave --sampled out",
        )
    if not read.correctable and read.drawn is not None:
        context.note(
            f"the model was trained on a sample made by {read.drawn.design.method}, which nothing "
            f"undoes: '{SAMPLED}' is on the sample's scale"
        )
    table = open_within(inputs, context, Need(HEAVY if read.learner == "gbm" else LIGHT, outputs=1))
    kept = _kept(table, keep)
    kinds = read.kinds
    if sampled and read.drawn is not None:
        kinds |= read.drawn.kinds
    table.require_features(kinds, "the model")
    surprises: Counter[str] = Counter()
    rows, total = 0, 0.0
    with table_writer(output, table) as writer:
        writer.describe(prediction_metadata(read))
        scored = in_order(
            partial(_scored, read, sampled), table.batches([*kept, *kinds]), context.threads
        )
        for found in context.track(scored, "predicting", table.rows_if_known):
            surprises.update(found.surprises)
            writer.write(found.batch.select(kept), found.extra)
            rows += len(found)
            total += found.total
    tell_surprises(surprises, "the model", context)
    return PredictResult(output, rows, total / rows)


def prediction_metadata(model: Model) -> dict[str, str]:
    """What a later step must know: the label's positive value, and that this is corrected."""
    return {
        LABEL_KEY: json.dumps(model.label.to_document()),
        SCALE_KEY: json.dumps(
            {PROBABILITY: "population"} if model.correctable else {SAMPLED: "sample"}
        ),
    }


@dataclass(frozen=True)
class _Scored:
    """Rows with the columns that go beside them, and the sum of their probabilities."""

    batch: Batch
    extra: dict[str, pa.Array]
    surprises: dict[str, int]
    total: float

    def __len__(self) -> int:
        return len(self.batch)


def _scored(model: Model, sampled: bool, batch: Batch) -> _Scored:
    """The probabilities of one batch; several threads work on several batches."""
    with batch.located():
        found = model.log_odds(batch)
        surprises = model.surprises(batch)
        prob = probability(found)
        extra = {PROBABILITY if model.correctable else SAMPLED: to_arrow(prob)}
        if sampled and model.drawn is not None and model.correctable:
            shifted = to_sample(found, model.drawn.offset(batch))
            extra[SAMPLED] = to_arrow(probability(shifted))
    return _Scored(batch, extra, surprises, float(prob.sum()))


def _kept(table: Table, keep: Sequence[str] | None) -> list[str]:
    kept = table.names if keep is None else list(dict.fromkeys(keep))
    for name in kept:
        table.require(name, "--keep")
        if name in (PROBABILITY, SAMPLED):
            raise DataError(
                f"the table has a column '{name}' already",
                where=f"file '{table.title}'",
                remedy="rename it, or name the columns to keep with --keep",
            )
    return kept
