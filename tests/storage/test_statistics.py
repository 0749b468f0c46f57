from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from rebalance.core.draws import Purpose, uniforms
from rebalance.errors import DataError
from rebalance.storage import statistics
from rebalance.storage.inputs import open_table
from rebalance.storage.reading import Reading
from rebalance.storage.statistics import ColumnStatistics, gather, plain


def summary(array, size=2):
    """The summary of an array given in batches of `size`."""
    column = ColumnStatistics(array.type)
    for start in range(0, len(array), size):
        column.add(plain(array.slice(start, size)))
    return column.result()


@pytest.mark.parametrize(
    ("array", "low", "high", "distinct"),
    [
        (pa.array([3, None, -1, 3], pa.int16()), -1, 3, 2),
        (pa.array([2**63 + 5, None, 7], pa.uint64()), 7, 2**63 + 5, 2),
        (pa.array([0.5, None, 2.0, 0.5]), 0.5, 2.0, 2),
        (pa.array([39.02, None, 10.94], pa.float32()), 10.94, 39.02, 2),
        (pa.array(np.array([0.1, 2], np.float16)), 0.1, 2.0, 2),
        (pa.array([Decimal("1.50"), None, Decimal("-2.25")]), -2.25, 1.5, 2),
        (pa.array([Decimal(7), Decimal(3)], pa.decimal256(40, 0)), 3.0, 7.0, 2),
        (
            pa.array([datetime(2013, 1, 1, 10), None, datetime(2012, 5, 6)], pa.timestamp("s")),
            "2012-05-06T00:00:00",
            "2013-01-01T10:00:00",
            2,
        ),
        (
            pa.array(
                [datetime(2013, 1, 1, tzinfo=UTC)] * 2, pa.timestamp("us", tz="America/New_York")
            ),
            "2013-01-01T00:00:00.000000Z",
            "2013-01-01T00:00:00.000000Z",
            1,
        ),
        (pa.array([date(2020, 2, 29), None]), "2020-02-29", "2020-02-29", 1),
        (pa.array([date(2020, 2, 29), None], pa.date64()), "2020-02-29", "2020-02-29", 1),
    ],
)
def test_numbers_and_times_have_limits(array, low, high, distinct):
    found = summary(array)
    assert (found.low, found.high) == (low, high)
    assert (found.missing, found.distinct) == (array.null_count, distinct)
    assert found.distinct_is_exact
    assert found.top is None


@pytest.mark.parametrize(
    ("array", "top", "count"),
    [
        (pa.array(["b", None, "a", "b"]), "b", 2),
        (pa.array(["b", None, "a", "b"], pa.large_string()), "b", 2),
        (pa.array(["b", None, "a", "b"], pa.string_view()), "b", 2),
        (pa.array(["b", None, "a", "b"]).dictionary_encode(), "b", 2),
        (pa.array([2, None, 1, 2]).dictionary_encode(), "2", 2),
        (pa.array([True, None, False, True]), "true", 2),
    ],
)
def test_categories_have_a_most_frequent_value(array, top, count):
    found = summary(array)
    assert (found.top, found.top_count, found.top_is_exact) == (top, count, True)
    assert (found.missing, found.distinct) == (1, 2)
    assert found.low is None


def test_nan_is_missing():
    found = summary(pa.array([float("nan"), 1.0, None, float("inf")]))
    assert (found.missing, found.distinct, found.low, found.high) == (2, 2, 1.0, float("inf"))


@pytest.mark.parametrize(
    "array",
    [
        pa.array([[1, 2], None]),
        pa.array([{"a": 1}, None]),
        pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2)),
        pa.array([b"x", None]),
        pa.array([1, None], pa.time32("s")),
        pa.array([1, None], pa.duration("s")),
        pa.array([b"x", None]).dictionary_encode(),
    ],
)
def test_types_that_cannot_be_compared_have_missing_rows_only(array):
    found = summary(array)
    assert (found.missing, found.distinct, found.low, found.top) == (1, None, None, None)


def test_a_column_of_nulls():
    assert summary(pa.nulls(3)).missing == 3
    assert summary(pa.nulls(3, pa.float64())).distinct == 0
    found = summary(pa.nulls(3, pa.string()))
    assert (found.missing, found.distinct, found.top) == (3, 0, None)


def test_times_that_no_calendar_has_and_zones_nobody_knows():
    found = summary(pa.array([10**18, 0], pa.timestamp("s")))
    assert found.low == "1970-01-01T00:00:00"
    assert found.high.startswith("<value")
    unknown = summary(pa.array([0], pa.timestamp("s", tz="No/Where")))
    assert unknown.low == "1970-01-01T00:00:00Z"


def test_estimates_never_exceed_the_rows():
    # The estimate is unbiased, so over these ten tables some lie above the truth before the cut.
    for first in range(0, 40_000_000, 4_000_000):
        found = summary(pa.array(range(first, first + 20_000)), 20_000)
        assert not found.distinct_is_exact
        # Four standard errors of 0.78% below, none above.
        assert 20_000 * (1 - 0.032) <= found.distinct <= 20_000


@pytest.fixture
def table():
    rng = np.random.default_rng(5)
    rows = 900
    letters = rng.choice(["x", "y", "z"], rows, p=[0.7, 0.2, 0.1])
    return pa.table(
        {
            "row": np.arange(rows),
            "u": rng.normal(size=rows).round(3),
            "letter": letters,
            "label": np.where(rng.random(rows) < 0.05, "bad", "good"),
            "date": pa.array([date(2020, 1, 1 + row % 28) for row in range(rows)]),
        }
    )


def gathered(path, batch_rows, names=("row", "u", "letter", "date"), threads=None):
    opened = open_table([str(path)], Reading(batch_rows=batch_rows))
    return gather(
        opened.batches(),
        opened.schema,
        "label",
        names,
        seed=3,
        threads=threads,
    )


@pytest.mark.parametrize("batch_rows", [7, 100, 10_000])
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_batches_formats_and_threads_change_nothing(
    tmp_path, table, batch_rows, ending, monkeypatch
):
    monkeypatch.setattr(statistics, "DRAW_ROWS", 30)
    path = Path(tmp_path) / f"t.{ending}"
    pq.write_table(table, path) if ending == "parquet" else pc.write_csv(table, path)
    found = gathered(path, batch_rows, threads=1 + batch_rows % 2)
    assert found.rows == 900
    assert found.counts == Counter(table["label"].to_pylist())
    assert found.summaries["row"].high == 899
    assert found.summaries["letter"].distinct == 3
    assert found.summaries["letter"].top_count == table["letter"].to_pylist().count("x")
    # The rows with the 30 smallest draws of each class, found another way.
    u = uniforms(3, Purpose.PROFILE, 0, 900)
    label = np.array(table["label"].to_pylist())
    smallest = [
        np.flatnonzero(label == value)[np.argsort(u[label == value])[:30]]
        for value in ("bad", "good")
    ]
    expected = np.sort(np.concatenate(smallest))
    drawn = found.drawn
    assert drawn.rows.tolist() == expected.tolist()
    assert drawn.u.tolist() == u[expected].tolist()
    values = list(found.counts)
    assert [values[code] for code in drawn.codes] == label[expected].tolist()
    assert drawn.columns["row"].to_pylist() == expected.tolist()
    assert drawn.columns["u"].to_pylist() == table["u"].take(expected).to_pylist()
    assert drawn.columns["letter"].to_pylist() == table["letter"].take(expected).to_pylist()


def test_no_column_need_be_drawn(tmp_path, table):
    pq.write_table(table, tmp_path / "t.parquet")
    found = gathered(tmp_path / "t.parquet", 100, names=())
    assert found.drawn.columns == {}
    assert len(found.drawn.rows) == 900


def test_errors_of_the_reader_come_out_as_they_are(tmp_path):
    class MineError(DataError):
        pass

    def broken():
        yield from open_table([str(tmp_path / "t.csv")]).batches()
        raise MineError("the disk is gone")

    (tmp_path / "t.csv").write_text("a,label\n1,0\n2,1\n")
    schema = open_table([str(tmp_path / "t.csv")]).schema
    with pytest.raises(MineError, match="the disk is gone"):
        gather(broken(), schema, "label", ["a"], seed=0)
