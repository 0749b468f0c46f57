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
from rebalance.errors import UsageError
from rebalance.learners import get_learner
from rebalance.learners.base import Fitted, Learner, Settings, TrainingRows
from rebalance.learners.engineered import features_of
from rebalance.report.pictures import picture_format
from rebalance.report.plan import plan_picture
from rebalance.steps.artifacts.pilot import pilot_content
from rebalance.steps.classes.pilot import ClassDraw, ClassPilotResult, ClassPilotTask, class_pilot
from rebalance.steps.context import Context
from rebalance.steps.draw import Draw, DrawOptions, draw_rows
from rebalance.steps.features import choose_features, tell_left_out
from rebalance.steps.information import Planned, plan_of
from rebalance.steps.memory import HEAVY, Need, open_within
from rebalance.steps.pilot_rows import pilot_rows, population_weight
from rebalance.steps.recipes import Engineering, engineering
from rebalance.steps.withheld import SUSPICIOUS_AUC, withheld_plan
from rebalance.storage.atomic import check_artifact, check_outputs, write_bytes
from rebalance.storage.tables import Table, located

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
    learned from all rows of the table. It is a pilot of many classes where
    the label has three or more values and none is `positive`.

    Raises
    ------
    UsageError, DataError, FitError : see the parts it is made of.
    """
    check_artifact(output)
    check_outputs([output, plan], [*inputs, *([features] if features else [])], clobber=clobber)
    image_format = picture_format(plan) if plan is not None else ""
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
    if isinstance(draw, ClassDraw):
        _refuse_plan_of_classes(plan, correction)
        task = ClassPilotTask(table, made, output, model, size, drop, key, sample_weight, settings)
        return class_pilot(draw, task, context)
    rows = made.rows(pilot_rows(draw, made.needed, options), table.place, None)
    with located(table.place, None):
        fitted = learner.fit(rows, settings)
    tell_left_out(fitted.left_out, context)
    quality = _out_of_fold(learner, rows, settings, draw, context)
    withheld = _withheld(draw, quality, plan, context)
    planned = _planned(
        fitted,
        rows,
        draw,
        made,
        options=options,
        correction=correction or "offset",
        place=table.place,
    )
    if withheld is not None:
        planned = replace(planned, curves=withheld)
    manifest = {
        "created_by": {"command": "pilot", "model": model, "size": size, "positive": positive},
        "learner": model,
        "drop": list(drop),
        "key": key,
        **_manifest(table, draw, made, options, rows.baseline),
        "out_of_fold": plain(quality),
    }
    content = pilot_content(
        manifest,
        made.model(fitted),
        planned.outer,
        _percentiles(fitted, rows),
        planned.curves,
        known=planned.known,
    )
    write_bytes(output, content)
    if plan is not None and withheld is None:
        by_correction = planned.curves["efficiency"]
        write_bytes(plan, plan_picture(planned.curves["rates"], by_correction, image_format))
    return PilotResult(
        output=output,
        model=model,
        label=label,
        positive=draw.label.positive,
        negatives_are=draw.label.negatives,
        rows=draw.positives + draw.negatives,
        **draw.counts,
        features=len(features_of(fitted)),
        roc_auc=quality["roc_auc"],
        predicted_over_observed=quality["predicted_over_observed"],
        calibration_slope=quality["calibration_slope"],
        plan=planned.curves,
    )


def _refuse_plan_of_classes(plan: str | None, correction: str | None) -> None:
    for name, given in (("--plan", plan), ("--correction", correction)):
        if given is not None:
            raise UsageError(
                f"{name} is for two classes: the information that samples of many classes keep is "
                "not known",
                remedy="leave it out, or choose one class with --positive",
            )


def _withheld(
    draw: Draw, quality: Mapping[str, float], plan: str | None, context: Context
) -> dict[str, Any] | None:
    """Why such a pilot plans nothing, where that is so; said, too."""
    withheld = withheld_plan(draw.counts["drawn_positives"], quality["roc_auc"])
    if withheld is not None:
        leak = quality["roc_auc"] > SUSPICIOUS_AUC
        context.note(
            withheld["withheld"]
            + ("; look for a leak with 'rebalance profile'" if leak else "")
            + (f"; '{plan}' is not drawn" if plan is not None else "")
        )
    return withheld


def _planned(
    fitted: Fitted,
    rows: TrainingRows,
    draw: Draw,
    made: Engineering,
    *,
    options: DrawOptions,
    correction: str,
    place: str,
) -> Planned:
    """The plan, by the rows drawn, or by more that stand for the table."""
    with _one_thread():
        stand = draw.stand or draw
        standing = rows
        if draw.stand is not None:
            standing = made.rows(pilot_rows(stand, made.needed, options), place, None)
        weight = population_weight(standing, stand)
        return plan_of(fitted, rows, standing, weight, stand.stands_for, correction=correction)


def _percentiles(fitted: Fitted, rows: TrainingRows) -> dict[str, NDArray[np.float64]]:
    """The percentiles of each class's log odds, shape (101,)."""
    found = fitted.log_odds(rows.columns, rows.baseline)
    grid = np.linspace(0, 1, 101)
    return {
        "positives": np.quantile(found[rows.y_true], grid),
        "negatives": np.quantile(found[~rows.y_true], grid),
    }


def _manifest(
    table: Table,
    draw: Draw,
    made: Engineering,
    options: DrawOptions,
    baseline: NDArray[np.float64],
) -> dict[str, Any]:
    """What was drawn of what."""
    return {
        "seed": options.seed,
        "label": draw.label.to_document(),
        **made.manifest(table),
        "columns": {field.name: str(field.type) for field in table.schema},
        "sample_weight": options.sample_weight,
        "counts": draw.counts,
        "negatives_draw": draw.negatives_draw,
        "population_log_odds": float(baseline[0]),
        "made_from": table.digest,
    }


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


def _one_thread() -> Any:
    """Sums in another order would make the pilot depend on the machine."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)
