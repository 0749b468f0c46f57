"""The pilot of many classes: which rows, and the same as that of two where there are two."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rebalance.core.classes import Classes
from rebalance.core.design import Budget
from rebalance.core.draws import Purpose, uniforms
from rebalance.core.reservoir import Reservoir
from rebalance.learners.base import Settings
from rebalance.steps.artifacts.pilot import read_pilot
from rebalance.steps.classes.artifacts.pilot import read_if_class_pilot
from rebalance.steps.classes.pilot import ClassDraw, class_pilot
from rebalance.steps.context import Context
from rebalance.steps.pilot import pilot
from rebalance.steps.pilot_task import DrawOptions, PilotTask
from rebalance.steps.recipes import Engineering
from rebalance.steps.sample import Asked, sample
from rebalance.storage.inputs import open_table
from tests.conftest import Simulated

FEATURES = ("x1", "x2", "x3")


def test_rows_beyond_the_most_are_drawn_down_evenly() -> None:
    codes = np.repeat([0, 1, 2], [500, 100, 20])
    table = pa.table({"at": range(620)})
    draw = ClassDraw(table, codes, Classes("k", ("a", "b", "c")), (5000, 100, 20))
    thinned = draw.thinned(150, 0)
    assert thinned.drawn.tolist() == [65, 65, 20]
    assert thinned.counts == (5000, 100, 20)
    at = thinned.table["at"].to_numpy()
    assert (codes[at] == thinned.codes).all()
    # 65 of 500 rows: their mean place is 250, with a standard error of 17.
    assert abs(at[thinned.codes == 0].mean() - 250) < 4 * 17
    assert draw.thinned(620, 0) is draw


def test_two_classes_are_the_pilot_of_two(simulated: Simulated, tmp_path: Path) -> None:
    two, many = str(tmp_path / "two.rbl"), str(tmp_path / "many.rbl")
    pilot([str(simulated.path)], "y", two, size=1000, context=Context())
    reservoir = Reservoir(1000)
    table = open_table([str(simulated.path)])
    y = simulated.table["y"].to_numpy().astype(np.int64)
    batch = simulated.table.select(FEATURES).combine_chunks().to_batches()[0]
    reservoir.add(batch, y, uniforms(0, Purpose.PILOT, 0, len(y)))
    counts = {"0": int((y == 0).sum()), "1": int(y.sum())}
    made = Engineering(dict.fromkeys(FEATURES, "number"))
    options = DrawOptions(1000, None, None, seed=0)
    task = PilotTask(table, made, many, "logistic", options, (), None, Settings())
    class_pilot(ClassDraw.of("y", counts, reservoir.finish()), task, Context())
    columns = {name: simulated.table[name].combine_chunks() for name in FEATURES}
    expected = read_pilot(two).log_odds(columns)
    found_pilot = read_if_class_pilot(many)
    assert found_pilot is not None
    found = found_pilot.log_prob(columns)
    assert found[:, 1] - found[:, 0] == pytest.approx(expected, abs=1e-5)
    # And so are the samples: each c is exact to 1e-4.
    outs = [str(tmp_path / "two.parquet"), str(tmp_path / "many.parquet")]
    sample(Asked([str(simulated.path)], outs[0], Budget(rate=0.05), pilot=two), Context())
    asked = Asked([str(simulated.path)], outs[1], Budget(), pilot=many, class_rates={"0": 0.05})
    sample(asked, Context())
    kept = [pq.read_table(out) for out in outs]
    rows = [set(each["rb_row"].to_pylist()) for each in kept]
    assert len(rows[0] ^ rows[1]) <= 2
    both = sorted(rows[0] & rows[1])
    shift = [
        dict(zip(each["rb_row"].to_pylist(), each["rb_offset"].to_pylist(), strict=True))
        for each in kept
    ]
    expected = [shift[0][row] for row in both]
    assert [shift[1][row][1] - shift[1][row][0] for row in both] == pytest.approx(
        expected, abs=5e-4
    )
