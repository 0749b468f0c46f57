"""Which rows of each class a design may keep, while the design is not known yet.

As `core.selection` for two classes: c_k follows from all scores of class k, so while they pass,
rows with a draw below a bound on their probability are retained, and thinned at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rebalance.core.class_design import FLOOR_SHARE, ClassBudget, ClassDesign, spread_level
from rebalance.core.design import ScoreHistogram

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

_MARGIN = 1 + 1e-9  # for rounding


@dataclass(frozen=True)
class ClassTerms:
    """What the user fixed of a design; `floor` None is a tenth of each class's rate."""

    budget: ClassBudget
    floor: float | None
    mix: float
    uniform: bool


class ClassBounds:
    """Rate, c and floor of each class, at least as high as the final ones.

    Classes are numbered as they came; one of which nothing is known yet is retained whole.

    >>> bounds = ClassBounds(ClassTerms(ClassBudget(rates={"b": 0.5}), None, 0.0, uniform=True))
    >>> bounds.raise_to(np.array([1]), np.array([0.5]))
    >>> bounds.candidates(np.array([0, 1, 1]), np.array([0.9, 0.6, 0.4]), np.zeros(3)).tolist()
    [True, False, True]
    """

    def __init__(self, terms: ClassTerms) -> None:
        self._terms = terms
        # Rates, c and floors, shape (3, K): those now, and the lowest ones that rows met so far.
        self._now = np.full((3, 0), np.inf)
        self._lowest = np.full((3, 0), np.inf)

    def _grow(self, count: int) -> None:
        more = ((0, 0), (0, max(count - self._now.shape[1], 0)))
        self._now = np.pad(self._now, more, constant_values=np.inf)
        self._lowest = np.pad(self._lowest, more, constant_values=np.inf)

    def raise_to(
        self, places: Codes, rate: Floats, c: Floats | None = None, floor: Floats | None = None
    ) -> None:
        """New bounds of some classes; a rate of 1 or more retains all rows."""
        self._grow(int(places.max(initial=-1)) + 1)
        found = np.full((3, len(places)), np.inf)
        thinned = rate < 1
        found[0, thinned] = rate[thinned]
        if not self._terms.uniform and c is not None and floor is not None:
            found[1, thinned], found[2, thinned] = c[thinned], floor[thinned]
        self._now[:, places] = found
        self._lowest[:, places] = np.minimum(self._lowest[:, places], found)

    def candidates(self, places: Codes, draws: Floats, log_score: Floats) -> NDArray[np.bool_]:
        """Rows that the final design may keep, shape (n,); `places` are those of their classes."""
        self._grow(int(places.max(initial=-1)) + 1)
        rate = self._now[0, places]
        if self._terms.uniform:
            return np.asarray(draws < rate)
        c, floor = self._now[1, places], self._now[2, places]
        mix = self._terms.mix
        base = mix * np.where(np.isinf(rate), 0.0, rate)
        kept = np.isinf(rate) | (draws < np.maximum(floor, base))
        if mix < 1:
            with np.errstate(divide="ignore", invalid="ignore"):
                excess = np.log(draws - base if mix else draws)
                kept |= excess - log_score < np.log((1 - mix) * c)
        return np.asarray(kept)

    def covers(self, design: ClassDesign, places: Codes) -> bool:
        """Whether no row that the design keeps can have been let go.

        places : where each class of the design stands here, shape (K,).
        """
        lowest = self._lowest[:, places]
        final = np.array([design.rates, design.c, design.floors])
        if self._terms.uniform:
            final[1:] = 0.0
        return bool((np.isinf(lowest[0]) | (final <= lowest).all(axis=0)).all())

    @classmethod
    def of(cls, design: ClassDesign, places: Codes) -> ClassBounds:
        """The tightest bounds on a design that is known; see `covers` for `places`."""
        uniform = design.score == "uniform"
        bounds = cls(ClassTerms(ClassBudget(), None, design.mix, uniform))
        rates = np.array(design.rates)
        bounds.raise_to(
            places,
            np.where(rates < 1, np.minimum(rates * _MARGIN, np.nextafter(1.0, 0.0)), 1.0),
            np.array(design.c) * _MARGIN,
            np.array(design.floors) * _MARGIN,
        )
        return bounds


def forecast_rates(
    budget: ClassBudget, values: Sequence[str], seen: Codes, total: int | None
) -> Floats:
    """Rates at least as high as the final ones, by all that is known of the rows still to come.

    Parameters
    ----------
    values, seen : the classes met so far, and rows of each. total : rows of the whole table.
    """
    if budget.rates is not None:
        return np.array([budget.rates.get(value, 1.0) for value in values])
    rows = int(seen.sum())
    scale = 1.0 if total is None else max(total / rows, 1.0)
    expected = seen * scale
    some = seen > 0
    if budget.ratio is not None:
        rarest = int(seen[some].min())
        level = budget.ratio * rarest * scale * (1.2 + 20.0 / np.sqrt(rarest))
    else:
        counts = np.rint(expected).astype(np.int64)
        level = spread_level(min(budget.rows or 0, rows * scale), counts)
    found = np.ones(len(seen))
    # Few rows say little of the rest; what was too low is read again.
    margin = 1.2 + 20.0 / np.sqrt(seen[some])
    wanted = np.minimum(np.rint(expected[some]), level)
    found[some] = np.minimum(wanted / expected[some] * margin, 1.0)
    return found


def forecast(
    terms: ClassTerms, rate: float, ranks: ScoreHistogram | None, seen: int
) -> tuple[float, float, float]:
    """Rate, c and floor for one class by its rows seen so far, with a margin for later ones."""
    floor = FLOOR_SHARE * rate if terms.floor is None else terms.floor
    if not seen:
        return 1.0, np.inf, floor
    if terms.uniform or rate >= 1 or ranks is None:
        return rate, np.inf, floor
    margin = 1.2 + 20.0 / np.sqrt(seen)
    c = margin * ranks.solve(rate * seen, min(floor, rate), terms.mix)
    return rate, c, floor
