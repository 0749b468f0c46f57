"""A linear score of an encoder's columns, added term by term.

The score of a row is a function of the row alone, to the last bit: a matrix product may round
differently for another batch shape, adding one column after the other does not. Numbers come in
blocks that stay in the processor's cache, levels by one look-up, without a matrix of indicators.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.encoding import Encoder
from rebalance.core.terms import Numeric

Floats = NDArray[np.float64]

_BLOCK = 16_384
# Beyond so many standard deviations, a mean folded into the intercept would cost digits.
_FAR = 1024.0


class LinearScore:
    """intercept + z'slopes, with z as the encoder makes it."""

    def __init__(self, encoder: Encoder, intercept: float, slopes: Floats) -> None:
        self._encoder = encoder
        self._constant = intercept
        self._parts: list[_Slope | Floats] = []
        first = 0
        for term in encoder.terms:
            own = slopes[first : first + len(term.names)]
            first += len(term.names)
            if isinstance(term, Numeric):
                slope = _Slope.of(term, own)
                self._constant += slope.folded
                self._parts.append(slope)
            else:
                self._parts.append((term.table * own).sum(axis=1))

    def __call__(self, columns: Mapping[str, pa.Array]) -> Floats:
        """The score of every row, shape (n,).

        Raises
        ------
        DataError : a number is infinite, or vectors have another length than in training.
        """
        found = self._encoder.values(columns, checked=False)
        rows = len(found[0])
        score = np.full(rows, self._constant)
        work = np.empty(min(rows, _BLOCK))
        with np.errstate(invalid="ignore", over="ignore"):  # looked at below
            for start in range(0, rows, _BLOCK):
                part = score[start : start + _BLOCK]
                self._add([values[start : start + _BLOCK] for values in found], part, work)
        if not np.isfinite(score).all():
            self._encoder.values(columns)  # raises where a number is infinite
            missing = np.isnan(score)
            score[missing] = self._with_gaps([values[missing] for values in found])
        return score

    def _add(self, found: list[Any], score: Floats, work: Floats) -> None:
        """Add all terms' parts to the scores of one block of rows."""
        buffer = work[: len(score)]
        for own, values in zip(self._parts, found, strict=True):
            if isinstance(own, _Slope):
                own.times(values, buffer)
            else:
                np.take(own, values, out=buffer, mode="clip")  # in range: the mode saves a copy
            score += buffer

    def _with_gaps(self, found: list[Any]) -> Floats:
        """The score of rows where a number is missing: the same sums in the same order."""
        score = np.full(len(found[0]), self._constant)
        for own, values in zip(self._parts, found, strict=True):
            if isinstance(own, _Slope):
                part = np.empty(len(score))
                own.times(values, part)
                score += np.where(np.isnan(values), own.at_missing, part)
            else:
                score += own[values]
        return score


class _Slope:
    """A number's part of the score: (x - shift) times the slope of x as it stands, unscaled."""

    def __init__(self, slope: float, shift: float, folded: float, at_missing: float) -> None:
        self._slope = slope
        self._shift = shift
        self.folded = folded
        self.at_missing = at_missing

    @classmethod
    def of(cls, term: Numeric, slopes: Floats) -> _Slope:
        """The part of a term with the slopes of its columns of z."""
        slope = float(slopes[0]) / term.scale
        at_missing = float(slopes[1]) if term.missing else 0.0
        if abs(term.mean) > _FAR * term.scale:
            return cls(slope, term.mean, 0.0, at_missing)
        # The part is slope (x - mean): the mean's share goes into the intercept.
        return cls(slope, 0.0, -slope * term.mean, at_missing + slope * term.mean)

    def times(self, values: Floats, out: Floats) -> None:
        """The parts of some values, into `out`."""
        if self._shift:
            np.subtract(values, self._shift, out=out)
            np.multiply(out, self._slope, out=out)
        else:
            np.multiply(values, self._slope, out=out)
