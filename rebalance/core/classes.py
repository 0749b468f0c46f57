"""Many classes: the label, and probabilities of all classes from one scale to another.

A row of class k at x is kept with probability pi_k(x). By Bayes, with p the population's
probabilities and p_s those among the kept rows,

    log p_k(x) = log p_s,k(x) - log pi_k(x) + constant(x),    the constant makes them sum to 1.

Arrays of K classes have shape (n, K) with each class's column in one piece (Fortran order), and
sums over classes are added class by class: what a row gets depends on the row alone, to the last
bit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.described import read_document
from rebalance.core.label_values import LabelValues
from rebalance.errors import UsageError, nearest

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

_NAMED = 8  # classes that a message lists, the largest first


@dataclass(frozen=True)
class Classes:
    """A label of two or more classes: the column, and its values in the order of all arrays."""

    column: str
    values: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.values)

    def codes(self, array: pa.Array, start: int = 0) -> Codes:
        """The position in `values` of each row's class, shape (n,).

        Raises
        ------
        DataError : a label is null, or a value that was not there when the classes were counted.
        """
        remedy = f"known classes are {listed(self.values)}"
        return self._numbered.known_codes(array, start, remedy)

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Where each class stands in `values`."""
        return {value: at for at, value in enumerate(self.values)}

    @cached_property
    def _numbered(self) -> LabelValues:
        return LabelValues(self.column, self.values)

    def require(self, names: Iterable[str], option: str) -> None:
        """Check that classes that the user named are there.

        Raises
        ------
        UsageError : one is not; the nearest are given.
        """
        for name in names:
            if name not in self.places:
                raise UsageError(
                    f"'{self.column}' has no class '{name}' (named by {option})",
                    remedy=nearest(name, self.values),
                )

    def to_document(self) -> dict[str, Any]:
        """The classes as JSON."""
        return {"column": self.column, "classes": list(self.values)}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Classes:
        """The classes that `to_document` described.

        Raises
        ------
        ValueError : it described none, or one twice.
        """
        found = read_document(cls, {**document, "values": document["classes"]})
        if not len(found.places) == len(found) > 1:
            raise ValueError("its classes are not two or more different ones")
        return found

    @classmethod
    def of(cls, column: str, values: Iterable[str]) -> Classes:
        """The classes in their order: whole numbers as such, else by their text."""
        found = list(values)
        if all(re.fullmatch(r"-?[0-9]{1,18}", value) for value in found):
            return cls(column, tuple(sorted(found, key=lambda value: (int(value), value))))
        return cls(column, tuple(sorted(found)))


def listed(values: Sequence[str], counts: Sequence[int] | None = None) -> str:
    """Some classes by name, with their rows where those are given, the largest first.

    >>> listed(["a", "b"], [2, 3000])
    'b (3,000), a (2)'
    """
    if counts is None:
        shown = list(values)
    else:
        order = sorted(zip(values, counts, strict=True), key=lambda pair: (-pair[1], pair[0]))
        shown = [f"{value} ({count:,})" for value, count in order]
    more = f" and {len(shown) - _NAMED:,} more" if len(shown) > _NAMED else ""
    return ", ".join(shown[:_NAMED]) + more


def columns_of(values: Floats, rows: NDArray[Any]) -> Floats:
    """The rows at these positions, or where a mask is true, in Fortran order, shape (m, K)."""
    if _is_repeated(values):
        count = np.count_nonzero(rows) if rows.dtype == np.bool_ else len(rows)
        return repeated(values[0], int(count))
    return np.asfortranarray(values[rows])


def classes_of(values: Floats, places: Codes) -> Floats:
    """The columns at these places, in Fortran order, shape (n, K')."""
    if _is_repeated(values):
        return repeated(values[0, places], len(values))
    return np.asfortranarray(values[:, places])


def log_softmax(scores: Floats) -> Floats:
    """Log probabilities: scores less the log of the sum of their exponentials, shape (n, K).

    >>> np.exp(log_softmax(np.array([[0.0, 800.0], [-np.inf, 5.0]]))).tolist()
    [[0.0, 1.0], [0.0, 1.0]]
    """
    return _columns(scores) - log_sum(scores)[:, None]


def log_sum(scores: Floats) -> Floats:
    """The log of the sum of the exponentials over the classes, shape (n,)."""
    scores = _columns(scores)
    highest = _highest(scores)
    shift = np.where(np.isfinite(highest), highest, 0.0)
    total = np.zeros(len(scores))
    for place in range(scores.shape[1]):
        total += np.exp(scores[:, place] - shift)
    with np.errstate(divide="ignore"):
        return np.asarray(shift + np.log(total), dtype=np.float64)


def log_rest(log_prob: Floats) -> Floats:
    """log(1 - p_k), the log probability of all classes but k, shape (n, K).

    1 - p is exact up to one half; the one class that may be above has the others added up.

    >>> found = log_rest(np.log(np.array([[0.9, 0.1]])))
    >>> np.exp(found).round(12).tolist()
    [[0.1, 0.9]]
    """
    log_prob = _columns(log_prob)
    count = log_prob.shape[1]
    highest = _highest(log_prob)
    first = np.full(len(log_prob), -1)
    for place in range(count - 1, -1, -1):
        first[log_prob[:, place] == highest] = place
    others = np.zeros(len(log_prob))
    second = np.full(len(log_prob), -np.inf)
    for place in range(count):
        np.maximum(second, log_prob[:, place], out=second, where=first != place)
    shift = np.where(np.isfinite(second), second, 0.0)
    rest = np.empty_like(log_prob)
    for place in range(count):
        own = log_prob[:, place]
        others += np.where(first == place, 0.0, np.exp(np.minimum(own - shift, 0.0)))
        with np.errstate(divide="ignore"):
            # Above one half it is replaced below; rounding may even have passed 1.
            rest[:, place] = np.log1p(-np.exp(np.minimum(own, 0.0)))
    with np.errstate(divide="ignore"):
        largest = shift + np.log(others)
    for place in range(count):
        rest[:, place] = np.where(first == place, largest, rest[:, place])
    return np.minimum(rest, 0.0)


def to_population(log_prob_sampled: Floats, log_pi: Floats) -> Floats:
    """The population's log probabilities from the sample's, shape (n, K).

    >>> sampled = np.log(np.array([[0.01 / (0.01 + 0.99 * 0.1), 0.099 / (0.01 + 0.99 * 0.1)]]))
    >>> float(np.exp(to_population(sampled, np.log(np.array([[1.0, 0.1]]))))[0, 0].round(6))
    0.01
    """
    return log_softmax(_columns(log_prob_sampled) - log_pi)


def to_sample(log_prob: Floats, log_pi: Floats) -> Floats:
    """The sample's log probabilities from the population's, shape (n, K)."""
    return log_softmax(_columns(log_prob) + log_pi)


def _columns(scores: Floats) -> Floats:
    return np.asarray(scores, dtype=np.float64, order="F")


def _highest(scores: Floats) -> Floats:
    highest = scores[:, 0].copy()
    for place in range(1, scores.shape[1]):
        np.maximum(highest, scores[:, place], out=highest)
    return highest


def repeated(values: Sequence[float] | Floats, rows: int) -> Floats:
    """The same numbers for every row, shape (rows, K), in the memory of one; read only."""
    return np.broadcast_to(np.asarray(values, dtype=np.float64), (rows, len(values)))


def _is_repeated(values: Floats) -> bool:
    return len(values) > 1 and values.strides[0] == 0
