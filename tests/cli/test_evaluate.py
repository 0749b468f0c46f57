import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from sklearn.metrics import log_loss, roc_auc_score

from rebalance.cli.main import cli

ROWS = 400


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    y_prob = rng.beta(1, 6, ROWS)
    return {
        "y": (rng.random(ROWS) < y_prob).astype(np.int8),
        "rb_probability": y_prob,
        "[red]mine": y_prob**0.5,
        "group": np.arange(ROWS) // (ROWS // 2),
    }


@pytest.fixture
def path(table, tmp_path):
    target = tmp_path / "p.parquet"
    pq.write_table(pa.table(table), target)
    return str(target)


def run(*arguments, code=0, **options):
    result = CliRunner().invoke(cli, ["evaluate", *arguments], catch_exceptions=False, **options)
    assert result.exit_code == code, result.output
    return result


def test_table(path, table):
    result = run(path, "-l", "y")
    rows = dict(line.split() for line in result.stdout.splitlines() if len(line.split()) == 2)
    assert rows["rows"] == "400"
    assert rows["positives"] == str(table["y"].sum())
    assert rows["roc_auc"] == f"{roc_auc_score(table['y'], table['rb_probability']):.4f}"
    assert rows["log_loss"] == f"{log_loss(table['y'], table['rb_probability']):.5f}"
    assert "weight" not in rows
    assert "note: '1' is the positive value of 'y'" in result.stderr


def test_everything_in_one_table_each(path):
    result = run(
        path,
        *("-l", "y", "--probability", "rb_probability", "--probability", "[red]mine"),
        *("--threshold", "f1", "--threshold", "0.999", "--by", "group", "--beta", "0.5", "-q"),
    )
    text = result.stdout
    assert result.stderr == ""
    assert text.count("[red]mine") == 5  # three heads, and a row in each of two segments
    assert "threshold f1" in text
    assert "f_beta (beta 0.5)" in text
    assert "by group" in text
    precision = [line.split()[1:] for line in text.splitlines() if line.startswith(" precision")]
    assert precision[1] == ["-", "-"]  # nothing is at .999 or above


def test_json(path, table):
    document = json.loads(run(path, "-l", "y", "--json", "--threshold", "recall=.5").stdout)
    assert (document["command"], document["format"]) == ("evaluate", 1)
    found = document["metrics"]["rb_probability"]
    assert found["roc_auc"] == pytest.approx(roc_auc_score(table["y"], table["rb_probability"]))
    at = document["thresholds"][0]
    assert at["threshold"] == "recall=0.5"
    assert at["metrics"]["rb_probability"]["recall"] >= 0.5
    assert document["checks"] == document["segments"] == []


def test_standard_input(table):
    lines = [
        "y,q",
        *(f"{y},{q!r}" for y, q in zip(table["y"], table["rb_probability"].tolist(), strict=True)),
    ]
    arguments = ("-", "-l", "y", "--probability", "q", "--json")
    document = json.loads(run(*arguments, input="\n".join(lines).encode()).stdout)
    expected = roc_auc_score(table["y"], table["rb_probability"])
    assert document["metrics"]["q"]["roc_auc"] == pytest.approx(expected)


def test_weights(path, table, tmp_path):
    weighted = str(tmp_path / "w.parquet")
    pq.write_table(pa.table(table | {"w": np.where(table["y"] == 1, 0.5, 1.0)}), weighted)
    text = run(weighted, "-l", "y", "--sample-weight", "w", "--threshold", "0.2").stdout
    positives = table["y"].sum()
    assert "rows weighted by w" in text
    assert f"{positives / 2:,.2f}" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["weight", f"{ROWS - positives / 2:,.2f}"] in rows
    assert ["rows", "400"] in rows


class TestChecks:
    def test_pass(self, path):
        result = run(path, "-l", "y", "--fail-if", "roc_auc<0.1")
        assert "passed" in result.stdout
        assert "error" not in result.stderr

    def test_fail_after_everything_is_shown(self, path, tmp_path):
        result = run(
            path,
            *("-l", "y", "--threshold", "0.3", "--plot", str(tmp_path / "p.png")),
            *("--fail-if", "roc_auc<1.1", "--fail-if", "ece>1", "--fail-if", "recall@.3>=0", "-q"),
            code=1,
        )
        assert "log_loss" in result.stdout
        assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
        lines = result.stderr.splitlines()
        assert len(lines) == 3
        assert lines[0].startswith("check failed: 'roc_auc<1.1': roc_auc of 'rb_probability' is 0.")
        assert lines[1].startswith("check failed: 'recall@.3>=0': recall@0.3 of 'rb_probability'")
        assert lines[2] == "error: 2 of 3 checks failed"

    def test_json_holds_the_checks(self, path):
        result = run(path, "-l", "y", "--json", "--fail-if", "brier>0", code=1)
        (check,) = json.loads(result.stdout)["checks"]
        assert check["expression"] == "brier>0"
        assert check["failed"] is True
        assert 0 < check["value"] < 1

    def test_what_is_not_defined_fails(self, path):
        result = run(
            path,
            *("-l", "y", "--threshold", "0.999", "--fail-if", "precision@0.999<0.1"),
            code=1,
        )
        assert "precision@0.999 of 'rb_probability' is not defined" in result.stderr
        assert "failed" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--label", "yy"], 3, "no column 'yy'"),
        (["-l", "y", "--probability", "q"], 3, "no column 'q'"),
        (["-l", "y", "--threshold", "recal=.8"], 2, "recall=0.8"),
        (["-l", "y", "--threshold", "top=401"], 2, "there are 400"),
        (["-l", "y", "--fail-if", "roc_auc"], 2, "'roc_auc<0.8'"),
        (["-l", "y", "--fail-if", "rocauc<1"], 2, "the nearest is 'roc_auc'"),
        (["-l", "y", "--fail-if", "recall@0.3<1"], 2, "--threshold 0.3"),
        (["-l", "y", "--beta", "0"], 2, "--beta"),
        (["-l", "y", "--by", "group:day"], 2, "no periods"),
        (["-l", "y", "--plot", "x.gif"], 2, ".png"),
        (["-l", "y", "--positive", "5"], 3, "positive value '5'"),
        ([], 2, "--label"),
    ],
)
def test_bad_options(path, arguments, code, words):
    result = run(path, *arguments, code=code)
    assert words in result.stderr
    assert result.stdout == ""


def test_no_clobber(path, tmp_path):
    plot = tmp_path / "p.png"
    plot.write_bytes(b"old")
    result = run(path, "-l", "y", "--plot", str(plot), "--no-clobber", code=2)
    assert "--no-clobber" in result.stderr
    assert plot.read_bytes() == b"old"
