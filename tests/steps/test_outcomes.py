import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from rebalance.core.labels import ManyClassesError
from rebalance.core.ranking import pack, rank, rank_keys
from rebalance.errors import DataError, UsageError
from rebalance.steps.context import Context
from rebalance.steps.evaluate import evaluate
from rebalance.steps.outcomes import Asked, probability_columns, read_outcomes, segment_keys
from rebalance.storage.delimited import DelimitedFiles
from rebalance.storage.inputs import open_table

ROWS = 1000


def simulated(rows):
    rng = np.random.default_rng(0)
    return {
        "y": rng.integers(0, 2, rows),
        "a": rng.random(rows),
        "b": np.round(rng.random(rows), 1),
        "w": rng.integers(1, 5, rows).astype(float),
        "group": pa.array(["x", None, "w", "x", "x"] * (rows // 5)),
    }


@pytest.fixture
def table():
    return simulated(ROWS)


@pytest.fixture
def path(table, tmp_path):
    pq.write_table(pa.table(table), tmp_path / "t.parquet", row_group_size=300)
    return str(tmp_path / "t.parquet")


def read(path, by=None, **options):
    opened = open_table([path])
    asked = {"positive": None, "sample_weight": None, "segment_keys": segment_keys(opened, by)}
    return read_outcomes(opened, Asked("y", ["a", "b"], **asked | options), Context())


def test_rows_stay_in_order(table, path):
    found = read(path, sample_weight="w")
    assert found.sample_weight.tolist() == table["w"].tolist()
    assert found.label.positive == "1"
    assert found.segments == []
    for name in ("a", "b"):
        assert (found.keys[name] >> 1).view(np.float64).tolist() == table[name].tolist()
        assert (found.keys[name] & 1).tolist() == table["y"].tolist()


def test_the_rows_of_a_segment_are_together(table, path):
    found = read(path, by="group", sample_weight="w")
    group = np.array(table["group"].to_pylist(), dtype=object)
    assert [value for value, _ in found.segments] == ["w", "x", None]
    for value, rows in found.segments:
        inside = np.array([each == value for each in group])
        assert found.sample_weight[rows].tolist() == table["w"][inside].tolist()
        for name in ("a", "b"):
            ranking = rank_keys(found.keys[name][rows].copy())
            expected = rank(table["y"][inside], table[name][inside])
            assert ranking.keys.tolist() == expected.keys.tolist()


@pytest.mark.parametrize(("more", "word"), [(1, "fewer"), (-1, "more")])
def test_rows_that_come_or_go_after_the_count(table, tmp_path, monkeypatch, more, word):
    path = tmp_path / "t.csv"
    pyarrow.csv.write_csv(pa.table(table), path)
    monkeypatch.setattr(DelimitedFiles, "count", lambda self: ROWS + more)
    with pytest.raises(DataError, match=f"had {ROWS + more:,} rows.*has {word} now.*t.csv"):
        read(str(path))


@pytest.mark.parametrize(
    ("probabilities", "error", "words"),
    [
        (["aa"], DataError, "'aa'.*--probability.*nearest is 'a'"),
        (["group"], DataError, "'group' is string, not numbers.*real numbers: a, b, w"),
        (["y"], UsageError, "as label and as probability"),
        (["b", "b"], UsageError, "given twice"),
        ([], UsageError, "no 'rb_probability'.*--probability.*: a, b, w"),
    ],
)
def test_probability_columns_refused(path, probabilities, error, words):
    with pytest.raises(error, match=words):
        probability_columns(open_table([path]), "y", probabilities)


def test_probability_columns(path, tmp_path):
    assert probability_columns(open_table([path]), "y", ["w", "a"]) == ["w", "a"]
    usual = tmp_path / "usual.parquet"
    pq.write_table(pa.table({"y": [0, 1], "rb_probability": [0.1, 0.2]}), usual)
    assert probability_columns(open_table([str(usual)]), "y", []) == ["rb_probability"]
    pq.write_table(pa.table({"y": [0, 1]}), usual)
    with pytest.raises(UsageError, match="columns of real numbers: none"):
        probability_columns(open_table([str(usual)]), "y", [])


@pytest.mark.parametrize(
    ("options", "bytes_a_row"),
    [({}, 9), ({"by": "group"}, 19), ({"sample_weight": "w"}, 28)],
)
def test_memory_is_as_the_help_says(tmp_path, options, bytes_a_row):
    rows = 1_000_000
    path = str(tmp_path / "t.parquet")
    pq.write_table(pa.table(simulated(rows)), path)
    tracemalloc.start()
    try:
        evaluate([path], "y", ["a"], context=Context(), **options)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Arrow's own memory is not counted. A batch of 131,072 rows has a few arrays of 1 MB.
    assert peak < bytes_a_row * rows + 5e6


def test_one_of_very_many_values_is_positive(tmp_path):
    """More values than a byte can number, and the positive one comes late."""
    y = np.repeat(np.arange(600), 3)[::-1]
    p = np.random.default_rng(0).random(len(y))
    path = str(tmp_path / "t.parquet")
    pq.write_table(pa.table({"y": y, "p": p}), path, row_group_size=100)
    asked = Asked("y", ["p"], "7", None, None)
    found = read_outcomes(open_table([path]), asked, Context())
    assert len(found.label.negatives) == 599
    expected = pack(y == 7, p.copy())
    assert np.sort(found.keys["p"]).tolist() == np.sort(expected).tolist()
    with pytest.raises(ManyClassesError, match="600 classes where two are needed"):
        read_outcomes(open_table([path]), Asked("y", ["p"], None, None, None), Context())
