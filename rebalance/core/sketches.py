"""What a stream of values holds, in bounded memory: how many differ, and the frequent ones."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_SKETCH = 16_384
_COUNTERS = 4_096
_HASHES = 1 << 64


class DistinctSketch:
    """How many different values there are, from the K smallest hashes.

    Exact while there are fewer than K; then (K - 1) / (the K-th smallest hash, as a share of all)
    with relative standard error 1 / sqrt(K - 2): Bar-Yossef et al., "Counting distinct elements
    in a data stream", 2002. It does not depend on order or batches.
    """

    def __init__(self, size: int = _SKETCH) -> None:
        from pandas.util import hash_array

        self._hash = hash_array
        self._size = size
        self._hashes = np.empty(0, dtype=np.uint64)

    def add(self, different: pa.Array) -> None:
        """Add values, without nulls; that they differ saves time only."""
        if not (pa.types.is_integer(different.type) or pa.types.is_floating(different.type)):
            different = different.cast(pa.string())
            values = np.asarray(different.to_pylist(), dtype=object)
        else:
            values = different.to_numpy(zero_copy_only=False)
        hashes = self._hash(values, categorize=False)
        if len(self._hashes) == self._size:
            hashes = hashes[hashes < self._hashes[-1]]
        self._hashes = np.union1d(self._hashes, hashes)[: self._size]

    @property
    def is_exact(self) -> bool:
        """Whether every value was kept."""
        return len(self._hashes) < self._size

    def count(self) -> int:
        """The number of different values, exact or estimated."""
        if self.is_exact:
            return len(self._hashes)
        return round((self._size - 1) / (int(self._hashes[-1]) / _HASHES))


class KeyCensus:
    """How many rows repeat a key, from the draws of the rows, which are the same for one key.

    Exact while there are fewer than `size` keys; then from the rows of the keys with the smallest
    draws, which are a uniform choice of the keys. It does not depend on order or batches.
    """

    def __init__(self, size: int = 65_536) -> None:
        self._size = size
        self._draws = np.empty(0)
        self._below = np.inf
        self.missing = 0
        self.first_missing: int | None = None

    def add(self, draws: NDArray[np.float64]) -> None:
        """Count rows with these draws, shape (n,)."""
        self._draws = np.concatenate([self._draws, draws[draws < self._below]])
        if len(self._draws) <= 4 * self._size:
            return
        different = np.unique(self._draws)
        if len(different) > self._size:
            self._below = float(different[self._size])
            self._draws = self._draws[self._draws < self._below]

    def add_missing(self, rows: NDArray[np.int64]) -> None:
        """Count rows without a key, by their numbers."""
        if len(rows) and self.first_missing is None:
            self.first_missing = int(rows[0])
        self.missing += len(rows)

    def merge(self, other: KeyCensus) -> None:
        """Add what was counted of later rows."""
        self._below = min(self._below, other._below)
        self._draws = self._draws[self._draws < self._below]
        self.add(other._draws)
        self.missing += other.missing
        if self.first_missing is None:
            self.first_missing = other.first_missing

    def repeated(self) -> tuple[int, bool]:
        """Rows whose key an earlier row has, and whether the number is exact."""
        count = len(self._draws) - len(np.unique(self._draws))
        if np.isinf(self._below):
            return count, True
        return round(count / self._below), False


class FrequencySketch:
    """Counts of the most frequent values, exact while few are different.

    Summaries of Misra and Gries merged as by Agarwal et al., "Mergeable summaries", 2012: a count
    is too small by `lost` at the most, and `lost` is at most rows / (counters + 1).
    """

    def __init__(self, size: int = _COUNTERS) -> None:
        self._size = size
        self._counts: dict[str, int] = {}
        self.lost = 0

    def add(self, values: pa.Array, counts: NDArray[np.int64]) -> None:
        """Add different values and how often each is there."""
        values, counts = self._prune(values, counts)
        for value, count in zip(values.to_pylist(), counts.tolist(), strict=True):
            self._counts[value] = self._counts.get(value, 0) + count
        if len(self._counts) > self._size:
            kept, left = self._prune(
                pa.array(list(self._counts), pa.large_string()),
                np.array(list(self._counts.values()), dtype=np.int64),
            )
            self._counts = dict(zip(kept.to_pylist(), left.tolist(), strict=True))

    def top(self) -> tuple[str | None, int]:
        """The most frequent value and its count; none where it could as well be another."""
        if not self._counts:
            return None, 0
        value, count = min(self._counts.items(), key=lambda pair: (-pair[1], pair[0]))
        return (value, count) if count > self.lost else (None, 0)

    def _prune(
        self, values: pa.Array, counts: NDArray[np.int64]
    ) -> tuple[pa.Array, NDArray[np.int64]]:
        if len(counts) <= self._size:
            return values, counts
        cut = int(np.partition(counts, -self._size - 1)[-self._size - 1])
        self.lost += cut
        kept = counts > cut
        return values.filter(pa.array(kept)), counts[kept] - cut
