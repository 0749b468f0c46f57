"""Tables: batches in input order over all files, and inputs that are none."""

from __future__ import annotations

import hashlib
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebalance.errors import DataError, UsageError
from rebalance.storage.inputs import open_table
from rebalance.storage.reading import Reading
from rebalance.storage.tables import Batch


def rows(table, columns=None):
    """(start, first column) of every batch."""
    return [(batch.start, batch.source.column(0).to_pylist()) for batch in table.batches(columns)]


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_batches_come_in_order_with_their_row_numbers(tmp_path, ending):
    paths = []
    for file, (start, stop) in enumerate([(0, 5), (5, 6), (6, 13)]):
        path = tmp_path / f"{file}.{ending}"
        if ending == "csv":
            path.write_text("n\n" + "".join(f"{row}\n" for row in range(start, stop)))
        else:
            pq.write_table(pa.table({"n": range(start, stop)}), path, row_group_size=2)
        paths.append(str(path))
    table = open_table(paths)
    for size in (1, 3, 100):
        numbers = []
        for batch in open_table(paths, Reading(batch_rows=size)).batches():
            assert batch.start == len(numbers)
            assert len(batch) <= size
            numbers += batch.column("n").to_pylist()
        assert numbers == list(range(13))
    assert table.num_rows == 13
    assert table.names == ["n"]
    assert table.title == f"{paths[0]} and 2 more"


def test_order_over_many_batches_and_threads(tmp_path):
    path = tmp_path / "long.csv"
    path.write_text("n,x\n" + "".join(f"{row},{'x' * (row % 50)}\n" for row in range(300_000)))
    numbers = pa.concat_arrays(
        batch.column("n") for batch in open_table([str(path)]).batches(["n"])
    )
    assert numbers.equals(pa.array(range(300_000)))


def test_columns_are_picked_in_the_order_asked_for(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b,c\n1,x,2.5\n")
    (batch,) = open_table([str(path)]).batches(["c", "a", "c"])
    assert batch.typed().to_pydict() == {"c": [2.5], "a": [1]}
    assert batch.source.to_pydict() == {"c": ["2.5"], "a": ["1"]}
    assert batch.schema_of_source().names == ["c", "a"]


def test_globs_are_sorted_and_inputs_keep_their_order(tmp_path):
    for name in ("b1", "a2", "a1"):
        (tmp_path / f"{name}.csv").write_text(f"n\n{name}\n")
    table = open_table([str(tmp_path / "b*.csv"), str(tmp_path / "a*.csv")])
    assert rows(table) == [(0, ["b1"]), (1, ["a1"]), (2, ["a2"])]
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "c.csv").write_text("n\nc\n")
    assert rows(open_table([str(tmp_path / "**" / "c.csv")])) == [(0, ["c"])]


def test_a_file_named_like_a_pattern_is_that_file(tmp_path):
    (tmp_path / "t[1].parquet").write_bytes(b"")
    pq.write_table(pa.table({"n": [1]}), tmp_path / "t[1].parquet")
    pq.write_table(pa.table({"n": [2]}), tmp_path / "t1.parquet")
    assert rows(open_table([str(tmp_path / "t[1].parquet")])) == [(0, [1])]


def test_filter_keeps_what_is_left(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,x\n,y\n3,\n")
    (batch,) = open_table([str(path)]).batches()
    kept = batch.filter(pa.array([False, True, True]))
    assert kept.typed().to_pydict() == {"a": [None, 3], "b": ["y", None]}
    assert batch.select(["b"]).source.to_pydict() == {"b": ["x", "y", None]}


def test_features_are_what_the_kind_needs(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("n,flag,day,code\n1,true,2024-05-31,7\n,,,\n")
    (batch,) = open_table([str(path)]).batches()
    found = batch.features({"n": "number", "flag": "boolean", "day": "time", "code": "category"})
    assert {name: str(array.type) for name, array in found.items()} == {
        "n": "double",
        "flag": "bool",
        "day": "date32[day]",
        "code": "string",
    }
    assert found["code"].to_pylist() == ["7", None]


def test_a_value_that_does_not_fit_its_type_is_placed():
    """A file that changed between two looks; or a model that reads a text column as numbers."""
    source = pa.RecordBatch.from_pydict({"x": ["1", None, "oops", "two"]})
    batch = Batch(1_000, source, pa.schema([("x", pa.int64())]), "file 't.csv'")
    for read in (lambda: batch.column("x"), lambda: batch.feature("x", "number"), batch.typed):
        with pytest.raises(DataError, match=r"'oops' cannot be read as .*row 1002 .*'x'"):
            read()


def test_booleans_in_any_case():
    source = pa.RecordBatch.from_pydict({"x": ["TRUE", "False", None]})
    batch = Batch(0, source, pa.schema([("x", pa.bool_())]), "")
    assert batch.column("x").to_pylist() == [True, False, None]


@pytest.fixture
def two(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("amount,Country\n1,x\n")
    return open_table([str(path)])


def test_require(two):
    two.require("amount", "--label")
    with pytest.raises(DataError, match=r"no column 'amnt' \(named by --label\).*t\.csv.*'amount'"):
        two.require("amnt", "--label")
    with pytest.raises(DataError, match=r"nearest (is|are) .*'Country'"):
        two.require("country", "--key")


def test_require_features(two, tmp_path):
    two.require_features({"amount": "number"}, "the model")
    two.require_features({"amount": "category"}, "the model")  # CSV: 7 may have been a code
    with pytest.raises(DataError, match=r"the model needs the column 'amont'.*'amount'"):
        two.require_features({"amont": "number"}, "the model")
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"amount": ["1"], "none": pa.nulls(1)}), path)
    table = open_table([str(path)])
    table.require_features({"none": "number"}, "the model")
    with pytest.raises(DataError, match="'amount' as a number, and here it is string"):
        table.require_features({"amount": "number"}, "the model")


def test_own_columns(two, tmp_path):
    two.refuse_own_columns()
    path = tmp_path / "own.csv"
    path.write_text("x,rb_pi\n1,1\n")
    with pytest.raises(DataError, match="'rb_pi' has a name that rebalance keeps"):
        open_table([str(path)]).refuse_own_columns()


def test_the_digest_is_over_all_bytes_in_order(tmp_path):
    for name, text in (("1.csv", "n\n1\n"), ("2.csv", "n\n2\n")):
        (tmp_path / name).write_text(text)
    names = [str(tmp_path / name) for name in ("1.csv", "2.csv")]
    assert open_table(names).digest == hashlib.sha256(b"n\n1\nn\n2\n").hexdigest()
    assert open_table(names[::-1]).digest != open_table(names).digest


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.csv", "there is no file '.*missing.csv'; check the path"),
        ("*.csv", r"there is no file '.*\*.csv'"),
        (".", r"there are no files in the folder '.*'; check the path"),
    ],
)
def test_no_file(tmp_path, name, words):
    with pytest.raises(DataError, match=words):
        open_table([str(tmp_path / name)])


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match=r"is a pipe or a device, not a file; .*INPUT '-'"):
        open_table([str(tmp_path / "pipe.csv")])


def test_a_file_named_twice(tmp_path):
    (tmp_path / "t.csv").write_text("n\n1\n")
    (tmp_path / "link.csv").symlink_to(tmp_path / "t.csv")
    for names in (["t.csv", "t.csv"], ["t.csv", "*.csv"], ["t.csv", "link.csv"]):
        with pytest.raises(UsageError, match="named twice as input"):
            open_table([str(tmp_path / name) for name in names])


def test_formats_do_not_mix(tmp_path):
    (tmp_path / "t.csv").write_text("n\n1\n")
    pq.write_table(pa.table({"n": [1]}), tmp_path / "t.parquet")
    with pytest.raises(UsageError, match="different formats: csv, parquet"):
        open_table([str(tmp_path / "t.csv"), str(tmp_path / "t.parquet")])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=4), st.integers(1, 4))
def test_any_cut_into_files_and_batches_gives_the_same_rows(tmp_path_factory, sizes, batch_rows):
    folder = tmp_path_factory.mktemp("cut")
    paths, first = [], 0
    for file, size in enumerate([*sizes, 1]):
        path = folder / f"{file}.parquet"
        pq.write_table(pa.table({"n": pa.array(range(first, first + size), pa.int64())}), path)
        paths.append(str(path))
        first += size
    found = rows(open_table(paths, Reading(batch_rows=batch_rows)))
    assert [row for _, batch in found for row in batch] == list(range(first))
    assert [start for start, _ in found] == [batch[0] for _, batch in found]
