"""`make pilots`, too: does it help a gbm to start from a pilot that did not see the row?

Small populations with known probabilities, of which a gbm pilot sees all positives. What is
compared is the log loss above that of the true probabilities.
"""

from __future__ import annotations

import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rebalance.core.correction import log_probability
from rebalance.core.design import Budget
from rebalance.core.draws import Purpose, uniforms
from rebalance.core.folds import stratified_folds
from rebalance.learners import get_learner
from rebalance.learners.base import Settings, TrainingRows
from rebalance.steps.artifacts.drawn import read_design
from rebalance.steps.context import Context
from rebalance.steps.pilot import FOLDS, PILOT_TREES, pilot
from rebalance.steps.ready import Asked
from rebalance.steps.sample import sample
from rebalance.storage.inputs import open_table

Floats = NDArray[np.float64]
Columns = dict[str, pa.Array]

ROWS, TEST_ROWS, FEATURES, RATE, SIZE, SEEDS = 20_000, 60_000, 6, 0.1, 5_000, 6
WAYS = (
    "pilot of the same rows",
    "the same, trees start from out-of-fold log odds",
    "the same, offsets out of fold, too",
    "pilot of another 20,000 rows",
)


def population(kind: str, seed: int, count: int) -> tuple[Columns, NDArray[np.bool_], Floats]:
    """Features, labels and true log odds of some 3.5% positives."""
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((count, FEATURES))
    if kind == "linear":
        log_odds = -4 + x @ np.array([1, 0.7, -0.5, 0.3, 0, 0])
    else:
        log_odds = -4.5 + 1.2 * np.abs(x[:, 0]) + x[:, 1] * (x[:, 2] > 0) + 0.5 * x[:, 3]
    y_true = generator.random(count) < 1 / (1 + np.exp(-log_odds))
    return {f"x{at}": pa.array(x[:, at]) for at in range(FEATURES)}, y_true, log_odds


def as_rows(
    columns: Columns, y_true: NDArray[np.bool_], offset: Floats, baseline: Floats, draws: Floats
) -> TrainingRows:
    """Rows for a learner."""
    return TrainingRows(
        columns, dict.fromkeys(columns, "number"), y_true, offset, baseline, None, draws
    )


def out_of_fold(columns: Columns, y_true: NDArray[np.bool_], seed: int) -> Floats:
    """The log odds of the pilot's rows by pilots of the other folds; NaN for rows not drawn."""
    draws = uniforms(seed, Purpose.PILOT, 0, len(y_true))
    classes = (np.flatnonzero(y_true), np.flatnonzero(~y_true))
    drawn = np.sort(np.concatenate([each[np.argsort(draws[each])[:SIZE]] for each in classes]))
    own = {name: array.take(pa.array(drawn)) for name, array in columns.items()}
    y_drawn = y_true[drawn]
    shares = [y_drawn.sum() / y_true.sum(), (~y_drawn).sum() / (~y_true).sum()]
    count, level = len(drawn), np.log(y_true.sum() / (~y_true).sum())
    shift = np.full(count, np.log(shares[0] / shares[1]))
    rows = as_rows(
        own, y_drawn, shift, np.full(count, level), uniforms(seed, Purpose.FOLDS, 0, count)
    )
    fold = stratified_folds(y_drawn, rows.draws, FOLDS)
    found = np.full(len(y_true), np.nan)
    for held_out in range(FOLDS):
        inside = fold == held_out
        fitted = get_learner("gbm").fit(rows.take(~inside), replace(PILOT_TREES, seed=seed))
        outside = rows.take(inside)
        found[drawn[inside]] = fitted.log_odds(outside.columns, outside.baseline)
    return found


def excesses(folder: Path, kind: str, seed: int) -> list[float]:
    """The log loss of each way above that of the true probabilities."""
    columns, y_true, _ = population(kind, 100 + seed, ROWS)
    others, y_others, _ = population(kind, 500 + seed, ROWS)
    tested, _, truth = population(kind, 900 + seed, TEST_ROWS)
    for name, made, label in (("own", columns, y_true), ("other", others, y_others)):
        table = pa.table(made | {"y": label.astype(np.int8)})
        pq.write_table(table, folder / f"{name}.parquet")
        guide = str(folder / f"{name}.rbl")
        pilot(
            [str(folder / f"{name}.parquet")], "y", guide, model="gbm", seed=seed, context=Context()
        )
    apart = out_of_fold(columns, y_true, seed)
    found = []
    for way in range(len(WAYS)):
        out = str(folder / "sample.parquet")
        guide = str(folder / ("other.rbl" if way == 3 else "own.rbl"))
        asked = Asked([str(folder / "own.parquet")], out, Budget(rate=RATE), guide, seed=seed)
        sample(asked, Context())
        drawn = read_design(out, open_table([out]).metadata)
        assert drawn is not None
        assert drawn.pilot is not None
        kept = pq.read_table(out)
        own = {name: kept[name].combine_chunks() for name in columns}
        offset, baseline = kept["rb_offset"].to_numpy(), drawn.pilot.log_odds(own)
        instead = apart[kept["rb_row"].to_numpy()]
        known = ~np.isnan(instead)
        if way in (1, 2):
            baseline = np.where(known, instead, baseline)
        if way == 2:
            offset = np.where(known, drawn.design.offset(log_probability(instead)), offset)
        draws = uniforms(seed, Purpose.HOLD_OUT, 0, len(kept))
        rows = as_rows(own, kept["y"].to_numpy() == 1, offset, baseline, draws)
        fitted = get_learner("gbm").fit(rows, Settings(seed=seed))
        found.append(loss(truth, fitted.log_odds(tested, drawn.pilot.log_odds(tested))))
    return [each - loss(truth, truth) for each in found]


def loss(truth: Floats, log_odds: Floats) -> float:
    """The expected log loss where the true log odds are known."""
    share = 1 / (1 + np.exp(-truth))
    return float(
        -(share * log_probability(log_odds) + (1 - share) * log_probability(-log_odds)).mean()
    )


def lines() -> list[list[str]]:
    """A row of the table for each way: mean and standard error over the seeds."""
    cells: list[list[str]] = [[way] for way in WAYS]
    for kind in ("linear", "curved"):
        with tempfile.TemporaryDirectory() as folder:
            runs = [excesses(Path(folder), kind, seed) for seed in range(SEEDS)]
        for cell, values in zip(cells, zip(*runs, strict=True), strict=True):
            error = statistics.stdev(values) / SEEDS**0.5
            cell.append(f"{statistics.mean(values):.5f} +- {error:.5f}")
    return cells
