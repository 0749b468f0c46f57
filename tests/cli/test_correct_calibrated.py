"""`rebalance correct --calibrate-on`: what no formula undoes, made true by outcomes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from scipy.special import expit, logit

from tests.conftest import Invoke, Simulated

COUNT = 40_000


def scored(seed: int, count: int = COUNT, step: float | None = None) -> pa.Table:
    """Rows whose truth is known, and a score whose log odds are 1.5 times those, plus 2.

    With a step the score is rounded to it, as a forest's of 1/step trees: many are 0.
    """
    rng = np.random.default_rng(seed)
    truth = rng.normal(-4, 1.2, count)
    y = rng.random(count) < expit(truth)
    score = expit(2 + 1.5 * truth)
    if step is not None:
        score = np.round(score / step) * step
    label = np.where(y, "yes", "no")
    return pa.table({"id": np.arange(count), "truth": truth, "score": score, "label": label})


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path]:
    """The rows to correct, without a label, and those to calibrate on."""
    pq.write_table(scored(1).drop_columns(["label"]), tmp_path / "p.parquet")
    pq.write_table(scored(2), tmp_path / "n.parquet")
    return tmp_path / "p.parquet", tmp_path / "n.parquet"


def asked(tables: tuple[Path, Path], *extra: object) -> list[object]:
    given = [tables[0], "--probability", "score", "--calibrate-on", tables[1], "-l", "label"]
    return ["correct", *given, *extra]


def test_platt_finds_the_truth(tables: tuple[Path, Path], tmp_path: Path, done: Invoke) -> None:
    out = tmp_path / "c.parquet"
    result = done(asked(tables, "-o", out, "--json", "--sampled"))
    found = json.loads(result.stdout)["calibration"]
    written = pq.read_table(out)
    source = pq.read_table(tables[0])
    own = ["rb_probability", "rb_probability_sampled"]
    assert written.drop_columns(own).equals(source)
    assert written["rb_probability_sampled"].equals(source["score"])
    scale = json.loads(pq.read_metadata(out).metadata[b"rebalance.scale"])
    assert scale == {"rb_probability": "population"}
    # score = expit(2 + 1.5 truth), so truth = (logit score - 2) / 1.5. Some 1,250 positives fix
    # the slope to 0.03 and the intercept to 0.08 or better; the bounds are four of those.
    slope, intercept = found["recalibration"]["slope"], found["recalibration"]["intercept"]
    assert slope == pytest.approx(1 / 1.5, abs=0.1)
    assert intercept == pytest.approx(-2 / 1.5, abs=0.3)
    expected = intercept + slope * logit(source["score"].to_numpy())
    assert logit(written["rb_probability"].to_numpy()) == pytest.approx(expected, abs=1e-9)
    assert found["before"]["predicted_over_observed"]["low"] > 1.5
    for name in ("predicted_over_observed", "calibration_slope"):
        after = found["after"][name]
        assert after["low"] < 1 < after["high"]
    assert (found["at_zero"], found["at_one"], found["rows"]) == (0, 0, COUNT)
    assert "calibrated by platt" in result.stderr
    assert "'yes' is the positive value" in result.stderr


@pytest.mark.parametrize("method", ["intercept", "platt", "beta", "isotonic"])
def test_each_map_makes_the_sum_true(
    tables: tuple[Path, Path], tmp_path: Path, done: Invoke, method: str
) -> None:
    out = tmp_path / "c.parquet"
    shown = done(asked(tables, "-o", out, "--recalibrate", method)).stderr
    assert f"{method}: " in shown
    for words in ("predicted/observed before", "slope after"):
        assert words in shown
    written = pq.read_table(out)
    truth = expit(written["truth"].to_numpy())
    # Some 1,250 positives to calibrate on: a standard error of 2.8%, times four.
    found = written["rb_probability"].to_numpy()
    assert found.sum() / truth.sum() == pytest.approx(1, abs=0.12)
    order = np.argsort(written["score"].to_numpy())
    assert (np.diff(found[order]) >= 0).all()


def test_zeros_and_ones_are_counted_and_mended(tmp_path: Path, done: Invoke) -> None:
    both = tmp_path / "p.parquet", tmp_path / "n.parquet"
    for seed, path in enumerate(both):
        pq.write_table(scored(seed, step=1 / 50), path)
    table = pq.read_table(both[1])
    score = table["score"].to_numpy()
    zeros = int((score == 0).sum())
    assert zeros > 1_000
    out = tmp_path / "c.parquet"
    result = done(asked(both, "-o", out, "--json"))
    found = json.loads(result.stdout)["calibration"]
    assert (found["at_zero"], found["at_one"]) == (zeros, int((score == 1).sum()))
    inside = score[(score > 0) & (score < 1)]
    assert found["low"] == inside.min() / 2
    assert found["high"] == (1 + inside.max()) / 2
    assert f"{zeros:,} have a probability of exactly 0" in result.stderr
    written = pq.read_table(out)
    prob = written["rb_probability"].to_numpy()
    assert ((prob > 0) & (prob < 1)).all()
    # The same by hand: zeros and ones at the bounds, then the map.
    given = np.clip(written["score"].to_numpy(), found["low"], found["high"])
    fitted = found["recalibration"]
    assert logit(prob) == pytest.approx(fitted["intercept"] + fitted["slope"] * logit(given))
    # Of the isotonic map the least value is the share of positives among the zeros, or of more.
    done(asked(both, "-o", out, "-q", "--recalibrate", "isotonic"))
    prob = pq.read_table(out)["rb_probability"].to_numpy()
    share = np.array(table["label"].to_pylist())[score == 0] == "yes"
    assert prob.min() <= share.mean() + 1e-12
    # Four standard errors of a Poisson number of positives.
    assert prob.sum() == pytest.approx(
        expit(written["truth"].to_numpy()).sum(), rel=4 / np.sqrt(COUNT * share.mean())
    )


def test_the_same_numbers_with_any_batches_and_format(
    tables: tuple[Path, Path], tmp_path: Path, done: Invoke
) -> None:
    found = []
    for name, options in (("a", []), ("b", ["--batch-rows", 777, "--threads", 1])):
        done(asked(tables, "-o", tmp_path / f"{name}.parquet", "-q", *options))
        found.append(pq.read_table(tmp_path / f"{name}.parquet")["rb_probability"])
    texts = tmp_path / "p.csv", tmp_path / "n.csv"
    for path, text in zip(tables, texts, strict=True):
        pcsv.write_csv(pq.read_table(path), text)
    done(asked(texts, "-o", tmp_path / "c.csv", "-q"))
    found.append(pcsv.read_csv(tmp_path / "c.csv")["rb_probability"])
    assert found[0].equals(found[1])
    assert found[2].to_numpy() == pytest.approx(found[0].to_numpy(), rel=1e-12)


def test_a_model_of_a_smote_sample(simulated: Simulated, tmp_path: Path, done: Invoke) -> None:
    whole = simulated.table
    parts = {"train": slice(0, 20_000), "n": slice(20_000, 40_000), "p": slice(40_000, 60_000)}
    for name, rows in parts.items():
        pq.write_table(whole[rows], tmp_path / f"{name}.parquet")
    smote = ["-l", "y", "--method", "smote", "--ratio", 2, "-o", tmp_path / "s.parquet", "-q"]
    done(["sample", tmp_path / "train.parquet", *smote])
    model = tmp_path / "m.rbl"
    done(["train", tmp_path / "s.parquet", "--model", "logistic", "-o", model, "-q"])
    for name in ("n", "p"):
        out = tmp_path / f"{name}_scored.parquet"
        done(["predict", tmp_path / f"{name}.parquet", "--model", model, "-o", out, "-q"])
    own = ["--probability", "rb_probability_sampled", "-l", "y"]
    on = ["--calibrate-on", tmp_path / "n_scored.parquet"]
    out = tmp_path / "c.parquet"
    done(["correct", tmp_path / "p_scored.parquet", *own, *on, "-o", out, "-q", "--sampled"])
    written = pq.read_table(out)
    assert written.column_names.count("rb_probability_sampled") == 1
    observed = written["y"].to_numpy().sum()
    assert written["rb_probability_sampled"].to_numpy().sum() / observed > 5
    # Some 400 positives on either side: sqrt(2 / 400) = 7%; the bound is four.
    assert written["rb_probability"].to_numpy().sum() / observed == pytest.approx(1, abs=0.28)


def few(y: np.ndarray, negatives: int, positives: int) -> np.ndarray:
    return np.append(np.flatnonzero(~y)[:negatives], np.flatnonzero(y)[:positives])


def changed(change: str, table: pa.Table) -> pa.Table:
    y = np.array(table["label"].to_pylist()) == "yes"
    score = table["score"].to_numpy()

    def with_score(values: np.ndarray) -> pa.Table:
        return table.set_column(table.schema.get_field_index("score"), "score", pa.array(values))

    return {
        "no positives": lambda: table.filter(pa.array(~y)),
        "no negatives": lambda: table.filter(pa.array(y)),
        "no score": lambda: table.drop_columns(["score"]),
        "above 1": lambda: with_score(np.where(np.arange(len(y)) == 5, 1.5, score)),
        "missing": lambda: with_score(np.where(np.arange(len(y)) == 5, np.nan, score)),
        "constant": lambda: with_score(np.full(len(y), 0.25)),
        "classes": lambda: with_score(np.round(score)),
        "wrong way round": lambda: with_score(1 - score),
        "a sample": lambda: table.append_column("rb_pi", pa.array(np.ones(len(y)))),
        "no rows": lambda: table[:0],
        "two positives": lambda: table.take(few(y, 38, 2)),
        "nine of the rarer": lambda: table.take(few(y, 9, 500)),
        "thirty positives": lambda: table.take(few(y, 500, 30)),
    }[change]()


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ("no positives", 3, "one class only"),
        ("no negatives", 3, "one class only"),
        ("no score", 3, "there is no column 'score'"),
        ("above 1", 3, "1.5 is not between 0 and 1, file"),
        ("missing", 3, "row 5 (counting from 0)"),
        ("constant", 3, "all probabilities are 0.25"),
        ("classes", 3, "these are classes"),
        ("wrong way round", 5, "the wrong way round"),
        ("a sample", 2, "this table is a sample (it has a column 'rb_pi')"),
        ("no rows", 3, "no rows"),
        ("two positives", 3, "has 2 positives, and fewer than 10 do not tell"),
        ("nine of the rarer", 3, "has 9 positives, and fewer than 10 do not tell"),
        ("thirty positives", 0, "from 30 rows of the rarer class predicted/observed and slope are"),
    ],
)
def test_files_that_do_not_serve(
    tables: tuple[Path, Path],
    tmp_path: Path,
    rebalance: Invoke,
    change: str,
    code: int,
    words: str,
) -> None:
    pq.write_table(changed(change, pq.read_table(tables[1])), tables[1])
    out = tmp_path / "c.parquet"
    result = rebalance(asked(tables, "-o", out))
    assert result.exit_code == code, result.stderr
    assert words in result.stderr
    assert out.exists() == (code == 0)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--calibrate-on", "{n}"], 2, "--label"),
        (["-l", "label"], 2, "--label belongs to --calibrate-on"),
        (["--rate", "0.1", "--recalibrate", "beta", "--positive", "1"], 2, "belong to"),
        (["--calibrate-on", "{n}", "-l", "label", "--rate", "0.1"], 2, "contradict each other"),
        (["--calibrate-on", "{n}", "-l", "label", "--design", "{n}"], 2, "or a calibration does"),
        (["--calibrate-on", "{n}", "-l", "lable"], 3, "the nearest is 'label'"),
        (["--calibrate-on", "{n}", "-l", "label", "--positive", "never"], 3, "'never'"),
        (["--calibrate-on", "{n}", "-l", "label", "--recalibrate", "auto"], 2, "'auto'"),
        (["--calibrate-on", "none.parquet", "-l", "label"], 3, "none.parquet"),
        (["--calibrate-on", "{n}", "-l", "label", "-o", "{n}"], 2, "also an input"),
        ([], 2, "--calibrate-on FILE"),
    ],
)
def test_bad_usage(
    tables: tuple[Path, Path],
    tmp_path: Path,
    rebalance: Invoke,
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    given = [each.format(n=tables[1]) for each in arguments]
    to = [] if "-o" in given else ["-o", tmp_path / "c.parquet"]
    result = rebalance(["correct", tables[0], "--probability", "score", *given, *to])
    assert result.exit_code == code, result.stderr
    assert words in result.stderr
    assert not (tmp_path / "c.parquet").exists()


def test_many_classes_are_refused(
    tables: tuple[Path, Path], tmp_path: Path, rebalance: Invoke
) -> None:
    out = ["-o", tmp_path / "c.parquet"]
    on = ["--calibrate-on", tables[1], "-l", "label", *out]
    result = rebalance(["correct", tables[0], "--probability", "yes=score,no=truth", *on])
    assert result.exit_code == 2
    assert "name one column" in result.stderr


def test_the_very_rows_are_told_of(tables: tuple[Path, Path], tmp_path: Path, done: Invoke) -> None:
    same = (tables[1], tables[1])
    assert "better than they are" in done(asked(same, "-o", tmp_path / "c.parquet")).stderr
