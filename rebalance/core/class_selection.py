"""Which rows of each class a design may keep, while the design is not known yet.

As `core.selection` for two classes: c_k follows from all scores of class k, so while they pass,
rows with a draw below a bound on their probability are retained, and thinned at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rebalance.core.class_design import FLOOR_SHARE, ClassBudget, ClassDesign, spread
from rebalance.core.design import ScoreHistogram
from rebalance.core.selection import may_be_kept

Floats = NDArray[np.float64]

_MARGIN = 1 + 1e-9  # for rounding


@dataclass(frozen=True)
class ClassTerms:
    """What the user fixed of a design; `floor` None is a tenth of each class's rate."""

    budget: ClassBudget
    floor: float | None
    mix: float
    uniform: bool


@dataclass(frozen=True)
class ClassBound:
    """Rate, c and floor of one class, at least as high as the final ones."""

    rate: float
    c: float
    floor: float
    mix: float
    uniform: bool

    def candidates(self, draws: Floats, log_score: Floats) -> NDArray[np.bool_]:
        """Rows of the class that the final design may keep, shape (n,)."""
        if self.rate >= 1 or self.uniform:
            return draws < self.rate
        return may_be_kept(
            draws, log_score, rate=self.rate, c=self.c, floor=self.floor, mix=self.mix
        )

    def covers(self, design: ClassDesign, place: int) -> bool:
        """Whether no row that the design keeps can have been let go."""
        if self.rate >= 1:
            return True
        final = design.rates[place], design.c[place], design.floors[place]
        if self.uniform:
            return final[0] <= self.rate
        return final[0] <= self.rate and final[1] <= self.c and final[2] <= self.floor

    @classmethod
    def of(cls, design: ClassDesign, place: int) -> ClassBound:
        """The tightest bound on a design that is known."""
        rate = design.rates[place]
        return cls(
            rate if rate >= 1 else rate * _MARGIN,
            design.c[place] * _MARGIN,
            design.floors[place] * _MARGIN,
            design.mix,
            design.score == "uniform",
        )


def forecast_rates(
    budget: ClassBudget, values: Sequence[str], seen: Sequence[int], total: int | None
) -> list[float]:
    """Rates at least as high as the final ones, by all that is known of the rows still to come.

    Parameters
    ----------
    values, seen : the classes met so far, and rows of each. total : rows of the whole table.
    """
    if budget.rates is not None:
        return [budget.rates.get(value, 1.0) for value in values]
    rows = sum(seen)
    scale = 1.0 if total is None else max(total / rows, 1.0)
    level = spread(min(budget.rows or 0, rows * scale), [round(each * scale) for each in seen])
    # Few rows say little of the rest; what was too low is read again.
    return [
        min(wanted / (each * scale) * (1.2 + 20.0 / np.sqrt(each)), 1.0) if each else 1.0
        for wanted, each in zip(level, seen, strict=True)
    ]


def forecast(terms: ClassTerms, rate: float, ranks: ScoreHistogram, seen: int) -> ClassBound:
    """A bound for one class from its rows seen so far, with a margin for those still to come."""
    floor = FLOOR_SHARE * rate if terms.floor is None else terms.floor
    if terms.uniform or rate >= 1 or not seen:
        whole = 1.0 if not seen else rate
        return ClassBound(whole, np.inf, floor, terms.mix, terms.uniform)
    margin = 1.2 + 20.0 / np.sqrt(seen)
    c = margin * ranks.solve(rate * seen, min(floor, rate), terms.mix)
    return ClassBound(rate, c, floor, terms.mix, terms.uniform)
