"""`rebalance compare`, as it is typed."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from rebalance.steps.compare.folds import make_folds
from rebalance.steps.context import Context
from rebalance.storage.inputs import open_table
from tests.conftest import Invoke

ROWS = 1_500
FAST = ["--budget", 300, "--learners", "logistic", "--folds", 3, "--ratio", 3]


def columns(rows: int = ROWS, seed: int = 1) -> dict[str, Any]:
    """7% positives, two numbers with gaps in one, and a category."""
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((rows, 2))
    shop = generator.choice(["a", "b", "c"], rows)
    log_odds = -3.2 + x[:, 0] + (shop == "b")
    return {
        "x1": pa.array(x[:, 0]),
        "x2": pa.array(x[:, 1], mask=generator.random(rows) < 0.05),
        "shop": pa.array(shop.tolist()),
        "fraud": np.where(generator.random(rows) < 1 / (1 + np.exp(-log_odds)), "yes", "no"),
    }


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table(columns()), path)
    return path


def document(result: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def without_times(found: Any) -> Any:
    if isinstance(found, dict):
        return {name: without_times(each) for name, each in found.items() if name != "seconds"}
    return [without_times(each) for each in found] if isinstance(found, list) else found


def test_ways_are_ranked_and_the_winners_commands_run(
    table: Path, tmp_path: Path, done: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plot = tmp_path / "compare.png"
    methods = ["--methods", "none,uniform,nonuniform,random-over,uniform+smotenc"]
    asked = ["compare", table, "-l", "fraud", *FAST, *methods, "--plot", plot]
    found = document(done([*asked, "--uncorrected", "--json"]))
    assert found["compare_format"] == 1
    assert found["positive"] == "yes"
    assert plot.read_bytes().startswith(b"\x89PNG")
    ways = {way["method"]: way for way in found["ways"]}
    assert [way["rank"] for way in found["ways"]] == [1, 2, 3, 4, 5]
    losses = [way["metrics"]["log_loss"]["mean"] for way in found["ways"]]
    assert losses == sorted(losses)
    assert ways["uniform,smotenc"]["probabilities"] == "calibrated"
    assert ways["none"]["uncorrected"] is None
    positives = found["positives"]
    assert ways["uniform"]["rows"] == pytest.approx(4 * positives * 2 / 3, rel=0.1)
    for way in found["ways"]:
        ratio = way["metrics"]["predicted_over_observed"]["mean"]
        # 100 positives are tested on in all: three standard errors are 30%.
        assert 0.7 < ratio < 1.3
        if way["uncorrected"] is not None:
            assert way["uncorrected"]["predicted_over_observed"]["mean"] > 2
    assert sum(fold["test_rows"] for fold in found["folds"]) == ROWS
    for command in found["winner"]["commands"]:
        done(shlex.split(command)[1:])
    predicted = pq.read_table("winner_predictions.parquet")
    assert predicted.num_rows == ROWS
    share = np.mean(predicted["rb_probability"].to_numpy()) / (positives / ROWS)
    assert 0.8 < share < 1.25


@pytest.mark.parametrize(
    "method", ["none", "uniform", "nonuniform", "random-over", "smotenc", "nonuniform+smotenc"]
)
def test_every_kind_of_commands_runs_from_csv(
    method: str, tmp_path: Path, done: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content = columns() | {"id": np.arange(ROWS), "who": np.arange(ROWS) // 3}
    form = pyarrow.csv.WriteOptions(delimiter=";")
    pyarrow.csv.write_csv(pa.table(content), "my table.csv", form)
    options = ["--drop", "id", "--key", "who", "--delimiter", ";", "--seed", 5]
    asked = ["compare", "my table.csv", "-l", "fraud", *FAST, "--folds", 2, *options]
    printed = done([*asked, "--methods", method]).stdout
    commands = [line for line in printed.splitlines() if line.startswith("rebalance ")]
    for command in commands:
        done(shlex.split(command)[1:])
    assert len(commands) == {"none": 2, "nonuniform": 4, "nonuniform+smotenc": 4}.get(method, 3)
    predicted = pq.read_table("winner_predictions.parquet")
    assert predicted.num_rows == ROWS
    assert "rb_probability" in predicted.column_names


def test_figures_are_those_of_scikit_learn_on_what_the_commands_give(
    table: Path, tmp_path: Path, done: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first fold by hand: its rows written, the single commands run, scikit-learn's figures."""
    monkeypatch.chdir(tmp_path)
    asked = ["compare", table, "-l", "fraud", *FAST, "--methods", "nonuniform", "--seed", 2]
    first = document(done([*asked, "--precision-at", 0.2, "--json"]))["ways"][0]["by_fold"][0]
    folds = make_folds(
        open_table([str(table)]), "fraud", 3, positive=None, key=None, time=None, seed=2,
        context=Context(),
    )  # fmt: skip
    whole = pq.read_table(table)
    pq.write_table(whole.filter(pa.array(folds.trains(0))), "train.parquet")
    pq.write_table(whole.filter(pa.array(folds.tests(0))), "test.parquet")
    seed = ["--seed", 2, "-q"]
    done(["pilot", "train.parquet", "-l", "fraud", "-o", "p.rbl", *seed])
    guide = ["--pilot", "p.rbl", "--ratio", 3]
    done(["sample", "train.parquet", *guide, "-o", "s.parquet", *seed])
    done(["train", "s.parquet", "--model", "logistic", "-o", "m.rbl", *seed])
    done(["predict", "test.parquet", "--model", "m.rbl", "-o", "scored.parquet", "-q"])
    scored = pq.read_table("scored.parquet")
    y_true = np.array(scored["fraud"].to_pylist()) == "yes"
    y_prob = scored["rb_probability"].to_numpy()
    scores = first["scores"]
    assert scores["log_loss"] == pytest.approx(log_loss(y_true, y_prob), rel=1e-9)
    assert scores["roc_auc"] == pytest.approx(roc_auc_score(y_true, y_prob), rel=1e-9)
    assert scores["brier"] == pytest.approx(brier_score_loss(y_true, y_prob), rel=1e-9)
    precision = average_precision_score(y_true, y_prob)
    assert scores["average_precision"] == pytest.approx(precision, rel=1e-9)
    ratio = y_prob.mean() / y_true.mean()
    assert scores["predicted_over_observed"] == pytest.approx(ratio, rel=1e-9)
    reached = [
        y_true[y_prob >= cut].sum() / y_true.sum()
        for cut in y_prob
        if y_true[y_prob >= cut].mean() >= 0.2
    ]
    assert scores["recall_at_precision"] == pytest.approx(max(reached, default=0.0))


def test_what_is_true_of_test_rows_only_is_not_learnt(tmp_path: Path, done: Invoke) -> None:
    """`leak` tells the label where a row trains, and the opposite in fold 0's test rows.

    Whoever had looked at those would not be so wrong: of fold 0 the AUC must be near 0.
    """
    content = columns()
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table(content), path)
    folds = make_folds(
        open_table([str(path)]), "fraud", 3, positive=None, key=None, time=None, seed=0,
        context=Context(),
    )  # fmt: skip
    noise = np.random.default_rng(4).standard_normal(ROWS)
    side = np.where(folds.tests(0), -3.0, 3.0) * np.where(folds.y_true, 1, -1)
    pq.write_table(pa.table(content | {"leak": side + noise}), path)
    methods = ["--methods", "none,uniform,nonuniform,uniform+smotenc"]
    found = document(done(["compare", path, "-l", "fraud", *FAST, *methods, "--json"]))
    for way in found["ways"]:
        assert way["by_fold"][0]["scores"]["roc_auc"] < 0.05, way["method"]


def test_it_goes_on_where_it_ended(table: Path, tmp_path: Path, done: Invoke) -> None:
    asked = ["compare", table, "-l", "fraud", *FAST, "--json", "--methods"]
    in_one_go = document(done([*asked, "none,uniform,nonuniform"]))
    state = tmp_path / "state.jsonl"
    document(done([*asked, "uniform", "--state", state]))
    lines = state.read_text().splitlines(keepends=True)
    state.write_text("".join(lines[:-1]) + lines[-1][:40])  # interrupted while it wrote
    resumed = document(done([*asked, "none,uniform,nonuniform", "--state", state]))
    assert any("2 finished fits" in note for note in resumed["notes"])
    resumed["notes"] = in_one_go["notes"]
    assert without_times(resumed) == without_times(in_one_go)
    again = document(done([*asked, "none,uniform,nonuniform", "--state", state]))
    assert again["ways"] == resumed["ways"]  # the times too


def test_ways_that_refuse_are_listed_with_the_reason(table: Path, done: Invoke) -> None:
    asked = ["compare", table, "-l", "fraud", *FAST, "--methods", "none,uniform,smote,random-over"]
    found = document(done([*asked, "--ratio", 20, "--json"]))
    reasons = {each["way"]: each["reason"] for each in found["missed"]}
    assert "smote takes numbers only" in reasons["smote x logistic"]
    assert "20" in reasons["uniform x logistic"]
    assert "negatives per positive already" in reasons["random-over x logistic"]
    assert [way["method"] for way in found["ways"]] == ["none"]


def test_what_columns_rule_out_waits_for_no_time(table: Path, rebalance: Invoke) -> None:
    # So little time that nothing is fitted but what is looked at before.
    asked = ["compare", table, "-l", "fraud", "--learners", "logistic", "--budget", 0.01]
    result = rebalance([*asked, "--methods", "tomek,near-miss"])
    assert result.exit_code == 5
    assert "tomek takes numbers only, and there are categories" in result.stderr
    result = rebalance([*asked, "--methods", "none,none,tomek"])
    assert result.exit_code == 2
    said = " ".join(result.stderr.split())
    assert "'none' more than once" in said
    assert "smallest, none x logistic on one fold" in said


def test_by_key_and_by_time(tmp_path: Path, done: Invoke) -> None:
    path = tmp_path / "table.parquet"
    content = columns() | {"who": np.arange(ROWS) % 400, "day": np.arange(ROWS) // 50}
    pq.write_table(pa.table(content), path)
    asked = ["compare", path, "-l", "fraud", *FAST, "--methods", "uniform", "--json"]
    by_key = document(done([*asked, "--key", "who"]))
    assert by_key["folds_by"] == "key"
    assert sum(fold["test_rows"] for fold in by_key["folds"]) == ROWS
    by_time = document(done([*asked, "--time", "day"]))
    sizes = [fold["train_rows"] for fold in by_time["folds"]]
    assert by_time["folds_by"] == "time"
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--methods", "unifrom"], 2, "nearest are 'uniform'"),
        (["--learners", "gmb"], 2, "nearest is 'gbm'"),
        (
            ["--budget", 0.01, "--methods", "none"],
            2,
            "smallest, none x logistic on one fold, takes",
        ),
        (["--budget", 0], 2, "0"),
        (["--key", "shop", "--time", "x1"], 2, "exclude each other"),
        (["--key", "shop"], 3, "3 keys have positives, too few for 5 folds"),
        (["--plot", "compare.docx"], 2, "which kind of picture"),
        (["--positive", "maybe"], 3, "no row has the positive value"),
        (["--state", "TABLE"], 2, "is also an input"),
        (["--methods", "smote"], 5, "no way could be fitted: smote x logistic"),
    ],
)
def test_bad_input(
    options: list[object], code: int, says: str, table: Path, rebalance: Invoke
) -> None:
    options = [table if option == "TABLE" else option for option in options]
    learners = [] if "--learners" in options else ["--learners", "logistic"]
    result = rebalance(["compare", table, "-l", "fraud", *learners, *options])
    assert result.exit_code == code, result.output
    assert says in result.stderr


def test_few_positives_many_classes_and_standard_input(
    table: Path, tmp_path: Path, rebalance: Invoke
) -> None:
    few = tmp_path / "few.parquet"
    pq.write_table(pa.table(columns(60)), few)
    positives = int((columns(60)["fraud"] == "yes").sum())
    result = rebalance(["compare", few, "-l", "fraud", "--folds", 50])
    assert result.exit_code == 3
    assert f"{positives} positives, too few for 50 folds" in result.stderr
    result = rebalance(["compare", table, "-l", "shop"])
    assert result.exit_code == 3
    assert "--positive VALUE" in result.stderr
    result = rebalance(["compare", "-", "-l", "fraud"])
    assert result.exit_code == 2
    assert "standard input" in result.stderr
    state = tmp_path / "state.jsonl"
    asked = ["-l", "fraud", *FAST, "--methods", "none", "--state", state]
    assert rebalance(["compare", table, *asked]).exit_code == 0
    other = tmp_path / "other.parquet"
    pq.write_table(pa.table(columns(seed=9)), other)
    result = rebalance(["compare", other, *asked])
    assert result.exit_code == 4
    assert "the state is of another table" in result.stderr
