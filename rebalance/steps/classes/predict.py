"""table + model of many classes -> probabilities of each class"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.arrays import to_arrow
from rebalance.core.classes import Classes, log_softmax, to_sample
from rebalance.errors import DataError, UsageError
from rebalance.steps.classes.artifacts.model import ClassModel
from rebalance.steps.classes.memory import narrowed
from rebalance.steps.context import Context
from rebalance.steps.memory import HEAVY, LIGHT, Need, open_within
from rebalance.steps.predictions import LABEL_KEY, SCALE_KEY, Predicted, write_predictions
from rebalance.steps.probabilities import BALANCED, kept_beside
from rebalance.storage.tables import Batch, Table

Floats = NDArray[np.float64]

PREFIXES = {
    "population": "rb_probability_",
    "sampled": "rb_probability_sampled_",
    "balanced": BALANCED,
}
"""How the columns with a class's probability begin, by their scale."""


@dataclass(frozen=True)
class ClassPredictResult:
    """How many rows were scored, on which scale, and the mean probability of each class."""

    output: str
    rows: int
    scale: str
    mean_probability: dict[str, float]

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        return asdict(self)


def class_predict(
    inputs: Sequence[str],
    model: ClassModel,
    output: str,
    *,
    keep: Sequence[str] | None,
    sampled: bool,
    context: Context,
) -> ClassPredictResult:
    """Score every row, in the same order, beside the columns kept (all where `keep` is None).

    Raises
    ------
    UsageError : the sampled scale is asked of a model that was trained on the population.
    DataError : the table lacks a feature, or has it as another type.
    """
    if sampled and model.drawn is None:
        raise UsageError(
            "the model was trained on the population: there is no sampled scale",
            remedy="leave --sampled out",
        )
    if model.drawn is not None and not model.gives_population:
        context.note(
            f"the model was trained on a sample made by {model.drawn.design.method}, which nothing "
            f"undoes: '{PREFIXES['sampled']}CLASS' is on the sample's scale"
        )
        sampled = False  # they are all there is
    heavy = model.learner == "gbm"
    table = open_within(inputs, context, Need(HEAVY if heavy else LIGHT, outputs=1))
    table = narrowed(table, len(model.label))
    scales = [model.output_scale, *(["sampled"] if sampled else [])]
    kept = class_kept_beside(table, keep, model.label, scales, "--keep")
    kinds = model.kinds
    if sampled and model.drawn is not None:
        kinds |= model.drawn.kinds
    rows, mean, _ = write_predictions(
        table,
        output,
        partial(_predicted, model, sampled),
        kept=kept,
        kinds=kinds,
        metadata=class_metadata(model.label, scales),
        context=context,
    )
    means = dict(zip(model.label.values, mean.tolist(), strict=True))
    return ClassPredictResult(output, rows, model.output_scale, means)


def class_metadata(label: Classes, scales: Sequence[str]) -> dict[str, str]:
    """What a later step must know: the classes, and the scale of each column."""
    named = {f"{PREFIXES[scale]}{value}": scale for scale in scales for value in label.values}
    return {LABEL_KEY: json.dumps(label.to_document()), SCALE_KEY: json.dumps(named)}


def class_columns(label: Classes, scale: str, prob: Floats) -> dict[str, pa.Array]:
    """Probabilities, shape (n, K), as the columns of their scale."""
    return {
        f"{PREFIXES[scale]}{value}": to_arrow(np.ascontiguousarray(prob[:, place]))
        for place, value in enumerate(label.values)
    }


def class_kept_beside(
    table: Table, keep: Sequence[str] | None, label: Classes, scales: Sequence[str], option: str
) -> list[str]:
    """The columns that stay beside those of each class.

    Raises
    ------
    DataError : one is not there, or has the name of a new one.
    """
    new = [f"{PREFIXES[scale]}{value}" for scale in scales for value in label.values]
    twice = next((name for name, count in Counter(new).items() if count > 1), None)
    if twice is not None:
        raise DataError(f"two classes would have a column '{twice}'", remedy="leave --sampled out")
    return kept_beside(table, keep, new, option)


def _predicted(model: ClassModel, sampled: bool, batch: Batch) -> Predicted:
    """The probabilities of one batch; several threads work on several batches."""
    with batch.located():
        found = model.log_prob(batch)
        surprises = model.surprises(batch)
        shown = found if model.balance is None else log_softmax(found - model.balance.shift)
        prob = np.exp(shown)
        extra = class_columns(model.label, model.output_scale, prob)
        if sampled and model.drawn is not None:
            drawn = model.drawn
            log_pi = drawn.log_pi(batch.features(drawn.kinds), len(batch))
            extra |= class_columns(model.label, "sampled", np.exp(to_sample(found, log_pi)))
    return Predicted(batch, extra, surprises, prob.sum(axis=0))
