"""Every bad table, given to every command that reads one: a clear error, and nothing written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import Invoke, simulate


def csv(text: str | bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / "bad.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def parquet(spoil: Callable[[bytes], bytes]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / "bad.parquet"
        pq.write_table(simulate(5_000, 3)[0], path, compression="none")
        path.write_bytes(spoil(path.read_bytes()))
        return path

    return write


def table(columns: dict[str, object]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / "bad.parquet"
        pq.write_table(pa.table(columns), path)
        return path

    return write


def late_text(folder: Path) -> Path:
    """An integer column whose row 200,000 is text: no number for the whole column."""
    path = folder / "bad.csv"
    rows = [f"{row},{row % 50 == 0:d}" for row in range(200_010)]
    rows[200_000] = "oops,2"
    path.write_text("x,y\n" + "\n".join(rows) + "\n")
    return path


ROWS = "".join(f"{row},{row % 10 == 0:d}\n" for row in range(300))
BAD = {
    "no label": (csv("x,why\n1,0\n2,1\n"), ["'y'", "--label"]),
    "one class": (csv("x,y\n1,0\n2,0\n"), ["one class only", "0 (2)"]),
    "three classes": (late_text, ["3 classes", "--positive"]),
    "null labels": (csv("x,y\n" + ROWS + "7,\n"), ["label is missing", "row 300", "'y'"]),
    "empty": (csv(""), ["empty", "bad.csv"]),
    "header only": (csv("x,y\n"), ["no rows", "bad.csv"]),
    "too many fields": (csv("x,y\n" + ROWS + "1,2,3\n"), ["more fields", "bad.csv", "line 302"]),
    "not UTF-8": (
        csv(b"x,y\n" + ROWS.encode() + b"caf\xe9,1\n"),
        ["not UTF-8", "bad.csv", "iconv"],
    ),
    "twice the name": (csv("x,y,x\n1,0,2\n2,1,3\n"), ["'x'", "2 times"]),
    "truncated Parquet": (
        parquet(lambda content: content[:-20]),
        ["bad.parquet", "cannot be read"],
    ),
    "not Parquet": (parquet(lambda content: content[4:-4]), ["bad.parquet", "cannot be read"]),
    "no file": (lambda folder: folder / "bad.parquet", ["bad.parquet"]),
    "no format": (lambda folder: csv("x,y\n")(folder).rename(folder / "bad.txt"), ["bad.txt"]),
}
COMMANDS = {
    "profile": ["-l", "y"],
    "split": ["-l", "y", "-o", "a.parquet", "-o", "b.parquet"],
    "pilot": ["-l", "y", "-o", "p.rbl"],
    "sample": ["-l", "y", "--rate", "0.1", "-o", "s.parquet"],
    "train": ["-l", "y", "--natural", "-o", "m.rbl"],
    "run": ["-l", "y", "-o", "out"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", BAD)
def test_a_bad_table(
    tmp_path: Path, rebalance: Invoke, monkeypatch: pytest.MonkeyPatch, command: str, kind: str
) -> None:
    if command in ("profile", "split") and kind == "three classes":
        pytest.skip("profile shows the classes and says what to do; split stratifies by each")
    write, words = BAD[kind]
    path = write(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    result = rebalance([command, path.name, *COMMANDS[command]])
    assert result.exit_code in (2, 3)
    assert result.stderr.startswith("error: ") or "\nerror: " in result.stderr
    for word in words:
        assert word in result.stderr
    left = [name for name in sorted(tmp_path.iterdir()) if name not in before]
    assert [name for name in left if not (name.name == "out" and name.is_dir())] == []
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize("command", ["pilot", "sample", "run"])
def test_a_column_called_like_ours(
    tmp_path: Path, rebalance: Invoke, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    columns = {name: simulate(2_000, 1)[0][name] for name in ("x1", "y")}
    pq.write_table(pa.table(columns | {"rb_pi": columns["x1"]}), "bad.parquet")
    result = rebalance([command, "bad.parquet", *COMMANDS[command]])
    assert result.exit_code == 3
    assert "'rb_pi'" in result.stderr
    assert [name.name for name in tmp_path.iterdir() if name.is_file()] == ["bad.parquet"]


@pytest.mark.parametrize("command", ["split", "pilot", "sample", "train"])
def test_outputs_that_would_do_harm(
    tmp_path: Path, rebalance: Invoke, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "t.parquet"
    pq.write_table(simulate(2_000, 1)[0], source)
    before = source.read_bytes()
    base = [part for part in COMMANDS[command] if part != "-o"]
    outputs = [part for part in base if "." in part and part != "0.1"]
    plain = [part for part in base if part not in outputs]
    rest = [part for name in outputs[1:] for part in ("-o", name)]
    for first, words in (
        ("t.parquet", "also an input"),
        ("./../" + tmp_path.name + "/t.parquet", "also an input"),
        ("none/o.parquet", "does not exist"),
        (".", "is a folder"),
    ):
        result = rebalance([command, "t.parquet", *plain, "-o", first, *rest])
        assert result.exit_code == 2
        assert words in result.stderr
    (tmp_path / outputs[0]).write_text("old")
    given = [part for name in outputs for part in ("-o", name)]
    result = rebalance([command, "t.parquet", *plain, *given, "--no-clobber"])
    assert result.exit_code == 2
    assert "--no-clobber" in result.stderr
    assert (tmp_path / outputs[0]).read_text() == "old"
    assert source.read_bytes() == before


@pytest.mark.parametrize("command", ["pilot", "train"])
def test_a_class_of_one_row(
    tmp_path: Path, rebalance: Invoke, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Fitted where that is possible, and said where it is not: never a traceback."""
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    columns = {"x": generator.standard_normal(500), "y": (np.arange(500) == 77).astype(int)}
    pq.write_table(pa.table(columns), "t.parquet")
    result = rebalance([command, "t.parquet", *COMMANDS[command]])
    if command == "pilot":
        assert result.exit_code == 0
        assert "cannot be measured" in result.stderr
    else:
        assert result.exit_code == 5
        assert "--rounds" in result.stderr


def test_split_refuses_a_class_that_a_part_would_not_have(
    tmp_path: Path, rebalance: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pq.write_table(pa.table({"x": range(500), "y": [row == 77 for row in range(500)]}), "t.parquet")
    result = rebalance(["split", "t.parquet", *COMMANDS["split"]])
    assert result.exit_code == 3
    assert "true" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["t.parquet"]
