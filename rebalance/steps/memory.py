"""table + limit -> how much passes through memory at once

What a step keeps is known before it starts: batches that are read, scored and waiting, the bytes of
a row group, rows waiting to be written, and what the step itself holds of every row. Estimates err
on the large side; the tests compare them with what the system measured.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from rebalance.core.wording import counted
from rebalance.errors import UsageError
from rebalance.steps.context import Context
from rebalance.storage.grouped import group_rows
from rebalance.storage.inputs import open_table, use_threads
from rebalance.storage.tables import Table

MB = 1 << 20
# The interpreter with pyarrow and NumPy; with pandas; with libraries for fitting and metrics.
LIGHT, MIDDLE, HEAVY = 110 * MB, 160 * MB, 330 * MB
_LEAST_ROWS = 4_096
_TEXT_BYTES = 32
_NESTED_BYTES = 64
# Besides the values: gaps, offsets, and what an allocator does not give back at once.
_OVERHEAD = 1.5
_READER = 1.35


@dataclass(frozen=True)
class Need:
    """What a step keeps in memory besides batches.

    fixed : bytes, those of the libraries it uses among them.
    per_value : bytes for each value of the columns it holds of every row, per byte of the value.
    per_row : bytes of every row on top.
    outputs : tables it writes.
    columns : those it reads; None is all.
    """

    fixed: int = LIGHT
    per_value: float = 0.0
    per_row: float = 0.0
    outputs: int = 0
    columns: Sequence[str] | None = None


def open_within(inputs: Sequence[str], context: Context, need: Need) -> Table:
    """Open a table, and keep to the memory limit, where there is one.

    Batches get smaller first, then threads fewer.

    Raises
    ------
    UsageError : not even the smallest batches and one thread would fit.
    DataError : see `storage.inputs.open_table`.
    """
    return within(open_table(inputs, context.reading), context, need)


def within(table: Table, context: Context, need: Need) -> Table:
    """The table, read in batches so small and by threads so few that the limit holds.

    Raises
    ------
    UsageError : see `open_within`.
    """
    limit = context.memory_limit
    if limit is None:
        return table
    rows, threads = table.reading.batch_rows, context.threads or pa.cpu_count()
    asked = rows, threads
    while (needed := estimate(table, need, rows, threads)) > limit:
        if rows > _LEAST_ROWS:
            rows = max(rows // 2, _LEAST_ROWS)
        elif threads > 1:
            threads -= 1
        else:
            raise UsageError(
                f"the memory limit of {limit // MB:,} MB is too small: about {needed // MB + 1:,} "
                "MB are needed",
                where=table.place,
                remedy=_advice(table, need),
            )
    if (rows, threads) != asked:
        context.note(
            f"to keep within {limit // MB:,} MB: batches of {rows:,} rows, "
            f"{counted(threads, 'thread')}"
        )
        use_threads(threads)
        context.threads = threads
        context.reading = replace(context.reading, batch_rows=rows)
    return replace(table, reading=context.reading)


def estimate(table: Table, need: Need, batch_rows: int, threads: int) -> int:
    """The bytes that a step is going to take at the most."""
    row = row_bytes(table, need.columns)
    # One batch is read and one looked at; each thread has one, and one more waits for it.
    batches = _OVERHEAD * (2 * threads + 2) * batch_rows * row
    # Two groups of each output, one that is filled and one that is encoded, twice over.
    writing = 4 * need.outputs * group_rows(row) * row
    held = (need.per_value * row + need.per_row) * (table.rows_if_known or table.rows_guessed())
    return int(need.fixed + _READER * table.source.unit_bytes + batches + writing + held)


def row_bytes(table: Table, columns: Sequence[str] | None = None) -> float:
    """The bytes of one row in memory, texts and lists at a guess."""
    names = table.names if columns is None else columns
    if table.is_text:  # as text, and as values
        return sum(_TEXT_BYTES + 8 for _ in names)
    return sum(_width(table.schema.field(name).type) for name in names)


def free_bytes() -> int | None:
    """The memory that nobody uses, or else all there is; None where the system does not tell."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def shown(count: int) -> str:
    """Bytes as --memory-limit counts them, a GB as 2**30.

    >>> shown(9 << 29), shown(400 << 20)
    ('4.5 GB', '400 MB')
    """
    return f"{count / (1 << 30):.1f} GB" if count >= 1 << 30 else f"{count / (1 << 20):.0f} MB"


def _width(dtype: pa.DataType) -> float:
    if pa.types.is_dictionary(dtype):
        return int(dtype.index_type.bit_width) / 8
    try:
        return int(dtype.bit_width) / 8
    except ValueError:  # of no fixed width
        return _NESTED_BYTES if pa.types.is_nested(dtype) else _TEXT_BYTES


def _advice(table: Table, need: Need) -> str:
    if need.per_value or need.per_row:
        return "raise --memory-limit, or work on a sample: its rows are few"
    return "raise --memory-limit, or write the table with smaller row groups"
