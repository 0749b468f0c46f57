"""keys -> draws, one for each value, checked"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rebalance.core.allotment import key_texts
from rebalance.core.design import Design
from rebalance.core.draws import Purpose, key_uniforms, uniforms
from rebalance.core.sketches import KeyCensus
from rebalance.core.wording import counted
from rebalance.errors import DataError
from rebalance.steps.context import Context
from rebalance.storage.tables import Batch, Table

Floats = NDArray[np.float64]


def draws_of(batch: Batch, seed: int, key: str | None) -> tuple[Floats, NDArray[np.int64]]:
    """u of every row, shape (n,), by its number or its key; and the rows whose key is missing."""
    if key is None:
        found = uniforms(seed, Purpose.SAMPLE, batch.start, len(batch))
        return found, np.empty(0, dtype=np.int64)
    texts, codes = key_texts(batch.column(key), key)
    of_keys = np.append(key_uniforms(seed, Purpose.SAMPLE, texts), 1.0)
    return of_keys[codes], batch.start + np.flatnonzero(codes < 0)


def check_keys(keys: KeyCensus, key: str | None, table: Table, context: Context) -> None:
    """Refuse rows without a key; say how many rows share one.

    Raises
    ------
    DataError : a key is missing.
    """
    if key is None:
        return
    if keys.missing:
        raise DataError(
            f"the key is missing in {counted(keys.missing, 'row')}",
            where=f"{table.place}, column '{key}', first in row {keys.first_missing} "
            "(counting from 0)",
            remedy="fill it in, leave those rows out, or sample without --key",
        )
    repeated, exact = keys.repeated()
    if repeated:
        context.note(
            f"{'' if exact else 'about '}{counted(repeated, 'row has', 'rows have')} a '{key}' "
            "that an earlier row has: they share its draw, and what is kept varies more than by "
            "independent draws"
        )


def shared_draws(table: Table, design: Design) -> NDArray[np.int64] | None:
    """Codes from 0, shape (n,), the same for rows of a sample that one draw kept.

    None where each row had a draw of its own; or the sample has lost its key, see `has_lost_key`.

    Raises
    ------
    DataError : a key is missing, which none was when the sample was drawn.
    """
    key = design.draw_key
    if key is None or has_lost_key(table, design):
        return None
    draws = []
    for batch in table.batches([key]):
        with batch.located():
            found, missing = draws_of(batch, design.seed, key)
        if len(missing):
            raise DataError(
                "the key that the sample was drawn by is missing",
                where=f"{batch.place}, column '{key}', row {int(missing[0])} (counting from 0)",
                remedy="draw the sample again",
            )
        draws.append(found)
    distinct, codes = np.unique(np.concatenate(draws), return_inverse=True)
    return None if len(distinct) == len(codes) else codes.astype(np.int64)


def has_lost_key(table: Table, design: Design) -> bool:
    """Whether the column that a sample was drawn by is not in it any more."""
    return design.draw_key is not None and design.draw_key not in table.names
