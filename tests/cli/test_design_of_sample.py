"""`train --design` takes the design's file, or a sample that has it."""

from __future__ import annotations

from pathlib import Path

import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from tests.classes import Made
from tests.conftest import Invoke, Simulated


@pytest.fixture
def bare(drawn: Path, tmp_path: Path) -> Path:
    """The sample as a CSV that went through another tool: its design is lost."""
    path = tmp_path / "bare.csv"
    pcsv.write_csv(pq.read_table(drawn), path)
    return path


def trained(done: Invoke, arguments: list[object], out: Path) -> bytes:
    done(["train", *arguments, "--model", "logistic", "-o", out, "-q"])
    return out.read_bytes()


def test_a_sample_serves_as_the_design(
    drawn: Path, bare: Path, piloted: Path, simulated: Simulated, tmp_path: Path, done: Invoke
) -> None:
    texts, design = tmp_path / "t.csv", tmp_path / "d"
    pilot = ["--pilot", piloted, "--rate", 0.05, "-q"]
    done(["sample", simulated.path, *pilot, "-o", texts])
    done(["sample", simulated.path, *pilot, "-o", tmp_path / "e.csv", "--design", design])
    out = tmp_path / "m.rbl"
    expected = trained(done, [bare, "--design", f"{texts}.design.json"], out)
    for named in (drawn, texts, design):
        assert trained(done, [bare, "--design", named], out) == expected
    trained(done, [drawn, "--design", drawn], out)


def test_a_sample_of_many_classes_serves_too(made: Made, tmp_path: Path, done: Invoke) -> None:
    bare = tmp_path / "bare.parquet"
    pq.write_table(pq.read_table(made.sample).replace_schema_metadata(), bare)
    given = trained(done, [bare, "--design", made.sample], tmp_path / "m.rbl")
    assert b"multinomial.json" in given


def test_what_holds_no_design_is_named(
    bare: Path, simulated: Simulated, tmp_path: Path, rebalance: Invoke
) -> None:
    other, text = tmp_path / "notes", tmp_path / "missing.parquet"
    other.write_text("no design")
    deep = tmp_path / "deep"
    deep.write_text("[" * 200_000)
    for named, said in (
        (simulated.path, "the table has no design"),
        (bare, "the table has no design"),
        (other, "the design is damaged"),
        (deep, "the design is damaged"),
        (text, "the design cannot be read"),
    ):
        refused = rebalance(["train", bare, "--design", named, "-o", tmp_path / "m.rbl"])
        assert refused.exit_code == 4
        assert said in refused.stderr
        assert str(named) in refused.stderr
