"""Batches of a handy size from such as a file happens to have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

_SMALL = 4  # a batch of less than this part of the size asked for is joined with the next ones


def regrouped(batches: Iterable[pa.RecordBatch], batch_rows: int) -> Iterator[pa.RecordBatch]:
    """The same rows, never more than `batch_rows` at once, and not many batches of few rows."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        if batch.num_rows * _SMALL >= batch_rows and not held:
            yield from _parts(batch, batch_rows)
            continue
        held.append(batch)
        rows += batch.num_rows
        if rows * _SMALL >= batch_rows:
            yield from _joined(held, batch_rows)
            held, rows = [], 0
    if rows:
        yield from _joined(held, batch_rows)


def _joined(batches: list[pa.RecordBatch], batch_rows: int) -> Iterator[pa.RecordBatch]:
    table = pa.Table.from_batches(batches).unify_dictionaries().combine_chunks()
    for batch in table.to_batches():
        yield from _parts(batch, batch_rows)


def _parts(batch: pa.RecordBatch, batch_rows: int) -> Iterator[pa.RecordBatch]:
    for start in range(0, batch.num_rows, batch_rows):
        yield batch.slice(start, batch_rows)
