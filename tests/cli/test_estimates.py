"""Coefficients with intervals, penalties, and what is said of them, from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rebalance.storage.artifacts import read_artifact
from tests.conftest import INTERCEPT, SLOPES, Invoke, Simulated

TRUTH = np.array([INTERCEPT, *SLOPES])


def trained(done: Invoke, sample: Path, *arguments: object) -> dict[str, Any]:
    out = sample.with_name("m.rbl")
    shown = done(["train", sample, "--model", "logistic", "-o", out, "--json", *arguments])
    document: dict[str, Any] = json.loads(shown.stdout)
    stored = json.loads(read_artifact(str(out), "model")[1]["logistic.json"])
    reported = document["estimates"]
    # What is printed is what is stored; the manifest knows the scale and any recalibration.
    of_manifest = ("scale", "before_recalibration")
    assert stored["estimates"] == {key: reported[key] for key in reported if key not in of_manifest}
    assert stored["cross_validation"] == document["cross_validation"]
    return document


@pytest.mark.parametrize(
    ("arguments", "variance"),
    [
        ([], "model"),
        (["--robust"], "sandwich"),
        (["--correction", "weight"], "sandwich"),
    ],
)
def test_intervals_of_a_sample_hold_the_populations_coefficients(
    drawn: Path, done: Invoke, arguments: list[str], variance: str
) -> None:
    found = trained(done, drawn, *arguments)["estimates"]
    assert (found["variance"], found["scale"]) == (variance, "population")
    rows = found["coefficients"]
    assert [row["name"] for row in rows] == ["intercept", "x1", "x2", "x3"]
    off = np.array([row["coefficient"] for row in rows]) - TRUTH
    # Each of the four is within three standard errors, but for a chance of 1%.
    assert (np.abs(off) < 3 * np.array([row["standard_error"] for row in rows])).all()


def test_post_hoc_is_the_samples_scale_and_robust_where_pi_depends_on_x(
    simulated: Simulated, drawn: Path, done: Invoke
) -> None:
    curved = trained(done, drawn, "--correction", "posthoc")["estimates"]
    assert (curved["variance"], curved["scale"]) == ("sandwich", "sample")
    even = drawn.with_name("u.parquet")
    done(["sample", simulated.path, "-l", "y", "--rate", 0.05, "-o", even, "-q"])
    after = trained(done, even, "--correction", "posthoc")["estimates"]
    within = trained(done, even)["estimates"]
    assert (after["variance"], within["variance"]) == ("model", "model")
    # With one pi for all, both are the same fit, the intercept apart by -log .05.
    pairs = zip(after["coefficients"], within["coefficients"], strict=True)
    shifts = [one["coefficient"] - other["coefficient"] for one, other in pairs]
    assert shifts == pytest.approx([-np.log(0.05), 0, 0, 0], abs=1e-5)


def test_the_table_is_shown_in_words(drawn: Path, tmp_path: Path, done: Invoke) -> None:
    base = ["train", drawn, "--model", "logistic", "-o", tmp_path / "m.rbl"]
    shown = done(base)
    assert shown.stdout == ""
    assert "with 95% intervals" in shown.stderr
    for word in ("standard error", "low", "high", "intercept", "x1", "x2", "x3"):
        assert word in shown.stderr
    assert "(robust: sandwich)" in done([*base, "--robust"]).stderr
    assert done([*base, "-q"]).stderr == ""


def test_of_many_coefficients_thirty_are_shown(tmp_path: Path, done: Invoke) -> None:
    generator = np.random.default_rng(1)
    x = generator.standard_normal((3_000, 40))
    y = generator.random(len(x)) < 1 / (1 + np.exp(2 - 1.5 * x[:, 38]))
    path = tmp_path / "wide.parquet"
    columns = {f"[x{at}]": x[:, at] for at in range(40)}  # a name that looks like markup
    pq.write_table(pa.table(columns | {"y": y}), path)
    base = ["train", path, "--natural", "-l", "y", "--model", "logistic", "-o", tmp_path / "m.rbl"]
    shown = done(base).stderr
    assert "and 11 more, see --json" in shown
    assert "[x38]" in shown
    assert len(json.loads(done([*base, "--json"]).stdout)["estimates"]["coefficients"]) == 41


@pytest.mark.parametrize("kind", ["l2", "l1", "elastic"])
def test_a_penalty_is_chosen_and_its_path_told(
    simulated: Simulated, drawn: Path, done: Invoke, kind: str
) -> None:
    document = trained(done, drawn, "--cross-validate", kind)
    path = document["cross_validation"]["path"]
    chosen = path[document["cross_validation"]["chosen"]]
    assert chosen["log_loss"] == min(point["log_loss"] for point in path)
    summary = document["summary"]
    assert (summary["l1"], summary["l2"]) == (chosen["l1"], chosen["l2"])
    assert summary["penalty_found_by"] == "cross-validation"
    # On the population's scale, where the true probabilities have this log loss; a sample of 30%
    # positives has six times as much. Over some 1,200 positives its standard error is about 3%.
    p = 1 / (1 + np.exp(-simulated.log_odds))
    truth = -np.mean(p * np.log(p) + (1 - p) * np.log1p(-p))
    assert chosen["log_loss"] == pytest.approx(truth, rel=0.1)
    # Whatever is taken off after the fit, scores are of the same probabilities.
    after = trained(done, drawn, "--cross-validate", kind, "--correction", "posthoc")
    least = min(point["log_loss"] for point in after["cross_validation"]["path"])
    assert least == pytest.approx(chosen["log_loss"], rel=0.02)


def test_after_a_lasso_no_interval_is_shown_and_that_is_said(
    drawn: Path, tmp_path: Path, done: Invoke
) -> None:
    document = trained(done, drawn, "--l1", 5)
    assert document["estimates"]["variance"] == "none"
    assert "standard_error" not in document["estimates"]["coefficients"][1]
    assert any("no valid standard errors" in note for note in document["notes"])
    shown = done(["train", drawn, "--model", "logistic", "--l1", 5, "-o", tmp_path / "m.rbl"])
    assert "intervals" not in shown.stderr
    assert "slopes not zero" in shown.stderr


def test_intervals_around_shrunken_coefficients_are_not_passed_off(
    drawn: Path, done: Invoke
) -> None:
    assert trained(done, drawn)["notes"] == []
    document = trained(done, drawn, "--l2", 100)
    assert document["estimates"]["largest_shrinkage"] > 0.5
    assert any("towards 0" in note for note in document["notes"])


def test_a_gbm_has_none(drawn: Path, tmp_path: Path, done: Invoke) -> None:
    arguments = ["train", drawn, "-o", tmp_path / "m.rbl", "--rounds", 3, "--json"]
    document = json.loads(done(arguments).stdout)
    assert (document["estimates"], document["cross_validation"]) == (None, None)


def test_run_chooses_a_penalty_too(simulated: Simulated, tmp_path: Path, done: Invoke) -> None:
    small = tmp_path / "small.parquet"
    pq.write_table(simulated.table.slice(0, 20_000), small)
    arguments = ["-l", "y", "--rate", 0.1, "-o", tmp_path / "out", "--model", "logistic"]
    done(["run", small, *arguments, "--cross-validate", "l2", "-q"])
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["train"]["summary"]["penalty_found_by"] == "cross-validation"
    assert len(report["train"]["estimates"]["coefficients"]) == 4


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--model", "gbm", "--l1", "1"], 2, "--l1 is no option"),
        (["--model", "gbm", "--robust"], 2, "--robust is no option"),
        (["--model", "gbm", "--cross-validate", "l2"], 2, "--cross-validate is no option"),
        (["--l1", "1", "--cross-validate", "l2"], 2, "--l1 gives a penalty"),
        (["--l1", "1", "--robust"], 2, "no valid ones after an l1 penalty"),
        (["--l1", "nan"], 2, "--l1"),
        (["--cross-validate", "l3"], 2, "l3"),
    ],
)
def test_bad_usage(
    drawn: Path, tmp_path: Path, rebalance: Invoke, arguments: list[str], code: int, words: str
) -> None:
    out = tmp_path / "m.rbl"
    result = rebalance(["train", drawn, "--model", "logistic", "-o", out, *arguments])
    assert result.exit_code == code
    assert words in result.stderr
    assert not out.exists()


N = 1_000
X = np.random.default_rng(8).standard_normal(N)
RARE = np.arange(N) % 20 == 0
HARD: dict[str, tuple[dict[str, object], list[str], int, str]] = {
    "single positive": ({"x": X, "y": np.arange(N) == 5}, [], 0, "intervals, which hold for many"),
    "four positives for each coefficient": (
        {f"x{at}": np.roll(X, at) for at in range(12)} | {"y": RARE},
        [],
        0,
        "fewer than 5 rows for each coefficient (50 for 13): the intervals",
    ),
    "single positive, folds": (
        {"x": X, "y": np.arange(N) == 5},
        ["--cross-validate", "l1"],
        5,
        "fewer than 10 rows (1)",
    ),
    "separable": ({"x": X, "y": X > 1.5}, ["--l2", "0"], 5, "separated by 'x'"),
    "separable, ridge": ({"x": X, "y": X > 1.5}, [], 0, "can be separated by 'x'"),
    "a copy of the label": (
        {"c": np.where(RARE, "a", "b"), "x": X, "y": RARE},
        ["--l2", "0"],
        5,
        "separated by 'c = a'",
    ),
    "separable, lasso": ({"x": X, "y": X > 1.5}, ["--l1", "1"], 0, "logistic model"),
    "separable, folds": ({"x": X, "y": X > 1.5}, ["--cross-validate", "l1"], 0, "logistic model"),
    "collinear": ({"x": X, "z": 3 * X, "y": RARE}, ["--l2", "0"], 5, "'x', 'z' are collinear"),
    "collinear, ridge": (
        {"x": X, "z": 3 * X, "y": RARE},
        [],
        0,
        "'x', 'z' are collinear: how they share",
    ),
    "constant": ({"x": X, "z": np.ones(N), "y": RARE}, ["--l2", "0"], 0, "'z' is not used"),
    "zero weights": (
        {"x": X, "w": np.where(RARE, 0.0, 1.0), "y": RARE},
        ["--sample-weight", "w"],
        3,
        "all weights of the positives are zero",
    ),
    "negative weights": (
        {"x": X, "w": np.where(X > 2, -1.0, 1.0), "y": RARE},
        ["--sample-weight", "w"],
        3,
        "not a number of 0 or more",
    ),
}


@pytest.mark.parametrize("name", HARD)
def test_hard_data(name: str, tmp_path: Path, rebalance: Invoke) -> None:
    columns, arguments, code, words = HARD[name]
    path, out = tmp_path / "t.parquet", tmp_path / "m.rbl"
    pq.write_table(pa.table(columns), path)
    base = ["train", path, "--natural", "-l", "y", "--positive", "true", "--model", "logistic"]
    result = rebalance([*base, "-o", out, *arguments])
    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert out.exists() == (code == 0)


def test_a_row_that_nearly_decides_a_coefficient_is_told(tmp_path: Path, done: Invoke) -> None:
    # One negative far out on a feature that all others have near 0.
    generator = np.random.default_rng(5)
    x = generator.standard_normal(10_000)
    x[7] = 40.0
    y = generator.random(len(x)) < 0.02
    y[7] = False
    path, sample = tmp_path / "t.parquet", tmp_path / "s.parquet"
    rest = np.flatnonzero(~y)
    kept = np.sort(np.concatenate([np.flatnonzero(y), [7], rest[::50]]))
    pq.write_table(pa.table({"x": x[kept], "y": y[kept]}), path)
    done(["sample", path, "-l", "y", "--rate", 1, "-o", sample, "-q"])
    out = tmp_path / "m.rbl"
    base = ["train", sample, "--model", "logistic", "-o", out]
    told = done([*base, "--robust"])
    assert "one row has a leverage of" in told.stderr
    shown = json.loads(done([*base, "--robust", "--json", "-q"]).stdout)["estimates"]
    assert shown["largest_leverage"] > 0.3
    assert all(row["degrees_of_freedom"] >= 1 for row in shown["coefficients"])
    model = done(base)
    assert "leverage" not in model.stderr
    plain = json.loads(done([*base, "--json", "-q"]).stdout)["estimates"]
    intercept = plain["coefficients"][0]
    assert "degrees_of_freedom" not in intercept
    middle = (intercept["low"] + intercept["high"]) / 2
    assert middle == pytest.approx(intercept["coefficient"] - intercept["bias"])
