"""The options of reading, through the commands: what a table is written like changes nothing."""

from __future__ import annotations

import bz2
import csv
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from rebalance.storage.artifacts import artifact_bytes, pack, unpack
from rebalance.storage.delimited import DelimitedFiles
from tests.conftest import Invoke

ROWS = 8_000


@pytest.fixture(scope="module")
def table() -> pa.Table:
    """Features of each kind, some missing, and columns that only travel."""
    generator = np.random.default_rng(5)
    amount = generator.lognormal(2, 1, ROWS)
    shop = generator.choice(["north", "south; east", 'the "old" one', "ü"], ROWS)
    log_odds = -4.5 + 0.9 * np.log(amount) + (shop == "ü")
    y = generator.random(ROWS) < 1 / (1 + np.exp(-log_odds))
    seconds = generator.integers(0, 10**9, ROWS) * 1_000_000
    return pa.table(
        {
            "id": 10**17 + np.arange(ROWS),
            "amount": pa.array(amount, mask=generator.random(ROWS) < 0.1),
            "count": generator.integers(0, 9, ROWS),
            "shop": pa.array(shop, pa.string(), mask=generator.random(ROWS) < 0.1),
            "when": pa.array(seconds, pa.timestamp("us")),
            "rest": generator.normal(size=ROWS),
            "fraud": y.astype(np.int64),
        }
    )


@pytest.fixture(scope="module")
def folder(table: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table as Parquet and CSV, and a pilot made from each."""
    from rebalance.steps.context import Context
    from rebalance.steps.pilot import pilot

    made = tmp_path_factory.mktemp("reading")
    pq.write_table(table, made / "t.parquet", row_group_size=3_000)
    write_csv(made / "t.csv", table)
    for ending in ("parquet", "csv"):
        path = str(made / f"{ending}.rbl")
        drop = ["id", "rest"]
        pilot([str(made / f"t.{ending}")], "fraud", path, size=500, drop=drop, context=Context())
    return made


def write_csv(
    path: Path,
    table: pa.Table,
    *,
    change: Callable[[str], str] = str,
    header: bool = True,
    encoding: str = "utf-8",
    missing: str = "",
    **signs: str,
) -> None:
    """Write a table with Python's own csv; `change` is what becomes of a number's text."""
    rows = [table.column_names] if header else []
    texts = [
        [
            missing if value is None else change(repr(value)) if name != "shop" else value
            for value in (map(str, column) if name == "when" else column.to_pylist())
        ]
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    texts[table.column_names.index("when")] = [str(value) for value in table["when"].to_pylist()]
    with path.open("w", encoding=encoding, newline="") as stream:
        csv.writer(stream, **signs).writerows([*rows, *zip(*texts, strict=True)])


def sample(done: Invoke, source: Path, pilot: Path, out: Path, *options: object) -> pa.Table:
    done(["sample", source, "--pilot", pilot, "--ratio", 2, "-o", out, *options])
    return pq.read_table(out).replace_schema_metadata()


@pytest.mark.parametrize("made_from", ["parquet", "csv"])
def test_the_same_rows_and_probabilities_from_csv_and_parquet(
    folder: Path, tmp_path: Path, done: Invoke, monkeypatch: pytest.MonkeyPatch, made_from: str
) -> None:
    pilot = folder / f"{made_from}.rbl"
    first = sample(done, folder / "t.parquet", pilot, tmp_path / "s.parquet")
    assert 1_000 < first.num_rows < 10_000

    def look(*_: object) -> None:
        raise AssertionError("the pilot knows the types")

    monkeypatch.setattr(DelimitedFiles, "_look", look)
    for options in (
        [],
        ["--batch-rows", 100],
        ["--batch-rows", 7_777, "--threads", 1],
        ["--batch-rows", 10**9, "--threads", 3],
    ):
        assert sample(done, folder / "t.csv", pilot, tmp_path / "s.parquet", *options) == first
        source = folder / "t.parquet"
        assert sample(done, source, pilot, tmp_path / "s.parquet", *options) == first
    # Where text is written, features are read by another library.
    done(["sample", folder / "t.csv", "--pilot", pilot, "--ratio", 2, "-o", tmp_path / "s.csv"])
    written = pcsv.read_csv(tmp_path / "s.csv", convert_options=_types(first))
    assert written.select(["rb_row", "rb_pi", "rb_offset", "id", "rest"]) == first.select(
        ["rb_row", "rb_pi", "rb_offset", "id", "rest"]
    )


def _types(table: pa.Table) -> pcsv.ConvertOptions:
    return pcsv.ConvertOptions(column_types=table.schema, strings_can_be_null=True)


FORMS = {
    "semicolons": ({"delimiter": ";"}, ["--delimiter", ";"]),
    "tabs": ({"delimiter": "\t"}, ["--delimiter", "tab"]),
    "bars, single quotes": (
        {"delimiter": "|", "quotechar": "'"},
        ["--quote", "'"],
    ),
    "cp1252": ({"encoding": "cp1252"}, ["--encoding", "cp1252"]),
    "utf-16": ({"encoding": "utf-16"}, ["--encoding", "utf-16"]),
    "NA": ({"missing": "NA"}, ["--null", "NA"]),
    "several nulls": ({"missing": "?"}, ["--null", "NA", "--null", "?", "--null", ""]),
    "decimal comma": (
        {"delimiter": ";", "change": lambda text: text.replace(".", ",")},
        ["--decimal", ","],
    ),
    "European": (
        {
            "delimiter": ";",
            "change": lambda text: text.replace(".", ","),
            "encoding": "latin-1",
            "missing": "-",
        },
        ["--delimiter", ";", "--decimal", ",", "--encoding", "latin-1", "--null", "-"],
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_how_a_table_is_written_changes_nothing(
    table: pa.Table, folder: Path, tmp_path: Path, done: Invoke, form: str
) -> None:
    written, options = FORMS[form]
    source = tmp_path / "t.csv"
    write_csv(source, table, **written)
    pilot = folder / "csv.rbl"
    expected = sample(done, folder / "t.csv", pilot, tmp_path / "s.parquet")
    assert sample(done, source, pilot, tmp_path / "s.parquet", *options) == expected
    # The pilot as well: all that differs is what it was made from.
    columns = ["--drop", "id", "--drop", "rest", "--size", 500]
    done(["pilot", source, "-l", "fraud", *columns, "-o", tmp_path / "p.rbl", *options])
    one, other = (
        unpack(artifact_bytes(str(path), "pilot"), "pilot", "p")
        for path in (pilot, tmp_path / "p.rbl")
    )
    assert one[1] == other[1]
    assert one[0]["columns"] == other[0]["columns"]


def test_without_a_header(table: pa.Table, folder: Path, tmp_path: Path, done: Invoke) -> None:
    write_csv(tmp_path / "t.csv", table, header=False)
    names = {f"column{at}": name for at, name in enumerate(table.column_names)}
    drop = ["--drop", "column0", "--drop", "column5", "--no-header"]
    pilot = tmp_path / "p.rbl"
    done(["pilot", tmp_path / "t.csv", "-l", "column6", *drop, "--size", 500, "-o", pilot])
    found = sample(done, tmp_path / "t.csv", pilot, tmp_path / "s.parquet", "--no-header")
    expected = sample(done, folder / "t.csv", folder / "csv.rbl", tmp_path / "s.parquet")
    assert found.rename_columns([names.get(name, name) for name in found.column_names]) == expected


def test_text_travels_untouched(tmp_path: Path, done: Invoke) -> None:
    """Only the delimiter becomes the standard one, and what needs quotes for it gets them."""
    lines = ["x;code;note;y"] + [
        f"{row % 7},{row % 10};0{row};{('NA', 'a,b', '', ' 1,50 ')[row % 4]};{row % 3 == 0:d}"
        for row in range(300)
    ]
    (tmp_path / "t.csv").write_text("\n".join(lines), encoding="utf-8")
    options = ["--decimal", ",", "--null", "NA", "--null", ""]
    done(["pilot", tmp_path / "t.csv", "-l", "y", "-o", tmp_path / "p.rbl", *options])
    out = tmp_path / "s.csv"
    pilot = ["--pilot", tmp_path / "p.rbl", "--ratio", 1]
    done(["sample", tmp_path / "t.csv", *pilot, "-o", out, *options])
    with out.open(newline="") as stream:
        header, *kept = csv.reader(stream)
    assert header[:4] == ["x", "code", "note", "y"]
    given = [line.split(";") for line in lines[1:]]
    assert len(kept) > 100
    assert [fields[:4] for fields in kept] == [given[int(fields[4])] for fields in kept]
    # What was written is read with the same options: the columns of ours have a decimal point.
    model = ["--model", "logistic", "-o", tmp_path / "m.rbl"]
    done(["train", out, *model, *options])
    done(["predict", out, "--model", tmp_path / "m.rbl", "-o", tmp_path / "o.csv", *options])
    evaluated = ["evaluate", tmp_path / "o.csv", "-l", "y", "--probability", "rb_probability"]
    report = json.loads(done([*evaluated, *options, "--json"]).stdout)
    assert 0 < report["rows"] == len(kept)


def changed(folder: Path, tmp_path: Path, column: int, row: int, text: str) -> Path:
    """The CSV with one other field."""
    with (folder / "t.csv").open(newline="") as stream:
        rows = list(csv.reader(stream))
    rows[row + 1][column] = text
    path = tmp_path / "t.csv"
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return path


@pytest.mark.parametrize("made_from", ["parquet", "csv"])
@pytest.mark.parametrize(
    ("column", "text", "dtype"),
    [
        ("id", "007", pa.string()),
        ("id", "+7", pa.float64()),
        ("id", "12345678901234567890", pa.string()),
        ("id", "x", pa.string()),
        ("rest", "007", pa.string()),
        ("rest", "x", pa.string()),
        ("count", "2.5", pa.float64()),
        ("when", "2024-01-31", pa.string()),
    ],
)
def test_a_column_that_is_of_another_type_now(
    folder: Path, tmp_path: Path, done: Invoke, made_from: str, column: str, text: str,
    dtype: pa.DataType,
) -> None:  # fmt: skip
    """Never a wrong or a lossy value: its type is decided over the whole file, and that is said."""
    pilot, out = folder / f"{made_from}.rbl", tmp_path / "s.parquet"
    names = ["id", "amount", "count", "shop", "when", "rest", "fraud"]
    rows = sample(done, folder / "t.csv", pilot, out)["rb_row"].to_pylist()
    source = changed(folder, tmp_path, names.index(column), rows[-3], text)
    result = done(["sample", source, "--pilot", pilot, "--ratio", 2, "-o", out])
    assert f"'{text}' in row {rows[-3]} (counting from 0)" in result.stderr
    assert f"'{column}' was " in result.stderr
    kept = pq.read_table(out)
    assert kept.schema.field(column).type == dtype
    plain = pq.read_table(folder / "t.parquet")
    assert [name for name in names if kept.schema.field(name).type != plain.schema.field(name).type
            ] == [column]  # fmt: skip
    if rows[-3] in kept["rb_row"].to_pylist():
        at = kept["rb_row"].to_pylist().index(rows[-3])
        assert kept[column][at].as_py() == (text if dtype == pa.string() else float(text))


@pytest.mark.parametrize("ending", ["parquet", "csv"])
@pytest.mark.parametrize(
    ("column", "text", "place"),
    [(1, "oops", "line 6002"), (1, "1.5.2", "line 6002"), (2, "oops", "row 6000 (counting")],
)
def test_a_feature_that_is_no_number(
    folder: Path, tmp_path: Path, rebalance: Invoke, ending: str, column: int, text: str, place: str
) -> None:
    source = changed(folder, tmp_path, column, 6_000, text)
    out = tmp_path / f"s.{ending}"
    result = rebalance(["sample", source, "--pilot", folder / "csv.rbl", "--ratio", 2, "-o", out])
    assert result.exit_code == 3
    if ending == "csv":  # read as text, and by batches
        place = "row 6000 (counting from 0)"
    name = "amount" if column == 1 else "count"
    for word in (f"'{text}' cannot be read as double", "t.csv", place, f"column '{name}'"):
        assert word in result.stderr
    assert not out.exists()


@pytest.mark.parametrize("label", ["2", "01", "yes", "1.5"])
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_label_that_the_pilot_does_not_know(
    folder: Path, tmp_path: Path, rebalance: Invoke, label: str, ending: str
) -> None:
    source = changed(folder, tmp_path, 6, 6_000, label)
    pilot = ["--pilot", folder / "csv.rbl", "--ratio", 2]
    result = rebalance(["sample", source, *pilot, "-o", tmp_path / f"s.{ending}"])
    assert result.exit_code == 3
    assert f"the label has the value '{label}', which was not there before" in result.stderr
    assert "row 6000" in result.stderr


def test_draws_by_a_key_whose_type_changes_half_way(
    folder: Path, tmp_path: Path, done: Invoke
) -> None:
    """A number and its text are the same key: other rows are drawn as before."""
    pilot, out = folder / "csv.rbl", tmp_path / "s.parquet"
    before = sample(done, folder / "t.csv", pilot, out, "--key", "id")
    rows = before["rb_row"].to_pylist()
    source = changed(folder, tmp_path, 0, rows[-2], "A17")
    after = sample(done, source, pilot, out, "--key", "id")
    assert after.schema.field("id").type == pa.string()
    others = [row for row in after["rb_row"].to_pylist() if row != rows[-2]]
    assert others == [row for row in rows if row != rows[-2]]
    ids = dict(zip(after["rb_row"].to_pylist(), after["id"].to_pylist(), strict=True))
    assert all(ids[row] == str(10**17 + row) for row in others)


def test_columns_that_came_and_went(
    table: pa.Table, folder: Path, tmp_path: Path, done: Invoke
) -> None:
    other = table.drop_columns(["rest"]).append_column("new", pa.array(range(ROWS)))
    write_csv(tmp_path / "t.csv", other)
    pilot = folder / "parquet.rbl"
    found = sample(done, tmp_path / "t.csv", pilot, tmp_path / "s.parquet")
    expected = sample(done, folder / "t.csv", pilot, tmp_path / "s.parquet")
    assert found["new"].to_pylist() == expected["rb_row"].to_pylist()
    assert found.drop_columns(["new"]) == expected.drop_columns(["rest"])


def test_a_pilot_of_before_types_were_stored(folder: Path, tmp_path: Path, done: Invoke) -> None:
    manifest, members = unpack(artifact_bytes(str(folder / "csv.rbl"), "pilot"), "pilot", "p")
    kept = {name: manifest[name] for name in manifest if name not in ("columns", "members")}
    old = tmp_path / "old.rbl"
    old.write_bytes(pack("pilot", kept, members))
    found = sample(done, folder / "t.csv", old, tmp_path / "s.parquet")
    assert found == sample(done, folder / "t.csv", folder / "csv.rbl", tmp_path / "s.parquet")


def test_sampling_text_imports_no_pandas(folder: Path, tmp_path: Path) -> None:
    """It takes longer to import than a million rows to sample."""
    script = (
        "import sys\nfrom rebalance.cli.main import cli\n"
        "for out in ('s.parquet', 's.csv'):\n"
        "    cli([*sys.argv[1:], '-o', out], standalone_mode=False)\n"
        "print('pandas' in sys.modules)"
    )
    given = ["sample", folder / "t.csv", "--pilot", folder / "csv.rbl", "--ratio", "2"]
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, given)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"


@pytest.mark.parametrize("name", ["t.csv.bz2", "t.tsv.bz2"])
def test_bzip2(table: pa.Table, folder: Path, tmp_path: Path, done: Invoke, name: str) -> None:
    write_csv(tmp_path / "plain", table, delimiter="\t" if "tsv" in name else ",")
    (tmp_path / name).write_bytes(bz2.compress((tmp_path / "plain").read_bytes()))
    pilot = folder / "csv.rbl"
    found = sample(done, tmp_path / name, pilot, tmp_path / "s.parquet")
    assert found == sample(done, folder / "t.csv", pilot, tmp_path / "s.parquet")


COMMANDS: dict[str, Sequence[str]] = {
    "profile": ["-l", "y"],
    "split": ["-l", "y", "-o", "a.parquet", "-o", "b.parquet"],
    "pilot": ["-l", "y", "-o", "p.rbl"],
    "sample": ["-l", "y", "--rate", "0.5", "-o", "s.parquet"],
    "train": ["-l", "y", "--natural", "--model", "logistic", "-o", "m.rbl"],
    "correct": ["--probability", "x", "--rate", "0.5", "-o", "c.parquet"],
    "evaluate": ["-l", "y", "--probability", "x"],
    "run": ["-l", "y", "--model", "logistic", "-o", "out"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_that_reads_a_table_has_the_options(
    tmp_path: Path, rebalance: Invoke, done: Invoke, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(3)
    x = generator.random(900)
    y = generator.random(900) < x / 4
    lines = [
        f"{at};{value!r};{truth:d}".replace(".", ",")
        for at, (value, truth) in enumerate(zip(x.tolist(), y, strict=True))
    ]
    Path("t.csv").write_text("\n".join(["n;x;y", *lines]) + "\n", encoding="utf-16")
    options = ["--encoding", "utf-16", "--decimal", ",", "--batch-rows", "100"]
    done([command, "t.csv", *COMMANDS[command], *options, "-q"])
    pq.write_table(pa.table({"n": range(900), "x": x, "y": y.astype(int)}), "t.parquet")
    result = rebalance([command, "t.parquet", *COMMANDS[command], *options])
    assert result.exit_code == 2
    assert "error: --encoding, --decimal: only CSV has those" in result.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--delimiter", ";;"], ["--delimiter", "one character, or 'tab'"]),
        (["--delimiter", ""], ["--delimiter", "one character"]),
        (["--delimiter", "\n"], ["--delimiter", "one character"]),
        (["--quote", "ü"], ["--quote", "one ASCII character, or ''"]),
        (["--quote", "''"], ["--quote", "one ASCII character"]),
        (["--quote", ";", "--delimiter", ";"], ["';' is --delimiter and --quote at once"]),
        (["--encoding", "latin9000"], ["there is no encoding 'latin9000'", "cp1252"]),
        (["--encoding", "base64"], ["there is no encoding 'base64'"]),
        (["--decimal", ";"], ["--decimal"]),
        (["--batch-rows", "0"], ["--batch-rows"]),
    ],
)
def test_options_that_make_no_sense(
    tmp_path: Path, rebalance: Invoke, options: list[str], words: list[str]
) -> None:
    (tmp_path / "t.csv").write_text("x,y\n1,0\n2,1\n")
    result = rebalance(["profile", tmp_path / "t.csv", "-l", "y", *options])
    assert result.exit_code == 2
    assert [word for word in words if word not in result.stderr] == []


def test_a_tab_may_be_written_as_in_other_tools(tmp_path: Path, done: Invoke) -> None:
    rows = "".join(f"{row}\t{row % 10 == 0:d}\n" for row in range(300))
    (tmp_path / "t.csv").write_text("x,1\ty\n" + rows)
    for tab in ("tab", "\\t", "\t"):
        found = done(["profile", tmp_path / "t.csv", "-l", "y", "--delimiter", tab, "--json"])
        # A comma in a name is no delimiter then.
        assert [each["name"] for each in json.loads(found.stdout)["columns"]] == ["x,1", "y"]
