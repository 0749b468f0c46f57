"""Learners beside gbm and logistic, from the command line: calibrated, refused, and read again."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import skops.io
from click.testing import CliRunner

from rebalance.cli.main import cli
from rebalance.learners.catalogue import ENTRIES
from rebalance.steps.artifacts.model import read_model
from rebalance.steps.predictions import SCALE_KEY
from rebalance.storage.artifacts import pack, read_artifact
from rebalance.storage.inputs import open_table
from tests.conftest import Invoke, simulate

FEW = {
    "forest": ("n_estimators=15",),
    "balanced-forest": ("n_estimators=15",),
    "balanced-bagging": ("n_estimators=8",),
    "easy-ensemble": ("n_estimators=3", "stumps=8"),
    "rusboost": ("n_estimators=10", "max_depth=2"),
}
DETECTORS = {"isolation-forest": ("n_estimators=10",)}


def sets(name: str) -> list[str]:
    return [part for each in (FEW | DETECTORS).get(name, ()) for part in ("--set", each)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A population of 12,000 rows, a uniform sample and a smote sample of it, and another one."""
    made = tmp_path_factory.mktemp("learners")
    pq.write_table(simulate(12_000, 3)[0], made / "t.parquet")
    table, log_odds = simulate(20_000, 4)
    pq.write_table(table.append_column("truth", pa.array(log_odds)), made / "other.parquet")
    sample = ["sample", made / "t.parquet", "-l", "y", "-q"]
    for arguments in (
        [*sample, "--rate", 0.1, "-o", made / "s.parquet"],
        [*sample, "--method", "smote", "--ratio", 9, "-o", made / "smote.parquet"],
    ):
        result = CliRunner().invoke(cli, [str(each) for each in arguments])
        assert result.exit_code == 0, result.output
    return made


def trained(done: Invoke, folder: Path, out: Path, name: str, *rest: object) -> str:
    given = ["--model", name, *sets(name), "--calibrate-on", folder / "t.parquet", *rest]
    return done(["train", folder / "s.parquet", "-o", out, *given]).output


def predicted(done: Invoke, folder: Path, model: Path, out: Path) -> pa.Table:
    done(["predict", folder / "other.parquet", "--model", model, "-o", out, "-q"])
    return pq.read_table(out)


@pytest.mark.parametrize("name", FEW)
def test_a_calibrated_ensemble_gives_the_populations_probabilities(
    name: str, folder: Path, tmp_path: Path, done: Invoke
) -> None:
    said = trained(done, folder, tmp_path / "m.rbl", name)
    assert f"--model {name} is calibrated by platt" in said
    model = read_model(str(tmp_path / "m.rbl"))
    assert (model.learner, model.scale, model.correction) == (name, "sample", "posthoc")
    assert model.needs_calibration
    assert model.recalibration is not None
    assert model.recalibration.method == "platt"
    table = predicted(done, folder, tmp_path / "m.rbl", tmp_path / "p.parquet")
    prob, truth = table["rb_probability"].to_numpy(), table["truth"].to_numpy()
    # The level is that of some 260 positives of the table: a share known to 1 / sqrt(260) = 6%,
    # three of which are 19%. On the natural scale it cannot be ten times the truth, as before.
    expected = (1 / (1 + np.exp(-truth))).sum()
    assert abs(prob.sum() / expected - 1) < 0.19
    # A few trees of 260 positives are coarse; by chance a correlation is within 4 / sqrt(20,000).
    assert np.corrcoef(np.log(prob / (1 - prob)), truth)[0, 1] > 0.4
    written = open_table([str(tmp_path / "p.parquet")]).metadata[SCALE_KEY.encode()]
    assert json.loads(written) == {"rb_probability": "population"}


def test_without_a_calibration_probabilities_are_called_the_samples(
    folder: Path, tmp_path: Path, done: Invoke
) -> None:
    given = ["--model", "forest", *sets("forest"), "-o", tmp_path / "m.rbl"]
    said = done(["train", folder / "s.parquet", *given]).output
    assert "not calibrated" in said
    assert "--calibrate-on TABLE" in said
    out = ["--model", tmp_path / "m.rbl", "-o", tmp_path / "p.parquet"]
    said = done(["predict", folder / "other.parquet", *out]).output
    assert "'rb_probability_sampled' is on the scale of what it was trained on" in said
    table = pq.read_table(tmp_path / "p.parquet")
    assert "rb_probability" not in table.column_names
    # In the sample 2% stand against a tenth of 98%: some 17% are positive.
    assert 0.1 < table["rb_probability_sampled"].to_numpy().mean() < 0.3


def test_a_sample_without_known_probabilities_is_calibrated_too(
    folder: Path, tmp_path: Path, done: Invoke
) -> None:
    given = ["--model", "forest", *sets("forest"), "--calibrate-on", folder / "t.parquet"]
    done(["train", folder / "smote.parquet", *given, "-o", tmp_path / "m.rbl", "-q"])
    table = predicted(done, folder, tmp_path / "m.rbl", tmp_path / "p.parquet")
    expected = (1 / (1 + np.exp(-table["truth"].to_numpy()))).sum()
    assert abs(table["rb_probability"].to_numpy().sum() / expected - 1) < 0.19


def test_hist_gbm_is_corrected_after_the_fit(folder: Path, tmp_path: Path, done: Invoke) -> None:
    given = ["--model", "hist-gbm", "--rounds", 20, "--learning-rate", 0.1, "--leaves", 6]
    done(["train", folder / "s.parquet", *given, "-o", tmp_path / "m.rbl", "-q"])
    model = read_model(str(tmp_path / "m.rbl"))
    assert (model.scale, model.correction, model.gives_population) == ("sample", "posthoc", True)
    table = predicted(done, folder, tmp_path / "m.rbl", tmp_path / "p.parquet")
    expected = (1 / (1 + np.exp(-table["truth"].to_numpy()))).sum()
    # 1,170 negatives and 260 positives: the level is known to some 7%, and boosting is not exact.
    assert abs(table["rb_probability"].to_numpy().sum() / expected - 1) < 0.3


@pytest.mark.parametrize("name", ["isolation-forest", "one-class-svm", "pyod:gmm"])
@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_scores_of_the_common_class_become_probabilities(
    name: str, method: str, folder: Path, tmp_path: Path, done: Invoke
) -> None:
    """Positives are more often far out, in one direction; the level is known as of ensembles."""
    if name.startswith("pyod"):
        pytest.importorskip("pyod")
    given = [] if method == "platt" else ["--recalibrate", method]
    said = trained(done, folder, tmp_path / "m.rbl", name, *given)
    assert ("is calibrated by platt" in said) == (method == "platt")
    model = read_model(str(tmp_path / "m.rbl"))
    assert (model.scale, model.correction) == ("score", "none")
    assert model.recalibration is not None
    assert model.recalibration.method == method
    table = predicted(done, folder, tmp_path / "m.rbl", tmp_path / "p.parquet")
    expected = (1 / (1 + np.exp(-table["truth"].to_numpy()))).sum()
    assert abs(table["rb_probability"].to_numpy().sum() / expected - 1) < 0.19


def test_scores_stay_no_probabilities_on_request(
    folder: Path, tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    name = "isolation-forest"
    given = ["--model", name, *sets(name), "--calibrate-on", folder / "t.parquet"]
    out = ["-o", tmp_path / "m.rbl"]
    result = rebalance(["train", folder / "s.parquet", *given, "--recalibrate", "none", *out])
    assert result.exit_code == 2
    assert "--recalibrate none leaves the scores" in " ".join(result.output.split())
    done(["train", folder / "s.parquet", *given, *out, "-q"])
    asked = ["--model", tmp_path / "m.rbl", "--sampled", "-o", tmp_path / "p.parquet"]
    result = rebalance(["predict", folder / "other.parquet", *asked])
    assert result.exit_code == 2
    assert "the model gives scores" in result.output


def test_xgboost_is_offset_and_starts_from_the_pilot(
    folder: Path, tmp_path: Path, done: Invoke
) -> None:
    pytest.importorskip("xgboost")
    table = folder / "t.parquet"
    done(["pilot", table, "-l", "y", "-o", tmp_path / "p.rbl", "-q"])
    kept = ["--pilot", tmp_path / "p.rbl", "--rate", 0.1, "-o", tmp_path / "s.parquet", "-q"]
    done(["sample", table, *kept])
    given = ["--model", "xgboost", "--rounds", 10, "--leaves", 4, "-q"]
    done(["train", tmp_path / "s.parquet", *given, "-o", tmp_path / "m.rbl"])
    model = read_model(str(tmp_path / "m.rbl"))
    assert (model.scale, model.correction, model.starts_from_pilot) == (
        "population", "offset", True,
    )  # fmt: skip
    found = predicted(done, folder, tmp_path / "m.rbl", tmp_path / "p.parquet")
    prob, truth = found["rb_probability"].to_numpy(), found["truth"].to_numpy()
    assert abs(prob.sum() / (1 / (1 + np.exp(-truth))).sum() - 1) < 0.19
    # The pilot alone, which travels in the model, is a logistic model of the right form.
    assert np.corrcoef(np.log(prob / (1 - prob)), truth)[0, 1] > 0.9


@pytest.mark.parametrize("name", ["forest", "balanced-bagging", "easy-ensemble", "hist-gbm"])
def test_the_same_bytes_come_whatever_the_threads(
    name: str, folder: Path, tmp_path: Path, done: Invoke
) -> None:
    rounds = ["--rounds", 5] if name == "hist-gbm" else []
    for place, threads in (("a", 1), ("b", 2)):
        given = ["--model", name, *sets(name), *rounds, "--threads", threads, "-q"]
        done(["train", folder / "s.parquet", *given, "-o", tmp_path / f"{place}.rbl"])
    assert (tmp_path / "a.rbl").read_bytes() == (tmp_path / "b.rbl").read_bytes()


def test_rows_on_which_all_trees_agree_are_counted_and_finite(
    folder: Path, tmp_path: Path, done: Invoke
) -> None:
    given = ["--model", "forest", "--set", "n_estimators=3", "--set", "min_samples_leaf=1"]
    done(["train", folder / "s.parquet", *given, "-o", tmp_path / "m.rbl", "-q"])
    out = ["--model", tmp_path / "m.rbl", "-o", tmp_path / "p.parquet"]
    said = done(["predict", folder / "other.parquet", *out]).output
    prob = pq.read_table(tmp_path / "p.parquet")["rb_probability_sampled"].to_numpy()
    # Half a vote of three: (0 + 1/2) / (3 + 1), and one less that.
    assert prob.min() == pytest.approx(1 / 8)
    assert prob.max() == pytest.approx(7 / 8)
    agreed = int((np.isclose(prob, 1 / 8) | np.isclose(prob, 7 / 8)).sum())
    assert f"agree on {agreed:,} rows" in " ".join(said.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "forests"], "the nearest is 'forest'"),
        (["--model", "forest", "--correction", "offset"], "--correction posthoc"),
        (["--model", "forest", "--rounds", 5], "--rounds is no option"),
        (["--model", "forest", "--set", "n_estimator=5"], "the nearest is 'n_estimators'"),
        (["--model", "forest", "--set", "n_estimators=0"], "a whole number of at least 1"),
        (["--model", "gbm", "--set", "n_estimators=5"], "it has none: leave --set out"),
        (["--model", "balanced-forest", "--sample-weight", "x1"], "takes no weights"),
        (["--model", "isolation-forest"], "gives scores, which are no probabilities"),
        (["--model", "isolation-forest", "--correction", "posthoc"], "cannot be corrected by"),
        (["--model", "forest", "--cost", "fp=1,fn=9"], "give --calibrate-on TABLE"),
        (["--model", "pyod:ecod"], "the rows beside it"),
        (["--model", "pyod:knnn"], "the nearest is 'knn'"),
    ],
)
def test_what_a_learner_cannot_do_is_refused(
    arguments: list[object], words: str, folder: Path, tmp_path: Path, rebalance: Invoke
) -> None:
    result = rebalance(["train", folder / "s.parquet", *arguments, "-o", tmp_path / "m.rbl"])
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())
    assert not (tmp_path / "m.rbl").exists()


def test_a_tampered_model_ends_in_one_line_and_runs_nothing(
    folder: Path, tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    """Whoever alters a model can make its digests anew: these are no protection, the list is."""
    given = ["--model", "forest", "--set", "n_estimators=2", "-q", "-o", tmp_path / "m.rbl"]
    done(["train", folder / "s.parquet", *given])
    manifest, members = read_artifact(str(tmp_path / "m.rbl"), "model")
    harm = functools.partial(os.system, f"touch {tmp_path / 'ran'}")
    members["trees.skops"] = skops.io.dumps([harm])
    del manifest["members"]
    (tmp_path / "m.rbl").write_bytes(pack("model", manifest, members))
    out = ["--model", tmp_path / "m.rbl", "-o", tmp_path / "p.parquet"]
    result = rebalance(["predict", folder / "other.parquet", *out])
    assert result.exit_code == 4
    assert "functools.partial" in result.output
    assert "nothing of it was run" in " ".join(result.output.split())
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "p.parquet").exists()


def test_a_limit_on_memory_counts_the_trees(
    folder: Path, tmp_path: Path, rebalance: Invoke
) -> None:
    given = ["--model", "forest", "--memory-limit", "1GB", "-o", tmp_path / "m.rbl"]
    # 1,430 rows: 120 bytes for each and 10,000 trees are 1.6 GB.
    result = rebalance(["train", folder / "s.parquet", *given, "--set", "n_estimators=10000"])
    assert result.exit_code == 2
    assert "the memory limit of 1,024 MB is too small" in " ".join(result.output.split())


def test_models_lists_every_learner(done: Invoke) -> None:
    found = json.loads(done(["train", "--models", "--json"]).output)["models"]
    assert [each["name"] for each in found][: len(ENTRIES)] == list(ENTRIES)
    shown = done(["train", "--models"]).output
    assert "not that a model is right" in " ".join(shown.split())
    assert all(name in shown for name in ENTRIES)


def test_a_forest_refuses_many_classes(tmp_path: Path, rebalance: Invoke) -> None:
    rng = np.random.default_rng(1)
    table = pa.table({"x": rng.standard_normal(300), "y": rng.choice(["a", "b", "c"], 300)})
    pq.write_table(table, tmp_path / "t.parquet")
    given = ["--natural", "-l", "y", "--model", "forest", "-o", tmp_path / "m.rbl"]
    result = rebalance(["train", tmp_path / "t.parquet", *given])
    assert result.exit_code == 2
    assert "knows two classes only" in " ".join(result.output.split())


def test_run_calibrates_a_forest_and_takes_a_gbm_for_its_pilot(
    folder: Path, tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    pq.write_table(pq.read_table(folder / "t.parquet").slice(0, 6_000), tmp_path / "t.parquet")
    given = ["-l", "y", "--rate", 0.1, "--model", "forest", *sets("forest"), "-o", tmp_path / "out"]
    result = rebalance(["run", tmp_path / "t.parquet", *given, "--recalibrate", "none"])
    assert result.exit_code == 2
    assert "only once it is calibrated" in " ".join(result.output.split())
    done(["run", tmp_path / "t.parquet", *given, "-q"])
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["pilot"]["model"] == "gbm"
    assert report["train"]["calibration"]["recalibration"]["method"] == "platt"
    assert "rb_probability" in pq.read_schema(tmp_path / "out" / "predictions.parquet").names
