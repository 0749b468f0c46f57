"""A pilot of two classes."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebalance import __version__
from rebalance.core.encoding import Encoder
from rebalance.core.labels import Label
from rebalance.core.posterior import Posterior
from rebalance.errors import ArtifactError
from rebalance.learners import get_learner
from rebalance.learners.base import Fitted
from rebalance.learners.logistic import LinearModel
from rebalance.steps.artifacts.stored import Columns, StoredPilot
from rebalance.storage.artifacts import artifact_bytes, pack, undamaged, unpack

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PilotDraw:
    """What the pilot was fitted on: of the negatives those with a draw of at most `bound`."""

    seed: int
    positives: int
    rate: float
    bound: float | None
    made_from: str


@dataclass(frozen=True)
class Pilot(StoredPilot[Fitted]):
    """A cheap model of the population: its log odds are on the population's scale.

    positives_outer : M, the sum over the draw's positives of z z', shape (d, d).
    plan : see `steps.information.efficiency_curves`; empty in a pilot of an earlier version;
        where nothing can be planned, the reason as "withheld".
    known : the population's log odds about the pilot's; None for trees and in earlier versions.
    """

    label: Label
    population_log_odds: float
    positives_outer: Floats
    plan: Mapping[str, Any]
    draw: PilotDraw
    known: Posterior | None = None

    @property
    def encoder(self) -> Encoder | None:
        """What makes z of the columns; None where z = (1, log odds)."""
        return encoder_of(self.fitted)

    def log_odds(self, columns: Columns) -> Floats:
        """The population's log odds at every row, shape (n,)."""
        rows = len(next(iter(columns.values())))
        return self.fitted.log_odds(columns, np.full(rows, self.population_log_odds))


def pilot_content(
    manifest: Mapping[str, Any],
    fitted: Fitted,
    information: NDArray[np.float64],
    quantiles: Mapping[str, NDArray[np.float64]],
    plan: Mapping[str, Any],
    *,
    known: Posterior | None = None,
) -> bytes:
    """The bytes of a pilot."""
    members = dict(fitted.members()) | {"plan.json": json.dumps(plan, sort_keys=True).encode()}
    arrays: dict[str, NDArray[Any]] = {"positives_outer.npy": information}
    if known is not None:
        arrays["posterior.npy"] = known.to_array()
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
    with undamaged("pilot", title):
        return _pilot(content, manifest, members, title)


def _pilot(
    content: bytes, manifest: Mapping[str, Any], members: Mapping[str, bytes], title: str
) -> Pilot:
    if "classes" in manifest["label"]:
        raise ArtifactError(
            "the pilot is of many classes, where one of a positive value is needed",
            where=f"file '{title}'",
            remedy="make one with 'rebalance pilot --positive VALUE'",
        )
    counts = manifest["counts"]
    outer = np.load(io.BytesIO(members["positives_outer.npy"]), allow_pickle=False)
    if outer.ndim != 2 or outer.dtype != np.float64:
        raise ValueError("what it holds of its positives is no matrix")
    return Pilot(
        content=content,
        label=Label.from_document(manifest["label"]),
        learner=manifest["learner"],
        fitted=get_learner(manifest["learner"]).load(members),
        population_log_odds=float(manifest["population_log_odds"]),
        drop=tuple(manifest["drop"]),
        key=manifest["key"],
        sample_weight=manifest["sample_weight"],
        columns=manifest.get("columns", {}),
        positives_outer=outer,
        plan=json.loads(members.get("plan.json", b"{}")),
        draw=PilotDraw(
            manifest["seed"],
            counts["drawn_positives"],
            counts["drawn_negatives"] / counts["negatives"],
            manifest.get("negatives_draw"),
            manifest["made_from"],
        ),
        known=_posterior(members.get("posterior.npy")),
    )


def _posterior(member: bytes | None) -> Posterior | None:
    if member is None:
        return None
    return Posterior.from_array(np.load(io.BytesIO(member), allow_pickle=False))


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
