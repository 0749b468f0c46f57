"""`train --calibrate-on` and `--recalibrate`: what is measured, stored, applied and refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from scipy.special import expit, logit

from rebalance.cli.main import cli
from rebalance.core.metrics import score
from rebalance.core.recalibration import METHODS
from rebalance.steps.artifacts.model import read_model
from rebalance.storage.artifacts import pack, read_artifact
from tests.conftest import Invoke, Simulated, simulate


def bent(count: int, seed: int) -> tuple[pa.Table, np.ndarray]:
    """A population whose log odds are -5 + x1 + 0.5 x2^2: no linear model has it."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((count, 2))
    log_odds = -5 + x[:, 0] + 0.5 * x[:, 1] ** 2
    y = rng.random(count) < expit(log_odds)
    return pa.table({"x1": x[:, 0], "x2": x[:, 1], "y": y.astype(np.int8)}), log_odds


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a linear model's sample, the table it came from, and another one."""
    from click.testing import CliRunner

    folder = tmp_path_factory.mktemp("bent")
    pq.write_table(bent(80_000, 1)[0], folder / "t.parquet")
    pq.write_table(bent(80_000, 2)[0], folder / "other.parquet")
    sample = ["--rate", "0.02", "-o", folder / "s.parquet", "-q"]
    for arguments in (
        ["pilot", folder / "t.parquet", "-l", "y", "--model", "gbm", "-o", folder / "p.rbl", "-q"],
        ["sample", folder / "t.parquet", "--pilot", folder / "p.rbl", *sample],
    ):
        result = CliRunner().invoke(cli, [str(each) for each in arguments])
        assert result.exit_code == 0, result.output
    return folder


def scored(done: Invoke, model: Path, table: Path, out: Path) -> pa.Table:
    done(["predict", table, "--model", model, "-o", out, "--sampled", "-q"])
    return pq.read_table(out)


def figures(table: pa.Table) -> dict[str, float]:
    return score(table["y"].to_numpy() == 1, table["rb_probability"].to_numpy())


def test_what_is_off_is_measured_and_warned_of_in_one_line(
    bad: Path, tmp_path: Path, done: Invoke
) -> None:
    out = tmp_path / "m.rbl"
    base = ["train", bad / "s.parquet", "--model", "logistic", "-o", out]
    result = done([*base, "--calibrate-on", bad / "other.parquet", "--json"])
    found = json.loads(result.stdout)["calibration"]
    # The same by the other way: predict, then evaluate.
    metrics = figures(scored(done, out, bad / "other.parquet", tmp_path / "p.parquet"))
    for name in ("predicted_over_observed", "calibration_slope", "calibration_intercept"):
        assert found[name]["estimate"] == pytest.approx(metrics[name], abs=1e-5)
        assert found[name]["low"] < found[name]["estimate"] < found[name]["high"]
    assert found["on"] == [str(bad / "other.parquet")]
    assert found["rows"] == 80_000
    assert found["positives"] == metrics["positives"]
    assert found["recalibration"] is None
    off = [name for name in found if name != "calibration_intercept" and excludes(found[name])]
    assert off, "the model is wrong enough for the test"
    warned = [line for line in result.stderr.splitlines() if "1 is outside" in line]
    assert len(warned) == 1
    assert "--recalibrate platt" in warned[0]
    manifest, _ = read_artifact(str(out), "model")
    assert manifest["calibration"]["calibration_slope"] == found["calibration_slope"]
    assert manifest["recalibration"] is None
    assert len(manifest["calibrated_on"]) == 64


def excludes(found: object) -> bool:
    return isinstance(found, dict) and "low" in found and not found["low"] <= 1 <= found["high"]


@pytest.mark.parametrize("method", METHODS)
def test_a_recalibration_is_kept_in_the_model_and_applied(
    bad: Path, tmp_path: Path, done: Invoke, method: str
) -> None:
    plain, mended = tmp_path / "plain.rbl", tmp_path / "mended.rbl"
    base = ["train", bad / "s.parquet", "--model", "logistic"]
    done([*base, "-o", plain, "-q"])
    extra = ["--calibrate-on", bad / "other.parquet", "--recalibrate", method]
    shown = done([*base, "-o", mended, *extra]).stderr
    assert f"{method}: " in shown
    before = scored(done, plain, bad / "t.parquet", tmp_path / "a.parquet")
    after = scored(done, mended, bad / "t.parquet", tmp_path / "b.parquet")
    manifest, _ = read_artifact(str(mended), "model")
    given = manifest["recalibration"]
    own = logit(before["rb_probability"].to_numpy())
    p = expit(own)
    expected = {
        "intercept": lambda: own + given["intercept"],
        "platt": lambda: given["intercept"] + given["slope"] * own,
        "beta": lambda: given["a"] * np.log(p) - given["b"] * np.log(1 - p) + given["c"],
        "isotonic": lambda: np.interp(own, given["knots"], given["values"]),
    }[method]()
    assert logit(after["rb_probability"].to_numpy()) == pytest.approx(expected, abs=1e-9)
    # The model's own scale stays what it was.
    assert before["rb_probability_sampled"].equals(after["rb_probability_sampled"])
    # Fitted on one table, true on another: some 1,950 positives in each, so that their ratio has a
    # standard error of sqrt(2 / 1,950) = 3.2%; the bound is four.
    assert figures(after)["predicted_over_observed"] == pytest.approx(1, abs=0.13)
    assert figures(after)["log_loss"] < figures(before)["log_loss"]


def test_the_table_that_was_sampled_is_predicted_by_models_that_did_not_see_its_rows(
    simulated: Simulated, tmp_path: Path, done: Invoke
) -> None:
    # Fast trees on few rows remember them: on rows of their own the slope is far higher.
    done(["sample", simulated.path, "-l", "y", "--rate", 0.05, "-o", tmp_path / "s.parquet", "-q"])
    base = ["train", tmp_path / "s.parquet", "--rounds", 60, "--learning-rate", 0.2, "--json"]
    other = tmp_path / "other.parquet"
    pq.write_table(simulate(60_000, 8)[0], other)
    turned = tmp_path / "turned.parquet"
    pq.write_table(simulated.table.take(np.arange(60_000)[::-1]), turned)
    slopes = {}
    for name, paths in (
        ("own", [simulated.path]),
        ("other", [other]),
        ("both", [simulated.path, other]),
        ("turned", [turned]),
    ):
        on = [part for path in paths for part in ("--calibrate-on", path)]
        result = done([*base, "-o", tmp_path / "m.rbl", *on])
        found = json.loads(result.stdout)["calibration"]
        slopes[name] = found["calibration_slope"]["estimate"]
        rows = found["rows_out_of_fold"]
        assert rows == (pq.read_metadata(tmp_path / "s.parquet").num_rows * (name in "own both"))
        assert ("in another order" in result.stderr) == (name == "turned")
    # The slope's standard error is some 0.03 in either, and four fifths of the rows overfit more.
    assert slopes["own"] == pytest.approx(slopes["other"], abs=0.15)
    assert slopes["both"] == pytest.approx(slopes["other"], abs=0.15)
    assert slopes["other"] < 0.8
    assert slopes["turned"] > slopes["own"] + 0.15


def test_auto_does_what_the_intervals_say(
    bad: Path, simulated: Simulated, tmp_path: Path, done: Invoke
) -> None:
    out = tmp_path / "m.rbl"
    base = ["--model", "logistic", "-o", out, "--recalibrate", "auto"]
    on = ["--calibrate-on", bad / "other.parquet"]
    result = done(["train", bad / "s.parquet", *base, *on])
    assert "auto is platt" in result.stderr
    model = read_model(str(out))
    assert model.recalibration is not None
    assert model.recalibration.method == "platt"
    # A logistic model of a logistic population: nothing to do.
    done(["sample", simulated.path, "-l", "y", "--rate", 0.1, "-o", tmp_path / "s.parquet", "-q"])
    result = done(["train", tmp_path / "s.parquet", *base, "--calibrate-on", simulated.path])
    assert "auto changes nothing" in result.stderr
    assert read_model(str(out)).recalibration is None


def test_the_same_bytes_with_any_batches_threads_and_format(
    bad: Path, tmp_path: Path, done: Invoke
) -> None:
    pcsv.write_csv(pq.read_table(bad / "other.parquet"), tmp_path / "other.csv")
    found = []
    for table, options in (
        (bad / "other.parquet", ["--threads", 1]),
        (bad / "other.parquet", ["--threads", 2, "--batch-rows", 777]),
        (tmp_path / "other.csv", []),
    ):
        out = tmp_path / "m.rbl"
        base = ["train", bad / "s.parquet", "--model", "logistic", "-o", out, "-q"]
        done([*base, "--calibrate-on", table, "--recalibrate", "beta", *options])
        found.append(out.read_bytes())
    assert found[0] == found[1]
    manifest, _ = read_artifact(str(tmp_path / "m.rbl"), "model")
    assert manifest["recalibration"] == read_model(str(out)).recalibration.to_document()
    # Of a CSV only the digest of the file is another one.
    digests = [text.split(b'"calibrated_on"')[1].split(b'"')[1] for text in found]
    assert digests[0] != digests[2]
    document = [
        text.split(b'"calibration": ')[1].split(b'"constant_log_odds"')[0] for text in found
    ]
    assert document[0] == document[2]


def test_weights_count_and_make_it_a_sandwich(mixed: Path, tmp_path: Path, done: Invoke) -> None:
    weight = ["--sample-weight", "weight"]
    done(["pilot", mixed, "-l", "fraud", "-o", tmp_path / "p.rbl", "--drop", "id", *weight])
    guide = ["--pilot", tmp_path / "p.rbl"]
    done(["sample", mixed, *guide, "--rate", 0.3, "-o", tmp_path / "s.parquet", "-q"])
    base = ["train", tmp_path / "s.parquet", "--model", "logistic", "-o", tmp_path / "m.rbl"]
    # Half of the rows twice over: another table, so that no row counts as one trained on.
    half = pq.read_table(mixed).slice(0, 3_000)
    pq.write_table(half, tmp_path / "half.parquet")
    result = done([*base, "--calibrate-on", tmp_path / "half.parquet", "--json"])
    found = json.loads(result.stdout)["calibration"]
    done(["predict", tmp_path / "half.parquet", "--model", tmp_path / "m.rbl",
          "-o", tmp_path / "pred.parquet", "-q"])  # fmt: skip
    evaluated = done(["evaluate", tmp_path / "pred.parquet", "-l", "fraud", *weight, "--json"])
    metrics = json.loads(evaluated.stdout)["metrics"]["rb_probability"]
    for name in ("predicted_over_observed", "calibration_slope"):
        assert found[name]["estimate"] == pytest.approx(metrics[name], abs=1e-5)
    table = pq.read_table(tmp_path / "pred.parquet")
    w, p = table["weight"].to_numpy(), table["rb_probability"].to_numpy()
    y = np.array(table["fraud"].to_pylist()) == "yes"
    ratio = (w @ p) / (w @ y)
    error = np.sqrt((w**2 * (p - ratio * y) ** 2).sum()) / (w @ p)
    over = found["predicted_over_observed"]
    assert np.log(over["high"] / over["low"]) == pytest.approx(2 * 1.959964 * error, rel=1e-5)


def test_from_the_sample_alone(
    simulated: Simulated, piloted: Path, tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    guide = ["--pilot", piloted]
    done(["sample", simulated.path, *guide, "--rate", 0.02, "-o", tmp_path / "s.parquet", "-q"])
    base = ["train", tmp_path / "s.parquet", "--model", "logistic", "-o", tmp_path / "m.rbl"]
    for correction in ("offset", "posthoc", "weight"):
        result = done([*base, "--correction", correction, "--check-calibration", "--json"])
        found = json.loads(result.stdout)["calibration"]
        assert (found["from"], found["on"]) == ("sample", None)
        assert found["rows_out_of_fold"] == found["rows"]
        over = found["predicted_over_observed"]
        # The model is right, so the truth is 1: four standard errors.
        assert abs(np.log(over["estimate"])) < np.log(over["high"] / over["low"]) * 4 / 3.92
        # With some 1,200 positives the half-width is 1.96 / sqrt(1,200) = 0.057 and more.
        assert "--calibrate-on" in result.stderr
    refused = rebalance([*base, "--recalibrate", "platt"])
    assert refused.exit_code == 5
    assert "--calibrate-on" in refused.stderr
    assert read_model(str(tmp_path / "m.rbl")).correction == "weight"  # what was there is there


def test_a_sample_that_is_large_enough_recalibrates_itself(tmp_path: Path, done: Invoke) -> None:
    table = tmp_path / "t.parquet"
    # Some 2,400 positives: half-widths of 0.04, 1.96 / sqrt(2,400), over log odds that spread by 1.
    pq.write_table(bent(100_000, 4)[0], table)
    base = ["train", table, "-l", "y", "--natural", "--model", "logistic", "-o", tmp_path / "m.rbl"]
    result = done([*base, "--recalibrate", "isotonic"])
    assert "out of fold" in result.stderr
    model = read_model(str(tmp_path / "m.rbl"))
    assert model.recalibration is not None
    assert model.recalibration.method == "isotonic"


def natural(change: str, table: pa.Table) -> pa.Table:
    y = table["y"].to_numpy()
    first = int(np.flatnonzero(y)[0])
    return {
        "no positives": lambda: table.filter(pa.array(y == 0)),
        "no negatives": lambda: table.filter(pa.array(y == 1)),
        "no label": lambda: table.drop_columns(["y"]),
        "no feature": lambda: table.drop_columns(["x2"]),
        "another value": lambda: table.set_column(2, "y", pa.array(np.where(y == 1, 2, 0))),
        "single positive": lambda: table.take(np.append(np.flatnonzero(y == 0)[:4_000], first)),
        "all the same": lambda: pa.table(
            {"x1": np.zeros(500), "x2": np.zeros(500), "y": (np.arange(500) < 9).astype(np.int8)}
        ),
        "certain": lambda: pa.table(
            {"x1": np.array([-1e4, 1e4, 0.0, 0.5]), "x2": np.zeros(4), "y": [0, 1, 1, 0]}
        ),
    }[change]()


@pytest.mark.parametrize(
    ("change", "extra", "code", "words"),
    [
        ("no positives", [], 3, ["no positives", "natural.parquet"]),
        ("no negatives", [], 3, ["no negatives"]),
        ("no label", [], 3, ["'y'"]),
        ("no feature", [], 3, ["needs the column 'x2'"]),
        ("another value", [], 3, ["value '2'", "row"]),
        ("single positive", ["--recalibrate", "intercept"], 0, ["predicted/observed"]),
        ("all the same", [], 0, ["are the same", "not known"]),
        ("all the same", ["--recalibrate", "platt"], 5, ["are the same", "intercept"]),
        ("all the same", ["--recalibrate", "isotonic"], 5, ["are the same"]),
        ("all the same", ["--recalibrate", "intercept"], 0, ["recalibrated by"]),
        ("certain", ["--recalibrate", "intercept"], 0, ["recalibrated by"]),
    ],
)
def test_tables_that_do_not_serve(
    bad: Path,
    tmp_path: Path,
    rebalance: Invoke,
    change: str,
    extra: list[str],
    code: int,
    words: list[str],
) -> None:
    table, out = tmp_path / "natural.parquet", tmp_path / "m.rbl"
    pq.write_table(natural(change, pq.read_table(bad / "other.parquet")), table)
    base = ["train", bad / "s.parquet", "--model", "logistic", "-o", out]
    result = rebalance([*base, "--calibrate-on", table, *extra])
    assert result.exit_code == code, result.stderr
    for word in words:
        assert word in result.stderr
    assert out.exists() == (code == 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--calibrate-on", "{s}"], ["is a sample", "'rb_"]),
        (["--calibrate-on", "{t}", "--check-calibration"], ["leave --check-calibration out"]),
        (["--calibrate-on", "{t}", "--recalibrate", "spline"], ["spline"]),
        (["--calibrate-on", "nothing*.parquet"], ["nothing*.parquet"]),
    ],
)
def test_bad_usage(
    bad: Path, tmp_path: Path, rebalance: Invoke, arguments: list[str], words: list[str]
) -> None:
    names = {"s": bad / "s.parquet", "t": bad / "t.parquet"}
    given = [argument.format_map(names) for argument in arguments]
    out = tmp_path / "m.rbl"
    result = rebalance(["train", bad / "s.parquet", "--model", "logistic", "-o", out, *given])
    assert result.exit_code in (2, 3)
    for word in words:
        assert word in result.stderr
    assert not out.exists()


def test_a_table_is_never_replaced_by_the_model(
    bad: Path, tmp_path: Path, rebalance: Invoke
) -> None:
    table = tmp_path / "t.parquet"
    table.write_bytes((bad / "t.parquet").read_bytes())
    base = ["train", bad / "s.parquet", "--model", "logistic", "-o", table]
    result = rebalance([*base, "--calibrate-on", table])
    assert result.exit_code == 2
    assert "also an input" in result.stderr
    result = rebalance(["train", "-", "--calibrate-on", "-", "-o", tmp_path / "m.rbl"])
    assert result.exit_code == 2
    assert "standard input" in result.stderr


def test_a_model_of_an_earlier_version_has_no_recalibration(
    bad: Path, tmp_path: Path, done: Invoke
) -> None:
    out = tmp_path / "m.rbl"
    done(["train", bad / "s.parquet", "--model", "logistic", "-o", out, "-q"])
    manifest, members = read_artifact(str(out), "model")
    for name in ("recalibration", "calibration", "calibrated_on", "members"):
        del manifest[name]
    out.write_bytes(pack("model", manifest, members))
    assert read_model(str(out)).recalibration is None


def test_too_few_to_hold_any_out(bad: Path, tmp_path: Path, rebalance: Invoke) -> None:
    table = pq.read_table(bad / "t.parquet")
    y = table["y"].to_numpy()
    few = np.sort(np.append(np.flatnonzero(y == 0)[:2_000], np.flatnonzero(y == 1)[:3]))
    pq.write_table(table.take(few), tmp_path / "few.parquet")
    sample = ["-l", "y", "--rate", 0.5, "-o", tmp_path / "s.parquet", "-q"]
    assert rebalance(["sample", tmp_path / "few.parquet", *sample]).exit_code == 0
    base = ["train", tmp_path / "s.parquet", "--model", "logistic", "-o", tmp_path / "m.rbl"]
    result = rebalance([*base, "--check-calibration"])
    assert result.exit_code == 5
    assert "a class has 3 rows" in result.stderr
    result = rebalance([*base, "--calibrate-on", tmp_path / "few.parquet"])
    assert result.exit_code == 0
    assert "looks better than it is" in result.stderr
