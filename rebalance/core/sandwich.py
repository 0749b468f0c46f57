"""What a sandwich variance needs where a few rows decide: leverages, bias and degrees of freedom.

With A, q and w as in `inference`, s = w (y - q) / sqrt(1 - h) the scores, and
h = w q (1 - q) z'A^-1 z the leverage of a row,

    V = A^-1 (sum s^2 z z' + P) A^-1

(HC2 of MacKinnon and White 1985: a fit comes close to rows that have much leverage, and y - q alone
is too small there). Of few rows that is not enough. Two things more go wrong, and are mended here:

- A contrast c'b has the variance sum t_i + prior, t_i = (c'A^-1 z_i s_i)^2, where some rows may
  carry most of it. Its degrees of freedom are those of Satterthwaite (1946), one for every t_i and
  no end of them for the prior: (sum t + prior)^2 / sum t^2, and a quantile of t replaces that of
  the normal distribution (Bell and McCaffrey 2002). Of equal rows it is their number.
- The estimate is drawn outwards. To first order, and without believing the model, it is off by
  -A^-1 a with

      a = sum z_i [ w q (1 - q) s z'A^-1 z + w q (1 - q) (1 - 2 q) z'V z / 2 ]

  (Kosmidis and Lunardon 2024, Empirical bias-reducing adjustments to estimating functions, JRSS B
  86; V without P). Intervals are centred where the estimate would be without it.

Rows that were drawn together, as those of one key, are kept or left out together, and only the
clusters g are independent (Liang and Zeger 1986). Then S_g = sum of w (y - q) z over the rows of a
cluster stands where a row's s z does: in V, in t and in the bias, whose s z'A^-1 z of a row is
z'A^-1 S_g. The leverage is that of the cluster along its own score,

    h_g = sum of w q (1 - q) (z'A^-1 S_g)^2 over its rows / S_g'A^-1 S_g,

and S_g is divided by sqrt(1 - h_g). Of one row that is HC2; of more it is, to first order and in
the direction of S_g, what Kauermann and Carroll (2001) do with a matrix root for each cluster.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rebalance.core.correction import probability
from rebalance.core.inference import Spread, blocks, bread, quadratic, weighted_outer

Floats = NDArray[np.float64]

# 1 - h at the least: a row that decides a coefficient alone has a residual of 0 anyway.
LEAST_FREE = 1e-3


@dataclass(frozen=True)
class _Units:
    """What is independent, u rows or clusters of rows: z, shape (u, d), times scores, shape (u,).

    leverage : shape (u,). along : z'A^-1 times its unit's score, of every row, shape (n,).
    """

    z: Floats
    scores: Floats
    leverage: Floats
    along: Floats


@dataclass(frozen=True)
class Sandwich(Spread):
    """A spread with the largest leverage. inverse : A^-1. prior : the diagonal of P."""

    leverage: float
    inverse: Floats
    prior: Floats
    units: _Units

    def degrees(self, contrasts: Floats) -> Floats:
        """Degrees of freedom of every row c of `contrasts`, shape (k, d): shape (k,), at least 1.

        They are infinite where no row says anything, and all is the prior.
        """
        mapped = contrasts @ self.inverse
        first, second = np.zeros(len(mapped)), np.zeros(len(mapped))
        z, scores = self.units.z, self.units.scores
        for part in blocks(len(z)):
            terms = ((z[part] @ mapped.T) * scores[part, None]) ** 2
            first += terms.sum(axis=0)
            second += (terms**2).sum(axis=0)
        first += mapped**2 @ self.prior
        with np.errstate(divide="ignore", invalid="ignore"):
            found = first**2 / second
        return np.where(second > 0, np.maximum(found, 1.0), np.inf)


def sandwich(
    z: Floats,
    y_true: NDArray[np.bool_],
    eta: Floats,
    weight: Floats,
    penalty: Floats,
    *,
    cluster: NDArray[np.int64] | None = None,
) -> Sandwich:
    """V and its kin at a maximum.

    Parameters
    ----------
    z : shape (n, d), with the intercept's column of ones. y_true, eta, weight : shape (n,).
    penalty : the diagonal of P, shape (d,).
    cluster : shape (n,), codes from 0 of rows that were drawn together; None for independent rows.

    Raises
    ------
    numpy.linalg.LinAlgError : A is singular.
    """
    inverse = bread(z, eta, weight, penalty)
    q = probability(eta)
    curved = weight * q * (1 - q)
    scores = np.asarray(weight * (y_true - q), dtype=np.float64)
    units = (
        _rows(z, scores, curved, inverse)
        if cluster is None
        else _clusters(z, scores, curved, inverse, cluster)
    )
    middle = weighted_outer(units.z, units.scores**2)
    of_rows = inverse @ middle @ inverse
    pull = curved * (units.along + (0.5 - q) * quadratic(z, of_rows))
    return Sandwich(
        variance=of_rows + inverse @ np.diag(penalty) @ inverse,
        bias=-inverse @ (z.T @ pull),
        leverage=float(units.leverage.max()),
        inverse=inverse,
        prior=penalty,
        units=units,
    )


def _rows(z: Floats, scores: Floats, curved: Floats, inverse: Floats) -> _Units:
    spread = quadratic(z, inverse)
    leverage = curved * spread
    scores = scores / _root_of_free(leverage)
    return _Units(z, scores, leverage, scores * spread)


def _clusters(
    z: Floats, scores: Floats, curved: Floats, inverse: Floats, cluster: NDArray[np.int64]
) -> _Units:
    count = int(cluster.max()) + 1
    sums = np.empty((count, z.shape[1]))
    for at, column in enumerate(z.T):
        sums[:, at] = np.bincount(cluster, column * scores, count)
    along = np.empty(len(z))
    for part in blocks(len(z)):
        along[part] = ((z[part] @ inverse) * sums[cluster[part]]).sum(axis=1)
    size = quadratic(sums, inverse)
    reached = np.bincount(cluster, curved * along**2, count)
    leverage = np.divide(reached, size, out=np.zeros(count), where=size > 0)
    free = 1 / _root_of_free(leverage)
    return _Units(sums, free, leverage, along * free[cluster])


def _root_of_free(leverage: Floats) -> Floats:
    found: Floats = np.sqrt(np.maximum(1 - leverage, LEAST_FREE))
    return found
