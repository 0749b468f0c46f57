"""table + model -> probabilities on the population's scale"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from rebalance.core.arrays import to_arrow
from rebalance.core.correction import probability
from rebalance.errors import UsageError
from rebalance.steps.artifacts.model import Model, read_model
from rebalance.steps.classes.artifacts.model import read_if_class_model
from rebalance.steps.classes.predict import ClassPredictResult, class_predict
from rebalance.steps.context import Context
from rebalance.steps.memory import HEAVY, LIGHT, Need, open_within
from rebalance.steps.predictions import (
    LABEL_KEY,
    SCALE_KEY,
    THRESHOLD_KEY,
    Predicted,
    write_predictions,
)
from rebalance.steps.probabilities import kept_beside
from rebalance.steps.saturation import tell_saturated
from rebalance.storage.atomic import check_outputs
from rebalance.storage.tables import Batch
from rebalance.storage.writers import output_format

PROBABILITY = "rb_probability"
SAMPLED = "rb_probability_sampled"
DECISION = "rb_decision"
WEIGHTED = "weighted"


@dataclass(frozen=True)
class PredictResult:
    """How many rows were scored, and their mean probability; decisions where costs were given."""

    output: str
    rows: int
    mean_probability: float
    threshold: float | None = None
    decided_positive: int | None = None

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
    if sampled and (not read.has_own_scale or read.scale == "score"):
        what = "gives scores" if read.scale == "score" else "was trained on the population"
        raise UsageError(
            f"the model {what}: there is no sampled scale",
            where=f"file '{model}'",
            remedy="leave --sampled out",
        )
    if read.output_scale == "sample":
        context.note(
            f"the model was trained with --scale sample: '{SAMPLED}' is as fitted, and not the "
            "population's probability"
        )
    elif not read.gives_population:
        context.note(_own_scale(read))
    table = open_within(
        inputs, context, Need(LIGHT if read.learner == "logistic" else HEAVY, outputs=1)
    )
    new = [PROBABILITY, SAMPLED, *([] if read.threshold is None else [DECISION])]
    kept = kept_beside(table, keep, new, "--keep")
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
    decided = None if read.threshold is None else round(float(mean[1]) * rows)
    return PredictResult(output, rows, float(mean[0]), read.threshold, decided)


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
    """What a later step must know: the label's positive value, the columns' scales, the threshold.

    "weighted" is the scale of a fit with class weights or a focal loss: `correct` undoes neither.
    """
    threshold = {} if model.threshold is None else {THRESHOLD_KEY: json.dumps(model.threshold)}
    return threshold | {
        LABEL_KEY: json.dumps(model.label.to_document()),
        SCALE_KEY: json.dumps(
            {PROBABILITY: "population"} | ({SAMPLED: WEIGHTED} if model.reweighted.bends else {})
            if model.gives_population
            else {SAMPLED: WEIGHTED if model.leaves_weights else "sample"}
        ),
    }


def _predicted(model: Model, sampled: bool, batch: Batch) -> Predicted:
    """The probabilities of one batch; several threads work on several batches."""
    with batch.located():
        fitted = model.fitted_log_odds(batch)
        surprises = model.surprises(batch)
        own = model.corrected(fitted, batch)
        if model.gives_population:
            prob = probability(model.recalibrated(own))
            extra = {PROBABILITY: to_arrow(prob)}
        else:
            prob = probability(model.as_fitted(own, batch))
            extra = {SAMPLED: to_arrow(prob)}
        if sampled and model.gives_population:
            # The model's own scale: no recalibration, which is fitted to the population.
            extra[SAMPLED] = to_arrow(probability(model.as_fitted(own, batch)))
        positive = 0
        if model.threshold is not None:
            decided = prob >= model.threshold
            extra[DECISION] = to_arrow(decided)
            positive = int(decided.sum())
    totals = np.array([prob.sum(), positive])
    return Predicted(batch, extra, surprises, totals, model.saturated(fitted))
