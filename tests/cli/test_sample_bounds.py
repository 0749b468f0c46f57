"""What made rows may be: as many as there is memory for, and whole numbers within their range."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from rebalance.storage.tables import Table
from tests.conftest import Invoke

ROWS = 400


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Numbers that float64 rounds out of their range; one in ten rows is positive."""
    place = np.random.default_rng(8).integers(0, 3, ROWS)
    wide = [[2**53 + 1, 2**53 + 1 + 2 * each] for each in place.tolist()]
    table = pa.table(
        {
            "low": pa.array(2**53 + 1 + 2 * place),
            "negative": pa.array(-(2**53) - 1 - 2 * place),
            "unsigned": pa.array(np.uint64(2**64 - 1) - place.astype(np.uint64)),
            "cents": pa.array(
                [Decimal(10**19 - 1 - each).scaleb(-2) for each in place.tolist()],
                pa.decimal128(19, 2),
            ),
            "pair": pa.array(wide, pa.list_(pa.int64(), 2)),
            "y": (np.arange(ROWS) % 10 == 3).astype(np.int8),
        }
    )
    path = tmp_path / "large.parquet"
    pq.write_table(table, path)
    return path


def ends(column: Any) -> dict[str, Any]:
    found: dict[str, Any] = pc.min_max(column).as_py()
    return found


def test_whole_numbers_and_decimals_stay_within_what_was_there(
    large: Path, tmp_path: Path, done: Invoke
) -> None:
    out = tmp_path / "s.parquet"
    done(["sample", large, "-l", "y", "--method", "smote", "--ratio", 1, "-o", out])
    source, table = pq.read_table(large), pq.read_table(out)
    made = table.filter(pc.field("rb_synthetic"))
    assert len(made) == ROWS * 8 // 10
    for name in ("low", "negative", "unsigned", "cents"):
        assert made[name].type == source[name].type
        there, found = ends(source[name]), ends(made[name])
        assert there["min"] <= found["min"] <= found["max"] <= there["max"]
    there, found = (ends(pc.list_flatten(each["pair"])) for each in (source, made))
    assert there["min"] <= found["min"] <= found["max"] <= there["max"]


def test_whole_numbers_of_a_text_file_stay_within_what_was_there(
    large: Path, tmp_path: Path, done: Invoke
) -> None:
    source, out = tmp_path / "t.csv", tmp_path / "s.csv"
    pcsv.write_csv(pq.read_table(large, columns=["low", "negative", "y"]), source)
    done(["sample", source, "-l", "y", "--method", "smote", "--ratio", 1, "-o", out])
    there, found = pcsv.read_csv(source), pcsv.read_csv(out)
    assert len(found) == ROWS + ROWS * 8 // 10
    for name in ("low", "negative"):
        assert ends(found[name]) == ends(there[name])


@pytest.mark.parametrize(
    ("method", "ratio", "says"),
    [
        ("smote", "1e-300", "--ratio 1e-300: smote would come to more than 9e+15 positives"),
        ("random-over", "1e-320", "random-over would come to more than 9e+15 positives"),
        ("smote", "1e-12", "smote would make 359,999,999,999,960 rows, which take about"),
    ],
)
def test_more_rows_than_any_machine_holds(
    large: Path, tmp_path: Path, rebalance: Invoke, method: str, ratio: str, says: str
) -> None:
    out = tmp_path / "s.parquet"
    failed = rebalance(
        ["sample", large, "-l", "y", "--method", method, "--ratio", ratio, "-o", out]
    )
    assert failed.exit_code == 2
    assert says in failed.stderr
    assert "--ratio" in failed.stderr.split(";")[-1]
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["sample", "--method", "smote", "--ratio", 3], " for smote; give a larger --ratio"),
        (["sample", "--rate", 0.5], "; give --memory-limit"),
        (["train", "--natural", "--model", "logistic"], "; train on a sample"),
        (["profile"], "; give --memory-limit"),
    ],
)
def test_a_lack_of_memory_names_an_option_that_the_command_has(
    large: Path,
    tmp_path: Path,
    rebalance: Invoke,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[Any],
    says: str,
) -> None:
    def batches(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Table, "batches", batches)
    command, *more = arguments
    out = (
        []
        if command == "profile"
        else ["-o", tmp_path / ("o.rbl" if command == "train" else "o.parquet")]
    )
    failed = rebalance([command, large, "-l", "y", *more, *out])
    assert failed.exit_code == 3
    assert f"error: there is not enough memory{says}" in failed.stderr


def test_copies_that_no_disk_holds_are_refused(
    large: Path, tmp_path: Path, rebalance: Invoke
) -> None:
    # 360 negatives over a ratio of 1e-13: 3.6e15 copies, petabytes even at a byte each.
    out = tmp_path / "s.parquet"
    base = ["sample", large, "-l", "y", "--method", "random-over", "--ratio", 1e-13, "-o", out]
    failed = rebalance(base)
    assert failed.exit_code == 2
    assert "give a larger --ratio" in failed.stderr
    assert str(out) in failed.stderr
    assert not out.exists()
