"""table -> split -> pilot -> sample -> model -> predictions -> metrics, in one directory"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rebalance import __version__
from rebalance.core.class_design import WAYS
from rebalance.core.design import Budget
from rebalance.core.documents import plain, renamed
from rebalance.core.labels import LabelCounter, ManyClassesError, choose_label
from rebalance.errors import UsageError
from rebalance.learners.base import Settings
from rebalance.steps.classes.run import ClassRunAsked, ClassRunResult, class_run
from rebalance.steps.context import Context
from rebalance.steps.evaluate import Evaluation, evaluate
from rebalance.steps.models_threshold import MODELS_THRESHOLD
from rebalance.steps.pilot import pilot
from rebalance.steps.predict import PROBABILITY, predict
from rebalance.steps.ready import Asked
from rebalance.steps.recalibrate import AUTO, Wanted
from rebalance.steps.sample import SampleResult, sample
from rebalance.steps.split import split
from rebalance.steps.suited import method_for, model_of_classes, pilot_for, refuse_unusable
from rebalance.steps.together import directory_for, made_together
from rebalance.steps.train import train
from rebalance.steps.train_task import TrainAsked
from rebalance.steps.trained import TrainResult
from rebalance.steps.weighting import PLAIN, Weighting
from rebalance.storage.inputs import open_table
from rebalance.storage.tables import Table, located

DEFAULT_RATIO = 5.0
REPORT_FORMAT = 1
FILES = {
    "train": "train.parquet",
    "test": "test.parquet",
    "pilot": "pilot.rbl",
    "sample": "sample.parquet",
    "model": "model.rbl",
    "predictions": "predictions.parquet",
    "curves": "curves.png",
    "report": "report.json",
}


@dataclass(frozen=True)
class RunResult:
    """What the single steps found."""

    sample: SampleResult
    train: TrainResult
    evaluation: Evaluation
    report: dict[str, Any]
    files: tuple[str, ...] = tuple(FILES.values())

    def document(self) -> dict[str, Any]:
        """The report, as in `report.json`."""
        return self.report


def run(
    inputs: Sequence[str],
    label: str,
    directory: str,
    *,
    budget: Budget | None = None,
    test: float = 0.2,
    time: str | None = None,
    key: str | None = None,
    method: str | None = None,
    pilot_model: str | None = None,
    model: str = "gbm",
    positive: str | None = None,
    drop: Sequence[str] = (),
    sample_weight: str | None = None,
    settings: Settings,
    recalibrate: str = AUTO,
    clobber: bool = True,
    class_rates: Mapping[str, float] | None = None,
    features: str | None = None,
    weighting: Weighting = PLAIN,
    context: Context,
) -> RunResult | ClassRunResult:
    """Do what the single commands do, with the same artifacts, and report without timings.

    The pilot is of the same kind as the model where it can be, unless said otherwise; `features`
    is the recipe of both. Calibration is measured on the training table, and corrected as
    `recalibrate` says.

    Raises
    ------
    UsageError, DataError, ArtifactError, FitError : see the single steps.
    """
    sources = [*inputs, *([features] if features else [])]
    target = directory_for(directory, FILES.values(), sources, clobber=clobber)
    pilot_model = pilot_model or pilot_for(model)
    learner = refuse_unusable(model, weighting.settings(settings), recalibrate, sample_weight)
    weighting.refuse_unknown(learner, settings)
    table = open_table(inputs, context.reading)
    try:
        positives, negatives = _look(table, label, positive, context)
    except ManyClassesError as exc:
        _refuse_for_classes(exc, budget, class_rates, recalibrate, weighting)
        files = [str(path) for path in table.paths]
        asked = ClassRunAsked(
            files, label, budget, class_rates, test, time, key, method, pilot_model,
            model_of_classes(model, context),
            drop, sample_weight, settings, weighting, features,
        )  # fmt: skip
        return class_run(target, asked, context)
    _refuse_class_rates(class_rates, label)
    kept = budget or _default_budget(positives, negatives, context)
    if key is None and time is None and kept.efficiency is None:
        kept.negatives(positives - round(test * positives), negatives - round(test * negatives))
    make = partial(
        _steps,
        [str(path) for path in table.paths],
        label,
        budget=kept,
        test=test,
        time=time,
        key=key,
        method=method_for(model, method, context),
        pilot_model=pilot_model,
        model=model,
        positive=positive,
        drop=drop,
        sample_weight=sample_weight,
        settings=settings,
        recalibrate=recalibrate,
        features=features,
        weighting=weighting,
        context=context,
    )
    return made_together(target, FILES, make)


def _refuse_for_classes(
    found: ManyClassesError,
    budget: Budget | None,
    class_rates: Mapping[str, float] | None,
    recalibrate: str,
    weighting: Weighting,
) -> None:
    """Refuse what many classes do not have, and ask for what they need."""
    if class_rates is None and (budget is None or (budget.rows or budget.ratio) is None):
        remedy = f"{WAYS}; or one class against all others with --positive VALUE"
        raise UsageError(found.what, where=found.where, remedy=remedy) from found
    if recalibrate not in (AUTO, "none"):
        raise UsageError(
            f"--recalibrate {recalibrate} is for two classes, and the label has many",
            remedy="leave it out, or name one class with --positive",
        ) from found
    weighting.refuse_many_classes()


def _refuse_class_rates(class_rates: Mapping[str, float] | None, label: str) -> None:
    if class_rates is not None:
        raise UsageError(
            f"rates of classes are given, and '{label}' has a positive value",
            remedy="give one --rate, the share of the negatives",
        )


def _steps(
    inputs: Sequence[str],
    label: str,
    paths: Mapping[str, str],
    *,
    budget: Budget,
    test: float,
    time: str | None,
    key: str | None,
    method: str | None,
    pilot_model: str,
    model: str,
    positive: str | None,
    drop: Sequence[str],
    sample_weight: str | None,
    settings: Settings,
    recalibrate: str,
    features: str | None,
    weighting: Weighting,
    context: Context,
) -> RunResult:
    """The steps one after the other, each reading what the one before it wrote."""
    seed = settings.seed
    parts = split(
        inputs,
        label,
        [paths["train"], paths["test"]],
        test=test,
        validation=None,
        key=key,
        time=time,
        positive=positive,
        seed=seed,
        clobber=True,
        context=context,
    )
    piloted = pilot(
        [paths["train"]],
        label,
        paths["pilot"],
        model=pilot_model,
        positive=positive,
        drop=drop,
        key=key,
        sample_weight=sample_weight,
        seed=seed,
        features=features,
        context=context,
    )
    sampled = sample(
        Asked(
            [paths["train"]],
            paths["sample"],
            budget,
            pilot=paths["pilot"],
            method=method,
            seed=seed,
        ),
        context,
    )
    fit = TrainAsked(
        [paths["sample"]],
        paths["model"],
        model=model,
        settings=settings,
        wanted=Wanted.of([paths["train"]], recalibrate),
        features=features,
        weighting=weighting,
    )
    trained = train(fit, context)
    predicted = predict([paths["test"]], paths["model"], paths["predictions"], context=context)
    evaluated = evaluate(
        [paths["predictions"]],
        label,
        [PROBABILITY],
        positive=positive,
        sample_weight=sample_weight,
        thresholds=[] if weighting.costs is None else [MODELS_THRESHOLD],
        plot=paths["curves"],
        context=context,
    )
    if not (
        isinstance(sampled, SampleResult)
        and isinstance(trained, TrainResult)
        and isinstance(evaluated, Evaluation)
    ):  # many classes are refused before the split
        raise UsageError("the label has many classes", remedy="name one with --positive VALUE")
    steps = {
        "split": parts,
        "pilot": piloted,
        "sample": sampled,
        "train": trained,
        "predict": predicted,
        "evaluate": evaluated,
    }
    report = _report({name: step.document() for name, step in steps.items()}, paths)
    return RunResult(sampled, trained, evaluated, report)


def _report(documents: Mapping[str, Any], paths: Mapping[str, str]) -> dict[str, Any]:
    """What `report.json` says of the steps, the artifacts by their names in the directory."""
    report = {"report_format": REPORT_FORMAT, "made_with": __version__, **documents}
    names = {path: FILES[name] for name, path in paths.items()}
    found: dict[str, Any] = renamed(plain(report), names)
    return found


def _look(table: Table, label: str, positive: str | None, context: Context) -> tuple[int, int]:
    """Look at the label of every row before anything is written: positives and negatives."""
    table.refuse_own_columns()
    table.require(label, "--label")
    counter = LabelCounter(label)
    for batch in context.track(table.batches([label]), "looking at the label", table.num_rows):
        with batch.located():
            counter.add(batch.column(label), batch.start)
    with located(table.place):
        chosen = choose_label(label, counter.counts, positive)
    positives = counter.counts[chosen.positive]
    return positives, table.num_rows - positives


def _default_budget(positives: int, negatives: int, context: Context) -> Budget:
    if negatives < DEFAULT_RATIO * positives:
        context.note(
            "no budget was given, and there are fewer than "
            f"{DEFAULT_RATIO:g} negatives per positive: all are kept, --rate 1"
        )
        return Budget(rate=1.0)
    context.note(f"no budget was given: --ratio {DEFAULT_RATIO:g} it is")
    return Budget(ratio=DEFAULT_RATIO)
