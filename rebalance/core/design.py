"""The design of a sample: everything that determines with which probability a row is kept.

    pi_0(x) = min(max(A R + (1 - A) c t(x), floor), 1),    R = budget / N_0

t is the score, A the share of uniform sampling (`mix`), and c solves sum pi_0(x_i) = budget over
all N_0 negatives. Positives are all kept, pi_1 = 1 (Wang, Zhang and Wang 2021, arXiv 2110.13048).
Local case-control samples both classes near |y - p~|, with p~ the pilot's probability (Fithian and
Hastie 2014, arXiv 1306.3706): pi_0 as above with t = p~, and pi_1 = clip(1 - p~, 0.1, 1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebalance.core.correction import offset
from rebalance.core.described import read_document
from rebalance.core.known import Knowable
from rebalance.core.labels import Label
from rebalance.errors import UsageError

Floats = NDArray[np.float64]

_BINS_PER_UNIT = 8192
_LOWEST, _HIGHEST = -700.0, 700.0  # exp of these is a float64
_HALVINGS = 80
_AT_ONCE = 1 << 18
_FEW = 1 << 16

UNIFORM, LOCAL = "uniform", "local-case-control"
RANDOM_OVER = "random-over"
LEAST_PI_1 = 0.1


@dataclass(frozen=True)
class Budget:
    """How many rows to keep, said in one of four ways.

    rate : share of the negatives; ratio : negatives per positive; rows : rows of both classes;
    efficiency : share of the information, which a pilot's plan makes a rate of (`at_rate`).
    """

    rate: float | None = None
    ratio: float | None = None
    rows: int | None = None
    efficiency: float | None = None

    def at_rate(self, rate: float) -> Budget:
        """The same with the rate that was found for its efficiency."""
        return replace(self, rate=rate)

    def wanted(self, positives: float, negatives: float) -> float:
        """The number of negatives asked for, possible or not."""
        if self.rate is not None:
            return self.rate * negatives
        if self.ratio is not None:
            return self.ratio * positives
        return (self.rows or 0) - positives

    def negatives(self, positives: int, negatives: int) -> float:
        """The expected number of negatives to keep.

        Raises
        ------
        UsageError : the table does not have so many, or the number is not above 0.
        """
        budget = self.wanted(positives, negatives)
        if self.efficiency is not None:
            asked = f"--efficiency {self.efficiency:g}"
        elif self.rate is not None:
            asked = f"--rate {self.rate:g}"
        elif self.ratio is not None:
            asked = f"--ratio {self.ratio:g}"
        else:
            asked = f"--rows {self.rows}"
        if budget <= 0:
            raise UsageError(
                f"{asked} leaves no negatives: the {positives:,} positives are all kept",
                remedy=f"ask for --rows {positives + 1} to {positives + negatives}"
                if self.rows is not None
                else "ask for more than 0",
            )
        if budget > negatives * (1 + 1e-12):
            raise UsageError(
                f"{asked} asks for {budget:,.0f} negatives and there are {negatives:,}",
                remedy="the most that is possible is --rate 1, "
                f"--ratio {negatives / positives:.6g} or --rows {positives + negatives}",
            )
        return min(budget, float(negatives))


class ScoreHistogram:
    """Counts of ranks in bins so fine that c comes out exact to 1e-4; merges in any order.

    A rank is a number that orders rows as their scores do; `log_score` gives log t of ranks and has
    a slope between 0 and 1, as the identity has, and the log probability of log odds.
    """

    def __init__(self, log_score: Callable[[Floats], Floats]) -> None:
        self._log_score = log_score
        self._first = 0
        self._counts = np.zeros(0, dtype=np.int64)
        self._waiting: list[Floats] = []
        self._count = 0

    def add(self, rank: Floats) -> None:
        """Count ranks, shape (n,)."""
        self._waiting.append(rank)
        self._count += len(rank)
        if self._count >= _AT_ONCE:
            self._count_waiting()

    def _count_waiting(self) -> None:
        """Count many at once: there are some 200,000 bins to go over each time."""
        if not self._count:
            return
        bins = np.clip(np.concatenate(self._waiting), _LOWEST, _HIGHEST)
        self._waiting.clear()
        self._count = 0
        bins *= _BINS_PER_UNIT
        placed = np.floor(bins, out=bins).astype(np.int64)
        first = int(placed.min())
        placed -= first
        self._merge(first, np.bincount(placed))

    def merge(self, other: ScoreHistogram) -> None:
        """Add what another one counted."""
        other._count_waiting()
        self._merge(other._first, other._counts)

    def solve(self, budget: float, floor: float, mix: float) -> float:
        """The c for which the inclusion probabilities of all scores counted sum to `budget`.

        Every bin stands for its middle, so the sum is off by less than half a bin, 6.1e-5
        relative.
        """
        log_score, counts = self._filled()
        rate = budget / counts.sum()
        if mix == 1.0:
            return float(rate)
        # Sums over the bins below each: those at the floor, in between, and at 1 are three ranges.
        rows = np.concatenate([[0.0], np.cumsum(counts)])
        scores = np.concatenate([[0.0], np.cumsum(counts * np.exp(log_score))])
        with np.errstate(divide="ignore"):
            log_floor = np.log(max(floor - mix * rate, 0.0)) - np.log1p(-mix)
            log_one = np.log(1.0 - mix * rate) - np.log1p(-mix)

        def kept(log_c: float) -> float:
            low, high = np.searchsorted(log_score, [log_floor - log_c, log_one - log_c])
            between = mix * rate * (rows[high] - rows[low])
            part = scores[high] - scores[low]
            if part > 0:
                between += (1 - mix) * np.exp(log_c + np.log(part))
            return float(floor * rows[low] + between + rows[-1] - rows[high])

        low, high = np.log(rate) - 1.0 - log_score.max(), 1.0 - log_score.min()
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            if kept(middle) < budget:
                low = middle
            else:
                high = middle
        return float(np.exp(0.5 * (low + high)))

    def outlook(self, design: Design) -> Outlook:
        """What a design keeps of the rows counted, each bin at its middle."""
        log_score, counts = self._filled()
        own, pi = design.own_pi_0(log_score), design.pi_0(log_score)
        return Outlook(
            expected=float(counts @ pi),
            variance=float(counts @ (pi * (1 - pi))),
            at_floor=int(counts[own <= design.floor].sum()),
            at_one=int(counts[own >= 1].sum()),
        )

    def outlook_of_positives(self, design: Design) -> Outlook:
        """The same of positives, where those are the rows counted."""
        log_score, counts = self._filled()
        pi = design.pi_1(log_score)
        return Outlook(
            expected=float(counts @ pi),
            variance=float(counts @ (pi * (1 - pi))),
            at_floor=int(counts[pi <= LEAST_PI_1].sum()),
            at_one=int(counts[pi >= 1].sum()),
        )

    def _filled(self) -> tuple[Floats, Floats]:
        """log t at the middle of the bins that have rows, ascending, and their counts."""
        if not len(self._counts) and 0 < self._count < _FEW:
            # There may be thousands of histograms, of many classes: no bins for what is between.
            bins = np.clip(np.concatenate(self._waiting), _LOWEST, _HIGHEST) * _BINS_PER_UNIT
            placed, counts = np.unique(np.floor(bins).astype(np.int64), return_counts=True)
            return self._log_score((placed + 0.5) / _BINS_PER_UNIT), counts.astype(np.float64)
        self._count_waiting()
        filled = np.flatnonzero(self._counts)
        rank = (filled + self._first + 0.5) / _BINS_PER_UNIT
        return self._log_score(rank), self._counts[filled].astype(np.float64)

    def _merge(self, first: int, counts: NDArray[np.int64]) -> None:
        if not len(counts):
            return
        if not len(self._counts):
            self._first, self._counts = first, counts.astype(np.int64)
            return
        before = self._first - min(first, self._first)
        last = max(first + len(counts), self._first + len(self._counts))
        after = last - self._first - len(self._counts)
        if before or after:
            self._counts = np.pad(self._counts, (before, after))
            self._first -= before
        self._counts[first - self._first :][: len(counts)] += counts


@dataclass(frozen=True)
class Outlook:
    """What a design keeps of one class, before any draw."""

    expected: float
    variance: float
    at_floor: int
    at_one: int


@dataclass(frozen=True)
class Design(Knowable):
    """How a sample was drawn. `rate` is budget / N_0; counts are rows of the population.

    draw_key : the column whose values the draws depend on; None where it is the row's number.
    pilot_rate, pilot_draw : where the pilot's own rows are kept, too: the share of the negatives
        that it was fitted on, and the bound below which a negative's draw for the pilot lies.
    repeated : how often a positive is in the sample, on average; with random over-sampling only.
    stages : what was done one after the other, with all settings; of samplers without known
        probabilities, whose score is `UNKNOWN`.
    """

    method: str
    score: str
    rate: float
    c: float
    floor: float
    mix: float
    seed: int
    label: Label
    positives: int
    negatives: int
    drop: tuple[str, ...] = ()
    key: str | None = None
    sample_weight: str | None = None
    pilot_digest: str | None = None
    draw_key: str | None = None
    pilot_rate: float | None = None
    pilot_draw: float | None = None
    repeated: float | None = None
    stages: tuple[Mapping[str, Any], ...] = ()

    @property
    def repeats(self) -> bool:
        """Whether rows of the sample are copies of each other."""
        return self.repeated is not None

    @property
    def population_log_odds(self) -> float:
        """log(N_1 / N_0)."""
        return float(np.log(self.positives / self.negatives))

    def pi_0(self, log_score: Floats) -> Floats:
        """The probability with which a negative of this score is kept, shape (n,).

        With the pilot's rows it is 1 - (1 - q)(1 - pi), q the pilot's rate: either keeps it.
        """
        own = self.own_pi_0(log_score)
        return own if self.pilot_rate is None else 1 - (1 - self.pilot_rate) * (1 - own)

    def own_pi_0(self, log_score: Floats) -> Floats:
        """The same without the pilot's rows, shape (n,)."""
        self.require_known()
        if self.score == UNIFORM:
            return np.full(len(log_score), self.rate)
        part = (1 - self.mix) * self.c * np.exp(log_score)
        return np.clip(self.mix * self.rate + part, self.floor, 1.0)

    def pi_1(self, log_score: Floats) -> Floats:
        """The probability with which a positive of this score is kept, shape (n,).

        With random over-sampling it is the number of times, and may exceed 1.
        """
        self.require_known()
        if self.repeated is not None:
            return np.full(len(log_score), self.repeated)
        if self.score == LOCAL:
            return np.clip(-np.expm1(log_score), LEAST_PI_1, 1.0)
        return np.ones(len(log_score))

    def offset(self, log_score: Floats) -> Floats:
        """l = log pi_1 - log pi_0 of rows of either class, shape (n,)."""
        return offset(self.pi_0(log_score), self.pi_1(log_score))

    def to_document(self) -> dict[str, Any]:
        """The design as JSON."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Design:
        """The design that `to_document` described; older ones lack the last fields.

        Raises
        ------
        ArtifactError : it is of many classes.
        ValueError : it described none, or one of a table that cannot be.
        """
        Label.from_document(document["label"])  # says so where it has many classes
        found = read_document(cls, document)
        shares = found.rate, found.floor, found.mix, found.pilot_rate or 0.0
        if not (min(found.positives, found.negatives) > 0 and 0 <= found.seed < 1 << 64):
            raise ValueError("it is of no table: its counts or its seed cannot be")
        known = all(0 <= share <= 1 for share in shares) and found.rate > 0 and found.c > 0
        if found.correctable and not known:
            raise ValueError("its probabilities are none: a rate, floor, mix or c is out of range")
        return found
