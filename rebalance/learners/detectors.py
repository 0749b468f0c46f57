"""One-class learners: fitted to the common class alone, they score how strange a row is.

A score is no probability. Moved and scaled so that a logistic curve fits it well, it stands where
other learners have log odds, and the recalibration on natural rows makes a probability of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.described import read_json
from rebalance.core.encoding import Encoder
from rebalance.core.parameters import Value
from rebalance.errors import FitError
from rebalance.learners.base import Fitted, Settings, TrainingRows
from rebalance.learners.catalogue import Entry
from rebalance.learners.encoded import Encoded
from rebalance.learners.ensembles import fit_quietly
from rebalance.learners.listed import Listed
from rebalance.learners.skops_member import damaged

Floats = NDArray[np.float64]

_NORMAL = 1.3489795003921634  # between the quartiles of a normal distribution, in its deviations


@dataclass(frozen=True)
class Kept:
    """A fitted detector as it is kept.

    score : of rows of z, shape (n, d), higher where they are stranger, shape (n,).
    members : what it is kept as. made_by : the library, with its version.
    """

    score: Callable[[Floats], Floats]
    members: Mapping[str, bytes]
    made_by: str


class Backend(Protocol):
    """How detectors of one library are fitted, kept and read again."""

    def fit(
        self, name: str, matrix: Floats, given: Mapping[str, Value], settings: Settings
    ) -> tuple[Kept, tuple[str, ...]]:
        """The detector of these rows of z, and what the library warned of."""

    def load(self, name: str, members: Mapping[str, bytes], features: int, made_by: str) -> Kept:
        """The detector that was kept as `members`; it reads so many columns of z."""


@dataclass(frozen=True)
class DetectorModel(Encoded):
    """log odds = asinh((score - center) / scale), to be recalibrated.

    asinh is the identity near 0 and a logarithm far out, where scores have long tails.
    """

    name: str
    kept: Kept
    center: float
    scale: float
    fitted_on: int
    commons: int
    notes: tuple[str, ...] = ()

    def log_odds(self, columns: Mapping[str, pa.Array], baseline: Floats | None = None) -> Floats:
        """The standardised score of every row, shape (n,)."""
        score = self.kept.score(self.encoder.linear(columns))
        return np.arcsinh((score - self.center) / self.scale)

    def summary(self) -> dict[str, Any]:
        """On how many rows it was fitted."""
        return {
            "learner": self.name,
            "rows_of_the_common_class": f"{self.fitted_on} of {self.commons}",
        }

    def members(self) -> dict[str, bytes]:
        """The encoder and the standard as JSON, the detector as its library's."""
        document = {
            "encoder": self.encoder.to_document(),
            "center": self.center,
            "scale": self.scale,
            "fitted_on": self.fitted_on,
            "commons": self.commons,
            "made_by": self.kept.made_by,
        }
        return {"detector.json": json.dumps(document, sort_keys=True).encode(), **self.kept.members}


class Detector(Listed):
    """A learner of the common class; offsets and weights are no part of its fit."""

    def __init__(self, entry: Entry) -> None:
        from rebalance.learners.detector_backends import backend_of

        super().__init__(entry)
        self._backend: Backend = backend_of(entry)

    def fit(self, rows: TrainingRows, settings: Settings) -> Fitted:
        """Fit the negatives: all of them, or as many as --set rows says, drawn uniformly.

        Raises
        ------
        FitError : the library cannot fit them, or their scores are all the same.
        """
        given = self.parameters(settings)
        most = int(given.pop("rows"))
        common = np.flatnonzero(~rows.y_true)
        chosen = np.sort(common[np.argsort(rows.draws[common], kind="stable")[:most]])
        columns = {name: array.take(pa.array(chosen)) for name, array in rows.columns.items()}
        encoder = self.encoder(replace(rows, columns=columns))
        matrix = encoder.linear(columns)
        kept, notes = self._backend.fit(self.name, matrix, given, settings)
        score = kept.score(matrix)
        if not np.isfinite(score).all():
            raise FitError(
                f"{self.name} gives scores that are not finite, as where columns say the same",
                remedy="leave such columns out with --drop, or choose another --model"
                + (" (of pca, --set n_components=0.99 is enough)" if "pca" in self.name else ""),
            )
        low, center, high = np.quantile(score, [0.25, 0.5, 0.75])
        scale = (high - low) / _NORMAL or float(np.std(score))
        if not scale > 0:
            raise FitError(
                f"{self.name} scores all rows of the common class the same",
                remedy="give more columns, or choose another --model",
            )
        if len(chosen) < len(common):
            notes += (
                f"--model {self.name} is fitted to {len(chosen):,} of {len(common):,} rows of the "
                "common class, drawn uniformly (--set rows=N for more)",
            )
        return DetectorModel(
            encoder, self.name, kept, float(center), float(scale), len(chosen), len(common), notes
        )

    def load(self, members: Mapping[str, bytes]) -> Fitted:
        """The model that `members` described.

        Raises
        ------
        ArtifactError : it holds something else than such a detector, or one that is not whole.
        """
        stored = read_json(_Stored, members["detector.json"])
        encoder = Encoder.from_document(stored.encoder)
        features, made_by = len(encoder.names), stored.made_by
        kept = self._backend.load(self.name, members, features, made_by)
        try:
            kept.score(np.zeros((1, features)))
        except (ValueError, TypeError, IndexError, AttributeError, ArithmeticError) as exc:
            raise damaged(made_by, str(exc)) from exc
        return DetectorModel(
            encoder,
            self.name,
            kept,
            stored.center,
            stored.scale,
            stored.fitted_on,
            stored.commons,
        )


@dataclass(frozen=True)
class _Stored:
    """`detector.json`."""

    encoder: dict[str, Any]
    made_by: str
    center: float
    scale: float
    fitted_on: int
    commons: int


def fit_alone(name: str, detector: Any, matrix: Floats, threads: int | None = 1) -> tuple[str, ...]:
    """Fit a detector to rows without labels, by so many threads; see `ensembles.fit_quietly`."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(threads):
        return fit_quietly(name, detector, matrix, None, {})
