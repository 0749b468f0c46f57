"""CSV files: what their fields are, over all rows, and what is refused."""

from __future__ import annotations

import bz2
import datetime
import gzip
import math
import random
import struct

import pyarrow as pa
import pytest

from rebalance.errors import DataError
from rebalance.storage.inputs import open_table
from rebalance.storage.reading import Reading

NAN, INF = float("nan"), float("inf")


@pytest.fixture
def table(tmp_path):
    """Write one CSV file and open it."""

    def write(content, name="table.csv", **settings):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return open_table([str(path)], Reading(**settings))

    return write


def source(table):
    """All fields as text, by column."""
    return pa.Table.from_batches([batch.source for batch in table.batches()]).to_pydict()


def typed(table):
    return pa.Table.from_batches([batch.typed() for batch in table.batches()]).to_pydict()


def refused(table, content, **options):
    """What is said when a file is read at once, and the same when types are asked for first."""
    messages = []
    for look in (lambda opened: opened.batches(), lambda opened: opened.schema):
        with pytest.raises(DataError) as raised:
            list(look(table(content, **options)))
        messages.append(str(raised.value))
    assert messages[0] == messages[1]
    return messages[0]


@pytest.mark.parametrize(
    ("dtype", "fields", "values"),
    [
        (pa.int64(), ["0", "-7", "123456789012345678"], [0, -7, 123456789012345678]),
        (pa.float64(), ["1", "2.5", "-.5", "3."], [1.0, 2.5, -0.5, 3.0]),
        (pa.float64(), ["+5", "1e5", "1E-300", "1e999"], [5.0, 1e5, 1e-300, INF]),
        (pa.float64(), ["inf", "-Infinity", "1"], [INF, -INF, 1.0]),
        (pa.bool_(), ["true", "False", "TRUE"], [True, False, True]),
        (pa.string(), ["t", "f"], None),
        (pa.string(), ["true", "0"], None),
        (pa.string(), ["007", "010"], None),
        (pa.string(), ["12345678901234567890", "1"], None),
        (pa.string(), ["1234567890123456789", "1"], None),  # 19 digits do not all fit
        (pa.string(), ["0x10", "1"], None),
        (pa.string(), ["1_000"], None),
        (pa.string(), ["1,000"], None),
        (pa.string(), [" 1", "2 "], None),
        (pa.string(), ["NA", "NULL", "None", "1"], None),
        (
            pa.date32(),
            ["2024-02-29", "0001-01-01", "9999-12-31"],
            [datetime.date(2024, 2, 29), datetime.date(1, 1, 1), datetime.date(9999, 12, 31)],
        ),
        (pa.string(), ["2023-02-29", "2024-01-01"], None),
        (pa.string(), ["0000-00-00"], None),
        (pa.string(), ["31/12/2024"], None),
        (
            pa.timestamp("us"),
            ["2024-05-31 12:30", "2024-05-31T12:30:15", "2024-05-31 12:30:15.25"],
            [
                datetime.datetime(2024, 5, 31, 12, 30),
                datetime.datetime(2024, 5, 31, 12, 30, 15),
                datetime.datetime(2024, 5, 31, 12, 30, 15, 250_000),
            ],
        ),
        (pa.string(), ["2024-05-31 24:00:00"], None),
        (pa.string(), ["2024-05-31 23:59:60"], None),
        (
            pa.timestamp("us", "UTC"),
            ["2024-05-31T12:30:00Z", "2024-05-31 12:30:00+02", "2024-05-31 12:30-05:30"],
            [
                datetime.datetime(2024, 5, 31, 12, 30, tzinfo=datetime.UTC),
                datetime.datetime(2024, 5, 31, 10, 30, tzinfo=datetime.UTC),
                datetime.datetime(2024, 5, 31, 18, 0, tzinfo=datetime.UTC),
            ],
        ),
        (pa.string(), ["2024-05-31 12:30:00+25"], None),
        (pa.string(), ["2024-05-31 12:30:00Z", "2024-05-31 12:30:00"], None),
    ],
)
def test_type_and_values(table, dtype, fields, values):
    opened = table("n,x\n" + "".join(f'{row},"{field}"\n' for row, field in enumerate(fields)))
    assert opened.schema.field("x").type == dtype
    assert source(opened)["x"] == fields
    assert typed(opened)["x"] == (fields if values is None else values)


def test_nan_and_negative_zero(table):
    opened = table("x,y\nnan,-0.0\nNaN,0\n")
    found = typed(opened)
    assert all(math.isnan(value) for value in found["x"])
    assert [math.copysign(1, value) for value in found["y"]] == [-1.0, 1.0]


def test_floats_are_read_to_the_last_bit(table):
    generator = random.Random(1)
    numbers = [
        number
        for number in (struct.unpack("d", generator.randbytes(8))[0] for _ in range(5_000))
        if math.isfinite(number)
    ]
    opened = table("x\n" + "".join(f"{number!r}\n" for number in numbers))
    assert opened.schema.field("x").type == pa.float64()
    assert typed(opened)["x"] == numbers


@pytest.mark.parametrize(
    ("late", "dtype"), [("2.5", pa.float64()), ("oops", pa.string()), ("", pa.int64())]
)
def test_the_type_is_decided_over_all_rows(table, late, dtype):
    rows = [f"{row},{row % 7}" for row in range(200_010)]
    rows[200_000] = f"200000,{late}"
    opened = table("n,x\n" + "\n".join(rows) + "\n")
    assert opened.schema.types == [pa.int64(), dtype]
    assert opened.num_rows == 200_010
    for batch in opened.batches(["x"]):
        batch.typed()


def test_a_column_whose_first_rows_are_empty(table):
    opened = table("n,x\n" + "1,\n" * 20_000 + "2,2024-01-01\n")
    assert opened.schema.field("x").type == pa.date32()


def test_an_empty_column_is_null(table):
    opened = table("n,x\n1,\n2,\n")
    assert opened.schema.field("x").type == pa.null()
    assert typed(opened) == {"n": [1, 2], "x": [None, None]}


def test_empty_is_null_and_quoted_empty_is_text(table):
    assert source(table('a,b\n,""\n"",\n')) == {"a": [None, ""], "b": ["", None]}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_quotes(table, end):
    text = 'a,b\n"x\ny","q""q"\n"u,v",5" disk\n'.replace("\n", end)
    assert source(table(text)) == {"a": [f"x{end}y", "u,v"], "b": ['q"q', '5" disk']}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\xef\xbb\xbfa,b\n1,2\n", {"a": ["1"], "b": ["2"]}),
        ("a,b\n1,2", {"a": ["1"], "b": ["2"]}),
        ("a,b\n1,2\n\n\n3,4\n\n", {"a": ["1", "3"], "b": ["2", "4"]}),
        ("a\n1\n\n2\n", {"a": ["1", None, "2"]}),  # one column: a blank line is a missing value
        ("a\n1\n\n", {"a": ["1", None]}),
        ('a\n1\n""\n', {"a": ["1", ""]}),
        ("Age,age,AGE\n1,2,3\n", {"Age": ["1"], "age": ["2"], "AGE": ["3"]}),
        ('"a\nb","c ""d"""\n1,2\n', {"a\nb": ["1"], 'c "d"': ["2"]}),
        ('"a\r\nb",c\r\n1,2\r\n', {"a\r\nb": ["1"], "c": ["2"]}),
        ('a,b\n"x\r\ny",1\n', {"a": ["x\r\ny"], "b": ["1"]}),
        ('a,b\r\n"x\ny",1\r\n', {"a": ["x\ny"], "b": ["1"]}),
        ("c1,c0\n1,2\n", {"c1": ["1"], "c0": ["2"]}),
        ("größe,日本\nü,値\n", {"größe": ["ü"], "日本": ["値"]}),
        ("a,b\n#1,x\\y\n", {"a": ["#1"], "b": ["x\\y"]}),
        ("a,b\nx\0y,1\n", {"a": ["x\0y"], "b": ["1"]}),
    ],
)
def test_forms_of_text(table, content, expected):
    assert source(table(content)) == expected


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_in_the_header(table, sign):
    opened = table(f'a{sign}"b,;|"{sign}c\n1{sign}x{sign}3\n')
    assert source(opened) == {"a": ["1"], "b,;|": ["x"], "c": ["3"]}


def test_tsv_is_cut_at_tabs_only(table):
    assert source(table("a,b\tc\n1,2\t3\n", name="table.tsv")) == {"a,b": ["1,2"], "c": ["3"]}


@pytest.mark.parametrize(
    "name",
    [
        "t.csv.gz",
        "t.csv.zst",
        "t.csv.bz2",
        "T.CSV.GZ",
        "t[1].csv",
        "t*.csv",
        "t?.csv",
        "it's.csv",
        "ü {a,b}.csv",
    ],
)
def test_names_and_packing(table, tmp_path, name):
    for other in ("t1.csv", "tx.csv"):  # what DuckDB would take t[1].csv and t*.csv for
        (tmp_path / other).write_text("a,b\n9,9\n")
    text = b"a,b\n1,x\n2,y\n"
    if name.lower().endswith(".gz"):
        text = gzip.compress(text[:8]) + gzip.compress(text[8:])  # of two members
    elif name.endswith(".bz2"):
        text = bz2.compress(text[:8]) + bz2.compress(text[8:])
    elif name.endswith(".zst"):
        text = b"".join(pa.compress(part, "zstd", asbytes=True) for part in (text[:8], text[8:]))
    assert source(table(text, name=name)) == {"a": ["1", "2"], "b": ["x", "y"]}


ROWS = b"a,b\n" + b"".join(b"%d,%d\n" % (row, row * 7919 % 1000) for row in range(50_000))


def _flipped(content, at):
    return content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :]


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("t.csv.gz", lambda: gzip.compress(ROWS)[:-5_000]),
        ("t.csv.gz", lambda: gzip.compress(ROWS)[:-4]),
        ("t.csv.gz", lambda: _flipped(gzip.compress(ROWS), -6)),  # the checksum
        ("t.csv.gz", lambda: _flipped(gzip.compress(ROWS), 2_000)),
        ("t.csv.gz", lambda: ROWS),
        ("t.csv.zst", lambda: pa.compress(ROWS, "zstd", asbytes=True)[:-5_000]),
        ("t.csv.zst", lambda: pa.compress(ROWS, "zstd", asbytes=True)[:-1]),
        ("t.csv.zst", lambda: ROWS),
        ("t.csv.bz2", lambda: bz2.compress(ROWS)[:-5_000]),
        ("t.csv.bz2", lambda: bz2.compress(ROWS)[:-1]),
        ("t.csv.bz2", lambda: _flipped(bz2.compress(ROWS), 2_000)),
        ("t.csv.bz2", lambda: ROWS),
    ],
)
def test_damaged_compression(table, name, spoil):
    message = refused(table, spoil(), name=name)
    assert "file cannot be read" in message
    assert name in message


FILL = "1,x\n" * 200


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a,b\n1,x\n2,y,z\n3,w\n", ["more fields (3) than the header (2)", "line 3"]),
        ("a,b\n1,x\n2\n3,w\n", ["fewer fields (1) than the header (2)", "line 3"]),
        ("a,b\r\n1,x\r\n1,x,y\r\n", ["more fields", "line 3"]),
        ("a,b\n\n1,x\n\n1,x,y\n", ["more fields", "line 5"]),
        ('a,b\n1,"x\ny\nz"\n2,x,y\n', ["more fields", "line 5"]),
        ('"a\nx",b\n1,"x\ny"\n2\n', ["fewer fields", "line 5"]),
        ("a,b\n" + FILL + '1,"x\n' + FILL, ["quoted field is not closed", "line 202"]),
        ('a,b\n1,"x"y\n', ["quoted field is not closed", "line 2"]),
        (b"a,b\n1,x\n1,caf\xe9\n", ["not UTF-8", "line 3", "iconv"]),
        (b"caf\xe9,b\n1,x\n", ["not UTF-8", "line 1", "iconv"]),
        ("a,b\n1,x\n".encode("utf-16"), ["not UTF-8", "line 1", "iconv"]),
        ("a,b\n1,x\r\n2,y\n", ["lines end in two ways", "sed"]),
        ("a,a\n1,2\n", ["'a' is there 2 times"]),
        ("a,,c\n1,2,3\n", ["column 2 has no name"]),
        ("a, \n1,2\n", ["column 2 has no name"]),
        ("a,b\n", ["no rows"]),
        ("a,b", ["no rows"]),
        ("", ["the file is empty"]),
        ("\n", ["first line is blank", "line 1"]),
        ("\n\na,b\n1,2\n", ["first line is blank", "line 1"]),
        ('"a,b\n1,2\n', ["header cannot be read", "line 1"]),
        ('"a\nb",c\r\n1,2\r\n', ["another kind of line break", "line 1"]),
        ('"a\rb",c\n1,2\n', ["another kind of line break", "line 1"]),
        # The data's own words are not taken for DuckDB's.
        ("a,b\n1,interrupt\n1,interrupt,unicode\n", ["more fields", "line 3"]),
        ('a,b\n1,"utf-8 unicode interrupt\n', ["quoted field is not closed", "line 2"]),
    ],
)
def test_bad_text(table, content, words):
    message = refused(table, content)
    assert [word for word in [*words, "table.csv"] if word not in message] == [], message


def test_a_telling_file_name_misleads_nobody(table):
    message = refused(table, 'a,b\n1,"x\n', name="interrupted-utf-8.csv")
    assert "quoted field is not closed" in message


def test_the_line_is_right_far_into_a_file(table):
    message = refused(table, "a,b\n" + '1,"x\ny"\n' * 100_000 + "1,a,b\n" + "1,x\n" * 10)
    assert "line 200002" in message


def test_long_quoted_fields_that_look_like_rows(table):
    """DuckDB's threads begin in the middle of them, and one of them is told that all is wrong."""
    row = '7,"' + "1,2\n" * 3_500_000 + '"\n' + "8,x\n" * 10
    opened = table("a,b\n" + row * 2)
    assert opened.num_rows == 22
    found = pa.concat_arrays(batch.column("a") for batch in opened.batches(["a"]))
    assert found.to_pylist() == [7, *[8] * 10] * 2


def test_what_was_taken_for_rows_is_never_passed_on(table):
    """Where the first lines do not warn of it, rows may be out before a thread goes astray."""
    row = '7,"' + "1,2\n" * 3_500_000 + '"\n'
    opened = table("a,b\n" + "8,x\n" * 300_000 + row * 2 + "8,x\n" * 10)
    right = [8] * 300_000 + [7, 7] + [8] * 10
    with pytest.raises(DataError, match=r"lines were taken for rows.*as Parquet"):
        list(opened.batches(["a"]))
    assert opened.num_rows == len(right)
    found = pa.concat_arrays(batch.column("a") for batch in opened.batches(["a"]))
    assert found.to_pylist() == right


def test_a_line_too_long(table):
    message = refused(table, 'a,b\n1,"' + "x" * (17 << 20) + '"\n')
    assert "longer than 16 MiB" in message


def test_several_files(tmp_path):
    (tmp_path / "1.csv").write_bytes(b"\xef\xbb\xbfa,b\n1,x\n")
    (tmp_path / "2.csv").write_text("a,b\n2.5,\n3,y\n")
    (tmp_path / "3.csv.gz").write_bytes(gzip.compress(b'"a",b\n4,z\n'))
    opened = open_table([str(tmp_path / "*.csv"), str(tmp_path / "3.csv.gz")])
    assert opened.schema.types == [pa.float64(), pa.string()]  # decided over all files
    assert [(batch.start, batch.source.to_pydict()) for batch in opened.batches()] == [
        (0, {"a": ["1"], "b": ["x"]}),
        (1, {"a": ["2.5", "3"], "b": [None, "y"]}),
        (3, {"a": ["4"], "b": ["z"]}),
    ]


def test_several_files_with_columns_in_another_order(tmp_path):
    (tmp_path / "1.csv").write_text("a,b,c\n1,x,.5\n")
    (tmp_path / "2.csv").write_text("c,a,b\n1.5,2,y\nz,3,\n")
    opened = open_table([str(tmp_path / "*.csv")])
    assert opened.names == ["a", "b", "c"]
    assert source(opened) == {"a": ["1", "2", "3"], "b": ["x", "y", None], "c": [".5", "1.5", "z"]}
    assert opened.schema.types == [pa.int64(), pa.string(), pa.string()]


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("a,c", "'c' is in one of the two only"),
        ("a,b,c", "'c' is in one of the two only"),
        ("a", "'b' is in one of the two only"),
        ("b;a", "';' is the delimiter here, and ',' there"),
    ],
)
def test_several_files_with_other_headers(tmp_path, header, words):
    (tmp_path / "1.csv").write_text("a,b\n1,2\n")
    (tmp_path / "2.csv").write_text(f"{header}\n1,2\n")
    with pytest.raises(DataError, match=rf"header differs from that of .*1\.csv.*2\.csv.*{words}"):
        open_table([str(tmp_path / "1.csv"), str(tmp_path / "2.csv")])


def test_the_error_names_the_right_one_of_several_files(tmp_path):
    for name in "123":
        (tmp_path / f"{name}.csv").write_text("a,b\n1,2\n")
    (tmp_path / "2.csv").write_text("a,b\n1,2\n1,2,3\n")
    for read in (lambda table: table.num_rows, lambda table: list(table.batches())):
        with pytest.raises(DataError, match=r"more fields.*2\.csv', line 3"):
            read(open_table([str(tmp_path / "*.csv")]))
