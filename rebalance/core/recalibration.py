"""Maps from a model's log odds to calibrated ones, fitted to outcomes.

Each is a small object that knows its numbers, applies itself to log odds, and comes as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar, Protocol

import numpy as np

from rebalance.core.correction import log_odds, log_probability
from rebalance.core.described import read_document
from rebalance.core.log_odds_cells import Floats, Outcomes
from rebalance.core.logit_fit import fit_intercept, fit_logit
from rebalance.core.miscalibration import no_slope
from rebalance.errors import ArtifactError, FitError

METHODS = ("intercept", "platt", "beta", "isotonic")


class Recalibration(Protocol):
    """A rising function of log odds."""

    method: ClassVar[str]

    def __call__(self, log_odds: Floats) -> Floats:
        """Calibrated log odds, shape (n,); never lower where those given are higher."""

    def to_document(self) -> dict[str, Any]:
        """The map as JSON."""

    def __str__(self) -> str:
        """The map in words."""


@dataclass(frozen=True)
class Intercept:
    """logit q = intercept + logit p: the prior alone is off."""

    intercept: float
    method: ClassVar[str] = "intercept"

    def __call__(self, log_odds: Floats) -> Floats:
        """Calibrated log odds."""
        return log_odds + self.intercept

    def to_document(self) -> dict[str, Any]:
        """The map as JSON."""
        return {"method": self.method, "intercept": self.intercept}

    def __str__(self) -> str:
        return f"intercept: logit p {_signed(self.intercept)}"


@dataclass(frozen=True)
class Platt:
    """logit q = intercept + slope logit p, slope > 0.

    Platt 1999, on the log odds, without the smoothed targets that he has for small tables. Cox
    1958, "Two further applications of a model for binary regression", has it as a measure.
    """

    intercept: float
    slope: float
    method: ClassVar[str] = "platt"

    def __call__(self, log_odds: Floats) -> Floats:
        """Calibrated log odds."""
        return self.intercept + self.slope * log_odds

    def to_document(self) -> dict[str, Any]:
        """The map as JSON."""
        return {"method": self.method, "intercept": self.intercept, "slope": self.slope}

    def __str__(self) -> str:
        return f"platt: {self.slope:.4f} logit p {_signed(self.intercept)}"


@dataclass(frozen=True)
class Beta:
    """logit q = a log p - b log(1 - p) + c, with a and b of 0 or more and not both 0.

    Kull, Silva Filho and Flach 2017, "Beta calibration", AISTATS, equation 4. a = b is Platt's.
    """

    a: float
    b: float
    c: float
    method: ClassVar[str] = "beta"

    def __call__(self, log_odds: Floats) -> Floats:
        """Calibrated log odds."""
        return self.a * log_probability(log_odds) - self.b * log_probability(-log_odds) + self.c

    def to_document(self) -> dict[str, Any]:
        """The map as JSON."""
        return {"method": self.method, "a": self.a, "b": self.b, "c": self.c}

    def __str__(self) -> str:
        return f"beta: {self.a:.4f} log p - {self.b:.4f} log(1 - p) {_signed(self.c)}"


@dataclass(frozen=True)
class Isotonic:
    """The rising function that fits best, linear on the log odds between its knots.

    knots, values : log odds before and after, shape (m,), both rising; outside of the knots the
        first and the last value hold.
    """

    knots: tuple[float, ...]
    values: tuple[float, ...]
    method: ClassVar[str] = "isotonic"

    def __call__(self, log_odds: Floats) -> Floats:
        """Calibrated log odds."""
        found: Floats = np.interp(log_odds, self.knots, self.values)
        return found

    def to_document(self) -> dict[str, Any]:
        """The map as JSON."""
        return {"method": self.method, "knots": list(self.knots), "values": list(self.values)}

    def __str__(self) -> str:
        return f"isotonic: {len(self.knots)} knots"


def fit_recalibration(method: str, outcomes: Outcomes) -> Recalibration:
    """Fit one of `METHODS` to outcomes of both classes.

    Raises
    ------
    FitError : the outcomes do not determine it, or it would not rise.
    """
    if method == "intercept":
        large = fit_intercept(outcomes)
        if large is None:
            raise _no_fit(method, "the fit did not converge")
        return Intercept(float(large.theta[0]))
    reason = no_slope(outcomes)
    if reason and not (method == "isotonic" and "separate" in reason):
        raise _no_fit(method, reason)
    return {"platt": _platt, "beta": _beta, "isotonic": _isotonic}[method](outcomes)


def read_recalibration(document: Mapping[str, Any]) -> Recalibration:
    """The map that `to_document` described.

    Raises
    ------
    ArtifactError : a method of a newer version.
    ValueError : it described none.
    """
    method = document["method"]
    made: tuple[type[Recalibration], ...] = (Intercept, Platt, Beta, Isotonic)
    kinds = {kind.method: kind for kind in made}
    if method not in kinds:
        raise ArtifactError(
            f"the model is recalibrated by '{method}', which this version does not know",
            remedy="upgrade: pip install -U rebalance-cli",
        )
    found = read_document(kinds[method], document)
    if isinstance(found, Isotonic) and not len(found.knots) == len(found.values) > 0:
        raise ValueError("its values are not those of its knots")
    return found


def _platt(outcomes: Outcomes) -> Recalibration:
    x = outcomes.log_odds
    line = fit_logit(outcomes, np.column_stack([np.ones(len(x)), x]))
    if line is None:
        raise _no_fit("platt", "the fit did not converge")
    intercept, slope = line.theta.tolist()
    if slope <= 0:
        raise _not_rising()
    return Platt(intercept, slope)


def _beta(outcomes: Outcomes) -> Recalibration:
    """The best of the fits with both columns, with one of them, that obey the bounds.

    The likelihood is concave: its maximum under the bounds is the free one of the columns whose
    coefficients are not 0 there.
    """
    x = outcomes.log_odds
    columns = np.column_stack([np.ones(len(x)), log_probability(x), -log_probability(-x)])
    best, reached = None, -np.inf
    for used in product((True, False), repeat=2):
        chosen = [True, *used]
        fit = fit_logit(outcomes, columns[:, chosen])
        if fit is None or (fit.theta[1:] < 0).any() or fit.log_likelihood <= reached:
            continue
        theta = np.zeros(3)
        theta[chosen] = fit.theta
        best, reached = theta, fit.log_likelihood
    if best is None:
        raise _no_fit("beta", "the fit did not converge")
    if not best[1:].any():
        raise _not_rising()
    c, a, b = best.tolist()
    return Beta(a, b, c)


def _isotonic(outcomes: Outcomes) -> Recalibration:
    """Pool adjacent violators (Ayer et al. 1955), by scikit-learn; a block is two knots.

    A first block without positives, or a last one without negatives, would give a probability of
    0 or 1, which no number of rows can show. It gets (k + 1/2) / (n + 1) instead, with k of its n
    rows positive: the mean under Jeffreys' prior, so that what it adds is half a row. With weights
    n is the effective number of rows (sum w)^2 / sum w^2 (Kish 1965).
    """
    from sklearn.isotonic import isotonic_regression

    _, cell = np.unique(outcomes.cell, return_inverse=True)
    weight = np.bincount(cell, outcomes.weight)
    squared = np.bincount(cell, outcomes.squared)
    x = np.bincount(cell, outcomes.weight * outcomes.log_odds) / weight
    share = np.bincount(cell, outcomes.weight * outcomes.y_true) / weight
    fitted = isotonic_regression(share, sample_weight=weight, y_min=0.0, y_max=1.0)
    first = np.flatnonzero(np.append(True, fitted[1:] != fitted[:-1]))
    if len(first) == 1:
        raise _not_rising()
    last = np.append(first[1:], len(fitted)) - 1
    value = fitted[first]
    half = 0.5 / (np.add.reduceat(weight, first) ** 2 / np.add.reduceat(squared, first) + 1)
    if value[0] <= 0:
        value[0] = min(half[0], value[1])
    if value[-1] >= 1:
        value[-1] = max(1 - half[-1], value[-2])
    knots = np.column_stack([x[first], x[last]]).ravel()
    values = np.repeat(log_odds(value), 2)
    alone = np.column_stack([np.full(len(first), True), first != last]).ravel()
    return Isotonic(tuple(knots[alone].tolist()), tuple(values[alone].tolist()))


def _signed(value: float) -> str:
    return f"{'-' if value < 0 else '+'} {abs(value):.4f}"


class NotRisingError(FitError):
    """The log odds rank the rows no better than chance."""


def _not_rising() -> NotRisingError:
    return NotRisingError(
        "the model ranks no better than chance on these rows, or the wrong way round: no "
        "recalibration that keeps its order can mend it",
        remedy="look at its roc_auc with 'rebalance evaluate'",
    )


def _no_fit(method: str, reason: str) -> FitError:
    other = "" if method == "intercept" else ", or --recalibrate intercept"
    return FitError(
        f"the recalibration '{method}' cannot be fitted: {reason}",
        remedy=f"give a larger table with --calibrate-on{other}",
    )
