"""Output tables: values that survive, bytes that depend on them alone, and all or nothing."""

from __future__ import annotations

import bz2
import csv
import datetime
import gzip
import io
import os
import resource
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebalance.errors import DataError, UsageError
from rebalance.storage.inputs import open_table
from rebalance.storage.reading import Reading
from rebalance.storage.writers import (
    holds_metadata,
    output_format,
    table_writer,
    table_writers,
)


def copy(source, target, keep=None):
    """Copy a table through the package, batch by batch."""
    with table_writer(str(target)) as writer:
        for batch in open_table([str(source)]).batches():
            writer.write(batch if keep is None else batch.filter(pa.array(keep)))


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def fields(path):
    return pa.Table.from_batches([b.source for b in open_table([str(path)]).batches()]).to_pydict()


def write(path, columns):
    """Write columns to a table of their own."""
    with table_writer(str(path)) as writer:
        writer.write(None, columns)


SIGNS = st.sampled_from([*"a\",;|\r\n\t \\#'.0-", "\ufeff", "\u2028", "ü", "日", "\0"])
FIELD = st.none() | st.text(SIGNS, max_size=6) | st.sampled_from(["", "NULL", "007", "1.50", "nan"])


@settings(max_examples=20, deadline=None)
@given(st.data(), st.sampled_from(["csv", "tsv"]))
def test_the_text_of_every_field_survives(tmp_path_factory, data, ending):
    folder = tmp_path_factory.mktemp("text")
    width = data.draw(st.integers(1, 3))
    name = st.text(SIGNS, min_size=1, max_size=5).filter(str.strip).filter(lambda n: "\r" not in n)
    names = data.draw(st.lists(name, min_size=width, max_size=width, unique=True))
    column = st.lists(FIELD, min_size=9, max_size=9)
    table = {name: data.draw(column) for name in names}
    first, second = folder / f"1.{ending}", folder / f"2.{ending}"
    write(first, {name: pa.array(column, pa.string()) for name, column in table.items()})
    assert fields(first) == table
    copy(first, second)
    assert second.read_bytes() == first.read_bytes()


@given(st.lists(st.text('ab\r\n", ', max_size=5), min_size=1, max_size=5))
def test_the_standard_library_reads_the_same(tmp_path_factory, column):
    path = tmp_path_factory.mktemp("text") / "t.csv"
    write(path, {"n": pa.array(range(len(column))), "x": pa.array(column)})
    found = list(csv.reader(io.StringIO(path.read_bytes().decode(), newline=""), strict=True))
    assert found == [["n", "x"], *([str(n), text] for n, text in enumerate(column))]


def test_numbers_and_forms_of_a_csv_are_not_rewritten(tmp_path):
    text = "id,x,when,flag\n007,1.50,2024-05-31T00:00:00+02:00,TRUE\n010,1e5,,false\n"
    (tmp_path / "in.csv").write_text(text)
    copy(tmp_path / "in.csv", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == text


def test_another_delimiter_and_line_end_become_ours(tmp_path):
    (tmp_path / "in.csv").write_bytes(b'\xef\xbb\xbfa;b\r\n1,5;"x;y"\r\n;""\r\n')
    copy(tmp_path / "in.csv", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == b'a,b\n"1,5","x;y"\n,""\n'
    copy(tmp_path / "in.csv", tmp_path / "out.tsv")
    assert (tmp_path / "out.tsv").read_bytes() == b'a\tb\n"1,5"\t"x;y"\n\t""\n'


def test_a_lone_missing_value_is_a_blank_line_and_comes_back(tmp_path):
    write(tmp_path / "1.csv", {"x": pa.array(["a", None, "", "b"])})
    assert (tmp_path / "1.csv").read_text() == 'x\na\n\n""\nb\n'
    assert fields(tmp_path / "1.csv") == {"x": ["a", None, "", "b"]}


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(width=64), min_size=1, max_size=100))
def test_floats_come_back_to_the_last_bit(tmp_path_factory, numbers):
    path = tmp_path_factory.mktemp("floats") / "t.csv"
    write(path, {"n": pa.array(range(len(numbers))), "x": pa.array(numbers, pa.float64())})
    (batch,) = open_table([str(path)]).batches()
    found = batch.column("x").cast(pa.float64()).to_numpy(zero_copy_only=False)
    same = (found == np.array(numbers)) & (np.signbit(found) == np.signbit(numbers))
    assert (same | (np.isnan(found) & np.isnan(numbers))).all()


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (pa.array([1.5, None, float("nan")]), ["1.5", "", "nan"]),
        (pa.array([0.1], pa.float32()), ["0.1"]),
        (pa.array(np.array([1.5], np.float16)), ["1.5"]),
        (pa.array([2**64 - 1], pa.uint64()), ["18446744073709551615"]),
        (pa.array([True, False]), ["true", "false"]),
        (pa.array([Decimal("1.10")]), ["1.10"]),
        (pa.array([datetime.date(2024, 5, 31)], pa.date64()), ["2024-05-31"]),
        (pa.array([10**9 + 1], pa.timestamp("us")), ["1970-01-01 00:16:40.000001"]),
        (pa.array([10**9], pa.timestamp("ns")), ["1970-01-01 00:00:01.000000"]),
        (pa.array([1], pa.timestamp("ns")), ["1970-01-01 00:00:00.000000001"]),
        (pa.array([0], pa.timestamp("us", "Europe/Berlin")), ["1970-01-01 01:00:00.000000+0100"]),
        (pa.array(["a,b", None]).dictionary_encode(), ['"a,b"', ""]),
        (pa.array(["a,b", '"'], pa.large_string()), ['"a,b"', '""""']),
        (pa.array(["a,b"], pa.string_view()), ['"a,b"']),
        (pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a":1}'])), ['"{""a"":1}"']),
        (pa.nulls(2), ["", ""]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_every_type_as_text(tmp_path, array, text):
    write(tmp_path / "t.csv", {"x": array, "n": pa.array(range(len(array)))})
    expected = "".join(f"{field},{row}\n" for row, field in enumerate(text))
    assert (tmp_path / "t.csv").read_text() == "x,n\n" + expected


@pytest.mark.parametrize(
    "array",
    [
        pa.array([[1]]),
        pa.array([{"a": 1}]),
        pa.array([[1.0]], pa.list_(pa.float32(), 1)),
        pa.array([b"x"]),
        pa.array([b"xy"], pa.binary(2)),
        pa.array([b"x"], pa.large_binary()),
        pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
    ],
    ids=lambda array: str(array.type),
)
def test_what_csv_cannot_hold(tmp_path, array):
    with pytest.raises(DataError, match=r"'x' is .* which CSV cannot hold; write a \.parquet file"):
        write(tmp_path / "t.csv", {"x": array})
    assert list(tmp_path.iterdir()) == []


def test_csv_to_parquet_has_types(tmp_path):
    text = "a,b,c,d,e\n1,1.5,007,true,2024-05-31\n,,,,\n"
    (tmp_path / "t.csv").write_text(text)
    copy(tmp_path / "t.csv", tmp_path / "t.parquet")
    table = pq.read_table(tmp_path / "t.parquet")
    assert table.schema.types == [
        pa.int64(),
        pa.float64(),
        pa.string(),
        pa.bool_(),
        pa.date32(),
    ]
    assert table.to_pydict()["c"] == ["007", None]


def test_new_columns_stand_beside_the_users(tmp_path):
    (tmp_path / "in.csv").write_text("a\n1\n2\n")
    for ending in ("csv", "parquet", "arrow", "jsonl"):
        with table_writer(str(tmp_path / f"out.{ending}")) as writer:
            writer.describe({"key": "value"})
            for batch in open_table([str(tmp_path / "in.csv")]).batches():
                writer.write(batch, {"rb_row": pa.array([0, 1]), "rb_pi": pa.array([0.5, 1.0])})
    lines = ['{"a":1,"rb_row":0,"rb_pi":0.5}', '{"a":2,"rb_row":1,"rb_pi":1.0}']
    assert (tmp_path / "out.jsonl").read_text().splitlines() == lines
    with pa.ipc.open_file(tmp_path / "out.arrow") as reader:
        assert reader.schema.metadata == {b"key": b"value"}
        assert reader.read_all().to_pydict() == {"a": [1, 2], "rb_row": [0, 1], "rb_pi": [0.5, 1]}
    assert (tmp_path / "out.csv").read_text() == "a,rb_row,rb_pi\n1,0,0.5\n2,1,1\n"
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.to_pydict() == {"a": [1, 2], "rb_row": [0, 1], "rb_pi": [0.5, 1.0]}
    assert pq.read_metadata(tmp_path / "out.parquet").metadata[b"key"] == b"value"


@given(st.lists(st.integers(1, 90_000), min_size=1, max_size=4), st.booleans())
@settings(max_examples=4)
def test_the_bytes_do_not_depend_on_the_batches_or_the_threads(tmp_path_factory, sizes, threads):
    folder = tmp_path_factory.mktemp("groups")
    numbers = np.arange(sum(sizes))
    columns = {"n": pa.array(numbers), "x": pa.array([str(n % 5) for n in numbers])}
    columns["d"] = columns["x"].dictionary_encode()
    before = pa.cpu_count()
    for ending in ("parquet", "arrow", "csv.gz", "jsonl.zst", "tsv.bz2"):
        names = [str(folder / f"{copy}.{ending}") for copy in (1, 2)]
        pa.set_cpu_count(3 if threads else 1)
        with table_writer(names[0]) as writer:
            start = 0
            for size in sizes:
                part = {name: array[start : start + size] for name, array in columns.items()}
                writer.write(None, part)
                start += size
        pa.set_cpu_count(before)
        write(names[1], columns)
        assert Path(names[0]).read_bytes() == Path(names[1]).read_bytes()
    whole = pa.table(columns)
    assert pq.read_table(folder / "1.parquet").to_pydict() == whole.to_pydict()
    with pa.ipc.open_file(folder / "1.arrow") as reader:
        groups = reader.num_record_batches
        assert reader.read_all().to_pydict() == whole.to_pydict()
    assert groups == pq.read_metadata(folder / "1.parquet").num_row_groups
    assert groups == -(-len(numbers) // 131_072)


def test_the_bytes_do_not_depend_on_the_batches_where_each_row_group_has_its_dictionary(tmp_path):
    words = [f"{row // 1_000 * 7 % 31}-{row % 13}" for row in range(300_000)]
    table = pa.table({"n": range(300_000), "d": pa.array(words).dictionary_encode()})
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=40_000)
    for ending in ("parquet", "arrow"):
        found = set()
        for size in (3_000, 131_072, 1_000_000):
            opened = open_table([str(tmp_path / "in.parquet")], Reading(batch_rows=size))
            with table_writer(str(tmp_path / f"out.{ending}"), opened) as writer:
                for batch in opened.batches():
                    writer.write(batch)
            found.add((tmp_path / f"out.{ending}").read_bytes())
        assert len(found) == 1


def test_rows_that_are_wide_make_smaller_groups(tmp_path):
    wide = {f"x{at}": pa.array(np.zeros(40_000)) for at in range(800)}
    write(tmp_path / "t.parquet", wide)
    footer = pq.read_metadata(tmp_path / "t.parquet")
    # 128 MiB hold 20,971 rows of 6,400 bytes; groups consist of pieces of 16,384.
    sizes = [footer.row_group(group).num_rows for group in range(footer.num_row_groups)]
    assert sizes == [16_384, 16_384, 7_232]


@pytest.mark.parametrize("codec", ["snappy", "gzip", "zstd", "brotli", "lz4", "none"])
def test_the_codec_is_the_inputs(tmp_path, codec):
    table = pa.table({"x": [1.5] * 100, "s": ["a"] * 100})
    codecs = {"x": codec, "s": codec, "n": "zstd"}
    pq.write_table(
        table.append_column("n", pa.array(range(100))), tmp_path / "in.parquet", compression=codecs
    )
    opened = open_table([str(tmp_path / "in.parquet")])
    with table_writer(str(tmp_path / "out.parquet"), opened) as writer:
        for batch in opened.batches():
            writer.write(batch)
    before = pq.read_metadata(tmp_path / "in.parquet").row_group(0)
    after = pq.read_metadata(tmp_path / "out.parquet").row_group(0)
    assert [after.column(at).compression for at in range(3)] == [before.column(0).compression] * 3


def test_zstd_is_the_codec_of_what_comes_from_elsewhere(tmp_path):
    (tmp_path / "in.csv").write_text("a\n1\n")
    copy(tmp_path / "in.csv", tmp_path / "out.parquet")
    assert pq.read_metadata(tmp_path / "out.parquet").row_group(0).column(0).compression == "ZSTD"


def test_dictionaries_are_made_where_values_repeat(tmp_path):
    rows = 20_000
    numbers = np.random.default_rng(0).random(rows)
    columns = {
        "numbers": pa.array(numbers),
        "steps": pa.array(np.floor(numbers * 10)),
        "id": pa.array(range(rows)),
        "name": pa.array([f"n{row}" for row in range(rows)]),
        "kind": pa.array([f"k{row % 100}" for row in range(rows)]),
        "flag": pa.array(numbers > 0.5),
        "nothing": pa.nulls(rows),
        "list.of": pa.array([["a", "b"]] * rows),
        "view": pa.array([f"k{row % 100}" for row in range(rows)], pa.string_view()),
        "coded": pa.array([f"n{row}" for row in range(rows)]).dictionary_encode(),
    }
    write(tmp_path / "t.parquet", columns)
    group = pq.read_metadata(tmp_path / "t.parquet").row_group(0)
    with_one = {
        group.column(at).path_in_schema
        for at in range(group.num_columns)
        if group.column(at).has_dictionary_page
    }
    assert with_one - {"nothing"} == {"steps", "kind", "list.of.list.element", "view", "coded"}
    assert pq.read_table(tmp_path / "t.parquet").to_pydict() == pa.table(columns).to_pydict()


def test_metadata_that_is_written_anew_replaces_what_travelled(tmp_path):
    schema = pa.schema([("a", pa.int64())], {"owner": "me", "rebalance.scale": "old", "x": "old"})
    pq.write_table(pa.table({"a": [1]}, schema), tmp_path / "in.parquet")
    opened = open_table([str(tmp_path / "in.parquet")])
    assert opened.metadata[b"rebalance.scale"] == b"old"
    for ending in ("parquet", "arrow"):
        path = tmp_path / f"out.{ending}"
        with table_writer(str(path), opened) as writer:
            writer.describe({"x": "new"})
            for batch in opened.batches():
                writer.write(batch)
        # What this project says of a table is true of that one alone.
        assert open_table([str(path)]).metadata.keys() - {b"ARROW:schema"} == {b"owner", b"x"}
        assert open_table([str(path)]).metadata[b"x"] == b"new"


def test_metadata_of_a_file_that_another_tool_wrote_travels(tmp_path):
    with pq.ParquetWriter(tmp_path / "in.parquet", pa.schema([("a", "int64")])) as writer:
        writer.write_table(pa.table({"a": [1]}))
        writer.add_key_value_metadata({"creator": "somebody"})
    copy(tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert pq.read_schema(tmp_path / "out.parquet").metadata == {b"creator": b"somebody"}


@pytest.mark.parametrize(
    ("ending", "unpack"),
    [
        ("gz", gzip.decompress),
        ("bz2", bz2.decompress),
        ("zst", lambda raw: pa.input_stream(pa.py_buffer(raw), compression="zstd").read()),
    ],
)
def test_text_that_is_packed(tmp_path, ending, unpack):
    columns = {"n": pa.array(range(200_000)), "s": pa.array(["ü", None] * 100_000)}
    for kind in ("csv", "tsv", "jsonl"):
        write(tmp_path / f"t.{kind}", columns)
        write(tmp_path / f"t.{kind}.{ending}", columns)
        plain = (tmp_path / f"t.{kind}").read_bytes()
        assert len(plain) > 1 << 20  # more than is packed at once
        assert unpack((tmp_path / f"t.{kind}.{ending}").read_bytes()) == plain


def test_what_a_thread_cannot_write_is_raised(tmp_path):
    bad = {"x": pa.array([[1]] * 20_000), "n": pa.array(range(20_000))}
    for name in ("t.csv", "t.tsv.gz"):
        with pytest.raises(DataError, match="'x' is list"):
            write(tmp_path / name, bad)
    interval = {"x": pa.array([(1, 2, 3)], pa.month_day_nano_interval())}
    with pytest.raises(
        DataError, match=r"'x' is .*interval, which Parquet cannot hold.*an \.arrow"
    ):
        write(tmp_path / "t.parquet", interval)
    with pytest.raises(DataError, match="'x' is struct<>, which Parquet cannot hold"):
        write(tmp_path / "t.parquet", {"x": pa.array([{}], pa.struct([]))})
    assert list(tmp_path.iterdir()) == []


def test_a_parquet_file_without_rows_is_not_written(tmp_path):
    with (
        pytest.raises(DataError, match=r"no rows to write.*t\.parquet"),
        table_writer(str(tmp_path / "t.parquet")),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("t.parquet.zst", "cannot tell the format"),
        ("t.txt", "cannot tell the format"),
        ("t.json", r"taken for one JSON document; end it in \.jsonl"),
        ("T.JSON.gz", r"taken for one JSON document"),
    ],
)
def test_outputs_that_cannot_be_written(tmp_path, name, words):
    with pytest.raises(UsageError, match=words):
        output_format(name)
    with pytest.raises(UsageError, match=words), table_writer(str(tmp_path / name)):
        pass
    assert list(tmp_path.iterdir()) == []


def test_formats():
    names = ("-", "a.csv", "a.TSV.gz", "a.pq", "a.feather", "a.ndjson", "a.json.jsonl.bz2")
    found = [output_format(name) for name in names]
    assert found == ["csv", "csv", "tsv", "parquet", "arrow", "jsonl", "jsonl"]
    assert [holds_metadata(name) for name in names] == [False] * 3 + [True] * 2 + [False] * 2


def test_standard_output(capfdbinary):
    with table_writer("-") as writer:
        writer.write(None, {"a": pa.array([1, None]), "b": pa.array(["x,y", None])})
    assert capfdbinary.readouterr().out == b'a,b\n1,"x,y"\n,\n'


def test_an_unbuffered_standard_output_that_takes_a_part_at_a_time(monkeypatch):
    """As `python -u` has it, and PYTHONUNBUFFERED: a raw stream may write less than it is given."""
    taken = bytearray()

    class Raw(io.RawIOBase):
        def write(self, data):
            taken.extend(bytes(data)[:7])
            return min(len(data), 7)

    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(Raw(), write_through=True))
    with table_writer("-") as writer:
        writer.write(None, {"n": pa.array(range(1_000))})
    assert taken.decode() == "n\n" + "".join(f"{n}\n" for n in range(1_000))


@pytest.mark.parametrize("ending", ["csv", "parquet", "arrow", "jsonl.gz"])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_the_old_file(tmp_path, ending, error):
    target = tmp_path / f"t.{ending}"
    target.write_bytes(b"old")

    def broken():
        with table_writer(str(target)) as writer:
            writer.write(None, {"a": pa.array([1])})
            raise error

    with pytest.raises(error):
        broken()
    assert target.read_bytes() == b"old"
    assert names_in(tmp_path) == [target.name]


def test_parts_appear_together_or_not_at_all(tmp_path):
    names = [str(tmp_path / name) for name in ("a.csv", "b.parquet", "c.tsv")]
    Path(names[0]).write_text("old")

    def two_of_three():
        with table_writers(names) as writers:
            writers[0].write(None, {"n": pa.array([1])})
            writers[2].write(None, {"n": pa.array([3])})

    with pytest.raises(DataError, match=r"no rows to write.*b\.parquet"):
        two_of_three()
    assert names_in(tmp_path) == ["a.csv"]
    assert Path(names[0]).read_text() == "old"
    with table_writers(names) as writers:
        for number, writer in enumerate(writers):
            writer.write(None, {"n": pa.array([number])})
        assert Path(names[0]).read_text() == "old"
    assert names_in(tmp_path) == ["a.csv", "b.parquet", "c.tsv"]
    assert Path(names[0]).read_text() == "n\n0\n"
    assert pq.read_table(names[1]).to_pydict() == {"n": [1]}


FILL = """
import sys
import numpy as np, pyarrow as pa
from rebalance.errors import DataError
from rebalance.storage.writers import table_writers
numbers = pa.array(np.random.default_rng(0).random(30_000))
try:
    with table_writers(sys.argv[1:]) as writers:
        for position, writer in enumerate(writers):
            writer.write(None, {"x": numbers[:10] if position else numbers})
except DataError as exc:
    print(exc)
"""


def run(code, *arguments, **how):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        **how,
    )


def small_disk():
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))


@pytest.mark.parametrize(
    "ending", ["csv", "parquet", "arrow", "jsonl", "csv.gz", "csv.bz2", "jsonl.zst"]
)
def test_a_full_disk_leaves_the_old_files_and_is_told_of_the_right_one(tmp_path, ending):
    big, small = tmp_path / f"big.{ending}", tmp_path / "small.csv"
    big.write_text("old")
    done = run(FILL, big, small, preexec_fn=small_disk)
    assert done.stderr == ""
    assert "cannot write: File too large" in done.stdout
    assert f"file '{big}'" in done.stdout
    assert big.read_text() == "old"
    assert names_in(tmp_path) == [big.name]


def test_a_full_device():
    code = FILL.replace("sys.argv[1:]", "['-']").replace(
        "print(exc)", "print(exc, file=sys.stderr)"
    )
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=-1, check=False)
    assert b"No space left on device, file 'standard output'" in done.stderr


def test_a_closed_pipe_is_passed_on_and_blamed_on_no_file(tmp_path):
    reader, pipe = os.pipe()
    os.close(reader)
    code = FILL.replace("DataError as exc", "BrokenPipeError as exc").replace(
        "print(exc)", "print('closed', file=sys.stderr); import os; os._exit(0)"
    )
    command = [sys.executable, "-c", code, "-", str(tmp_path / "b.csv")]
    done = subprocess.run(command, stdout=pipe, stderr=-1, check=False)
    os.close(pipe)
    assert done.stderr == b"closed\n"
    assert list(tmp_path.iterdir()) == []


SLOW = """
import signal, sys, time
import pyarrow as pa
from rebalance.storage.writers import table_writer
signal.signal(signal.SIGINT, signal.default_int_handler)
with table_writer(sys.argv[1]) as writer:
    writer.write(None, {"x": pa.array([1])})
    print("ready", flush=True)
    time.sleep(30)
"""


def test_an_interrupt_leaves_the_old_file(tmp_path):
    target = tmp_path / "t.csv"
    target.write_text("old")
    command = [sys.executable, "-c", SLOW, str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        assert len(names_in(tmp_path)) == 2
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=20)
    assert b"KeyboardInterrupt" in stderr
    assert target.read_text() == "old"
    assert names_in(tmp_path) == ["t.csv"]
