"""Folders and patterns as inputs, and the columns that folders' names are."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rebalance.errors import DataError, UsageError
from rebalance.storage.inputs import open_table
from rebalance.storage.reading import Reading
from rebalance.storage.tables import Table
from rebalance.storage.writers import table_writer


def lay(folder, name, columns):
    """A table in a file, in folders that are made for it."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with table_writer(str(path)) as writer:
        writer.write(None, {column: pa.array(values) for column, values in columns.items()})
    return path


def contents(table: Table, columns=None):
    batches = [batch.typed() for batch in table.batches(columns)]
    return pa.Table.from_batches(batches).to_pydict()


@pytest.mark.parametrize("ending", ["parquet", "csv", "tsv.gz", "arrow", "jsonl", "ndjson.zst"])
def test_a_folder_is_all_tables_below_it_by_path(tmp_path, ending):
    for number, name in enumerate(["b/2", "a", "b/10", "c/d/e", "b/1"]):
        lay(tmp_path, f"data/{name}.{ending}", {"n": [number]})
    (tmp_path / "data" / "_SUCCESS").touch()
    (tmp_path / "data" / ".part.crc").touch()
    lay(tmp_path, f"data/_temporary/0/t.{ending}", {"n": [9]})
    lay(tmp_path, f"data/.hidden/t.{ending}", {"n": [9]})
    (tmp_path / "data" / f"a.{ending}.design.json").write_text("{}")
    table = open_table([str(tmp_path / "data")])
    assert contents(table) == {"n": [1, 4, 2, 0, 3]}  # a, b/1, b/10, b/2, c/d/e
    assert table.num_rows == 5
    assert contents(open_table([f"{tmp_path}/data/"])) == contents(table)


@pytest.mark.parametrize("ending", ["parquet", "csv", "arrow", "jsonl"])
def test_keys_of_folders_are_columns_after_the_files_own(tmp_path, ending):
    for year, month, numbers in (("2023", "12", [1, 2]), ("2024", "01", [3]), ("2024", "2", [4])):
        name = f"data/year={year}/month={month}/t.{ending}"
        lay(tmp_path, name, {"n": numbers, "s": [f"x{number}" for number in numbers]})
    for given in ("data", "data/*/*/*", "data/**/*.*", "data/*", "data/year=*/month=*"):
        table = open_table([str(tmp_path / given)], Reading(batch_rows=1))
        assert table.names == ["n", "s", "year", "month"]
        assert table.schema.field("year").type == pa.int64()
        assert table.schema.field("month").type == pa.string()
        assert contents(table) == {
            "n": [1, 2, 3, 4],
            "s": ["x1", "x2", "x3", "x4"],
            "year": [2023, 2023, 2024, 2024],
            "month": ["12", "12", "01", "2"],
        }
        assert contents(table, ["month"]) == {"month": ["12", "12", "01", "2"]}
        assert contents(table, ["month", "n"]) == {
            "month": ["12", "12", "01", "2"],
            "n": [1, 2, 3, 4],
        }
    # What the input fixes is the same for all rows, and no column.
    table = open_table([str(tmp_path / "data/year=2024")])
    assert contents(table) == {"n": [3, 4], "s": ["x3", "x4"], "month": ["01", "2"]}
    table = open_table([str(tmp_path / f"data/year=2024/month=2/t.{ending}")])
    assert table.names == ["n", "s"]


def test_files_named_one_by_one_have_the_keys_below_what_they_share(tmp_path):
    paths = [
        lay(tmp_path, f"run=7/seed={seed}/{name}.csv", {"n": [seed]})
        for seed, name in ((1, "a"), (1, "b"), (2, "a"))
    ]
    other = lay(tmp_path, "run=7/plain.csv", {"n": [0]})
    names = [str(path) for path in paths]
    assert contents(open_table(names)) == {"n": [1, 1, 2], "seed": [1, 1, 2]}
    assert contents(open_table(names[:2])) == {"n": [1, 1]}
    assert contents(open_table(names[:1])) == {"n": [1]}
    assert contents(open_table([*names, str(other)])) == {"n": [1, 1, 2, 0]}


@pytest.mark.parametrize(
    ("values", "dtype", "found"),
    [
        (["1", "-20", "0"], pa.int64(), [-20, 0, 1]),
        (["1", "01"], pa.string(), ["01", "1"]),
        (["1", "1.5"], pa.string(), ["1", "1.5"]),
        (["1", ""], pa.string(), ["", "1"]),
        (["1", "__HIVE_DEFAULT_PARTITION__"], pa.int64(), [1, None]),
        (["a%2Fb%3D%20c", "Ä"], pa.string(), ["a/b= c", "Ä"]),
        (["a=b"], pa.string(), ["a=b"]),
        (["1" * 19], pa.string(), ["1" * 19]),
        (["__HIVE_DEFAULT_PARTITION__"], pa.string(), [None]),
    ],
)
def test_the_types_of_keys(tmp_path, values, dtype, found):
    for value in values:
        lay(tmp_path, f"k%20y={value}/t.parquet", {"n": [0]})
    table = open_table([str(tmp_path)])
    assert table.schema.field("k y").type == dtype
    assert contents(table)["k y"] == found


def test_a_column_of_the_file_counts_before_a_key_of_its_name(tmp_path):
    for year in (2023, 2024):
        lay(tmp_path, f"year={year}/t.csv", {"year": [f"FY{year}"], "n": [year]})
    assert contents(open_table([str(tmp_path)])) == {
        "year": ["FY2023", "FY2024"],
        "n": [2023, 2024],
    }


def test_metadata_and_types_stay_beside_keys(tmp_path):
    schema = pa.schema([pa.field("v", pa.string_view(), metadata={"unit": "m"})], {"owner": "me"})
    (tmp_path / "in" / "k=1").mkdir(parents=True)
    pq.write_table(pa.table({"v": ["x"]}, schema), tmp_path / "in/k=1/t.pq", compression="gzip")
    table = open_table([str(tmp_path / "in")])
    with table_writer(str(tmp_path / "out.parquet"), table) as writer:
        for batch in table.batches():
            writer.write(batch)
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.schema.equals(schema.append(pa.field("k", pa.int64())), check_metadata=True)
    assert found.to_pydict() == {"v": ["x"], "k": [1]}
    assert pq.read_metadata(tmp_path / "out.parquet").row_group(0).column(0).compression == "GZIP"


def test_files_in_folders_of_other_keys(tmp_path):
    lay(tmp_path, "a=1/t.csv", {"n": [1]})
    lay(tmp_path, "a=2/b=1/t.csv", {"n": [1]})
    with pytest.raises(DataError, match=r"'.*a=2/b=1/t.csv' has the key 'b', .*file '.*a=1/t.csv'"):
        open_table([str(tmp_path)])


def test_a_key_twice_on_the_way(tmp_path):
    lay(tmp_path, "a=1/a=2/t.csv", {"n": [1]})
    with pytest.raises(DataError, match=r"the key 'a' is there twice, .*t\.csv"):
        open_table([str(tmp_path)])


def test_a_folder_with_something_else_in_it(tmp_path):
    lay(tmp_path, "t.csv", {"n": [1]})
    (tmp_path / "notes.md").write_text("hello")
    with pytest.raises(DataError, match=r"cannot tell .*notes\.md'; name the tables alone .*\*\*/"):
        open_table([str(tmp_path)])
    (tmp_path / "notes.md").unlink()
    lay(tmp_path, "t.parquet", {"n": [1]})
    with pytest.raises(UsageError, match="of different formats: csv, parquet"):
        open_table([str(tmp_path)])


def test_other_columns_in_a_folder(tmp_path):
    lay(tmp_path, "k=1/t.parquet", {"n": [1]})
    lay(tmp_path, "k=2/t.parquet", {"n": [1.5]})
    with pytest.raises(DataError, match=r"'n' is double here and int64 in '.*k=1/t.*k=2/t"):
        open_table([str(tmp_path)])


def test_a_damaged_row_group_in_the_middle_of_a_folder(tmp_path):
    for key in (1, 2, 3):
        path = tmp_path / f"k={key}" / "t.parquet"
        path.parent.mkdir()
        pq.write_table(pa.table({"n": range(30)}), path, row_group_size=10, compression="none")
    path = tmp_path / "k=2" / "t.parquet"
    column = pq.read_metadata(path).row_group(1).column(0)
    raw = bytearray(path.read_bytes())
    raw[column.data_page_offset : column.data_page_offset + 20] = b"\xff" * 20
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"k=2/t\.parquet', row group 1"):
        list(open_table([str(tmp_path)]).batches())


def test_links_to_folders_are_followed_and_rings_are_not(tmp_path):
    lay(tmp_path, "elsewhere/t.csv", {"n": [1]})
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "day=1").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "ring").symlink_to(tmp_path / "data")
    assert contents(open_table([str(tmp_path / "data")])) == {"n": [1], "day": [1]}


def test_a_file_named_in_two_ways(tmp_path):
    path = lay(tmp_path, "data/t.csv", {"n": [1]})
    with pytest.raises(UsageError, match="is named twice as input"):
        open_table([str(tmp_path / "data"), str(path)])
