"""Stretches: what threads read by themselves is what one reads in order."""

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


@pytest.mark.parametrize("batch_rows", [100, 700, 10_000])
def test_all_stretches_together_are_the_table(
    table: pa.Table, tmp_path: Path, batch_rows: int
) -> None:
    paths = [tmp_path / "1.parquet", tmp_path / "2.parquet", tmp_path / "3.csv"]
    pq.write_table(table.slice(0, 2_200), paths[0], row_group_size=1_000)
    pq.write_table(table.slice(2_200), paths[1])
    pcsv.write_csv(table, paths[2])
    for inputs in ([str(paths[0]), str(paths[1])], [str(paths[2])]):
        opened = open_table(inputs, Reading(batch_rows=batch_rows))
        parts = []
        start = 0
        for stretch in opened.stretches(opened.names):
            assert stretch.start == start
            for _ in range(2):
                batches = list(stretch.batches(["text", "number"]))
                others = list(stretch.batches(["many", "large"]))
                assert [len(batch) for batch in batches] == [len(batch) for batch in others]
                assert [batch.start for batch in batches] == [batch.start for batch in others]
            parts += [
                batch.beside(other).select(table.column_names).typed()
                for batch, other in zip(batches, others, strict=True)
            ]
            start += len(stretch)
        assert start == 5_000
        found = pa.Table.from_batches(parts)
        for name in table.column_names:
            assert found[name].to_pylist() == table[name].to_pylist()
        if not opened.is_text:
            assert found.schema.equals(opened.schema)


def test_text_that_is_stored_as_a_small_dictionary_comes_as_one(
    table: pa.Table, tmp_path: Path
) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(table, path, use_dictionary=["text"])
    stretch = next(open_table([str(path)]).stretches(table.column_names))
    batch = next(stretch.batches(["text", "many"]))
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
        [list(stretch.batches(opened.names)) for stretch in opened.stretches(opened.names)]
