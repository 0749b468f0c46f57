"""Pilots, designs and models of many classes, as objects and as what lies on disk.

Their label names classes instead of a positive value, and their format is one number higher than
that of two classes, so that older versions say what they lack.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance import __version__
from rebalance.core.class_design import ClassDesign, log_shares
from rebalance.core.classes import Classes, log_rest, log_softmax, to_population
from rebalance.core.kinds import Kind
from rebalance.errors import ArtifactError
from rebalance.learners.class_base import ClassFitted
from rebalance.learners.classes import get_class_learner
from rebalance.steps.artifacts import DESIGN_KEY, design_sidecar, digest_of
from rebalance.storage.artifacts import (
    FORMAT,
    artifact_bytes,
    named_bytes,
    pack,
    read_artifact,
    unpack,
)
from rebalance.storage.remote import exists
from rebalance.storage.tables import Batch

Floats = NDArray[np.float64]
Columns = Mapping[str, pa.Array]


@dataclass(frozen=True)
class ClassPilot:
    """A cheap model of the population of many classes.

    counts : rows of each class in the table it was made from, in the order of the classes.
    baseline : shape (K,), the log shares, in which the user's weights count.
    columns : the types of all columns of that table, as Arrow names them.
    """

    content: bytes
    label: Classes
    counts: tuple[int, ...]
    learner: str
    fitted: ClassFitted
    baseline: tuple[float, ...]
    drop: tuple[str, ...]
    key: str | None
    sample_weight: str | None
    columns: Mapping[str, str]

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The columns it reads, by kind."""
        return self.fitted.kinds

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the artifact's bytes."""
        return hashlib.sha256(self.content).hexdigest()

    def log_prob(self, columns: Columns) -> Floats:
        """The population's log probabilities at every row, shape (n, K)."""
        rows = len(next(iter(columns.values())))
        return log_softmax(self.fitted.scores(columns, repeated(self.baseline, rows)))

    def surprises(self, columns: Columns) -> dict[str, int]:
        """Values for which training left no place, by column."""
        return self.fitted.surprises(columns)


def class_pilot_content(manifest: Mapping[str, Any], fitted: ClassFitted) -> bytes:
    """The bytes of a pilot of many classes."""
    whole = {"format": FORMAT, "rebalance": __version__, **manifest}
    return pack("pilot", whole, fitted.members())


def load_class_pilot(content: bytes, title: str) -> ClassPilot:
    """The pilot of many classes in these bytes.

    Raises
    ------
    ArtifactError : see `storage.artifacts.unpack`.
    """
    manifest, members = unpack(content, "pilot", title)
    return ClassPilot(
        content=content,
        label=Classes.from_document(manifest["label"]),
        counts=tuple(manifest["label"]["counts"]),
        learner=manifest["learner"],
        fitted=get_class_learner(manifest["learner"]).load(members),
        baseline=tuple(manifest["baseline"]),
        drop=tuple(manifest["drop"]),
        key=manifest["key"],
        sample_weight=manifest["sample_weight"],
        columns=manifest["columns"],
    )


def read_if_class_pilot(path: str) -> ClassPilot | None:
    """The pilot in a file where it is one of many classes.

    Raises
    ------
    ArtifactError : see `storage.artifacts.read_artifact`.
    """
    content = artifact_bytes(path, "pilot")
    manifest, _ = unpack(content, "pilot", path)
    return load_class_pilot(content, path) if "classes" in manifest["label"] else None


@dataclass(frozen=True)
class ClassDrawn:
    """A design of many classes with its pilot: recomputes what a row of any class got."""

    design: ClassDesign
    pilot: ClassPilot | None

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The columns needed to recompute inclusion probabilities, by kind."""
        return {} if self.scoring is None else self.scoring.kinds

    @property
    def scoring(self) -> ClassPilot | None:
        """The pilot that gives the scores; None where all rows of a class are alike."""
        return None if self.design.score == "uniform" else self.pilot

    def log_scores(self, columns: Columns, rows: int) -> Floats:
        """log t_k of every row, shape (rows, K): 0 for uniform sampling."""
        return log_scores(self.scoring, columns, rows, len(self.design.label))

    def log_pi(self, columns: Columns, rows: int) -> Floats:
        """log pi_k of every row, shape (rows, K)."""
        return self.design.log_pi(self.log_scores(columns, rows))

    def to_json(self) -> str:
        """The design as JSON, the pilot inside it as base64."""
        document = {
            "kind": "design",
            "format": FORMAT,
            "rebalance": __version__,
            **self.design.to_document(),
            "pilot": base64.b64encode(self.pilot.content).decode() if self.pilot else None,
        }
        return json.dumps(document | {"digest": digest_of(document)}, sort_keys=True)


def log_scores(pilot: ClassPilot | None, columns: Columns, rows: int, classes: int) -> Floats:
    """log t_k = log(1 - p~_k) of every row, shape (rows, K); 0 without a pilot."""
    if pilot is None:
        return np.zeros((rows, classes), order="F")
    return log_rest(pilot.log_prob(columns))


def class_drawn_of(document: Mapping[str, Any], title: str) -> ClassDrawn:
    """The design that `ClassDrawn.to_json` described.

    Raises
    ------
    ArtifactError : damaged, of a newer format, or with another pilot than it was made with.
    """
    where = f"file '{title}'"
    if document.get("format", 0) > FORMAT:
        raise ArtifactError(
            f"the design is of format {document['format']}, and this version reads up to {FORMAT}",
            where=where,
            remedy="upgrade: pip install -U rebalance-cli",
        )
    try:
        signed = dict(document)
        digest = signed.pop("digest")
        altered = digest_of(signed) != digest
        design = ClassDesign.from_document(document)
        packed = document["pilot"]
        content = base64.b64decode(packed, validate=True) if packed else None
    except (ValueError, KeyError, TypeError) as exc:
        raise ArtifactError(
            "the design is damaged", where=where, remedy="draw the sample again"
        ) from exc
    if altered:
        raise ArtifactError("the design was altered", where=where, remedy="draw the sample again")
    pilot = load_class_pilot(content, f"{title} (its pilot)") if content else None
    if (pilot.digest if pilot else None) != design.pilot_digest:
        raise ArtifactError(
            "the design's pilot is not the one it was made with",
            where=where,
            remedy="draw the sample again",
        )
    return ClassDrawn(design, pilot)


def read_if_class_design(
    path: str | None, metadata: Mapping[bytes, bytes], design: str | None = None
) -> ClassDrawn | None:
    """The design of a sample, or the one in the JSON file `design`, where it is of many classes.

    What cannot be read is left for `steps.artifacts` to say.

    Raises
    ------
    ArtifactError : it is of many classes, and damaged.
    """
    title = design or path or ""
    if design is not None:
        text: bytes | None = named_bytes(
            design, "design", "name the file that 'rebalance sample' wrote"
        )
    elif DESIGN_KEY in metadata:
        text = metadata[DESIGN_KEY]
    elif path is not None and path != "-" and exists(design_sidecar(path)):
        title = design_sidecar(path)
        text = named_bytes(title, "design", "draw the sample again")
    else:
        text = None
    try:
        document = json.loads(text) if text is not None else None
    except ValueError:
        return None
    label = document.get("label") if isinstance(document, dict) else None
    if document is None or not isinstance(label, dict) or "classes" not in label:
        return None
    return class_drawn_of(document, title)


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

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Balance:
        """The balance that `to_document` described."""
        return cls(document["name"], document["tau"], tuple(document["log_shares"]))


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
        """What its probabilities are true for: the population, or balanced classes."""
        return "population" if self.balance is None else "balanced"

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
        """The population's log probabilities of every row, shape (n, K)."""
        baseline = repeated(self.baseline, len(batch))
        if self.starts_from_pilot and self.drawn is not None and self.drawn.pilot is not None:
            pilot = self.drawn.pilot
            start = pilot.log_prob(batch.features(pilot.kinds))
            baseline = np.asfortranarray(start[:, list(self.present)])
        scores = self.fitted.scores(batch.features(self.fitted.kinds), baseline)
        found = np.full((len(batch), len(self.label)), -np.inf, order="F")
        found[:, list(self.present)] = scores
        if self.scale == "sample" and self.drawn is not None:
            columns = batch.features(self.drawn.kinds)
            return to_population(found, self.drawn.log_pi(columns, len(batch)))
        return log_softmax(found)

    def content(self, manifest: Mapping[str, Any]) -> bytes:
        """The bytes of the artifact; `manifest` adds how it was made."""
        members = dict(self.fitted.members())
        if self.drawn is not None:
            members["design.json"] = self.drawn.to_json().encode()
        whole = {
            "format": FORMAT,
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
    manifest, members = read_artifact(path, "model")
    if "classes" not in manifest["label"]:
        return None
    design, balance = members.get("design.json"), manifest["balance"]
    title = f"{path} (its design)"
    return ClassModel(
        label=Classes.from_document(manifest["label"]),
        present=tuple(manifest["present"]),
        learner=manifest["learner"],
        fitted=get_class_learner(manifest["learner"]).load(members),
        correction=manifest["correction"],
        scale=manifest["scale"],
        starts_from_pilot=manifest["starts_from_pilot"],
        baseline=tuple(manifest["baseline"]),
        drawn=class_drawn_of(json.loads(design), title) if design else None,
        balance=Balance.from_document(balance) if balance else None,
        summary=manifest["summary"],
        sample_weight=manifest["sample_weight"],
    )


def repeated(values: Sequence[float], rows: int) -> Floats:
    """The same numbers for every row, shape (rows, K)."""
    found = np.empty((rows, len(values)), order="F")
    found[:] = np.asarray(values)
    return found


def weighted_log_shares(
    counts: Sequence[int], codes: NDArray[np.int64], weight: Floats, expanded: Floats | None = None
) -> Floats:
    """Log shares of the classes in which the rows' weights count, shape (K,).

    counts : rows in the population. weight : the user's, of the rows at hand, each of which stands
        for `expanded` rows of its class.
    """
    own = np.ones(len(codes)) if expanded is None else expanded
    means = np.bincount(codes, own * weight, len(counts)) / np.bincount(codes, own, len(counts))
    shares = log_shares(counts) + np.log(means)
    return np.asarray(log_softmax(shares[None, :])[0], dtype=np.float64)
