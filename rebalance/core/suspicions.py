"""What is wrong with a column before anything is trained: identifiers, constants, leaks, copies.

Values come as plain Arrow arrays (numbers, booleans, text or fixed-size lists of numbers) with
nulls, and no NaN, for what is missing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

LEAK_AUC = 0.99
IDENTIFIER_SHARE = 0.95
MIN_IDENTIFIER_ROWS = 20
MIN_LEAK_ROWS = 10
_QUANTILES = 31

Word = Literal[
    "leak",
    "duplicate",
    "identifier",
    "constant",
    "infinite",
    "unusable",
    "reserved",
    "label",
    "key",
    "dropped",
]


@dataclass(frozen=True)
class Remark:
    """One thing to know of a column: a word to look for, and a sentence."""

    word: Word
    text: str


def is_constant(rows: int, missing: int, distinct: int | None) -> bool:
    """Whether a column has one value in all rows, or none.

    >>> is_constant(10, 0, 1), is_constant(10, 10, 0), is_constant(10, 4, 1)
    (True, True, False)
    """
    return missing == rows or (missing == 0 and distinct == 1)


def is_identifier(dtype: pa.DataType, filled: int, distinct: int | None) -> bool:
    """Whether whole numbers or texts are nearly all different.

    Real numbers and times are different by nature, and so are few values: neither counts.

    Parameters
    ----------
    filled : rows with a value.
    distinct : different values; an estimate will do.

    >>> is_identifier(pa.int64(), 1000, 990), is_identifier(pa.float64(), 1000, 990)
    (True, False)
    """
    if pa.types.is_dictionary(dtype):
        dtype = dtype.value_type
    named = (
        pa.types.is_integer(dtype)
        or (pa.types.is_decimal(dtype) and dtype.scale <= 0)
        or pa.types.is_string(dtype)
        or pa.types.is_large_string(dtype)
        or pa.types.is_string_view(dtype)
    )
    if not named or distinct is None or filled < MIN_IDENTIFIER_ROWS:
        return False
    return distinct >= IDENTIFIER_SHARE * filled


def is_one_to_one(values: pa.Array, codes: NDArray[np.int64]) -> bool:
    """Whether each value stands for one class and each class for one value; missing is a value.

    >>> is_one_to_one(pa.array(["no", "yes", "no"]), np.array([0, 1, 0]))
    True
    >>> is_one_to_one(pa.array([None, 7, 8]), np.array([0, 1, 1]))
    False
    """
    if pa.types.is_fixed_size_list(values.type):
        return False
    levels, count = _levels(values)
    classes = len(np.unique(codes))
    if count != classes:
        return False
    pairs = np.unique(np.column_stack([levels, codes]), axis=0)
    return len(pairs) == classes


def single_column_auc(
    values: pa.Array, y_true: NDArray[np.bool_], train: NDArray[np.bool_]
) -> float:
    """Held-out ROC AUC of one column alone.

    The share of positives of each level, or of each of at most 64 bins of a number, is learned on
    the rows of `train` and ranks the others. So the direction does not matter, nor whether it is
    the lack of a value that tells. Of a list, the best element counts.

    Parameters
    ----------
    values : the column, length n.
    y_true : whether each row is positive, shape (n,).
    train : the rows to learn on, shape (n,); both parts need both classes.
    """
    if pa.types.is_fixed_size_list(values.type):
        matrix = _vector_reals(values)
        found = [_bins(column, y_true, train) for column in matrix.T]
        return max((_grouped_auc(group, y_true, train) for group in found), default=0.5)
    if pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
        return _grouped_auc(_bins(_reals(values), y_true, train), y_true, train)
    if pa.types.is_decimal(values.type):
        reals = _reals(values.cast(pa.float64()))
        return _grouped_auc(_bins(reals, y_true, train), y_true, train)
    return _grouped_auc(_levels(values)[0], y_true, train)


class Trials:
    """The drawn rows on which columns are tried alone, half to learn on and half to test on.

    Parameters
    ----------
    codes : the label's value in each drawn row, shape (n,).
    positive : whether it is the positive one, shape (n,).
    u : the draws that chose the rows, shape (n,).
    most : so many negatives at the most: those with the smallest draws, which of several negative
        values together are a uniform draw.
    """

    def __init__(
        self,
        codes: NDArray[np.int64],
        positive: NDArray[np.bool_],
        u: NDArray[np.float64],
        most: int,
    ) -> None:
        negatives = np.flatnonzero(~positive)
        negatives = negatives[np.argsort(u[negatives], kind="stable")[:most]]
        self._rows = np.sort(np.concatenate([np.flatnonzero(positive), negatives]))
        self._codes = codes[self._rows]
        self._y_true = positive[self._rows]
        self._train = np.zeros(len(self._rows), dtype=bool)
        for group in (self._y_true, ~self._y_true):
            rows = np.flatnonzero(group)
            self._train[rows[np.argsort(u[self._rows][rows], kind="stable")[::2]]] = True
        self.enough = bool(min(self._y_true.sum(), (~self._y_true).sum()) >= MIN_LEAK_ROWS)

    def __len__(self) -> int:
        return len(self._rows)

    def auc(self, values: pa.Array) -> float | None:
        """The held-out ROC AUC of a column alone, where each class has rows enough."""
        if not self.enough:
            return None
        return single_column_auc(values.take(pa.array(self._rows)), self._y_true, self._train)

    def copies_label(self, values: pa.Array) -> bool:
        """Whether a column is one-to-one with the label's values, or with being positive."""
        values = values.take(pa.array(self._rows))
        return is_one_to_one(values, self._codes) or is_one_to_one(
            values, self._y_true.astype(np.int64)
        )


def suspicions(
    dtype: pa.DataType,
    *,
    filled: int,
    distinct: int | None,
    limits: tuple[object, object],
    auc: float | None,
    copies_label: bool,
) -> list[Remark]:
    """The remarks on a column that could be a feature.

    Parameters
    ----------
    filled, distinct, limits : rows with a value, different values, and the smallest and largest.
    auc, copies_label : what `Trials` found.
    """
    found = []
    if copies_label:
        found.append(Remark("duplicate", "one-to-one with the label in all rows checked"))
    elif auc is not None and auc >= LEAK_AUC:
        # Rounded down: only a perfect one shows as 1.
        shown = f"{np.floor(auc * 10_000) / 10_000:.4g}"
        found.append(Remark("leak", f"tells the classes apart alone: AUC {shown} on held-out rows"))
    if is_identifier(dtype, filled, distinct):
        found.append(Remark("identifier", "nearly all values differ: looks like an identifier"))
    if any(isinstance(limit, float) and math.isinf(limit) for limit in limits):
        found.append(Remark("infinite", "holds infinite numbers, which no learner takes"))
    return found


def _levels(values: pa.Array) -> tuple[NDArray[np.int64], int]:
    """A number for each different value, missing being one of them, and how many there are."""
    encoded = pc.dictionary_encode(values, null_encoding="encode")
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, len(encoded.dictionary)


def _bins(
    reals: NDArray[np.float64], y_true: NDArray[np.bool_], train: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """The bin of each number, with one more for missing.

    The edges are quantiles of each class by itself: with those of all rows a rare class would
    share its bin with many rows of the other. A value that several quantiles hit has its own bin.
    """
    missing = np.isnan(reals)
    levels = np.linspace(0.0, 1.0, _QUANTILES)
    hits = [
        np.sort(reals[rows])[np.rint(levels * (rows.sum() - 1)).astype(np.int64)]
        for rows in (train & ~missing & y_true, train & ~missing & ~y_true)
        if rows.any()
    ]
    if not hits:
        return missing.astype(np.int64)
    edges, counts = np.unique(np.concatenate(hits), return_counts=True)
    below = np.nextafter(edges[counts > 1], -np.inf)
    edges = np.unique(np.concatenate([edges, below]))
    found = np.searchsorted(edges, reals, side="left")
    return np.where(missing, len(edges) + 1, found).astype(np.int64)


def _grouped_auc(
    groups: NDArray[np.int64], y_true: NDArray[np.bool_], train: NDArray[np.bool_]
) -> float:
    """ROC AUC, on the rows outside `train`, of each group's smoothed positive rate within it.

    Mann and Whitney's form, with one half for ties.
    """
    size = int(groups.max()) + 1
    seen = np.bincount(groups[train], minlength=size)
    hits = np.bincount(groups[train & y_true], minlength=size)
    prior = hits.sum() / seen.sum()
    # Rounded, so that a level not seen ties with one at the prior rate.
    rates = np.round((hits + prior) / (seen + 1.0), 12)
    _, rank = np.unique(rates, return_inverse=True)
    positives = np.bincount(rank[groups[~train & y_true]], minlength=int(rank.max()) + 1)
    negatives = np.bincount(rank[groups[~train & ~y_true]], minlength=int(rank.max()) + 1)
    below = np.cumsum(negatives) - negatives
    won = (positives * (below + 0.5 * negatives)).sum()
    return float(won / (positives.sum() * negatives.sum()))


def _reals(values: pa.Array) -> NDArray[np.float64]:
    cast = values.cast(pa.float64(), safe=False)
    return np.asarray(cast.to_numpy(zero_copy_only=False), dtype=np.float64)


def _vector_reals(values: pa.Array) -> NDArray[np.float64]:
    """Lists of numbers as a matrix, shape (n, elements), NaN where a list is missing."""
    width = values.type.list_size
    matrix = np.full((len(values), width), np.nan)
    present = np.asarray(values.is_valid())
    matrix[present] = _reals(values.flatten()).reshape(-1, width)
    return matrix
