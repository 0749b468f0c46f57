"""Probabilities of exactly 0 or 1, which have no log odds, and where a calibration takes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rebalance.core.correction import log_odds

Floats = NDArray[np.float64]

_LEAST = float(np.finfo(np.float64).tiny)
_GREATEST = float(np.nextafter(1.0, 0.0))


@dataclass(frozen=True)
class Bounds:
    """What lies outside counts as the nearer of both, so that the order of the rows is kept.

    A share of 0 of n is often taken as half of the least that n can show (Warton and Hui 2011,
    "The arcsine is asinine", Ecology 92, for logits of proportions); so is a 0 here, and a 1 the
    same way round.
    """

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:.3g} and 1 - {1 - self.high:.3g}"

    @classmethod
    def of(cls, least: float, greatest: float) -> Bounds:
        """Half way from the least and the greatest probability within (0, 1) to 0 and to 1.

        >>> Bounds.of(0.02, 0.9)
        Bounds(low=0.01, high=0.95)
        """
        return cls(max(least / 2, _LEAST), min((1 + greatest) / 2, _GREATEST))

    def log_odds(self, y_prob: Floats) -> Floats:
        """Log odds within the bounds, shape (n,); all are finite.

        >>> Bounds(0.5, 0.5).log_odds(np.array([0.0, 0.3, 1.0])).tolist()
        [0.0, 0.0, 0.0]
        """
        return log_odds(np.clip(y_prob, self.low, self.high))
