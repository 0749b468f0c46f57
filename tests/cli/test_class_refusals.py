"""What is refused of labels of many classes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.classes import Made
from tests.conftest import Invoke, Simulated


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--rate", "0.1"], 2, "--rate a=0.1,b=0.02"),
        (["--ratio", "0.5"], 2, "below 1"),
        ([], 2, "--rate R"),
        (["--rate", "a=0.1,e=0.2"], 2, "no class 'e'"),
        (["--rate", "a=0.1", "--rows", "100"], 2, "contradict"),
        (["--rate", "a=2"], 2, "not in the range"),
        (["--rate", "a=0.1,a=0.2"], 2, "twice"),
        (["--rate", "=0.1"], 2, "CLASS=R"),
        (["--rows", "3"], 2, "below one a class"),
        (["--rows", "1000000"], 2, "more than the 24,000"),
        (["--rate", "a=0.1", "--floor", "0.2"], 2, "above the rate of a"),
        (["--rate", "a=0.1", "-l", "x1"], 4, "made for the label 'kind'"),
        (["--rate", "a=0.1", "--positive", "a"], 2, "two classes"),
        (["--rate", "a=0.1", "--method", "uniform", "--mix", "0.5"], 2, "uniform"),
    ],
)
def test_bad_samples(
    made: Made, tmp_path: Path, rebalance: Invoke, arguments: list[str], code: int, words: str
) -> None:
    out = tmp_path / "s.parquet"
    result = rebalance(["sample", made.table, "--pilot", made.pilot, "-o", out, *arguments])
    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_bad_samples_without_a_pilot(made: Made, tmp_path: Path, rebalance: Invoke) -> None:
    base = ["sample", made.table, "-l", "kind", "-o", tmp_path / "s.parquet"]
    refused = rebalance([*base, "--rate", "0.1"])
    assert refused.exit_code == 2
    for word in ("4 classes", "--rate a=0.1,b=0.02", "--ratio K", "--rows N", "--positive"):
        assert word in refused.stderr
    assert "no class 'z'" in rebalance([*base, "--rate", "z=0.1"]).stderr
    assert "needs a pilot" in rebalance([*base, "--rows", 99, "--method", "nonuniform"]).stderr
    assert list(tmp_path.iterdir()) == []


def test_kinds_of_artifacts_are_not_mixed_up(
    made: Made, simulated: Simulated, tmp_path: Path, rebalance: Invoke, done: Invoke
) -> None:
    two = tmp_path / "two.rbl"
    done(["pilot", simulated.path, "-l", "y", "-o", two, "--size", 100, "-q"])
    base = ["sample", made.table, "-o", tmp_path / "s.parquet"]
    refused = rebalance([*base, "--pilot", two, "--rate", "a=0.1"])
    assert refused.exit_code == 4
    assert "not of many classes" in refused.stderr
    scored = tmp_path / "p.csv"
    scored.write_text("x1,x2,p\n1,2,0.5\n")
    refused = rebalance(
        ["correct", scored, "--probability", "p", "--design", made.sample, "-o", tmp_path / "c.csv"]
    )
    assert refused.exit_code == 4
    assert "4 classes" in refused.stderr
    refused = rebalance(["train", made.sample, "--positive", "a", "-o", tmp_path / "m.rbl"])
    assert refused.exit_code == 4
    arguments = ["train", simulated.path, "--natural", "-l", "y", "-o", tmp_path / "m.rbl"]
    refused = rebalance([*arguments, "--balanced-softmax"])
    assert refused.exit_code == 2
    assert "threshold" in refused.stderr
    refused = rebalance([*arguments, "--balanced-softmax", "--logit-adjustment", 2])
    assert "contradict" in refused.stderr


def test_a_design_of_another_sample_is_refused(
    made: Made, tmp_path: Path, rebalance: Invoke, done: Invoke
) -> None:
    other, design = tmp_path / "o.csv", tmp_path / "o.csv.design.json"
    done(["sample", made.table, "--pilot", made.pilot, "--rows", 900, "-o", other, "-q"])
    refused = rebalance(["train", made.sample, "--design", design, "-o", tmp_path / "m.rbl"])
    assert refused.exit_code == 4
    assert "not this sample's" in refused.stderr
    document = json.loads(design.read_text())
    design.write_text(json.dumps(document | {"seed": 99}))
    refused = rebalance(["train", other, "-o", tmp_path / "m.rbl"])
    assert refused.exit_code == 4
    assert "altered" in refused.stderr
    design.unlink()
    refused = rebalance(["train", other, "-o", tmp_path / "m.rbl"])
    assert "no design" in refused.stderr


@pytest.mark.parametrize("option", [["--plan", "plan.png"], ["--correction", "weight"]])
def test_nothing_is_planned(
    made: Made, tmp_path: Path, rebalance: Invoke, option: list[str]
) -> None:
    out = tmp_path / "p.rbl"
    refused = rebalance(["pilot", made.table, "-l", "kind", "--size", 100, "-o", out, *option])
    assert refused.exit_code == 2
    assert f"{option[0]} is for two classes" in refused.stderr
    assert not out.exists()
