"""rows + the model fitted to them -> the stored model and what is said of it"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from rebalance.learners import OF_SOME
from rebalance.learners.base import Settings
from rebalance.learners.catalogue import AUTO, entry_of
from rebalance.learners.engineered import features_of
from rebalance.steps.artifacts.model import Model
from rebalance.steps.choice import Choice
from rebalance.steps.context import Context
from rebalance.steps.corrected import tell_corrected, weighting_of
from rebalance.steps.estimates import tell_estimates
from rebalance.steps.recalibrate import Calibrated
from rebalance.steps.recipes import Engineering
from rebalance.steps.refits import Refits
from rebalance.steps.train_task import TrainAsked, TrainTask
from rebalance.storage.atomic import write_bytes
from rebalance.storage.tables import Table


@dataclass(frozen=True)
class TrainResult:
    """What was fitted, on how many rows, and how it is corrected and calibrated.

    corrected : a kind of `core.corrections`; None where nothing was sampled, or where `scale` is
        "sample" and probabilities are left as fitted.
    """

    output: str
    model: str
    correction: str
    rows: int
    positives: int
    negatives: int
    features: int
    summary: Mapping[str, Any]
    corrected: str | None = None
    estimates: Mapping[str, Any] | None = None
    cross_validation: Mapping[str, Any] | None = None
    calibrated: Calibrated | None = None
    weighting: Mapping[str, Any] | None = None
    costs: Mapping[str, float] | None = None
    choice: Choice | None = None
    scale: str = "population"

    @property
    def needs_calibration(self) -> bool:
        """Whether the learner gives the population's probabilities only once it is calibrated."""
        return entry_of(self.model).needs_calibration

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        found = asdict(replace(self, calibrated=None, choice=None))
        del found["calibrated"], found["choice"]
        if self.choice is not None:
            found["chosen"] = self.choice.document()
        if self.calibrated is None:
            return found | {"calibration": None}
        on = {"on": list(self.calibrated.on) if self.calibrated.on else None}
        return found | {"calibration": on | self.calibrated.document()}


@dataclass(frozen=True)
class Trained:
    """What the stages of a training came to.

    fitted : the model before it is recalibrated, and what it takes to fit it again.
    measured_on : the natural rows that calibration was measured on; None where there were none.
    choice : how the learner was chosen; None where it was named.
    """

    table: Table
    asked: TrainAsked
    task: TrainTask
    made: Engineering
    fitted: Refits
    calibrated: Calibrated | None = None
    measured_on: Table | None = None
    choice: Choice | None = None

    def store(self, context: Context) -> TrainResult:
        """Write the model, and say what it is."""
        model, positives, negatives = self._model, *self._counts
        write_bytes(self.asked.output, model.content(self._manifest()))
        weighed, weighting = self.fitted.weighed, self.asked.weighting
        return TrainResult(
            output=self.asked.output,
            model=self.asked.model,
            correction=self.task.correction,
            rows=positives + negatives,
            positives=positives,
            negatives=negatives,
            features=len(features_of(model.fitted)),
            summary=model.summary,
            corrected=tell_corrected(model, self.asked.settings, weighed, context),
            calibrated=self.calibrated,
            weighting=weighting_of(model, weighed, weighting),
            costs=model.costs.to_document() if model.costs else None,
            choice=self.choice,
            scale=model.output_scale,
            **tell_estimates(model, self.table, self.task.correction, self._that_count, context),
        )

    @property
    def _model(self) -> Model:
        if self.calibrated is None:
            return self.fitted.model
        return replace(self.fitted.model, recalibration=self.calibrated.recalibration)

    @property
    def _counts(self) -> tuple[int, int]:
        """The rows of either class."""
        y_true = self.fitted.rows.y_true
        positives = int(y_true.sum())
        return positives, len(y_true) - positives

    @property
    def _that_count(self) -> tuple[int, int]:
        """The rows of either class that count: a weight of 0 is no row."""
        rows = self.fitted.rows
        y_true = rows.y_true if rows.sample_weight is None else rows.y_true[rows.sample_weight > 0]
        return int(y_true.sum()), int((~y_true).sum())

    def _manifest(self) -> dict[str, Any]:
        positives, negatives = self._counts
        asked, summary = self.asked, self.fitted.model.summary
        return {
            "created_by": {
                "command": "train",
                "model": AUTO if self.choice else asked.model,
                "natural": asked.natural,
                **_given(asked.settings),
                **asked.weighting.manifest(),
            },
            "seed": asked.settings.seed,
            **self.made.manifest(self.table),
            **{name: summary[name] for name in ("stages",) if name in summary},
            "drop": list(self.task.drop),
            "key": self.task.key,
            "counts": {"positives": positives, "negatives": negatives},
            "made_from": self.table.digest,
            "calibration": self.calibrated.document() if self.calibrated else None,
            "calibrated_on": self.measured_on.digest if self.measured_on else None,
            **({"chosen": self.choice.document()} if self.choice else {}),
        }


def _given(settings: Settings) -> dict[str, Any]:
    """The settings that make a difference, for the manifest."""
    chosen = asdict(settings)
    found = {name: chosen[name] for name in OF_SOME}
    return found | ({"set": list(settings.given)} if settings.given else {})
