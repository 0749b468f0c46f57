"""sample of many classes (its design and pilot inside it) -> model of many classes"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rebalance.core.class_design import UNKNOWN_REMEDY
from rebalance.learners.class_base import ClassFitted, ClassRows
from rebalance.learners.classes import get_class_learner
from rebalance.learners.engineered import features_of
from rebalance.steps.classes.artifacts.drawn import ClassDrawn
from rebalance.steps.classes.artifacts.model import Balance, ClassModel
from rebalance.steps.classes.memory import check_fit
from rebalance.steps.classes.pilot import tell_classes
from rebalance.steps.classes.train_rows import (
    ClassLoaded,
    ClassStart,
    Codes,
    balance_shares,
    baseline_of,
    class_load,
    class_training_rows,
    from_pilot,
    tell_absent,
    with_offsets,
)
from rebalance.steps.classes.train_task import complete
from rebalance.steps.context import Context
from rebalance.steps.corrected import tell_approximate
from rebalance.steps.designed import training_features
from rebalance.steps.features import tell_left_out
from rebalance.steps.resampling.kin import has_kin, kin_draws
from rebalance.steps.train_task import TrainAsked
from rebalance.steps.weigh import weigh_classes
from rebalance.storage.atomic import write_bytes
from rebalance.storage.tables import Table, located

_SMALLER = (
    "draw fewer rows ('sample --rows N'), put rare classes together, or take one against the "
    "others with --positive VALUE; or give a larger --memory-limit"
)


@dataclass(frozen=True)
class ClassTrainResult:
    """What was fitted, on how many rows of each class, and on which scale its output is."""

    output: str
    model: str
    correction: str
    scale: str
    rows: int
    classes: dict[str, int]
    features: int
    summary: Mapping[str, Any]
    class_weights: Mapping[str, float] | None = None

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        return asdict(self)


def class_train(
    table: Table, drawn: ClassDrawn | None, asked: TrainAsked, context: Context
) -> ClassTrainResult:
    """Fit a learner on a sample of many classes, or on a population itself without a design.

    Raises
    ------
    UsageError, ArtifactError, DataError, FitError : see the parts it is made of.
    """
    learner = get_class_learner(asked.model, asked.settings)
    task = complete(table, drawn, asked)
    _tell_unknown(drawn, context)
    pilot = drawn.scoring if drawn is not None else None
    made = training_features(
        table, task.label or "", task, pilot, path=asked.features, context=context
    )
    loaded = class_load(table, drawn, task, made.needed, context)
    present = np.flatnonzero(np.bincount(loaded.codes, minlength=len(loaded.label)))
    size = len(loaded.codes), len(present), len(made.features)
    check_fit(asked.model, *size, context=context, remedy=_SMALLER)
    loaded = with_offsets(table, drawn, loaded)
    made = made.learned_from(loaded.table, loaded.stands_for, table.place, context)
    if drawn is None:
        tell_classes(loaded.label, loaded.counts, context)
    tell_absent(table, loaded, present, context)
    scored = learner.starts_from_baseline and from_pilot(drawn, task, context)
    start = _start(table, drawn, task, loaded, present, scored=scored)
    rows = made.rows(class_training_rows(loaded, drawn, task, made.needed, start), table.place)
    rows, weights = _weighed(rows, loaded, present, task, context)
    with located(table.place):
        fitted = learner.fit(rows, task.settings)
    tell_left_out(fitted.left_out, context)
    trained = _model(made.model(fitted), drawn, task, loaded, start)
    if drawn is not None and drawn.design.correctable:
        tell_approximate(drawn.design.method, asked.model, trained.correction, context)
    counted = np.bincount(loaded.codes, minlength=len(loaded.label)).tolist()
    manifest = {
        "created_by": _given(task, natural=drawn is None),
        "seed": task.settings.seed,
        **made.manifest(table),
        "drop": list(task.drop),
        "key": task.key,
        "counts": counted,
        "made_from": table.digest,
    }
    write_bytes(asked.output, trained.content(manifest))
    return ClassTrainResult(
        output=asked.output,
        model=asked.model,
        correction=trained.correction,
        scale=trained.output_scale,
        rows=len(rows),
        classes=dict(zip(loaded.label.values, counted, strict=True)),
        features=len(features_of(fitted)),
        summary=fitted.summary(),
        class_weights=weights,
    )


def _tell_unknown(drawn: ClassDrawn | None, context: Context) -> None:
    if drawn is not None and not drawn.design.correctable:
        context.note(
            f"{drawn.design.method} has no known inclusion probabilities: the model's are the "
            f"sample's, not the population's; to have those, {UNKNOWN_REMEDY}"
        )


def _start(
    table: Table,
    drawn: ClassDrawn | None,
    task: TrainAsked,
    loaded: ClassLoaded,
    present: Codes,
    *,
    scored: bool,
) -> ClassStart:
    """What the fit starts from; `scored` where that is the pilot's scores."""
    codes = np.searchsorted(present, loaded.codes)
    kin = drawn is not None and has_kin(table, drawn.design)
    return ClassStart(
        present,
        codes,
        baseline_of(loaded, drawn, task, present, codes),
        scored,
        kin_draws(table, task.settings.seed) if kin else None,
    )


def _weighed(
    rows: ClassRows, loaded: ClassLoaded, present: Codes, task: TrainAsked, context: Context
) -> tuple[ClassRows, dict[str, float] | None]:
    """The rows with class weights, and these by class, where some are asked for."""
    weights = task.weighting.class_weight
    if weights is None:
        return rows, None
    names = tuple(loaded.label.values[place] for place in present)
    return weigh_classes(
        rows, names, weights, settings=task.settings, model=task.model, context=context
    )


def _model(
    fitted: ClassFitted,
    drawn: ClassDrawn | None,
    task: TrainAsked,
    loaded: ClassLoaded,
    start: ClassStart,
) -> ClassModel:
    balance = None
    if task.balancing is not None:
        shares = balance_shares(loaded, drawn, start.present, start.codes)
        balance = Balance(task.balancing.name, task.balancing.tau, tuple(map(float, shares)))
    correction = task.correction or "none"
    return ClassModel(
        label=loaded.label,
        present=tuple(int(place) for place in start.present),
        learner=task.model,
        fitted=fitted,
        correction=correction,
        scale="population" if drawn is None or correction in ("offset", "weight") else "sample",
        starts_from_pilot=start.from_pilot,
        baseline=tuple(float(each) for each in start.baseline),
        drawn=drawn,
        balance=balance,
        summary=fitted.summary(),
        sample_weight=task.sample_weight,
    )


def _given(task: TrainAsked, *, natural: bool) -> dict[str, Any]:
    """What was asked for, as far as it makes a difference, for the manifest."""
    settings = asdict(task.settings)
    return {
        "command": "train",
        "model": task.model,
        "natural": natural,
        **{name: settings[name] for name in ("l2", "rounds", "learning_rate", "leaves")},
        **({"set": list(task.settings.given)} if task.settings.given else {}),
        **task.weighting.manifest(),
    }
