"""`train --curriculum` and `--two-stage`: what is said, kept and refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rebalance.storage.artifacts import read_artifact
from tests.conftest import Invoke, Simulated, simulate

FAST = ["--learning-rate", 0.1, "--leaves", 8]


def over(done: Invoke, model: Path, table: Path, out: Path) -> float:
    done(["predict", table, "--model", model, "-o", out, "-q"])
    found = pq.read_table(out)
    return float(found["rb_probability"].to_numpy().sum() / found["y"].to_numpy().sum())


def test_of_a_sample(simulated: Simulated, drawn: Path, tmp_path: Path, done: Invoke) -> None:
    out = tmp_path / "m.rbl"
    result = done(["train", drawn, "--curriculum", *FAST, "-o", out, "--json"])
    document = json.loads(result.stdout)
    assert (document["correction"], document["corrected"]) == ("offset", "approximate")
    assert "--curriculum is about right, not exact" in result.stderr
    manifest, _ = read_artifact(str(out), "model")
    assert manifest["created_by"]["curriculum"] is True
    other = tmp_path / "other.parquet"
    pq.write_table(simulate(60_000, 8)[0], other)
    # Some 1,200 positives on either side: a standard error of sqrt(2 / 1,200) = 4.1%; four.
    assert over(done, out, other, tmp_path / "p.parquet") == pytest.approx(1, abs=0.17)
    first = out.read_bytes()
    done(["train", drawn, "--curriculum", *FAST, "-o", out, "-q", "--threads", 1])
    assert out.read_bytes() == first


def test_of_a_population_with_weights_and_calibration(tmp_path: Path, done: Invoke) -> None:
    table = simulate(20_000, 3)[0].append_column("w", pa.array(np.tile([1.0, 3.0], 10_000)))
    source, other = tmp_path / "t.parquet", tmp_path / "other.parquet"
    pq.write_table(table, source)
    pq.write_table(simulate(20_000, 4)[0].append_column("w", table["w"]), other)
    base = ["train", source, "--natural", "-l", "y", "--curriculum", *FAST, "--json"]
    out = ["-o", tmp_path / "m.rbl", "--sample-weight", "w"]
    result = done([*base, *out, "--calibrate-on", other, "--recalibrate", "platt"])
    assert json.loads(result.stdout)["corrected"] == "calibrated"
    result = done([*base, "-o", tmp_path / "m.rbl", "--rounds", 40, "--check-calibration"])
    found = json.loads(result.stdout)
    assert found["summary"]["rounds"] == 40
    interval = found["calibration"]["predicted_over_observed"]
    # Some 400 positives, out of fold: within four standard errors of 1.
    assert abs(np.log(interval["estimate"])) < 4 / 3.92 * np.log(interval["high"] / interval["low"])


def test_what_it_is_not_for(drawn: Path, tmp_path: Path, rebalance: Invoke) -> None:
    out = ["-o", tmp_path / "m.rbl"]
    result = rebalance(["train", drawn, "--model", "logistic", "--curriculum", *out])
    assert result.exit_code == 2
    assert "--curriculum is no option of the learner 'logistic'" in result.stderr
    classes = tmp_path / "c.parquet"
    pq.write_table(pa.table({"x": np.arange(300.0), "y": ["a", "b", "c"] * 100}), classes)
    result = rebalance(["train", classes, "--natural", "-l", "y", "--curriculum", *out])
    assert result.exit_code == 2
    assert "--curriculum is for two classes" in result.stderr
    few = tmp_path / "few.parquet"
    pq.write_table(pa.table({"x": np.arange(300.0), "y": np.arange(300) < 4}), few)
    result = rebalance(["train", few, "--natural", "-l", "y", "--curriculum", *out])
    assert result.exit_code == 5
    assert "--rounds" in result.stderr
    assert not (tmp_path / "m.rbl").exists()


def test_two_stages(simulated: Simulated, drawn: Path, tmp_path: Path, done: Invoke) -> None:
    out = tmp_path / "m.rbl"
    base = ["train", drawn, "--two-stage", *FAST, "-o", out]
    result = done([*base, "--json"])
    assert json.loads(result.stdout)["corrected"] == "approximate"
    assert "--two-stage is about right, not exact" in result.stderr
    manifest, _ = read_artifact(str(out), "model")
    assert manifest["created_by"]["two_stage"] is True
    other = tmp_path / "other.parquet"
    pq.write_table(simulate(60_000, 8)[0], other)
    # As above, with some 1,200 negatives more: sqrt(3 / 1,200) = 5%; four.
    assert over(done, out, other, tmp_path / "p.parquet") == pytest.approx(1, abs=0.2)
    first = out.read_bytes()
    done([*base, "-q", "--threads", 1])
    assert out.read_bytes() == first


def test_both_at_once_are_refused(drawn: Path, tmp_path: Path, rebalance: Invoke) -> None:
    both = ["--curriculum", "--two-stage", "-o", tmp_path / "m.rbl"]
    result = rebalance(["train", drawn, *both])
    assert result.exit_code == 2
    assert "two ways to balance the rounds; choose one" in result.stderr
    focal = ["--loss", "focal", "--two-stage", "-o", tmp_path / "m.rbl"]
    result = rebalance(["train", drawn, *focal])
    assert result.exit_code == 2
    assert "--two-stage fits the log loss" in result.stderr


@pytest.mark.parametrize("option", ["--curriculum", "--two-stage"])
@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (["--class-weight", "balanced"], "--class-weight"),
        (["--loss", "class-balanced"], "--loss class-balanced"),
    ],
)
def test_class_weights_are_another_way_to_balance(
    option: str, weights: list[str], said: str, drawn: Path, tmp_path: Path, rebalance: Invoke
) -> None:
    result = rebalance(["train", drawn, option, *weights, "-o", tmp_path / "m.rbl"])
    assert result.exit_code == 2
    assert f"{option} and {said} are two ways to balance the classes; choose one" in result.stderr
    assert not (tmp_path / "m.rbl").exists()


@pytest.mark.parametrize(("option", "count"), [("--curriculum", 8), ("--two-stage", 2)])
def test_stages_are_shown_and_stored(
    drawn: Path, tmp_path: Path, done: Invoke, option: str, count: int
) -> None:
    out = tmp_path / "m.rbl"
    base = ["train", drawn, option, *FAST, "--rounds", 40, "-o", out]
    result = done([*base, "--json"])
    stages = json.loads(result.stdout)["summary"]["stages"]
    assert len(stages) == count
    assert stages[0]["rounds"] == (5 if option == "--curriculum" else 40)
    y = pq.read_table(drawn)["y"].to_numpy()
    # As many rows of either class: at first, or at last.
    balanced = stages[0 if option == "--curriculum" else -1]
    assert balanced["share_of_positives"] == pytest.approx(1)
    assert balanced["share_of_negatives"] == pytest.approx(y.sum() / (y == 0).sum())
    whole = stages[-1 if option == "--curriculum" else 0]
    assert (whole["share_of_positives"], whole["share_of_negatives"]) == pytest.approx((1, 1))
    assert read_artifact(str(out), "model")[0]["stages"] == stages
    said = " ".join(done(base).output.split())
    assert f"stages {count}: " in said
    note = "the second stage has no rounds"
    assert (note in " ".join(result.stderr.split())) == (stages[-1]["rounds"] == 0)
    result = done([*base, "--scale", "sample"])
    said = " ".join(result.output.split())
    assert "refused" not in said
    assert "offset, left on the sample's scale (--scale sample)" in said


def test_made_rows_are_balanced_again(simulated: Simulated, tmp_path: Path, done: Invoke) -> None:
    source, drawn, out = (tmp_path / name for name in ("t.parquet", "s.parquet", "m.rbl"))
    pq.write_table(simulated.table.slice(0, 5_000), source)
    done(["sample", source, "-l", "y", "--method", "smote", "--ratio", 5, "-o", drawn, "-q"])
    base = ["train", drawn, *FAST, "--rounds", 8, "-o", out]
    for option in ("--curriculum", "--two-stage"):
        said = " ".join(done([*base, option]).stderr.split())
        assert f"{option} balances the classes of a smote sample again" in said
    assert "again" not in done(base).stderr


def test_a_second_stage_of_no_rounds_is_said(tmp_path: Path, done: Invoke) -> None:
    source, out = tmp_path / "t.parquet", tmp_path / "m.rbl"
    draw = np.random.default_rng(2)
    # Nothing tells the classes apart, so that no tree lessens the loss of rows held out.
    table = {"x": draw.normal(size=400), "y": (draw.random(400) < 0.3).astype(np.int8)}
    pq.write_table(pa.table(table), source)
    said = done(["train", source, "--natural", "-l", "y", "--two-stage", "--rounds", 1,
                 "--learning-rate", 0.001, "-o", out, "--json"])  # fmt: skip
    assert json.loads(said.stdout)["summary"]["stages"][1]["rounds"] == 0
    assert "the second stage has no rounds" in " ".join(said.stderr.split())
    done(["predict", source, "--model", out, "-o", tmp_path / "p.parquet", "-q"])
