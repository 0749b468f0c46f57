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
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rebalance.core.correction import probability
from rebalance.core.inference import Spread, blocks, bread, quadratic

Floats = NDArray[np.float64]

# 1 - h at the least: a row that decides a coefficient alone has a residual of 0 anyway.
LEAST_FREE = 1e-3


@dataclass(frozen=True)
class Sandwich(Spread):
    """A spread with the largest leverage. inverse : A^-1. prior : the diagonal of P."""

    leverage: float
    inverse: Floats
    prior: Floats
    z: Floats
    scores: Floats

    def degrees(self, contrasts: Floats) -> Floats:
        """Degrees of freedom of every row c of `contrasts`, shape (k, d): shape (k,), at least 1.

        They are infinite where no row says anything, and all is the prior.
        """
        mapped = contrasts @ self.inverse
        first, second = np.zeros(len(mapped)), np.zeros(len(mapped))
        for part in blocks(len(self.z)):
            terms = ((self.z[part] @ mapped.T) * self.scores[part, None]) ** 2
            first += terms.sum(axis=0)
            second += (terms**2).sum(axis=0)
        first += mapped**2 @ self.prior
        with np.errstate(divide="ignore", invalid="ignore"):
            found = first**2 / second
        return np.where(second > 0, np.maximum(found, 1.0), np.inf)


def sandwich(
    z: Floats, y_true: NDArray[np.bool_], eta: Floats, weight: Floats, penalty: Floats
) -> Sandwich:
    """V and its kin at a maximum.

    Parameters
    ----------
    z : shape (n, d), with the intercept's column of ones. y_true, eta, weight : shape (n,).
    penalty : the diagonal of P, shape (d,).

    Raises
    ------
    numpy.linalg.LinAlgError : A is singular.
    """
    inverse = bread(z, eta, weight, penalty)
    q = probability(eta)
    curved = weight * q * (1 - q)
    spread = quadratic(z, inverse)
    leverage = curved * spread
    scores = weight * (y_true - q) / np.sqrt(np.maximum(1 - leverage, LEAST_FREE))
    middle = np.zeros_like(inverse)
    for part in blocks(len(z)):
        middle += (z[part] * (scores[part, None] ** 2)).T @ z[part]
    of_rows = inverse @ middle @ inverse
    pull = curved * (scores * spread + (0.5 - q) * quadratic(z, of_rows))
    return Sandwich(
        variance=of_rows + inverse @ np.diag(penalty) @ inverse,
        bias=-inverse @ (z.T @ pull),
        leverage=float(leverage.max()),
        inverse=inverse,
        prior=penalty,
        z=z,
        scores=np.asarray(scores, dtype=np.float64),
    )
