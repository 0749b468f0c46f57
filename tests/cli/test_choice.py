"""`train --model auto`: what it comes to, why, and what it leaves in the model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from rebalance.cli.main import cli
from rebalance.storage.artifacts import read_artifact
from tests.conftest import Invoke, simulate


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A usual population; and one with 40 positives among 60,000 rows, sampled at 2%."""
    made = tmp_path_factory.mktemp("choice")
    pq.write_table(simulate(6_000, 3)[0], made / "usual.parquet")
    rng = np.random.default_rng(9)
    x = rng.standard_normal((60_000, 2))
    # Positives lie on a ring of the first two features: 40 of those furthest out.
    y = np.zeros(len(x), dtype=np.int8)
    y[np.argsort(-np.hypot(*x.T) + rng.gumbel(0, 0.3, len(x)))[:40]] = 1
    table = pa.table({"x1": x[:, 0], "x2": x[:, 1], "y": y})
    pq.write_table(table, made / "rare.parquet")
    for name, rate in (("usual", 0.2), ("rare", 0.02)):
        given = ["-l", "y", "--rate", str(rate), "-o", str(made / f"{name}_s.parquet"), "-q"]
        result = CliRunner().invoke(cli, ["sample", str(made / f"{name}.parquet"), *given])
        assert result.exit_code == 0, result.output
    return made


def chosen(done: Invoke, folder: Path, tmp_path: Path, name: str, *rest: object) -> dict:
    arguments = ["--model", "auto", "-o", tmp_path / "m.rbl", "--json", *rest]
    document = json.loads(done(["train", folder / f"{name}_s.parquet", *arguments]).stdout)
    manifest, _ = read_artifact(str(tmp_path / "m.rbl"), "model")
    assert manifest["created_by"]["model"] == "auto"
    assert manifest["chosen"] == document["chosen"]
    assert manifest["learner"] == document["model"] == document["chosen"]["model"]
    return document["chosen"]


def test_a_usual_ratio_is_for_gbm(folder: Path, tmp_path: Path, done: Invoke) -> None:
    found = chosen(done, folder, tmp_path, "usual", "--rounds", 5)
    positives = int(pq.read_table(folder / "usual.parquet")["y"].to_numpy().sum())
    assert found["model"] == "gbm"
    assert found["log_loss"] is None
    assert f"{positives} positives" in found["why"]


def test_without_natural_rows_a_balanced_forest_is_not_tried(
    folder: Path, tmp_path: Path, done: Invoke
) -> None:
    found = chosen(done, folder, tmp_path, "rare", "--rounds", 5)
    assert found["model"] == "gbm"
    assert "1,499 negatives per positive, 40 positives" in found["why"]
    assert "--calibrate-on TABLE" in found["why"]


def test_rare_positives_are_a_contest_by_held_out_log_loss(
    folder: Path, tmp_path: Path, done: Invoke
) -> None:
    found = chosen(done, folder, tmp_path, "rare", "--calibrate-on", folder / "rare.parquet")
    loss = found["log_loss"]
    assert set(loss) == {"gbm", "balanced-forest"}
    assert found["model"] == min(loss, key=loss.get)
    # 40 of 60,000: the entropy of that share is 0.0055, which a constant would have; 40 positives
    # far out tell more than that to either, but for noise of 1 / sqrt(40) = 16%, thrice.
    assert all(0 < value < 0.0055 * 1.5 for value in loss.values())


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--rounds", 5], "--rounds"),
        (["--learning-rate", 0.2, "--leaves", 4], "--learning-rate, --leaves"),
        (["--curriculum", "--rounds", 5], "--rounds, --curriculum"),
        (["--class-weight", "balanced"], "--class-weight"),
        (["--loss", "focal", "--rounds", 5], "--loss focal, --rounds"),
        (["--loss", "focal", "--alpha", 0.25, "--rounds", 5], "--loss focal, --rounds"),
        (["--correction", "weight"], "--correction weight"),
    ],
)
def test_what_a_balanced_forest_does_not_know_leaves_gbm(
    more: list[object], said: str, folder: Path, tmp_path: Path, done: Invoke
) -> None:
    natural = ["--calibrate-on", folder / "rare.parquet"]
    found = chosen(done, folder, tmp_path, "rare", *natural, *more)
    assert found["model"] == "gbm"
    assert found["log_loss"] is None
    assert found["why"].endswith(f"; a balanced-forest knows no {said}")


def test_parameters_are_for_a_learner_that_is_named(
    folder: Path, tmp_path: Path, rebalance: Invoke
) -> None:
    given = ["--model", "auto", "--set", "n_estimators=5", "-o", tmp_path / "m.rbl"]
    result = rebalance(["train", folder / "usual_s.parquet", *given])
    assert result.exit_code == 2
    assert "--set is for one learner" in " ".join(result.output.split())
