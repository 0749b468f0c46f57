"""training rows + class weights and loss -> rows that count differently

Class weights multiply the likelihood of each class's rows. The log odds that are fitted are then
off by log(w_1 / w_0), which enters the fit as a part of the offset and is dropped at prediction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rebalance.core.class_weights import ClassWeight, require_ratio, require_weight
from rebalance.core.corrections import CLASS_WEIGHT, FOCAL, OFFSET, Kind, correction_of
from rebalance.core.labels import Label
from rebalance.core.losses import Reweighted
from rebalance.errors import UsageError
from rebalance.learners.base import Settings, TrainingRows
from rebalance.learners.class_base import ClassRows
from rebalance.learners.penalties import DEFAULT_L2
from rebalance.steps.context import Context
from rebalance.steps.weighting import Weighting

Floats = NDArray[np.float64]

OTHERS = "all others"  # the negatives, where one class of many is the positive


@dataclass(frozen=True)
class Weighed:
    """What came of it: the weights of the classes by value, and what is undone at prediction.

    correction : how true that makes probabilities, a kind of `core.corrections`; or "none" where
        they are left as fitted.
    """

    reweighted: Reweighted
    weights: Mapping[str, float]
    correction: Kind | Literal["none"]

    def document(self, asked: Weighting) -> dict[str, Any] | None:
        """The result as JSON; None of a fit without weights or a loss of its own."""
        if not asked.bends:
            return None
        return {
            "loss": asked.loss,
            "gamma": self.reweighted.gamma,
            "alpha": asked.alpha,
            "class_weight": str(asked.class_weight) if asked.class_weight else None,
            "weights": dict(self.weights),
            "log_ratio": self.reweighted.log_ratio,
            "correction": self.correction,
        }


def weigh(
    rows: TrainingRows,
    label: Label,
    asked: Weighting,
    *,
    settings: Settings,
    model: str,
    context: Context,
) -> tuple[TrainingRows, Weighed]:
    """The rows with their class weights, and what that does to the log odds.

    N_c are the fitted rows of each class; where rows have weights, the sum of these.

    Raises
    ------
    UsageError : a class is named that is not there.
    DataError : a class has no weight.
    """
    ratio, weights = 0.0, {}
    if asked.weighs:
        own = np.ones(len(rows)) if rows.sample_weight is None else rows.sample_weight
        positive, negative = _factors(rows.y_true, own, label, asked)
        ratio = float(np.log(positive) - np.log(negative))
        weights = {label.positive: positive, **dict.fromkeys(label.negatives, negative)}
        rows = replace(
            rows,
            sample_weight=own * np.where(rows.y_true, positive, negative),
            population_weight=own if rows.population_weight is None else rows.population_weight,
            offset=rows.offset + ratio,
            class_shift=ratio,
        )
    reweighted = Reweighted(ratio, asked.gamma or 0.0)
    correction = _correction(reweighted, asked, settings, model)
    if correction == "approximate":
        context.note(_about(reweighted, model))
    return rows, Weighed(reweighted, weights, correction)


def weigh_classes(
    rows: ClassRows,
    values: tuple[str, ...],
    asked: ClassWeight,
    *,
    settings: Settings,
    model: str,
    context: Context,
) -> tuple[ClassRows, dict[str, float]]:
    """The rows of many classes with their weights, log w_k in the offsets of class k.

    values : of the classes that have rows.

    Raises
    ------
    UsageError : a class is named that is not there.
    """
    own = np.ones(len(rows)) if rows.sample_weight is None else rows.sample_weight
    totals = np.bincount(rows.codes, own, rows.count).astype(np.float64)
    require_weight(dict(zip(values, totals.tolist(), strict=True)))
    factors = asked.factors(values, totals)
    weighed = replace(
        rows,
        sample_weight=own * factors[rows.codes],
        offset=np.asfortranarray(rows.offset + np.log(factors)),
    )
    if _kind(CLASS_WEIGHT, settings, model) == "approximate":
        context.note(
            f"class weights are undone about, not exactly, in {_such(model)}: look at "
            "predicted_over_observed of each class"
        )
    return weighed, dict(zip(values, factors.tolist(), strict=True))


def _factors(
    y_true: NDArray[np.bool_], own: Floats, label: Label, asked: Weighting
) -> tuple[float, float]:
    """The weights of positives and negatives, which leave the rows' total weight as it is."""
    totals = np.array([own[y_true].sum(), own[~y_true].sum()])
    negative = label.negatives[0] if len(label.negatives) == 1 else OTHERS
    for value, _ in asked.class_weight.given if asked.class_weight is not None else ():
        if negative == OTHERS and value not in (label.positive, OTHERS):
            raise UsageError(
                f"--class-weight names the class '{value}', and the label is '{label.positive}' "
                "against all others, which are one class here",
                remedy=f"write them as in '{label.positive}=10,{OTHERS}=2'",
            )
    require_weight({label.positive: totals[0], negative: totals[1]})
    found = np.ones(2)
    if asked.class_weight is not None:
        found = asked.class_weight.factors([label.positive, negative], totals)
    if asked.alpha is not None:
        alpha = np.array([asked.alpha, 1 - asked.alpha])
        require_ratio(alpha, "--alpha")
        found = found * alpha
        found = found * (totals.sum() / float(found @ totals))
    return float(found[0]), float(found[1])


def _correction(
    found: Reweighted, asked: Weighting, settings: Settings, model: str
) -> Kind | Literal["none"]:
    """How true the probabilities are: exact where the model is parametric and hardly penalised."""
    if not found.bends:
        return "exact"
    if asked.scale == "sample":
        return "none"
    return _kind(FOCAL if found.gamma else CLASS_WEIGHT, settings, model)


def _kind(done: str, settings: Settings, model: str) -> Kind:
    """The same of weights or a loss, by what the learner is and how it is penalised."""
    free = not settings.l1 and settings.cross_validate is None
    free = free and (settings.l2 is None or settings.l2 <= DEFAULT_L2)
    kind = correction_of(done, model, OFFSET).kind
    return "approximate" if kind == "exact" and not free else kind


def _about(found: Reweighted, model: str) -> str:
    what = "a focal loss is" if found.gamma else "class weights are"
    return (
        f"of {_such(model)} {what} undone about, not exactly: look at predicted_over_observed, and "
        "--calibrate-on TABLE measures it"
    )


def _such(model: str) -> str:
    return f"a {model} model" if model != "logistic" else "a model with such a penalty"
