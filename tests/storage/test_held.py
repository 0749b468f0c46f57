"""Rows held in memory and on disk come back in the order of their numbers."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from rebalance.storage.held import Held


def rows(*values: int | str) -> pa.RecordBatch:
    return pa.record_batch({"a": pa.array(values)})


@given(
    st.lists(st.tuples(st.integers(0, 9), st.lists(st.integers(), min_size=1, max_size=5))),
    st.sampled_from([0, 50, 1000]),
)
def test_the_last_rows_under_each_number_in_order(
    puts: list[tuple[int, list[int]]], limit: int
) -> None:
    held = Held(limit)
    expected: dict[int, list[int]] = {}
    for number, values in puts:
        values = [value % 2**63 for value in values]
        held.put(number, rows(*values))
        expected[number] = values
    for _ in range(2):  # as often as one likes
        found = [batch.column(0).to_pylist() for batch in held]
        assert found == [expected[number] for number in sorted(expected)]
    held.close()


def test_dictionaries_may_differ_from_batch_to_batch() -> None:
    held = Held(0)
    for number, values in enumerate((["x", "y"], ["z"], ["y", "z"])):
        held.put(number, pa.record_batch({"a": pa.array(values).dictionary_encode()}))
    assert [batch.column(0).to_pylist() for batch in held] == [["x", "y"], ["z"], ["y", "z"]]
    held.close()


def test_a_full_disk_is_said() -> None:
    code = (
        "import resource, signal, pyarrow as pa\n"
        "from rebalance.errors import DataError\n"
        "from rebalance.storage.held import Held\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "held = Held(0)\n"
        "try:\n"
        "    held.put(0, pa.record_batch({'a': pa.array(range(10_000))}))\n"
        "except DataError as exc:\n"
        "    print(exc)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "cannot write" in done.stdout
