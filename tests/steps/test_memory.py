"""The memory limit, held as the system measures it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rebalance.cli.options import size as parsed
from rebalance.errors import UsageError
from rebalance.steps.context import Context
from rebalance.steps.memory import LIGHT, MB, Need, estimate, free_bytes, open_within, row_bytes
from tests.conftest import Invoke

ROWS = 400_000


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400,000 rows of 30 numbers and a text: 100 MB in row groups of 10 MB."""
    generator = np.random.default_rng(6)
    x = generator.standard_normal((ROWS, 30))
    y = generator.random(ROWS) < 1 / (1 + np.exp(4 - x[:, 0]))
    table = pa.table({f"x{column}": x[:, column] for column in range(30)})
    table = table.append_column("name", pa.array([f"row number {row}" for row in range(ROWS)]))
    path = tmp_path_factory.mktemp("large") / "t.parquet"
    pq.write_table(table.append_column("y", pa.array(y)), path, row_group_size=40_000)
    return path


# A process that is started takes over its starter's peak in what the system reports: so ask inside.
PEAK = """
import re, sys
from rebalance.cli.main import cli
cli(sys.argv[1:], standalone_mode=False)
print(re.search(r"VmHWM:\\s+([0-9]+) kB", open("/proc/self/status").read())[1])
"""


def peak(*command: object) -> int:
    """The largest resident size of a process, in bytes."""
    arguments = [sys.executable, "-W", "ignore", "-c", PEAK, *map(str, command)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1]) * 1024


@pytest.mark.slow
def test_every_command_keeps_within_its_limit(large: Path, tmp_path: Path) -> None:
    guide, out, model = tmp_path / "p.rbl", tmp_path / "s.parquet", tmp_path / "m.rbl"
    predicted = tmp_path / "predicted.parquet"
    for limit, command in (
        (420, ["pilot", large, "-l", "y", "--drop", "name", "-o", guide]),
        (420, ["sample", large, "--pilot", guide, "--rate", 0.02, "-o", out]),
        (520, ["train", out, "--model", "logistic", "-o", model]),
        (620, ["train", out, "--model", "logistic", "-o", model, "--calibrate-on", large]),
        (480, ["predict", large, "--model", model, "-o", predicted]),
        (300, ["evaluate", predicted, "-l", "y"]),
        (800, ["split", large, "-l", "y", "-o", out, "-o", predicted]),
        (420, ["profile", large, "-l", "y"]),
    ):
        assert peak(*command, "-q", "--memory-limit", f"{limit}MB") < limit * MB, command[0]


def test_the_limit_makes_batches_smaller_and_then_threads_fewer(large: Path) -> None:
    context = Context(threads=4, memory_limit=200 * MB)
    table = open_within([str(large)], context, Need(LIGHT))
    assert table.reading.batch_rows < 131_072
    assert estimate(table, Need(LIGHT), table.reading.batch_rows, context.threads or 1) <= 200 * MB
    assert any("to keep within 200 MB: batches of" in note for note in context.notes)


def test_a_limit_that_cannot_be_held_says_what_is_needed(
    large: Path, tmp_path: Path, rebalance: Invoke
) -> None:
    with pytest.raises(UsageError, match=r"too small: about [0-9,]+ MB are needed"):
        open_within([str(large)], Context(memory_limit=50 * MB), Need(LIGHT))
    result = rebalance(
        ["train", large, "-l", "y", "--natural", "-o", tmp_path / "m", "--memory-limit", "400MB"]
    )
    assert result.exit_code == 2
    assert "work on a sample" in result.stderr


def test_without_a_limit_nothing_changes(large: Path) -> None:
    context = Context()
    assert open_within([str(large)], context, Need(LIGHT)).reading == context.reading
    assert context.notes == []


def test_the_bytes_of_a_row_by_hand(tmp_path: Path) -> None:
    table = pa.table({"a": [1.0], "b": pa.array([True]), "c": ["text"], "d": pa.array([1], "int8")})
    pq.write_table(table, tmp_path / "t.parquet")
    opened = open_within([str(tmp_path / "t.parquet")], Context(), Need())
    assert row_bytes(opened, ["a", "b", "d"]) == 8 + 1 / 8 + 1


def test_the_machine_says_what_is_free() -> None:
    free = free_bytes()
    assert free is not None
    assert free > 1 << 20


@pytest.mark.parametrize(
    ("text", "size"),
    [("500MB", 500 << 20), ("2GB", 2 << 30), ("1.5g", 3 << 29), ("64 MiB", 64 << 20)],
)
def test_sizes(text: str, size: int) -> None:
    command = click.Command("c", params=[click.Option(["--limit"])])
    context = click.Context(command)
    assert parsed(context, command.params[0], text) == size


@pytest.mark.parametrize("text", ["500", "MB", "-1GB", "1e3MB"])
def test_what_is_no_size(text: str, rebalance: Invoke) -> None:
    result = rebalance(["profile", "x.csv", "-l", "y", "--memory-limit", text])
    assert result.exit_code == 2
    assert "500MB or 2GB" in result.stderr
