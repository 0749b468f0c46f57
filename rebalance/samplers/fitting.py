"""method + matrix + classes -> what imbalanced-learn makes of them; its failures in our words"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rebalance.core.matrix import Matrix
from rebalance.core.parameters import Value
from rebalance.errors import FitError, RebalanceError, UsageError
from rebalance.samplers.imbalanced import MAX_SEED, Method
from rebalance.samplers.parents import parents_of

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

# scikit-learn's words where fewer rows are there than neighbours are looked for.
_TOO_FEW = re.compile(r"n_neighbors = (\d+), n_samples_fit = (\d+)")


@dataclass(frozen=True)
class Resampled:
    """What a method did to n rows.

    kept : positions of the rows that are left, ascending. made : rows like the matrix's, shape
    (m, d). made_codes : their classes. parents : positions of the rows that each was made of,
    shape (m, 2 or more); None where the method does not tell.
    """

    kept: Rows
    made: Floats
    made_codes: Rows
    parents: Rows | None


class Job(Protocol):
    """A method with its settings and a seed; threads as many as there are cores where None."""

    @property
    def method(self) -> Method:
        """What is to be done."""

    @property
    def settings(self) -> Mapping[str, Value]:
        """All parameters that may be set."""

    @property
    def seed(self) -> int:
        """Of whatever is drawn."""

    @property
    def threads(self) -> int | None:
        """Results do not depend on them."""


def check_seed(job: Job) -> None:
    """Refuse a seed that NumPy's older generators do not take.

    Raises
    ------
    UsageError : it is too large.
    """
    if job.method.seeded and job.seed > MAX_SEED:
        raise UsageError(
            f"the seed {job.seed} is too large for {job.method.name}",
            remedy=f"give a --seed of at most {MAX_SEED}",
        )


def fit_resample(
    job: Job, strategy: Any, matrix: Matrix, y: Rows, tell: Callable[[str], None]
) -> Resampled:
    """Let imbalanced-learn resample rows of the classes `y`; what it warns of is told.

    Raises
    ------
    UsageError : fewer rows than neighbours are looked for.
    FitError : it found nothing to work on.
    """
    from sklearn import config_context
    from threadpoolctl import threadpool_limits

    method, values = job.method, matrix.values
    sampler = method.build(job.settings, strategy, job.seed, **_fixed(method, matrix))
    if method.needs == "categories":
        values = values.astype(np.int64)
    threads = 1 if method.clusters else job.threads
    # Looking for what to limit takes longer than to decode what is made.
    limits = nullcontext() if threads is None else threadpool_limits(threads)
    finite = config_context(assume_finite=True)  # as the matrix was made
    with warnings.catch_warnings(record=True) as caught, limits, finite:
        warnings.simplefilter("always")
        try:
            result = sampler.fit_resample(values, y)
        except RebalanceError:
            raise
        except (ValueError, RuntimeError, IndexError, ZeroDivisionError) as exc:
            raise _failed(job, exc) from exc
    for each in caught:
        if issubclass(each.category, UserWarning):
            tell(f"{method.name}: {_one_line(each.message)}")
    return _read(method, sampler, result, matrix, y)


def _read(method: Method, sampler: Any, result: Any, matrix: Matrix, y: Rows) -> Resampled:
    """Tell kept rows from made ones in the rows and classes that a sampler gave."""
    role, count = method.role, len(y)
    found, classes = np.asarray(result[0], dtype=np.float64), np.asarray(result[1])
    if role == "under" and method.makes:  # classes that are spared, and centroids of the others
        changed = list(sampler.sampling_strategy_)
        made = np.isin(classes, changed)
        kept = np.flatnonzero(~np.isin(y, changed))
        return Resampled(kept, found[made], classes[made], None)
    if role in ("under", "clean"):
        kept = np.unique(sampler.sample_indices_)  # seeds are drawn with replacement
        return Resampled(kept, found[:0], classes[:0], None)
    if role == "over":  # all rows, then those that were made
        parents = parents_of(sampler, matrix, y)
        return Resampled(np.arange(count), found[count:], classes[count:], parents)
    maker, cleaner = (getattr(sampler, f"{part}_") for part in method.parts)
    at = cleaner.sample_indices_
    made = at >= count
    parents = parents_of(maker, matrix, y)[at[made] - count]
    return Resampled(np.sort(at[~made]), found[made], classes[made], parents)


def _fixed(method: Method, matrix: Matrix) -> dict[str, Any]:
    if method.needs == "numbers and categories":
        return {"categorical_features": matrix.codes.tolist()}
    return {}


def _failed(job: Job, exc: Exception) -> RebalanceError:
    """What a failure of imbalanced-learn's says, in our words."""
    name, said = job.method.name, _one_line(exc)
    for words, what, remedy in job.method.failures:
        if words in said:
            return FitError(what.format(**job.settings), remedy=remedy)
    few = _TOO_FEW.search(said)
    if few:
        looked, rows = int(few[1]), int(few[2])
        for parameter, value in job.settings.items():
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


def _one_line(said: object) -> str:
    return " ".join(str(said).split()).rstrip(".")
