import gzip
import io
import json
import re
import shlex
import subprocess
import sys

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from rich.console import Console as Terminal

from rebalance.cli.main import cli
from rebalance.cli.profile import _parts
from rebalance.steps.context import Context
from rebalance.steps.profile import profile as describe

FLIGHTS = "sample_data/flights.parquet"


def run(*words, stdin=None):
    result = CliRunner().invoke(cli, ["profile", *map(str, words)], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def csv_text(rows=200, every=10):
    lines = [f"{row / 7:.3f},{'ab'[row % 2]},{int(row % every == 0)}" for row in range(rows)]
    return "\n".join(["x,letter,label", *lines]) + "\n"


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "my table.csv"
    path.write_text(csv_text())
    return path


def shown_commands(text):
    """The commands in the text, joined as a shell joins them."""
    joined = re.sub(r" \\\n +", " ", text)
    return [line.strip() for line in joined.splitlines() if line.strip().startswith("rebalance ")]


def test_the_text_says_what_matters(csv):
    result = run(csv, "-l", "label")
    assert result.exit_code == 0
    text = result.stdout
    assert "200 rows, 3 columns" in text
    assert re.search(r"^1 +20 +10\.00% +positive \(1 of 0 and 1\)$", text, re.MULTILINE)
    assert re.search(r"^imbalance +9\.0:1 +negatives per positive", text, re.MULTILINE)
    assert re.search(r"^ letter +string +0 +2 +'a' in 50\.00% ", text, re.MULTILINE)
    assert re.search(r"^ x +double +0 +200 +0 \.\. 28\.429 ", text, re.MULTILINE)
    assert f"rebalance split '{csv}' -l label --test 0.2 -o train.parquet" in text.replace(
        " \\\n          ", " "
    )


def test_json_is_one_document(csv):
    result = run(csv, "-l", "label", "--json")
    found = json.loads(result.stdout)
    assert found["command"] == "profile"
    assert (found["rows"], found["imbalance_ratio"]) == (200, 9.0)
    assert [column["name"] for column in found["columns"]] == ["x", "letter", "label"]
    assert found["columns"][1]["most_frequent"] == "a"
    assert found["label"]["positive_chosen"] == "1 of 0 and 1"
    assert all(set(advice) == {"reason", "command"} for advice in found["advice"])
    assert found["notes"] == []
    assert run(csv, "-l", "label", "--json", "--threads", 1).stdout == result.stdout


def test_text_and_json_advise_the_same(csv):
    text = shown_commands(run(csv, "-l", "label").stdout)
    found = json.loads(run(csv, "-l", "label", "--json").stdout)
    assert text == [advice["command"] for advice in found["advice"] if advice["command"]]


def test_quiet_still_prints_the_data(csv):
    quiet = run(csv, "-l", "label", "-q")
    assert quiet.stdout == run(csv, "-l", "label").stdout
    assert quiet.stderr == ""


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet"])
def test_standard_input(kind):
    content = csv_text().encode()
    if kind == "csv.gz":
        content = gzip.compress(content)
    if kind == "parquet":
        buffer = io.BytesIO()
        rows = np.arange(200)
        pq.write_table(pa.table({"x": rows / 7, "label": rows % 10 == 0}), buffer)
        content = buffer.getvalue()
    result = run("-", "-l", "label", "--json", stdin=content)
    found = json.loads(result.stdout)
    assert (found["input"], found["rows"]) == ("standard input", 200)
    assert found["advice"][0]["command"] is None
    assert f"save what was piped in as TABLE.{kind} first" in found["advice"][0]["reason"]
    assert any(
        str(advice["command"]).startswith(f"rebalance split TABLE.{kind} ")
        for advice in found["advice"]
    )


def test_flights_are_readable_at_a_width_of_100():
    found = describe([FLIGHTS], "late", context=Context())
    stream = io.StringIO()
    terminal = Terminal(file=stream, width=100, highlight=False)
    for part in _parts(found):
        terminal.print(part)
    text = stream.getvalue()
    assert "327,346 rows, 17 columns" in text
    assert re.search(r"^imbalance +83:1 ", text, re.MULTILINE)
    # One line for each column: nothing is broken in two.
    for column in found.columns:
        assert re.search(rf"^ {column.name} +\w+ +[\d,]+( \(.*%\))? +[\d,]+ ", text, re.MULTILINE)
    assert max(map(len, text.splitlines())) <= 100
    commands = [advice.command for advice in found.advice if advice.command]
    assert shown_commands(text) == commands


def test_a_backslash_ends_its_line(tmp_path):
    folder = tmp_path / ("long" * 12)
    folder.mkdir()
    (folder / "t.csv").write_text(csv_text())
    text = run(folder / "t.csv", "-l", "label").stdout
    broken = [line for line in text.splitlines() if "\\" in line]
    assert broken
    assert all(line.endswith(" \\") for line in broken)


def test_names_are_no_markup(tmp_path):
    (tmp_path / "t.csv").write_text(csv_text().replace("letter", "[bold]x[/bold]"))
    assert "[bold]x[/bold]" in run(tmp_path / "t.csv", "-l", "label").stdout


def test_remarks_are_in_the_table_and_explained(tmp_path):
    rows = np.arange(400)
    pq.write_table(
        pa.table({"id": rows, "x": rows / 3, "copy": rows % 8 == 0, "label": rows % 8 == 0}),
        tmp_path / "t.parquet",
    )
    result = run(tmp_path / "t.parquet", "-l", "label")
    assert re.search(r"^ id .* identifier *$", result.stdout, re.MULTILINE)
    assert "id: nearly all values differ" in result.stdout
    assert "copy: one-to-one with the label in all rows checked" in result.stdout
    assert any(
        "--drop id --drop copy" in command or "--drop copy --drop id" in command
        for command in shown_commands(result.stdout)
    )


def test_three_classes_are_no_error(tmp_path):
    text = csv_text().replace(",a,0", ",a,2")
    (tmp_path / "t.csv").write_text(text)
    result = run(tmp_path / "t.csv", "-l", "label")
    assert result.exit_code == 0
    assert "positive (the rarest of 3, until you name one)" in result.stdout
    assert "--positive VALUE" not in result.stdout
    assert "-l label --positive 1" in result.stdout
    named = run(tmp_path / "t.csv", "-l", "label", "--positive", "2")
    assert "positive (as you named it)" in named.stdout


def test_a_column_of_nulls_is_constant(tmp_path):
    text = "\n".join(["x,none,label", *(f"{row},,{row % 2}" for row in range(50))])
    (tmp_path / "t.csv").write_text(text)
    found = json.loads(run(tmp_path / "t.csv", "-l", "label", "--json").stdout)
    none = found["columns"][1]
    assert (none["type"], none["missing"], none["missing_share"]) == ("null", 50, 1.0)
    assert none["remarks"] == [{"word": "constant", "text": "missing in every row"}]


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (csv_text(), ["-l", "lable"], ["no column 'lable'", "the nearest is 'label'"]),
        (csv_text(), ["-l", "label", "--drop", "leter"], ["'leter'", "--drop", "'letter'"]),
        (csv_text(), ["-l", "label", "--key", "xx"], ["'xx'", "--key"]),
        (csv_text(), ["-l", "label", "--positive", "9"], ["positive value '9'", "there are: 0, 1"]),
        ("x,label\n1,0\n2,0\n", ["-l", "label"], ["one class only: 0 (2)"]),
        ("x,label\n1,0\n2,\n", ["-l", "label"], ["label is missing", "row 1 (counting from 0)"]),
        ("", ["-l", "label"], ["the file is empty"]),
        ("x,label\n", ["-l", "label"], ["no rows"]),
        ("x,label\n1,0\n2,1,9\n", ["-l", "label"], ["more fields (3)", "line 3"]),
        ("x,label\n1,0\n\xe9,1\n", ["-l", "label"], ["not UTF-8", "iconv"]),
        ("x,x,label\n1,2,0\n", ["-l", "label"], ["column name 'x' is there 2 times"]),
    ],
)
def test_bad_input_is_said_in_one_line(tmp_path, content, options, words):
    path = tmp_path / "bad.csv"
    path.write_bytes(content.encode("latin-1"))
    result = run(path, *options)
    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    for word in words:
        assert word in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-l", "label"], "Missing argument 'INPUT...'"),
        (["t.csv"], "Missing option '-l'"),
        (["-", "t.csv", "-l", "y"], "cannot be joined with files"),
        (["t.xlsx", "-l", "y"], "there is no file 't.xlsx'"),
    ],
)
def test_wrong_usage(words, message):
    result = run(*words)
    assert result.exit_code in (2, 3)
    assert message in result.stderr


def test_a_damaged_parquet_file(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"x": range(1000), "label": [0, 1] * 500}), path)
    path.write_bytes(path.read_bytes()[:200])
    result = run(path, "-l", "label")
    assert result.exit_code == 3
    assert "damaged" in result.stderr


@pytest.mark.parametrize("ratio", [2, 9, 40, 200])
def test_every_advised_command_is_understood(tmp_path, ratio):
    """Parsed by the commands themselves, with all that can be named."""
    rows = 24_000
    rng = np.random.default_rng(ratio)
    y = np.arange(rows) % (ratio + 1) == 0
    pq.write_table(
        pa.table(
            {
                "a b": rng.normal(size=rows),
                "id": rng.permutation(rows),
                "who": rng.integers(0, 300, rows),
                "the label": np.where(y, "bad one", "good"),
            }
        ),
        tmp_path / "t.parquet",
    )
    found = describe(
        [str(tmp_path / "t.parquet")],
        "the label",
        positive="bad one",
        key="who",
        context=Context(),
    )
    commands = [advice.command for advice in found.advice if advice.command]
    assert len(commands) >= 4
    for command in commands:
        words = shlex.split(command)
        known = cli.get_command(click.Context(cli), words[1])
        assert known is not None, f"there is no command {words[1]}"
        assert isinstance(known.make_context(words[1], words[2:]), click.Context)


def test_the_command_loads_nothing_heavy():
    heavy = {"numpy", "pandas", "pyarrow", "duckdb", "rich", "sklearn", "lightgbm", "matplotlib"}
    code = f"import sys, rebalance.cli.profile; print({heavy} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert found.stdout.strip() == "set()"
