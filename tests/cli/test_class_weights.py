"""Class weights of labels of many classes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.classes import VALUES, Made, counts_of, population, probabilities
from tests.conftest import Invoke


def test_weights_are_scikit_learns_and_come_off_again(
    made: Made, tmp_path: Path, done: Invoke
) -> None:
    from sklearn.linear_model import LogisticRegression

    model, out = tmp_path / "m.rbl", tmp_path / "p.parquet"
    given = ["--natural", "-l", "kind", "--model", "logistic", "--l2", 0]
    weights = ["--class-weight", "balanced", "--json", "-q"]
    found = json.loads(done(["train", made.table, *given, "-o", model, *weights]).stdout)
    counts = np.array([counts_of(made.table)[value] for value in VALUES])
    balanced = counts.sum() / (4 * counts)
    assert list(found["class_weights"].values()) == pytest.approx(balanced.tolist())
    done(["predict", made.table, "--model", model, "-o", out, "-q"])
    table = pq.read_table(made.table)
    x = np.column_stack([table["x1"].to_numpy(), table["x2"].to_numpy()])
    theirs = LogisticRegression(C=1e12, class_weight="balanced", tol=1e-9, max_iter=1000)
    corrected = theirs.fit(x, table["kind"].to_pylist()).predict_proba(x) / balanced
    corrected /= corrected.sum(axis=1, keepdims=True)
    assert probabilities(out) == pytest.approx(corrected, rel=1e-3)


@pytest.mark.parametrize("model", ["logistic", "gbm"])
def test_weighted_samples_give_the_populations_shares(
    model: str, made: Made, tmp_path: Path, done: Invoke
) -> None:
    fitted, out = tmp_path / "m.rbl", tmp_path / "p.parquet"
    more = ["--rounds", 30] if model == "gbm" else []
    given = ["--model", model, "--class-weight", "a=1,b=2,c=3,d=4", *more]
    said = done(["train", made.sample, *given, "-o", fitted]).stderr
    assert ("undone about, not exactly, in a gbm model" in said) == (model == "gbm")
    done(["predict", made.other, "--model", fitted, "-o", out, "-q"])
    _, scores = population(200_000, 5)
    prob = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares = (prob / prob.sum(axis=1, keepdims=True)).mean(axis=0)
    kept = np.array([counts_of(made.sample)[value] for value in VALUES])
    # Each class's rows are known to 1 / sqrt(kept) at best; trees are approximate.
    allowed = (4 if model == "logistic" else 8) * np.sqrt(1 / kept + 1 / kept.max())
    assert (np.abs(probabilities(out).mean(axis=0) / shares - 1) < allowed).all()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--cost", "fp=1,fn=2"], "--cost is for two classes"),
        (["--loss", "focal"], "--loss focal is for two classes"),
        (["--class-weight", "balanced", "--scale", "sample"], "--scale sample is for two classes"),
        (["--class-weight", "z=2"], "'z', which is not there"),
    ],
)
def test_what_is_for_two_classes_is_refused(
    more: list[str], said: str, made: Made, tmp_path: Path, rebalance: Invoke
) -> None:
    for source in ([made.table, "--natural", "-l", "kind"], [made.sample]):
        result = rebalance(["train", *source, *more, "-o", tmp_path / "m.rbl"])
        assert result.exit_code == 2
        assert said in result.stderr
