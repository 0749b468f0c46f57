"""Uniform draws of a fixed number of rows per class, in one pass, without knowing the counts."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.arrays import to_arrow
from rebalance.core.class_design import spread_level


class Reservoir:
    """Keeps, for each class, the `size` rows with the smallest draws (bottom-k sampling).

    Which rows are kept depends on the draws alone, not on how the table was cut into batches.

    Parameters
    ----------
    most : of many classes so many rows in all, at about: the largest classes keep fewer, equally
        many of each. That number falls as rows pass, so that what was let go is never missed.
    overall : so many rows with the smallest draws of all are kept, whatever their class.
    """

    def __init__(self, size: int, most: int | None = None, overall: int = 0) -> None:
        self._size = size
        self._most = most
        self._overall = overall
        self._parts: list[tuple[pa.RecordBatch, NDArray[np.int64], NDArray[np.float64]]] = []
        self._bounds = np.zeros(0)
        self._bound_of_all = np.inf
        self._seen = np.zeros(0, dtype=np.int64)
        self._held = 0
        self._room = 0

    def add(
        self,
        batch: pa.RecordBatch,
        codes: NDArray[np.int64],
        draws: NDArray[np.float64],
    ) -> None:
        """Offer rows: their columns, class codes, and draws in [0, 1)."""
        new = int(codes.max(initial=-1)) + 1 - len(self._seen)
        if new > 0:
            self._seen = np.pad(self._seen, (0, new))
            self._bounds = np.pad(self._bounds, (0, new), constant_values=np.inf)
        self._seen += np.bincount(codes, minlength=len(self._seen))
        mask = draws < self._bounds[codes]
        if self._overall:
            mask |= draws < self._bound_of_all
        if not mask.any():
            return
        self._parts.append((batch.filter(to_arrow(mask)), codes[mask], draws[mask]))
        self._held += int(mask.sum())
        # Twice what is kept of the classes there are, or more.
        if self._held > max(self._room, 2 * self._size * min(len(self._seen), self._wide)):
            self._prune()
            self._room = 2 * self._held

    @property
    def _wide(self) -> int:
        """So many classes are full without reaching the most."""
        return 1 << 62 if self._most is None else max(self._most // self._size, 1)

    def finish(self) -> tuple[pa.Table, NDArray[np.int64]]:
        """The rows kept, in input order, and their class codes."""
        self._prune()
        batch, codes, _ = self._parts[0]
        return pa.Table.from_batches([batch]), codes

    def bound(self, code: int) -> float:
        """The draws of the class's rows that are kept are at most this; 1 where all are kept."""
        found = self._bounds[code] if code < len(self._bounds) else np.inf
        return float(found) if np.isfinite(found) else 1.0

    def _level(self) -> int:
        """How many rows of a class are kept, by the rows seen of each."""
        if self._most is None:
            return self._size
        return int(np.ceil(min(spread_level(self._most, self._seen), self._size)))

    def _prune(self) -> None:
        codes = np.concatenate([codes for _, codes, _ in self._parts])
        draws = np.concatenate([draws for _, _, draws in self._parts])
        level = self._level()
        order = np.lexsort((draws, codes))  # of equal draws the earlier row's is the smaller
        counts = np.bincount(codes, minlength=len(self._seen))
        first = np.cumsum(counts) - counts
        within = np.arange(len(codes)) - first[codes[order]]
        keep = np.zeros(len(codes), dtype=bool)
        keep[order[within < level]] = True
        full = np.flatnonzero(counts > level)
        self._bounds[full] = draws[order[first[full] + level - 1]]
        if self._overall:
            lowest = np.argsort(draws, kind="stable")[: self._overall]
            keep[lowest] = True
            if len(lowest) == self._overall:
                self._bound_of_all = float(draws[lowest[-1]])
        table = pa.Table.from_batches([batch for batch, _, _ in self._parts]).combine_chunks()
        kept = table.filter(to_arrow(keep)).combine_chunks()
        batches = kept.to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]
        self._parts = [(batches[0], codes[keep], draws[keep])]
        self._held = int(keep.sum())
