"""Multinomial logistic regression with an offset for each class."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.class_linear import ClassScores
from rebalance.core.described import array_bytes, read_array, read_json
from rebalance.core.encoder_learning import learn_encoder
from rebalance.core.encoding import Encoder
from rebalance.core.softmax import fit_softmax
from rebalance.errors import FitError
from rebalance.learners.base import Settings
from rebalance.learners.class_base import ClassFitted, ClassRows
from rebalance.learners.encoded import LEVEL_ROWS, MAX_LEVELS, Encoded
from rebalance.learners.penalties import DEFAULT_L2

Floats = NDArray[np.float64]

# At an optimum one more Newton step moves no row. Where a class can be separated each step moves
# the scores of its rows by about 1, however small the gradient is.
VANISHED = 0.1


@dataclass(frozen=True)
class MultinomialModel(Encoded):
    """scores = intercepts + z'slopes, with z as the encoder makes it (standardised features).

    coefficients : shape (1 + d, K), intercepts first.
    """

    coefficients: Floats
    l2: float
    steps: int

    def scores(self, columns: Mapping[str, pa.Array], baseline: Floats) -> Floats:
        """Log probabilities up to a constant of each row, shape (n, K), added column by column."""
        return self._scores(columns)

    @cached_property
    def _scores(self) -> ClassScores:
        return ClassScores(self.encoder, self.coefficients)

    def summary(self) -> dict[str, Any]:
        """Size of the model, penalty and iterations."""
        return {
            "learner": "logistic",
            "coefficients": self.coefficients.size,
            "l2": self.l2,
            "iterations": self.steps,
        }

    def members(self) -> dict[str, bytes]:
        """The encoder as JSON and the coefficients, intercepts first, as a numpy array."""
        document = {
            "encoder": self.encoder.to_document(),
            "names": ["intercept", *self.encoder.names],
            "l2": self.l2,
            "iterations": self.steps,
        }
        return {
            "multinomial.json": json.dumps(document, sort_keys=True).encode(),
            "coefficients.npy": array_bytes(np.ascontiguousarray(self.coefficients)),
        }


class Multinomial:
    """The model of the largest penalised likelihood; see `core.softmax`."""

    name = "logistic"
    starts_from_baseline = False

    def fit(self, rows: ClassRows, settings: Settings) -> ClassFitted:
        """Fit intercepts and slopes; the offsets of every row enter the likelihood.

        Raises
        ------
        FitError : no convergence; or, without a penalty, classes that can be separated.
        """
        from threadpoolctl import threadpool_limits

        encoder = learn_encoder(
            rows.columns, rows.kinds, min_count=LEVEL_ROWS, max_levels=MAX_LEVELS
        )
        l2 = DEFAULT_L2 if settings.l2 is None else settings.l2
        z = encoder.linear(rows.columns)
        # One thread: sums in another order would make the coefficients depend on the machine.
        with threadpool_limits(1):
            fit = fit_softmax(z, rows.codes, rows.offset, rows.sample_weight, l2)
        if not np.isfinite(fit.coefficients).all():
            raise _no_fit("the coefficients are not finite")
        if l2 == 0 and fit.moved > VANISHED:
            raise FitError(
                "a class can be separated from the others: the best coefficients are infinite",
                remedy="give a penalty, for example --l2 0.01, or drop the column that gives it "
                "away",
            )
        if fit.gradient > 1e-3 * max(fit.spread, 1e-8):
            raise _no_fit(f"the gradient is still {fit.gradient:.3g}")
        return MultinomialModel(encoder, fit.coefficients, l2, fit.steps)

    def load(self, members: Mapping[str, bytes]) -> ClassFitted:
        """The model that `members` described."""
        stored = read_json(_Stored, members["multinomial.json"])
        encoder = Encoder.from_document(stored.encoder)
        size = 1 + len(encoder.names)
        coefficients = read_array(members["coefficients.npy"], np.float64, size, None)
        return MultinomialModel(encoder, coefficients, stored.l2, stored.iterations)


@dataclass(frozen=True)
class _Stored:
    """`multinomial.json`."""

    encoder: dict[str, Any]
    l2: float
    iterations: int


def _no_fit(reason: str) -> FitError:
    return FitError(
        f"the multinomial fit did not converge: {reason}",
        remedy="give a larger penalty (--l2 1), or drop columns that say the same thing",
    )
