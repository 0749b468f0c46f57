"""Which rows a design may keep, while the design is not known yet.

A row is kept when its draw u is below its inclusion probability. c follows from all scores, so
while they pass, rows with u below a bound on that probability are retained, and thinned at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rebalance.core.design import UNIFORM, Budget, Design, ScoreHistogram

Floats = NDArray[np.float64]

FLOOR_SHARE = 0.1


@dataclass(frozen=True)
class Terms:
    """What the user fixed of a design; `floor` None is a tenth of the rate."""

    budget: Budget
    floor: float | None
    mix: float
    uniform: bool

    def lowest(self, rate: float) -> float:
        """The floor at this rate."""
        return FLOOR_SHARE * rate if self.floor is None else self.floor


@dataclass(frozen=True)
class Bound:
    """Rates and probabilities at least as high as the final ones, for rows that passed already.

    `certain` are the label values of which every row is retained.
    """

    rate: float
    c: float
    floor: float
    mix: float
    uniform: bool
    certain: frozenset[str]

    def candidates(self, draws: Floats, rank: Floats) -> NDArray[np.bool_]:
        """Rows that the final design may keep, shape (n,); log t is at most the rank."""
        if self.uniform:
            return draws < self.rate
        return may_be_kept(draws, rank, rate=self.rate, c=self.c, floor=self.floor, mix=self.mix)

    def covers(self, design: Design) -> bool:
        """Whether no row that the design keeps can have been let go."""
        return (
            design.label.positive in self.certain
            and design.rate <= self.rate
            and (self.uniform or (design.c <= self.c and design.floor <= self.floor))
        )

    @classmethod
    def of(cls, design: Design) -> Bound:
        """The tightest bound on a design that is known; the margin is for rounding."""
        return cls(
            rate=design.rate * (1 + 1e-9),
            c=design.c * (1 + 1e-9),
            floor=design.floor * (1 + 1e-9),
            mix=design.mix,
            uniform=design.score == UNIFORM,
            certain=frozenset([design.label.positive]),
        )


def may_be_kept(
    draws: Floats, rank: Floats, *, rate: float, c: float, floor: float, mix: float
) -> NDArray[np.bool_]:
    """Rows with a draw below max(floor, mix rate + (1 - mix) c t), shape (n,); a rank is log t."""
    base = mix * rate
    kept = draws < max(floor, base)
    if mix < 1:
        with np.errstate(divide="ignore", invalid="ignore"):
            excess = np.log(draws - base if base else draws)
            kept |= excess - rank < np.log((1 - mix) * c)
    return kept


def forecast(
    terms: Terms,
    ranks: ScoreHistogram,
    counts: Mapping[str, int],
    positive: str | None,
    total: int | None,
) -> Bound:
    """A bound from the rows seen so far, with a margin for those that are still to come.

    Parameters
    ----------
    ranks : those of the negatives seen.
    counts : rows seen by label value; of the `positive` one, where it is known, all are certain,
        else of all values but the commonest.
    total : rows of the whole table, where that is known.
    """
    seen = sum(counts.values())
    commonest = max(counts, key=lambda value: counts[value])
    certain = frozenset([positive] if positive is not None else set(counts) - {commonest})
    positives = sum(counts.get(value, 0) for value in certain)
    negatives = seen - positives
    scale = 1.0 if total is None else total / seen
    # Scores are skewed, and few rows say little of the rest; what was too low is read again.
    margin = 1.2 + 20.0 / np.sqrt(seen)
    wanted = terms.budget.wanted(positives * scale, negatives * scale)
    rate = min(max(wanted / max(negatives * scale, 1.0), 0.0), 1.0)
    if terms.budget.rate is None:
        rate = min(rate * margin, 1.0)
    floor = terms.lowest(rate)
    c = rate
    if not terms.uniform and rate > 0 and negatives:
        c = margin * ranks.solve(rate * negatives, min(floor, rate), terms.mix)
    return Bound(rate, c, floor, terms.mix, terms.uniform, certain)
