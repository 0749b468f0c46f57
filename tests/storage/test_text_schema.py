"""When the types of text are looked for, and what becomes of types that were expected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from rebalance.errors import DataError
from rebalance.storage.delimited import DelimitedFiles
from rebalance.storage.inputs import open_table
from rebalance.storage.reading import Expected, Reading
from rebalance.storage.tables import Table
from rebalance.storage.text_schema import expect

INTEGER, NUMBER, TEXT = pa.int64(), pa.float64(), pa.string()


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The columns of every look at a whole table, in the order of the looks."""
    asked: list[list[str]] = []
    look = DelimitedFiles._look

    def counted(self: DelimitedFiles, columns: Sequence[str]) -> object:
        asked.append(list(columns))
        return look(self, columns)

    monkeypatch.setattr(DelimitedFiles, "_look", counted)
    return asked


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Table]:
    def write(content: str, expected: Expected, **settings: object) -> Table:
        path = tmp_path / "t.csv"
        path.write_text(content)
        return open_table([str(path)], Reading(**settings), expected)

    return write


CONTENT = "n,x,s,y\n1,1.5,007,0\n2,.5,a,1\n3,2,b,0\n"


def test_nothing_is_looked_for_before_it_is_asked(
    table: Callable[..., Table], looks: list[list[str]]
) -> None:
    opened = table(CONTENT, Expected())
    assert opened.names == ["n", "x", "s", "y"]
    assert opened.rows_if_known is None
    opened.require("n", "--label")
    opened.refuse_own_columns()
    opened.require_features({"x": "number", "s": "category"}, "the pilot")
    (batch,) = opened.batches()
    assert batch.feature("x", "number").to_pylist() == [1.5, 0.5, 2.0]
    assert batch.feature("s", "category").to_pylist() == ["007", "a", "b"]
    assert looks == []
    assert opened.rows_if_known == 3  # all were read
    assert opened.num_rows == 3
    assert batch.column("y").to_pylist() == [0, 1, 0]
    assert looks == [["y"]]
    assert batch.typed().schema.types == [INTEGER, NUMBER, TEXT, INTEGER]
    assert looks == [["y"], ["n", "x", "s"]]
    assert opened.schema.types == [INTEGER, NUMBER, TEXT, INTEGER]
    assert len(looks) == 2


def test_rows_are_counted_once(table: Callable[..., Table], looks: list[list[str]]) -> None:
    opened = table(CONTENT, Expected())
    assert (opened.num_rows, opened.num_rows, opened.rows_if_known) == (3, 3, 3)
    assert looks == [[]]


def test_what_was_expected_is_not_looked_for(
    table: Callable[..., Table], looks: list[list[str]]
) -> None:
    types = {"n": INTEGER, "x": NUMBER, "s": TEXT, "other": NUMBER}
    opened = table(CONTENT, Expected(types, frozenset(["x", "other"])))
    (batch,) = opened.batches()
    assert batch.source.schema.types == [TEXT, NUMBER, TEXT, TEXT]
    assert batch.column("x").to_pylist() == [1.5, 0.5, 2.0]
    assert batch.column("n").to_pylist() == [1, 2, 3]
    assert looks == []
    assert batch.typed().schema.types == [INTEGER, NUMBER, TEXT, INTEGER]
    assert looks == [["y"]]


@pytest.mark.parametrize(
    ("dtype", "late", "found"),
    [
        (INTEGER, "007", TEXT),
        (INTEGER, "+7", NUMBER),
        (INTEGER, "12345678901234567890", TEXT),
        (INTEGER, "2.5", NUMBER),
        (INTEGER, "x", TEXT),
        (INTEGER, "0x10", TEXT),
        (pa.bool_(), "2", INTEGER),
        (pa.date32(), "2", INTEGER),
        (pa.timestamp("us", tz="UTC"), "2", INTEGER),
        (NUMBER, "007", TEXT),
        (NUMBER, "12345678901234567890", TEXT),
        (NUMBER, " 2.5", TEXT),
    ],
)
def test_a_type_that_does_not_hold_is_decided_anew(
    table: Callable[..., Table],
    looks: list[list[str]],
    dtype: pa.DataType,
    late: str,
    found: pa.DataType,
) -> None:
    said: list[str] = []
    rows = "".join(f"{row},\n" for row in range(3_000))
    content = f"n,x\n{rows}" + "1,1\n" + f"2,{late}\n" + "3,3\n"
    opened = table(content, Expected({"n": INTEGER, "x": dtype}, tell=said.append), batch_rows=999)
    list(opened.batches())
    assert looks == said == []  # nobody asked for it yet
    assert opened.schema.field("x").type == found
    assert looks == [["x"]]
    assert opened.schema.field("n").type == INTEGER
    (note,) = said
    first = (late, 3_001) if dtype in (INTEGER, NUMBER) else ("1", 3_000)
    assert f"'x' was {dtype} in the pilot's table" in note
    assert f"'{first[0]}' in row {first[1]} (counting from 0)" in note
    read = pa.Table.from_batches([batch.typed() for batch in opened.batches()])
    assert read["x"][3_001].as_py() == (late if found == TEXT else float(late))


def test_what_travels_as_text_needs_no_types(table: Callable[..., Table]) -> None:
    stored = {"n": "int64", "x": "double", "when": "date32[day]", "y": "int8", "s": "string"}
    kinds = {"x": "number", "when": "time"}
    found = expect(stored, kinds, ["y"], as_text=True, tell=print)
    assert found.types == {"y": INTEGER, "when": pa.date32()}
    assert found.numbers == frozenset()
    found = expect(stored, kinds, ["y"], as_text=False, tell=print)
    assert found.types == {
        "n": INTEGER, "x": NUMBER, "when": pa.date32(), "y": INTEGER, "s": TEXT,
    }  # fmt: skip
    assert found.numbers == frozenset(["x"])


@pytest.mark.parametrize("dtype", ["double", "date32[day]", "timestamp[us]"])
def test_a_label_is_looked_at_where_its_text_could_be_another(dtype: str) -> None:
    """0.50 and 0.5 are one label if the column is numbers, and two if it is text."""
    found = expect({"y": dtype}, {"y": "number"}, ["y"], as_text=False, tell=print)
    assert (found.types, found.numbers) == ({}, frozenset())


@pytest.mark.parametrize(
    ("content", "settings", "words"),
    [
        ("n,x\n1,1.5\n2,oops\n", {}, ["'oops' cannot be read as double", "line 3", "column 'x'"]),
        ('n,x\n"1\n",1.5\n2,oops\n', {}, ["'oops' cannot", "line 4", "column 'x'"]),
        ("1,1.5\n2,oops\n", {"header": False}, ["'oops' cannot", "line 2", "column 'column1'"]),
        ("n;x\n1;1,5\n", {}, ["'1,5' cannot", "line 2", "--decimal ,"]),
        ("n;x\n1;1.5\n", {"decimal": ","}, ["'1.5' cannot", "line 2"]),
        ("n,x\n1,1.5\n2,NA\n", {}, ["'NA' cannot", "line 3", "--null NA --null ''"]),
        ("n,x\n1,1.5\n2,\n", {"nulls": ("NA",)}, ["'' cannot be read as double", "line 3"]),
        ('n,x\n1,1.5\n2,""\n', {}, ["'' cannot be read as double", "line 3"]),
    ],
)
def test_a_feature_that_is_no_number(
    table: Callable[..., Table], content: str, settings: dict[str, object], words: list[str]
) -> None:
    names = ["n", "x", "column0", "column1"]
    types = dict.fromkeys(names, NUMBER)
    opened = table(content, Expected(types, frozenset(["x", "column1"])), **settings)
    with pytest.raises(DataError) as raised:
        list(opened.batches())
    message = str(raised.value)
    assert [word for word in [*words, "t.csv"] if word not in message] == [], message


@pytest.mark.parametrize("nulls", [(), ("NA", ""), ("NA", "a,b"), ("", "-")])
def test_numbers_are_the_same_however_they_are_read(
    table: Callable[..., Table], nulls: tuple[str, ...]
) -> None:
    """As DuckDB reads them, when they are expected, and as Arrow does."""
    texts = ["1.5", "-2", " 7", "1_0.5", "007", "1e5", "nan", "-inf", "12345678901234567890"]
    texts += [null for null in nulls if "," not in null] + [f'"{null}"' for null in nulls if null]
    texts += [] if nulls and "" not in nulls else [""]
    content = "s,x\n" + "".join(f"a,{text}\n" for text in texts)
    expected = Expected({"s": TEXT, "x": NUMBER}, frozenset(["x"]))
    (direct,) = table(content, expected, nulls=nulls).batches()
    (late,) = table(content, Expected(), nulls=nulls).batches()
    if "a,b" not in nulls:
        assert direct.source.schema.field("x").type == NUMBER
    read = [batch.feature("x", "number") for batch in (direct, late)]
    assert [str(value) for value in read[0]] == [str(value) for value in read[1]]
    assert direct.feature("s", "category").equals(late.feature("s", "category"))
