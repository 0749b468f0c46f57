"""Parquet files: types as they are, and damage that is found."""

from __future__ import annotations

import datetime
import random
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rebalance.errors import DataError
from rebalance.storage.inputs import open_table
from rebalance.storage.reading import Reading
from rebalance.storage.writers import table_writer

TYPES = {
    "int16": pa.array([1, None, -3], pa.int16()),
    "uint64": pa.array([2**64 - 1, None, 0], pa.uint64()),
    "float16": pa.array(np.array([1.5, -0.0, 2], np.float16)),
    "float32": pa.array([0.1, None, float("inf")], pa.float32()),
    "bool": pa.array([True, None, False]),
    "null": pa.nulls(3),
    "binary": pa.array([b"a", None, b"\xff"]),
    "fixed binary": pa.array([b"ab", None, b"cd"], pa.binary(2)),
    "date": pa.array([datetime.date(2024, 2, 29), None, datetime.date(1, 1, 1)]),
    "time": pa.array([1, None, 3], pa.time64("us")),
    "duration": pa.array([1, None, 3], pa.duration("us")),
    "zone": pa.array([1_700_000_000_123_456, None, 2], pa.timestamp("us", "Europe/Berlin")),
    "nanoseconds": pa.array([1_700_000_000_123_456_789, None, 2], pa.timestamp("ns")),
    "decimal": pa.array([Decimal("1.10"), None, Decimal("-98765432109876543.21")]),
    "dictionary": pa.array(["a", None, "b,c"]).dictionary_encode(),
    "small dictionary": pa.DictionaryArray.from_arrays(
        pa.array([0, None, 1], pa.int8()), ["x", "y"]
    ),
    "large string": pa.array(["a", None, "ü\n"], pa.large_string()),
    "list": pa.array([[1], None, []], pa.list_(pa.int32())),
    "nested": pa.array([[{"x": 1, "y": ["q"]}], None, [{"x": None, "y": None}]]),
    "vector": pa.array([[1, 2], None, [3, 4]], pa.list_(pa.float32(), 2)),
    "map": pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int64())),
    "uuid": pa.ExtensionArray.from_storage(
        pa.uuid(), pa.array([b"0" * 16, None, b"1" * 16], pa.binary(16))
    ),
    "dot": pa.array([1, 2, 3]),
    "dot.ted": pa.array([4, 5, 6]),
    "Dot": pa.array([7, 8, 9]),
}


@pytest.fixture
def everything(tmp_path):
    """A table of every type with metadata of the schema and of a field, in two row groups."""
    table = pa.table(TYPES)
    described = table.schema.field("list").with_metadata({"unit": "mm"})
    schema = table.schema.set(table.schema.get_field_index("list"), described)
    schema = schema.with_metadata({"owner": "me", "pandas": "{}"})
    path = tmp_path / "in.parquet"
    pq.write_table(table.cast(schema), path, row_group_size=2)
    return path


def test_types_values_and_metadata_from_parquet_to_parquet(everything, tmp_path):
    output = tmp_path / "out.parquet"
    with table_writer(str(output)) as writer:
        for batch in open_table([str(everything)]).batches():
            for keep in ([0], [1]):
                mask = [row in keep for row in range(len(batch))]
                writer.write(batch.filter(pa.array(mask)))
    before, after = pq.read_table(everything), pq.read_table(output)
    assert after.schema.equals(before.schema, check_metadata=True)
    assert after.schema.metadata[b"owner"] == b"me"
    for name in TYPES:
        assert after[name].equals(before[name]), name


def test_types_are_the_files_own(everything):
    table = open_table([str(everything)])
    assert table.num_rows == 3
    assert not table.is_text
    for name in set(TYPES) - {"time"}:
        assert table.schema.field(name).type == pq.read_schema(everything).field(name).type
    assert table.schema.field("zone").type == pa.timestamp("us", "Europe/Berlin")
    assert table.schema.field("decimal").type == pa.decimal128(19, 2)


def test_a_name_with_a_dot_is_a_name(everything):
    table = open_table([str(everything)])
    for names in (["dot"], ["dot.ted"], ["Dot", "dot"]):
        found = pa.Table.from_batches([batch.source for batch in table.batches(names)])
        assert found.to_pydict() == {name: TYPES[name].to_pylist() for name in names}


@pytest.mark.parametrize(
    ("array", "dtype"),
    [
        (pa.array(["a", None], pa.string_view()), pa.large_string()),
        (pa.array([b"a", None], pa.binary_view()), pa.large_binary()),
        (pa.array([["a"], None], pa.list_(pa.string_view())), pa.list_(pa.large_string())),
        (
            pa.array([{"x": "a"}, None], pa.struct([("x", pa.string_view())])),
            pa.struct([("x", pa.large_string())]),
        ),
    ],
)
def test_views_are_read_as_ordinary_strings_and_written_as_views(tmp_path, array, dtype):
    path = tmp_path / "views.parquet"
    pq.write_table(pa.table({"x": array}), path)
    table = open_table([str(path)])
    (batch,) = table.batches()
    assert table.schema.field("x").type.equals(dtype)
    kept = batch.filter(pa.array([True, False]))
    assert kept.typed().to_pydict() == {"x": array[:1].to_pylist()}
    with table_writer(str(tmp_path / "out.parquet"), table) as writer:
        writer.write(kept)
    written = pq.read_table(tmp_path / "out.parquet")
    assert written.equals(pq.read_table(path).slice(0, 1))


@pytest.fixture
def numbers(tmp_path):
    """20,000 rows in four row groups, uncompressed."""
    path = tmp_path / "numbers.parquet"
    table = pa.table({"n": np.arange(20_000), "s": [f"text {row}" for row in range(20_000)]})
    pq.write_table(table, path, row_group_size=5_000, compression="none", use_dictionary=False)
    return path


def read(path):
    return sum(len(batch) for batch in open_table([str(path)]).batches())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: raw[: len(raw) // 2],
        lambda raw: raw[:-1],
        lambda raw: raw[:-4] + b"XXXX",
        lambda raw: raw[:-20] + b"\xff" * 12 + raw[-8:],
        lambda raw: b"PAR1",
        lambda raw: b"PAR1" + bytes(100) + b"PAR1",
        lambda raw: b"n,s\n1,x\n",
    ],
)
def test_a_damaged_footer(numbers, spoil):
    numbers.write_bytes(spoil(numbers.read_bytes()))
    with pytest.raises(DataError, match=r"Parquet file cannot be read: .+numbers\.parquet'; it is"):
        open_table([str(numbers)])


def test_a_damaged_page_in_the_middle(numbers):
    column = pq.read_metadata(numbers).row_group(2).column(1)
    raw = bytearray(numbers.read_bytes())
    raw[column.data_page_offset : column.data_page_offset + 30] = b"\xff" * 30
    numbers.write_bytes(raw)
    batches = open_table([str(numbers)], Reading(batch_rows=5_000)).batches()
    assert len(next(batches)) + len(next(batches)) == 10_000
    with pytest.raises(DataError, match=r"numbers\.parquet', row group 2; it is damaged"):
        next(batches)


def test_text_that_is_not_utf8(numbers):
    raw = bytearray(numbers.read_bytes())
    raw[raw.index(b"text 7777")] = 0xFF
    numbers.write_bytes(raw)
    with pytest.raises(DataError, match=r"row group 1"):
        read(numbers)


def test_one_changed_byte_of_our_own_files_is_found(numbers, tmp_path):
    output = tmp_path / "own.parquet"
    with table_writer(str(output)) as writer:
        for batch in open_table([str(numbers)]).batches():
            writer.write(batch)
    column = pq.read_metadata(output).row_group(0).column(0)
    raw = bytearray(output.read_bytes())
    raw[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    output.write_bytes(raw)
    with pytest.raises(DataError, match=r"own\.parquet', row group 0"):
        read(output)


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_random_damage_is_an_error_or_harmless(tmp_path, compression):
    path = tmp_path / "in.parquet"
    table = pa.table(
        {
            "x": pa.array([1.5, None, 3.0] * 50),
            "s": pa.array(["x", "yy", None] * 50).dictionary_encode(),
            "l": pa.array([[1], None, [2, 3]] * 50),
            "t": pa.array([1, 2, 3] * 50, pa.timestamp("us", "UTC")),
        }
    )
    pq.write_table(table, path, row_group_size=60, compression=compression)
    whole = path.read_bytes()
    generator = random.Random(5)
    errors = 0
    for _ in range(300):
        raw = bytearray(whole)
        for _ in range(generator.choice([1, 1, 3])):
            raw[generator.randrange(len(raw))] ^= 1 << generator.randrange(8)
        path.write_bytes(raw)
        try:
            assert read(path) == 150  # never fewer rows without a word
        except DataError:
            errors += 1
        try:
            table = open_table([str(path)])
            assert table.source.codec is None or isinstance(table.source.codec, str)
            assert sum(len(batch) for batch in table.batches(coded=True)) == 150
        except DataError:
            errors += 1
    assert errors > 200


def test_an_empty_table(tmp_path):
    path = tmp_path / "none.parquet"
    pq.write_table(pa.table({"x": pa.array([], pa.int64())}), path)
    with pytest.raises(DataError, match=r"no rows.*none\.parquet"):
        read(path)


def test_the_bad_one_of_many_small_row_groups_is_named(numbers):
    column = pq.read_metadata(numbers).row_group(2).column(1)
    raw = bytearray(numbers.read_bytes())
    raw[column.data_page_offset : column.data_page_offset + 30] = b"\xff" * 30
    numbers.write_bytes(raw)
    with pytest.raises(DataError, match="row group 2"):
        next(open_table([str(numbers)]).batches())


def test_empty_row_groups_are_passed_over(tmp_path):
    path = tmp_path / "gaps.parquet"
    rows = pa.table({"x": [1, 2]})
    with pq.ParquetWriter(path, rows.schema) as writer:
        for table in (rows[:0], rows, rows[:0], rows):
            writer.write_table(table)
    batches = list(open_table([str(path)]).batches())
    assert [(batch.start, batch.source.to_pydict()) for batch in batches] == [
        (0, {"x": [1, 2, 1, 2]})
    ]


@pytest.mark.parametrize(
    ("names", "words"),
    [(["a", "a"], "'a' is there 2 times"), (["a", ""], "column 2 has no name")],
)
def test_bad_names(tmp_path, names, words):
    path = tmp_path / "names.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=names), path)
    with pytest.raises(DataError, match=words):
        open_table([str(path)])


def test_several_files_in_another_order_of_columns(tmp_path):
    pq.write_table(pa.table({"a": [1], "b": ["x"]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"b": ["y"], "a": [2]}), tmp_path / "2.pq")
    table = open_table([str(tmp_path / "1.parquet"), str(tmp_path / "2.pq")])
    found = pa.Table.from_batches([batch.source for batch in table.batches()])
    assert found.to_pydict() == {"a": [1, 2], "b": ["x", "y"]}


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"a": [1]}, r"'b' of '.*1\.parquet' is missing.*2\.parquet"),
        ({"a": [1], "b": ["x"], "c": [1]}, r"'c' is not in '.*1\.parquet'.*2\.parquet"),
        ({"a": [1.5], "b": ["x"]}, r"'a' is double here and int64 in '.*1\.parquet'"),
        ({"a": [1], "b": [None]}, r"'b' is null here and string in"),
    ],
)
def test_several_files_with_other_columns(tmp_path, other, words):
    pq.write_table(pa.table({"a": [1], "b": ["x"]}), tmp_path / "1.parquet")
    pq.write_table(pa.table(other), tmp_path / "2.parquet")
    with pytest.raises(DataError, match=words):
        open_table([str(tmp_path / "*.parquet")])
