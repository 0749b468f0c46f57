"""What the user may say of a text file: each setting, against the values that were meant."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalance.errors import DataError, UsageError
from rebalance.storage.inputs import open_table
from rebalance.storage.reading import Reading
from rebalance.storage.tables import Table


def opened(path: Path, content: str | bytes, **settings: object) -> Table:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return open_table([str(path)], Reading(**settings))


def source(table: Table) -> dict[str, list[object]]:
    """All fields as they stand."""
    return pa.Table.from_batches([batch.source for batch in table.batches()]).to_pydict()


def typed(table: Table) -> dict[str, list[object]]:
    """All values."""
    return pa.Table.from_batches([batch.typed() for batch in table.batches()]).to_pydict()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


@pytest.mark.parametrize("sign", ["^", "~", "§", " ", "\x01", "a", "'", "."])
def test_any_sign_may_be_the_delimiter(path: Path, sign: str) -> None:
    table = opened(path, f'x{sign}y{sign}z\n1{sign}"p{sign}q"{sign}3\n', delimiter=sign)
    assert source(table) == {"x": ["1"], "y": [f"p{sign}q"], "z": ["3"]}


def test_a_delimiter_that_was_named_is_used_in_a_tsv(tmp_path: Path) -> None:
    table = opened(tmp_path / "t.tsv", "x;y\tz\n1;2\t3\n", delimiter=";")
    assert source(table) == {"x": ["1"], "y\tz": ["2\t3"]}


def test_a_delimiter_that_is_not_in_the_header(path: Path) -> None:
    with pytest.raises(
        DataError, match=r"';' is not in the first line.*line 1; it .*'x,y'.*--deli"
    ):
        opened(path, "x,y\n1;2,3\n", delimiter=";")


@pytest.mark.parametrize(
    ("quote", "content", "expected"),
    [
        ("'", "x,y\n'p,q','it''s'\n", {"x": ["p,q"], "y": ["it's"]}),
        ("'", "'x,1',y\n\"p,q\"\n", {"x,1": ['"p'], "y": ['q"']}),
        ("", 'x,y\n"p,q"\n5" disk,"\n', {"x": ['"p', '5" disk'], "y": ['q"', '"']}),
        ("", '"x",y\n1,2\n', {'"x"': ["1"], "y": ["2"]}),
    ],
)
def test_quotes(path: Path, quote: str, content: str, expected: dict[str, list[str]]) -> None:
    assert source(opened(path, content, quote=quote)) == expected


def test_without_a_header(tmp_path: Path) -> None:
    table = opened(tmp_path / "1.csv", "1,x\n2,y\n", header=False)
    assert source(table) == {"column0": ["1", "2"], "column1": ["x", "y"]}
    assert table.num_rows == 2
    (tmp_path / "2.csv").write_text("\ufeff3,z\n")
    both = open_table([str(tmp_path / "*.csv")], Reading(header=False))
    assert typed(both) == {"column0": [1, 2, 3], "column1": ["x", "y", "z"]}
    (tmp_path / "2.csv").write_text("3,z,9\n")
    with pytest.raises(DataError, match="'column2' is in one of the two only"):
        open_table([str(tmp_path / "*.csv")], Reading(header=False))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("1,x\n2\n", ["fewer fields (1)", "(2)", "line 2"]),
        ('1,"x\ny"\n2,x,y\n', ["more fields (3)", "line 3"]),
        ("\n1,2\n", ["first line is blank where the first row must be", "line 1"]),
    ],
)
def test_bad_rows_without_a_header(path: Path, content: str, words: list[str]) -> None:
    with pytest.raises(DataError) as raised:
        list(opened(path, content, header=False).batches())
    assert [word for word in words if word not in str(raised.value)] == [], raised.value


TEXT = "größe;stück\n1,5;über €\n2;ß\n"


@pytest.mark.parametrize("packing", ["", ".gz", ".bz2"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "UTF8", "utf-8-sig", "cp1252", "utf-16", "utf-32-be"]
)
def test_encodings(tmp_path: Path, encoding: str, packing: str) -> None:
    pack = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress}[packing]
    content = pack(TEXT.encode(encoding))
    table = opened(tmp_path / f"t.csv{packing}", content, encoding=encoding, decimal=",")
    assert source(table) == {"größe": ["1,5", "2"], "stück": ["über €", "ß"]}
    assert typed(table)["größe"] == [1.5, 2.0]


@pytest.mark.parametrize("encoding", ["shift_jis", "gb18030", "koi8_r", "latin-1", "utf-7"])
def test_text_far_into_a_file_of_another_encoding(path: Path, encoding: str) -> None:
    word = {"shift_jis": "値札", "gb18030": "数値", "koi8_r": "число"}.get(encoding, "größe")
    rows = "".join(f"{row},{word}{row % 7}\n" for row in range(150_000))  # several blocks
    table = opened(path, ("n,x\n" + rows).encode(encoding), encoding=encoding)
    assert source(table)["x"] == [f"{word}{row % 7}" for row in range(150_000)]


@pytest.mark.parametrize(
    ("content", "encoding", "words"),
    [
        ("n,x\n1,a\n2,ü\n".encode("latin-1"), "ascii", ["not UTF-8", "line 3"]),
        ("n,x\n1,a\n2,ü\n".encode("latin-1"), "shift_jis", ["text is not shift_jis", "line 3"]),
        ("n,x\n1,a\n".encode("utf-16") + b"\0", "utf-16", ["text is not utf-16", "line 3"]),
        (b"n,x\n" * 100_001 + b"\x81,x\n", "cp1252", ["text is not cp1252", "line 100002"]),
        ("n,x\n1,ü\n".encode("utf-16"), "utf-8", ["not UTF-8", "line 1", "--encoding"]),
    ],
)
def test_text_of_another_encoding_than_was_said(
    path: Path, content: bytes, encoding: str, words: list[str]
) -> None:
    with pytest.raises(DataError) as raised:
        list(opened(path, content, encoding=encoding).batches())
    message = str(raised.value)
    assert [word for word in [*words, "table.csv"] if word not in message] == [], message


def test_a_decimal_comma(path: Path) -> None:
    table = opened(path, "a;b;c;d\n1,5;2;1.5;1,5\n-,25;3;2,5;x\n", decimal=",")
    assert table.schema.types == [pa.float64(), pa.int64(), pa.string(), pa.string()]
    assert source(table)["a"] == ["1,5", "-,25"]
    assert typed(table)["a"] == [1.5, -0.25]
    batch = next(table.batches())
    assert batch.feature("a", "number").to_pylist() == [1.5, -0.25]
    with pytest.raises(DataError, match=r"'1\.5' cannot be read as double.*row 0.*column 'c'"):
        batch.feature("c", "number")


@pytest.mark.parametrize("header", [True, False])
def test_a_decimal_comma_is_not_taken_for_the_delimiter(path: Path, header: bool) -> None:
    content = "1,5;2,5;3,5\n" * 2
    table = opened(path, content, decimal=",", header=header)
    assert [len(values) for values in source(table).values()] == [2 - header] * 3
    table = opened(path, 'a,b\n"1,5",2\n', decimal=",")
    assert typed(table) == {"a": [1.5], "b": [2]}


def test_own_columns_have_a_decimal_point(path: Path) -> None:
    table = opened(path, "x;rb_pi\n1,5;0.25\n", decimal=",")
    assert typed(table) == {"x": [1.5], "rb_pi": [0.25]}


def test_fields_that_say_that_a_value_is_missing(path: Path) -> None:
    content = 'a,b\nNA,x\n1,NA\n"NA",""\n.,\n'
    plain = {"a": ["NA", "1", "NA", "."], "b": ["x", "NA", "", None]}
    table = opened(path, content, nulls=("NA", "."))
    assert source(table) == plain | {"b": ["x", "NA", "", ""]}  # the empty field is a text
    assert typed(table) == {"a": [None, 1, None, None], "b": ["x", None, "", ""]}
    table = opened(path, content, nulls=("NA", ".", ""))
    assert source(table) == plain
    assert typed(table) == {"a": [None, 1, None, None], "b": ["x", None, None, None]}
    batch = next(table.batches())
    assert batch.feature("a", "number").to_pylist() == [None, 1.0, None, None]
    assert batch.feature("b", "category").to_pylist() == ["x", None, None, None]
    assert opened(path, content).schema.types == [pa.string(), pa.string()]


@pytest.mark.parametrize("token", ["a,b", 'q"q', "p\nq", "-999", "null", "[]", "'", "\\N"])
def test_any_token_may_say_that_a_value_is_missing(path: Path, token: str) -> None:
    stream = io.StringIO()
    csv.writer(stream).writerows([["n", "x"], ["1", token], ["2", "5"]])
    table = opened(path, stream.getvalue(), nulls=(token,))
    assert source(table)["x"] == [token, "5"]
    assert typed(table)["x"] == [None, 5]


def test_one_column_with_and_without_nulls(path: Path) -> None:
    assert source(opened(path, "a\n1\n\n2\n", nulls=("-",))) == {"a": ["1", "", "2"]}
    assert typed(opened(path, "a\n1\n\n2\n", nulls=("-", ""))) == {"a": [1, None, 2]}


signs = st.sampled_from(list("ab1,;.'\"\t\n é|-"))
words = st.text(signs, max_size=5)


@given(
    rows=st.lists(st.tuples(words, words), min_size=1, max_size=6),
    delimiter=st.sampled_from([",", ";", "|", "\t"]),
    quote=st.sampled_from(['"', "'"]),
    encoding=st.sampled_from(["utf-8", "latin-1", "utf-16-le"]),
)
def test_every_field_comes_as_python_reads_it(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str]],
    delimiter: str,
    quote: str,
    encoding: str,
) -> None:
    path = tmp_path_factory.mktemp("fields") / "t.csv"
    with path.open("w", encoding=encoding, newline="") as stream:
        writer = csv.writer(
            stream, delimiter=delimiter, quotechar=quote, lineterminator="\n", quoting=csv.QUOTE_ALL
        )
        writer.writerows([("x", "y"), *rows])
    reading = Reading(delimiter=delimiter, quote=quote, encoding=encoding)
    found = source(open_table([str(path)], reading))
    assert list(zip(found["x"], found["y"], strict=True)) == rows


@pytest.mark.parametrize(
    "settings",
    [
        {"delimiter": ";"},
        {"quote": "'"},
        {"header": False},
        {"encoding": "latin-1"},
        {"decimal": ","},
        {"nulls": ("NA",)},
    ],
)
def test_settings_of_text_are_refused_for_another_format(
    tmp_path: Path, settings: dict[str, object]
) -> None:
    from pyarrow import parquet

    name = str(tmp_path / "t.parquet")
    parquet.write_table(pa.table({"x": [1]}), name)
    (option,) = Reading(**settings).text_options
    with pytest.raises(UsageError, match=rf"{option}: only CSV has that.*t\.parquet.*leave it out"):
        open_table([name], Reading(**settings, only_text=(name,)))
    # A table that is read beside the one that they were meant for.
    assert open_table([name], Reading(**settings, only_text=("t.csv",))).num_rows == 1
