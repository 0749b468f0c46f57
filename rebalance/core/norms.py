"""The length of a row's features under a linear map, column by column.

z = (1, the encoder's columns). Scores that look at z multiply the pilot's probability by ||z||, by
||M^-1 z|| or by sqrt(z' M^-1 z), with M = sum over the pilot's positives of z z'.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.encoding import Encoder
from rebalance.core.terms import Coded, Numeric

Floats = NDArray[np.float64]

_IN_CACHE = 1 << 17
_RIDGE = 1e-6
_LEAST, _MOST = 1e-300, 1e300


def inverse(outer: Floats) -> Floats:
    """(M + r I)^-1 with r = 1e-6 trace(M) / d, shape (d, d): M need not have full rank."""
    with _one_thread():
        return np.asarray(np.linalg.inv(_ridged(outer)), dtype=np.float64)


def whitening(outer: Floats) -> Floats:
    """W with W'W = (M + r I)^-1, shape (d, d), so that ||W z||^2 = z' (M + r I)^-1 z."""
    with _one_thread():
        return np.asarray(np.linalg.inv(np.linalg.cholesky(_ridged(outer))), dtype=np.float64)


def _ridged(outer: Floats) -> Floats:
    size = len(outer)
    return np.asarray(outer + _RIDGE * np.trace(outer) / size * np.eye(size))


def _one_thread() -> Any:
    """Sums in another order would make probabilities depend on the machine."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)


class LogNorm:
    """log ||A z|| of every row; a function of the row alone, to the last bit.

    encoder : makes z; None where z = (1, x) with one number x a row.
    matrix : A, shape (k, d), its first column the intercept's; None is the identity.
    """

    def __init__(self, encoder: Encoder | None, matrix: Floats | None) -> None:
        self._encoder = encoder
        terms = (None,) if encoder is None else encoder.terms
        width = 1 + sum(1 if term is None else len(term.names) for term in terms)
        self._matrix = np.eye(width) if matrix is None else matrix
        self._alone = matrix is None
        self._parts: list[_Part] = []
        first = 1
        for term in terms:
            own = self._matrix[:, first : first + (1 if term is None else len(term.names))]
            first += own.shape[1]
            self._parts.append(
                _Part(term, own[first - own.shape[1] : first] if self._alone else own)
            )

    def of_columns(self, columns: Mapping[str, pa.Array]) -> Floats:
        """log ||A z|| of rows of the encoder's columns, shape (n,).

        Raises
        ------
        DataError : a number is infinite, or vectors have another length than in training.
        """
        if self._encoder is None:
            raise ValueError("there is no encoder")
        return self._of_values(self._encoder.values(columns))

    def of_numbers(self, numbers: Floats) -> Floats:
        """log ||A (1, x)|| of numbers x, shape (n,).

        >>> LogNorm(None, None).of_numbers(np.array([0.0, np.sqrt(3.0)])).round(4).tolist()
        [0.0, 0.6931]
        """
        return self._of_values([numbers])

    def _of_values(self, values: list[Any]) -> Floats:
        found = np.empty(len(values[0]))
        step = max(_IN_CACHE // len(self._matrix), 256)
        with np.errstate(over="ignore"):  # clipped below
            for start in range(0, len(found), step):
                block = [column[start : start + step] for column in values]
                found[start : start + step] = self._squares(block)
        return np.asarray(0.5 * np.log(np.clip(found, _LEAST, _MOST)))

    def _squares(self, values: list[Any]) -> Floats:
        """||A z||^2 of one block of rows."""
        rows = len(values[0])
        if self._alone:  # every column of z has a square of its own
            total = np.ones(rows)
            for part, column in zip(self._parts, values, strict=True):
                total += _sum_of_squares(part(column))
            return total
        mapped = np.repeat(self._matrix[:, :1], rows, axis=1)
        for part, column in zip(self._parts, values, strict=True):
            mapped += part(column)
        return _sum_of_squares(mapped)


class _Part:
    """What one term adds to A z: A's columns for the term times the term's columns of z."""

    def __init__(self, term: Numeric | Coded | None, own: Floats) -> None:
        self._own = own
        self._number = None if isinstance(term, Coded) else term
        self._table: Floats | None = None
        if isinstance(term, Coded):  # by code; column after column, in a fixed order of the sums
            table = term.table
            self._table = np.zeros((len(own), len(table)))
            for at in range(own.shape[1]):
                self._table += own[:, [at]] * table[:, at]

    def __call__(self, values: Any) -> Floats:
        """The part of every row, shape (k, n)."""
        if self._table is not None:
            return np.asarray(self._table[:, values], dtype=np.float64)
        if self._number is None:
            return np.asarray(self._own * values, dtype=np.float64)
        columns = self._number.expand(values)
        part = self._own[:, :1] * columns[:, 0]
        for at in range(1, columns.shape[1]):
            part += self._own[:, [at]] * columns[:, at]
        return part


def _sum_of_squares(mapped: Floats) -> Floats:
    """Over the rows of (k, n), one after the other."""
    total = np.zeros(mapped.shape[1])
    for row in mapped:
        total += row * row
    return total
