"""Linear scores of all classes at once, added term by term; see `core.linear` for why."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.encoding import Encoder
from rebalance.core.terms import Numeric

Floats = NDArray[np.float64]


class ClassScores:
    """intercepts + z'slopes for each class, with z as the encoder makes it.

    coefficients : shape (1 + d, K), intercepts first.
    """

    def __init__(self, encoder: Encoder, coefficients: Floats) -> None:
        self._encoder = encoder
        self._intercepts = coefficients[0]
        self._parts: list[Floats] = []
        first = 1
        for term in encoder.terms:
            own = coefficients[first : first + len(term.names)]
            first += len(term.names)
            if isinstance(term, Numeric):
                self._parts.append(own)
            else:  # a row a code; einsum adds in one order, a matrix product might not
                self._parts.append(np.einsum("cj,jk->ck", term.table, own, optimize=False))

    def __call__(self, columns: Mapping[str, pa.Array]) -> Floats:
        """The scores of every row, shape (n, K).

        Raises
        ------
        DataError : a number is infinite, or vectors have another length than in training.
        """
        found = self._encoder.values(columns)
        scores = np.empty((len(found[0]), len(self._intercepts)), order="F")
        scores[:] = self._intercepts
        for term, own, values in zip(self._encoder.terms, self._parts, found, strict=True):
            if not isinstance(term, Numeric):
                for place in range(scores.shape[1]):
                    scores[:, place] += own[:, place].take(values)
                continue
            absent = np.isnan(values)
            standard = np.where(absent, 0.0, term.standard(values))
            for place in range(scores.shape[1]):
                scores[:, place] += standard * own[0, place]
                if term.missing:
                    scores[:, place] += absent * own[1, place]
        return scores
