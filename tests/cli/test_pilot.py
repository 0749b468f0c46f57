"""`rebalance pilot`: what it writes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LogisticRegression

from rebalance.steps.artifacts.pilot import read_pilot
from rebalance.storage.artifacts import read_artifact
from rebalance.storage.inputs import open_table
from tests.conftest import INTERCEPT, SLOPES, Invoke, Simulated


def test_a_logistic_pilot_is_on_the_populations_scale(
    simulated: Simulated, tmp_path: Path, done: Invoke
) -> None:
    out = tmp_path / "p.rbl"
    result = done(["pilot", simulated.path, "-l", "y", "-o", out, "--size", 1000, "--json"])
    document = json.loads(result.stdout)
    positives = int(np.sum(simulated.table["y"].to_numpy()))
    assert document["positives"] == positives
    assert document["negatives"] == 60_000 - positives
    assert document["drawn_negatives"] == 1000
    pilot = read_pilot(str(out))
    batch = next(open_table([str(simulated.path)]).batches())
    found = pilot.log_odds(batch.features(pilot.kinds))
    # 2,000 rows: standard errors of the log odds are near 0.1 on average; the shift by the class
    # shares, log(1000 N0 / (1000 N1)) = 3.9, is not missed.
    assert abs((found - simulated.log_odds).mean()) < 0.3
    assert np.corrcoef(found, simulated.log_odds)[0, 1] > 0.98


def test_the_pilots_quality_is_scikit_learns(
    simulated: Simulated, tmp_path: Path, done: Invoke
) -> None:
    out = tmp_path / "p.rbl"
    document = json.loads(done(["pilot", simulated.path, "-l", "y", "-o", out, "--json"]).stdout)
    y = simulated.table["y"].to_numpy()
    x = np.column_stack([simulated.table[name].to_numpy() for name in ("x1", "x2", "x3")])
    from sklearn.metrics import roc_auc_score

    peer = roc_auc_score(y, LogisticRegression(C=1e6).fit(x, y).decision_function(x))
    # AUC from 1,200 positives has a standard error of about 0.006.
    assert document["roc_auc"] == pytest.approx(peer, abs=0.02)
    assert document["predicted_over_observed"] == pytest.approx(1, abs=0.1)


def test_what_lies_on_disk(simulated: Simulated, tmp_path: Path, done: Invoke) -> None:
    out = tmp_path / "p.rbl"
    done(["pilot", simulated.path, "-l", "y", "-o", out, "--seed", 5, "--drop", "x3", "-q"])
    manifest, members = read_artifact(str(out), "pilot")
    assert manifest["seed"] == 5
    assert manifest["label"] == {"column": "y", "positive": "1", "negatives": ["0"]}
    assert set(manifest["features"]) == {"x1", "x2"}
    assert manifest["drop"] == ["x3"]
    import hashlib
    import io

    assert manifest["made_from"] == hashlib.sha256(simulated.path.read_bytes()).hexdigest()
    outer = np.load(io.BytesIO(members["positives_outer.npy"]))
    assert outer.shape == (3, 3)
    assert outer[0, 0] == manifest["counts"]["drawn_positives"]
    assert np.load(io.BytesIO(members["log_odds_negatives.npy"])).shape == (101,)


@pytest.mark.parametrize("model", ["logistic", "gbm"])
def test_same_seed_same_bytes_and_any_number_of_threads(
    mixed: Path, tmp_path: Path, done: Invoke, model: str
) -> None:
    first, second = tmp_path / "a.rbl", tmp_path / "b.rbl"
    base = ["pilot", mixed, "-l", "fraud", "--key", "id", "--model", model, "-q"]
    done([*base, "-o", first, "--threads", 1])
    done([*base, "-o", second, "--threads", 2])
    assert first.read_bytes() == second.read_bytes()
    other = tmp_path / "c.rbl"
    done([*base, "-o", other, "--seed", 1])
    assert first.read_bytes() != other.read_bytes()


def test_the_key_and_the_weight_are_no_features(mixed: Path, tmp_path: Path, done: Invoke) -> None:
    out = tmp_path / "p.rbl"
    done(["pilot", mixed, "-l", "fraud", "--key", "id", "--sample-weight", "weight", "-o", out])
    assert not {"id", "weight", "fraud"} & set(read_pilot(str(out)).kinds)


def test_weights_multiply_the_likelihood(tmp_path: Path, done: Invoke) -> None:
    # Rows of weight 2 count like rows that are there twice.
    generator = np.random.default_rng(3)
    x = generator.standard_normal(4_000)
    y = (generator.random(4_000) < 1 / (1 + np.exp(2 - x))).astype(int)
    weight = generator.integers(1, 3, 4_000)
    once = pa.table({"x": x, "y": y, "w": weight})
    twice = pa.table({"x": np.repeat(x, weight), "y": np.repeat(y, weight)})
    found = []
    for name, table, extra in (("a", once, ["--sample-weight", "w"]), ("b", twice, [])):
        path, out = tmp_path / f"{name}.parquet", tmp_path / f"{name}.rbl"
        pq.write_table(table, path)
        done(["pilot", path, "-l", "y", "-o", out, "--size", 100_000, "-q", *extra])
        pilot = read_pilot(str(out))
        grid = {"x": pa.array(np.linspace(-2, 2, 5))}
        found.append(pilot.log_odds(grid))
    # The shares of the classes are those of rows, not of weights: the shift is the same within
    # the noise of the class's mean weight.
    assert np.diff(found[0]) == pytest.approx(np.diff(found[1]), abs=2e-3)


def test_one_value_against_the_rest(tmp_path: Path, done: Invoke) -> None:
    generator = np.random.default_rng(0)
    kinds = generator.choice(["a", "b", "c"], 3_000, p=[0.6, 0.35, 0.05])
    path = tmp_path / "t.csv"
    pc.write_csv(pa.table({"x": generator.standard_normal(3_000), "kind": kinds.tolist()}), path)
    out = tmp_path / "p.rbl"
    of_all = done(["pilot", path, "-l", "kind", "-o", out])
    assert "3 classes" in of_all.stderr
    assert "--positive" in of_all.stderr
    result = done(["pilot", path, "-l", "kind", "-o", out, "--positive", "c"])
    assert "2 other values" in result.stderr
    assert read_pilot(str(out)).label.negatives == ("a", "b")


def test_a_csv_column_that_turns_to_text_late_is_said_with_the_value(
    tmp_path: Path, done: Invoke
) -> None:
    generator = np.random.default_rng(5)
    x, amount = generator.standard_normal(20_000), generator.integers(0, 9, 20_000)
    y = generator.random(20_000) < 1 / (1 + np.exp(3 - x))
    lines = [f"{a:.3f},{b},{c:d}" for a, b, c in zip(x, amount, y, strict=True)]
    lines[15_000] = "0.5,n/a,1"
    path = tmp_path / "t.csv"
    path.write_text("x,amount,y\n" + "\n".join(lines) + "\n")
    result = done(["pilot", path, "-l", "y", "-o", tmp_path / "p.rbl"])
    assert "'amount' is text, not numbers, because of the value 'n/a'" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["-l", "z"], 3, "there are: x1, x2, x3, y"),
        (["-l", "y", "--drop", "x9"], 3, "x9"),
        (["-l", "y", "--drop", "x1", "--drop", "x2", "--drop", "x3"], 3, "no column is left"),
        (["-l", "y", "--positive", "7"], 3, "positive value '7'"),
        (["-l", "x1"], 3, "more than 100 different fractions"),
        (["-l", "y", "--sample-weight", "x1"], 3, "not a number of 0 or more"),
    ],
)
def test_bad_input(
    simulated: Simulated,
    tmp_path: Path,
    rebalance: Invoke,
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    out = tmp_path / "p.rbl"
    result = rebalance(["pilot", simulated.path, "-o", out, *arguments])
    assert result.exit_code == code
    assert words in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_coefficients_recover_the_population(piloted: Path) -> None:
    pilot = read_pilot(str(piloted))
    zero = {name: pa.array([0.0, 1.0]) for name in ("x1", "x2", "x3")}
    for name, slope in zip(("x1", "x2", "x3"), SLOPES, strict=True):
        columns = {other: pa.array([0.0, 1.0 if other == name else 0.0]) for other in zero}
        found = pilot.log_odds(columns)
        # Some 1,200 positives against 5,000 negatives: standard errors of about 0.04.
        assert found[0] == pytest.approx(INTERCEPT, abs=0.16)
        assert found[1] - found[0] == pytest.approx(slope, abs=0.16)


def test_how_well_the_plan_is_known_is_said_of_a_logistic_pilot(
    simulated: Simulated, tmp_path: Path, done: Invoke
) -> None:
    base = ["pilot", simulated.path, "-l", "y", "-o", tmp_path / "p.rbl"]
    assert "plan known to within" in done(base).stderr
    assert "plan known to within" not in done([*base, "--model", "gbm"]).stderr
