"""`rebalance run` against the single commands."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.conftest import Invoke, Simulated

FILES = [
    "curves.png",
    "model.rbl",
    "pilot.rbl",
    "predictions.parquet",
    "report.json",
    "sample.parquet",
    "test.parquet",
    "train.parquet",
]


def test_run_equals_the_single_commands(
    simulated: Simulated, tmp_path: Path, done: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--rate", 0.05, "--model", "logistic", "--seed", 3]
    done(["run", simulated.path, "-l", "y", "-o", "out", *options])
    assert sorted(path.name for path in Path("out").iterdir()) == FILES
    seed = ["--seed", 3, "-q"]
    done(["split", simulated.path, "-l", "y", "-o", "train.parquet", "-o", "test.parquet", *seed])
    done(["pilot", "train.parquet", "-l", "y", "-o", "pilot.rbl", *seed])
    guide = ["--pilot", "pilot.rbl", "--rate", 0.05]
    done(["sample", "train.parquet", *guide, "-o", "sample.parquet", *seed])
    done(["train", "sample.parquet", "--model", "logistic", "-o", "model.rbl", *seed,
          "--calibrate-on", "train.parquet", "--recalibrate", "auto"])  # fmt: skip
    done(["predict", "test.parquet", "--model", "model.rbl", "-o", "predictions.parquet"])
    document = json.loads(
        done(
            ["evaluate", "predictions.parquet", "-l", "y", "--plot", "curves.png", "--json"]
        ).stdout
    )
    for name in FILES:
        if name != "report.json":
            assert Path(name).read_bytes() == (Path("out") / name).read_bytes(), name
    report = json.loads(Path("out/report.json").read_text())
    assert report["evaluate"]["metrics"] == document["metrics"]
    calibration = report["train"]["calibration"]
    assert calibration["on"] == ["train.parquet"]
    assert calibration["rows"] == 48_000
    over = calibration["predicted_over_observed"]
    assert 0.85 < over["low"] < over["estimate"] < over["high"] < 1.15
    assert calibration["asked"] == "auto"


def test_the_same_bytes_again_and_elsewhere(
    simulated: Simulated, tmp_path: Path, done: Invoke
) -> None:
    source, found = tmp_path / "t.parquet", []
    pq.write_table(simulated.table.slice(0, 12_000), source)
    for name in ("a", "a", "b"):
        options = ["--ratio", 4, "--model", "gbm", "--rounds", 20, "-q"]
        done(["run", source, "-l", "y", "-o", tmp_path / name, *options])
        found.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert found[0] == found[1] == found[2]


def test_without_a_budget_it_takes_five_negatives_per_positive_and_says_so(
    simulated: Simulated, tmp_path: Path, done: Invoke
) -> None:
    result = done(["run", simulated.path, "-l", "y", "-o", tmp_path / "out", "--model", "logistic"])
    assert "--ratio 5" in result.stderr
    y = pq.read_table(tmp_path / "out" / "sample.parquet")["y"].to_numpy()
    # Poisson draws of some 5,000 negatives: four standard deviations are under 6%.
    assert (y == 0).sum() / (y == 1).sum() == pytest.approx(5, rel=0.06)


def test_bad_usage(simulated: Simulated, tmp_path: Path, rebalance: Invoke) -> None:
    base = ["run", simulated.path, "-l", "y"]
    result = rebalance([*base, "-o", tmp_path / "none" / "out"])
    assert result.exit_code == 2
    assert "mkdir -p" in result.stderr
    result = rebalance([*base, "-o", tmp_path / "out", "--rate", 0.1, "--rows", 500])
    assert result.exit_code == 2
    assert "contradict" in result.stderr
    (tmp_path / "file").write_text("")
    result = rebalance([*base, "-o", tmp_path / "file"])
    assert result.exit_code == 2
    assert "is a file" in result.stderr
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.rbl").write_text("mine")
    result = rebalance([*base, "-o", tmp_path / "out", "--no-clobber"])
    assert result.exit_code == 2
    assert "model.rbl" in result.stderr
    assert (tmp_path / "out" / "model.rbl").read_text() == "mine"
