"""What the benchmarks stand on: the made table, and the table of results."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.benchmarks.speed import RECIPES, ROWS, Row, Words, markdown
from tests.benchmarks.speed_data import BLOCK_ROWS, EFFECTS, block, make
from tests.benchmarks.timing import Run, Side, time_in_turn


def test_the_made_table_is_the_same_each_time_however_long(tmp_path: Path) -> None:
    rows = BLOCK_ROWS + 1000
    make(tmp_path / "long.parquet", rows)
    make(tmp_path / "short.parquet", 1000)
    make(tmp_path / "short.csv", 1000)
    table = pq.read_table(tmp_path / "long.parquet")
    assert table["id"].to_pylist() == list(range(rows))
    assert table.slice(BLOCK_ROWS).equals(block(1).slice(0, 1000))
    short = pq.read_table(tmp_path / "short.parquet")
    assert table.slice(0, 1000).equals(short)
    # Python writes and reads the shortest digits that give a float64 back.
    lines = (tmp_path / "short.csv").read_text().splitlines()
    assert lines[0].split(",") == short.column_names
    read = list(zip(*(line.split(",") for line in lines[1:]), strict=True))
    for text, column in zip(read, short.columns, strict=True):
        values = column.to_pylist()
        kind = type(values[0])
        assert [kind(one) for one in text] == values


def test_some_four_in_a_thousand_are_positive() -> None:
    # The standard error over four blocks is sqrt(0.004 / 524,288) = 0.009%; the bound is five.
    y = np.concatenate([block(number)["y"].to_numpy() for number in range(4)])
    assert y.size == 4 * BLOCK_ROWS
    assert 0.0035 < y.mean() < 0.0045
    assert [len(block(0)[name].unique()) for name in EFFECTS] == [1000, 8]


def test_a_row_tells_medians_the_range_of_the_pairs_and_what_was_missed() -> None:
    ours = Side([Run(3.0, 100), Run(1.0, 120), Run(2.0, 110)])
    theirs = Side([Run(1.0, 400), Run(2.0, 480), Run(4.0, 400)])
    row = Row("sample", "", "peer", "", {"x": 0.9, "x memory": 0.25, "MB": 800})
    # Medians 2 and 2, pairs 3/1, 1/2 and 2/4, peaks 120 and 480.
    wanted = ["sample", "2.00", "peer", "2.00", "1.00 (0.50 to 3.00)"]
    wanted += ["0.9 x (missed), 0.25 x memory, 800 MB", "120 / 480 = 0.25"]
    assert row.cells([ours, theirs]) == wanted
    alone = Row("--help", "", bar={"s": 0.2}).cells([Side([Run(0.25, 20)])])
    assert alone == ["--help", "0.25", "", "", "", "0.2 s (missed)", "20"]
    assert markdown([wanted, alone]).count("\n") == 4


def test_commands_name_nothing_that_no_recipe_makes() -> None:
    given = "python rebalance here maker folder scratch rows long_rows csv_rows"
    words = dict.fromkeys((*given.split(), *RECIPES), "word")
    for text in [text for row in ROWS.values() for text in (row.ours, row.theirs)]:
        text.format_map(words)
    for file, recipe in RECIPES.values():
        assert recipe.format_map(words)
        assert file.format_map(words)


def test_a_missing_file_is_made_once(tmp_path: Path) -> None:
    words = Words(
        python=sys.executable, here=str(Path(make.__code__.co_filename).parent),
        folder=str(tmp_path), rows="10", maker="7",
    )  # fmt: skip
    assert words.command("read {table}") == ["read", str(tmp_path / "10-7.parquet")]
    written = (tmp_path / "10-7.parquet").stat().st_mtime_ns
    assert words.command("read {table}") == ["read", str(tmp_path / "10-7.parquet")]
    assert (tmp_path / "10-7.parquet").stat().st_mtime_ns == written


def test_processes_run_in_turn_once_more_to_warm_up(tmp_path: Path) -> None:
    log = tmp_path / "log"
    commands = [["sh", "-c", f"echo {name} >> {log}"] for name in "ab"]
    sides = time_in_turn(commands, 2)
    assert log.read_text().split() == ["a", "b"] * 3
    assert [len(side.runs) for side in sides] == [2, 2]
    with pytest.raises(SystemExit, match="no such thing"):
        time_in_turn([["sh", "-c", "echo no such thing >&2; exit 3"]], 1)
