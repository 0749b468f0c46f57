"""Pilots, designs and models as objects, and as what lies on disk.

One place for what several steps read: a pilot travels inside a sample's design, and a design inside
a model, so that each later step needs nothing but the file that it is given.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance import __version__
from rebalance.core.correction import to_population
from rebalance.core.design import Design
from rebalance.core.encoding import Encoder
from rebalance.core.kinds import Kind
from rebalance.core.labels import Label
from rebalance.errors import ArtifactError
from rebalance.learners import get_learner
from rebalance.learners.base import Fitted
from rebalance.learners.logistic import LinearModel
from rebalance.samplers import Sampler, get_sampler
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

DESIGN_KEY = b"rebalance.design"


@dataclass(frozen=True)
class PilotDraw:
    """Which negatives the pilot was fitted on: those with a draw of at most `bound`, if known."""

    seed: int
    rate: float
    bound: float | None
    made_from: str


@dataclass(frozen=True)
class Pilot:
    """A cheap model of the population: its log odds are on the population's scale.

    columns : the types of all columns of the table it was made from, as Arrow names them; empty in
        a pilot of a version that did not store them.
    positives_outer : M, the sum over the draw's positives of z z', shape (d, d).
    plan : see `steps.information.efficiency_curves`; empty in a pilot of an earlier version.
    """

    content: bytes
    label: Label
    learner: str
    fitted: Fitted
    population_log_odds: float
    drop: tuple[str, ...]
    key: str | None
    sample_weight: str | None
    columns: Mapping[str, str]
    positives_outer: Floats
    plan: Mapping[str, Any]
    draw: PilotDraw

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The columns it reads, by kind."""
        return self.fitted.kinds

    @property
    def encoder(self) -> Encoder | None:
        """What makes z of the columns; None where z = (1, log odds)."""
        return encoder_of(self.fitted)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the artifact's bytes."""
        return hashlib.sha256(self.content).hexdigest()

    def log_odds(self, columns: Columns) -> Floats:
        """The population's log odds at every row, shape (n,)."""
        rows = len(next(iter(columns.values())))
        return self.fitted.log_odds(columns, np.full(rows, self.population_log_odds))

    def surprises(self, columns: Columns) -> dict[str, int]:
        """Values for which training left no place, by column."""
        return self.fitted.surprises(columns)


def pilot_content(
    manifest: Mapping[str, Any],
    fitted: Fitted,
    information: NDArray[np.float64],
    quantiles: Mapping[str, NDArray[np.float64]],
    plan: Mapping[str, Any],
) -> bytes:
    """The bytes of a pilot."""
    members = dict(fitted.members()) | {"plan.json": json.dumps(plan, sort_keys=True).encode()}
    arrays = {"positives_outer.npy": information}
    arrays |= {f"log_odds_{name}.npy": values for name, values in quantiles.items()}
    for name, values in arrays.items():
        stream = io.BytesIO()
        np.save(stream, values, allow_pickle=False)
        members[name] = stream.getvalue()
    return pack("pilot", {"rebalance": __version__, **manifest}, members)


def load_pilot(content: bytes, title: str) -> Pilot:
    """The pilot in these bytes.

    Raises
    ------
    ArtifactError : see `storage.artifacts.unpack`.
    """
    manifest, members = unpack(content, "pilot", title)
    counts = manifest["counts"]
    outer = np.load(io.BytesIO(members["positives_outer.npy"]), allow_pickle=False)
    return Pilot(
        content=content,
        label=Label.from_document(manifest["label"]),
        learner=manifest["learner"],
        fitted=get_learner(manifest["learner"]).load(members),
        population_log_odds=manifest["population_log_odds"],
        drop=tuple(manifest["drop"]),
        key=manifest["key"],
        sample_weight=manifest["sample_weight"],
        columns=manifest.get("columns", {}),
        positives_outer=outer,
        plan=json.loads(members.get("plan.json", b"{}")),
        draw=PilotDraw(
            manifest["seed"],
            counts["drawn_negatives"] / counts["negatives"],
            manifest.get("negatives_draw"),
            manifest["made_from"],
        ),
    )


def encoder_of(fitted: Fitted) -> Encoder | None:
    """What makes z of the columns; None for trees, where z = (1, log odds)."""
    return fitted.encoder if isinstance(fitted, LinearModel) else None


def read_pilot(path: str) -> Pilot:
    """The pilot in a file.

    Raises
    ------
    ArtifactError : see `storage.artifacts.read_artifact`.
    """
    return load_pilot(artifact_bytes(path, "pilot"), path)


@dataclass(frozen=True)
class Drawn:
    """A design together with the pilot it scores rows with: recomputes what any row got."""

    design: Design
    pilot: Pilot | None

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The columns needed to recompute inclusion probabilities, by kind."""
        return self._sampler.kinds if self.design.correctable else {}

    @cached_property
    def _sampler(self) -> Sampler:
        return get_sampler(self.design.method, self.pilot, self.design.score)

    def offset_of(self, columns: Columns, rows: int) -> Floats:
        """l of every row of a table in memory, shape (rows,)."""
        return self.design.offset(self._sampler.log_score(self._sampler.rank(columns, rows)))

    def log_score_of(self, rank: Floats) -> Floats:
        """log t of rows of these ranks, shape (n,)."""
        return self._sampler.log_score(rank)

    def offset(self, batch: Batch) -> Floats:
        """l of every row, shape (n,)."""
        return self.offset_of(batch.features(self.kinds), len(batch))

    def to_json(self) -> str:
        """The design as JSON, the pilot inside it as base64."""
        document = {
            "kind": "design",
            "format": FORMAT,
            "rebalance": __version__,
            **self.design.to_document(),
            "pilot": base64.b64encode(self.pilot.content).decode() if self.pilot else None,
        }
        return json.dumps(document | {"digest": _digest(document)}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes, title: str) -> Drawn:
        """The design that `to_json` described.

        Raises
        ------
        ArtifactError : damaged, of a newer format, or with another pilot than it was made with.
        """
        where = f"file '{title}'"
        try:
            document = json.loads(text)
            newer = document["kind"] == "design" and document["format"] > FORMAT
            design = None if newer else Design.from_document(document)
            packed = None if newer else document["pilot"]
            digest = document.pop("digest")
            content = base64.b64decode(packed, validate=True) if packed else None
        except (ValueError, KeyError, TypeError) as exc:
            raise ArtifactError(
                "the design is damaged", where=where, remedy="draw the sample again"
            ) from exc
        if design is None:
            raise ArtifactError(
                f"the design is of format {document['format']}, and this version reads up to "
                f"{FORMAT}",
                where=where,
                remedy="upgrade: pip install -U rebalance-cli",
            )
        if _digest(document) != digest:
            raise ArtifactError(
                "the design was altered", where=where, remedy="draw the sample again"
            )
        pilot = load_pilot(content, f"{title} (its pilot)") if content else None
        if (pilot.digest if pilot else None) != design.pilot_digest:
            raise ArtifactError(
                "the design's pilot is not the one it was made with",
                where=where,
                remedy="draw the sample again",
            )
        return cls(design, pilot)


@dataclass(frozen=True)
class Model:
    """A trained model; `scale` says whether its own output is the sample's or the population's."""

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

    @property
    def correctable(self) -> bool:
        """Whether its log odds are the population's; else they stay the sample's."""
        return self.drawn is None or self.drawn.design.correctable

    @property
    def kinds(self) -> dict[str, Kind]:
        """The columns needed for the population's probabilities, by kind."""
        needed = dict(self.fitted.kinds)
        if self.drawn is not None and (self.scale == "sample" or self.starts_from_pilot):
            needed |= self.drawn.kinds
        return needed

    def surprises(self, batch: Batch) -> dict[str, int]:
        """Values for which the model, or the pilot it needs, has no place, by column."""
        found = self.fitted.surprises(batch.features(self.fitted.kinds))
        pilot = self.drawn.pilot if self.drawn else None
        if pilot is not None and (self.scale == "sample" or self.starts_from_pilot):
            found = pilot.surprises(batch.features(pilot.kinds)) | found
        return found

    def log_odds(self, batch: Batch) -> Floats:
        """The population's log odds at every row, shape (n,); the sample's if not correctable."""
        baseline = np.full(len(batch), self.constant_log_odds)
        if self.starts_from_pilot and self.drawn is not None and self.drawn.pilot is not None:
            baseline = self.drawn.pilot.log_odds(batch.features(self.drawn.pilot.kinds))
        found = self.fitted.log_odds(batch.features(self.fitted.kinds), baseline)
        if self.scale == "sample" and self.drawn is not None and self.correctable:
            return to_population(found, self.drawn.offset(batch))
        return found

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
            **manifest,
        }
        return pack("model", whole, members)


def read_model(path: str) -> Model:
    """The model in a file.

    Raises
    ------
    ArtifactError : see `storage.artifacts.read_artifact`.
    """
    manifest, members = read_artifact(path, "model")
    design = members.get("design.json")
    return Model(
        label=Label.from_document(manifest["label"]),
        learner=manifest["learner"],
        fitted=get_learner(manifest["learner"]).load(members),
        correction=manifest["correction"],
        scale=manifest["scale"],
        starts_from_pilot=manifest["starts_from_pilot"],
        constant_log_odds=manifest["constant_log_odds"],
        drawn=Drawn.from_json(design, f"{path} (its design)") if design else None,
        summary=manifest["summary"],
        sample_weight=manifest["sample_weight"],
    )


def design_sidecar(sample: str) -> str:
    """Where the design of a CSV sample lies."""
    return f"{sample}.design.json"


def read_design(path: str, metadata: Mapping[bytes, bytes]) -> Drawn | None:
    """The design of a sample: in the Parquet metadata, or in the file beside a CSV."""
    if DESIGN_KEY in metadata:
        return Drawn.from_json(metadata[DESIGN_KEY], path)
    sidecar = design_sidecar(path)
    if path != "-" and exists(sidecar):
        return read_design_file(sidecar)
    return None


def read_design_file(path: str) -> Drawn:
    """The design in a JSON file.

    Raises
    ------
    ArtifactError : no such file, or damaged.
    """
    remedy = "name the file that 'rebalance sample' wrote"
    return Drawn.from_json(named_bytes(path, "design", remedy), path)


def _digest(document: Mapping[str, Any]) -> str:
    """SHA-256 of a document, whatever the order of its keys."""
    text = json.dumps(document, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
