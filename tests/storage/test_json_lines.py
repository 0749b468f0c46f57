"""JSON lines: types decided over all rows, no digit lost, and errors that name the line."""

from __future__ import annotations

import bz2
import gzip
import json
import math
import subprocess
import sys

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebalance.errors import DataError
from rebalance.storage import json_lines
from rebalance.storage.inputs import open_table
from rebalance.storage.reading import Reading


def opened(folder, *lines, name="t.jsonl", **how):
    """A table of these lines."""
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in lines), **how)
    return open_table([str(path)])


def stored(table, columns=None):
    """The columns as they stand in the file."""
    batches = [batch.source for batch in table.batches(columns)]
    return pa.Table.from_batches(batches).to_pydict()


def typed(table):
    """The columns with the table's types."""
    return pa.Table.from_batches([batch.typed() for batch in table.batches()]).to_pydict()


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of a few lines, so that short files have several."""
    monkeypatch.setattr(json_lines, "_BLOCK", 64)


def test_keys_are_columns_in_the_order_they_come_and_what_is_missing_is_null(tmp_path):
    table = opened(tmp_path, '{"b":1,"a":"x"}', '{"a":"y","c":true}', "{}", '{"b":null}')
    assert table.names == ["b", "a", "c"]
    assert table.schema.types == [pa.int64(), pa.string(), pa.bool_()]
    assert stored(table) == {
        "b": [1, None, None, None],
        "a": ["x", "y", None, None],
        "c": [None, True, None, None],
    }
    assert table.num_rows == table.rows_if_known == 4


@pytest.mark.parametrize(
    ("values", "dtype", "found"),
    [
        (["1", "null", "3"], pa.int64(), [1, None, 3]),
        (["1", "2", "2.5"], pa.float64(), [1.0, 2.0, 2.5]),
        (["2.5", "null", "1"], pa.float64(), [2.5, None, 1.0]),
        (["1.0"], pa.float64(), [1.0]),
        (["1e3"], pa.float64(), [1000.0]),
        (["-9223372036854775808", "9223372036854775807"], pa.int64(), [-(2**63), 2**63 - 1]),
        (["0", "18446744073709551615"], pa.uint64(), [0, 2**64 - 1]),
        (["-1", "18446744073709551615"], pa.string(), ["-1", "18446744073709551615"]),
        (["123456789012345678901", "1"], pa.string(), ["123456789012345678901", "1"]),
        (["1", "12345678901234567890", "0.10"], pa.string(), ["1", "12345678901234567890", "0.10"]),
        (["1.5", "1000000000000000000"], pa.string(), ["1.5", "1000000000000000000"]),
        (["1.5", "999999999999999999"], pa.float64(), [1.5, 1e18]),
        (["1e300"], pa.float64(), [1e300]),
        (["1", '"a"', "2.50", "true"], pa.string(), ["1", "a", "2.50", "true"]),
        (["true", "null", "false"], pa.bool_(), [True, None, False]),
        (["true", "1"], pa.string(), ["true", "1"]),
        (["null", "null"], pa.null(), [None, None]),
        (['"007"', '"1"'], pa.string(), ["007", "1"]),
        (["[1,2]", "null", "[]", "[3.5]"], pa.list_(pa.float64()), [[1, 2], None, [], [3.5]]),
        (["[]"], pa.list_(pa.null()), [[]]),
        (
            ['{"x":1}', '{"y":["a"]}'],
            pa.struct([("x", pa.int64()), ("y", pa.list_(pa.string()))]),
            [{"x": 1, "y": None}, {"x": None, "y": ["a"]}],
        ),
        (['{"x":1}', "[1]"], pa.string(), ['{"x":1}', "[1]"]),
        (["{}"], pa.string(), ["{}"]),
        (['[{"x":1},{"x":"a"}]'], pa.list_(pa.struct([("x", pa.string())])), None),
        (
            ["[12345678901234567890]"],
            pa.list_(pa.uint64()),
            [[12345678901234567890]],
        ),
        (["[123456789012345678901]"], pa.list_(pa.string()), [["123456789012345678901"]]),
        (["NaN", "1"], pa.float64(), None),
        (["Infinity", "-Infinity"], pa.float64(), [math.inf, -math.inf]),
    ],
)
@pytest.mark.parametrize("long", [False, True])
def test_types_are_decided_over_all_rows(tmp_path, monkeypatch, values, dtype, found, long):
    if long:  # a block for each line
        monkeypatch.setattr(json_lines, "_BLOCK", 4)
    table = opened(tmp_path, *[f'{{"x":{value},"n":0}}' for value in values])
    assert table.schema.field("x").type == dtype
    if found is not None:
        assert typed(table)["x"] == found


@pytest.mark.parametrize(
    ("texts", "dtype"),
    [
        (["2024-05-31", None, "2024-06-01"], pa.date32()),
        (["2024-05-31T10:00:00", "2024-06-01 10:00"], pa.timestamp("us")),
        (["2024-05-31T10:00:00Z", "2024-06-01 10:00:00.5+02:00"], pa.timestamp("us", "UTC")),
        (["2024-05-31", "no date"], pa.string()),
        (["no date", "2024-05-31"], pa.string()),
        (["2024-05-31", "2024-05-31T10:00:00"], pa.string()),
        (["2024-02-30"], pa.string()),
    ],
)
def test_texts_that_are_all_times_are_times_and_stay_as_they_are(
    tmp_path, small_blocks, texts, dtype
):
    table = opened(tmp_path, *[json.dumps({"when": text, "pad": "x" * 60}) for text in texts])
    assert table.schema.field("when").type == dtype
    assert stored(table, ["when"]) == {"when": texts}
    batches = [batch.typed() for batch in table.batches(["when"])]
    expected = pa.array(texts).cast(dtype) if dtype != pa.string() else pa.array(texts)
    assert pa.concat_arrays([batch.column(0) for batch in batches]).equals(expected)


def test_nested_times_are_text(tmp_path):
    table = opened(tmp_path, '{"x":{"t":"2024-05-31"},"l":["2024-05-31T10:00:00"]}')
    assert table.schema.types == [pa.struct([("t", pa.string())]), pa.list_(pa.string())]
    assert stored(table) == {"x": [{"t": "2024-05-31"}], "l": [["2024-05-31T10:00:00"]]}


def test_a_column_that_turned_to_text_says_by_which_value(tmp_path):
    table = opened(tmp_path, '{"a":1,"b":"x","c":1}', '{"a":"n/a","b":1,"c":2}')
    assert table.turned == {"a": "n/a"}


def test_an_object_with_very_many_keys_is_text(tmp_path):
    table = opened(tmp_path, *[json.dumps({"x": {f"k{row}": row}}) for row in range(1_001)])
    assert table.schema.field("x").type == pa.string()
    assert stored(table)["x"][1_000] == '{"k1000":1000}'


# Values of one kind for each key: what is read then must be what Python's json reads.
TEXT = st.text(st.sampled_from([*'a"\\,{}[]:\n\t\x00ü日\U0001f600', "\u2028"]), max_size=6)
COLUMNS = {
    "n": st.integers(-(2**63), 2**63 - 1),
    "big": st.integers(0, 2**64 - 1),
    "x": st.floats(allow_nan=False, allow_infinity=False),
    "t": TEXT,
    "b": st.booleans(),
    "l": st.lists(st.integers(-5, 5) | st.none(), max_size=3),
    "o": st.fixed_dictionaries({"p": TEXT, "q": st.lists(st.booleans(), max_size=2)}),
}
ROW = st.fixed_dictionaries(
    {}, optional={name: st.none() | value for name, value in COLUMNS.items()}
)


@settings(max_examples=60)
@given(st.lists(ROW, min_size=1, max_size=30), st.booleans(), st.integers(1, 9))
def test_values_are_those_of_pythons_json(tmp_path_factory, rows, ascii_only, batch_rows):
    path = tmp_path_factory.mktemp("json") / "t.ndjson"
    lines = [json.dumps(row, ensure_ascii=ascii_only) for row in rows]
    path.write_text("\n".join(lines), encoding="utf-8")
    names = list(dict.fromkeys(name for row in rows for name in row))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(json_lines, "_BLOCK", 100)
        if not names:
            with pytest.raises(DataError, match="no column"):
                open_table([str(path)])
            return
        table = open_table([str(path)], Reading(batch_rows=batch_rows))
        assert table.names == names
        batches = list(table.batches())
    assert all(len(batch) <= batch_rows for batch in batches)
    found = {name: [] for name in names}
    for batch in batches:
        for name in names:
            found[name] += batch.source.column(name).to_pylist()
    assert found == {name: [row.get(name) for row in rows] for name in names}


@given(
    st.lists(st.sampled_from(["1", "2.5", '"a"', "null", "true", "[1]", '"2024-01-01"', "1e30"]))
)
def test_types_do_not_depend_on_the_blocks(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("blocks") / "t.jsonl"
    path.write_text('{"y":0}\n' + "".join(f'{{"x":{value}}}\n' for value in values))
    tables = []
    for size in (1, 30, 1 << 20):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(json_lines, "_BLOCK", size)
            table = open_table([str(path)])
            tables.append((table.schema, stored(table)))
    assert tables[0] == tables[1] == tables[2]


@pytest.mark.parametrize(
    "pack",
    [
        ("gz", gzip.compress),
        ("bz2", bz2.compress),
        ("zst", lambda raw: pa.compress(raw, "zstd", asbytes=True)),
    ],
    ids=lambda pack: pack[0],
)
def test_packed_files(tmp_path, pack):
    ending, compress = pack
    path = tmp_path / f"t.json.{ending}"
    path.write_bytes(compress(b'{"a":1}\n{"a":2}\n'))
    assert stored(open_table([str(path)])) == {"a": [1, 2]}
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DataError, match="cannot be read"):
        open_table([str(path)])


@pytest.mark.parametrize(
    "text",
    [
        '\ufeff{"a":1}\n{"a":2}',
        '{"a":1}\r\n{"a":2}\r\n',
        '\n{"a":1}\n\n  \n{"a":2}\n\n',
        ' {"a" : 1 } \n\t{"a":\t2}',
    ],
)
def test_marks_blank_lines_and_line_ends(tmp_path, text):
    assert stored(opened(tmp_path, text, encoding="utf-8", newline="")) == {"a": [1, 2]}


def test_several_files_may_have_their_keys_in_any_order(tmp_path):
    (tmp_path / "1.jsonl").write_text('{"a":1,"b":"x"}\n')
    (tmp_path / "2.jsonl").write_text('{"b":"y","a":2.5,"c":null}\n')
    table = open_table([str(tmp_path / "*.jsonl")])
    assert stored(table) == {"a": [1, 2.5], "b": ["x", "y"], "c": [None, None]}
    assert table.schema.field("a").type == pa.float64()


BAD = [
    ('{"a":1,}', r"not JSON: .*line 3, column \d+; mend the line"),
    ('{"a" 1}', r"not JSON: expecting ':' delimiter, .*line 3, column 6"),
    ('{"a":01}', "not JSON: .*line 3"),
    ('{"a":1} {"a":2}', "not JSON: extra data.*line 3, column 9"),
    ('{"a":1} null', "not JSON: extra data.*line 3"),
    ('{"a":1', "not JSON: .*line 3"),
    ("null", r"the line is no object, .*line 3; write one object a line"),
    ("5", "the line is no object, .*line 3"),
    ("[1]", "the line is an array, not an object, .*line 3"),
    ('{"a":1,"a":2}', "the key 'a' is there twice, .*line 3"),
    ('{"a":{"b":1,"b":2}}', "the key 'b' is there twice, .*line 3"),
    ('{"a":1e999}', "1e999 is too large for a number, .*line 3"),
    ('{"a":"\\ud800"}', "not UTF-8.*line 3"),
    ('{"a":"x\ty"}', "not JSON: invalid control character.*line 3, column 8"),
    ('{"a":' + "[" * 5_000 + "]" * 5_000 + "}", "nested too deeply, .*line 3"),
    ('{"a":' * 5_000 + "1" + "}" * 5_000, "nested too deeply, .*line 3"),
]


@pytest.mark.parametrize(("line", "words"), BAD, ids=[line[:16] for line, _ in BAD])
@pytest.mark.parametrize("size", [10, 1 << 20])
def test_a_broken_line_is_named(tmp_path, monkeypatch, line, words, size):
    monkeypatch.setattr(json_lines, "_BLOCK", size)
    with pytest.raises(DataError, match=words):
        opened(tmp_path, '{"a":1}', '{"a":2}', line, '{"a":3}')


def test_bytes_that_are_not_utf8(tmp_path):
    (tmp_path / "t.jsonl").write_bytes(b'{"a":"x"}\n{"a":"\xff"}\n')
    with pytest.raises(DataError, match=r"not UTF-8, .*line 2"):
        open_table([str(tmp_path / "t.jsonl")])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[{"a":1},{"a":2}]', r"an array, not an object.*jq -c '\.\[\]'"),
        ('[\n  {"a":1},\n  {"a":2}\n]', r"an array, not an object.*line 1.*jq -c '\.\[\]'"),
        ('{\n  "a": 1\n}', r"not JSON: .*line 1, column 2; write one object a line: jq -c \. "),
        ('{"":1}', "column 1 has no name"),
        ("\n\n", "no rows"),
    ],
)
def test_what_is_not_json_lines(tmp_path, text, words):
    with pytest.raises(DataError, match=words):
        opened(tmp_path, text, name="t.json")


def test_a_line_that_is_too_long(tmp_path, monkeypatch):
    monkeypatch.setattr(json_lines, "_BLOCK", 16)
    monkeypatch.setattr(json_lines, "_LONGEST_LINE", 64)
    with pytest.raises(DataError, match=r"line is longer than .*line 2"):
        opened(tmp_path, '{"a":1}', '{"a":"' + "x" * 200 + '"}')


@pytest.mark.parametrize("nested", ["[" * 300 + "1" + "]" * 300, '{"k":' * 300 + "1" + "}" * 300])
def test_deep_values_are_text(tmp_path, nested):
    table = opened(tmp_path, f'{{"a":{nested}}}', '{"a":null}')
    (found, _) = typed(table)["a"]
    while isinstance(found, list | dict):
        (found,) = found if isinstance(found, list) else found.values()
    assert isinstance(found, str)
    assert found.count(nested[0]) > 200


def test_brackets_in_texts_are_no_nesting(tmp_path):
    lines = [json.dumps({"a": "[{" * 150, "b": row}) for row in range(5)]
    assert stored(opened(tmp_path, *lines))["b"] == list(range(5))


def test_reading_needs_no_pandas(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"a":1,"t":"2024-05-31","s":"x","l":[1]}\n' * 9)
    code = (
        "import sys; from rebalance.storage.inputs import open_table;"
        "print([len(batch.typed()) for batch in open_table([sys.argv[1]]).batches()]);"
        "assert 'pandas' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, check=True)
    assert done.stdout == b"[9]\n"
