"""Memory for made rows, told before they are made."""

from __future__ import annotations

import re
import tracemalloc
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from rebalance.core.matrix import Matrix, encode
from rebalance.errors import RebalanceError, UsageError
from rebalance.samplers.chains import parse_chain, positives_wanted
from rebalance.samplers.class_resampling import ClassOrder, rows_wanted
from rebalance.samplers.imbalanced import CLASSIC
from rebalance.samplers.resampling import Order
from rebalance.steps.context import Context
from rebalance.steps.ready import Asked
from rebalance.steps.resampling import room
from rebalance.steps.resampling.classic import Classic
from rebalance.steps.resampling.room import made_bytes, memory_of, require_room, tell_memory
from rebalance.storage.inputs import open_table
from rebalance.storage.tables import Table

COUNTS = np.array([1_800, 200])
NAMES = ["a", "b", "c"]


@pytest.fixture(scope="module")
def numbers() -> Matrix:
    draw = np.random.default_rng(4)
    columns = {name: pa.array(draw.normal(size=2_000)) for name in "xyz"}
    return encode(columns, dict.fromkeys(columns, "number"), fill=False, as_numbers=False)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    path = tmp_path_factory.mktemp("room") / "t.csv"
    path.write_text("x,y,z,label\n1.5,2.5,3.5,a\n2.5,1.5,0.5,b\n")
    return open_table([str(path)])


def order(wanted: int, name: str = "smote") -> Order:
    return Order(CLASSIC[name], CLASSIC[name].settings([]), wanted, 0)


def by_ratio(ratio: float) -> Order:
    return order(round(positives_wanted("smote", ratio, 200, 1_800)))


def classes_by_ratio(ratio: float) -> ClassOrder:
    smote, counts = CLASSIC["smote"], np.array([9_000, 50, 700])
    wanted = rows_wanted("smote", ratio, NAMES, counts)
    return ClassOrder(smote, smote.settings([]), NAMES, wanted, 0)


def test_the_ratio_that_is_advised_does_and_a_smaller_one_does_not(
    numbers: Matrix, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = made_bytes(by_ratio(1), numbers, table, as_text=False)
    for made, low, counts, by in (
        (50_000, 1e-12, COUNTS, by_ratio),
        (5_000, 1.0, np.array([9_000, 50, 700]), classes_by_ratio),
    ):
        free = made * each
        monkeypatch.setattr(room, "free_bytes", lambda free=free: free)
        with pytest.raises(UsageError, match=r"would make .* rows, which take .* to spare") as told:
            require_room(by(low), numbers, table, counts, Context(), as_text=False)
        found = re.fullmatch(r"give --ratio (\S+) or more", told.value.remedy)
        assert found is not None
        ratio = float(found[1])
        require_room(by(ratio), numbers, table, counts, Context(), as_text=False)
        with pytest.raises(UsageError):
            require_room(by(ratio * 0.98), numbers, table, counts, Context(), as_text=False)


def test_a_limit_leaves_what_the_table_does_not_take(numbers: Matrix, table: Table) -> None:
    taken = memory_of(table, 2_000, CLASSIC["smote"])
    each = made_bytes(by_ratio(1), numbers, table, as_text=True)
    context = Context(memory_limit=taken + 1_600 * each)
    require_room(by_ratio(1), numbers, table, COUNTS, context, as_text=True)
    context.memory_limit = taken + 1_599 * each
    with pytest.raises(UsageError, match=r"make 1,600 rows, .* and --memory-limit leaves") as told:
        require_room(by_ratio(1), numbers, table, COUNTS, context, as_text=True)
    # 1,599 more are 1,799: 1,800 / 1,799, rounded up to three figures.
    assert told.value.remedy == "give --ratio 1.01 or more, or raise --memory-limit"
    context.memory_limit = taken
    with pytest.raises(UsageError, match="thin first: --method nonuniform,smote"):
        require_room(by_ratio(1), numbers, table, COUNTS, context, as_text=True)
    require_room(order(20, "near-miss"), numbers, table, COUNTS, context, as_text=True)


def matrix_of(needs: str) -> Matrix:
    draw = np.random.default_rng(5)
    levels = [f"v{level:02d}" for level in range(40)]
    columns: dict[str, pa.Array] = {}
    if needs != "categories":
        columns |= {name: pa.array(draw.normal(size=2_000)) for name in "xyz"}
    if needs != "numbers":
        columns |= {name: pa.array(draw.choice(levels, 2_000).tolist()) for name in "uv"}
    kinds: dict[str, Any] = {name: "category" if name in "uv" else "number" for name in columns}
    return encode(columns, kinds, fill=False, as_numbers=False)


@pytest.mark.parametrize(
    ("name", "made"), [("smote", 50_000), ("smotenc", 4_000), ("smoten", 8_000)]
)
def test_made_rows_take_as_much_as_is_said(name: str, made: int, table: Table) -> None:
    matrix = matrix_of(CLASSIC[name].needs)
    y_true = np.arange(2_000) >= COUNTS[0]
    order(300, name).carry_out(matrix, y_true, lambda text: None)  # loads libraries
    peaks = []
    for wanted in (300, 300 + made):
        tracemalloc.start()
        order(wanted, name).carry_out(matrix, y_true, lambda text: None)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    measured = (peaks[1] - peaks[0]) / made
    said = made_bytes(order(300, name), matrix, table, as_text=False)
    assert measured <= said <= 4 * measured


@pytest.mark.parametrize(
    ("method", "says"),
    [
        ("smote", "for smote; give a larger --ratio, or thin first: --method nonuniform,smote"),
        ("tomek", "for tomek; thin first: --method nonuniform,tomek"),
        ("uniform,smote", "for smote; give a larger --ratio, or thin to fewer rows"),
    ],
)
def test_a_lack_of_memory_names_options_of_the_method(method: str, says: str) -> None:
    @tell_memory
    def step(wanted: Classic, context: Context) -> None:
        np.empty(1 << 57)  # 2**60 bytes

    asked: Any = Asked
    with pytest.raises(RebalanceError) as told:
        step(Classic(asked, parse_chain(method)), Context())
    assert str(told.value).startswith(f"there is not enough memory {says}")
    assert told.value.exit_code == 3
