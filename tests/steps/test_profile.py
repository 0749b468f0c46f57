import json
import shlex
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from rebalance.errors import DataError, UsageError
from rebalance.steps.context import Context
from rebalance.steps.profile import profile

FLIGHTS = "sample_data/flights.parquet"


def look(path, label="label", **options):
    return profile([str(path)], label, context=Context(threads=1), **options)


def words(found):
    """The remarks by column, those of the label and of what was put aside left out."""
    return {
        column.name: [remark.word for remark in column.remarks]
        for column in found.columns
        if column.remarks and not column.has("label")
    }


def labels(rows, every=20):
    return np.arange(rows) % every == 0


@pytest.fixture
def suspicious(tmp_path):
    """A table with one column of each kind of trouble, and three without."""
    rng = np.random.default_rng(7)
    rows = 6000
    y = labels(rows)
    table = pa.table(
        {
            "amount": rng.exponential(100, rows),
            "count": rng.integers(0, 40, rows),
            "colour": rng.choice(["red", "green"], rows),
            "id": rng.permutation(rows),
            "name": [f"n{row}" for row in rng.permutation(rows)],
            "same": ["x"] * rows,
            "nothing": pa.nulls(rows, pa.float64()),
            "refund": np.where(y, rng.uniform(1, 2, rows), rng.uniform(-1, 0.9, rows)),
            "closed on": [None if hit else "today" for hit in y],
            "outcome": np.where(y, "lost", "won"),
            "nested": [[1]] * rows,
            "tall": np.where(rng.random(rows) < 0.5, np.inf, 1.0),
            "rb_pi": rng.random(rows),
            "label": y.astype(np.int8),
        }
    )
    path = tmp_path / "suspicious.parquet"
    pq.write_table(table, path)
    return path


def test_each_trouble_is_named_and_nothing_else(suspicious):
    found = look(suspicious)
    assert words(found) == {
        "id": ["identifier"],
        "name": ["identifier"],
        "same": ["constant"],
        "nothing": ["constant"],
        "refund": ["leak"],
        "closed on": ["duplicate"],
        "outcome": ["duplicate"],
        "nested": ["unusable"],
        "tall": ["infinite"],
        "rb_pi": ["reserved"],
    }
    assert found.situation.drop == ("id", "name", "refund", "closed on", "outcome", "tall")
    # amount, count and colour are what is left to learn from.
    assert found.situation.features == 3
    assert found.situation.imbalance_ratio == 19.0


def test_what_the_user_puts_aside_is_not_suspected(suspicious):
    found = look(suspicious, drop=["outcome", "refund"], key="id")
    assert words(found)["outcome"] == ["dropped"]
    assert words(found)["id"] == ["key"]
    assert found.situation.drop == ("outcome", "refund", "name", "closed on", "tall")
    dropped = next(column for column in found.columns if column.name == "refund")
    assert dropped.roc_auc is None
    split = next(
        advice.command for advice in found.advice if "rebalance split" in str(advice.command)
    )
    assert "--key id" in split


def test_a_leak_stays_one_in_the_other_direction(tmp_path):
    rng = np.random.default_rng(8)
    y = labels(2000)
    noise = rng.uniform(-0.4, 0.4, 2000)
    pq.write_table(
        pa.table({"up": y + noise, "down": noise - y, "label": y}), tmp_path / "t.parquet"
    )
    assert words(look(tmp_path / "t.parquet")) == {"up": ["leak"], "down": ["leak"]}


def test_flights_have_no_suspects():
    found = look(FLIGHTS, "late")
    assert found.rows == 327_346
    assert found.counts == {"0": 323_449, "1": 3_897}
    assert found.chosen == "1 of 0 and 1"
    assert words(found) == {}
    assert max(column.roc_auc for column in found.columns if column.roc_auc is not None) < 0.8
    table = pq.read_table(FLIGHTS)
    for column in found.columns:
        values = table[column.name]
        assert column.summary.missing == values.null_count
        # Fewer than 16,384 different values are counted exactly.
        assert column.summary.distinct == len(values.drop_null().unique())
        assert column.summary.distinct_is_exact
    carrier = next(column for column in found.columns if column.name == "carrier")
    counts = table["carrier"].to_pandas().value_counts()
    assert (carrier.summary.top, carrier.summary.top_count) == (counts.index[0], counts.iloc[0])
    commands = [advice.command for advice in found.advice]
    assert f"rebalance run {FLIGHTS} -l late --ratio 5 -o out" in commands


def test_csv_and_parquet_have_the_same_profile(tmp_path):
    table = pq.read_table(FLIGHTS, columns=["carrier", "flight", "distance", "late"])
    table = table.slice(0, 30_000)
    pq.write_table(table, tmp_path / "t.parquet")
    pc.write_csv(table, tmp_path / "t.csv")
    one, other = look(tmp_path / "t.parquet", "late"), look(tmp_path / "t.csv", "late")
    for a, b in zip(one.columns, other.columns, strict=True):
        assert (asdict(a.summary), a.roc_auc) == (asdict(b.summary), b.roc_auc)
    assert one.counts == other.counts


def test_the_document_is_the_same_every_time_and_complete(suspicious):
    first, second = look(suspicious).document(), look(suspicious).document()
    assert json.dumps(first) == json.dumps(second)
    assert first["rows"] == 6000
    assert first["imbalance_ratio"] == 19.0
    assert first["label"]["classes"][0] == {"value": "0", "rows": 5700, "share": 0.95}
    assert (first["label"]["positive"], first["label"]["positives"]) == ("1", 300)
    assert len(first["columns"]) == 14
    assert set(first["advice"][-1]) == {"reason", "command"}
    assert look(suspicious, seed=1).document() != first


def test_three_classes_are_shown_with_the_rarest_as_positive(tmp_path):
    rng = np.random.default_rng(4)
    grade = np.array(["a"] * 3000 + ["b"] * 500 + ["c"] * 60)
    table = pa.table(
        {
            "x": rng.normal(size=3560),
            "copy": np.char.upper(grade),
            "is c": grade == "c",
            "label": grade,
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    found = look(tmp_path / "t.parquet")
    assert found.counts == {"a": 3000, "b": 500, "c": 60}
    assert (found.label.positive, found.chosen) == ("c", "the rarest of 3, until you name one")
    assert found.situation.imbalance_ratio == pytest.approx(3500 / 60)
    assert words(found) == {"copy": ["duplicate"], "is c": ["duplicate"]}
    assert "3 classes" in found.advice[0].reason
    assert "--positive c" in str(found.advice[0].command)
    named = look(tmp_path / "t.parquet", positive="b")
    assert (named.label.positive, named.chosen) == ("b", "as you named it")
    assert (named.situation.positives, named.situation.negatives) == (500, 3060)
    assert not any("3 classes" in advice.reason for advice in named.advice)
    assert words(named)["copy"] == ["duplicate"]


@pytest.mark.parametrize(
    ("values", "positive", "chosen"),
    [
        (["no"] * 30 + ["yes"] * 15, "yes", "the rarer of two"),
        (["no"] * 15 + ["yes"] * 15, "no", "the first of two that are as frequent"),
        ([1] * 30 + [0] * 15, "1", "1 of 0 and 1"),
    ],
)
def test_why_a_value_is_positive(tmp_path, values, positive, chosen):
    pq.write_table(pa.table({"x": range(len(values)), "label": values}), tmp_path / "t.parquet")
    found = look(tmp_path / "t.parquet")
    assert (found.label.positive, found.chosen) == (positive, chosen)


def test_too_few_rows_to_look_for_leaks_are_said(tmp_path):
    pq.write_table(pa.table({"x": range(30), "label": labels(30, 10)}), tmp_path / "t.parquet")
    context = Context()
    found = profile([str(tmp_path / "t.parquet")], "label", context=context)
    assert context.notes == ["a class has fewer than 10 rows: no column was tried for being a leak"]
    assert found.columns[0].roc_auc is None
    assert "Only 3 rows are positive" in found.advice[-1].reason


def test_commands_use_the_inputs_as_they_were_given(tmp_path):
    for part in ("a b 1", "a b 2"):
        pq.write_table(
            pa.table({"x": np.arange(200.0), "label": labels(200, 10)}),
            tmp_path / f"{part}.parquet",
        )
    found = profile([f"{tmp_path}/a b *.parquet"], "label", context=Context())
    assert found.rows == 400
    split = shlex.split(str(found.advice[-4].command))
    assert split[:3] == ["rebalance", "split", f"{tmp_path}/a b *.parquet"]


@pytest.mark.parametrize(
    ("options", "error", "words_of_it"),
    [
        ({"label": "lable"}, DataError, "the nearest is 'label'"),
        ({"drop": ["amout"]}, DataError, "no column 'amout' (named by --drop)"),
        ({"key": "idd"}, DataError, "no column 'idd' (named by --key)"),
        ({"drop": ["label"]}, UsageError, "named by --drop or --key too"),
        ({"key": "label"}, UsageError, "named by --drop or --key too"),
        ({"positive": "7"}, DataError, "no row has the positive value '7'"),
        ({"label": "nested"}, DataError, "the label is list<element: int64>, which is no class"),
        ({"label": "same"}, DataError, "one class only: x (6,000)"),
        ({"label": "nothing"}, DataError, "the label is missing"),
        ({"label": "amount"}, DataError, "more than 100 different fractions"),
    ],
)
def test_what_cannot_be_is_refused(suspicious, options, error, words_of_it):
    with pytest.raises(error) as caught:
        look(suspicious, **options)
    assert words_of_it in str(caught.value)
