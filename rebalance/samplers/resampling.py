"""matrix + method -> which rows are kept, and which are made"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebalance.core.matrix import Matrix
from rebalance.errors import DataError, FitError, RebalanceError, UsageError
from rebalance.samplers.imbalanced import MAX_SEED, NEGATIVE, POSITIVE, Method
from rebalance.samplers.parameters import Value
from rebalance.samplers.parents import parents_of_adasyn, parents_of_pairs

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
# scikit-learn's words where fewer rows are there than neighbours are looked for.
_TOO_FEW = re.compile(r"n_neighbors = (\d+), n_samples_fit = (\d+)")


@dataclass(frozen=True)
class Resampled:
    """What a method did to n rows.

    kept : positions of the rows that are left, ascending. made : rows like the matrix's, shape
    (m, d). made_positive : their class. parents : positions of the rows that each was made of,
    shape (m, 2 or more); None where the method does not tell.
    """

    kept: Rows
    made: Floats
    made_positive: NDArray[np.bool_]
    parents: Rows | None


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
        if method.seeded and self.seed > MAX_SEED:
            raise UsageError(
                f"the seed {self.seed} is too large for {method.name}",
                remedy=f"give a --seed of at most {MAX_SEED}",
            )
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
        if (matrix.values[rows] == matrix.values[rows[0]]).all():
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
        UsageError : fewer rows than neighbours are looked for.
        FitError : it found nothing to work on.
        """
        from sklearn import config_context
        from threadpoolctl import threadpool_limits

        method, values = self.method, matrix.values
        y = np.where(y_true, POSITIVE, NEGATIVE)
        sampler = method.build(self.settings, self._strategy(), self.seed, **self._fixed(matrix))
        if method.needs == "categories":
            values = values.astype(np.int64)
        threads = 1 if method.clusters else self.threads
        # Looking for what to limit takes longer than to decode what is made.
        limits = nullcontext() if threads is None else threadpool_limits(threads)
        finite = config_context(assume_finite=True)  # as the matrix was made
        with warnings.catch_warnings(record=True) as caught, limits, finite:
            warnings.simplefilter("always")
            try:
                found, classes = sampler.fit_resample(values, y)
            except RebalanceError:
                raise
            except (ValueError, RuntimeError, IndexError, ZeroDivisionError) as exc:
                raise self._failed(exc) from exc
        for each in caught:
            if issubclass(each.category, UserWarning):
                tell(f"{method.name}: {_first_line(each.message)}")
        return self._read(sampler, np.asarray(found, dtype=np.float64), classes, matrix, y_true)

    def _strategy(self) -> Any:
        if self.method.role == "clean":
            return [NEGATIVE]
        return {NEGATIVE if self.method.role == "under" else POSITIVE: self.wanted}

    def _fixed(self, matrix: Matrix) -> dict[str, Any]:
        if self.method.needs == "numbers and categories":
            return {"categorical_features": matrix.codes.tolist()}
        return {}

    def _read(
        self,
        sampler: Any,
        found: Floats,
        classes: NDArray[np.int64],
        matrix: Matrix,
        y_true: NDArray[np.bool_],
    ) -> Resampled:
        """Tell kept rows from made ones."""
        count, role = len(y_true), self.method.role
        none = found[:0]
        if self.method.makes and role == "under":  # the positives, and centroids for negatives
            made = found[classes == NEGATIVE]
            return Resampled(np.flatnonzero(y_true), made, np.zeros(len(made), dtype=bool), None)
        if role in ("under", "clean"):
            kept = np.unique(sampler.sample_indices_)  # seeds are drawn with replacement
            return Resampled(kept, none, np.zeros(0, dtype=bool), None)
        maker, at = sampler, np.arange(len(found))
        if role == "combine":
            maker, cleaner = (getattr(sampler, f"{part}_") for part in self.method.parts)
            at = cleaner.sample_indices_
        parents = _parents(maker, matrix, y_true)
        if role == "over":  # all rows, then those that were made
            made_positive = classes[count:] == POSITIVE
            return Resampled(np.arange(count), found[count:], made_positive, parents)
        is_made = at >= count
        return Resampled(
            kept=np.sort(at[~is_made]),
            made=found[is_made],
            made_positive=classes[is_made] == POSITIVE,
            parents=parents[at[is_made] - count],
        )

    def _failed(self, exc: Exception) -> RebalanceError:
        """What a failure of imbalanced-learn's says, in our words."""
        name, said = self.method.name, _first_line(exc)
        for words, what, remedy in self.method.failures:
            if words in said:
                return FitError(what.format(**self.settings), remedy=remedy)
        few = _TOO_FEW.search(said)
        if few:
            looked, rows = int(few[1]), int(few[2])
            for parameter, value in self.settings.items():
                # A row is its own nearest neighbour, which is looked at on top.
                if "neighbors" in parameter and value in (looked, looked - 1):
                    most = rows - (looked - int(value))
                    return UsageError(
                        f"{name} looks at {value:,} neighbours of a row ({parameter}), and there "
                        f"are {rows:,} rows to look among",
                        remedy=f"give --set {parameter}={most} or less"
                        if most > 0
                        else "choose another --method",
                    )
        return FitError(
            f"{name} found nothing to work on: {said}",
            remedy="change its parameters with --set, or choose another --method",
        )


def _parents(maker: Any, matrix: Matrix, y_true: NDArray[np.bool_]) -> Rows:
    if hasattr(maker, "neighbours_"):
        return np.asarray(np.flatnonzero(y_true)[maker.neighbours_])
    if hasattr(maker, "watched_"):
        return parents_of_pairs(maker.watched_, matrix.values, y_true)
    if hasattr(maker, "nn_"):
        return parents_of_adasyn(maker, y_true)
    return np.empty((0, 2), dtype=np.int64)  # nothing was made


def _are(positives: int) -> str:
    return "is one positive" if positives == 1 else f"are {positives:,} positives"


def _first_line(said: object) -> str:
    return " ".join(str(said).split()).rstrip(".")
