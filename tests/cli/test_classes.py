"""Labels of many classes through the commands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from rebalance.core.draws import Purpose, uniforms
from rebalance.storage.artifacts import read_artifact
from tests.classes import (
    ROWS,
    VALUES,
    Made,
    counts_of,
    long_tail,
    offsets,
    population,
    probabilities,
)
from tests.conftest import Invoke, Simulated

RATES = "a=0.05,b=0.1,c=0.3"


def test_a_pilot_says_its_classes(made: Made, tmp_path: Path, done: Invoke) -> None:
    out = tmp_path / "p.rbl"
    result = done(["pilot", made.table, "-l", "kind", "-o", out, "--json"])
    document = json.loads(result.stdout)
    counts = counts_of(made.table)
    assert {value: each["rows"] for value, each in document["classes"].items()} == counts
    assert document["classes"]["a"]["drawn"] == 5000
    assert document["classes"]["d"]["drawn"] == counts["d"]
    assert "4 classes: a (" in result.stderr
    manifest, _ = read_artifact(str(out), "pilot")
    assert manifest["label"]["counts"] == list(counts.values())
    # The entropy of the truth, of which 11,000 rows come within one percent.
    scores = population(ROWS, 1)[1]
    entropy = -(softmax(scores, axis=1) * log_softmax(scores, axis=1)).sum(axis=1).mean()
    assert document["quality"]["log_loss"] == pytest.approx(entropy, rel=0.03)
    assert document["quality"]["share_difference"] < 0.02


def test_a_samples_columns(made: Made) -> None:
    kept = pq.read_table(made.sample)
    assert kept.column_names == ["x1", "x2", "kind", "rb_row", "rb_pi", "rb_weight", "rb_offset"]
    assert kept.schema.field("rb_offset").type == pa.list_(pa.float64(), 4)
    table = pq.read_table(made.table)
    assert kept.select(["x1", "x2", "kind"]).equals(table.take(kept["rb_row"]))
    pi = kept["rb_pi"].to_numpy()
    code = np.array([VALUES.index(value) for value in kept["kind"].to_pylist()])
    shift = offsets(made.sample)
    # To the last bit: a row's offsets are its own, whatever batch it was scored in.
    assert (np.log(pi) == shift[np.arange(len(code)), code]).all()
    assert (shift[:, 3] == 0).all()
    assert kept["rb_weight"].to_numpy() == pytest.approx(1 / pi)
    for value, rate in (("a", 0.05), ("b", 0.1), ("c", 0.3), ("d", 1.0)):
        count = counts_of(made.table)[value]
        found = counts_of(made.sample)[value]
        # Poisson draws vary at most as much as uniform ones: four standard deviations.
        assert abs(found - rate * count) <= 4 * np.sqrt(rate * (1 - rate) * count)


def test_probabilities_are_the_formulas(made: Made, tmp_path: Path, done: Invoke) -> None:
    every = tmp_path / "every.parquet"
    arguments = ["sample", made.table, "--pilot", made.pilot, "--rate", RATES, "--mix", 0.2]
    out = tmp_path / "s.parquet"
    result = done([*arguments, "-o", out, "--probabilities", every, "--json"])
    classes = json.loads(result.stdout)["classes"]
    pi = pq.read_table(every)
    assert pi.column_names == ["rb_row", "pi_a", "pi_b", "pi_c", "pi_d"]
    kind = np.array(pq.read_table(made.table)["kind"].to_pylist())
    # The pilot's probabilities, by a model of it made here.
    _, members = read_artifact(str(made.pilot), "pilot")
    encoder = json.loads(members["multinomial.json"])["encoder"]["terms"]
    coefficients = np.load(__import__("io").BytesIO(members["coefficients.npy"]))
    x = [pq.read_table(made.table)[name].to_numpy() for name in ("x1", "x2")]
    z = [(one - term["mean"]) / term["scale"] for one, term in zip(x, encoder, strict=True)]
    prob = softmax(coefficients[0] + np.column_stack(z) @ coefficients[1:], axis=1)
    u = uniforms(0, Purpose.SAMPLE, 0, ROWS)
    kept = []
    for place, value in enumerate("abc"):
        given = classes[value]
        expected = 0.2 * given["rate"] + 0.8 * given["c"] * (1 - prob[:, place])
        expected = np.clip(expected, given["floor"], 1)
        found = pi[f"pi_{value}"].to_numpy()
        assert found == pytest.approx(expected, rel=1e-9)
        assert given["floor"] == pytest.approx(given["rate"] / 10)
        own = kind == value
        assert found[own].sum() == pytest.approx(given["rate"] * own.sum(), rel=1e-4)
        kept.extend(np.flatnonzero(own & (u < found)))
    kept.extend(np.flatnonzero(kind == "d"))
    assert pq.read_table(out)["rb_row"].to_pylist() == sorted(kept)


def test_rows_are_spread_over_the_classes(made: Made, tmp_path: Path, done: Invoke) -> None:
    out = tmp_path / "s.parquet"
    arguments = ["sample", made.table, "--pilot", made.pilot, "--rows", 2000, "-o", out]
    classes = json.loads(done([*arguments, "--json"]).stdout)["classes"]
    counts = counts_of(made.table)
    assert counts["d"] < 500 < counts["c"]
    level = (2000 - counts["d"]) / 3
    for value in "abc":
        assert classes[value]["expected"] == pytest.approx(level)
    assert classes["d"]["rate"] == 1.0
    assert sum(each["expected"] for each in classes.values()) == pytest.approx(2000)


@pytest.mark.parametrize("guided", [True, False])
def test_a_ratio_is_rows_of_each_class_per_row_of_the_rarest(
    made: Made, tmp_path: Path, done: Invoke, guided: bool
) -> None:
    out = tmp_path / "s.parquet"
    guide = ["--pilot", made.pilot] if guided else ["-l", "kind"]
    given = ["sample", made.table, *guide, "--ratio", 3, "-o", out, "--json"]
    classes = json.loads(done(given).stdout)["classes"]
    counts = counts_of(made.table)
    kept = counts_of(out)
    assert kept["d"] == counts["d"]
    for value in "abc":
        expected = min(3 * counts["d"], counts[value])
        assert classes[value]["expected"] == pytest.approx(expected, rel=1e-4)
        # At most the binomial's variance; four standard deviations.
        assert kept[value] == pytest.approx(expected, abs=4 * np.sqrt(expected))


def test_without_a_pilot_classes_are_sampled_uniformly(
    made: Made, tmp_path: Path, done: Invoke
) -> None:
    out = tmp_path / "s.parquet"
    done(["sample", made.table, "-l", "kind", "--method", "uniform", "--rate", RATES, "-o", out])
    assert set(map(tuple, offsets(out))) == {(np.log(0.05), np.log(0.1), np.log(0.3), 0.0)}
    done(["sample", made.table, "-l", "kind", "--rows", 2000, "-o", out])
    counts = counts_of(made.table)
    level = (2000 - counts["d"]) / 3
    expected = [np.log(level / counts[value]) for value in "abc"]
    assert offsets(out)[0] == pytest.approx([*expected, 0.0])


def test_batches_threads_and_formats_change_nothing(
    made: Made, tmp_path: Path, done: Invoke
) -> None:
    csv = tmp_path / "t.csv"
    table = pq.read_table(made.table)
    pcsv.write_csv(table, csv)
    halves = [tmp_path / "1.parquet", tmp_path / "2.parquet"]
    pq.write_table(table.slice(0, 7_001), halves[0], row_group_size=999)
    pq.write_table(table.slice(7_001), halves[1])
    expected = pq.read_table(made.sample).select(["rb_row", "rb_pi", "rb_offset"]).to_pydict()
    for number, inputs in enumerate([[csv], halves, [made.table]]):
        how = ["--batch-rows", 1009, "--threads", 1] if number == 2 else []
        out = tmp_path / f"s{number}.parquet"
        done(["sample", *inputs, "--pilot", made.pilot, "--rate", RATES, "-o", out, "-q", *how])
        assert pq.read_table(out).select([*expected]).to_pydict() == expected


def test_the_same_input_gives_the_same_bytes(made: Made, tmp_path: Path, done: Invoke) -> None:
    first, again = tmp_path / "1", tmp_path / "2"
    for folder in (first, again):
        folder.mkdir()
        pilot, sample = folder / "p.rbl", folder / "s.parquet"
        done(["pilot", made.table, "-l", "kind", "--size", 300, "-o", pilot, "-q"])
        done(["sample", made.table, "--pilot", pilot, "--rows", 1000, "-o", sample, "-q"])
        done(["train", sample, "--rounds", 3, "-o", folder / "m.rbl", "-q"])
    for name in ("p.rbl", "s.parquet", "m.rbl"):
        assert (first / name).read_bytes() == (again / name).read_bytes()


def test_where_the_first_rows_mislead_the_table_is_read_again(
    made: Made, tmp_path: Path, done: Invoke
) -> None:
    # Rows that the pilot takes for another class come first: the first rows promise a low c.
    table = pq.read_table(made.table)
    path, out, every = tmp_path / "t.parquet", tmp_path / "s.parquet", tmp_path / "e.parquet"
    pq.write_table(table.sort_by([("x1", "ascending")]), path)
    pilot = tmp_path / "p.rbl"
    done(["pilot", path, "-l", "kind", "-o", pilot, "-q"])
    arguments = ["sample", path, "--pilot", pilot, "--rate", "a=0.02", "-o", out]
    result = done([*arguments, "--probabilities", every, "--batch-rows", 500])
    assert "read a second time" in result.stderr
    kind = np.array(pq.read_table(path)["kind"].to_pylist())
    pi = pq.read_table(every)["pi_a"].to_numpy()
    kept = (kind != "a") | (uniforms(0, Purpose.SAMPLE, 0, ROWS) < pi)
    assert pq.read_table(out)["rb_row"].to_pylist() == np.flatnonzero(kept).tolist()


@pytest.mark.parametrize(
    "how",
    [
        ["--model", "logistic"],
        ["--model", "gbm"],
        ["--model", "logistic", "--correction", "weight"],
        ["--model", "logistic", "--correction", "posthoc"],
        ["--model", "gbm", "--correction", "posthoc", "--rounds", "60"],
    ],
)
def test_what_is_predicted_is_the_populations(
    made: Made, tmp_path: Path, done: Invoke, how: list[str]
) -> None:
    model, out = tmp_path / "m.rbl", tmp_path / "p.parquet"
    done(["train", made.sample, *how, "-o", model, "-q"])
    done(["predict", made.other, "--model", model, "-o", out, "-q"])
    prob = probabilities(out)
    assert prob.sum(axis=1) == pytest.approx(np.ones(ROWS))
    document = json.loads(done(["evaluate", out, "-l", "kind", "--json"]).stdout)
    # Some 860, 440, 590 and 400 rows are kept. The shares of a and b, 72% and 18%, have standard
    # errors of 18% sqrt(.9 / 440) = 0.8%, and their sum of differences up to 4 of them.
    assert document["metrics"]["share_difference"] < 0.064
    table, scores = population(ROWS, 2)
    code = [VALUES.index(value) for value in table["kind"].to_pylist()]
    best = log_loss(code, softmax(scores, axis=1))
    assert document["metrics"]["log_loss"] == pytest.approx(log_loss(code, prob))
    # 2,300 rows; boosting without the pilot to start from learns least from them.
    assert document["metrics"]["log_loss"] < 1.04 * best
    for each in document["classes"].values():
        assert each["predicted_over_observed"] == pytest.approx(1, abs=0.2)


def test_all_of_it_in_one_command(
    made: Made, tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    out = tmp_path / "out"
    base = ["run", made.table, "-l", "kind", "--model", "logistic", "-o", out]
    for budget in ([], ["--rate", "0.1"]):
        refused = rebalance([*base, *budget])
        assert refused.exit_code == 2
        assert "4 classes" in refused.stderr
        assert "--rate a=0.1,b=0.02" in refused.stderr
    document = json.loads(done([*base, "--rate", RATES, "--json"]).stdout)
    report = json.loads((out / "report.json").read_text())
    assert report["sample"]["classes"] == document["sample"]["classes"]
    assert report["train"]["output"] == "model.rbl"
    names = {"train.parquet", "test.parquet", "pilot.rbl", "sample.parquet", "model.rbl"}
    assert {path.name for path in out.iterdir()} == names | {"predictions.parquet", "report.json"}
    again = json.loads(
        done(["evaluate", out / "predictions.parquet", "-l", "kind", "--json"]).stdout
    )
    assert again["metrics"] == document["evaluate"]["metrics"]


def test_the_sampled_scale_and_the_metadata(made: Made, tmp_path: Path, done: Invoke) -> None:
    model, out = tmp_path / "m.rbl", tmp_path / "p.parquet"
    done(["train", made.sample, "--model", "logistic", "-o", model, "-q"])
    done(["predict", made.sample, "--model", model, "--sampled", "-o", out, "-q"])
    prob, sampled = probabilities(out), probabilities(out, "rb_probability_sampled_")
    shifted = prob * np.exp(offsets(made.sample))
    assert sampled == pytest.approx(shifted / shifted.sum(axis=1, keepdims=True))
    # A fit with free intercepts has the sample's own counts.
    assert sampled.sum(axis=0) == pytest.approx(list(counts_of(made.sample).values()), rel=1e-6)
    metadata = pq.read_metadata(out).metadata
    assert json.loads(metadata[b"rebalance.label"]) == {"column": "kind", "classes": list(VALUES)}
    assert json.loads(metadata[b"rebalance.scale"])["rb_probability_sampled_a"] == "sampled"


def test_a_sample_as_csv(made: Made, tmp_path: Path, done: Invoke) -> None:
    out = tmp_path / "s.csv"
    done(["sample", made.table, "--pilot", made.pilot, "--rate", RATES, "-o", out, "-q"])
    table = pcsv.read_csv(out)
    assert table.column_names[-4:] == [f"rb_offset_{value}" for value in VALUES]
    found = np.column_stack([table[f"rb_offset_{value}"].to_numpy() for value in VALUES])
    assert (found == offsets(made.sample)).all()
    predicted = []
    for number, sample in enumerate((out, made.sample)):
        model, scored = tmp_path / f"{number}.rbl", tmp_path / f"{number}.parquet"
        done(["train", sample, "--model", "logistic", "-o", model, "-q"])
        done(["predict", made.other, "--model", model, "-o", scored, "-q"])
        predicted.append(probabilities(scored))
    assert predicted[0] == pytest.approx(predicted[1], abs=1e-9)


def test_two_classes_go_the_same_way(simulated: Simulated, tmp_path: Path, done: Invoke) -> None:
    many, two = tmp_path / "many.parquet", tmp_path / "two.parquet"
    base = ["sample", simulated.path, "-l", "y", "-q", "-o"]
    done([*base, many, "--rate", "0=0.1"])
    done([*base, two, "--rate", "0.1"])
    assert pq.read_table(many)["rb_row"].equals(pq.read_table(two)["rb_row"])
    shift = offsets(many)
    assert (shift[:, 1] - shift[:, 0] == pq.read_table(two)["rb_offset"].to_numpy()).all()
    found = []
    for sample, column in ((many, "rb_probability_1"), (two, "rb_probability")):
        model, out = tmp_path / "m.rbl", tmp_path / "p.parquet"
        done(["train", sample, "--model", "logistic", "-o", model, "-q"])
        done(["predict", simulated.path, "--model", model, "-o", out, "-q"])
        found.append(pq.read_table(out)[column].to_numpy())
    assert found[0] == pytest.approx(found[1], rel=1e-6)


def test_the_natural_table(made: Made, tmp_path: Path, done: Invoke) -> None:
    model, out = tmp_path / "m.rbl", tmp_path / "p.parquet"
    done(["train", made.table, "--natural", "-l", "kind", "--model", "logistic", "-o", model])
    done(["predict", made.other, "--model", model, "-o", out, "-q"])
    table = pq.read_table(made.table)
    x = np.column_stack([table["x1"].to_numpy(), table["x2"].to_numpy()])
    peer = LogisticRegression(C=1e6, tol=1e-8, max_iter=1000).fit(x, table["kind"].to_pylist())
    other = pq.read_table(made.other)
    expected = peer.predict_proba(np.column_stack([other["x1"], other["x2"]]))
    assert probabilities(out) == pytest.approx(expected, abs=1e-4)


def test_key_draws_and_dry_run(made: Made, tmp_path: Path, done: Invoke) -> None:
    table = pq.read_table(made.table).append_column("id", pa.array(range(ROWS)))
    ahead, turned = tmp_path / "1.parquet", tmp_path / "2.parquet"
    pq.write_table(table, ahead)
    pq.write_table(table.take(pa.array(range(ROWS - 1, -1, -1))), turned)
    kept = []
    for path in (ahead, turned):
        out = tmp_path / "s.parquet"
        arguments = ["sample", path, "--pilot", made.pilot, "--rate", RATES, "-o", out]
        done([*arguments, "--key", "id", "-q"])
        kept.append(set(pq.read_table(out)["id"].to_pylist()))
        out.unlink()
        plan = json.loads(done([*arguments, "--dry-run", "--json"]).stdout)
        assert plan["expected_rows"] == pytest.approx(len(kept[0]), rel=0.1)
        assert not out.exists()
    assert kept[0] == kept[1]


@pytest.mark.parametrize("learner", ["logistic", "gbm"])
def test_a_long_tail_is_kept_and_said(tmp_path: Path, done: Invoke, learner: str) -> None:
    table, test = tmp_path / "t.parquet", tmp_path / "test.parquet"
    pq.write_table(long_tail(0), table)
    other = long_tail(1)
    strange = pa.table({"x1": [0.0], "x2": [0.0], "kind": [999]})
    pq.write_table(pa.concat_tables([other.filter(pc.less(other["kind"], 155)), strange]), test)
    pilot, sample = tmp_path / "p.rbl", tmp_path / "s.parquet"
    model, out = tmp_path / "m.rbl", tmp_path / "pred.parquet"
    said = done(["pilot", table, "-l", "kind", "--model", learner, "--size", 100, "-o", pilot])
    assert "60 classes" in said.stderr
    assert "fewer than 5 rows" in said.stderr
    rates = "100=0.1,101=0.2,150=0.001,159=0.001"
    said = done(["sample", table, "--pilot", pilot, "--rate", rates, "-o", sample])
    assert "no row was drawn of 150, 159" in said.stderr
    how = ["--learning-rate", 0.3, "--leaves", 4] if learner == "gbm" else []
    said = done(["train", sample, "--model", learner, *how, "-o", model])
    assert "150 (1), 159 (1)" in said.stderr
    done(["predict", test, "--model", model, "-o", out, "-q"])
    result = done(["evaluate", out, "-l", "kind", "--json"])
    document = json.loads(result.stdout)
    assert "no column for 999 (1)" in result.stderr
    assert "no row is of 155, 156, 157, 158, 159" in result.stderr
    assert document["classes"]["150"]["mean_predicted"] == 0.0
    assert document["metrics"]["share_difference"] < 0.15
    # Shares alone have 1.72; boosting that diverges on rare classes had 30.
    share = np.bincount(long_tail(0)["kind"].to_numpy() - 100) / 5_000
    assert document["metrics"]["log_loss"] < -(share * np.log(share)).sum() + 0.3


@pytest.mark.parametrize("model", ["xgboost", "hist-gbm"])
def test_boosting_by_other_libraries_gives_the_populations_shares(
    model: str, made: Made, tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    pytest.importorskip("xgboost" if model == "xgboost" else "sklearn")
    uniform, fitted, out = (tmp_path / name for name in ("s.parquet", "m.rbl", "p.parquet"))
    done(["sample", made.table, "-l", "kind", "--rate", RATES, "-o", uniform, "-q"])
    shares = softmax(population(ROWS, 2)[1], axis=1).mean(axis=0)
    for sample in (uniform, made.sample):
        given = ["train", sample, "--model", model, "--rounds", 40, "-o", fitted]
        shown = json.loads(done([*given, "--json"]).stdout)
        assert shown["correction"] == ("offset" if model == "xgboost" else "posthoc")
        done(["predict", made.other, "--model", fitted, "-o", out, "-q"])
        kept = np.array([counts_of(sample)[value] for value in VALUES])
        # Each class's rows are known to 1 / sqrt(kept) at best; trees are approximate.
        allowed = 8 * np.sqrt(1 / kept + 1 / kept.max())
        assert (np.abs(probabilities(out).mean(axis=0) / shares - 1) < allowed).all()
    if model == "hist-gbm":
        refused = rebalance([*given, "--correction", "offset"])
        assert refused.exit_code == 2
        assert "hist-gbm cannot be corrected by --correction offset" in refused.stderr
