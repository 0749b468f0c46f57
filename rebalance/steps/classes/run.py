"""table of many classes -> split -> pilot -> sample -> model -> predictions -> metrics"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rebalance import __version__
from rebalance.core.design import Budget
from rebalance.core.documents import plain, renamed
from rebalance.errors import UsageError
from rebalance.learners.base import Settings
from rebalance.learners.classes import get_class_learner
from rebalance.steps.classes.evaluate import ClassEvaluation
from rebalance.steps.classes.sample import ClassSampleResult
from rebalance.steps.classes.train import ClassTrainResult
from rebalance.steps.context import Context
from rebalance.steps.evaluate import evaluate
from rebalance.steps.pilot import pilot
from rebalance.steps.predict import predict
from rebalance.steps.ready import Asked
from rebalance.steps.sample import sample
from rebalance.steps.split import split
from rebalance.steps.together import made_together
from rebalance.steps.train import train
from rebalance.steps.train_task import TrainAsked
from rebalance.steps.weighting import PLAIN, Weighting

REPORT_FORMAT = 1
FILES = {
    "train": "train.parquet",
    "test": "test.parquet",
    "pilot": "pilot.rbl",
    "sample": "sample.parquet",
    "model": "model.rbl",
    "predictions": "predictions.parquet",
    "report": "report.json",
}


@dataclass(frozen=True)
class ClassRunAsked:
    """What the user wants of a run on a label of many classes."""

    inputs: Sequence[str]
    label: str
    budget: Budget | None
    class_rates: Mapping[str, float] | None
    test: float
    time: str | None
    key: str | None
    method: str | None
    pilot_model: str
    model: str
    drop: Sequence[str]
    sample_weight: str | None
    settings: Settings
    weighting: Weighting = PLAIN
    features: str | None = None


@dataclass(frozen=True)
class ClassRunResult:
    """What the single steps found."""

    sample: ClassSampleResult
    train: ClassTrainResult
    evaluation: ClassEvaluation
    report: dict[str, Any]
    files: tuple[str, ...] = tuple(FILES.values())

    def document(self) -> dict[str, Any]:
        """The report, as in `report.json`."""
        return self.report


def class_run(target: Path, asked: ClassRunAsked, context: Context) -> ClassRunResult:
    """Do what the single commands do, with the same artifacts, and report without timings.

    Raises
    ------
    UsageError, DataError, ArtifactError, FitError : see the single steps.
    """
    get_class_learner(asked.model, asked.settings)
    return made_together(target, FILES, lambda paths: _steps(asked, paths, context))


def _steps(asked: ClassRunAsked, paths: Mapping[str, str], context: Context) -> ClassRunResult:
    """The steps one after the other, each reading what the one before it wrote."""
    label, seed = asked.label, asked.settings.seed
    steps: dict[str, Any] = {}
    steps["split"] = split(
        asked.inputs,
        label,
        [paths["train"], paths["test"]],
        test=asked.test,
        validation=None,
        key=asked.key,
        time=asked.time,
        positive=None,
        seed=seed,
        clobber=True,
        context=context,
    )
    steps["pilot"] = pilot(
        [paths["train"]],
        label,
        paths["pilot"],
        model=asked.pilot_model,
        drop=asked.drop,
        key=asked.key,
        sample_weight=asked.sample_weight,
        seed=seed,
        features=asked.features,
        context=context,
    )
    wanted = Asked(
        [paths["train"]],
        paths["sample"],
        asked.budget or Budget(),
        pilot=paths["pilot"],
        method=asked.method,
        seed=seed,
        class_rates=asked.class_rates,
    )
    sampled = steps["sample"] = sample(wanted, context)
    fit = TrainAsked(
        [paths["sample"]],
        paths["model"],
        asked.model,
        asked.settings,
        weighting=asked.weighting,
        features=asked.features,
    )
    trained = steps["train"] = train(fit, context)
    steps["predict"] = predict(
        [paths["test"]], paths["model"], paths["predictions"], context=context
    )
    evaluated = steps["evaluate"] = evaluate(
        [paths["predictions"]], label, sample_weight=asked.sample_weight, context=context
    )
    if not (
        isinstance(sampled, ClassSampleResult)
        and isinstance(trained, ClassTrainResult)
        and isinstance(evaluated, ClassEvaluation)
    ):  # the training part has two classes only
        raise UsageError(
            f"the label '{label}' has fewer than three classes in the training part",
            remedy="split the table yourself, or name one class with --positive",
        )
    report: dict[str, Any] = {"report_format": REPORT_FORMAT, "made_with": __version__}
    report |= {name: result.document() for name, result in steps.items()}
    names = {path: FILES[name] for name, path in paths.items()}
    return ClassRunResult(sampled, trained, evaluated, renamed(plain(report), names))
