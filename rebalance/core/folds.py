"""Parts of the training rows, stratified by class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def stratified_folds(
    y_true: NDArray[np.bool_], draws: NDArray[np.float64], count: int
) -> NDArray[np.int64]:
    """The fold, 0 to `count` - 1, of each row: rows of a class are dealt out in order of draw.

    Rows of a class that share a draw, as copies do, are dealt out together.

    >>> labels = np.array([True, False, False, True])
    >>> stratified_folds(labels, np.array([0.1, 0.9, 0.3, 0.2]), 2).tolist()
    [0, 1, 0, 1]
    """
    folds = np.empty(len(y_true), dtype=np.int64)
    for value in (False, True):
        members = np.flatnonzero(y_true == value)
        _, place = np.unique(draws[members], return_inverse=True)
        folds[members] = place % count
    return folds


def class_folds(
    codes: NDArray[np.int64], draws: NDArray[np.float64], count: int
) -> NDArray[np.int64]:
    """The fold, 0 to `count` - 1, of each row of many classes, dealt out within each class.

    Rows of a class that share a draw, as copies do, are dealt out together, and count as one. A
    class of fewer than `count` cannot be in all folds: its rows have fold -1, none.

    >>> class_folds(np.array([0, 1, 0, 2, 1]), np.array([0.9, 0.2, 0.3, 0.5, 0.1]), 2).tolist()
    [1, 1, 0, -1, 0]
    >>> class_folds(np.array([0, 0, 0]), np.array([0.1, 0.2, 0.1]), 2).tolist()
    [0, 1, 0]
    """
    folds = np.full(len(codes), -1, dtype=np.int64)
    order = np.lexsort((draws, codes))
    own, drawn = codes[order], draws[order]
    is_new = np.ones(len(codes), dtype=np.bool_)
    is_new[1:] = (own[1:] != own[:-1]) | (drawn[1:] != drawn[:-1])
    rows = np.bincount(own[is_new])
    within = np.cumsum(is_new) - 1 - (np.cumsum(rows) - rows)[own]
    enough = rows[own] >= count
    folds[order[enough]] = within[enough] % count
    return folds
