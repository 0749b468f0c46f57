"""What a method takes, told from a part of the rows."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest

from rebalance.core.matrix import Matrix, encode
from rebalance.errors import FitError, UsageError
from rebalance.samplers.imbalanced import CLASSIC
from rebalance.samplers.resampling import Order
from rebalance.steps.context import Context
from rebalance.steps.resampling.effort import Limits, check_effort

COUNT = 20_000


class Slow(Order):
    """Takes a microsecond for each pair of rows."""

    clock = 0.0
    least = 100
    seen: ClassVar[list[int]] = []

    def carry_out(self, matrix: Matrix, y_true: Any, tell: Any) -> Any:
        self.seen.append(len(y_true))
        assert min(y_true.sum(), (~y_true).sum()) >= self.least
        Slow.clock += 1e-6 * len(y_true) ** 2


class Failing(Order):
    """Finds nothing in a part."""

    def carry_out(self, matrix: Matrix, y_true: Any, tell: Any) -> Any:
        raise FitError("nothing in here")


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> tuple[Matrix, np.ndarray]:
    Slow.clock, Slow.seen = 0.0, []
    monkeypatch.setattr("time.perf_counter", lambda: Slow.clock)
    x = pa.array(np.arange(float(COUNT)))
    y_true = np.arange(COUNT) % 50 == 0  # 400 positives
    return encode({"x": x}, {"x": "number"}, fill=False, as_numbers=True), y_true


def slow(kind: type[Order] = Slow, name: str = "tomek") -> Order:
    method = CLASSIC[name]
    return kind(method, method.settings([]), None, 0)


def test_pairs_of_rows_are_extrapolated(rows: tuple[Matrix, np.ndarray]) -> None:
    context = Context()
    check_effort(slow(), *rows, Limits(600, None), context)
    # 1,960 of 19,600 negatives and, instead of 40, 100 of 400 positives.
    assert Slow.seen == [2_060]
    assert context.notes == [
        "tomek (rows x rows) on 20,000 rows takes about 7 min, by a trial on 2,060"
    ]


def test_too_long_is_refused_with_what_to_do(rows: tuple[Matrix, np.ndarray]) -> None:
    # 20,000^2 microseconds are 400 seconds.
    with pytest.raises(UsageError, match=r"about 7 min .*--max-time 300 allows") as raised:
        check_effort(slow(), *rows, Limits(300, None), Context())
    assert "--method nonuniform,tomek" in raised.value.remedy


def test_few_rows_and_parts_without_enough_are_not_estimated(
    rows: tuple[Matrix, np.ndarray],
) -> None:
    matrix, y_true = rows
    check_effort(slow(Failing), matrix, y_true, Limits(1e-9, None), Context())
    few = encode({"x": pa.array(np.arange(390.0))}, {"x": "number"}, fill=False, as_numbers=True)
    check_effort(slow(), few, y_true[:390], Limits(1e-9, None), Context())
    assert Slow.seen == []


def test_a_table_of_some_thousand_rows_is_tried_too(
    rows: tuple[Matrix, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Slow, "least", 60)
    some = encode({"x": pa.array(np.arange(3_000.0))}, {"x": "number"}, fill=False, as_numbers=True)
    # 9 seconds; a quarter of the 2,940 negatives and all 60 positives are tried, and, as that
    # takes little, once more: it may have been chance.
    with pytest.raises(UsageError, match=r"about 9 s on 3,000 rows.*--max-time 8 allows"):
        check_effort(slow(), some, rows[1][:3_000], Limits(8, None), Context())
    assert Slow.seen[:2] == [735 + 60] * 2


class Stumbling(Slow):
    """Slow the first time alone, as where a library is loaded."""

    def carry_out(self, matrix: Matrix, y_true: Any, tell: Any) -> Any:
        self.seen.append(len(y_true))
        Slow.clock += 0.9 if len(self.seen) == 1 else 1e-9 * len(y_true) ** 2


def test_chance_refuses_nothing(rows: tuple[Matrix, np.ndarray]) -> None:
    # By the first trial alone it would take 0.9 s (20,000 / 2,060)^2, 85 s.
    context = Context()
    check_effort(slow(Stumbling), *rows, Limits(60, None), context)
    assert context.notes == []


def test_distances_between_few_positives_need_no_trial(rows: tuple[Matrix, np.ndarray]) -> None:
    smote = Order(CLASSIC["smote"], CLASSIC["smote"].settings([]), 800, 0)
    watched = Slow(smote.method, smote.settings, 800, 0)
    check_effort(watched, *rows, Limits(600, None), Context())  # 160,000 pairs
    assert Slow.seen == []


def test_memory_above_the_limit(rows: tuple[Matrix, np.ndarray]) -> None:
    # The distances between 400 positives alone are 1.3 MB; the interpreter is 330 MB.
    order = Order(CLASSIC["tomek"], CLASSIC["tomek"].settings([]), None, 0)
    with pytest.raises(UsageError, match=r"MB on 20,000 rows.*--memory-limit"):
        check_effort(order, *rows, Limits(1e9, 330 << 20), Context())
    check_effort(order, *rows, Limits(1e9, 4 << 30), Context())
