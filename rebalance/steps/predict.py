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
from rebalance.steps.predictions import Predicted, write_predictions
from rebalance.steps.probabilities import kept_beside
from rebalance.storage.atomic import check_outputs
from rebalance.storage.tables import Batch
from rebalance.storage.writers import output_format

PROBABILITY = "rb_probability"
SAMPLED = "rb_probability_sampled"
LABEL_KEY = "rebalance.label"
SCALE_KEY = "rebalance.scale"
THRESHOLD_KEY = "rebalance.threshold"
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
    if sampled and not read.has_own_scale:
        raise UsageError(
            "the model was trained on the population: there is no sampled scale",
            where=f"file '{model}'",
            remedy="leave --sampled out",
        )
    if read.output_scale == "sample":
        context.note(
            f"the model was trained with --scale sample: '{SAMPLED}' is as fitted, and not the "
            "population's probability"
        )
    elif not read.gives_population and read.drawn is not None:
        context.note(
            f"the model was trained on a sample made by {read.drawn.design.method}, which nothing "
            f"undoes: '{SAMPLED}' is on the sample's scale"
        )
    table = open_within(inputs, context, Need(HEAVY if read.learner == "gbm" else LIGHT, outputs=1))
    new = [PROBABILITY, SAMPLED, *([] if read.threshold is None else [DECISION])]
    kept = kept_beside(table, keep, new, "--keep")
    kinds = read.kinds
    if sampled and read.drawn is not None:
        kinds |= read.drawn.kinds
    rows, mean = write_predictions(
        table,
        output,
        partial(_predicted, read, sampled),
        kept=kept,
        kinds=kinds,
        metadata=prediction_metadata(read),
        context=context,
    )
    decided = None if read.threshold is None else round(float(mean[1]) * rows)
    return PredictResult(output, rows, float(mean[0]), read.threshold, decided)


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
        own = model.own_log_odds(batch)
        surprises = model.surprises(batch)
        left = model.output_scale == "sample"
        prob = probability(model.as_fitted(own, batch) if left else model.recalibrated(own))
        extra = {PROBABILITY if model.gives_population else SAMPLED: to_arrow(prob)}
        if sampled and model.gives_population:
            # The model's own scale: no recalibration, which is fitted to the population.
            extra[SAMPLED] = to_arrow(probability(model.as_fitted(own, batch)))
        positive = 0
        if model.threshold is not None:
            decided = prob >= model.threshold
            extra[DECISION] = to_arrow(decided)
            positive = int(decided.sum())
    return Predicted(batch, extra, surprises, np.array([prob.sum(), positive]))
