"""what is asked of a run -> its single steps, each reading what the one before it wrote"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rebalance import __version__
from rebalance.core.design import Budget
from rebalance.core.documents import plain, renamed
from rebalance.learners.base import Settings
from rebalance.steps.classes.pilot import ClassPilotResult
from rebalance.steps.classes.predict import ClassPredictResult
from rebalance.steps.classes.sample import ClassSampleResult
from rebalance.steps.classes.train import ClassTrainResult
from rebalance.steps.context import Context
from rebalance.steps.pilot import PilotResult, pilot
from rebalance.steps.predict import PredictResult, predict
from rebalance.steps.ready import Asked
from rebalance.steps.recalibrate import AUTO, Wanted
from rebalance.steps.sample import SampleResult, sample
from rebalance.steps.split import Split, split
from rebalance.steps.suited import pilot_for
from rebalance.steps.train import train
from rebalance.steps.train_task import TrainAsked
from rebalance.steps.trained import TrainResult
from rebalance.steps.weighting import PLAIN, Weighting

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
class RunAsked:
    """What the user wants of a run; None stands for what follows from the rest.

    directory : where the artifacts go. test : the share of the rows that is held out; by `time`
    the latest ones. pilot_model : of the same kind as the model where it can be. features : the
    recipe of both. recalibrate : how calibration, measured on the training table, is corrected.
    """

    inputs: Sequence[str]
    label: str
    directory: str
    settings: Settings
    budget: Budget | None = None
    class_rates: Mapping[str, float] | None = None
    test: float = 0.2
    time: str | None = None
    key: str | None = None
    method: str | None = None
    pilot_model: str | None = None
    model: str = "gbm"
    positive: str | None = None
    drop: Sequence[str] = ()
    sample_weight: str | None = None
    recalibrate: str = AUTO
    features: str | None = None
    weighting: Weighting = PLAIN
    clobber: bool = True


@dataclass(frozen=True)
class RunSteps:
    """The steps from the table to predictions; `paths` are the artifacts' by name."""

    asked: RunAsked
    paths: Mapping[str, str]
    context: Context

    def split(self) -> Split:
        """Table -> training part and test part."""
        asked = self.asked
        return split(
            asked.inputs,
            asked.label,
            [self.paths["train"], self.paths["test"]],
            test=asked.test,
            key=asked.key,
            time=asked.time,
            positive=asked.positive,
            seed=asked.settings.seed,
            context=self.context,
        )

    def pilot(self) -> PilotResult | ClassPilotResult:
        """Training part -> pilot."""
        asked = self.asked
        return pilot(
            [self.paths["train"]],
            asked.label,
            self.paths["pilot"],
            model=asked.pilot_model or pilot_for(asked.model),
            positive=asked.positive,
            drop=asked.drop,
            key=asked.key,
            sample_weight=asked.sample_weight,
            seed=asked.settings.seed,
            features=asked.features,
            context=self.context,
        )

    def sample(self) -> SampleResult | ClassSampleResult:
        """Training part + pilot -> sample."""
        wanted = Asked(
            [self.paths["train"]],
            self.paths["sample"],
            self.asked.budget or Budget(),
            pilot=self.paths["pilot"],
            method=self.asked.method,
            seed=self.asked.settings.seed,
            class_rates=self.asked.class_rates,
        )
        return sample(wanted, self.context)

    def train(self, calibration: Wanted) -> TrainResult | ClassTrainResult:
        """Sample -> model."""
        fit = TrainAsked(
            [self.paths["sample"]],
            self.paths["model"],
            self.asked.model,
            self.asked.settings,
            wanted=calibration,
            weighting=self.asked.weighting,
            features=self.asked.features,
        )
        return train(fit, self.context)

    def predict(self) -> PredictResult | ClassPredictResult:
        """Test part + model -> predictions."""
        test, model, predictions = (self.paths[name] for name in ("test", "model", "predictions"))
        return predict([test], model, predictions, context=self.context)


class Found(Protocol):
    """What a step found."""

    def document(self) -> dict[str, Any]:
        """The result as JSON."""


def report_of(found: Mapping[str, Found], paths: Mapping[str, str]) -> dict[str, Any]:
    """What `report.json` says of the steps, the artifacts by their names in the directory."""
    report: dict[str, Any] = {"report_format": REPORT_FORMAT, "made_with": __version__}
    report |= {name: step.document() for name, step in found.items()}
    names = {path: Path(path).name for path in paths.values()}
    named: dict[str, Any] = renamed(plain(report), names)
    return named
