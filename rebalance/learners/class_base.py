"""The interface of a learner of many classes, and the rows it is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.classes import columns_of
from rebalance.core.kinds import Kind
from rebalance.learners.base import Reads, Settings

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ClassRows:
    """What a learner of K classes is fitted on: n rows.

    columns : the features, arrays of length n, with their kinds.
    codes : shape (n,), each row's class, 0 to K - 1; every class has a row.
    offset : shape (n, K), added to the scores while fitting and dropped at prediction.
    baseline : shape (n, K), scores that a learner may start from; they are needed again at
        prediction.
    sample_weight : shape (n,), or None for 1 each.
    draws : shape (n,), in [0, 1), for whatever part of the rows the learner holds out.
    """

    columns: Mapping[str, pa.Array]
    kinds: Mapping[str, Kind]
    codes: NDArray[np.int64]
    offset: Floats
    baseline: Floats
    sample_weight: Floats | None
    draws: Floats

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def count(self) -> int:
        """K, the number of classes."""
        return int(self.offset.shape[1])

    def take(self, mask: NDArray[np.bool_]) -> ClassRows:
        """The rows where `mask` is true."""
        selected = pa.array(mask)
        return ClassRows(
            {name: array.filter(selected) for name, array in self.columns.items()},
            self.kinds,
            self.codes[mask],
            columns_of(self.offset, mask),
            columns_of(self.baseline, mask),
            None if self.sample_weight is None else self.sample_weight[mask],
            self.draws[mask],
        )


class ClassFitted(Reads, Protocol):
    """A fitted learner of many classes."""

    def scores(self, columns: Mapping[str, pa.Array], baseline: Floats) -> Floats:
        """Log probabilities up to a constant of each row, shape (n, K), on the scale fitted."""


class ClassLearner(Protocol):
    """Something that can be fitted to many classes."""

    name: str
    starts_from_baseline: bool

    def fit(self, rows: ClassRows, settings: Settings) -> ClassFitted:
        """Fit the scores of the rows, less the offset.

        Raises
        ------
        FitError : the fit did not converge, or there is nothing to fit.
        """

    def load(self, members: Mapping[str, bytes]) -> ClassFitted:
        """The fitted learner that `members` described."""
