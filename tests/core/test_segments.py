import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from unittest import mock

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalance.core import ranking
from rebalance.core.segments import MAX_SEGMENTS, PERIODS, SegmentKeys, bounds, put_together
from rebalance.errors import DataError, UsageError


def segments(array, period=None):
    """Each row's value, and all values in order."""
    keys = SegmentKeys("c", array.type, period)
    codes = keys.codes(array)
    assert codes.dtype == np.int16
    values = keys.values
    return [values[code] for code in codes], [values[code] for code in keys.in_order()]


class TestSegmentKeys:
    @pytest.mark.parametrize(
        ("array", "rows", "order"),
        [
            (pa.array([10, 9, None, 10]), [10, 9, None, 10], [9, 10, None]),
            (pa.array(["b", None, "a"]), ["b", None, "a"], ["a", "b", None]),
            (pa.array([True, False]), [True, False], [False, True]),
            (pa.array([0.5, math.nan, None, -1.0]), [0.5, None, None, -1.0], [-1.0, 0.5, None]),
            (pa.array(["b", None, "a"]).dictionary_encode(), ["b", None, "a"], ["a", "b", None]),
            (pa.array([None, None]), [None, None], [None]),
            (pa.array([Decimal("10.5"), Decimal("9.5")]), ["10.5", "9.5"], ["9.5", "10.5"]),
            (pa.array([date(2024, 2, 1)] * 2), ["2024-02-01"] * 2, ["2024-02-01"]),
            (pa.array([math.inf, 1.0]), ["inf", 1.0], [1.0, "inf"]),
        ],
    )
    def test_values(self, array, rows, order):
        assert segments(array) == (rows, order)

    @pytest.mark.parametrize("period", PERIODS)
    def test_periods(self, period):
        start = datetime(2019, 12, 25, 5, 30)
        times = [start + timedelta(hours=7 * step) for step in range(1500)]
        expected = {
            "hour": [f"{each:%Y-%m-%dT%H}:00" for each in times],
            "day": [str(each.date()) for each in times],
            "week": ["{}-W{:02}".format(*each.isocalendar()) for each in times],
            "month": [str(each.date())[:7] for each in times],
            "quarter": [f"{each.year}-Q{1 + (each.month - 1) // 3}" for each in times],
            "year": [str(each.year) for each in times],
        }[period]
        if len(set(expected)) > MAX_SEGMENTS:
            times, expected = times[:900], expected[:900]
        for unit in ("s", "us", "ns"):
            rows, order = segments(pa.array(times, pa.timestamp(unit)), period)
            assert rows == expected
            assert order == sorted(set(expected))
        if period != "hour":
            rows, _ = segments(pa.array([each.date() for each in times]), period)
            assert rows == expected

    def test_periods_are_of_the_clock_on_the_wall(self):
        # New York's clock goes from 01:59 back to 01:00 at 06:00 UTC.
        times = [datetime(2013, 11, 3, hour, 30, tzinfo=UTC) for hour in (3, 5, 6, 7)]
        array = pa.array([*times, None], pa.timestamp("us", tz="America/New_York"))
        rows, _ = segments(array, "hour")
        day = "2013-11-03T0"
        assert rows == ["2013-11-02T23:00", f"{day}1:00", f"{day}1:00", f"{day}2:00", None]

    def test_batches_share_numbers(self):
        keys = SegmentKeys("c", pa.string(), None)
        first, second = keys.codes(pa.array(["b", "a"])), keys.codes(pa.array(["a", None, "b"]))
        assert first.tolist() == [0, 1]
        assert second.tolist() == [1, 2, 0]

    def test_too_many(self):
        keys = SegmentKeys("c", pa.int64(), None)
        keys.codes(pa.array(range(1000)))
        with pytest.raises(DataError, match=r"'c' makes more than 1,000 segments.*ranges"):
            keys.codes(pa.array([7, 1000]))

    @pytest.mark.parametrize(
        ("dtype", "period", "words"),
        [
            (pa.timestamp("us"), None, "no period is given.*c:hour.*c:month.*c:year"),
            (pa.timestamp("us"), "weak", "'weak' is no period.*c:week"),
            (pa.timestamp("us"), "", "'' is no period.*c:week"),
            (pa.date32(), "hour", "'hour' is no period of date32.*c:day"),
            (pa.int64(), "month", "which has no periods"),
        ],
    )
    def test_periods_refused(self, dtype, period, words):
        with pytest.raises(UsageError, match=words):
            SegmentKeys("c", dtype, period)

    @pytest.mark.parametrize("dtype", [pa.list_(pa.int8()), pa.binary(), pa.duration("s")])
    def test_types_refused(self, dtype):
        with pytest.raises(DataError, match="make no segments"):
            SegmentKeys("c", dtype, None)


@given(st.lists(st.integers(0, 5)), st.integers(1, 8))
def test_rows_are_put_together_in_their_order(codes, size):
    numbers = np.array(codes, dtype=np.int16)
    with mock.patch.object(ranking, "BLOCK", size):
        starts = bounds(numbers, 6)
        found = put_together(np.arange(len(codes)), numbers, starts)
    parts = [[row for row, each in enumerate(codes) if each == code] for code in range(6)]
    cut = [found[starts[code] : starts[code + 1]].tolist() for code in range(6)]
    assert cut == parts
    assert starts[-1] == len(codes)
