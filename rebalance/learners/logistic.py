"""Logistic regression with an offset, fitted by glum."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.correction import probability
from rebalance.core.encoding import Encoder, learn_encoder
from rebalance.core.kinds import Kind
from rebalance.core.linear import LinearScore
from rebalance.errors import FitError
from rebalance.learners.base import Fitted, Settings, TrainingRows

Floats = NDArray[np.float64]

# A normal prior of standard deviation 10 on the slopes of standardised features: far too weak to
# move an estimate, enough to hold one that the data leave free (a level without positives).
DEFAULT_L2 = 0.01
# glum's own default, 1e-4, stops early on rare classes, without a warning.
GRADIENT_TOLERANCE = 1e-9
MAX_ITERATIONS = 200
# Log odds of 30 are a probability of 1 - 1e-13: no data of finite size tell that from certainty.
SEPARATED_LOG_ODDS = 30.0
LEVEL_ROWS = 20
MAX_LEVELS = 100


@dataclass(frozen=True)
class LinearModel:
    """log odds = intercept + z'slopes, with z as the encoder makes it (standardised features)."""

    encoder: Encoder
    intercept: float
    slopes: Floats
    l2: float
    iterations: int

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The columns it reads, by kind."""
        return self.encoder.kinds

    @property
    def left_out(self) -> Mapping[str, str]:
        """The columns it was given and does not use, with the reason."""
        return self.encoder.left_out

    def log_odds(self, columns: Mapping[str, pa.Array], baseline: Floats | None = None) -> Floats:
        """The log odds of every row, shape (n,), added column by column."""
        return self._score(columns)

    @cached_property
    def _score(self) -> LinearScore:
        return LinearScore(self.encoder, self.intercept, self.slopes)

    def surprises(self, columns: Mapping[str, pa.Array]) -> dict[str, int]:
        """Values for which training left no place, by column: they count as the mean."""
        return self.encoder.surprises(columns)

    def summary(self) -> dict[str, Any]:
        """Size of the model, penalty and iterations."""
        return {
            "learner": "logistic",
            "coefficients": 1 + len(self.slopes),
            "l2": self.l2,
            "iterations": self.iterations,
        }

    def members(self) -> dict[str, bytes]:
        """The encoder as JSON and the coefficients, intercept first, as a numpy array."""
        document = {
            "encoder": self.encoder.to_document(),
            "names": ["intercept", *self.encoder.names],
            "l2": self.l2,
            "iterations": self.iterations,
        }
        stream = io.BytesIO()
        np.save(stream, np.concatenate([[self.intercept], self.slopes]), allow_pickle=False)
        return {
            "logistic.json": json.dumps(document, sort_keys=True).encode(),
            "coefficients.npy": stream.getvalue(),
        }


class Logistic:
    """Maximises sum w [y (g + l) - log(1 + exp(g + l))] - l2/2 ||slopes||^2 over the rows."""

    name = "logistic"
    accepts = frozenset({"l2"})
    starts_from_baseline = False

    def fit(self, rows: TrainingRows, settings: Settings) -> Fitted:
        """Fit intercept and slopes; the offset of every row enters the likelihood.

        Raises
        ------
        FitError : no convergence; or, without a penalty, classes that can be separated.
        """
        encoder = learn_encoder(
            rows.columns, rows.kinds, min_count=LEVEL_ROWS, max_levels=MAX_LEVELS
        )
        l2 = DEFAULT_L2 if settings.l2 is None else settings.l2
        intercept, slopes, iterations = _maximise(
            encoder.linear(rows.columns), rows.y_true, rows.offset, rows.sample_weight, l2
        )
        return LinearModel(encoder, intercept, slopes, l2, iterations)

    def load(self, members: Mapping[str, bytes]) -> Fitted:
        """The model that `members` described."""
        document = json.loads(members["logistic.json"])
        stored = np.load(io.BytesIO(members["coefficients.npy"]), allow_pickle=False)
        return LinearModel(
            Encoder.from_document(document["encoder"]),
            float(stored[0]),
            stored[1:],
            document["l2"],
            document["iterations"],
        )


def _maximise(
    z: Floats,
    y_true: NDArray[np.bool_],
    offset: Floats,
    sample_weight: Floats | None,
    l2: float,
) -> tuple[float, Floats, int]:
    from glum import GeneralizedLinearRegressor
    from threadpoolctl import threadpool_limits

    weight = np.ones(len(y_true)) if sample_weight is None else sample_weight
    # The intercept is a column of ours: glum's own breaks on a single feature with a start.
    z = np.column_stack([np.ones(len(z)), z])
    penalty = np.full(z.shape[1], l2)
    penalty[0] = 0.0
    start = np.zeros(z.shape[1])
    start[0] = _start(y_true, offset, weight)
    solver = GeneralizedLinearRegressor(
        family="binomial",
        fit_intercept=False,
        alpha=1.0 / weight.sum(),
        l1_ratio=0.0,
        P2=penalty,
        solver="irls-ls",
        gradient_tol=GRADIENT_TOLERANCE,
        max_iter=MAX_ITERATIONS,
        start_params=start,
    )
    # One thread: sums in another order would make the coefficients depend on the machine.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            solver.fit(z, y_true.astype(np.float64), sample_weight=weight, offset=offset)
        except (ValueError, np.linalg.LinAlgError) as exc:
            raise _no_fit(str(exc).splitlines()[0]) from exc
    found = np.asarray(solver.coef_, dtype=np.float64)
    fitted = z @ found + offset
    if not np.isfinite(fitted).all():
        raise _no_fit("the coefficients are not finite")
    if l2 == 0 and np.abs(fitted).max() > SEPARATED_LOG_ODDS:
        raise FitError(
            "the classes can be separated: the best coefficients are infinite",
            remedy="give a penalty, for example --l2 0.01, or drop the column that gives it away",
        )
    residual = weight * (y_true - probability(fitted))
    gradient = z.T @ residual - penalty * found
    # A step of one standard error has a gradient of about sqrt(sum w p (1 - p)); 1e-3 of it is
    # far below anything the data can tell.
    spread = np.sqrt((weight * np.abs(residual)).sum())
    if np.abs(gradient).max() > 1e-3 * max(spread, 1e-8):
        raise _no_fit(f"the gradient is still {np.abs(gradient).max():.3g}")
    return float(found[0]), found[1:], int(solver.n_iter_)


def _start(y_true: NDArray[np.bool_], offset: Floats, weight: Floats) -> float:
    """The intercept that fits alone: from zero, a Newton step can overshoot a large offset."""
    target = float(weight[y_true].sum())
    low, high = -50.0 - float(offset.max()), 50.0 - float(offset.min())
    for _ in range(100):
        middle = 0.5 * (low + high)
        if float(weight @ probability(middle + offset)) < target:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def _no_fit(reason: str) -> FitError:
    return FitError(
        f"the logistic fit did not converge: {reason}",
        remedy="give a larger penalty (--l2 1), or drop columns that say the same thing",
    )
