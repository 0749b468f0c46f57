"""Whole numbers that are identifiers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from rebalance.core.matrix import encode
from rebalance.core.whole_identifiers import MAX_LEVELS, is_whole_identifier
from rebalance.errors import DataError


def test_whole_numbers_that_are_nearly_all_different_are_no_feature() -> None:
    columns = {
        "id": pa.array(range(7, 1_007)),
        "my no": pa.array(range(1_000), pa.uint32()),
        "x": pa.array(np.arange(1_000.0)),
        "age": pa.array(np.arange(1_000) % 80),
    }
    kinds = dict.fromkeys(columns, "number")
    with pytest.raises(DataError, match=r"identifiers\?.*'id', 'my no'.*--drop id --drop 'my no'"):
        encode(columns, kinds, fill=False, as_numbers=True)
    kept = dict.fromkeys(("x", "age"), "number")
    assert encode(columns, kept, fill=False, as_numbers=True).values.shape == (1_000, 2)
    assert is_whole_identifier(pa.array([Decimal(row) for row in range(50)]))
    assert not is_whole_identifier(pa.array(range(19)))  # too few to tell


def test_whole_numbers_and_texts_that_are_identifiers_are_named_together() -> None:
    rows = MAX_LEVELS + 1
    columns = {
        "cust id": pa.array(range(rows)),
        "note": pa.array([f"note {row % 1_000}" for row in range(rows)]),
        "uuid": pa.array([f"{row:x}" for row in range(rows)]).dictionary_encode(),
        "its": pa.array([f"it {row}" for row in range(rows)]),
    }
    kinds: dict[str, Any] = dict.fromkeys(columns, "category") | {"cust id": "number"}
    with pytest.raises(DataError) as raised:
        encode(columns, kinds, fill=False, as_numbers=True)
    assert str(raised.value) == (
        "nearly all whole numbers differ, or there are up to 1,001 different values, more than "
        "1,000: identifiers?, columns 'cust id', 'uuid', 'its'; leave them out of the distances "
        "with --drop 'cust id' --drop uuid --drop its; they travel with the rows. Of a "
        "measurement, say so with --number 'cust id'"
    )


def test_in_a_part_of_a_table_they_must_lie_far_apart() -> None:
    draw = np.random.default_rng(1)
    minutes = pa.array(draw.choice(2_400, 60, replace=False))
    assert is_whole_identifier(minutes)
    assert not is_whole_identifier(minutes, of_rows=300_000)
    # 60 of the numbers 0 to 299,999: of the range the least and greatest miss 1/61 each, 6.3% is
    # four standard errors.
    ids = pa.array(draw.choice(300_000, 60, replace=False))
    assert is_whole_identifier(ids, of_rows=300_000)
