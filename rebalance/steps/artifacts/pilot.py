"""A pilot of two classes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebalance import __version__
from rebalance.core.described import array_bytes, read_array, read_document, read_json
from rebalance.core.encoding import Encoder
from rebalance.core.labels import Label
from rebalance.core.posterior import Posterior
from rebalance.errors import ArtifactError
from rebalance.learners import get_learner
from rebalance.learners.base import Fitted
from rebalance.learners.logistic import LinearModel
from rebalance.steps.artifacts.stored import Columns, StoredPilot, one_row, require_finite
from rebalance.storage.artifacts import artifact_bytes, is_of_classes, pack, restored

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
    known : the population's log odds; None for trees and in earlier versions.
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
        return _linear_encoder(self.fitted)

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
        arrays["population.npy"] = known.to_array()
    arrays |= {f"log_odds_{name}.npy": values for name, values in quantiles.items()}
    members |= {name: array_bytes(values) for name, values in arrays.items()}
    return pack("pilot", {"rebalance": __version__, **manifest}, members)


def load_pilot(content: bytes, title: str) -> Pilot:
    """The pilot in these bytes.

    Raises
    ------
    ArtifactError : see `storage.artifacts.unpack`.
    """
    return restored(content, "pilot", title, partial(_pilot, content))


@dataclass(frozen=True)
class _Counts:
    drawn_positives: int
    drawn_negatives: int
    negatives: int


@dataclass(frozen=True)
class _Manifest:
    """What is needed of the manifest; earlier versions have neither columns nor bound."""

    label: Label
    learner: str
    population_log_odds: float
    drop: tuple[str, ...]
    key: str | None
    sample_weight: str | None
    seed: int
    made_from: str
    counts: _Counts
    columns: Mapping[str, str] = field(default_factory=dict)
    negatives_draw: float | None = None

    @property
    def draw(self) -> PilotDraw:
        """What the pilot was fitted on."""
        counts = self.counts
        rate = counts.drawn_negatives / counts.negatives
        if not (counts.drawn_positives > 0 and 0 < rate <= 1 and 0 <= self.seed < 1 << 64):
            raise ValueError("what it says of its rows cannot be")
        return PilotDraw(
            self.seed, counts.drawn_positives, rate, self.negatives_draw, self.made_from
        )


@dataclass(frozen=True)
class _Plan:
    """What may be in `plan.json`: curves, or why there are none."""

    rates: tuple[float, ...] = ()
    efficiency: Mapping[str, Mapping[str, tuple[float, ...]]] = field(default_factory=dict)
    correction: str = "offset"
    standard_error_of_log: Mapping[str, Mapping[str, tuple[float, ...]]] | None = None
    misfit: float | None = None
    withheld: str | None = None

    def check(self) -> None:
        """Check that the curves are curves over the rates.

        Raises
        ------
        ValueError : they are not.
        """
        errors = self.standard_error_of_log
        curves = [self.efficiency, *([] if errors is None else [errors])]
        names = [{(each, score) for each in of for score in of[each]} for of in curves]
        lengths = {len(curve) for of in curves for each in of.values() for curve in each.values()}
        rising = all(low < high for low, high in pairwise((0.0, *self.rates)))
        if not rising or lengths - {len(self.rates) or None} or names[0] != names[-1]:
            raise ValueError("its curves are not of its rates")


def _pilot(content: bytes, manifest: Mapping[str, Any], members: Mapping[str, bytes]) -> Pilot:
    if is_of_classes(manifest):
        raise ArtifactError(
            "the pilot is of many classes, where one of a positive value is needed",
            remedy="make one with 'rebalance pilot --positive VALUE'",
        )
    stored = read_document(_Manifest, manifest)
    draw = stored.draw
    fitted = get_learner(stored.learner).load(members)
    require_finite(fitted.log_odds(one_row(fitted), np.array([stored.population_log_odds])), 1)
    encoder = _linear_encoder(fitted)
    size = 2 if encoder is None else 1 + len(encoder.names)
    plan = members.get("plan.json", b"{}")
    read_json(_Plan, plan).check()
    outer = read_array(members["positives_outer.npy"], np.float64, size, size)
    known = members.get("population.npy")
    return Pilot(
        content=content,
        label=stored.label,
        learner=stored.learner,
        fitted=fitted,
        population_log_odds=stored.population_log_odds,
        drop=stored.drop,
        key=stored.key,
        sample_weight=stored.sample_weight,
        columns=stored.columns,
        positives_outer=outer,
        plan=json.loads(plan),
        draw=draw,
        known=None if known is None else _posterior(known, size - 1),
    )


def _posterior(member: bytes, slopes: int) -> Posterior:
    stored = read_array(member, np.float32, Posterior.length(slopes))
    return Posterior.from_array(stored, slopes)


def _linear_encoder(fitted: Fitted) -> Encoder | None:
    """What makes z of the columns; None for trees, where z = (1, log odds)."""
    return fitted.encoder if isinstance(fitted, LinearModel) else None


def read_pilot(path: str) -> Pilot:
    """The pilot in a file.

    Raises
    ------
    ArtifactError : see `storage.artifacts.read_artifact`.
    """
    return load_pilot(artifact_bytes(path, "pilot"), path)
