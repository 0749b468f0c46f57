"""table of many classes -> split -> pilot -> sample -> model -> predictions -> metrics"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rebalance.errors import UsageError
from rebalance.learners.classes import get_class_learner
from rebalance.steps.classes.evaluate import ClassEvaluation
from rebalance.steps.classes.sample import ClassSampleResult
from rebalance.steps.classes.train import ClassTrainResult
from rebalance.steps.context import Context
from rebalance.steps.evaluate import evaluate
from rebalance.steps.recalibrate import NOTHING_WANTED
from rebalance.steps.run_steps import FILES, Found, RunAsked, RunSteps, report_of
from rebalance.steps.together import made_together

CLASS_FILES = {name: file for name, file in FILES.items() if name != "curves"}


@dataclass(frozen=True)
class ClassRunResult:
    """What the single steps found."""

    sample: ClassSampleResult
    train: ClassTrainResult
    evaluation: ClassEvaluation
    report: dict[str, Any]
    files: tuple[str, ...] = tuple(CLASS_FILES.values())

    def document(self) -> dict[str, Any]:
        """The report, as in `report.json`."""
        return self.report


def class_run(target: Path, asked: RunAsked, context: Context) -> ClassRunResult:
    """Do what the single commands do, with the same artifacts, and report without timings.

    Raises
    ------
    UsageError, DataError, ArtifactError, FitError : see the single steps.
    """
    get_class_learner(asked.model, asked.settings)
    return made_together(target, CLASS_FILES, lambda paths: _steps(asked, paths, context))


def _steps(asked: RunAsked, paths: Mapping[str, str], context: Context) -> ClassRunResult:
    """Table of many classes -> split -> pilot -> sample -> model -> predictions -> metrics."""
    steps = RunSteps(asked, paths, context)
    found: dict[str, Found] = {"split": steps.split(), "pilot": steps.pilot()}
    sampled = found["sample"] = steps.sample()
    trained = found["train"] = steps.train(NOTHING_WANTED)
    found["predict"] = steps.predict()
    evaluated = found["evaluate"] = evaluate(
        [paths["predictions"]], asked.label, sample_weight=asked.sample_weight, context=context
    )
    if not (
        isinstance(sampled, ClassSampleResult)
        and isinstance(trained, ClassTrainResult)
        and isinstance(evaluated, ClassEvaluation)
    ):  # the training part has two classes only
        raise UsageError(
            f"the label '{asked.label}' has fewer than three classes in the training part",
            remedy="split the table yourself, or name one class with --positive",
        )
    return ClassRunResult(sampled, trained, evaluated, report_of(found, paths))
