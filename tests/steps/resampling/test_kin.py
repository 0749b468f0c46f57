"""Copies and made rows are held out together with the row that they came from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from rebalance.core.draws import Purpose, uniforms
from rebalance.core.folds import stratified_folds
from rebalance.steps.resampling.kin import kin_draws
from rebalance.storage.inputs import open_table

ROWS = [5, 5, 5, 7, None, None, None]
PARENTS = [None, None, None, None, [7, 5], [5, 7], None]


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_kin_share_a_draw(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"s.{ending}"
    columns = {"x": pa.array(range(7)), "rb_row": pa.array(ROWS, pa.int64())}
    if ending == "csv":
        listed = [value and " ".join(map(str, value)) for value in PARENTS]
        pcsv.write_csv(pa.table(columns | {"rb_parents": pa.array(listed)}), path)
    else:
        parents = pa.array(PARENTS, pa.list_(pa.int64()))
        pq.write_table(pa.table(columns | {"rb_parents": parents}), path)
    draws = kin_draws(open_table([str(path)]), 1)
    five, seven, alone = draws[0], draws[3], draws[6]
    assert draws.tolist() == [five, five, five, seven, seven, five, alone]
    assert len({five, seven, alone}) == 3
    assert sorted({five, seven, alone}) == sorted(uniforms(1, Purpose.HOLD_OUT, 0, 3))


def test_rows_with_one_draw_are_in_one_fold() -> None:
    draws = np.array([0.5, 0.1, 0.5, 0.9, 0.5, 0.3])
    assert stratified_folds(np.ones(6, dtype=bool), draws, 2).tolist() == [0, 0, 0, 1, 0, 1]
