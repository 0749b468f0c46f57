"""`rebalance train` and `rebalance predict`: corrections, scales, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from rebalance.steps.artifacts.model import read_model
from rebalance.storage.artifacts import read_artifact
from tests.conftest import Invoke, Simulated


@pytest.mark.parametrize("model", ["logistic", "gbm"])
@pytest.mark.parametrize("correction", ["offset", "weight", "posthoc"])
def test_probabilities_are_the_populations(
    simulated: Simulated, drawn: Path, tmp_path: Path, done: Invoke, model: str, correction: str
) -> None:
    out, scored = tmp_path / "m.rbl", tmp_path / "pred.parquet"
    done(["train", drawn, "--model", model, "--correction", correction, "-o", out, "-q"])
    done(["predict", simulated.path, "--model", out, "-o", scored, "--sampled", "-q"])
    table = pq.read_table(scored)
    assert table.select(["x1", "x2", "x3", "y"]).equals(simulated.table)
    probability = table["rb_probability"].to_numpy()
    sampled = table["rb_probability_sampled"].to_numpy()
    truth = 1 / (1 + np.exp(-simulated.log_odds))
    # Some 1,200 positives: the observed share has a standard error of 2.8%. Boosting with weights
    # is approximate, as DESIGN says of it: .56 to 1.66.
    bound = 0.5 if (model, correction) == ("gbm", "weight") else 0.1
    assert probability.sum() / truth.sum() == pytest.approx(1, abs=bound)
    assert sampled.mean() > 5 * truth.mean()
    # Bayes at every row: odds on the sample's scale are the population's over pi_0.
    pi_0 = probability / (1 - probability) / (sampled / (1 - sampled))
    assert pi_0.min() > 0.004
    assert pi_0.max() <= 1 + 1e-6


def test_naturally_trained_models_need_no_correction(
    simulated: Simulated, tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    out, scored = tmp_path / "m.rbl", tmp_path / "pred.csv"
    done(["train", simulated.path, "-l", "y", "--natural", "--model", "logistic", "-o", out])
    done(["predict", simulated.path, "--model", out, "-o", scored, "--keep", "y"])
    table = pcsv.read_csv(scored)
    assert table.column_names == ["y", "rb_probability"]
    # At the maximum of the (nearly) unpenalised likelihood predicted equals observed.
    total = np.sum(table["y"].to_numpy())
    assert np.sum(table["rb_probability"].to_numpy()) == pytest.approx(total, rel=1e-4)
    model = read_model(str(out))
    assert (model.correction, model.scale, model.drawn) == ("none", "population", None)
    refused = rebalance(["predict", simulated.path, "--model", out, "-o", scored, "--sampled"])
    assert refused.exit_code == 2
    assert "no sampled scale" in refused.stderr


def test_a_model_says_how_it_was_made(drawn: Path, tmp_path: Path, done: Invoke) -> None:
    out = tmp_path / "m.rbl"
    document = json.loads(done(["train", drawn, "-o", out, "--rounds", 7, "--json"]).stdout)
    assert document["summary"] == {"learner": "gbm", "rounds": 7, "rounds_found_by": "given"}
    manifest, members = read_artifact(str(out), "model")
    assert manifest["scale"] == "population"
    assert manifest["correction"] == "offset"
    assert manifest["starts_from_pilot"] is True
    assert set(members) == {"design.json", "gbm.json", "trees.txt"}


def test_a_csv_sample_trains_the_same_model(
    simulated: Simulated, piloted: Path, tmp_path: Path, done: Invoke
) -> None:
    models = []
    for name in ("s.parquet", "s.csv"):
        out = tmp_path / name
        arguments = ["--pilot", piloted, "--ratio", 4, "-o", out, "-q"]
        done(["sample", simulated.path, *arguments])
        done(["train", out, "--model", "logistic", "-o", tmp_path / "m.rbl", "-q"])
        models.append(read_artifact(str(tmp_path / "m.rbl"), "model")[1]["coefficients.npy"])
    assert models[0] == models[1]


def test_every_kind_of_column_goes_all_the_way(mixed: Path, tmp_path: Path, done: Invoke) -> None:
    for model in ("logistic", "gbm"):
        weights = ["--key", "id", "--sample-weight", "weight"]
        done(["pilot", mixed, "-l", "fraud", "-o", tmp_path / "p.rbl", "--model", model, *weights])
        guide = ["--pilot", tmp_path / "p.rbl"]
        done(["sample", mixed, *guide, "--rate", 0.2, "-o", tmp_path / "s.parquet"])
        done(["train", tmp_path / "s.parquet", "--model", model, "-o", tmp_path / "m.rbl"])
        fitted = read_model(str(tmp_path / "m.rbl"))
        assert set(fitted.kinds) <= {"amount", "shop", "member", "when", "vector"}
        assert {"amount", "shop"} <= set(fitted.kinds)
        scored = tmp_path / "pred.parquet"
        done(["predict", mixed, "--model", tmp_path / "m.rbl", "-o", scored])
        table = pq.read_table(scored)
        assert table.drop_columns(["rb_probability"]).equals(pq.read_table(mixed))
        weight = table["weight"].to_numpy()
        observed = weight @ (np.array(table["fraud"].to_pylist()) == "yes")
        # Some 400 positives: the observed share has a standard error of 5 to 6%.
        assert weight @ table["rb_probability"].to_numpy() / observed == pytest.approx(1, abs=0.2)


def test_same_seed_same_bytes(drawn: Path, tmp_path: Path, done: Invoke) -> None:
    outs = [tmp_path / "a.rbl", tmp_path / "b.rbl"]
    for out, threads in zip(outs, (1, 2), strict=True):
        done(["train", drawn, "-o", out, "--threads", threads, "-q"])
    assert outs[0].read_bytes() == outs[1].read_bytes()


def test_a_lost_design_is_refused_and_can_be_given(
    simulated: Simulated, tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    sample = tmp_path / "s.csv"
    done(["sample", simulated.path, "-l", "y", "--rate", 0.05, "-o", sample, "-q"])
    moved = tmp_path / "moved.csv"
    shutil.copy(sample, moved)
    out = tmp_path / "m.rbl"
    refused = rebalance(["train", moved, "-o", out])
    assert refused.exit_code == 4
    assert "no design" in refused.stderr
    assert "--design" in refused.stderr
    assert "--natural" in refused.stderr
    design = tmp_path / "s.csv.design.json"
    done(["train", moved, "--design", design, "--model", "logistic", "-o", out, "-q"])
    design.write_text(design.read_text()[:-30])
    refused = rebalance(["train", sample, "-o", out])
    assert refused.exit_code == 4
    assert "damaged" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--natural"], 2, "--natural"),
        (["-l", "x1"], 4, "drawn for --label y"),
        (["--positive", "0"], 4, "drawn for --positive 1"),
        (["--l2", "1"], 2, "--l2 is no option"),
        (["--model", "logistic", "--rounds", "3"], 2, "--rounds is no option"),
        (["--drop", "nothing"], 3, "'nothing'"),
        (["--model", "forrest"], 2, "forest"),
    ],
)
def test_bad_usage(
    drawn: Path, tmp_path: Path, rebalance: Invoke, arguments: list[str], code: int, words: str
) -> None:
    out = tmp_path / "m.rbl"
    result = rebalance(["train", drawn, "-o", out, *arguments])
    assert result.exit_code == code
    assert words in result.stderr
    assert not out.exists()


def test_naturals_need_a_label_and_no_correction(
    simulated: Simulated, tmp_path: Path, rebalance: Invoke
) -> None:
    base = ["train", simulated.path, "--natural", "-o", tmp_path / "m.rbl"]
    assert "--label" in rebalance(base).stderr
    result = rebalance([*base, "-l", "y", "--correction", "weight"])
    assert result.exit_code == 2
    assert "nothing to correct" in result.stderr


def test_a_table_that_does_not_fit_the_model(
    simulated: Simulated, drawn: Path, tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    model, path, out = tmp_path / "m.rbl", tmp_path / "t.parquet", tmp_path / "pred.parquet"
    done(["train", drawn, "--model", "logistic", "-o", model, "-q"])
    base = ["predict", path, "--model", model, "-o", out]
    pq.write_table(simulated.table.drop_columns(["x2"]), path)
    result = rebalance(base)
    assert result.exit_code == 3
    assert "needs the column 'x2'" in result.stderr
    words = pa.array(["a"] * 60_000)
    pq.write_table(simulated.table.set_column(1, "x2", words), path)
    result = rebalance(base)
    assert result.exit_code == 3
    assert "as a number" in result.stderr
    pq.write_table(simulated.table.append_column("rb_probability", simulated.table["x1"]), path)
    result = rebalance(base)
    assert result.exit_code == 3
    assert "'rb_probability' already" in result.stderr
    infinite = np.where(np.arange(60_000) == 5, np.inf, 0.0)
    pq.write_table(simulated.table.set_column(1, "x2", pa.array(infinite)), path)
    result = rebalance(base)
    assert result.exit_code == 3
    assert "infinite" in result.stderr
    assert "'x2'" in result.stderr
    assert not out.exists()


def test_missing_values_without_a_place_are_said(
    simulated: Simulated, drawn: Path, tmp_path: Path, done: Invoke
) -> None:
    model, path = tmp_path / "m.rbl", tmp_path / "t.parquet"
    done(["train", drawn, "--model", "logistic", "-o", model, "-q"])
    gaps = pa.array(simulated.table["x2"].to_numpy(), mask=np.arange(60_000) < 3)
    pq.write_table(simulated.table.set_column(1, "x2", gaps), path)
    result = done(["predict", path, "--model", model, "-o", tmp_path / "pred.parquet"])
    assert "3 values of 'x2' are missing" in result.stderr


def test_an_altered_model_is_refused(
    simulated: Simulated, drawn: Path, tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    model = tmp_path / "m.rbl"
    done(["train", drawn, "--model", "logistic", "-o", model, "-q"])
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(bytes(content))
    base = ["predict", simulated.path, "--model", model, "-o", tmp_path / "pred.parquet"]
    result = rebalance(base)
    assert result.exit_code == 4
    assert "altered" in result.stderr
    result = rebalance(["sample", simulated.path, "--pilot", model, "--rate", 0.1, "-o", "x.csv"])
    assert result.exit_code == 4
