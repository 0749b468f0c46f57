"""The lines of trees in LightGBM's text, as arrays over all trees, and what is wrong in which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rebalance.errors import ArtifactError
from rebalance.learners.skops_member import damaged

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
N = TypeVar("N", np.int64, np.float64)

LARGEST = 2**31 - 1

_BEFORE = (
    "num_leaves", "num_cat", "split_feature", "split_gain", "threshold", "decision_type",
    "left_child", "right_child", "leaf_value", "leaf_weight", "leaf_count", "internal_value",
    "internal_weight", "internal_count",
)  # fmt: skip
_SETS = ("cat_boundaries", "cat_threshold")
_AFTER = ("is_linear", "shrinkage")
# A tree that asks for no category is without sets of them; two empty lines follow each.
_WRITTEN = {
    (*(f"{name}=".encode() for name in names), b"", b"")
    for names in (_BEFORE + _AFTER, _BEFORE + _SETS + _AFTER)
}


class TreeLines:
    """The numbers in the lines of each name, one tree's after the other's.

    trees : for each tree, what follows its number.

    Raises
    ------
    ArtifactError : a tree has lines of other names. Its methods raise it where a line holds what
        it cannot.
    """

    def __init__(self, trees: Sequence[bytes]) -> None:
        self._lines = {name: [b""] * len(trees) for name in (*_BEFORE, *_SETS, *_AFTER)}
        for number, tree in enumerate(trees):
            parts = [line.partition(b"=") for line in tree.split(b"\n")]
            if tuple(name + sign for name, sign, _ in parts) not in _WRITTEN:
                raise damaged("LightGBM", f"tree {number} has other lines than LightGBM writes")
            for name, _, values in parts[:-2]:
                self._lines[name.decode()][number] = values

    def lengths(self, name: str) -> Ints:
        """How many numbers each tree has in this line, shape (trees,)."""
        lengths = [line.count(b" ") + 1 if line else 0 for line in self._lines[name]]
        return np.array(lengths, dtype=np.int64)

    def whole(self, name: str, lengths: Ints, lowest: int = 0, highest: int = LARGEST) -> Ints:
        """The whole numbers from the lowest to the highest, of which each tree has so many."""
        found = self._numbers(name, lengths, np.int64)
        self.require(name, lengths, (lowest <= found) & (found <= highest))
        return found

    def real(self, name: str, lengths: Ints, *, finite: bool = True) -> Floats:
        """The numbers, of which each tree has so many."""
        found = self._numbers(name, lengths, np.float64)
        self.require(name, lengths, np.isfinite(found) | (not finite))
        return found

    def require(self, name: str, lengths: Ints, right: NDArray[np.bool_]) -> None:
        """Check that all numbers are right, of which each tree has so many."""
        if not right.all():
            raise _wrong(name, int(np.repeat(np.arange(len(lengths)), lengths)[right.argmin()]))

    def _numbers(self, name: str, lengths: Ints, dtype: type[N]) -> NDArray[N]:
        others = self.lengths(name) != lengths
        if others.any():
            raise _wrong(name, int(others.argmax()))
        lines = self._lines[name]
        try:
            return _read(b" ".join(filter(None, lines)), dtype)
        except (ValueError, OverflowError):
            for number, line in enumerate(lines):
                try:
                    _read(line, dtype)
                except (ValueError, OverflowError) as exc:
                    raise _wrong(name, number) from exc
            raise


def _read(line: bytes, dtype: type[N]) -> NDArray[N]:
    """The numbers in a line, with one space between them."""
    read, letters = (int, b"") if dtype is np.int64 else (float, b"+.einfa")
    if line.translate(None, b"-0123456789 " + letters):  # Python reads more, such as 1_000
        raise ValueError
    words = line.split(b" ") if line else []
    return np.array(list(map(read, words)), dtype=dtype)


def _wrong(name: str, number: int) -> ArtifactError:
    return damaged("LightGBM", f"'{name}' of tree {number} was altered")
