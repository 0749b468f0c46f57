"""sample (its design and pilot inside it) -> model"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from rebalance.core.labels import ManyClassesError
from rebalance.learners import get_learner
from rebalance.learners.base import Learner
from rebalance.learners.catalogue import AUTO, entry_of
from rebalance.steps.artifacts.model import Model
from rebalance.steps.artifacts.sealed import design_sidecar
from rebalance.steps.calibrate import calibrate, calibrate_out_of_fold, open_natural
from rebalance.steps.choice import as_gbm, choose, tell_many_classes
from rebalance.steps.classes.artifacts.drawn import ClassDrawn, read_if_class_design
from rebalance.steps.classes.balancing import refuse_balancing
from rebalance.steps.classes.train import ClassTrainResult, class_train
from rebalance.steps.context import Context
from rebalance.steps.designed import training_features
from rebalance.steps.estimates import with_estimates
from rebalance.steps.features import tell_left_out
from rebalance.steps.keys import shared_draws
from rebalance.steps.memory import HEAVY, Need, estimate, open_within
from rebalance.steps.recalibrate import Calibrated, Wanted
from rebalance.steps.recipes import Engineering
from rebalance.steps.refits import Refits
from rebalance.steps.resampling.kin import has_kin, kin_draws
from rebalance.steps.saturation import tell_fit
from rebalance.steps.staged import tell_balanced_again, tell_stages
from rebalance.steps.suited import refuse_unsuited, scale_for, suited
from rebalance.steps.train_rows import Loaded, load, start_of, training_rows
from rebalance.steps.train_task import (
    TrainAsked,
    TrainTask,
    no_population,
    task_of,
    tell_limits,
)
from rebalance.steps.trained import Trained, TrainResult
from rebalance.steps.weigh import weigh
from rebalance.storage.atomic import check_artifact, check_outputs
from rebalance.storage.tables import Table, located


def train(asked: TrainAsked, context: Context) -> TrainResult | ClassTrainResult:
    """Fit a learner on a sample, or on a population itself with `natural`, and write the model.

    Raises
    ------
    UsageError : options that contradict each other, or that the learner does not know.
    ArtifactError : the sample has lost its design.
    DataError, FitError : see the parts it is made of.
    """
    auto, asked = asked.model == AUTO, as_gbm(asked)
    learner = _checked(asked)
    need = _need(asked)
    table = open_within(asked.inputs, context, need)
    classes = _class_design(table, asked)
    if classes is not None:
        return _of_classes(table, classes, asked, context, chosen=auto)
    asked, task = suited(asked, task_of(table, asked), context)
    tell_limits(task.drawn, asked.wanted, context)
    tell_balanced_again(asked.settings, task.drawn, context)
    asked.weighting.check_against(task.drawn, asked.wanted)
    pilot = task.drawn.pilot if task.drawn else None
    made = training_features(table, task.label, task, pilot, path=asked.features, context=context)
    measured_on = None
    if asked.wanted.on:
        held = estimate(table, need, 0, 0)
        measured_on = open_natural(asked.wanted, task.label, task.sample_weight, held, context)
    try:
        loaded = load(table, task, made.needed, context)
    except ManyClassesError:
        if not asked.natural:
            raise
        return _of_classes(table, None, asked, context, chosen=auto)
    refuse_balancing(asked.balancing, loaded.label.column)
    made = made.learned_from(loaded.table, loaded.stands_for, table.place, context)
    choice = None
    if auto:
        choice = choose(asked, task, loaded.y_true, partial(_contest, table, loaded, made), context)
        asked, task = suited(choice.applied(asked), task, context)
        learner = get_learner(asked.model, asked.weighting.settings(asked.settings))
        asked.weighting.refuse_unknown(learner, asked.settings)
    again = _fit(learner, table, loaded, task=task, made=made, asked=asked, context=context)
    calibrated = _calibrated(again, measured_on, asked.wanted, context)
    done = Trained(table, asked, task, made, again, calibrated, measured_on, choice)
    return done.store(context)


def _class_design(table: Table, asked: TrainAsked) -> ClassDrawn | None:
    """The design of a sample of many classes.

    Raises
    ------
    UsageError : and the table was to be the population.
    """
    if len(asked.inputs) > 1 and asked.design is None:
        return None
    classes = read_if_class_design(asked.inputs[0], table.metadata, asked.design)
    if classes is not None and asked.natural:
        raise no_population(table)
    return classes


def _of_classes(
    table: Table,
    drawn: ClassDrawn | None,
    asked: TrainAsked,
    context: Context,
    *,
    chosen: bool,
) -> ClassTrainResult:
    """The same for many classes, once sure that nothing is asked for that two alone have."""
    asked.wanted.refuse_many_classes()
    asked.weighting.refuse_many_classes()
    tell_many_classes(context, chosen=chosen)
    return class_train(table, drawn, asked, context)


def _checked(asked: TrainAsked) -> Learner:
    """The learner, once what was asked for is checked as far as that goes without reading."""
    check_artifact(asked.output)
    sidecars = [design_sidecar(source) for source in asked.inputs if source != "-"]
    designs = [name for name in (asked.design, asked.features) if name]
    sources = [*asked.inputs, *sidecars, *designs, *asked.wanted.on]
    check_outputs([asked.output], sources, clobber=asked.clobber)
    learner = get_learner(asked.model, asked.weighting.settings(asked.settings))
    refuse_unsuited(asked)
    asked.weighting.refuse_unknown(learner, asked.settings)
    asked.weighting.refuse_calibration(asked.wanted.is_any)
    asked.wanted.refuse_contradictions(asked.inputs)
    return learner


def _need(asked: TrainAsked) -> Need:
    """Every value as it was read, as a number, and in what a learner makes of it.

    To fit again takes copies.
    """
    copies = 2.0 * (asked.settings.cross_validate is not None) + asked.wanted.is_any
    per_row = 48.0 + entry_of(asked.model).bytes_of_a_row(asked.settings.given)
    return Need(HEAVY, per_value=3.0 + copies, per_row=per_row)


def _fit(
    learner: Learner,
    table: Table,
    loaded: Loaded,
    *,
    task: TrainTask,
    made: Engineering,
    asked: TrainAsked,
    context: Context,
) -> Refits:
    """The model of the rows, with all that it takes to fit it again."""
    settings = asked.weighting.settings(asked.settings)
    start = start_of(loaded, task, learner.starts_from_baseline, context)
    rows = made.rows(training_rows(loaded, task, made.needed, start, settings.seed), table.place)
    if task.drawn is not None and has_kin(table, task.drawn.design):
        rows = replace(rows, draws=kin_draws(table, settings.seed))
    wanted = with_estimates(settings, task.correction, task.drawn, table)
    estimated = "robust" in learner.accepts and wanted.independent and not settings.gamma
    if estimated and task.drawn is not None:
        rows = replace(rows, cluster=shared_draws(table, task.drawn.design))
    with located(table.place):
        rows, weighed = weigh(
            rows,
            loaded.label,
            asked.weighting,
            settings=settings,
            model=asked.model,
            context=context,
        )
        fitted = learner.fit(rows, wanted)
    tell_left_out(fitted.left_out, context)
    tell_fit(fitted, context)
    tell_stages(fitted.summary(), settings, context)
    trained = Model(
        label=loaded.label,
        learner=asked.model,
        fitted=made.model(fitted),
        correction=task.correction,
        scale=scale_for(task, asked.model),
        starts_from_pilot=start.from_pilot,
        constant_log_odds=start.log_odds,
        drawn=task.drawn,
        summary=fitted.summary(),
        sample_weight=task.sample_weight,
        needs_calibration=entry_of(asked.model).needs_calibration,
        reweighted=weighed.reweighted,
        output_scale=asked.weighting.scale,
        costs=asked.weighting.costs,
    )
    return Refits(learner, rows, settings, trained, loaded.table, loaded.sample_weight, weighed)


def _contest(
    table: Table, loaded: Loaded, made: Engineering, asked: TrainAsked, task: TrainTask
) -> Refits:
    """A learner that may be chosen, fitted to the same rows; what it has to say comes later."""
    quiet = Context()
    asked, task = suited(asked, task, quiet)
    learner = get_learner(asked.model, asked.settings)
    return _fit(learner, table, loaded, task=task, made=made, asked=asked, context=quiet)


def _calibrated(
    again: Refits, measured_on: Table | None, wanted: Wanted, context: Context
) -> Calibrated | None:
    """What was asked for of calibration, on a table or out of fold."""
    if measured_on is not None:
        return calibrate(again, measured_on, wanted, context)
    return calibrate_out_of_fold(again, wanted, context) if wanted.out_of_fold else None
