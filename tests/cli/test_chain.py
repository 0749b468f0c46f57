"""What goes from step to step must mean the same in each: zones, gaps, weights, designs."""

from __future__ import annotations

import datetime
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from rebalance.cli.main import cli
from tests.conftest import Invoke, Simulated, simulate

MODELS = ["logistic", "gbm"]


def predicted(done: Invoke, table: Path, model: Path, out: Path) -> list[float]:
    done(["predict", table, "--model", model, "-o", out, "-q"])
    read = pq.read_table(out) if out.suffix == ".parquet" else pcsv.read_csv(out)
    found: list[float] = read["rb_probability"].to_pylist()
    return found


@pytest.mark.parametrize("model", MODELS)
def test_a_time_is_the_same_in_any_zone_and_format(
    tmp_path: Path, done: Invoke, model: str
) -> None:
    generator = np.random.default_rng(0)
    start = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    when = [
        start + datetime.timedelta(minutes=int(m)) for m in generator.choice(9**6, 4_000, False)
    ]
    night = np.array([moment.hour < 6 for moment in when])
    y = generator.random(4_000) < np.where(night, 0.3, 0.05)
    utc = pa.array(when, pa.timestamp("us", "UTC"))
    berlin = utc.cast(pa.timestamp("us", "Europe/Berlin"))
    paths = [tmp_path / name for name in ("utc.parquet", "berlin.parquet", "berlin.csv")]
    pq.write_table(pa.table({"when": utc, "y": y}), paths[0])
    pq.write_table(pa.table({"when": berlin, "y": y}), paths[1])
    done(["split", paths[1], "-l", "y", "-o", paths[2], "-o", tmp_path / "rest.csv", "-q"])
    fitted = tmp_path / "m.rbl"
    done(["train", paths[1], "-l", "y", "--natural", "--model", model, "-o", fitted, "-q"])
    out = tmp_path / "p.parquet"
    by_moment = dict(zip(when, predicted(done, paths[0], fitted, out), strict=True))
    assert len({round(value, 6) for value in by_moment.values()}) > 10
    assert predicted(done, paths[1], fitted, out) == list(by_moment.values())
    from_csv = predicted(done, paths[2], fitted, tmp_path / "p.csv")
    moments = pcsv.read_csv(tmp_path / "p.csv")["when"].to_pylist()
    assert from_csv == [by_moment[moment.replace(tzinfo=datetime.UTC)] for moment in moments]


@pytest.mark.parametrize("model", MODELS)
def test_a_gap_where_training_had_none_counts_as_the_mean_and_is_said(
    tmp_path: Path, done: Invoke, model: str
) -> None:
    generator = np.random.default_rng(1)
    x = generator.normal(50, 10, 4_000)
    shop = generator.choice(["a", "b"], 4_000, p=[0.7, 0.3])
    y = generator.random(4_000) < 1 / (1 + np.exp(-(x - 70) / 10))
    path, fitted = tmp_path / "t.parquet", tmp_path / "m.rbl"
    pq.write_table(pa.table({"x": x, "shop": shop.tolist(), "y": y}), path)
    done(["train", path, "-l", "y", "--natural", "--model", model, "-o", fitted, "-q"])
    asked = tmp_path / "asked.parquet"
    values = {"x": [float(x.mean()), None, 0.0], "shop": ["a", "a", "a"]}
    pq.write_table(pa.table(values), asked)
    out = tmp_path / "p.parquet"
    result = done(["predict", asked, "--model", fitted, "-o", out])
    at_mean, at_gap, at_zero = pq.read_table(out)["rb_probability"].to_pylist()
    assert at_gap == pytest.approx(at_mean)
    assert at_gap != pytest.approx(at_zero)
    assert "1 value of 'x' is missing or new to the model" in result.stderr
    pq.write_table(pa.table({"x": [50.0], "shop": ["zzz"]}), asked)
    result = done(["predict", asked, "--model", fitted, "-o", out])
    assert "1 value of 'shop' is missing or new to the model" in result.stderr


@pytest.mark.parametrize("model", MODELS)
def test_the_scale_of_weights_changes_nothing(tmp_path: Path, done: Invoke, model: str) -> None:
    table = simulate(5_000, 4)[0]
    weight = np.random.default_rng(0).uniform(1, 3, 5_000)
    found = []
    for number, factor in enumerate((1.0, 1 / 8192)):
        path, fitted = tmp_path / f"{number}.parquet", tmp_path / "m.rbl"
        pq.write_table(table.append_column("w", pa.array(weight * factor)), path)
        options = ["--natural", "--sample-weight", "w", "--model", model, "-q"]
        done(["train", path, "-l", "y", *options, "-o", fitted])
        found.append(predicted(done, path, fitted, tmp_path / "p.parquet"))
    assert found[0] == pytest.approx(found[1], rel=1e-6)


def test_trees_with_weights_start_from_the_weighted_share(tmp_path: Path, done: Invoke) -> None:
    table = simulate(20_000, 6)[0]
    y = table["y"].to_numpy()
    weight = np.where(y == 1, 3.0, 1.0)
    path, drawn, fitted = (tmp_path / name for name in ("t.parquet", "s.parquet", "m.rbl"))
    pq.write_table(table.append_column("w", pa.array(weight)), path)
    done(["sample", path, "-l", "y", "--rate", 0.2, "-o", drawn, "-q"])
    done(["train", drawn, "--sample-weight", "w", "--rounds", 1, "-o", fitted, "-q"])
    found = np.array(predicted(done, path, fitted, tmp_path / "p.parquet"))
    # One round of a step of 0.03 hardly moves it. Positives are all kept: the weighted share is
    # missed by the noise of the drawn negatives' weights alone, which are all 1.
    assert found @ weight / (y @ weight) == pytest.approx(1, abs=0.03)


def test_a_column_dropped_at_training_does_not_come_back_with_the_pilot(
    tmp_path: Path, done: Invoke
) -> None:
    table = simulate(8_000, 5)[0]
    leak = table["y"].to_numpy() + np.random.default_rng(0).normal(0, 0.3, 8_000)
    path, pilot, drawn, fitted = (
        tmp_path / n for n in ("t.parquet", "p.rbl", "s.parquet", "m.rbl")
    )
    pq.write_table(table.append_column("leak", pa.array(leak)), path)
    done(["pilot", path, "-l", "y", "-o", pilot, "-q"])
    done(["sample", path, "--pilot", pilot, "--rate", 0.2, "-o", drawn, "-q"])
    result = done(["train", drawn, "--drop", "leak", "--rounds", 5, "-o", fitted])
    assert "the pilot uses 'leak'" in result.stderr
    without = tmp_path / "without.parquet"
    pq.write_table(table, without)
    assert len(predicted(done, without, fitted, tmp_path / "p.parquet")) == 8_000


def test_a_design_of_another_sample_or_an_altered_one_is_refused(
    simulated: Simulated, tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    base = ["sample", simulated.path, "-l", "y", "-q"]
    done([*base, "--rate", 0.5, "-o", tmp_path / "half.csv"])
    done([*base, "--rate", 0.05, "-o", tmp_path / "few.csv"])
    other = tmp_path / "half.csv.design.json"
    out = tmp_path / "m.rbl"
    result = rebalance(["train", tmp_path / "few.csv", "--design", other, "-o", out])
    assert result.exit_code == 4
    assert "not this sample's" in result.stderr
    document = json.loads(other.read_text())
    other.write_text(json.dumps(document | {"rate": 0.4}))
    result = rebalance(["train", tmp_path / "half.csv", "-o", out])
    assert result.exit_code == 4
    assert "altered" in result.stderr
    assert not out.exists()


def test_artifacts_that_are_read_are_not_written(
    simulated: Simulated, piloted: Path, tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    pilot, drawn = Path(shutil.copy(piloted, tmp_path)), tmp_path / "s.csv"
    base = ["sample", simulated.path, "--pilot", pilot, "--rate", 0.1]
    assert rebalance([*base, "-o", drawn, "--design", pilot]).exit_code == 2
    done([*base, "-o", drawn, "-q"])
    sidecar = tmp_path / "s.csv.design.json"
    before = sidecar.read_bytes()
    assert rebalance(["train", drawn, "-o", sidecar]).exit_code == 2
    assert rebalance(["train", drawn, "-o", "-"]).exit_code == 2
    assert sidecar.read_bytes() == before


def test_evaluate_knows_the_positive_value_of_the_predictions(tmp_path: Path, done: Invoke) -> None:
    table = simulate(6_000, 8)[0]
    words = np.where(table["y"].to_numpy() == 1, "a", "b")
    words[:1000] = "c"
    path = tmp_path / "t.parquet"
    pq.write_table(table.drop_columns(["y"]).append_column("kind", pa.array(words.tolist())), path)
    fitted, out = tmp_path / "m.rbl", tmp_path / "p.parquet"
    options = ["--natural", "--positive", "a", "--model", "logistic", "-q"]
    done(["train", path, "-l", "kind", *options, "-o", fitted])
    done(["predict", path, "--model", fitted, "-o", out, "-q"])
    document = json.loads(done(["evaluate", out, "-l", "kind", "--json"]).stdout)
    assert document["label"]["positive"] == "a"
    assert document["positives"] == (words == "a").sum()


@pytest.mark.parametrize("value", ["nan", "inf"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["sample", "-l", "y", "-o", "s.csv", "--rate"],
        ["sample", "-l", "y", "-o", "s.csv", "--ratio"],
        ["train", "-l", "y", "--natural", "-o", "m.rbl", "--learning-rate"],
        ["train", "-l", "y", "--natural", "-o", "m.rbl", "--model", "logistic", "--l2"],
        ["correct", "--probability", "x1", "-o", "c.csv", "--rate"],
    ],
)
def test_numbers_that_are_none_are_usage(
    simulated: Simulated,
    tmp_path: Path,
    rebalance: Invoke,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    value: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = rebalance([arguments[0], simulated.path, *arguments[1:], value])
    assert result.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_vectors_of_another_width_are_refused(
    tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    generator = np.random.default_rng(2)
    y = generator.random(2_000) < 0.1
    path, fitted = tmp_path / "t.parquet", tmp_path / "m.rbl"

    def write(width: int) -> None:
        values = pa.array(generator.standard_normal(2_000 * width))
        vectors = pa.FixedSizeListArray.from_arrays(values, width)
        pq.write_table(pa.table({"v": vectors, "y": y}), path)

    write(3)
    done(["train", path, "-l", "y", "--natural", "--rounds", 2, "-o", fitted, "-q"])
    for width in (2, 4):
        write(width)
        result = rebalance(["predict", path, "--model", fitted, "-o", tmp_path / "p.parquet"])
        assert result.exit_code == 3
        assert f"{width} elements" in result.stderr
    csv = tmp_path / "t.csv"
    csv.write_text("v,y\n1,0\n2,1\n")
    assert rebalance(["predict", csv, "--model", fitted, "-o", tmp_path / "p.csv"]).exit_code == 3


def test_run_reads_standard_input_and_a_failed_run_leaves_what_was_there(
    simulated: Simulated, tmp_path: Path
) -> None:
    command = ["run", "-", "-l", "y", "-o", str(tmp_path / "out")]
    command += ["--model", "logistic", "--seed", "1", "-q"]
    content = simulated.path.read_bytes()
    piped = [sys.executable, "-m", "rebalance", *command]
    subprocess.run(piped, input=content, check=True, capture_output=True)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    for wrong in (["--ratio", "500"], ["--rounds", "3"], ["--key", "x1", "--time", "x2"]):
        failed = CliRunner().invoke(cli, [*command, *wrong], input=content, catch_exceptions=False)
        assert failed.exit_code == 2
        assert [path.name for path in tmp_path.iterdir()] == ["out"]
        assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == before
