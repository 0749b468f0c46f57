"""Boosting that goes from balanced classes to the rows as they are, on the rows' scale all along.

The schedule is that of curricula for imbalanced classes (Wang et al. 2019, "Dynamic curriculum
learning for imbalanced data classification", ICCV): at the place a of the way, from 0 to 1, class
c of C = 2 has the share

    q_c(a) = (1 - a)/2 + a N_c/N

of the rows. The commoner class is thinned to it, with the probability pi(a) = (q/N of the commoner)
/ (q/N of the rarer), and what follows starts from the log odds so far plus the offset l = log pi_1
- log pi_0 of that thinning. So trees of every stage add to log odds of the rows as they are, and
no shift is left behind; the first are fitted to few rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebalance.core.correction import log_probability, offset
from rebalance.learners.boosting import MAX_ROUNDS, Boosting, without_parameters
from rebalance.learners.joined_trees import joined

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

STAGES = 8
_FIRST_ROUNDS = 32
_WORTH = 1e-3
# What is added to a row's draw for each stage more, modulo 1, so that stages keep other rows: steps
# of the golden ratio spread evenly (Weyl's equidistribution).
STEP = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class Stage:
    """A part of the way: so many rounds at the place a, where a class is kept with pi."""

    rounds: int
    pi_0: float
    pi_1: float

    def keeps(self, y_true: Bools, draws: Floats) -> Bools:
        """The rows it is fitted to, shape (n,)."""
        return draws < np.where(y_true, self.pi_1, self.pi_0)


def stages(rounds: int, positives: float, negatives: float) -> list[Stage]:
    """The stages of so many rounds; the last one, and a single one, keeps all rows.

    >>> [(stage.rounds, round(stage.pi_0, 4)) for stage in stages(3, 1, 99)]
    [(1, 0.0101), (1, 0.0295), (1, 1.0)]
    """
    count = min(STAGES, rounds)
    share = positives / (positives + negatives)
    found = []
    for number, part in enumerate(np.array_split(np.arange(rounds), count)):
        a = number / (count - 1) if count > 1 else 1.0
        q = (1 - a) / 2 + a * share
        pi_0, pi_1 = (1 - q) / negatives, q / positives
        largest = max(pi_0, pi_1)
        found.append(Stage(len(part), pi_0 / largest, pi_1 / largest))
    return found


@dataclass(frozen=True)
class Curriculum:
    """The rows, and draws in [0, 1) by which each stage keeps some of them, shape (n,)."""

    boosting: Boosting
    draws: Floats

    def find_rounds(self, held_out: Bools) -> int:
        """The number of rounds, doubled while the log loss of the rows held out becomes less.

        By less than a thousandth is not worth rounds that are twice as many.
        """
        from lightgbm import Booster

        best, least = _FIRST_ROUNDS, np.inf
        rounds = _FIRST_ROUNDS
        while rounds <= MAX_ROUNDS:
            text = self._text(rounds, ~held_out)
            raw = self._predict(Booster(model_str=text), self.boosting.matrix[held_out])
            loss = self._loss(held_out, raw)
            if loss >= least * (1 - _WORTH):
                break
            best, least = rounds, loss
            rounds *= 2
        return best

    def trees(self, rounds: int) -> tuple[str, tuple[Stage, ...]]:
        """So many rounds over all rows, as LightGBM's text without its parameters; their stages."""
        everything = np.full(len(self.draws), True)
        return self._text(rounds, everything), tuple(self._stages(rounds, everything))

    def _stages(self, rounds: int, among: Bools) -> list[Stage]:
        boosting = self.boosting
        y_true = boosting.target == 1
        weight = among if boosting.sample_weight is None else boosting.sample_weight * among
        return stages(rounds, float(weight[y_true].sum()), float(weight[~y_true].sum()))

    def _text(self, rounds: int, among: Bools) -> str:
        from lightgbm import train

        boosting = self.boosting
        y_true = boosting.target == 1
        log_odds, parts = boosting.start.copy(), []
        way = self._stages(rounds, among)
        for number, stage in enumerate(way):
            kept = among & stage.keeps(y_true, (self.draws + number * STEP) % 1.0)
            shift = float(offset(np.array(stage.pi_0), np.array(stage.pi_1)))
            part = self._whole.subset(np.flatnonzero(kept), params=boosting.parameters).construct()
            part.set_init_score(log_odds[kept] + shift)
            booster = train(boosting.parameters, part, stage.rounds)
            parts.append(without_parameters(booster.model_to_string(num_iteration=stage.rounds)))
            if number + 1 < len(way):
                log_odds += self._predict(booster, boosting.matrix)
        return joined(parts)

    @cached_property
    def _whole(self) -> Any:
        """All rows. Stages take their bins: a missing value is known as one in each of them."""
        return self.boosting.dataset().construct()

    def _predict(self, booster: Any, matrix: Floats) -> Floats:
        threads = self.boosting.parameters["num_threads"]
        raw = booster.predict(matrix, raw_score=True, num_threads=threads)
        return np.asarray(raw, dtype=np.float64)

    def _loss(self, rows: Bools, raw: Floats) -> float:
        boosting = self.boosting
        log_odds = boosting.start[rows] + raw
        each = -log_probability(np.where(boosting.target[rows] == 1, log_odds, -log_odds))
        weight = None if boosting.sample_weight is None else boosting.sample_weight[rows]
        return float(np.average(each, weights=weight))
