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
    pairs = [
        np.column_stack([_rows_of(base, matrix, y_true)[at], _rows_of(near, matrix, y_true)[to]])
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


def _rows_of(part: Any, matrix: Any, y_true: NDArray[np.bool_]) -> Rows:
    """Where the rows of a part stand in the matrix; of rows that are equal, the first positive."""
    class_rows = np.flatnonzero(y_true)
    if part.shape[0] == len(y_true):
        return np.arange(len(y_true))
    if part.shape[0] == len(class_rows):
        return class_rows
    place = {matrix[row].tobytes(): row for row in class_rows[::-1]}
    return np.array([place[row.tobytes()] for row in part], dtype=np.int64)
