"""From which rows a made row was made: imbalanced-learn knows while it works, and then forgets.

Its samplers are watched, not repeated: a subclass notes what is passed between their parts, and
what they make stays theirs to the last bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebalance.core.matrix import Matrix

Rows = NDArray[np.int64]


def watched(kind: type) -> type:
    """The class of a SMOTE-like sampler, whose instances note their draws in `watched_`.

    Each note is (rows that were made from, rows that neighbours were taken from, position in the
    former, position in the latter, class of what was made).
    """

    class Watched(kind):  # type: ignore[misc]
        def _generate_samples(
            self, X: Any, nn_data: Any, nn_num: Any, rows: Any, cols: Any, *rest: Any, **named: Any
        ) -> Any:
            notes = self.__dict__.setdefault("watched_", [])
            notes.append((X, nn_data, rows, nn_num[rows, cols], int(rest[1])))
            return super()._generate_samples(X, nn_data, nn_num, rows, cols, *rest, **named)

    return Watched


def watched_nominal(kind: type) -> type:
    """The class of SMOTEN; in `neighbours_` are the rows of a class that made rows were made of.

    By the class, as positions among its rows.
    """

    class Watched(kind):  # type: ignore[misc]
        def _make_samples(
            self, X: Any, label: Any, dtype: Any, nearest: Any, count: int
        ) -> tuple[Any, Any]:
            from sklearn.utils import check_random_state

            generator = check_random_state(self.random_state)
            chosen = generator.choice(np.arange(X.shape[0]), size=count, replace=True)
            self.__dict__.setdefault("neighbours_", {})[int(label)] = nearest[chosen]
            return super()._make_samples(X, label, dtype, nearest, count)  # type: ignore[no-any-return]

    return Watched


def watched_neighbours(count: int) -> Any:
    """A search for so many neighbours, the row itself among them, that notes what it found."""
    from sklearn.neighbors import NearestNeighbors

    class Watched(NearestNeighbors):  # type: ignore[misc]
        def kneighbors(self, *given: Any, **named: Any) -> Any:
            found = super().kneighbors(*given, **named)
            self.__dict__.setdefault("watched_", []).append(found)
            return found

    return Watched(n_neighbors=count)


def parents_of(maker: Any, matrix: Matrix, y: Rows) -> Rows:
    """The rows that each made row was made of, shape (m, 2 or more), in the order they were made.

    y : each row's class, shape (n,), as imbalanced-learn was given it.
    """
    if hasattr(maker, "neighbours_"):
        found = [np.flatnonzero(y == made)[near] for made, near in maker.neighbours_.items()]
        return np.concatenate(found)
    if hasattr(maker, "watched_"):
        return parents_of_pairs(maker.watched_, matrix.values, y)
    if hasattr(maker, "nn_"):
        return parents_of_adasyn(maker, y)
    return np.empty((0, 2), dtype=np.int64)  # nothing was made


def parents_of_pairs(notes: list[tuple[Any, Any, Rows, Rows, int]], matrix: Any, y: Rows) -> Rows:
    """The two rows of the matrix that each made row lies between, shape (m, 2).

    y : each row's class, as imbalanced-learn was given it.
    """
    find = {made: _Finder(matrix, y == made) for made in {note[-1] for note in notes}}
    pairs = [
        np.column_stack([find[made].rows_of(base)[at], find[made].rows_of(near)[to]])
        for base, near, at, to, made in notes
    ]
    return np.concatenate(pairs) if pairs else np.empty((0, 2), dtype=np.int64)


def parents_of_adasyn(sampler: Any, y: Rows) -> Rows:
    """The two rows that each row made by ADASYN lies between, shape (m, 2).

    Follows He et al. 2008 as imbalanced-learn does, from the neighbours that it found: the share
    of the other class among them says how many rows are made from each positive.
    """
    from sklearn.utils import check_random_state

    generator = check_random_state(sampler.random_state)
    searches = iter(sampler.nn_.watched_)
    pairs = []
    for made, count in sampler.sampling_strategy_.items():
        if not count:
            continue
        of_all, of_class = next(searches)[:, 1:], next(searches)[:, 1:]
        class_rows = np.flatnonzero(y == made)
        share = np.sum(y[of_all] != made, axis=1) / of_all.shape[1]
        times = np.rint(share / share.sum() * count).astype(np.int64)
        base = np.repeat(np.arange(len(class_rows)), times)
        columns = generator.choice(of_all.shape[1], size=len(base))
        generator.uniform(size=(len(base), 1))  # how far it goes from one to the other
        pairs.append(np.column_stack([class_rows[base], class_rows[of_class[base, columns]]]))
    return np.concatenate(pairs)


class _Finder:
    """Where the rows of a part stand in the matrix; of rows that are equal, the first positive."""

    def __init__(self, matrix: Any, y_true: NDArray[np.bool_]) -> None:
        self._matrix = matrix
        self._all = len(y_true)
        self._positives = np.flatnonzero(y_true)
        self._places: dict[bytes, int] = {}

    def rows_of(self, part: Any) -> Rows:
        """The positions of a part's rows: of all rows, all positives, or some of them."""
        if part.shape[0] == self._all:
            return np.arange(self._all)
        if part.shape[0] == len(self._positives):
            return self._positives
        if not self._places:
            rows = self._positives[::-1]
            found = map(bytes, _as_bytes(self._matrix[rows]))
            self._places = dict(zip(found, rows.tolist(), strict=True))
        places = [self._places[row] for row in map(bytes, _as_bytes(part))]
        return np.array(places, dtype=np.int64)


def _as_bytes(part: Any) -> Any:
    """Each row's bytes, as one value, shape (n,)."""
    whole = np.ascontiguousarray(part)
    return whole.view(np.dtype((np.void, whole.dtype.itemsize * whole.shape[1])))[:, 0]
