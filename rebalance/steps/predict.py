"""table + model -> probabilities on the population's scale"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from rebalance.core.arrays import to_arrow
from rebalance.core.correction import probability, to_sample
from rebalance.errors import UsageError
from rebalance.steps.artifacts.model import Model, read_model
from rebalance.steps.classes.artifacts.model import read_if_class_model
from rebalance.steps.classes.predict import ClassPredictResult, class_predict
from rebalance.steps.context import Context
from rebalance.steps.memory import HEAVY, LIGHT, Need, open_within
from rebalance.steps.predictions import Predicted, write_predictions
from rebalance.steps.probabilities import kept_beside
from rebalance.steps.saturation import tell_saturated
from rebalance.storage.atomic import check_outputs
from rebalance.storage.tables import Batch
from rebalance.storage.writers import output_format

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
) -> PredictResult | ClassPredictResult:
    """Score every row, in the same order, beside the columns kept (all where `keep` is None).

    Raises
    ------
    UsageError : the sampled scale is asked of a model that was trained on the population.
    DataError : the table lacks a feature, or has it as another type.
    """
    check_outputs([output], [*inputs, model], clobber=clobber)
    output_format(output)
    classes = read_if_class_model(model)
    if classes is not None:
        return class_predict(inputs, classes, output, keep=keep, sampled=sampled, context=context)
    read = read_model(model)
    if sampled and (read.drawn is None or read.scale == "score"):
        what = "gives scores" if read.scale == "score" else "was trained on the population"
        raise UsageError(
            f"the model {what}: there is no sampled scale",
            where=f"file '{model}'",
            remedy="leave --sampled out",
        )
    if not read.gives_population:
        context.note(_own_scale(read))
    table = open_within(
        inputs, context, Need(LIGHT if read.learner == "logistic" else HEAVY, outputs=1)
    )
    kept = kept_beside(table, keep, (PROBABILITY, SAMPLED), "--keep")
    kinds = read.kinds
    if sampled and read.drawn is not None:
        kinds |= read.drawn.kinds
    rows, mean, saturated = write_predictions(
        table,
        output,
        partial(_predicted, read, sampled),
        kept=kept,
        kinds=kinds,
        metadata=prediction_metadata(read),
        context=context,
    )
    tell_saturated(saturated, read, context)
    return PredictResult(output, rows, float(mean))


def _own_scale(model: Model) -> str:
    """Which scale the probabilities are on, where it is not the population's."""
    if model.drawn is not None and not model.drawn.design.correctable:
        return (
            f"the model was trained on a sample made by {model.drawn.design.method}, which nothing "
            f"undoes: '{SAMPLED}' is on the sample's scale"
        )
    return (
        f"the model, --model {model.learner}, was not calibrated: '{SAMPLED}' is on the scale of "
        "what it was trained on"
    )


def prediction_metadata(model: Model) -> dict[str, str]:
    """What a later step must know: the label's positive value, and that this is corrected."""
    return {
        LABEL_KEY: json.dumps(model.label.to_document()),
        SCALE_KEY: json.dumps(
            {PROBABILITY: "population"} if model.gives_population else {SAMPLED: "sample"}
        ),
    }


def _predicted(model: Model, sampled: bool, batch: Batch) -> Predicted:
    """The probabilities of one batch; several threads work on several batches."""
    with batch.located():
        fitted = model.fitted_log_odds(batch)
        surprises = model.surprises(batch)
        if model.gives_population:
            prob = probability(model.recalibrated(model.corrected(fitted, batch)))
            extra = {PROBABILITY: to_arrow(prob)}
        else:
            prob = probability(fitted)
            extra = {SAMPLED: to_arrow(prob)}
        if sampled and model.drawn is not None and model.gives_population:
            # The model's own scale: no recalibration, which is fitted to the population.
            known = model.drawn.design.correctable and model.scale == "population"
            shifted = to_sample(fitted, model.drawn.offset(batch)) if known else fitted
            extra[SAMPLED] = to_arrow(probability(shifted))
    return Predicted(batch, extra, surprises, np.asarray(prob.sum()), model.saturated(fitted))
