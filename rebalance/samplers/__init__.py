"""How rows are chosen, behind one registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.design import RANDOM_OVER
from rebalance.core.kinds import Kind
from rebalance.errors import UsageError
from rebalance.samplers.nonuniform import PROBABILITY, Nonuniform, ScoringPilot
from rebalance.samplers.uniform import Uniform

METHODS = (Nonuniform.name, Uniform.name)


class Sampler(Protocol):
    """Gives every row a score t(x), to which its inclusion probability is proportional."""

    name: str
    score: str

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The columns it reads, by kind."""

    def rank(self, columns: Mapping[str, pa.Array], rows: int) -> NDArray[np.float64]:
        """A number for every row that orders rows as log t does and is at least log t, (rows,)."""

    def log_score(self, rank: NDArray[np.float64]) -> NDArray[np.float64]:
        """log t of rows of these ranks, shape (n,)."""

    def surprises(self, columns: Mapping[str, pa.Array]) -> dict[str, int]:
        """Values for which the score has no place, by column."""


def get_sampler(
    method: str | None, pilot: ScoringPilot | None, score: str | None = None
) -> Sampler:
    """The sampler of this name; None stands for nonuniform with a pilot, uniform without.

    `score` is one of `nonuniform.SCORES` or "uniform"; None stands for the pilot's probability.

    Raises
    ------
    UsageError : nonuniform sampling without a pilot, or a score that contradicts the method.
    """
    if method == RANDOM_OVER:
        return Uniform()
    if (
        score is not None
        and method is not None
        and (score == Uniform.score) != (method == Uniform.name)
    ):
        raise UsageError(
            f"--method {method} and --score {score} contradict each other", remedy="give one"
        )
    if Uniform.name in (method, score) or (method is None and score is None and pilot is None):
        return Uniform()
    if pilot is None:
        raise UsageError(
            "nonuniform sampling needs a pilot",
            remedy="make one with 'rebalance pilot' and give it with --pilot, "
            "or choose --method uniform",
        )
    return Nonuniform(pilot, score or PROBABILITY)
