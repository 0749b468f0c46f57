"""Batches: dictionaries where they are stored, and files that change while they are read."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from rebalance.errors import DataError
from rebalance.storage.inputs import open_table
from rebalance.storage.reading import Reading


@pytest.fixture
def table() -> pa.Table:
    generator = np.random.default_rng(2)
    return pa.table(
        {
            "number": generator.normal(size=5_000),
            "text": generator.choice(["a", "bb", "ccc"], 5_000),
            "large": pa.array(generator.choice(["x", "y"], 5_000), pa.large_string()),
            "many": [f"name-{row}" for row in range(5_000)],
        }
    )


def test_text_that_is_stored_as_a_small_dictionary_comes_as_one(
    table: pa.Table, tmp_path: Path
) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(table, path, use_dictionary=["text"])
    batch = next(open_table([str(path)]).batches(["text", "many"], coded=True))
    assert pa.types.is_dictionary(batch.source.column("text").type)
    assert pa.types.is_string(batch.source.column("many").type)
    assert batch.column("text").equals(table["text"].combine_chunks())


@pytest.mark.parametrize("change", ["append", "replace", "touch"])
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_file_that_changes_while_it_is_read_is_refused(
    table: pa.Table, tmp_path: Path, ending: str, change: str
) -> None:
    path = tmp_path / f"t.{ending}"
    write = pq.write_table if ending == "parquet" else pcsv.write_csv
    write(table, path)
    opened = open_table([str(path)], Reading(batch_rows=1_000))
    batches = opened.batches()
    next(batches)
    if change == "append":
        with path.open("ab") as stream:
            stream.write(b"1,2,3,4\n")
    elif change == "replace":
        write(table.slice(1), path.with_name("new"))
        path.with_name("new").replace(path)
    else:
        os.utime(path, ns=(1, 1))
    with pytest.raises(DataError, match="changed while it was read"):
        list(batches)
    with pytest.raises(DataError, match="changed while it was read"):
        next(opened.batches())
