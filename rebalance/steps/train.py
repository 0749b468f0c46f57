"""sample (its design and pilot inside it) -> model"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from rebalance.core.labels import (
    ManyClassesError,
)
from rebalance.learners import get_learner
from rebalance.learners.base import Settings
from rebalance.steps.artifacts.model import Model
from rebalance.steps.artifacts.sealed import design_sidecar
from rebalance.steps.calibrate import calibrate, calibrate_out_of_fold, open_natural
from rebalance.steps.classes.artifacts.drawn import read_if_class_design
from rebalance.steps.classes.balancing import Balancing, refuse_balancing
from rebalance.steps.classes.train import ClassTrainResult, class_train
from rebalance.steps.classes.train_task import ClassTask
from rebalance.steps.context import Context
from rebalance.steps.designed import with_pilots_kinds
from rebalance.steps.estimates import tell_estimates, with_estimates
from rebalance.steps.features import choose_features, describe_features, tell_left_out
from rebalance.steps.memory import HEAVY, Need, estimate, open_within
from rebalance.steps.recalibrate import NOTHING_WANTED, Calibrated, Wanted
from rebalance.steps.refits import Refits
from rebalance.steps.resampling.kin import has_kin, kin_draws
from rebalance.steps.train_rows import load, start_of, training_rows
from rebalance.steps.train_task import (
    TrainAsked,
    find_design,
    natural_task,
    no_population,
    sampled_task,
    scale_of,
    tell_limits,
)
from rebalance.storage.atomic import check_artifact, check_outputs, write_bytes
from rebalance.storage.tables import Table, located

GIVEN = ("l1", "l2", "cross_validate", "robust", "rounds", "learning_rate", "leaves")


@dataclass(frozen=True)
class TrainResult:
    """What was fitted, on how many rows, and how it is corrected and calibrated."""

    output: str
    model: str
    correction: str
    rows: int
    positives: int
    negatives: int
    features: int
    summary: Mapping[str, Any]
    estimates: Mapping[str, Any] | None = None
    cross_validation: Mapping[str, Any] | None = None
    calibrated: Calibrated | None = None

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        found = asdict(replace(self, calibrated=None))
        del found["calibrated"]
        if self.calibrated is None:
            return found | {"calibration": None}
        on = {"on": list(self.calibrated.on) if self.calibrated.on else None}
        return found | {"calibration": on | self.calibrated.document()}


def train(
    inputs: Sequence[str],
    output: str,
    *,
    model: str = "gbm",
    correction: str | None = None,
    natural: bool = False,
    label: str | None = None,
    positive: str | None = None,
    design: str | None = None,
    drop: Sequence[str] = (),
    key: str | None = None,
    sample_weight: str | None = None,
    balancing: Balancing | None = None,
    settings: Settings,
    wanted: Wanted = NOTHING_WANTED,
    clobber: bool = True,
    context: Context,
) -> TrainResult | ClassTrainResult:
    """Fit a learner on a sample, or on a population itself with `natural`, and write the model.

    `wanted` says on what to measure calibration, and whether to correct it; see `steps.calibrate`.

    Raises
    ------
    UsageError : options that contradict each other, or that the learner does not know.
    ArtifactError : the sample has lost its design.
    DataError, FitError : see the parts it is made of.
    """
    check_artifact(output)
    sidecars = [design_sidecar(source) for source in inputs if source != "-"]
    sources = [*inputs, *sidecars, *([design] if design else []), *wanted.on]
    check_outputs([output], sources, clobber=clobber)
    learner = get_learner(model, settings)
    wanted.refuse_contradictions(inputs)
    # Every value as it was read, as a number, and in what a learner makes of it.
    # To fit again takes copies.
    copies = 2.0 * (settings.cross_validate is not None) + wanted.is_any
    need = Need(HEAVY, per_value=3.0 + copies, per_row=48.0)
    table = open_within(inputs, context, need)
    asked = TrainAsked(label, positive, correction, tuple(drop), key, sample_weight)
    of_classes = ClassTask(
        output, model, label, positive, correction, asked.drop, key, sample_weight, balancing,
        settings,
    )  # fmt: skip
    single = len(inputs) == 1 or design is not None
    classes = read_if_class_design(inputs[0], table.metadata, design) if single else None
    if classes is not None:
        if natural:
            raise no_population(table)
        wanted.refuse_many_classes()
        return class_train(table, classes, of_classes, context)
    found = find_design(table, inputs, design)
    task = natural_task(table, found, asked) if natural else sampled_task(table, found, asked)
    tell_limits(found, model, wanted, context)
    kinds = choose_features(
        table,
        task.label,
        drop=task.drop,
        key=task.key,
        sample_weight=task.sample_weight,
        context=context,
    )
    kinds = with_pilots_kinds(kinds, task.drawn.pilot if task.drawn else None, table)
    measured_on = None
    if wanted.on:
        held = estimate(table, need, 0, 0)
        measured_on = open_natural(wanted, task.label, task.sample_weight, held, context)
    try:
        loaded = load(table, task, kinds, context)
    except ManyClassesError:
        if not natural:
            raise
        wanted.refuse_many_classes()
        return class_train(table, None, of_classes, context)
    refuse_balancing(balancing, loaded.label.column)
    start = start_of(loaded, task, learner.starts_from_baseline, context)
    rows = training_rows(loaded, task, kinds, start, settings.seed)
    if found is not None and has_kin(table, found.design):
        rows = replace(rows, draws=kin_draws(table, settings.seed))
    with located(table.place):
        fitted = learner.fit(rows, with_estimates(settings, task.correction, task.drawn))
    tell_left_out(fitted.left_out, context)
    trained = Model(
        label=loaded.label,
        learner=model,
        fitted=fitted,
        correction=task.correction,
        scale=scale_of(task),
        starts_from_pilot=start.from_pilot,
        constant_log_odds=start.log_odds,
        drawn=task.drawn,
        summary=fitted.summary(),
        sample_weight=task.sample_weight,
    )
    again = Refits(learner, rows, settings, trained, loaded.table, loaded.sample_weight)
    calibrated = _calibrated(again, measured_on, wanted, context)
    if calibrated is not None:
        trained = replace(trained, recalibration=calibrated.recalibration)
    positives = int(loaded.y_true.sum())
    manifest = {
        "created_by": {"command": "train", "model": model, "natural": natural, **_given(settings)},
        "seed": settings.seed,
        "features": describe_features(table, kinds),
        "drop": list(task.drop),
        "key": task.key,
        "counts": {"positives": positives, "negatives": len(rows) - positives},
        "made_from": table.digest,
        "calibration": calibrated.document() if calibrated else None,
        "calibrated_on": measured_on.digest if measured_on else None,
    }
    write_bytes(output, trained.content(manifest))
    return TrainResult(
        output=output,
        model=model,
        correction=task.correction,
        rows=len(rows),
        positives=positives,
        negatives=len(rows) - positives,
        features=len(fitted.kinds),
        summary=fitted.summary(),
        calibrated=calibrated,
        **tell_estimates(trained, task.correction, min(positives, len(rows) - positives), context),
    )


def _given(settings: Settings) -> dict[str, Any]:
    """The settings that make a difference, for the manifest."""
    chosen = asdict(settings)
    return {name: chosen[name] for name in GIVEN}


def _calibrated(
    again: Refits, measured_on: Table | None, wanted: Wanted, context: Context
) -> Calibrated | None:
    """What was asked for of calibration, on a table or out of fold."""
    if measured_on is not None:
        return calibrate(again, measured_on, wanted, context)
    return calibrate_out_of_fold(again, wanted, context) if wanted.out_of_fold else None
