"""Whole processes, timed in turn, on Linux."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

_NEVER_COMPILED = "PYTHONDONTWRITEBYTECODE"


@dataclass(frozen=True)
class Run:
    """One process: wall-clock seconds, and peak resident memory in 10^6 bytes."""

    seconds: float
    megabytes: float


@dataclass(frozen=True)
class Side:
    """The runs of one command."""

    runs: Sequence[Run]

    @property
    def seconds(self) -> float:
        """The median."""
        return statistics.median(run.seconds for run in self.runs)

    @property
    def megabytes(self) -> float:
        """The highest."""
        return max(run.megabytes for run in self.runs)


def time_process(command: Sequence[str]) -> Run:
    """Run a command to its end.

    A process starts with the memory of the one that starts it, and Linux counts that in its peak:
    so the caller must be smaller than what it measures. Modules are compiled once, by the first
    run, as pip compiles those that it installs.

    Raises:
        SystemExit: the command failed; with what it said.

    """
    compiled = {name: value for name, value in os.environ.items() if name != _NEVER_COMPILED}
    os.sync()  # what an earlier run wrote is not to slow this one
    with tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said, env=compiled)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"failed: {' '.join(command)}\n{said.read().decode()}")
    return Run(seconds, usage.ru_maxrss * 1024 / 1e6)


def time_in_turn(commands: Sequence[Sequence[str]], runs: int) -> list[Side]:
    """Each command once to warm up, then all of them in turn, `runs` times."""
    rounds = [[time_process(command) for command in commands] for _ in range(runs + 1)]
    return [Side(side) for side in zip(*rounds[1:], strict=True)]
