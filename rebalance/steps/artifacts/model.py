"""A model of two classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rebalance import __version__
from rebalance.core.correction import to_population, to_sample
from rebalance.core.costs import Costs
from rebalance.core.described import read_document
from rebalance.core.kinds import Kind
from rebalance.core.labels import Label
from rebalance.core.losses import AS_ROWS_ARE, Reweighted
from rebalance.core.recalibration import Recalibration, read_recalibration
from rebalance.learners import get_learner
from rebalance.learners.base import Fitted
from rebalance.steps.artifacts.drawn import Drawn
from rebalance.steps.artifacts.stored import one_row, require_finite
from rebalance.storage.artifacts import artifact_bytes, pack, restored
from rebalance.storage.tables import Batch

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Model:
    """A trained model; `scale` says whether its own output is the sample's or the population's.

    A one-class model's output is a "score", on neither.

    recalibration : what is done to its log odds on the population's scale; None for nothing.
    needs_calibration : they are the population's only once they are recalibrated.
    reweighted : class weights and the focal loss of the fit, which `fitted` undoes itself.
    output_scale : "sample" where probabilities are to be left as fitted.
    costs : of the two mistakes; they give the threshold for decisions.
    """

    label: Label
    learner: str
    fitted: Fitted
    correction: str
    scale: str
    starts_from_pilot: bool
    constant_log_odds: float
    drawn: Drawn | None
    summary: Mapping[str, Any]
    sample_weight: str | None
    recalibration: Recalibration | None = None
    needs_calibration: bool = False
    reweighted: Reweighted = AS_ROWS_ARE
    output_scale: str = "population"
    costs: Costs | None = None

    @property
    def correctable(self) -> bool:
        """Whether its log odds before any recalibration are the population's, not the sample's."""
        known = self.drawn is None or self.drawn.design.correctable
        return known and not self.needs_calibration

    @property
    def takes_offset_off(self) -> bool:
        """Whether what is fitted has the sample's offset in it, which is known."""
        return self.scale == "sample" and self.drawn is not None and self.drawn.design.correctable

    @property
    def gives_population(self) -> bool:
        """Whether its probabilities are the population's."""
        known = self.correctable or self.recalibration is not None
        return known and self.output_scale == "population"

    @property
    def has_own_scale(self) -> bool:
        """Whether the fit had another scale than the population's: a sample's, or weights'."""
        return self.drawn is not None or self.reweighted.bends

    @property
    def leaves_weights(self) -> bool:
        """Whether class weights or a focal loss are left in its probabilities."""
        return self.output_scale == "sample" and self.reweighted.bends

    @property
    def threshold(self) -> float | None:
        """The probability from which to call a row positive, where costs were given."""
        return None if self.costs is None else self.costs.threshold

    @property
    def kinds(self) -> dict[str, Kind]:
        """The columns needed for the population's probabilities, by kind."""
        needed = dict(self.fitted.kinds)
        if self.drawn is not None and "sample" in (self.scale, self.output_scale):
            needed |= self.drawn.kinds
        if self.drawn is not None and self.drawn.pilot is not None and self.starts_from_pilot:
            needed |= self.drawn.pilot.kinds
        return needed

    def surprises(self, batch: Batch) -> dict[str, int]:
        """Values for which the model, or the pilot it needs, has no place, by column."""
        found = self.fitted.surprises(batch.features(self.fitted.kinds))
        pilot = self.drawn.pilot if self.drawn else None
        if pilot is not None and (self.scale == "sample" or self.starts_from_pilot):
            found = pilot.surprises(batch.features(pilot.kinds)) | found
        return found

    def log_odds(self, batch: Batch) -> Floats:
        """The population's log odds at every row, shape (n,)."""
        return self.recalibrated(self.own_log_odds(batch))

    def recalibrated(self, own: Floats) -> Floats:
        """What `log_odds` makes of `own_log_odds`, shape (n,)."""
        return own if self.recalibration is None else self.recalibration(own)

    def as_fitted(self, own: Floats, batch: Batch) -> Floats:
        """The log odds that the fit had, sampling, class weights and loss in them, shape (n,).

        `own` are the rows' `own_log_odds`.
        """
        known = self.drawn is not None and self.drawn.design.correctable
        if self.drawn is not None and known and self.scale != "score":
            own = to_sample(own, self.drawn.offset(batch))
        return self.reweighted.as_fitted(own)

    def own_log_odds(self, batch: Batch) -> Floats:
        """The population's log odds as the model has them before any recalibration, shape (n,).

        The sample's, where the sample was made by a method that nothing undoes.
        """
        return self.corrected(self.fitted_log_odds(batch), batch)

    def fitted_log_odds(self, batch: Batch) -> Floats:
        """The log odds as they were fitted, shape (n,)."""
        baseline = np.full(len(batch), self.constant_log_odds)
        if self.starts_from_pilot and self.drawn is not None and self.drawn.pilot is not None:
            baseline = self.drawn.pilot.log_odds(batch.features(self.drawn.pilot.kinds))
        return self.fitted.log_odds(batch.features(self.fitted.kinds), baseline)

    def corrected(self, fitted: Floats, batch: Batch) -> Floats:
        """What `own_log_odds` makes of `fitted_log_odds`, shape (n,)."""
        if self.takes_offset_off and self.drawn is not None:
            return to_population(fitted, self.drawn.offset(batch))
        return fitted

    def saturated(self, fitted: Floats) -> int:
        """How many of `fitted_log_odds` say that all trees agree: a probability of 0 or 1."""
        limit = getattr(self.fitted, "limit", None)
        return 0 if limit is None else int((np.abs(fitted) > limit - 1e-9).sum())

    def content(self, manifest: Mapping[str, Any]) -> bytes:
        """The bytes of the artifact; `manifest` adds how it was made."""
        members = dict(self.fitted.members())
        if self.drawn is not None:
            members["design.json"] = self.drawn.to_json().encode()
        whole = {
            "rebalance": __version__,
            "label": self.label.to_document(),
            "learner": self.learner,
            "correction": self.correction,
            "scale": self.scale,
            "starts_from_pilot": self.starts_from_pilot,
            "constant_log_odds": self.constant_log_odds,
            "summary": dict(self.summary),
            "sample_weight": self.sample_weight,
            "recalibration": self.recalibration.to_document() if self.recalibration else None,
            **({"needs_calibration": True} if self.needs_calibration else {}),
            "reweighted": self.reweighted.to_document(),
            "output_scale": self.output_scale,
            "costs": self.costs.to_document() if self.costs else None,
            **manifest,
        }
        return pack("model", whole, members)


def read_model(path: str) -> Model:
    """The model in a file.

    Raises
    ------
    ArtifactError : see `storage.artifacts.read_artifact`.
    """
    return restored(artifact_bytes(path, "model"), "model", path, partial(_model, path))


@dataclass(frozen=True)
class _Manifest:
    """What is needed of the manifest beside the label; earlier versions lack the last fields."""

    learner: str
    correction: str
    scale: Literal["population", "sample", "score"]
    starts_from_pilot: bool
    constant_log_odds: float
    summary: Mapping[str, Any]
    sample_weight: str | None
    recalibration: Mapping[str, Any] | None = None
    needs_calibration: bool = False
    reweighted: Reweighted = AS_ROWS_ARE
    output_scale: Literal["population", "sample"] = "population"
    costs: Costs | None = None


def _model(path: str, manifest: Mapping[str, Any], members: Mapping[str, bytes]) -> Model:
    label, stored = Label.from_document(manifest["label"]), read_document(_Manifest, manifest)
    if stored.reweighted.gamma < 0:
        raise ValueError("'reweighted/gamma' is below 0")
    again = stored.recalibration
    recalibration = None if again is None else read_recalibration(again)
    fitted = get_learner(stored.learner).load(members)
    require_finite(fitted.log_odds(one_row(fitted), np.array([stored.constant_log_odds])), 1)
    design = members.get("design.json")
    drawn = Drawn.from_json(design, f"{path} (its design)") if design else None
    as_stored = vars(stored) | {"recalibration": recalibration}
    return Model(label=label, fitted=fitted, drawn=drawn, **as_stored)
