"""Learners of the common class: `run` samples for them uniformly, and an error says so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import Invoke

FOREST = ["--model", "isolation-forest", "--set", "n_estimators=10"]


def ring(count: int, *, inside: bool) -> pa.Table:
    """2% positives far out; or inside, in the midst of the common class, where nothing is odd."""
    rng = np.random.default_rng(6)
    y = rng.random(count) < 0.02
    x = rng.standard_normal((count, 2))
    x[y] = x[y] * 0.1 if inside else x[y] + 3 * np.sign(x[y])
    return pa.table({"u": x[:, 0], "v": x[:, 1], "y": y.astype(np.int8)})


@pytest.mark.parametrize(("method", "said"), [([], True), (["--method", "uniform"], False)])
def test_a_run_samples_uniformly_for_them(
    method: list[str], said: bool, tmp_path: Path, done: Invoke
) -> None:
    pq.write_table(ring(6_000, inside=False), tmp_path / "t.parquet")
    given = ["run", tmp_path / "t.parquet", "-l", "y", "-o", tmp_path / "out", *FOREST, *method]
    result = done([*given, "--json"])
    assert json.loads(result.stdout)["sample"]["method"] == "uniform"
    told = " ".join(result.stderr.split())
    assert ("--method uniform it is: --model isolation-forest learns" in told) == said
    assert "serves it better" not in told


def test_a_run_keeps_the_method_that_was_named(tmp_path: Path, done: Invoke) -> None:
    pq.write_table(ring(6_000, inside=False), tmp_path / "t.parquet")
    named = [*FOREST, "--method", "nonuniform", "--json"]
    result = done(["run", tmp_path / "t.parquet", "-l", "y", "-o", tmp_path / "out", *named])
    assert json.loads(result.stdout)["sample"]["method"] == "nonuniform"
    assert "serves it better" in " ".join(result.stderr.split())


def test_no_better_than_chance_names_a_uniform_sample(
    tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    table = tmp_path / "t.parquet"
    pq.write_table(ring(6_000, inside=True), table)
    done(["pilot", table, "-l", "y", "--model", "gbm", "-o", tmp_path / "p.rbl", "-q"])
    drawn = {"nonuniform": ["--pilot", tmp_path / "p.rbl"], "uniform": ["-l", "y"]}
    for method, given in drawn.items():
        sample = tmp_path / f"{method}.parquet"
        named = [*given, "--method", method, "--rate", 0.2]
        done(["sample", table, *named, "-o", sample, "-q"])
        fit = [*FOREST, "--calibrate-on", table, "-o", tmp_path / "m.rbl"]
        result = rebalance(["train", sample, *fit])
        assert result.exit_code == 5
        told = " ".join(result.stderr.split())
        assert "ranks no better than chance" in told
        assert ("draw the sample with --method uniform" in told) == (method == "nonuniform")
