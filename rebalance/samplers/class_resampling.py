"""matrix + classes + method -> which rows of each class are kept, and which are made"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebalance.core.matrix import Matrix
from rebalance.core.parameters import Value
from rebalance.core.wording import counted
from rebalance.errors import DataError, FitError, UsageError
from rebalance.samplers.fitting import Resampled, check_seed, fit_resample
from rebalance.samplers.imbalanced import Method

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]

_TOGETHER = "or put the class together with another"


@dataclass(frozen=True)
class ClassOrder:
    """A method with its settings, the rows wanted of some classes, and a seed.

    names : the classes, whose places are their codes; each has a row. wanted : rows of each class
    that is changed, those made among them; None of a method that cleans. threads : as many as
    there are cores where None; results do not depend on it.
    """

    method: Method
    settings: Mapping[str, Value]
    names: Sequence[str]
    wanted: Mapping[int, int] | None
    seed: int
    threads: int | None = None

    def check(self, matrix: Matrix, codes: Codes) -> None:
        """Refuse what cannot work, before it is tried.

        Raises
        ------
        UsageError : a class has fewer rows than neighbours are looked at; an impossible seed.
        DataError : a class to raise has one row, or all of them at the same place.
        """
        check_seed(self)
        counts = np.bincount(codes, minlength=len(self.names))
        if self.method.role == "under":
            looked_among, spared = int(np.argmin(counts)), 0
        elif self.method.makes and self.wanted:
            for place in self.wanted:
                self._check_class(matrix, np.flatnonzero(codes == place), self.names[place])
            # A row is its own nearest neighbour.
            looked_among, spared = min(self.wanted, key=lambda place: int(counts[place])), 1
        else:
            return
        rows = int(counts[looked_among])
        for name in self.method.neighbours:
            asked = int(self.settings[name])
            if asked > rows - spared:
                raise UsageError(
                    f"{self.method.name} looks at {asked:,} neighbours of a row among those of a "
                    f"class ({name}), and the class '{self.names[looked_among]}' has "
                    f"{counted(rows, 'row')}",
                    remedy=f"give --set {name}={rows - spared} or less, {_TOGETHER}",
                )

    def _check_class(self, matrix: Matrix, rows: Codes, name: str) -> None:
        if len(rows) < 2:
            raise DataError(
                f"the class '{name}' has one row, and {self.method.name} makes rows between two",
                remedy=f"find more rows of it, {_TOGETHER}",
            )
        if matrix.coincide(rows):
            raise DataError(
                f"all {len(rows):,} rows of the class '{name}' are the same in every feature: "
                f"{self.method.name} would only repeat them",
                remedy="give more columns, or thin the other classes with --method uniform",
            )

    def carry_out(self, matrix: Matrix, codes: Codes, tell: Callable[[str], None]) -> Resampled:
        """Let imbalanced-learn do it; what it warns of is told.

        Raises
        ------
        UsageError, FitError : see `samplers.fitting.fit_resample`.
        """
        try:
            return fit_resample(self, self._strategy(codes), matrix, codes, tell)
        except FitError as exc:
            if self.method.role in ("over", "combine"):
                exc.where = "where a class that is raised is positive, and all others are not"
            raise

    def _strategy(self, codes: Codes) -> Any:
        if self.wanted is not None:
            return dict(self.wanted)
        rarest = int(np.argmin(np.bincount(codes, minlength=len(self.names))))
        return [place for place in range(len(self.names)) if place != rarest]

    def pairs(self, codes: Codes) -> int:
        """How many distances a method looks at, at the most, that looks within classes alone."""
        counts = np.bincount(codes, minlength=len(self.names)).tolist()
        return sum(
            counts[place] ** 2 + 10 * max(rows - counts[place], 0)
            for place, rows in (self.wanted or {}).items()
        )

    def scaled(self, codes: Codes, rows: int) -> ClassOrder:
        """The same for some of `rows` rows, and proportional numbers wanted."""
        if self.wanted is None:
            return self
        counts = np.bincount(codes, minlength=len(self.names)).tolist()
        share, under = len(codes) / rows, self.method.role == "under"
        wanted = {
            place: min(max(round(count * share), 1), counts[place])
            if under
            else max(round(count * share), counts[place] + 1)
            for place, count in self.wanted.items()
        }
        return replace(self, wanted=wanted)


def rows_wanted(method: str, ratio: float, names: Sequence[str], counts: Codes) -> dict[int, int]:
    """To how many rows a method that makes rows raises which classes: largest / ratio, shape (K,).

    Raises
    ------
    UsageError : a ratio below 1, or no class has so few rows.

    >>> rows_wanted("smote", 2, ["a", "b", "c"], np.array([100, 10, 60]))
    {1: 50}
    """
    _check_ratio(ratio)
    level = round(int(counts.max()) / ratio)
    _check_level(method, ratio, level, names, counts)
    return {place: level for place, count in enumerate(counts.tolist()) if count < level}


def times_wanted(method: str, ratio: float, names: Sequence[str], counts: Codes) -> Floats:
    """How often rows of each class are to be there on average: max(largest / ratio / own, 1), (K,).

    Raises
    ------
    UsageError : a ratio below 1, or no class has so few rows.

    >>> times_wanted("random-over", 2, ["a", "b", "c"], np.array([100, 20, 60])).tolist()
    [1.0, 2.5, 1.0]
    """
    _check_ratio(ratio)
    level = int(counts.max()) / ratio
    _check_level(method, ratio, level, names, counts)
    return np.asarray(np.maximum(level / counts, 1.0), dtype=np.float64)


def _check_ratio(ratio: float) -> None:
    if ratio < 1:
        raise UsageError(
            f"--ratio {ratio:g} is below 1, and of many classes it is the rows of the largest per "
            "row of the smallest",
            remedy="give 1 or more; 1 makes all classes as large as the largest",
        )


def _check_level(
    method: str, ratio: float, level: float, names: Sequence[str], counts: Codes
) -> None:
    """Check that a class has fewer rows than all are to have."""
    if counts.min() >= level:
        smallest = int(np.argmin(counts))
        there = int(counts.max()) / int(counts[smallest])
        raise UsageError(
            f"--ratio {ratio:g}: the largest class has {there:.6g} rows per row of the smallest, "
            f"'{names[smallest]}', already, and {method} makes rows",
            remedy="choose an under-sampler; " + f"or give a --ratio below {there:.6g}"
            if there > 1
            else "all classes have as many rows: nothing is to be done",
        )
