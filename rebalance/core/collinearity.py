"""Columns of which one is a linear combination of others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Of a standardised column's variance, what the others leave unexplained; rounding leaves 1e-15.
UNEXPLAINED = 1e-10
_COUNTS = 1e-6
_BLOCK = 16_384


def dependent(z: Floats) -> list[int]:
    """The first set of columns that are linearly dependent, given an intercept; [] if none are.

    Parameters
    ----------
    z : shape (n, d).

    >>> x = np.array([[0.0, 1, 5], [1, 3, 5], [2, 2, 7], [4, 0, 5]])
    >>> dependent(x)
    []
    >>> dependent(np.column_stack([x, 3 * x[:, 0] - x[:, 2] + 1]))
    [0, 2, 3]
    """
    mean = z.mean(axis=0)
    products = np.zeros((z.shape[1], z.shape[1]))
    largest = np.zeros(z.shape[1])
    for start in range(0, len(z), _BLOCK):
        part = z[start : start + _BLOCK]
        np.maximum(largest, np.abs(part).max(axis=0), out=largest)
        part = part - mean
        products += part.T @ part
    size = np.sqrt(np.diag(products))
    flat = np.flatnonzero(size <= 1e-12 * np.sqrt(len(z)) * largest)
    if len(flat):
        return [int(flat[0])]
    correlation = products / np.outer(size, size)

    def determined(count: int) -> bool:
        return bool(np.linalg.eigvalsh(correlation[:count, :count])[0] > UNEXPLAINED)

    if determined(len(correlation)):
        return []
    # The first column that those before it explain, so that what is named is as short as can be.
    low, high = 1, len(correlation)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if determined(middle) else (low, middle)
    share = np.linalg.solve(correlation[:low, :low], correlation[:low, low])
    return [*np.flatnonzero(np.abs(share) > _COUNTS).tolist(), low]
