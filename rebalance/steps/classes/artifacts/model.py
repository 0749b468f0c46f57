"""A model of many classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rebalance import __version__
from rebalance.core.classes import Classes, log_softmax, repeated, to_population
from rebalance.core.described import read_document
from rebalance.core.kinds import Kind
from rebalance.learners.class_base import ClassFitted
from rebalance.learners.classes import get_class_learner
from rebalance.steps.artifacts.stored import one_row, require_finite
from rebalance.steps.classes.artifacts.drawn import ClassDrawn
from rebalance.steps.classes.artifacts.pilot import ClassPilot
from rebalance.storage.artifacts import (
    CLASSES_FORMAT,
    artifact_bytes,
    is_of_classes,
    pack,
    restored,
    unpack,
)
from rebalance.storage.tables import Batch

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Balance:
    """A model about the balanced error: tau times the log shares are taken off its log scores.

    Logit adjustment (Menon et al. 2021, arXiv 2007.07314, equation 10) adds tau log(share_k) to the
    scores in the loss; balanced softmax (Ren et al. 2020, arXiv 2007.10740, equation 4) the log of
    the classes' counts, which is tau = 1. Our learners start from the shares, or have an intercept
    for each class that is not penalised, so that to fit with it and to take it off are the same.
    """

    name: str
    tau: float
    log_shares: tuple[float, ...]

    @property
    def shift(self) -> Floats:
        """What is taken off the population's log probabilities, shape (K,)."""
        return self.tau * np.asarray(self.log_shares)

    def to_document(self) -> dict[str, Any]:
        """The balance as JSON."""
        return {"name": self.name, "tau": self.tau, "log_shares": list(self.log_shares)}


@dataclass(frozen=True)
class ClassModel:
    """A trained model of many classes.

    present : the places among the label's classes of those with training rows, K' of them, in the
        order in which `fitted` knows them; the others have probability 0.
    baseline : shape (K',), scores to start from where the pilot does not give them.
    scale : whether its own output is the sample's or the population's.
    """

    label: Classes
    present: tuple[int, ...]
    learner: str
    fitted: ClassFitted
    correction: str
    scale: str
    starts_from_pilot: bool
    baseline: tuple[float, ...]
    drawn: ClassDrawn | None
    balance: Balance | None
    summary: Mapping[str, Any]
    sample_weight: str | None

    @property
    def output_scale(self) -> str:
        """What its probabilities are true for: the population, balanced classes, or "sampled".

        The last where nothing undoes how its sample was made.
        """
        if not self.gives_population:
            return "sampled"
        return "population" if self.balance is None else "balanced"

    @property
    def gives_population(self) -> bool:
        """Whether it is known how its sample was drawn, so that it can be undone."""
        return self.drawn is None or self.drawn.design.correctable

    @property
    def kinds(self) -> dict[str, Kind]:
        """The columns needed for its probabilities, by kind."""
        needed = dict(self.fitted.kinds)
        if self._needs_pilot is not None:
            needed |= self._needs_pilot.kinds
        return needed

    @property
    def _needs_pilot(self) -> ClassPilot | None:
        if self.drawn is None:
            return None
        if self.starts_from_pilot:
            return self.drawn.pilot
        return self.drawn.scoring if self.scale == "sample" else None

    def surprises(self, batch: Batch) -> dict[str, int]:
        """Values for which the model, or the pilot it needs, has no place, by column."""
        found = self.fitted.surprises(batch.features(self.fitted.kinds))
        if self._needs_pilot is not None:
            pilot = self._needs_pilot
            found = pilot.surprises(batch.features(pilot.kinds)) | found
        return found

    def log_prob(self, batch: Batch) -> Floats:
        """The population's log probabilities of every row, or the sample's, shape (n, K).

        The latter where `gives_population` is false.
        """
        baseline = repeated(self.baseline, len(batch))
        if self.starts_from_pilot and self.drawn is not None and self.drawn.pilot is not None:
            pilot = self.drawn.pilot
            start = pilot.log_prob(batch.features(pilot.kinds))
            baseline = np.asfortranarray(start[:, list(self.present)])
        scores = self.fitted.scores(batch.features(self.fitted.kinds), baseline)
        found = np.full((len(batch), len(self.label)), -np.inf, order="F")
        found[:, list(self.present)] = scores
        if self.scale == "sample" and self.drawn is not None and self.gives_population:
            columns = batch.features(self.drawn.kinds)
            return to_population(found, self.drawn.log_pi(columns, len(batch)))
        return log_softmax(found)

    def content(self, manifest: Mapping[str, Any]) -> bytes:
        """The bytes of the artifact; `manifest` adds how it was made."""
        members = dict(self.fitted.members())
        if self.drawn is not None:
            members["design.json"] = self.drawn.to_json().encode()
        whole = {
            "format": CLASSES_FORMAT,
            "rebalance": __version__,
            "label": self.label.to_document(),
            "present": list(self.present),
            "learner": self.learner,
            "correction": self.correction,
            "scale": self.scale,
            "output_scale": self.output_scale,
            "starts_from_pilot": self.starts_from_pilot,
            "baseline": list(self.baseline),
            "balance": self.balance.to_document() if self.balance else None,
            "summary": dict(self.summary),
            "sample_weight": self.sample_weight,
            **manifest,
        }
        return pack("model", whole, members)


def read_if_class_model(path: str) -> ClassModel | None:
    """The model in a file where it is one of many classes.

    Raises
    ------
    ArtifactError : see `storage.artifacts.read_artifact`.
    """
    content = artifact_bytes(path, "model")
    if not is_of_classes(unpack(content, "model", path)[0]):
        return None
    return restored(content, "model", path, partial(_model, path))


@dataclass(frozen=True)
class _Manifest:
    """What is needed of the manifest beside the classes."""

    present: tuple[int, ...]
    learner: str
    correction: str
    scale: Literal["population", "sample"]
    starts_from_pilot: bool
    baseline: tuple[float, ...]
    balance: Balance | None
    summary: Mapping[str, Any]
    sample_weight: str | None


def _model(path: str, manifest: Mapping[str, Any], members: Mapping[str, bytes]) -> ClassModel:
    label = Classes.from_document(manifest["label"])
    stored = read_document(_Manifest, manifest)
    present, places = stored.present, range(len(label))
    if not len(present) == len({*present} & {*places}) == len(stored.baseline) > 1:
        raise ValueError("its classes are not those of its baseline")
    if stored.balance is not None and len(stored.balance.log_shares) != len(label):
        raise ValueError("its classes are not those of its balance")
    fitted = get_class_learner(stored.learner).load(members)
    scores = fitted.scores(one_row(fitted), np.asfortranarray([stored.baseline]))
    require_finite(scores, 1, len(present))
    design = members.get("design.json")
    drawn = ClassDrawn.from_json(design, f"{path} (its design)") if design else None
    if drawn is not None and len(drawn.design.label) != len(label):
        raise ValueError("its classes are not those of its design")
    return ClassModel(label=label, fitted=fitted, drawn=drawn, **vars(stored))
