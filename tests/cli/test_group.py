"""Interrupts, closed pipes, full disks: whole processes, as a shell sees them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rebalance import __version__
from tests.conftest import Invoke, Simulated

COMMAND = [sys.executable, "-m", "rebalance"]


@pytest.fixture
def big(simulated: Simulated, tmp_path: Path) -> list[str]:
    """The same rows many times over: long enough to be interrupted."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(60):
        (folder / f"{number}.parquet").hardlink_to(simulated.path)
    return [str(folder / "*.parquet")]


def test_version_and_module() -> None:
    done = subprocess.run([*COMMAND, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"rebalance, version {__version__}\n"


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"]
)
def test_an_interrupt_leaves_the_old_file_and_no_other(
    big: list[str], tmp_path: Path, sent: signal.Signals, code: int
) -> None:
    out = tmp_path / "s.parquet"
    out.write_text("old")
    arguments = ["sample", *big, "-l", "y", "--rate", "0.9", "-o", str(out)]
    running = subprocess.Popen([*COMMAND, *arguments], stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 30
    while time.monotonic() < until and not list(tmp_path.glob(".s.parquet.*")):
        time.sleep(0.01)
    running.send_signal(sent)
    _, stderr = running.communicate(timeout=30)
    assert running.returncode == code
    assert "Traceback" not in stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "s.parquet"]
    assert out.read_text() == "old"


def test_a_full_disk_leaves_the_old_file(simulated: Simulated, tmp_path: Path) -> None:
    out = tmp_path / "s.parquet"
    out.write_text("old")
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); "
        "from rebalance.__main__ import main; main()"
    )
    arguments = ["sample", str(simulated.path), "-l", "y", "--rate", "0.9", "-o", str(out)]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "cannot write: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["s.parquet"]
    assert out.read_text() == "old"


@pytest.mark.parametrize(
    "arguments",
    [["sample", "-l", "y", "--rate", "0.9", "-o", "-"], ["profile", "-l", "y"]],
    ids=["sample", "profile"],
)
def test_a_closed_pipe_ends_quietly(simulated: Simulated, arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [*COMMAND, arguments[0], str(simulated.path), *arguments[1:], "-q"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_terminal_no_progress_and_json_alone_on_stdout(
    simulated: Simulated, tmp_path: Path
) -> None:
    out = tmp_path / "s.parquet"
    arguments = ["sample", str(simulated.path), "-l", "y", "--rate", "0.1", "-o", str(out)]
    done = subprocess.run(
        [*COMMAND, *arguments, "--json"], capture_output=True, text=True, check=True
    )
    document = json.loads(done.stdout)
    assert document["command"] == "sample"
    assert document["format"] == 1
    assert document["notes"] == ["'1' is the positive value of 'y'"]
    assert "\x1b" not in done.stderr


def test_two_things_on_standard_output_are_refused(simulated: Simulated, rebalance: Invoke) -> None:
    arguments = ["sample", simulated.path, "-l", "y", "--rate", "0.1", "-o", "-", "--json"]
    result = rebalance(arguments)
    assert result.exit_code == 2
    assert "standard output" in result.stderr


def test_standard_input_is_a_table_like_any(simulated: Simulated, tmp_path: Path) -> None:
    outs = [tmp_path / "file.csv", tmp_path / "stdin.csv"]
    for out, source in zip(outs, (str(simulated.path), "-"), strict=True):
        arguments = ["sample", source, "-l", "y", "--rate", "0.1", "-o", str(out), "-q"]
        subprocess.run([*COMMAND, *arguments], input=simulated.path.read_bytes(), check=True)
    assert outs[0].read_bytes() == outs[1].read_bytes()


def test_unknown_commands_and_options_are_usage(rebalance: Invoke) -> None:
    assert rebalance(["smaple"]).exit_code == 2
    assert rebalance(["sample", "--no-such-option"]).exit_code == 2
