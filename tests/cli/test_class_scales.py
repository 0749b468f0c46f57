"""Probabilities of many classes: balanced, of other tools, corrected and evaluated."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LogisticRegression

from tests.classes import VALUES, Made, counts_of, probabilities
from tests.conftest import Invoke


def test_a_balanced_model_takes_weights_for_copies_of_rows(
    made: Made, tmp_path: Path, done: Invoke
) -> None:
    table = pq.read_table(made.table).slice(0, 3_000)
    copies = np.where(np.array(table["kind"].to_pylist()) == "d", 9, 1)
    copied = table.take(pa.array(np.repeat(np.arange(len(table)), copies)))
    weighted = table.append_column("w", pa.array(copies.astype(np.float64)))
    found = []
    for name, one, more in (
        ("w", weighted, ["--sample-weight", "w"]),
        ("c", copied, []),
    ):
        source, model, out = (tmp_path / f"{name}{end}" for end in (".parquet", ".rbl", ".csv"))
        pq.write_table(one, source)
        done(["train", source, "--natural", "-l", "kind", "--model", "logistic", "-q",
              "--balanced-softmax", *more, "-o", model])  # fmt: skip
        done(["predict", made.other, "--model", model, "-o", out, "--keep", "x1", "-q"])
        found.append(pcsv.read_csv(out)["rb_balanced_d"].to_numpy())
    # The same likelihood but for rounding, and features scaled by the rows with or without copies.
    assert found[0] == pytest.approx(found[1], abs=0.005)


def test_balanced_models_say_so(
    made: Made, tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    plain, balanced, softened = (tmp_path / f"{name}.rbl" for name in "pbs")
    base = ["train", made.sample, "--model", "logistic", "-q", "-o"]
    done([*base, plain])
    done([*base, balanced, "--logit-adjustment", 1])
    done([*base, softened, "--balanced-softmax"])
    outs = [tmp_path / f"{name}.parquet" for name in "pbs"]
    for model, out in zip((plain, balanced, softened), outs, strict=True):
        done(["predict", made.other, "--model", model, "-o", out, "-q"])
    counts = np.array(list(counts_of(made.table).values()))
    expected = probabilities(outs[0]) / counts
    expected /= expected.sum(axis=1, keepdims=True)
    assert probabilities(outs[1], "rb_balanced_") == pytest.approx(expected, rel=1e-9)
    assert (probabilities(outs[1], "rb_balanced_") == probabilities(outs[2], "rb_balanced_")).all()
    assert "balanced" in pq.read_metadata(outs[1]).metadata[b"rebalance.scale"].decode()
    recalls = []
    for out in outs[:2]:
        found = done(["evaluate", out, "-l", "kind", "--json"])
        recalls.append(json.loads(found.stdout)["metrics"]["balanced_accuracy"])
    assert "about balanced classes" in found.stderr
    assert recalls[1] > recalls[0] + 0.1
    columns = ",".join(f"{value}=rb_balanced_{value}" for value in VALUES)
    back = tmp_path / "back.parquet"
    again = ["correct", outs[1], "--probability", columns, "-o", back]
    refused = rebalance([*again, "--rate", "a=0.1"])
    assert refused.exit_code == 3
    assert "shifted already" in refused.stderr
    done([*again, "--balanced", balanced])
    assert probabilities(back) == pytest.approx(probabilities(outs[0]), rel=1e-9)
    refused = rebalance([*again, "--balanced", plain])
    assert refused.exit_code == 4


def test_a_check_and_columns_of_another_tool(
    made: Made, tmp_path: Path, rebalance: Invoke, done: Invoke
) -> None:
    csv = tmp_path / "p.csv"
    csv.write_text("kind,p one,q\nx,0.75,0.25\ny,0.5,0.5\ny,0.25,0.75\n")
    base = ["evaluate", csv, "-l", "kind", "--probability", "x=p one,y=q"]
    result = rebalance([*base, "--fail-if", "accuracy<0.5", "--fail-if", "log_loss>0.1", "--json"])
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert [each["failed"] for each in document["checks"]] == [False, True]
    expected = -(2 * np.log(0.75) + np.log(0.5)) / 3
    assert document["metrics"]["log_loss"] == pytest.approx(expected)
    assert "accuracy" in done(base).stdout
    assert rebalance([*base, "--fail-if", "brier>1"]).exit_code == 2
    assert "two classes" in rebalance([*base, "--threshold", "f1"]).stderr
    usual = tmp_path / "usual.csv"
    usual.write_text(
        "kind,rb_probability_x,rb_probability_y,rb_probability_sampled_x\n"
        "x,0.75,0.25,0.5\ny,0.5,0.5,0.5\n"
    )
    document = json.loads(done(["evaluate", usual, "-l", "kind", "--json"]).stdout)
    assert document["label"]["classes"] == ["x", "y"]


BY_HAND = "kind,a,b,c\nx,0.25925925925925924,0.37037037037037035,0.37037037037037035\nx,1,0,0\n"


def test_correct_by_hand(tmp_path: Path, done: Invoke, rebalance: Invoke) -> None:
    csv, out = tmp_path / "p.csv", tmp_path / "c.csv"
    csv.write_text(BY_HAND)
    base = ["correct", csv, "--probability", "x=a,y=b,z=c", "-o", out]
    result = done([*base, "--rate", "x=0.1,y=0.5", "--sampled"])
    table = pcsv.read_csv(out)
    # 70, 100 and 100 kept of 700, 200 and 100.
    found = [table[f"rb_probability_{value}"][0].as_py() for value in "xyz"]
    assert found == pytest.approx([0.7, 0.2, 0.1])
    assert table["rb_probability_x"][1].as_py() == 1.0
    assert table["rb_probability_sampled_y"][0].as_py() == pytest.approx(10 / 27)
    assert "1 row has probabilities of exactly 0 or 1" in result.stderr
    columns = "x=rb_probability_x,y=rb_probability_y,z=rb_probability_z"
    again = ["correct", out, "--probability", columns, "--rate", "x=0.1"]
    twice = rebalance([*again, "-o", tmp_path / "d.csv"])
    assert twice.exit_code == 3
    assert "already" in twice.stderr


def test_another_tools_model_becomes_true_with_the_design(
    made: Made, tmp_path: Path, done: Invoke
) -> None:
    kept, other = pq.read_table(made.sample), pq.read_table(made.other)
    peer = LogisticRegression(C=1e6, max_iter=1000).fit(
        np.column_stack([kept["x1"], kept["x2"]]), kept["kind"].to_pylist()
    )
    given = peer.predict_proba(np.column_stack([other["x1"], other["x2"]]))
    scored, out = tmp_path / "p.parquet", tmp_path / "c.parquet"
    theirs = {f"mine {value}": given[:, place] for place, value in enumerate(VALUES)}
    pq.write_table(pa.table({name: other[name] for name in other.column_names} | theirs), scored)
    columns = ",".join(f"{value}=mine {value}" for value in VALUES)
    arguments = ["correct", scored, "--probability", columns, "--design", made.sample]
    done([*arguments, "-o", out, "-q"])
    document = json.loads(done(["evaluate", out, "-l", "kind", "--json"]).stdout)
    assert document["metrics"]["share_difference"] < 0.064  # as above
    before = json.loads(
        done(["evaluate", scored, "-l", "kind", "--probability", columns, "--json"]).stdout
    )
    assert before["metrics"]["share_difference"] > 0.5


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--probability", "x=a,y=b"], 2, "how the training rows"),
        (["--probability", "x=a,y=b", "--rate", "0.1"], 2, "--rate a=0.1"),
        (["--probability", "x=a,y=b", "--rate", "x=0.1"], 3, "sum to 0.62963"),
        (["--probability", "x=a,y=b,z=c", "--rate", "w=0.1"], 2, "no class 'w'"),
        (["--probability", "x=a,x=b", "--rate", "x=0.1"], 2, "twice"),
        (["--probability", "x=a,y=none", "--rate", "x=0.1"], 3, "'none'"),
        (["--probability", "x=a", "--rate", "x=0.1"], 2, "one class only"),
        (["--probability", "x=a,y=kind", "--rate", "x=0.1"], 3, "not numbers"),
        (["--probability", "a", "--rate", "x=0.1"], 2, "which class"),
    ],
)
def test_bad_corrections(
    tmp_path: Path, rebalance: Invoke, arguments: list[str], code: int, words: str
) -> None:
    csv = tmp_path / "p.csv"
    csv.write_text(BY_HAND)
    result = rebalance(["correct", csv, "-o", tmp_path / "c.csv", *arguments])
    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert not (tmp_path / "c.csv").exists()
