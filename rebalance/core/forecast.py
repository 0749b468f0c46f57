"""The efficiency of a sample before it is drawn, and how well it is known.

Rows stand for the population, and a posterior tells its log odds. With T = d / the efficiency (see
`efficiency`), the standard error of log T has four parts, added as variances:

- the rows are a draw: the sum of the squared influences of each on log T;
- the coefficients are estimates: the delta method, grad' V grad;
- with weights, T is a sum over the rows that a sample keeps, each negative of which brings
  p^2 (1 - pi) / pi^2 z'z. Where few of those that carry it are to be expected, the formula is not
  reached: with r the variance of that sum over T^2, the mean of sqrt(T) is less by r / 8 of it to
  second order, and so log T, of which log sqrt(T) is half, is off by r / 4. Where that is asked
  for and r is not small, draws and fits are simulated instead (see `few_rows`), with their error;
- what they leave open moves T by a quadratic form in their noise, too. Its mean is what the
  posterior adds to log T; with few directions that matter its spread is as large as its mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rebalance.core.correction import probability
from rebalance.core.efficiency import Chances, Information, whitening
from rebalance.core.few_rows import Population, error_of_few
from rebalance.core.posterior import Posterior, quadrature

Floats = NDArray[np.float64]

# A relative error that says nothing; JSON knows no infinity.
NOTHING = 10.0
# r from which on draws are simulated: below it the formula is off by a few hundredths.
_FEW = 0.005


@dataclass(frozen=True)
class Foreseen:
    """An efficiency, and the standard error of its logarithm."""

    efficiency: float
    error: float


@dataclass(frozen=True)
class _Factors:
    """What multiplies z z' in I, in what the offset keeps, and in B; each of shape (n,)."""

    population: Floats
    offset: Floats
    weight: Floats


@dataclass(frozen=True)
class _Trace:
    """T, and its derivatives by every row's factor of I and of the correction's own matrix."""

    value: float
    by_population: Floats
    by_own: Floats


class Forecast:
    """Efficiencies of any design over the same rows.

    z : with the intercept, shape (n, d). log_odds : the pilot's. count : how many rows of the
    population each stands for, shape (n,). known : None where nothing is known of the pilot's own
    error: then it is left out. count_by_log_odds : where a count was found by the log odds, the
    derivative of its logarithm, shape (n,).
    simulated : whether draws are, where few rows carry the variance of a fit with weights.
    """

    def __init__(
        self,
        z: Floats,
        log_odds: Floats,
        count: Floats,
        known: Posterior | None,
        *,
        count_by_log_odds: Floats | None = None,
        simulated: bool = False,
    ) -> None:
        self._count, self._simulated = count, simulated
        self._count_by_log_odds = 0.0 if count_by_log_odds is None else count_by_log_odds
        # Of the rows that one stands for it is one: that much is not left to chance.
        self._unseen = np.sqrt(np.clip(1 - 1 / np.maximum(count, 1.0), 0.0, 1.0))
        self._known = known
        if known is None:
            self._nodes, self._share = log_odds[None], np.ones(1)
            self._plain = self._nodes
        else:
            self._nodes, self._share = known.nodes(z), quadrature()[1]
            self._plain = known.mean(z)[None]
            self._apart = z[:, 1:] - known.centre
        self._plain_white = self._white(z, self._plain, np.ones(1))
        self._z = self._white(z, self._nodes, self._share)
        self._length = (self._z**2).sum(axis=1)

    def of(self, chances: Chances) -> dict[str, Foreseen]:
        """By correction, for rows kept with these chances, arrays of shape (n,)."""
        factors, slopes = self._factors(self._nodes, self._share, chances)
        found = {}
        for correction, trace in (("offset", self._of_offset), ("weight", self._of_weight)):
            moved = trace(getattr(factors, correction))
            found[correction] = (
                Foreseen(0.0, NOTHING)
                if moved is None
                else self._foreseen(moved, correction, (factors, slopes), chances)
            )
        return found

    def _of_offset(self, factor: Floats) -> _Trace | None:
        """T = trace(K^-1); I is the identity here, and T moves with it by z'K^-1 z."""
        kept = (self._z * factor[:, None]).T @ self._z
        if not len(kept) or not np.linalg.eigvalsh(kept)[0] > 0:  # no row says anything
            return None
        inverse = np.linalg.inv(kept)
        return _Trace(
            float(np.trace(inverse)),
            ((self._z @ inverse) * self._z).sum(axis=1),
            -((self._z @ (inverse @ inverse)) * self._z).sum(axis=1),
        )

    def _of_weight(self, factor: Floats) -> _Trace | None:
        """T = trace(B), which moves with I by -z'Bz."""
        middle = (self._z * factor[:, None]).T @ self._z
        if not len(middle):
            return None
        back = -((self._z @ middle) * self._z).sum(axis=1)
        return _Trace(float(np.trace(middle)), back, self._length)

    def _foreseen(
        self, moved: _Trace, correction: str, both: tuple[_Factors, _Factors], chances: Chances
    ) -> Foreseen:
        factors, slopes = both
        of_rows = moved.by_population * factors.population
        of_rows += moved.by_own * getattr(factors, correction)
        variance = float(((self._unseen * of_rows / moved.value) ** 2).sum())
        times = 1.0
        if correction == "weight":
            few = self._few(chances) / moved.value**2
            times, error = (
                self._simulate(chances) if self._simulated and few > _FEW else (1.0, few / 4)
            )
            variance += error**2
        if self._known is not None:
            by_log_odds = moved.by_population * slopes.population
            by_log_odds += moved.by_own * getattr(slopes, correction)
            by_log_odds += of_rows * self._count_by_log_odds
            gradient = self._apart.T @ by_log_odds / moved.value
            variance += float(gradient @ self._known.covariance @ gradient)
            variance += self._known.floor * float(by_log_odds.sum() / moved.value) ** 2
            variance += float(np.log(moved.value / self._plain_trace(correction, chances)) ** 2)
        size = self._z.shape[1]
        # A stored covariance is rounded: what it gives may lie a little below 0.
        return Foreseen(
            size / (times * moved.value), min(float(np.sqrt(max(variance, 0.0))), NOTHING)
        )

    def _simulate(self, chances: Chances) -> tuple[float, float]:
        """What simulated fits make of T, as a factor, and its relative error."""
        size = self._plain_white.shape[1]
        formula = self._plain_trace("weight", chances)
        rows = Population(self._plain_white, self._plain[0], self._count)
        added, error = error_of_few(rows, chances, formula - size)
        return (size + added) / formula, error / (size + added)

    def _few(self, chances: Chances) -> float:
        """The variance of the sum over the rows kept, of which each stands for some."""
        p = probability(self._nodes)
        found = 0.0
        for share, other, chance in ((1 - p, p, chances.pi_0), (p, 1 - p, chances.pi_1)):
            carried = self._share @ (share * other**2) * (1 / chance - 1) * self._length
            kept = self._share @ share * chance
            some = kept > 0  # elsewhere a row of this class is not to be expected
            found += float(self._count[some] @ (carried[some] ** 2 / kept[some]))
        return found

    def _plain_trace(self, correction: str, chances: Chances) -> float:
        """T at the posterior's mean alone."""
        factors, _ = self._factors(self._plain, np.ones(1), chances)
        white = self._plain_white
        if correction == "weight":
            return float(factors.weight @ (white**2).sum(axis=1))
        return float(np.trace(np.linalg.inv((white * factors.offset[:, None]).T @ white)))

    def _white(self, z: Floats, nodes: Floats, share: Floats) -> Floats:
        """z in coordinates in which I is the identity."""
        p = probability(nodes)
        inside = self._count * (share @ (p * (1 - p)))
        return np.asarray(z @ whitening((z * inside[:, None]).T @ z))

    def _factors(self, nodes: Floats, share: Floats, chances: Chances) -> tuple[_Factors, _Factors]:
        """The factors, and their derivatives by the log odds."""
        p = probability(nodes)
        inside = self._count * p * (1 - p)
        turned = 1 - 2 * p
        both = p * chances.pi_1 + (1 - p) * chances.pi_0
        offset = inside * chances.pi_1 * chances.pi_0 / both
        noise = Information.noise(p, chances)
        found = _Factors(share @ inside, share @ offset, share @ (inside * noise))
        steeper = p * (1 - p) * (chances.pi_1 - chances.pi_0) / both
        step = p * (1 - p) * (1 / chances.pi_0 - 1 / chances.pi_1)
        slopes = _Factors(
            share @ (inside * turned),
            share @ (offset * (turned - steeper)),
            share @ (inside * (turned * noise + step)),
        )
        return found, slopes
