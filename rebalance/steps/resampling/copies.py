"""table + how often the rows of each class are wanted -> its rows, copies of a row side by side

A row wanted w times is in the sample floor(w) times, and once more with probability w - floor(w): w
is its expected number. The draw is that of the row's number or its key, so that neither batches nor
formats change it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.arrays import to_arrow
from rebalance.core.design import RANDOM_OVER
from rebalance.core.labels import LabelCounter
from rebalance.errors import DataError, UsageError
from rebalance.steps.artifacts.sealed import DESIGN_KEY, store_design
from rebalance.steps.context import Context
from rebalance.steps.keys import draws_of
from rebalance.steps.memory import MB
from rebalance.steps.ready import Asked
from rebalance.storage.tables import Batch, Table
from rebalance.storage.writers import table_writer

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

AT_ONCE = 131_072


def check_repeating(asked: Asked) -> None:
    """Refuse options that have no meaning where rows are repeated.

    Raises
    ------
    UsageError : one is given.
    """
    for name, value in (
        ("--probabilities", asked.probabilities),
        ("--combine-pilot", asked.combine_pilot or None),
        ("--score", asked.score),
        ("--correction", asked.correction),
        ("--floor", asked.floor),
        ("--mix", asked.mix),
    ):
        if value is not None:
            raise UsageError(f"{name} has no meaning for {RANDOM_OVER}", remedy="leave it out")


def count_label(table: Table, column: str, context: Context) -> dict[str, int]:
    """Rows by value of a label, for which the table is read.

    Raises
    ------
    DataError : a label is missing, or they are no classes.
    """
    counter = LabelCounter(column)
    for batch in context.track(table.batches([column]), "counting", table.rows_if_known):
        with batch.located():
            counter.add(batch.column(column), batch.start)
    return counter.counts


def _require_disk(output: str, rows: float) -> None:
    """Refuse what cannot be written even where copies are packed into a byte a row."""
    folder = Path(output).absolute().parent
    if output == "-" or not folder.is_dir():  # a pipe, or a place that is not on a disk here
        return
    free = shutil.disk_usage(folder).free
    if rows > free:
        raise UsageError(
            f"{RANDOM_OVER} would write {rows:,.0f} rows, and {free / MB:,.0f} MB are free",
            where=f"file '{output}'",
            remedy="give a larger --ratio",
        )


def write_copies(
    table: Table,
    asked: Asked,
    design: str,
    *,
    times: Floats,
    counts: Sequence[int],
    codes_of: Callable[[Batch], Codes],
    offsets: Callable[[int], Mapping[str, pa.Array]],
    design_output: str | None,
    context: Context,
    at_once: int = AT_ONCE,
) -> Codes:
    """Write a table's rows, each as often as its class is wanted; gives the rows by class, (K,).

    Copies have the same `rb_row`; `rb_pi` is their expected number.

    Parameters
    ----------
    design : as JSON. times : how often rows of each class are wanted, shape (K,), at least 1.
    counts : the table's rows of each class.
    codes_of : the classes of a batch's rows, shape (n,). offsets : the columns with the offsets of
        so many rows. at_once : the most rows that are written together.

    Raises
    ------
    DataError : the table is damaged, or a label or a key is missing.
    UsageError : the disk has no room for so many rows.
    """
    _require_disk(asked.output, float(times @ np.asarray(counts)))
    found = np.zeros(len(times), dtype=np.int64)
    with table_writer(asked.output, table) as writer:
        writer.describe({DESIGN_KEY.decode(): design})
        for batch in context.track(table.batches(), "repeating", table.rows_if_known):
            with batch.located():
                codes = codes_of(batch)
                often = _often(batch, times[codes], asked.seed, asked.key)
            for at in _positions(often, at_once):
                pi = times[codes[at]]
                extra = {
                    "rb_row": to_arrow(batch.start + at),
                    "rb_pi": to_arrow(pi),
                    "rb_weight": to_arrow(1.0 / pi),
                }
                writer.write(batch.take(at), extra | dict(offsets(len(at))))
            found += np.bincount(codes, often, len(times)).astype(np.int64)
    store_design(design, design_output, asked.output, context)
    return found


def _often(batch: Batch, times: Floats, seed: int, key: str | None) -> Codes:
    """How often each row of a batch is in the sample, shape (n,).

    Raises
    ------
    DataError : a key is missing.
    """
    draws, missing = draws_of(batch, seed, key)
    if len(missing):
        raise DataError(
            "the key is missing",
            where=f"column '{key}'",
            remedy="fill it in, leave those rows out, or sample without --key",
            row=int(missing[0]) - batch.start,
        )
    whole = np.floor(times)
    return (whole + (draws < times - whole)).astype(np.int64)


def _positions(often: Codes, at_once: int) -> Iterator[Codes]:
    """The positions of rows, each so often, some at a time: all copies might fill the memory."""
    ends = np.cumsum(often)
    total = int(often.sum())
    for start in range(0, total, at_once):
        wanted = np.arange(start, min(start + at_once, total))
        yield np.searchsorted(ends, wanted, side="right")
