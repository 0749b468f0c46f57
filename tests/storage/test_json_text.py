"""Rows as JSON: what Python's json reads is what was in the table, to the last digit."""

from __future__ import annotations

import datetime
import json
import math
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebalance.errors import DataError
from rebalance.storage.inputs import open_table
from rebalance.storage.writers import table_writer


def write(path, columns):
    with table_writer(str(path)) as writer:
        writer.write(None, columns)


def copy(source, target):
    table = open_table([str(source)])
    with table_writer(str(target), table) as writer:
        for batch in table.batches():
            writer.write(batch)


@pytest.mark.parametrize(
    ("array", "texts"),
    [
        (pa.array([1, None, -3], pa.int8()), ["1", "null", "-3"]),
        (pa.array([2**64 - 1], pa.uint64()), ["18446744073709551615"]),
        (pa.array([1.0, 0.1, None, -0.0, 1e20]), ["1.0", "0.1", "null", "-0.0", "1e+20"]),
        (pa.array([math.nan, 2.5]), ["null", "2.5"]),
        (pa.array([0.1, 3], pa.float32()), ["0.1", "3.0"]),
        (pa.array(np.array([1.5, 2], np.float16)), ["1.5", "2.0"]),
        (pa.array([True, None, False]), ["true", "null", "false"]),
        (pa.nulls(2), ["null", "null"]),
        (pa.array([Decimal("1.10"), Decimal("98765432109876543210.55")]), None),
        (pa.array(["a", None, ""]), ['"a"', "null", '""']),
        (pa.array(['"\\\n\t\x00\x1f\x7fü\u2028']), ['"\\"\\\\\\n\\t\\u0000\\u001f\x7fü\u2028"']),
        (pa.array(["a", "b"], pa.large_string()), ['"a"', '"b"']),
        (pa.array(["a", "b"], pa.string_view()), ['"a"', '"b"']),
        (pa.array(["a", None, "b"]).dictionary_encode(), ['"a"', "null", '"b"']),
        (pa.array([1.5, 1.0]).dictionary_encode(), ["1.5", "1.0"]),
        (pa.array([datetime.date(2024, 5, 31)]), ['"2024-05-31"']),
        (pa.array([0], pa.timestamp("us", "Europe/Berlin")), ['"1970-01-01 01:00:00.000000+0100"']),
        (pa.array([10**9], pa.timestamp("ns")), ['"1970-01-01 00:00:01.000000"']),
        (pa.array([1, None], pa.time32("s")), ['"00:00:01"', "null"]),
        (pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a":1}'])), ['"{\\"a\\":1}"']),
        (pa.array([[1, None], None, []]), ["[1,null]", "null", "[]"]),
        (pa.array([["a,b"], [None]], pa.large_list(pa.string())), ['["a,b"]', "[null]"]),
        (pa.array([[1.0, 2.5], None], pa.list_(pa.float32(), 2)), ["[1.0,2.5]", "null"]),
        (pa.array([[1], None, [2, 3]], pa.list_view(pa.int32())), ["[1]", "null", "[2,3]"]),
        (pa.array([[["x"]], [[], None]]), ['[["x"]]', "[[],null]"]),
        (
            pa.array([{"x": 1, "y z": ["q"]}, None, {"x": None, "y z": None}]),
            ['{"x":1,"y z":["q"]}', "null", '{"x":null,"y z":null}'],
        ),
        (pa.array([[{"x": 1.5}, None]]), ['[{"x":1.5},null]']),
        (
            pa.array([[("k", 1), ("l", None)], None, []], pa.map_(pa.string(), pa.int64())),
            ['{"k":1,"l":null}', "null", "{}"],
        ),
        (pa.array([[(1, ["a"])]], pa.map_(pa.int8(), pa.list_(pa.string()))), ['{"1":["a"]}']),
        (pa.array([[Decimal("1.10"), None]]), ["[1.10,null]"]),
        (pa.array([[math.nan, 1.0]]), ["[null,1.0]"]),
        (pa.array([{}], pa.struct([])), ["{}"]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_every_type_as_json(tmp_path, array, texts):
    if texts is None:
        texts = [str(value) for value in array.to_pylist()]
    write(tmp_path / "t.jsonl", {"x": array, "n": pa.array(range(len(array)))})
    expected = [f'{{"x":{text},"n":{row}}}' for row, text in enumerate(texts)]
    found = (tmp_path / "t.jsonl").read_text(encoding="utf-8").split("\n")
    assert found == [*expected, ""]
    for line in expected:
        json.loads(line)
    # A part of a longer array, and rows that were picked.
    pieces = pa.concat_arrays([array, array]) if not pa.types.is_list_view(array.type) else array
    write(tmp_path / "s.jsonl", {"x": pieces.slice(len(pieces) - len(array))})
    values = [f'{{"x":{text}}}' for text in texts]
    assert (tmp_path / "s.jsonl").read_text(encoding="utf-8").split("\n") == [*values, ""]


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (pa.array([b"x"]), "'x' is binary, which JSON cannot hold"),
        (pa.array([[b"x"]]), r"'x\[\]' is binary, which JSON cannot hold"),
        (pa.array([{"a": {"b": b"x"}}]), r"'x\.a\.b' is binary, which JSON cannot hold"),
        (pa.array([[("k", b"x")]], pa.map_(pa.string(), pa.binary())), r"'x\{\}' is binary"),
        (pa.array([[(b"k", 1)]], pa.map_(pa.binary(), pa.int8())), "keys of type binary"),
        (pa.array([1.5, math.inf]), "'x' has an infinite value"),
        (pa.array([[-math.inf]]), r"'x\[\]' has an infinite value"),
        (pa.array([(1, 2, 3)], pa.month_day_nano_interval()), "which JSON cannot hold"),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_what_json_cannot_hold(tmp_path, array, words):
    with pytest.raises(DataError, match=rf"{words}.*; write a \.parquet"):
        write(tmp_path / "t.jsonl", {"x": array})
    assert list(tmp_path.iterdir()) == []


SIGNS = st.sampled_from(
    [*'a"\\/{}[],:\n\r\t\x00\x08\x0c\x1b\x7fü日', "\u2028", "\U0001f600", "\ufeff"]
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "text": st.none() | st.text(SIGNS, max_size=8),
            "number": st.none() | st.floats(allow_nan=False, allow_infinity=False),
            "whole": st.none() | st.integers(-(2**63), 2**63 - 1),
            "inside": st.none()
            | st.fixed_dictionaries({"l": st.none() | st.lists(st.none() | st.text(SIGNS))}),
        }
    ),
    min_size=1,
    max_size=20,
)
SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("number", pa.float64()),
        ("whole", pa.int64()),
        ("inside", pa.struct([("l", pa.list_(pa.string()))])),
    ]
)


@settings(max_examples=50)
@given(ROWS)
def test_the_standard_library_and_this_project_read_the_same_values(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("json") / "t.jsonl"
    table = pa.Table.from_pylist(rows, SCHEMA)
    write(path, {name: table[name].combine_chunks() for name in SCHEMA.names})
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    assert [json.loads(line) for line in lines] == rows
    for line, row in zip(lines, rows, strict=True):  # -0.0 equals 0.0, and 1 equals 1.0
        assert repr(json.loads(line)["number"]) == repr(row["number"])
    found = [row for batch in open_table([str(path)]).batches() for row in batch.source.to_pylist()]
    assert found == rows
    copy(path, path.with_name("u.jsonl"))
    assert path.with_name("u.jsonl").read_bytes() == path.read_bytes()


def test_keys_are_escaped(tmp_path):
    names = ['a"b', "c\\d", "e\nf", "ü"]
    write(tmp_path / "t.jsonl", {name: pa.array([1]) for name in names})
    assert json.loads((tmp_path / "t.jsonl").read_text(encoding="utf-8")) == dict.fromkeys(names, 1)
    assert open_table([str(tmp_path / "t.jsonl")]).names == names


def test_from_csv_numbers_are_numbers_and_times_stay_as_they_are_written(tmp_path):
    text = "id,x,when,flag,none,s\n007,1.50,2024-05-31T00:00:00+02:00,TRUE,,a\n010,2,,false,,\n"
    (tmp_path / "t.csv").write_text(text)
    copy(tmp_path / "t.csv", tmp_path / "t.jsonl")
    assert (tmp_path / "t.jsonl").read_text() == (
        '{"id":"007","x":1.5,"when":"2024-05-31T00:00:00+02:00","flag":true,"none":null,"s":"a"}\n'
        '{"id":"010","x":2.0,"when":null,"flag":false,"none":null,"s":null}\n'
    )
    copy(tmp_path / "t.jsonl", tmp_path / "u.csv")
    assert (tmp_path / "u.csv").read_text() == (
        "id,x,when,flag,none,s\n007,1.5,2024-05-31T00:00:00+02:00,true,,a\n010,2,,false,,\n"
    )


def test_from_json_to_parquet_times_are_times(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"t":"2024-05-31T00:00:00Z","d":"2024-05-31","o":{"a":1}}\n')
    copy(tmp_path / "t.jsonl", tmp_path / "t.arrow")
    table = open_table([str(tmp_path / "t.arrow")])
    assert table.schema.types == [
        pa.timestamp("us", "UTC"),
        pa.date32(),
        pa.struct([("a", pa.int64())]),
    ]
