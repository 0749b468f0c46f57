"""Arrow files and streams: types as they are, little in memory, and damage that is found."""

from __future__ import annotations

import io
import random
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rebalance.errors import DataError
from rebalance.storage import arrow_ipc
from rebalance.storage.inputs import open_table
from rebalance.storage.reading import Reading
from rebalance.storage.writers import table_writer
from tests.storage.test_parquet import TYPES

ARROW_ONLY = {
    "view": pa.array(["a", None, "long enough not to stand inside"], pa.string_view()),
    "binary view": pa.array([b"a", None, b"\xff" * 20], pa.binary_view()),
    "list of views": pa.array([["a"], None, ["b", "c" * 20]], pa.list_(pa.string_view())),
    "struct of views": pa.array([{"x": "a"}, None, {"x": None}], pa.struct([("x", "string_view")])),
    "map of views": pa.array([[("k", "v")], None, []], pa.map_("string_view", "string_view")),
    "runs": pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], "int32"), pa.array(["a", None])),
    "union": pa.UnionArray.from_sparse(
        pa.array([0, 1, 0], pa.int8()), [pa.array([1, 2, 3]), pa.array(["x", "y", "z"])]
    ),
    "list view": pa.array([[1], None, [2, 3]], pa.list_view(pa.int32())),
    "interval": pa.array([(1, 2, 3), None, (4, 5, 6)], pa.month_day_nano_interval()),
    "dictionary of views": pa.DictionaryArray.from_arrays(
        pa.array([0, None, 1], pa.int8()), pa.array(["a", "b"], pa.string_view())
    ),
    "seconds": pa.array([1, None, 3], pa.timestamp("s", "Europe/Berlin")),
    "date64": pa.array([0, None, 86_400_000], pa.date64()),
}
EVERYTHING = TYPES | ARROW_ONLY


def write(path, table, batch_rows=2, kind="file", **options):
    make = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
    with make(path, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=batch_rows)


@pytest.fixture
def everything():
    """A table of every type with metadata of the schema and of a field."""
    table = pa.table(EVERYTHING)
    described = table.schema.field("list").with_metadata({"unit": "mm"})
    schema = table.schema.set(table.schema.get_field_index("list"), described)
    schema = schema.with_metadata({"owner": "me", "pandas": "{}"})
    return pa.Table.from_arrays(table.columns, schema=schema)


@pytest.mark.parametrize("kind", ["file", "stream"])
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_types_values_and_metadata_from_arrow_to_arrow(tmp_path, everything, kind, compression):
    path, output = tmp_path / "in.arrow", tmp_path / "out.feather"
    write(path, everything, kind=kind, compression=compression)
    table = open_table([str(path)])
    assert (table.num_rows, table.is_text, table.names) == (3, False, list(EVERYTHING))
    with table_writer(str(output), table) as writer:
        for batch in table.batches():
            for keep in ([0], [1], [2]):
                mask = [row in keep for row in range(len(batch))]
                writer.write(batch.filter(pa.array(mask)))
    with pa.ipc.open_file(output) as reader:
        after = reader.read_all()
    assert after.schema.equals(everything.schema, check_metadata=True)
    assert reader.num_record_batches == 1
    for name in EVERYTHING:
        assert after[name].to_pylist() == everything[name].to_pylist(), name


def test_what_parquet_has_no_type_for_is_named(tmp_path, everything):
    write(tmp_path / "in.ipc", everything.select(["int16", "union"]))
    table = open_table([str(tmp_path / "in.ipc")])
    with (
        pytest.raises(DataError, match=r"'union' is .*union.*, which Parquet cannot hold.*t\.par"),
        table_writer(str(tmp_path / "t.parquet"), table) as writer,
    ):
        writer.write(next(iter(table.batches())))
    assert not (tmp_path / "t.parquet").exists()


def test_from_arrow_to_parquet_as_far_as_parquet_has_the_types(tmp_path, everything):
    names = [name for name in EVERYTHING if name not in ("union", "interval")]
    write(tmp_path / "in.ipc", everything)
    table = open_table([str(tmp_path / "in.ipc")])
    with table_writer(str(tmp_path / "t.parquet"), table) as writer:
        for batch in table.batches(names):
            writer.write(batch)
    after = pq.read_table(tmp_path / "t.parquet")
    assert after.schema.field("view").type == pa.string_view()
    assert after.schema.field("list of views").type == pa.list_(pa.string_view())
    assert after.schema.field("runs").type == pa.string()
    for name in names:
        assert after[name].to_pylist() == everything[name].to_pylist(), name


@pytest.mark.parametrize(
    "array",
    [
        pa.StructArray.from_arrays([ARROW_ONLY["runs"]], ["x"]),
        pa.array([["a"]], pa.list_view(pa.string_view())),
    ],
    ids=["runs inside", "views in a list view"],
)
def test_types_of_which_no_rows_can_be_picked(tmp_path, array):
    write(tmp_path / "t.arrow", pa.table({"n": [1] * len(array), "x": array}))
    with pytest.raises(DataError, match=r"'x' is .*of which rows cannot be picked, .*t\.arrow"):
        open_table([str(tmp_path / "t.arrow")])


@pytest.mark.parametrize("kind", ["file", "stream"])
def test_batches_have_the_size_asked_for_whatever_the_file_has(tmp_path, kind):
    path = tmp_path / "t.arrow"
    numbers = pa.table({"n": range(1_000), "s": pa.array(["a", "b"] * 500).dictionary_encode()})
    for stored in (1, 7, 300, 1_000):
        write(path, numbers, stored, kind)
        for size in (3, 100, 5_000):
            table = open_table([str(path)], Reading(batch_rows=size))
            batches = list(table.batches(["s", "n"]))
            assert max(map(len, batches)) <= size
            assert len(batches) <= 4 * max(1_000 / size, 1) + 1
            found = pa.Table.from_batches([batch.source for batch in batches])
            assert found.to_pydict() == numbers.select(["s", "n"]).to_pydict()


def test_dictionaries_that_grow_and_change(tmp_path):
    path = tmp_path / "t.arrow"
    words = [["a", "b"], ["a", "b", "c"], ["z"]]
    rows = [pa.record_batch({"x": pa.array(part).dictionary_encode()}) for part in words]
    with pa.ipc.new_stream(path, rows[0].schema) as writer:
        for batch in rows:
            writer.write_batch(batch)
    table = open_table([str(path)])
    with table_writer(str(tmp_path / "out.arrow"), table) as writer:
        for batch in table.batches():
            writer.write(batch)
    with pa.ipc.open_file(tmp_path / "out.arrow") as reader:
        assert reader.read_all()["x"].to_pylist() == ["a", "b", "a", "b", "c", "z"]


def test_dictionaries_of_many_groups(tmp_path):
    path = tmp_path / "t.arrow"
    texts = [f"{row // 60_000}-{row % 7}" for row in range(300_000)]
    with table_writer(str(path)) as writer:
        for start in range(0, len(texts), 50_000):
            part = pa.array(texts[start : start + 50_000]).dictionary_encode()
            lists = pa.ListArray.from_arrays(pa.array(range(50_001), pa.int32()), part)
            writer.write(None, {"x": part, "inside": lists})
    with pa.ipc.open_file(path) as reader:
        assert reader.num_record_batches == 3
        found = reader.read_all()
    assert found["x"].to_pylist() == texts
    assert found["inside"].to_pylist() == [[text] for text in texts]


# A process that is started takes over its starter's peak in what the system reports: so ask inside.
PEAK = """
import re, sys
from rebalance.storage.inputs import open_table
table = open_table([sys.argv[1]])
print(sum(len(batch) for batch in table.batches()) == table.num_rows)
print(re.search(r"VmHWM:\\s+([0-9]+) kB", open("/proc/self/status").read())[1])
"""


@pytest.mark.parametrize("kind", ["file", "stream"])
def test_one_large_batch_is_not_in_memory_at_once(tmp_path, kind):
    path = tmp_path / "t.arrow"
    columns = {f"x{at}": np.random.default_rng(at).random(1_000_000) for at in range(40)}
    write(path, pa.table(columns), 1_000_000, kind)
    size = path.stat().st_size
    command = [sys.executable, "-c", PEAK, str(path)]
    right, peak = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
    assert right == "True"
    assert size > 320_000_000
    # The libraries take 60 MB; 131,072 of the rows at a time 42 MB.
    assert int(peak) * 1024 < size / 2


@pytest.mark.parametrize("large", [False, True])
def test_a_damaged_batch_is_named(tmp_path, monkeypatch, large):
    if large:
        monkeypatch.setattr(arrow_ipc, "_LARGE_BATCH", 1)
    path = tmp_path / "t.arrow"
    write(path, pa.table({"n": range(4_000), "s": [f"text {row}" for row in range(4_000)]}), 1_000)
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"text 2777")] = 0xFF
    path.write_bytes(raw)
    batches = open_table([str(path)], Reading(batch_rows=1_000)).batches()
    assert len(next(batches)) + len(next(batches)) == 2_000
    with pytest.raises(DataError, match=r"Arrow file cannot be read: .*t\.arrow', record batch 2"):
        next(batches)


def _stream(table, **options):
    sink = io.BytesIO()
    write(sink, table, 10, "stream", **options)
    return sink.getvalue()


ROWS = pa.table({"n": range(30)})


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (_stream(ROWS)[:-8], "the stream has no end"),
        (_stream(ROWS)[:-20], "cannot be read"),
        (_stream(ROWS) + _stream(ROWS), "something follows the end"),
        (_stream(ROWS)[:200], "cannot be read"),
        (b"ARROW1\0\0" + _stream(ROWS), "cannot be read"),
        (b"FEA1" + bytes(40), "version 1 of Feather"),
        (b"n\n1\n2\n", "cannot be read"),
        (b"PAR1" + bytes(40), "cannot be read"),
    ],
)
def test_what_is_cut_short_or_no_arrow(tmp_path, raw, words):
    (tmp_path / "t.ipc").write_bytes(raw)
    with pytest.raises(DataError, match=rf"Arrow file .*{words}.*t\.ipc'; it is damaged"):
        open_table([str(tmp_path / "t.ipc")])


def test_a_cut_file(tmp_path):
    path = tmp_path / "t.arrow"
    write(path, ROWS)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(DataError, match="Arrow file cannot be read"):
        open_table([str(path)])


@pytest.mark.parametrize("kind", ["file", "stream"])
@pytest.mark.parametrize("compression", [None, "lz4"])
def test_random_damage_is_an_error_or_harmless(tmp_path, kind, compression):
    table = pa.table(
        {
            "x": pa.array([1.5, None, 3.0] * 50),
            "s": pa.array(["x", "yy", None] * 50).dictionary_encode(),
            "l": pa.array([[1], None, [2, 3]] * 50),
            "v": pa.array(["a", None, "not inside of the view"] * 50, pa.string_view()),
        }
    )
    path = tmp_path / "t.arrow"
    write(path, table, 60, kind, compression=compression)
    whole = path.read_bytes()
    generator = random.Random(8)
    errors = 0
    for _ in range(200):
        raw = bytearray(whole)
        for _ in range(generator.choice([1, 1, 3])):
            raw[generator.randrange(len(raw))] ^= 1 << generator.randrange(8)
        path.write_bytes(raw)
        try:
            opened = open_table([str(path)])
            rows = sum(len(batch.typed().to_pylist()) for batch in opened.batches())
            assert rows == opened.num_rows
        except DataError:
            errors += 1
    assert errors > 50


def test_several_files_in_another_order_of_columns(tmp_path):
    write(tmp_path / "1.arrow", pa.table({"a": [1], "b": ["x"]}))
    write(tmp_path / "2.arrow", pa.table({"b": ["y"], "a": [2]}), kind="stream")
    table = open_table([str(tmp_path / "*.arrow")])
    found = pa.Table.from_batches([batch.source for batch in table.batches()])
    assert found.to_pydict() == {"a": [1, 2], "b": ["x", "y"]}
    write(tmp_path / "3.arrow", pa.table({"b": ["y"], "a": [2.5]}))
    with pytest.raises(DataError, match=r"'a' is double here and int64 in .*1\.arrow.*3\.arrow"):
        open_table([str(tmp_path / "*.arrow")])


def test_an_empty_table(tmp_path):
    write(tmp_path / "t.arrow", pa.table({"x": pa.array([], pa.int64())}))
    with pytest.raises(DataError, match=r"no rows.*t\.arrow"):
        open_table([str(tmp_path / "t.arrow")])


@pytest.mark.parametrize(
    ("names", "words"),
    [(["a", "a"], "'a' is there 2 times"), (["a", ""], "column 2 has no name")],
)
def test_bad_names(tmp_path, names, words):
    write(tmp_path / "t.arrow", pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=names))
    with pytest.raises(DataError, match=words):
        open_table([str(tmp_path / "t.arrow")])
