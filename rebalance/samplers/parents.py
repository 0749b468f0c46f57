"""From which rows a made row was made: imbalanced-learn knows while it works, and then forgets.

Its samplers are watched, not repeated: a subclass notes what is passed between their parts, and
what they make stays theirs to the last bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def watched(kind: type) -> type:
    """The class of a SMOTE-like sampler, whose instances note their draws in `watched_`.

    Each note is (rows that were made from, rows that neighbours were taken from, position in the
    former, position in the latter).
    """

    class Watched(kind):  # type: ignore[misc]
        def _generate_samples(
            self, X: Any, nn_data: Any, nn_num: Any, rows: Any, cols: Any, *rest: Any, **named: Any
        ) -> Any:
            notes = self.__dict__.setdefault("watched_", [])
            notes.append((X, nn_data, rows, nn_num[rows, cols]))
            return super()._generate_samples(X, nn_data, nn_num, rows, cols, *rest, **named)

    return Watched


def watched_nominal(kind: type) -> type:
    """The class of SMOTEN; in `neighbours_` are the positives that each made row was made of."""

    class Watched(kind):  # type: ignore[misc]
        def _make_samples(
            self, X: Any, label: Any, dtype: Any, nearest: Any, count: int
        ) -> tuple[Any, Any]:
            from sklearn.utils import check_random_state

            generator = check_random_state(self.random_state)
            chosen = generator.choice(np.arange(X.shape[0]), size=count, replace=True)
            self.neighbours_ = nearest[chosen]
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


def parents_of_pairs(
    notes: list[tuple[Any, Any, Rows, Rows]], matrix: Any, y_true: NDArray[np.bool_]
) -> Rows:
    """The two rows of the matrix that each made row lies between, shape (m, 2)."""
    find = _Finder(matrix, y_true)
    pairs = [
        np.column_stack([find.rows_of(base)[at], find.rows_of(near)[to]])
        for base, near, at, to in notes
    ]
    return np.concatenate(pairs) if pairs else np.empty((0, 2), dtype=np.int64)


def parents_of_adasyn(sampler: Any, y_true: NDArray[np.bool_]) -> Rows:
    """The two rows that each row made by ADASYN lies between, shape (m, 2).

    Follows He et al. 2008 as imbalanced-learn does, from the neighbours that it found: the share
    of the other class among them says how many rows are made from each positive.
    """
    from sklearn.utils import check_random_state

    of_all, of_class = (found[:, 1:] for found in sampler.nn_.watched_[-2:])
    class_rows = np.flatnonzero(y_true)
    count = sum(sampler.sampling_strategy_.values())
    share = np.sum(~y_true[of_all], axis=1) / of_all.shape[1]
    made = np.rint(share / share.sum() * count).astype(np.int64)
    base = np.repeat(np.arange(len(class_rows)), made)
    columns = check_random_state(sampler.random_state).choice(of_all.shape[1], size=len(base))
    return np.column_stack([class_rows[base], class_rows[of_class[base, columns]]])


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
