"""Class weights, losses and costs from the command line, reopened."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import INTERCEPT, SLOPES, Invoke, Simulated

TRUTH = np.array([INTERCEPT, *SLOPES])
WEIGHTS = ["balanced", "inverse", "sqrt", "effective:0.999", "1=30,0=1"]


def sigmoid(log_odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-log_odds))


def undone(v: np.ndarray, gamma: float) -> np.ndarray:
    """The probability of a focal score, by h(q) as it is written."""
    q = sigmoid(v)
    up = q / ((1 - q) ** gamma - gamma * (1 - q) ** (gamma - 1) * q * np.log(q))
    down = (1 - q) / (q**gamma - gamma * q ** (gamma - 1) * (1 - q) * np.log1p(-q))
    return up / (up + down)


def design_matrix(table: pa.Table) -> np.ndarray:
    x = [table.column(f"x{at}").to_numpy() for at in (1, 2, 3)]
    return np.column_stack([np.ones(table.num_rows), *x])


def predicted(done: Invoke, model: Path, table: Path, *more: str) -> pa.Table:
    out = model.with_suffix(".parquet")
    done(["predict", table, "--model", model, "-o", out, "-q", *more])
    return pq.read_table(out)


def trained(done: Invoke, arguments: Sequence[object]) -> dict[str, object]:
    found: dict[str, object] = json.loads(done(["train", *arguments, "--json", "-q"]).stdout)
    return found


@pytest.mark.parametrize("spec", WEIGHTS)
def test_weighted_coefficients_are_the_truth_again(
    spec: str, simulated: Simulated, tmp_path: Path, done: Invoke
) -> None:
    model = tmp_path / "m.rbl"
    given = ["--natural", "-l", "y", "--model", "logistic", "--class-weight", spec]
    document = trained(done, [simulated.path, *given, "-o", model])
    weighting = document["weighting"]
    assert isinstance(weighting, dict)
    assert weighting["correction"] == "exact"
    y = simulated.table.column("y").to_numpy()
    n1, n = y.sum(), len(y)
    ratio = {
        "balanced": (n - n1) / n1,
        "inverse": (n - n1) / n1,
        "sqrt": ((n - n1) / n1) ** 0.5,
        "effective:0.999": (1 - 0.999 ** (n - n1)) / (1 - 0.999**n1),
        "1=30,0=1": 30.0,
    }[spec]
    assert weighting["weights"]["1"] / weighting["weights"]["0"] == pytest.approx(ratio)
    # The sandwich at the truth: weights w_1 = ratio and w_0 = 1, q the weighted probability.
    z = design_matrix(simulated.table)
    p, q = sigmoid(simulated.log_odds), sigmoid(simulated.log_odds + np.log(ratio))
    curved = (p * ratio + 1 - p) * q * (1 - q)
    spread = p * (ratio * (1 - q)) ** 2 + (1 - p) * q**2
    inverse = np.linalg.inv((z * curved[:, None]).T @ z)
    errors = np.sqrt(np.diag(inverse @ ((z * spread[:, None]).T @ z) @ inverse))
    estimates = document["estimates"]
    assert isinstance(estimates, dict)
    found = np.array([each["coefficient"] for each in estimates["coefficients"]])
    assert (np.abs(found - TRUTH) < 4 * errors).all()
    assert estimates["variance"] == "sandwich"
    reported = [each["standard_error"] for each in estimates["coefficients"]]
    assert reported == pytest.approx(errors, rel=0.15)
    prob = predicted(done, model, simulated.path).column("rb_probability").to_numpy()
    # A share of n1 positives is known to 1 / sqrt(n1), and weighting is no better.
    assert prob.sum() / sigmoid(simulated.log_odds).sum() == pytest.approx(1, abs=6 / n1**0.5)


def test_weighted_fits_are_scikit_learns_but_for_the_correction(
    simulated: Simulated, tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    from sklearn.linear_model import LogisticRegression

    model = tmp_path / "m.rbl"
    given = ["--natural", "-l", "y", "--model", "logistic", "--l2", 0, "--class-weight", "balanced"]
    done(["train", simulated.path, *given, "-o", model, "-q"])
    x, y = design_matrix(simulated.table)[:, 1:], simulated.table.column("y").to_numpy()
    theirs = LogisticRegression(C=1e12, class_weight="balanced", tol=1e-9, max_iter=1000)
    theirs.fit(x, y)
    log_odds = theirs.decision_function(x)
    ratio = (y == 0).sum() / y.sum()
    kept = predicted(done, model, simulated.path, "--sampled")
    corrected = sigmoid(log_odds - np.log(ratio))
    assert kept.column("rb_probability").to_numpy() == pytest.approx(corrected, rel=1e-4)
    fitted = kept.column("rb_probability_sampled").to_numpy()
    assert fitted == pytest.approx(sigmoid(log_odds), rel=1e-4)
    # --scale sample leaves them as fitted, and says so.
    done(["train", simulated.path, *given, "--scale", "sample", "-o", model, "-q"])
    left = predicted(done, model, simulated.path)
    assert "rb_probability" not in left.column_names
    assert left.column("rb_probability_sampled").to_numpy() == pytest.approx(fitted, rel=1e-12)
    metadata = pq.read_metadata(model.with_suffix(".parquet")).metadata
    scale = json.loads(metadata[b"rebalance.scale"])
    assert scale == {"rb_probability_sampled": "weighted"}
    # `correct` would take off the sampling alone.
    given = ["--probability", "rb_probability_sampled", "--rate", 0.5, "-o", tmp_path / "c.parquet"]
    refused = rebalance(["correct", model.with_suffix(".parquet"), *given])
    assert refused.exit_code == 3
    assert "class weights" in refused.stderr


def test_alpha_weighs_positives_against_the_rest(
    simulated: Simulated, tmp_path: Path, done: Invoke
) -> None:
    given = [simulated.path, "--natural", "-l", "y", "--model", "logistic"]
    found = []
    for name, more in (
        ("a", ["--loss", "focal", "--gamma", 0, "--alpha", 0.9]),
        ("b", ["--class-weight", "1=9"]),
        ("c", ["--loss", "focal", "--gamma", 0, "--alpha", 0.5]),
        ("d", []),
    ):
        model = tmp_path / f"{name}.rbl"
        done(["train", *given, *more, "-o", model, "-q"])
        found.append(predicted(done, model, simulated.path).column("rb_probability").to_numpy())
    assert found[0] == pytest.approx(found[1], rel=1e-9)
    assert found[2] == pytest.approx(found[3], rel=1e-9)
    assert np.abs(found[0] - found[2]).max() > 1e-4


@pytest.mark.parametrize("correction", ["offset", "posthoc", "weight"])
def test_a_weighted_sample_gives_the_populations_probabilities(
    correction: str, simulated: Simulated, drawn: Path, tmp_path: Path, done: Invoke
) -> None:
    model = tmp_path / "m.rbl"
    if correction == "posthoc":  # a line fits what is left only where pi is the same for all rows
        drawn = tmp_path / "u.parquet"
        done(["sample", simulated.path, "-l", "y", "--rate", 0.05, "-o", drawn, "-q"])
    given = ["--model", "logistic", "--class-weight", "balanced", "--correction", correction]
    trained(done, [drawn, *given, "-o", model])
    prob = predicted(done, model, simulated.path).column("rb_probability").to_numpy()
    sample = pq.read_table(drawn)
    y, pi = sample.column("y").to_numpy(), sample.column("rb_pi").to_numpy()
    n1 = y.sum()
    # Positives are known to 1 / sqrt(n1), negatives to sqrt(sum (1 - pi) / pi^2) / N.
    error = np.sqrt(1 / n1 + ((1 - pi) / pi**2)[y == 0].sum() / simulated.table.num_rows**2)
    ratio = prob.sum() / sigmoid(simulated.log_odds).sum()
    assert ratio == pytest.approx(1, abs=4 * error)


@pytest.fixture(scope="module")
def bent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60,000 rows whose focal scores of gamma 2 are linear: some 4% positives."""
    generator = np.random.default_rng(12)
    x = generator.standard_normal((60_000, 3))
    y = generator.random(60_000) < undone(-1.5 + x @ np.array([0.4, -0.3, 0.2]), 2.0)
    path = tmp_path_factory.mktemp("bent") / "bent.parquet"
    columns = {f"x{at + 1}": x[:, at] for at in range(3)}
    pq.write_table(pa.table(columns | {"y": y.astype(np.int8)}), path)
    return path


@pytest.mark.parametrize("source", ["natural", "sample", "weighted"])
def test_focal_scores_are_the_truth_again(
    source: str, bent: Path, tmp_path: Path, done: Invoke
) -> None:
    model, table = tmp_path / "m.rbl", bent
    given = ["--natural", "-l", "y"]
    if source != "natural":
        table, pilot, given = tmp_path / "s.parquet", tmp_path / "p.rbl", []
        done(["pilot", bent, "-l", "y", "-o", pilot, "-q"])
        done(["sample", bent, "--pilot", pilot, "--rate", 0.05, "-o", table, "-q"])
    given += ["--model", "logistic", "--loss", "focal", "--gamma", "2"]
    given += ["--correction", "weight"] if source == "weighted" else []
    document = trained(done, [table, *given, "-o", model])
    assert document["estimates"] is None
    whole = pq.read_table(bent)
    prob = predicted(done, model, bent).column("rb_probability").to_numpy()
    # Scores by interpolation in the closed form, and from them the coefficients.
    grid = np.linspace(-12, 12, 240_001)
    p = undone(grid, 2.0)
    score = np.interp(np.log(prob / (1 - prob)), np.log(p / (1 - p)), grid)
    z = design_matrix(whole)
    found, *_ = np.linalg.lstsq(z, score)
    assert z @ found == pytest.approx(score, abs=1e-5)
    # The log loss has the errors I^-1, I = sum p (1 - p) U'^2 z z' with U' >= 2.6 at gamma 2. The
    # focal loss weighs rows by 1/3 to .22, at most 1.5 times as far apart, which costs at most
    # (1.5 + 1 / 1.5)^2 / 4 = 1.17 in variance (Kantorovich); a sample of 5% keeps half or more of
    # the information here, and less with weights.
    truth = np.array([-1.5, 0.4, -0.3, 0.2])
    real = undone(z @ truth, 2.0)
    information = (z * (2.6**2 * real * (1 - real))[:, None]).T @ z
    kept = {"natural": 1.0, "sample": 0.5, "weighted": 0.25}[source]
    errors = np.sqrt(1.17 / kept * np.diag(np.linalg.inv(information)))
    assert (np.abs(found - truth) < 4 * errors).all()
    share = prob.sum() / real.sum()
    assert share == pytest.approx(1, abs=4 / np.sqrt(kept * real.sum()))


def test_calibration_of_held_out_fits_knows_weights_and_loss(
    bent: Path, tmp_path: Path, done: Invoke
) -> None:
    model = tmp_path / "m.rbl"
    given = ["--natural", "-l", "y", "--model", "logistic", "--loss", "focal"]
    given += ["--class-weight", "1=5", "--calibrate-on", bent]
    calibration = trained(done, [bent, *given, "-o", model])["calibration"]
    assert isinstance(calibration, dict)
    assert calibration["rows_out_of_fold"] == 60_000
    ratio = calibration["predicted_over_observed"]
    # The interval is of 95%: twice as far out is 4 standard errors.
    half = (ratio["high"] - ratio["low"]) / 2
    assert abs(ratio["estimate"] - 1) < 2 * half


def test_trees_are_called_approximate_and_come_near(
    simulated: Simulated, drawn: Path, tmp_path: Path, done: Invoke
) -> None:
    model = tmp_path / "m.rbl"
    true = sigmoid(simulated.log_odds).sum()
    for more in (["--class-weight", "balanced"], ["--loss", "cb-focal", "--beta", "0.9999"]):
        document = trained(done, [drawn, "--rounds", 60, *more, "-o", model])
        weighting, notes = document["weighting"], document["notes"]
        assert isinstance(weighting, dict)
        assert isinstance(notes, list)
        assert weighting["correction"] == "approximate"
        assert any("not exactly" in note for note in notes)
        prob = predicted(done, model, simulated.path).column("rb_probability").to_numpy()
        # The design's own figures for boosting with weights: .56 to 1.66 times the truth.
        assert 0.56 < prob.sum() / true < 1.66


@pytest.mark.parametrize(
    ("more", "undone"),
    [
        (["--class-weight", "balanced"], "approximate"),
        (["--loss", "focal"], "approximate"),
        (["--class-weight", "balanced", "--correction", "offset"], "exact"),
    ],
)
def test_weights_are_undone_no_better_than_the_sampling(
    more: list[str], undone: str, drawn: Path, tmp_path: Path, done: Invoke
) -> None:
    by = [] if "--correction" in more else ["--correction", "posthoc"]
    given = ["--model", "logistic", *by, *more, "-o", tmp_path / "m.rbl"]
    found = json.loads(done(["train", drawn, *given, "--json"]).stdout)
    assert found["weighting"]["correction"] == found["corrected"] == undone


def test_costs_become_the_threshold_and_decisions(
    simulated: Simulated, tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    plain, priced = tmp_path / "a.rbl", tmp_path / "b.rbl"
    given = [simulated.path, "--natural", "-l", "y", "--model", "logistic"]
    done(["train", *given, "-o", plain, "-q"])
    document = trained(done, [*given, "--cost", "fp=1,fn=19", "-o", priced])
    assert document["costs"] == {"fp": 1.0, "fn": 19.0, "threshold": pytest.approx(0.05)}
    found = predicted(done, priced, simulated.path)
    prob = found.column("rb_probability").to_numpy()
    # Probabilities are not bent.
    assert (prob == predicted(done, plain, simulated.path).column("rb_probability")).all()
    assert found.column("rb_decision").to_pylist() == (prob >= 0.05).tolist()
    out = priced.with_suffix(".parquet")
    check = ["--threshold", "model", "--fail-if", "recall@model<0.1"]
    shown = json.loads(done(["evaluate", out, "-l", "y", *check, "--json"]).stdout)
    figures = shown["thresholds"][0]["metrics"]["rb_probability"]
    assert figures["value"] == pytest.approx(0.05)
    assert figures["selected_rows"] == (prob >= 0.05).sum()
    # It is called by its word, also where the number stands next to it.
    assert shown["thresholds"][0]["threshold"] == "model"
    assert shown["checks"][0]["expression"] == "recall@model<0.1"
    check = ["--threshold", figures["value"], "--threshold", "model"]
    fails = [*("--fail-if", "recall@model<=1"), *("--fail-if", f"recall@{figures['value']}<0")]
    result = rebalance(["evaluate", out, "-l", "y", *check, *fails])
    assert result.exit_code == 1
    assert "'recall@model<=1': recall@model of 'rb_probability' is" in " ".join(
        (result.stdout + result.stderr).split()
    )


def test_without_costs_there_is_no_decision_and_no_threshold(
    simulated: Simulated, tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    model = tmp_path / "m.rbl"
    done(["train", simulated.path, "--natural", "-l", "y", "--rounds", 5, "-o", model, "-q"])
    assert "rb_decision" not in predicted(done, model, simulated.path).column_names
    out = model.with_suffix(".parquet")
    result = rebalance(["evaluate", out, "-l", "y", "--threshold", "model"])
    assert result.exit_code == 2
    assert "--cost" in result.stderr
    result = rebalance(["evaluate", out, "-l", "y", "--fail-if", "recall@model<0.5"])
    assert result.exit_code == 2
    assert "add --threshold model" in result.stderr


def test_models_of_older_versions_have_neither(
    simulated: Simulated, tmp_path: Path, done: Invoke
) -> None:
    from rebalance.steps.artifacts.model import read_model
    from rebalance.storage.artifacts import pack, read_artifact

    model = tmp_path / "m.rbl"
    done(["train", simulated.path, "--natural", "-l", "y", "--rounds", 5, "-o", model, "-q"])
    manifest, members = read_artifact(str(model), "model")
    for name in ("reweighted", "output_scale", "costs"):
        del manifest[name]
    own = {"kind", "format", "members"}
    model.write_bytes(
        pack("model", {key: each for key, each in manifest.items() if key not in own}, members)
    )
    read = read_model(str(model))
    assert (read.threshold, read.has_own_scale, read.gives_population) == (None, False, True)


def test_run_weighs_loses_and_decides(simulated: Simulated, tmp_path: Path, done: Invoke) -> None:
    out = tmp_path / "out"
    given = ["--rate", 0.05, "--model", "logistic", "--loss", "focal", "--class-weight", "1=2"]
    shown = done(
        ["run", simulated.path, "-l", "y", "-o", out, *given, "--cost", "fp=1,fn=9", "--json"]
    )
    report = json.loads(shown.stdout)
    assert report["train"]["weighting"]["gamma"] == 2.0
    assert report["train"]["weighting"]["log_ratio"] == pytest.approx(np.log(2))
    assert report["predict"]["threshold"] == pytest.approx(0.1)
    cut = report["evaluate"]["thresholds"][0]["metrics"]["rb_probability"]
    assert cut["value"] == pytest.approx(0.1)
    decided = pq.read_table(out / "predictions.parquet").column("rb_decision").to_pylist()
    assert sum(decided) == report["predict"]["decided_positive"] == cut["selected_rows"]


def test_costs_need_the_populations_probabilities(
    simulated: Simulated, tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    part, sample, model = (tmp_path / name for name in ("t.parquet", "s.parquet", "m.rbl"))
    pq.write_table(simulated.table.slice(0, 3_000), part)
    done(["sample", part, "-l", "y", "--method", "smote", "--ratio", 5, "-o", sample, "-q"])
    given = ["train", sample, "--model", "logistic", "-o", model, "--cost", "fp=1,fn=9"]
    refused = rebalance(given)
    assert refused.exit_code == 2
    assert "--calibrate-on" in refused.stderr
    done([*given, "--calibrate-on", simulated.path, "--recalibrate", "platt", "-q"])
    found = predicted(done, model, simulated.path)
    prob = found.column("rb_probability").to_numpy()
    assert found.column("rb_decision").to_pylist() == (prob >= 0.1).tolist()


BAD: list[tuple[list[object], str]] = [
    (["--gamma", 2], "--gamma is for"),
    (["--loss", "focal", "--gamma", -1], "not in the range"),
    (["--loss", "focal", "--alpha", 1], "not in the range"),
    (["--loss", "focal", "--beta", 0.9], "--beta is for"),
    (["--alpha", 0.3], "--alpha is for"),
    (["--loss", "class-balanced", "--beta", 1], "from 0 up to"),
    (["--loss", "cb-focal", "--class-weight", "balanced"], "of its own"),
    (["--class-weight", "1=0"], "above 0"),
    (["--class-weight", "2=3"], "which is not there"),
    (["--class-weight", "balancd"], "no class weight"),
    (["--cost", "fp=0,fn=1"], "above 0"),
    (["--cost", "fp=1,fn=-2"], "above 0"),
    (["--cost", "fp=1,fn=2", "--scale", "sample"], "leave one of them out"),
    (["--scale", "sample", "--recalibrate", "platt"], "--scale sample"),
    (["--scale", "sample"], "nothing to leave"),
    (["--model", "logistic", "--loss", "focal", "--cross-validate", "l2"], "for the log loss"),
]


@pytest.mark.parametrize(("more", "said"), BAD)
def test_what_makes_no_sense_is_said_in_one_line(
    more: list[object], said: str, simulated: Simulated, tmp_path: Path, rebalance: Invoke
) -> None:
    model = tmp_path / "m.rbl"
    result = rebalance(["train", simulated.path, "--natural", "-l", "y", "-o", model, *more])
    assert result.exit_code == 2
    assert said in result.stderr
    assert not model.exists()
