"""matrix + method -> which rows are kept, and which are made"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebalance.core.matrix import Matrix
from rebalance.core.parameters import Value
from rebalance.errors import DataError, UsageError
from rebalance.samplers.fitting import Resampled, check_seed, fit_resample
from rebalance.samplers.imbalanced import NEGATIVE, POSITIVE, Method


@dataclass(frozen=True)
class Order:
    """A method with its settings, the number of rows wanted of a class, and a seed.

    wanted : positives of a sampler that makes them, negatives of one that keeps so many; None of
    one that cleans. threads : as many as there are cores where None; results do not depend on it.
    """

    method: Method
    settings: Mapping[str, Value]
    wanted: int | None
    seed: int
    threads: int | None = None

    def check(self, matrix: Matrix, y_true: NDArray[np.bool_]) -> None:
        """Refuse what cannot work, before it is tried.

        Raises
        ------
        UsageError : too few positives for the neighbours that are looked at; an impossible seed.
        DataError : one positive only, or all of them at the same place; features of the wrong kind.
        """
        method, positives = self.method, int(y_true.sum())
        check_seed(self)
        if method.makes and method.role != "under":
            self._check_positives(matrix, y_true)
        for name in method.neighbours:
            asked = int(self.settings[name])
            most = positives - (method.role != "under")
            if asked > most:
                raise UsageError(
                    f"{method.name} looks at {asked:,} neighbours of a row among the positives "
                    f"({name}), and there {_are(positives)}",
                    remedy=f"give --set {name}={most} or less",
                )

    def _check_positives(self, matrix: Matrix, y_true: NDArray[np.bool_]) -> None:
        rows = np.flatnonzero(y_true)
        if len(rows) < 2:
            raise DataError(
                f"there is one positive, and {self.method.name} makes rows between two",
                remedy="find more positives, or repeat this one with --method random-over",
            )
        if matrix.coincide(rows):
            raise DataError(
                f"all {len(rows):,} positives are the same in every feature: {self.method.name} "
                "would only repeat them",
                remedy="repeat them with --method random-over, or give more columns",
            )

    def carry_out(
        self, matrix: Matrix, y_true: NDArray[np.bool_], tell: Callable[[str], None]
    ) -> Resampled:
        """Let imbalanced-learn do it; what it warns of is told.

        Raises
        ------
        UsageError, FitError : see `samplers.fitting.fit_resample`.
        """
        y = np.where(y_true, POSITIVE, NEGATIVE)
        return fit_resample(self, self._strategy(), matrix, y, tell)

    def pairs(self, y_true: NDArray[np.bool_]) -> int:
        """How many distances a method looks at, at the most, that looks at positives alone."""
        positives = int(y_true.sum())
        return positives**2 + 10 * max((self.wanted or 0) - positives, 0)

    def scaled(self, y_true: NDArray[np.bool_], rows: int) -> Order:
        """The same for some of `rows` rows, and a proportional number wanted."""
        if self.wanted is None:
            return self
        positives = int(y_true.sum())
        under = self.method.role == "under"
        wanted = max(round(self.wanted * (len(y_true) / rows)), 1 if under else positives + 1)
        return replace(self, wanted=min(wanted, len(y_true) - positives) if under else wanted)

    def _strategy(self) -> Any:
        if self.method.role == "clean":
            return [NEGATIVE]
        return {NEGATIVE if self.method.role == "under" else POSITIVE: self.wanted}


def _are(positives: int) -> str:
    return "is one positive" if positives == 1 else f"are {positives:,} positives"
