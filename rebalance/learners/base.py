"""The interface of a learner, and the rows it is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.kinds import Kind

Floats = NDArray[np.float64]
T = TypeVar("T", np.float64, np.int64)


@dataclass(frozen=True)
class TrainingRows:
    """What a learner is fitted on: n rows.

    columns : the features, arrays of length n, with their kinds.
    y_true : shape (n,), true where positive.
    offset : shape (n,), added to the log odds while fitting and dropped at prediction.
    baseline : shape (n,), log odds that a learner may start from; they are needed again at
        prediction.
    sample_weight : shape (n,), or None for 1 each.
    draws : shape (n,), in [0, 1), for whatever part of the rows the learner holds out.
    population_weight : shape (n,), how many rows of the population each one stands for, the user's
        weight included: what held-out rows count. None where that is `sample_weight`.
    shift : shape (n,), what is taken off the fitted log odds at prediction ("post-hoc"), or None.
    class_shift : log(w_1 / w_0) of class weights, which `sample_weight` and `offset` hold already.
    cluster : shape (n,), codes from 0, the same for rows that were kept by one draw; None where
        each row had its own.
    """

    columns: Mapping[str, pa.Array]
    kinds: Mapping[str, Kind]
    y_true: NDArray[np.bool_]
    offset: Floats
    baseline: Floats
    sample_weight: Floats | None
    draws: Floats
    population_weight: Floats | None = None
    shift: Floats | None = None
    class_shift: float = 0.0
    cluster: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.y_true)

    def take(self, mask: NDArray[np.bool_]) -> TrainingRows:
        """The rows where `mask` is true."""
        selected = pa.array(mask)
        return TrainingRows(
            {name: array.filter(selected) for name, array in self.columns.items()},
            self.kinds,
            self.y_true[mask],
            self.offset[mask],
            self.baseline[mask],
            _part(self.sample_weight, mask),
            self.draws[mask],
            _part(self.population_weight, mask),
            _part(self.shift, mask),
            self.class_shift,
            _part(self.cluster, mask),
        )


def _part(values: NDArray[T] | None, mask: NDArray[np.bool_]) -> NDArray[T] | None:
    return None if values is None else values[mask]


@dataclass(frozen=True)
class Settings:
    """What the user may set of a learner; None stands for the learner's own choice.

    `estimates` asks for standard errors of coefficients, `robust` for those of the sandwich even
    where the model's own would do, and rows that are not `independent`, as copies, have none;
    `cross_validate` names the kind of penalty to choose; `gamma` makes the loss the focal one;
    `curriculum` and `two_stage` ask for what `learners.staged` says. `given` are
    NAME=VALUE, what else a learner may be told, see `learners.catalogue`.
    """

    l2: float | None = None
    rounds: int | None = None
    learning_rate: float | None = None
    leaves: int | None = None
    seed: int = 0
    threads: int | None = None
    l1: float | None = None
    cross_validate: str | None = None
    robust: bool | None = None
    estimates: bool = False
    independent: bool = True
    gamma: float | None = None
    given: tuple[str, ...] = ()
    curriculum: bool | None = None
    two_stage: bool | None = None


class Reads(Protocol):
    """A fitted learner, as far as it does not matter what it was fitted to."""

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The columns it reads, by kind."""

    @property
    def left_out(self) -> Mapping[str, str]:
        """The columns it was given and does not use, with the reason."""

    def surprises(self, columns: Mapping[str, pa.Array]) -> dict[str, int]:
        """Values for which training left no place, by column: they count as the usual ones."""

    def summary(self) -> dict[str, Any]:
        """What the fit found, for the user."""

    def members(self) -> dict[str, bytes]:
        """Its contents as files of an artifact."""


class Fitted(Reads, Protocol):
    """A fitted learner."""

    def log_odds(self, columns: Mapping[str, pa.Array], baseline: Floats | None) -> Floats:
        """The log odds of every row, shape (n,), on the scale it was fitted to."""


class Learner(Protocol):
    """Something that can be fitted; `settings` it does not know are refused."""

    name: str
    accepts: frozenset[str]
    starts_from_baseline: bool

    def fit(self, rows: TrainingRows, settings: Settings) -> Fitted:
        """Fit the log odds of the rows, less the offset.

        Raises
        ------
        FitError : the fit did not converge, or there is nothing to fit.
        """

    def load(self, members: Mapping[str, bytes]) -> Fitted:
        """The fitted learner that `members` described."""
