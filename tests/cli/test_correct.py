"""`rebalance correct`: every way to say how the rows were sampled, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LogisticRegression

from tests.conftest import Invoke, Simulated

FEATURES = ["x1", "x2", "x3"]


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    """Three rows whose correction can be worked out by hand at pi_0 = 0.1."""
    path = tmp_path / "pred.csv"
    path.write_text(f"id,score,pi,zero\n007,{1 / 10.9!r},0.1,1\n8,0.5,0.5,0\n9,1.0,1,1\n")
    return path


def corrected(path: Path) -> list[float]:
    return pcsv.read_csv(path)["rb_probability"].to_pylist()


def test_by_hand_with_a_rate(predictions: Path, tmp_path: Path, done: Invoke) -> None:
    out = tmp_path / "c.csv"
    result = done(["correct", predictions, "--probability", "score", "--rate", 0.1, "-o", out])
    # Odds times 0.1: 1/9.9 becomes 1/99; 1 becomes 1/10; certainty stays.
    assert corrected(out) == pytest.approx([0.01, 1 / 11, 1.0])
    assert out.read_text().splitlines()[1].startswith("007,")
    assert "1 of the probabilities to correct are exactly 0 or 1" in result.stderr


def test_by_hand_with_a_column_a_prior_and_an_offset(
    predictions: Path, tmp_path: Path, done: Invoke
) -> None:
    out = tmp_path / "c.csv"
    base = ["correct", predictions, "--probability", "score", "-o", out]
    done([*base, "--pi", "pi"])
    assert corrected(out) == pytest.approx([0.01, 1 / 3, 1.0])
    done([*base, "--prior", "0.5,0.01"])
    assert corrected(out)[1] == pytest.approx(0.01)
    done([*base, "--offset", "pi", "--sampled"])
    assert corrected(out)[1] == pytest.approx(1 / (1 + np.exp(0.5)))
    assert pcsv.read_csv(out)["rb_probability_sampled"][1].as_py() == 0.5


@pytest.mark.parametrize("method", ["uniform", "nonuniform"])
def test_another_tools_model_becomes_true_with_the_design(
    simulated: Simulated, piloted: Path, tmp_path: Path, done: Invoke, method: str
) -> None:
    sample = tmp_path / "s.parquet"
    arguments = ["--pilot", piloted, "--rate", 0.1, "--method", method, "-o", sample, "-q"]
    done(["sample", simulated.path, *arguments])
    kept = pq.read_table(sample)
    x = np.column_stack([kept[name].to_numpy() for name in FEATURES])
    peer = LogisticRegression(C=1e6).fit(x, kept["y"].to_numpy())
    whole = np.column_stack([simulated.table[name].to_numpy() for name in FEATURES])
    scored = tmp_path / "pred.parquet"
    probability = peer.predict_proba(whole)[:, 1]
    pq.write_table(simulated.table.append_column("mine", pa.array(probability)), scored)
    out = tmp_path / "c.parquet"
    done(["correct", scored, "--probability", "mine", "--design", sample, "-o", out, "-q"])
    table = pq.read_table(out)
    assert table.drop_columns(["rb_probability"]).equals(pq.read_table(scored))
    observed = simulated.table["y"].to_numpy().sum()
    # 1,200 positives, a standard error of 2.8%; uncorrected it is about five times too much.
    assert probability.sum() / observed > 3
    assert table["rb_probability"].to_numpy().sum() / observed == pytest.approx(1, abs=0.09)


def test_twice_is_refused(
    predictions: Path, tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    for ending in ("csv", "parquet"):
        out = tmp_path / f"c.{ending}"
        done(["correct", predictions, "--probability", "score", "--rate", 0.1, "-o", out])
        for column in ("score", "rb_probability"):
            again = ["correct", out, "--probability", column, "--rate", 0.1]
            result = rebalance([*again, "-o", tmp_path / "d.csv"])
            assert result.exit_code == 3
            assert "already" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "--prior TRAIN,TRUE"),
        (["--rate", "0.1", "--pi", "pi"], 2, "contradict"),
        (["--pi", "rb_pi"], 2, "rb_offset"),
        (["--rate", "0.1", "--probability", "none"], 3, "'none'"),
        (["--pi", "id"], 3, "not numbers"),
        (["--pi", "zero"], 3, "above 0 and at most 1"),
        (["--rate", "0"], 2, "--rate"),
        (["--prior", "0.5"], 2, "two shares"),
        (["--prior", "0,1"], 2, "between 0 and 1"),
        (["--probability", "id", "--rate", "0.1"], 3, "not numbers"),
        (["--design", "pred.csv"], 4, "no design"),
        (["--design", "nothing.json"], 4, "nothing.json"),
    ],
)
def test_bad_usage(
    predictions: Path,
    tmp_path: Path,
    rebalance: Invoke,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    base = ["correct", predictions, "-o", "out.csv"]
    given = [] if "--probability" in arguments else ["--probability", "score"]
    result = rebalance([*base, *given, *arguments])
    assert result.exit_code == code
    assert words in result.stderr
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("bad", ["nan", "1.5", "-0.1", ""])
def test_a_probability_that_is_none_is_found(tmp_path: Path, rebalance: Invoke, bad: str) -> None:
    path = tmp_path / "pred.csv"
    path.write_text(f"id,score\na,0.5\nb,{bad}\n")
    arguments = ["--probability", "score", "--rate", "0.1", "-o", tmp_path / "c.csv"]
    result = rebalance(["correct", path, *arguments])
    assert result.exit_code == 3
    assert "row 1 (counting from 0), column 'score'" in result.stderr


def test_several_columns_are_those_of_classes(tmp_path, rebalance, done):
    path, out = tmp_path / "p.csv", tmp_path / "c.csv"
    path.write_text("u,v,w\n0.2,0.3,0.5\n0.6,0.3,0.1\n")
    base = ["correct", path, "--rate", "a=0.5", "-o", out]
    refused = rebalance([*base, "--probability", "u", "--probability", "v"])
    assert refused.exit_code == 2
    assert "CLASS=COLUMN for each class" in refused.stderr
    apart = [part for name in ("a=u", "b=v", "c=w") for part in ("--probability", name)]
    done([*base, *apart])
    first = out.read_text()
    done([*base, "--probability", "a=u,b=v,c=w"])
    assert out.read_text() == first
    # Class a was thinned to a half: its odds against the others double.
    shares = [float(each) for each in first.splitlines()[1].split(",")[-3:]]
    assert shares == pytest.approx([0.4 / 1.2, 0.3 / 1.2, 0.5 / 1.2])


@pytest.mark.parametrize("scale", ["{broken", "[1]", "[" * 100_000])
def test_a_scale_that_cannot_be_read_is_refused(
    predictions: Path, tmp_path: Path, rebalance: Invoke, scale: str
) -> None:
    source, out = tmp_path / "p.parquet", tmp_path / "c.csv"
    table = pcsv.read_csv(predictions)
    pq.write_table(table.replace_schema_metadata({"rebalance.scale": scale}), source)
    for asked in ("score", "a=score,b=pi"):
        rate = "0.1" if asked == "score" else "a=0.5"
        result = rebalance(["correct", source, "--probability", asked, "--rate", rate, "-o", out])
        assert result.exit_code == 3
        assert "metadata 'rebalance.scale' cannot be read" in result.stderr
        assert str(source) in result.stderr
        assert not out.exists()
