"""table -> balanced draw -> pilot

A pilot is a cheap model of the population: fitted on a small draw with as many rows of each class,
its intercept shifted so that its probabilities are those of the whole table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebalance.core.correction import probability
from rebalance.core.documents import plain
from rebalance.core.folds import stratified_folds
from rebalance.core.metrics import score
from rebalance.errors import FitError, UsageError
from rebalance.learners import get_learner
from rebalance.learners.base import Fitted, Learner, Settings, TrainingRows
from rebalance.learners.engineered import features_of
from rebalance.report.pictures import picture_format
from rebalance.report.plan import plan_picture
from rebalance.steps.artifacts.pilot import pilot_content
from rebalance.steps.classes.pilot import ClassDraw, ClassPilotResult, class_pilot
from rebalance.steps.context import Context
from rebalance.steps.draw import Draw, draw_rows
from rebalance.steps.features import choose_features, tell_left_out
from rebalance.steps.information import Planned, outer_of, plan_of, tell_misfit
from rebalance.steps.memory import HEAVY, Need, open_within
from rebalance.steps.pilot_rows import pilot_rows, population_weight
from rebalance.steps.pilot_task import DrawOptions, PilotTask
from rebalance.steps.recipes import engineering
from rebalance.steps.withheld import SUSPICIOUS_AUC, withheld_plan
from rebalance.storage.atomic import check_artifact, check_outputs, write_bytes
from rebalance.storage.tables import located

FOLDS = 5
DEFAULT_SIZE = 5000
# A pilot scores every row of the table, so it is as small as its gain allows. Over fifteen splits
# of flights the final model's log loss is that with a pilot of 100 trees of 15 leaves: .1% +- .1%
# above at 5% of the negatives, .0% +- .2% below at 2%. Steps of .4, or ten trees, cost .4% to .6%.
PILOT_TREES = Settings(rounds=20, learning_rate=0.25, leaves=9)


@dataclass(frozen=True)
class PilotResult:
    """What was fitted, on what, and how good it is out of fold."""

    output: str
    model: str
    label: str
    positive: str
    negatives_are: tuple[str, ...]
    rows: int
    positives: int
    negatives: int
    drawn_positives: int
    drawn_negatives: int
    features: int
    roc_auc: float
    predicted_over_observed: float
    calibration_slope: float
    plan: Mapping[str, Any]

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        return asdict(self)


def pilot(
    inputs: Sequence[str],
    label: str,
    output: str,
    *,
    model: str = "logistic",
    size: int = DEFAULT_SIZE,
    positive: str | None = None,
    drop: Sequence[str] = (),
    key: str | None = None,
    sample_weight: str | None = None,
    seed: int = 0,
    correction: str | None = None,
    plan: str | None = None,
    features: str | None = None,
    clobber: bool = True,
    context: Context,
) -> PilotResult | ClassPilotResult:
    """Fit a pilot on up to `size` rows of each class and write it to `output`.

    `correction` is what the plan is for, the "offset" or "weight", for which draws are simulated.
    `plan` names a picture of how much information samples keep, `features` a recipe of features,
    learned from all rows of the table. It is a pilot of many classes where the label has three or
    more values and none is `positive`.

    Raises
    ------
    UsageError, DataError, FitError : see the parts it is made of.
    """
    check_artifact(output)
    check_outputs([output, plan], [*inputs, *([features] if features else [])], clobber=clobber)
    if plan is not None:
        picture_format(plan)  # an unknown one is refused before anything is read
    learner = get_learner(model)
    table = open_within(inputs, context, Need(HEAVY))
    table.refuse_own_columns()
    kinds = choose_features(
        table, label, drop=drop, key=key, sample_weight=sample_weight, context=context
    )
    barred = {"label": label, "key": key, "weight": sample_weight}
    made = engineering(features, table, kinds, barred, context)
    options = DrawOptions(size, positive, sample_weight, seed)
    learning = made.learning()
    draw = draw_rows(table, label, made.needed, options, context, learning=learning)
    made = made.learned_by(learning, table.place, context)
    chosen = PILOT_TREES if model == "gbm" else Settings()
    settings = replace(chosen, seed=seed, threads=context.threads)
    task = PilotTask(table, made, output, model, options, drop, key, settings, correction, plan)
    if isinstance(draw, ClassDraw):
        _refuse_plan_of_classes(plan, correction)
        return class_pilot(draw, task, context)
    fit = _fit(learner, draw, task, context)
    planned = _plan(fit, task, context)
    _write(fit, planned, task)
    return _result(fit, planned, task)


def _refuse_plan_of_classes(plan: str | None, correction: str | None) -> None:
    for name, given in (("--plan", plan), ("--correction", correction)):
        if given is not None:
            raise UsageError(
                f"{name} is for two classes: the information that samples of many classes keep is "
                "not known",
                remedy="leave it out, or choose one class with --positive",
            )


@dataclass(frozen=True)
class _Fit:
    """A pilot of two classes, the rows that it was fitted to, and its figures out of fold.

    outer : M, see `steps.information.outer_of`.
    """

    draw: Draw
    rows: TrainingRows
    fitted: Fitted
    outer: NDArray[np.float64]
    quality: Mapping[str, float]


def _fit(learner: Learner, draw: Draw, task: PilotTask, context: Context) -> _Fit:
    """Draw -> pilot and its quality."""
    place = task.table.place
    rows = task.made.rows(pilot_rows(draw, task.made.needed, task.options), place, None)
    with located(place, None):
        fitted = learner.fit(rows, task.settings)
    tell_left_out(fitted.left_out, context)
    with _one_thread():
        outer = outer_of(fitted, rows)
    quality = _out_of_fold(learner, rows, task.settings, draw, context)
    return _Fit(draw, rows, fitted, outer, quality)


def _out_of_fold(
    learner: Learner,
    rows: TrainingRows,
    settings: Settings,
    draw: Draw,
    context: Context,
) -> dict[str, float]:
    """Ranking and calibration on rows not fitted to, weighted back to the population's shares."""
    names = ("roc_auc", "predicted_over_observed", "calibration_slope")
    if min(rows.y_true.sum(), (~rows.y_true).sum()) < FOLDS:
        context.note(f"a class has fewer than {FOLDS} rows: the pilot's quality cannot be measured")
        return dict.fromkeys(names, float("nan"))
    fold = stratified_folds(rows.y_true, rows.draws, FOLDS)
    found = np.empty(len(rows))
    for held_out in range(FOLDS):
        inside = fold == held_out
        fitted = learner.fit(rows.take(~inside), settings)
        outside = rows.take(inside)
        found[inside] = fitted.log_odds(outside.columns, outside.baseline)
    quality = score(rows.y_true, probability(found), population_weight(rows, draw))
    return {name: quality[name] for name in names}


def _plan(fit: _Fit, task: PilotTask, context: Context) -> Planned:
    """Pilot -> its plan, by the rows drawn or by more that stand for the table.

    In place of the plan is the reason why there is none, where that is so; it is said, too.
    """
    roc_auc = fit.quality["roc_auc"]
    weighed_by = task.options.sample_weight
    withheld = withheld_plan(fit.draw.counts["drawn_positives"], roc_auc, weighed_by)
    if withheld is None:
        try:
            planned = _planned(fit, task)
            tell_misfit(planned.curves, context)
            return planned
        except FitError as exc:
            reason = f"the rows that stand for the table cannot be fitted ({exc.what})"
            withheld = {"withheld": f"{reason}: nothing can be planned"}
    leak = roc_auc > SUSPICIOUS_AUC
    context.note(
        withheld["withheld"]
        + ("; look for a leak with 'rebalance profile'" if leak else "")
        + (f"; '{task.plan}' is not drawn" if task.plan is not None else "")
    )
    return Planned(withheld)


def _planned(fit: _Fit, task: PilotTask) -> Planned:
    with _one_thread():
        stand, standing = fit.draw, fit.rows
        if fit.draw.stand is not None:
            stand = fit.draw.stand
            drawn = pilot_rows(stand, task.made.needed, task.options)
            standing = task.made.rows(drawn, task.table.place, None)
        return plan_of(
            fit.fitted,
            fit.rows,
            standing,
            stand.stands_for,
            outer=fit.outer,
            correction=task.correction or "offset",
        )


def _write(fit: _Fit, planned: Planned, task: PilotTask) -> None:
    """Pilot + plan -> the artifact, and the picture of the plan."""
    content = pilot_content(
        _manifest(fit, task),
        task.made.model(fit.fitted),
        fit.outer,
        _percentiles(fit.fitted, fit.rows),
        planned.curves,
        known=planned.known,
    )
    write_bytes(task.output, content)
    if task.plan is not None and "withheld" not in planned.curves:
        rates, by_correction = planned.curves["rates"], planned.curves["efficiency"]
        write_bytes(task.plan, plan_picture(rates, by_correction, picture_format(task.plan)))


def _percentiles(fitted: Fitted, rows: TrainingRows) -> dict[str, NDArray[np.float64]]:
    """The percentiles of each class's log odds, shape (101,)."""
    found = fitted.log_odds(rows.columns, rows.baseline)
    grid = np.linspace(0, 1, 101)
    return {
        "positives": np.quantile(found[rows.y_true], grid),
        "negatives": np.quantile(found[~rows.y_true], grid),
    }


def _manifest(fit: _Fit, task: PilotTask) -> dict[str, Any]:
    """What was asked for, and what was drawn of what."""
    table, options, draw = task.table, task.options, fit.draw
    return {
        "created_by": {
            "command": "pilot",
            "model": task.model,
            "size": options.size,
            "positive": options.positive,
        },
        "learner": task.model,
        "drop": list(task.drop),
        "key": task.key,
        "seed": options.seed,
        "label": draw.label.to_document(),
        **task.made.manifest(table),
        "columns": {field.name: str(field.type) for field in table.schema},
        "sample_weight": options.sample_weight,
        "counts": draw.counts,
        "negatives_draw": draw.negatives_draw,
        "population_log_odds": float(fit.rows.baseline[0]),
        "made_from": table.digest,
        "out_of_fold": plain(fit.quality),
    }


def _result(fit: _Fit, planned: Planned, task: PilotTask) -> PilotResult:
    draw = fit.draw
    return PilotResult(
        output=task.output,
        model=task.model,
        label=draw.label.column,
        positive=draw.label.positive,
        negatives_are=draw.label.negatives,
        rows=draw.positives + draw.negatives,
        **draw.counts,
        features=len(features_of(fit.fitted)),
        roc_auc=fit.quality["roc_auc"],
        predicted_over_observed=fit.quality["predicted_over_observed"],
        calibration_slope=fit.quality["calibration_slope"],
        plan=planned.curves,
    )


def _one_thread() -> Any:
    """Sums in another order would make the pilot depend on the machine."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)
