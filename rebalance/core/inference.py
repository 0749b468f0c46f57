"""Standard errors and confidence intervals of the coefficients of a logistic regression.

At the maximum of  sum_i w_i [y_i eta_i - log(1 + exp(eta_i))] - b'P b / 2,  eta = z'b + l,

    V = A^-1 (B + P) A^-1,    A = H + P,    H = sum w q (1 - q) z z',    q = 1 / (1 + exp(-eta)).

Where the model is taken to be right, B = H and V = (H + P)^-1. Else B is the sum of w^2 r^2 z z'
with r = (y - q) / (1 - h), the sandwich (Huber 1967; White 1982). h = w q (1 - q) z'A^-1 z is the
leverage of a row: a fit comes close to rows that have much of it, and y - q alone is too small
there (HC3 of MacKinnon and White 1985; Mancl and DeRouen 2001). Without h, 95% intervals of a fit
to 300 positives and 200 negatives of weight 100 hold the truth in 88% to 91% of samples, with it in
93% to 94%.

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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebalance.core.correction import probability
from rebalance.core.encoding import Coded, Numeric

Floats = NDArray[np.float64]

LEVEL = 0.95
_QUANTILE = 1.959963984540054  # of the normal distribution, at (1 + LEVEL) / 2
# 1 - h at the least: a row that decides a coefficient alone has a residual of 0 anyway.
LEAST_FREE = 1e-3
_BLOCK = 16_384


def information(z: Floats, eta: Floats, weight: Floats) -> Floats:
    """H = sum w q (1 - q) z z', shape (d, d).

    Parameters
    ----------
    z : shape (n, d). eta, weight : shape (n,).
    """
    q = probability(eta)
    return _outer(z, weight * q * (1 - q))


def bread(z: Floats, eta: Floats, weight: Floats, penalty: Floats) -> Floats:
    """A^-1, shape (d, d).

    Raises
    ------
    numpy.linalg.LinAlgError : A is singular.
    """
    own = information(z, eta, weight) + np.diag(penalty)
    # Columns differ in size by many orders; with a diagonal of ones nothing is lost to that.
    size = np.sqrt(np.diag(own))
    if not (size > 0).all():
        raise np.linalg.LinAlgError("a coefficient on which there is no information")
    scaled = np.linalg.inv(own / np.outer(size, size))
    found: Floats = 0.5 * (scaled + scaled.T) / np.outer(size, size)
    return found


def covariance(
    z: Floats,
    y_true: NDArray[np.bool_],
    eta: Floats,
    weight: Floats,
    penalty: Floats,
    *,
    sandwich: bool,
) -> Floats:
    """V, shape (d, d).

    Parameters
    ----------
    z : shape (n, d), with the intercept's column of ones. y_true, eta, weight : shape (n,).
    penalty : the diagonal of P, shape (d,).

    Raises
    ------
    numpy.linalg.LinAlgError : A is singular.
    """
    inverse = bread(z, eta, weight, penalty)
    if not sandwich:
        return inverse
    middle = _outer(z, _scores(z, y_true, eta, weight, inverse) ** 2) + np.diag(penalty)
    found: Floats = inverse @ middle @ inverse
    return found


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
    variance: Floats | None,
    terms: Sequence[Numeric | Coded],
    kind: str,
) -> dict[str, Any]:
    """Coefficients in the features' own units with their intervals, as JSON.

    Own units are linear in the standardised ones, b_own = T b, so that V_own = T V T' holds
    exactly: a slope is divided by its feature's scale, and the intercept is that at 0 instead of at
    the means.

    Parameters
    ----------
    names, coefficients : intercept first, shape (d,). variance : V, shape (d, d), or None.
    kind : how V was found: "model", "sandwich", or "none".
    """
    scale, centre = own_units(terms)
    slopes = coefficients[1:] / scale
    found = np.concatenate([[coefficients[0] - float(centre @ slopes)], slopes])
    rows: list[dict[str, Any]] = [
        {"name": name, "coefficient": float(own)} for name, own in zip(names, found, strict=True)
    ]
    if variance is not None:
        of_standard = np.sqrt(np.diag(variance))
        to_zero = np.concatenate([[1.0], -centre / scale])
        own = np.concatenate(
            [[np.sqrt(max(float(to_zero @ variance @ to_zero), 0.0))], of_standard[1:] / scale]
        )
        for row, error in zip(rows, own.tolist(), strict=True):
            middle = row["coefficient"]
            row["standard_error"] = error
            row["low"], row["high"] = middle - _QUANTILE * error, middle + _QUANTILE * error
            row["z"] = middle / error
    for at, row in enumerate(rows):
        row["standardised"] = {"coefficient": float(coefficients[at])}
        if variance is not None:
            row["standardised"]["standard_error"] = float(of_standard[at])
    return {"level": LEVEL, "variance": kind, "coefficients": rows}


def _scores(
    z: Floats, y_true: NDArray[np.bool_], eta: Floats, weight: Floats, inverse: Floats
) -> Floats:
    """w (y - q) / (1 - h) of every row, shape (n,)."""
    q = probability(eta)
    leverage = np.empty(len(z))
    for start in range(0, len(z), _BLOCK):
        part = z[start : start + _BLOCK]
        leverage[start : start + _BLOCK] = ((part @ inverse) * part).sum(axis=1)
    leverage *= weight * q * (1 - q)
    return np.asarray(weight * (y_true - q) / np.maximum(1 - leverage, LEAST_FREE))


def _outer(z: Floats, weight: Floats) -> Floats:
    """sum weight z z', block by block: a second z as large as the first is not needed."""
    total = np.zeros((z.shape[1], z.shape[1]))
    for start in range(0, len(z), _BLOCK):
        part = z[start : start + _BLOCK]
        total += (part * weight[start : start + _BLOCK, None]).T @ part
    return total
