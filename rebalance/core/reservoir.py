"""Uniform draws of a fixed number of rows per class, in one pass, without knowing the counts."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


class Reservoir:
    """Keeps, for each class, the `size` rows with the smallest draws (bottom-k sampling).

    Which rows are kept depends on the draws alone, not on how the table was cut into batches.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._parts: list[tuple[pa.RecordBatch, NDArray[np.int64], NDArray[np.float64]]] = []
        self._bound: dict[int, float] = {}
        self._held = 0

    def add(
        self,
        batch: pa.RecordBatch,
        codes: NDArray[np.int64],
        draws: NDArray[np.float64],
    ) -> None:
        """Offer rows: their columns, class codes, and draws in [0, 1)."""
        bounds = np.full(int(codes.max(initial=0)) + 1, np.inf)
        for code, bound in self._bound.items():
            if code < len(bounds):
                bounds[code] = bound
        mask = draws < bounds[codes]
        if not mask.any():
            return
        self._parts.append((batch.filter(pa.array(mask)), codes[mask], draws[mask]))
        self._held += int(mask.sum())
        if self._held > 2 * self._size * max(1, len(bounds), len(self._bound)):
            self._prune()

    def finish(self) -> tuple[pa.Table, NDArray[np.int64]]:
        """The rows kept, in input order, and their class codes."""
        self._prune()
        batch, codes, _ = self._parts[0]
        return pa.Table.from_batches([batch]), codes

    def bound(self, code: int) -> float:
        """The draws of the class's rows that are kept are at most this; 1 where all are kept."""
        return self._bound.get(code, 1.0)

    def _prune(self) -> None:
        codes = np.concatenate([codes for _, codes, _ in self._parts])
        draws = np.concatenate([draws for _, _, draws in self._parts])
        keep = np.zeros(len(codes), dtype=bool)
        for code in np.unique(codes):
            members = np.flatnonzero(codes == code)
            if len(members) > self._size:
                order = np.argsort(draws[members], kind="stable")
                members = members[order[: self._size]]
                self._bound[int(code)] = float(draws[members].max())
            keep[members] = True
        table = pa.Table.from_batches([batch for batch, _, _ in self._parts]).combine_chunks()
        kept = table.filter(pa.array(keep)).combine_chunks()
        batches = kept.to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]
        self._parts = [(batches[0], codes[keep], draws[keep])]
        self._held = int(keep.sum())
