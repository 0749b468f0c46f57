"""Whole numbers that are identifiers."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from rebalance.core.matrix import encode
from rebalance.core.whole_identifiers import is_whole_identifier
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


def test_in_a_part_of_a_table_they_must_lie_far_apart() -> None:
    draw = np.random.default_rng(1)
    minutes = pa.array(draw.choice(2_400, 60, replace=False))
    assert is_whole_identifier(minutes)
    assert not is_whole_identifier(minutes, of_rows=300_000)
    # 60 of the numbers 0 to 299,999: of the range the least and greatest miss 1/61 each, 6.3% is
    # four standard errors.
    ids = pa.array(draw.choice(300_000, 60, replace=False))
    assert is_whole_identifier(ids, of_rows=300_000)
