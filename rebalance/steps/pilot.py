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

from rebalance.core.correction import offset, probability
from rebalance.core.documents import plain
from rebalance.core.draws import Purpose, uniforms
from rebalance.core.folds import stratified_folds
from rebalance.core.kinds import Kind
from rebalance.core.metrics import score
from rebalance.errors import UsageError
from rebalance.learners import get_learner
from rebalance.learners.base import Learner, Settings, TrainingRows
from rebalance.learners.engineered import features_of
from rebalance.report.pictures import picture_format
from rebalance.report.plan import plan_picture
from rebalance.steps.artifacts.pilot import pilot_content
from rebalance.steps.classes.pilot import ClassDraw, ClassPilotResult, ClassPilotTask, class_pilot
from rebalance.steps.context import Context
from rebalance.steps.draw import Draw, DrawOptions, draw_rows
from rebalance.steps.features import (
    check_total,
    choose_features,
    tell_left_out,
    whole,
)
from rebalance.steps.information import plan_of
from rebalance.steps.memory import HEAVY, Need, open_within
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
    plan: str | None = None,
    features: str | None = None,
    clobber: bool = True,
    context: Context,
) -> PilotResult | ClassPilotResult:
    """Fit a pilot on up to `size` rows of each class and write it to `output`.

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
        if plan is not None:
            raise UsageError(
                "--plan is for two classes: the information that samples of many classes keep is "
                "not known",
                remedy="leave it out, or choose one class with --positive",
            )
        task = ClassPilotTask(table, made, output, model, size, drop, key, sample_weight, settings)
        return class_pilot(draw, task, context)
    rows = made.rows(_training_rows(draw, made.needed, options), table.place, None)
    with located(table.place, None):
        fitted = learner.fit(rows, settings)
    tell_left_out(fitted.left_out, context)
    quality = _out_of_fold(learner, rows, settings, draw, context)
    withheld = withheld_plan(draw.counts["drawn_positives"], quality["roc_auc"])
    if withheld is not None:
        leak = quality["roc_auc"] > SUSPICIOUS_AUC
        context.note(
            withheld["withheld"]
            + ("; look for a leak with 'rebalance profile'" if leak else "")
            + (f"; '{plan}' is not drawn" if plan is not None else "")
        )
    found = fitted.log_odds(rows.columns, rows.baseline)
    manifest = {
        "created_by": {"command": "pilot", "model": model, "size": size, "positive": positive},
        "seed": seed,
        "label": draw.label.to_document(),
        "learner": model,
        **made.manifest(table),
        "columns": {field.name: str(field.type) for field in table.schema},
        "drop": list(drop),
        "key": key,
        "sample_weight": sample_weight,
        "counts": draw.counts,
        "negatives_draw": draw.negatives_draw,
        "population_log_odds": float(rows.baseline[0]),
        "out_of_fold": plain(quality),
        "made_from": table.digest,
    }
    with _one_thread():
        stand = draw.stand or draw
        standing = rows
        if draw.stand is not None:
            own = _training_rows(stand, made.needed, options)
            standing = made.rows(own, table.place, None)
        weight = _population_weight(standing, stand)
        planned = plan_of(fitted, rows, standing, weight, stand.stands_for)
        if withheld is not None:
            planned = replace(planned, curves=withheld)
    grid = np.linspace(0, 1, 101)
    content = pilot_content(
        manifest,
        made.model(fitted),
        planned.outer,
        {
            "positives": np.quantile(found[draw.y_true], grid),
            "negatives": np.quantile(found[~draw.y_true], grid),
        },
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


def _training_rows(draw: Draw, kinds: dict[str, Kind], options: DrawOptions) -> TrainingRows:
    columns = {name: whole(draw.table.column(name)) for name in kinds}
    weight = None
    if options.sample_weight is not None:
        weight = whole(draw.table.column(options.sample_weight)).to_numpy()
        check_total(weight, draw.y_true, options.sample_weight)
        weight = weight / weight.mean()  # their scale must not change a fit
    drawn = np.array([draw.y_true.sum()]), np.array([(~draw.y_true).sum()])
    shift = offset(drawn[1] / draw.negatives, drawn[0] / draw.positives)[0]
    count = len(draw.y_true)
    return TrainingRows(
        columns=columns,
        kinds=kinds,
        y_true=draw.y_true,
        # The whole shift log(n_1 N_0 / (n_0 N_1)) is an offset: what is fitted is the population.
        offset=np.full(count, shift),
        baseline=np.full(count, draw.population_log_odds + _log_mean_ratio(draw.y_true, weight)),
        sample_weight=weight,
        draws=uniforms(options.seed, Purpose.FOLDS, 0, count),
    )


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
    quality = score(rows.y_true, probability(found), _population_weight(rows, draw))
    return {name: quality[name] for name in names}


def _population_weight(rows: TrainingRows, draw: Draw) -> NDArray[np.float64]:
    """Weights that make the draw stand for the table, shape (n,); the user's count too."""
    return draw.stands_for if rows.sample_weight is None else draw.stands_for * rows.sample_weight


def _one_thread() -> Any:
    """Sums in another order would make the pilot depend on the machine."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)


def _log_mean_ratio(y_true: NDArray[np.bool_], weight: NDArray[np.float64] | None) -> float:
    """How far the user's weights move the log odds: the log of the classes' mean weights."""
    if weight is None:
        return 0.0
    return float(np.log(weight[y_true].mean() / weight[~y_true].mean()))
