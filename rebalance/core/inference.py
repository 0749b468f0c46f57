"""Standard errors and confidence intervals of the coefficients of a logistic regression.

At the maximum of  sum_i w_i [y_i eta_i - log(1 + exp(eta_i))] - b'P b / 2,  eta = z'b + l,

    V = A^-1 (B + P) A^-1,    A = H + P,    H = sum w q (1 - q) z z',    q = 1 / (1 + exp(-eta)).

Where the model is taken to be right, B = H and V = (H + P)^-1. Else B is a sum over squared
residuals, the sandwich (Huber 1967; White 1982), for which see `sandwich`.

Of few rows the estimate is drawn outwards. Where the model is right, it is off, to first order, by

    A^-1 sum z w q (1 - q) (q - 1/2) z'A^-1 H A^-1 z

(Cox and Snell 1968; Cordeiro and McCullagh 1991, here with a penalty, whose own pull `shrinkage`
tells). Intervals are centred where the estimate would be without it. V stays that of the maximum:
that of where the interval is centred is narrower, too narrow where features have heavy tails.

The penalty counts as what it is, a normal prior on b: an estimate that the data leave free has the
prior's spread, not none (Wood, *Generalized Additive Models*, 2nd edition 2017, section 6.10; mgcv
adds the same term to its sandwich). Such intervals hold for coefficients on average: one that is
drawn towards 0 by a good part of its standard error (`shrinkage`) is missed more often.

Rows were kept with probabilities that depend on x and y alone, so that q with the offset l is the
probability of y given x among the kept rows, and the likelihood of these rows alone is the right
one: no term for the sampling is missing from V.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebalance.core.correction import probability
from rebalance.core.terms import Coded, Numeric

Floats = NDArray[np.float64]

LEVEL = 0.95
# More degrees of freedom than that are the normal distribution's, and JSON knows no infinity.
_MANY = 1e9
# Of a standard error, so much bias an interval is moved by at the most.
MOST_BIAS = 0.5
_LEAST_TAIL = 1e-290
_BLOCK = 16_384


@dataclass(frozen=True)
class Spread:
    """V, shape (d, d), and what is off in b to first order, shape (d,)."""

    variance: Floats
    bias: Floats

    def degrees(self, contrasts: Floats) -> Floats:
        """Degrees of freedom of every row of `contrasts`, shape (k, d): none count, shape (k,)."""
        return np.full(len(contrasts), np.inf)


def information(z: Floats, eta: Floats, weight: Floats) -> Floats:
    """H = sum w q (1 - q) z z', shape (d, d).

    Parameters
    ----------
    z : shape (n, d). eta, weight : shape (n,).
    """
    q = probability(eta)
    return weighted_outer(z, weight * q * (1 - q))


def bread(z: Floats, eta: Floats, weight: Floats, penalty: Floats) -> Floats:
    """A^-1, shape (d, d): V where the model is taken to be right.

    Parameters
    ----------
    z : shape (n, d), with the intercept's column of ones. eta, weight : shape (n,).
    penalty : the diagonal of P, shape (d,).

    Raises
    ------
    numpy.linalg.LinAlgError : A is singular.
    """
    return _inverse(information(z, eta, weight) + np.diag(penalty))


def _inverse(own: Floats) -> Floats:
    # Columns differ in size by many orders; with a diagonal of ones nothing is lost to that.
    size = np.sqrt(np.diag(own))
    if not (size > 0).all():
        raise np.linalg.LinAlgError("a coefficient on which there is no information")
    scaled = np.linalg.inv(own / np.outer(size, size))
    found: Floats = 0.5 * (scaled + scaled.T) / np.outer(size, size)
    return found


def newton_step(hessian: Floats, gradient: Floats) -> Floats:
    """H^-1 g, shape (d,), solved with a diagonal of ones: columns differ by orders of magnitude.

    >>> newton_step(np.diag([4.0, 1e12]), np.array([2.0, 1e12])).tolist()
    [0.5, 1.0]

    Raises
    ------
    numpy.linalg.LinAlgError : H is singular.
    """
    size = np.sqrt(np.maximum(np.diag(hessian), 1e-300))
    return np.asarray(np.linalg.solve(hessian / np.outer(size, size), gradient / size) / size)


def model_based(z: Floats, eta: Floats, weight: Floats, penalty: Floats) -> Spread:
    """V and the bias at a maximum where the model is taken to be right.

    Parameters
    ----------
    z : shape (n, d), with the intercept's column of ones. eta, weight : shape (n,).
    penalty : the diagonal of P, shape (d,).

    Raises
    ------
    numpy.linalg.LinAlgError : A is singular.
    """
    own, q = information(z, eta, weight), probability(eta)
    inverse = _inverse(own + np.diag(penalty))
    of_rows = inverse @ own @ inverse
    pull = weight * q * (1 - q) * (q - 0.5) * quadratic(z, of_rows)
    return Spread(inverse, inverse @ (z.T @ pull))


def shrinkage(
    z: Floats, eta: Floats, weight: Floats, penalty: Floats, coefficients: Floats
) -> Floats:
    """How far the penalty draws each coefficient towards 0, A^-1 P b to first order, shape (d,).

    Raises
    ------
    numpy.linalg.LinAlgError : A is singular.
    """
    found: Floats = bread(z, eta, weight, penalty) @ (penalty * coefficients)
    return found


def own_units(terms: Sequence[Numeric | Coded]) -> tuple[Floats, Floats]:
    """Scale and centre of every column of z without the intercept, each of shape (d - 1,).

    A number stands in z as (x - centre) / scale; indicators and waves as they are, 1 and 0 here. An
    indicator of a missing number is against a row at that number's mean, in either units.
    """
    scale: list[float] = []
    centre: list[float] = []
    for term in terms:
        if isinstance(term, Numeric):
            scale += [term.scale, 1.0][: len(term.names)]
            centre += [term.mean, 0.0][: len(term.names)]
        else:
            scale += [1.0] * len(term.names)
            centre += [0.0] * len(term.names)
    return np.array(scale), np.array(centre)


def estimates(
    names: Sequence[str],
    coefficients: Floats,
    spread: Spread | None,
    terms: Sequence[Numeric | Coded],
    kind: str,
) -> dict[str, Any]:
    """Coefficients in the features' own units with their intervals, as JSON.

    Own units are linear in the standardised ones, b_own = T b, so that V_own = T V T' holds
    exactly: a slope is divided by its feature's scale, and the intercept is that at 0 instead of at
    the means.

    Intervals are those of t, around the estimate less its bias, of which no more than half a
    standard error counts: to first order it says nothing where it is larger, and an interval holds
    its own estimate.

    Parameters
    ----------
    names, coefficients : intercept first, shape (d,). spread : None where there is no valid one.
    kind : how V was found: "model", "sandwich", or "none".

    `z` is that of the interval: beyond 1.96 where 0 is outside.
    """
    to_own = _to_own(terms)
    found = to_own @ coefficients
    rows: list[dict[str, Any]] = [
        {"name": name, "coefficient": float(own), "standardised": {"coefficient": float(standard)}}
        for name, own, standard in zip(names, found, coefficients, strict=True)
    ]
    document = {"level": LEVEL, "variance": kind, "coefficients": rows}
    if spread is None:
        return document
    size = np.abs(to_own).max(axis=1)  # squares of own units might not be finite
    unit = to_own / size[:, None]
    error = size * np.sqrt(np.maximum(quadratic(unit, spread.variance), 0.0))
    degrees, bias = spread.degrees(unit), to_own @ spread.bias
    middle, reach = found - _bounded(bias, error), _t_quantile(degrees) * error
    columns = {
        "standard_error": error,
        "low": middle - reach,
        "high": middle + reach,
        "z": _normal_of_t(middle / error, degrees),
        "bias": bias,
    }
    if kind == "sandwich":
        columns["degrees_of_freedom"] = np.minimum(degrees, _MANY)
    standard = np.sqrt(np.diag(spread.variance))
    for at, row in enumerate(rows):
        row |= {name: float(column[at]) for name, column in columns.items()}
        row["standardised"]["standard_error"] = float(standard[at])
    return document | {"largest_bias": float((np.abs(bias) / error).max())}


def _to_own(terms: Sequence[Numeric | Coded]) -> Floats:
    """T of b_own = T b, shape (d, d)."""
    scale, centre = own_units(terms)
    found = np.diag(np.concatenate([[1.0], 1 / scale]))
    found[0, 1:] = -centre / scale
    return found


def _bounded(bias: Floats, error: Floats) -> Floats:
    """The bias as far as intervals are moved by it."""
    found: Floats = np.clip(bias, -MOST_BIAS * error, MOST_BIAS * error)
    return found


def _t_quantile(degrees: Floats) -> Floats:
    """The quantile of t at (1 + LEVEL) / 2."""
    from scipy.special import stdtrit

    found: Floats = stdtrit(np.minimum(degrees, _MANY), (1 + LEVEL) / 2)
    return found


def _normal_of_t(ratio: Floats, degrees: Floats) -> Floats:
    """The normal deviate that is as unlikely as a t of these degrees of freedom."""
    from scipy.special import ndtri, stdtr

    some = np.minimum(degrees, _MANY)
    tail = stdtr(some, -np.abs(ratio))
    # Where no tail can be told from 0, the approximation of Wallace (1959), good to 1% there.
    far = np.sqrt(some * np.log1p(ratio**2 / some)) * (8 * some + 1) / (8 * some + 3)
    exact = -ndtri(np.maximum(tail, _LEAST_TAIL))
    found: Floats = np.copysign(np.where(tail > _LEAST_TAIL, exact, far), ratio)
    return found


def quadratic(z: Floats, matrix: Floats) -> Floats:
    """z'Mz of every row, shape (n,)."""
    found = np.empty(len(z))
    for part in blocks(len(z)):
        found[part] = ((z[part] @ matrix) * z[part]).sum(axis=1)
    return found


def blocks(rows: int) -> list[slice]:
    """Parts of the rows: a second z as large as the first is not needed."""
    return [slice(start, start + _BLOCK) for start in range(0, rows, _BLOCK)]


def weighted_outer(z: Floats, weight: Floats) -> Floats:
    """sum weight z z'."""
    total = np.zeros((z.shape[1], z.shape[1]))
    for part in blocks(len(z)):
        total += (z[part] * weight[part, None]).T @ z[part]
    return total
