"""What `sample` says of a design: what was planned or why not, positives thinned, pilot's rows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rebalance.core.draws import Purpose, uniforms
from tests.conftest import Invoke

ROWS = 30_000


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tenth is positive, and of some that is nearly sure: local case-control thins them."""
    generator = np.random.default_rng(2)
    x = generator.standard_normal(ROWS)
    y = generator.random(ROWS) < 1 / (1 + np.exp(4 - 2.5 * x))
    path = tmp_path_factory.mktemp("report") / "t.parquet"
    pq.write_table(pa.table({"x": x, "y": y.astype(int)}), path)
    return path


@pytest.fixture
def pilot(table: Path, tmp_path: Path, done: Invoke) -> Path:
    path = tmp_path / "p.rbl"
    done(["pilot", table, "-l", "y", "--size", 1_000, "-o", path, "-q"])
    return path


def test_why_nothing_is_planned(table: Path, pilot: Path, tmp_path: Path, done: Invoke) -> None:
    arguments = ["sample", table, "--pilot", pilot, "--rate", 0.1, "-o", tmp_path / "s.parquet"]
    usual = json.loads(done([*arguments, "--json"]).stdout)
    assert usual["not_planned"] is None
    assert usual["planned_efficiency"] is not None
    for how, named in (
        (["--floor", 0.02], "without --floor"),
        (["--floor", 0.02, "--mix", 0.5], "without --floor and --mix"),
        (["--combine-pilot"], "without --combine-pilot"),
    ):
        found = json.loads(done([*arguments, *how, "--json"]).stdout)
        assert found["planned_efficiency"] is None
        assert found["not_planned"].endswith(named)
        assert f"(none planned: the pilot's plan is for samples {named})" in " ".join(
            done([*arguments, *how]).output.split()
        )
    plain = json.loads(
        done(["sample", table, "-l", "y", "--method", "uniform", *arguments[4:], "--json"]).stdout
    )
    assert plain["not_planned"] is None


def test_positives_that_are_thinned(table: Path, pilot: Path, tmp_path: Path, done: Invoke) -> None:
    out, every = tmp_path / "s.parquet", tmp_path / "e.parquet"
    how = ["--score", "local-case-control", "--rate", 0.1, "--probabilities", every]
    arguments = ["sample", table, "--pilot", pilot, *how, "-o", out]
    found = json.loads(done([*arguments, "--json"]).stdout)
    positive = pq.read_table(table)["y"].to_numpy() == 1
    pi = pq.read_table(every)["pi_1"].to_numpy()[positive]
    # Rows are counted in bins of the score: each stands at its bin's middle.
    assert found["expected_positives"] == pytest.approx(pi.sum(), rel=1e-3)
    assert found["standard_deviation_positives"] == pytest.approx(
        np.sqrt((pi * (1 - pi)).sum()), rel=1e-2
    )
    low, high = (pi <= 0.1 * slack for slack in (0.99, 1.01))
    assert low.sum() <= found["positives_at_floor"] <= high.sum()
    assert found["positives_at_floor"] > 100
    assert abs(found["kept_positives"] - pi.sum()) < 4 * np.sqrt((pi * (1 - pi)).sum())
    shown = " ".join(done(arguments).output.split())
    assert f"(expected {found['expected_positives']:,.1f}, sd" in shown
    assert f"positives at the floor {found['positives_at_floor']:,} (floor 0.1)" in shown


def test_rows_of_the_pilot(table: Path, pilot: Path, tmp_path: Path, done: Invoke) -> None:
    arguments = ["sample", table, "--pilot", pilot, "--rate", 0.05, "-o", tmp_path / "s.parquet"]
    found = json.loads(done([*arguments, "--combine-pilot", "--json"]).stdout)
    y = pq.read_table(table)["y"].to_numpy()
    # The pilot has 1,000 negatives: those of the smallest draws.
    assert found["pilot_rate"] == pytest.approx(1_000 / (y == 0).sum())
    assert found["kept_pilot_negatives"] == 1_000
    draws = np.where(y == 0, uniforms(0, Purpose.PILOT, 0, ROWS), 2)
    own = set(np.argsort(draws)[:1_000].tolist())
    assert own <= set(pq.read_table(tmp_path / "s.parquet")["rb_row"].to_pylist())
    shown = " ".join(done([*arguments, "--combine-pilot"]).output.split())
    rate = f"{found['pilot_rate']:.3g}"
    assert f"negatives of the pilot 1,000 of those kept (the pilot's rate {rate})" in shown
    usual = json.loads(done([*arguments, "--json"]).stdout)
    assert (
        usual["pilot_rate"] is usual["kept_pilot_negatives"] is usual["expected_positives"] is None
    )
