"""Logistic regression with an offset: a linear score of the encoded features."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.described import array_bytes, read_array, read_json
from rebalance.core.encoder_learning import learn_encoder
from rebalance.core.encoding import Encoder
from rebalance.core.inference import Spread, estimates, model_based, shrinkage
from rebalance.core.linear import LinearScore
from rebalance.core.sandwich import Sandwich, sandwich
from rebalance.errors import FitError
from rebalance.learners.base import Fitted, Settings, TrainingRows
from rebalance.learners.catalogue import ENTRIES
from rebalance.learners.encoded import LEVEL_ROWS, MAX_LEVELS, Encoded
from rebalance.learners.focal import FocalModel, UndoFocal, with_focal
from rebalance.learners.glm import Maximum, Penalty, Problem, maximise, one_thread
from rebalance.learners.penalties import choose_penalty
from rebalance.learners.separation import undetermined

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LinearModel(Encoded):
    """log odds = intercept + z'slopes, with z as the encoder makes it (standardised features)."""

    intercept: float
    slopes: Floats
    penalty: Penalty
    found_by: str
    iterations: int
    estimates: dict[str, Any] | None = None
    cross_validation: dict[str, Any] | None = None

    def log_odds(self, columns: Mapping[str, pa.Array], baseline: Floats | None = None) -> Floats:
        """The log odds of every row, shape (n,), added column by column."""
        return self._score(columns)

    @cached_property
    def _score(self) -> LinearScore:
        return LinearScore(self.encoder, self.intercept, self.slopes)

    def summary(self) -> dict[str, Any]:
        """Size of the model, penalty and iterations."""
        found: dict[str, Any] = {
            "learner": "logistic",
            "coefficients": 1 + len(self.slopes),
            "l1": self.penalty.l1,
            "l2": self.penalty.l2,
            "penalty_found_by": self.found_by,
            "iterations": self.iterations,
        }
        if self.penalty.l1:
            found["slopes_not_zero"] = int(np.count_nonzero(self.slopes))
        return found

    def members(self) -> dict[str, bytes]:
        """The encoder and estimates as JSON, the coefficients, intercept first, as an array."""
        document = {
            "encoder": self.encoder.to_document(),
            "names": ["intercept", *self.encoder.names],
            "l1": self.penalty.l1,
            "l2": self.penalty.l2,
            "penalty_found_by": self.found_by,
            "iterations": self.iterations,
            "estimates": self.estimates,
            "cross_validation": self.cross_validation,
        }
        return {
            "logistic.json": json.dumps(document, sort_keys=True).encode(),
            "coefficients.npy": array_bytes(np.concatenate([[self.intercept], self.slopes])),
        }


class Logistic:
    """Maximises sum w [y (g + l) - log(1 + exp(g + l))] - l1 |slopes| - l2/2 ||slopes||^2."""

    name = "logistic"
    accepts = ENTRIES["logistic"].accepts
    starts_from_baseline = False

    def fit(self, rows: TrainingRows, settings: Settings) -> Fitted:
        """Fit intercept and slopes; the offset of every row enters the likelihood.

        Raises
        ------
        FitError : no convergence; or, without a penalty, columns that say the same thing or classes
            that can be separated.
        """
        encoder = learn_encoder(
            rows.columns, rows.kinds, min_count=LEVEL_ROWS, max_levels=MAX_LEVELS
        )
        names = ["intercept", *encoder.names]
        z = np.column_stack([np.ones(len(rows)), encoder.linear(rows.columns)])
        weight = np.ones(len(rows)) if rows.sample_weight is None else rows.sample_weight
        problem = Problem(z, names, rows.y_true, rows.offset, weight)
        if settings.gamma:
            return self._focal(encoder, problem, rows, settings)
        with one_thread():
            chosen = choose_penalty(problem, rows, settings)
            best = maximise(problem, chosen.penalty)
            found = None
            if settings.estimates:
                robust = bool(settings.robust) or rows.sample_weight is not None
                robust |= rows.cluster is not None
                valid = settings.independent and not chosen.penalty.l1
                found = _estimates(
                    problem,
                    best,
                    chosen.penalty,
                    encoder,
                    robust=robust,
                    valid=valid,
                    cluster=rows.cluster,
                )
                if not chosen.penalty.none:
                    same, by = undetermined(problem, best.coefficients)
                    found |= {"collinear": same, "separated_by": by}
        return LinearModel(
            encoder,
            float(best.coefficients[0]),
            best.coefficients[1:],
            chosen.penalty,
            chosen.found_by,
            best.iterations,
            found,
            chosen.path,
        )

    def _focal(
        self, encoder: Encoder, problem: Problem, rows: TrainingRows, settings: Settings
    ) -> Fitted:
        """The model of the least focal loss: linear in the loss's own scores."""
        from rebalance.learners.focal_glm import minimise_focal

        undo = UndoFocal(settings.gamma or 0.0, rows.class_shift)
        with one_thread():
            chosen = choose_penalty(problem, rows, settings)
            best = minimise_focal(problem, chosen.penalty, undo)
        return FocalModel(
            LinearModel(
                encoder,
                float(best.coefficients[0]),
                best.coefficients[1:],
                chosen.penalty,
                chosen.found_by,
                best.iterations,
            ),
            undo,
        )

    def load(self, members: Mapping[str, bytes]) -> Fitted:
        """The model that `members` described; older ones have neither l1 nor estimates."""
        stored = read_json(_Stored, members["logistic.json"])
        encoder = Encoder.from_document(stored.encoder)
        size = 1 + len(encoder.names)
        coefficients = read_array(members["coefficients.npy"], np.float64, size)
        found = LinearModel(
            encoder,
            float(coefficients[0]),
            coefficients[1:],
            Penalty(stored.l1, stored.l2),
            stored.penalty_found_by,
            stored.iterations,
            stored.estimates,
            stored.cross_validation,
        )
        return with_focal(found, members)


@dataclass(frozen=True)
class _Stored:
    """`logistic.json`."""

    encoder: dict[str, Any]
    l2: float
    iterations: int
    l1: float = 0.0
    penalty_found_by: str = "given"
    estimates: dict[str, Any] | None = None
    cross_validation: dict[str, Any] | None = None


def _estimates(
    problem: Problem,
    best: Maximum,
    penalty: Penalty,
    encoder: Encoder,
    *,
    robust: bool,
    valid: bool,
    cluster: NDArray[np.int64] | None,
) -> dict[str, Any]:
    """Coefficients with intervals, where they are valid: not after an l1 penalty, which selects.

    `largest_shrinkage` is the furthest that l2 draws one towards 0, in its standard errors.
    `largest_leverage`, with the sandwich, is how much of its own fit a single row, or cluster of
    rows, decides. `clusters`, where rows were drawn together, are how many there are, and with rows
    of either class.
    """
    at = best.coefficients
    if not valid:
        return estimates(problem.names, at, None, encoder.terms, "none")
    rows = problem.z, problem.eta(at), problem.weight
    ridge = penalty.diagonal(len(at))
    try:
        spread: Spread = (
            sandwich(rows[0], problem.y_true, *rows[1:], ridge, cluster=cluster)
            if robust
            else model_based(*rows, ridge)
        )
        drawn = np.abs(shrinkage(*rows, ridge, at)) / np.sqrt(np.diag(spread.variance))
    except np.linalg.LinAlgError as exc:
        raise FitError(
            "the coefficients have no standard errors: on one there is no information",
            remedy="give a penalty, for example --l2 0.01",
        ) from exc
    kind = "sandwich" if robust else "model"
    found = estimates(problem.names, at, spread, encoder.terms, kind)
    found["largest_shrinkage"] = float(drawn.max())
    if isinstance(spread, Sandwich):
        found["largest_leverage"] = spread.leverage
    if cluster is not None:
        chosen = {"all": cluster, "positives": cluster[problem.y_true]}
        chosen["negatives"] = cluster[~problem.y_true]
        found["clusters"] = {name: len(np.unique(codes)) for name, codes in chosen.items()}
    return found
