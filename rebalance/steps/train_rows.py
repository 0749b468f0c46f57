"""table -> columns in memory -> rows with offset, baseline and weight"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.draws import Purpose, uniforms
from rebalance.core.kinds import Kind
from rebalance.core.labels import Label, LabelCounter, choose_label, is_positive
from rebalance.errors import DataError
from rebalance.learners.base import TrainingRows
from rebalance.steps.artifacts.drawn import Drawn
from rebalance.steps.context import Context
from rebalance.steps.designed import OFFSET_TOLERANCE, may_start_from, refuse_other_design
from rebalance.steps.features import check_total, weights, whole
from rebalance.steps.train_task import SAMPLE_COLUMNS, TrainTask, own_columns
from rebalance.storage.tables import Table, located


@dataclass(frozen=True)
class Loaded:
    """The training table in memory."""

    table: pa.Table
    label: Label
    y_true: NDArray[np.bool_]
    sample_weight: NDArray[np.float64] | None

    @property
    def stands_for(self) -> NDArray[np.float64] | None:
        """How many rows of the population each row stands for, shape (n,); None for one."""
        if "rb_weight" not in self.table.column_names:
            return None
        return np.asarray(self.table.column("rb_weight").to_numpy(), dtype=np.float64)


@dataclass(frozen=True)
class Start:
    """Where a fit starts from: log odds that are the same for all rows, or the pilot's."""

    log_odds: float
    from_pilot: bool


def load(table: Table, task: TrainTask, kinds: Mapping[str, Kind], context: Context) -> Loaded:
    """Read the columns that training needs into memory.

    Raises
    ------
    DataError : the table is damaged, or its label or weights are not what they must be.
    ArtifactError : the design is another sample's.
    """
    needed = dict(kinds)
    if task.drawn is not None and task.drawn.pilot is not None:
        needed |= task.drawn.pilot.kinds
    if task.drawn is not None:
        own = own_columns(task.drawn)
        needed |= dict.fromkeys(own, "number")
        needed |= {"rb_row": "number"} if "rb_row" in table.names else {}
    weighted = task.sample_weight
    counter = LabelCounter(task.label)
    parts: list[pa.RecordBatch] = []
    labels: list[tuple[int, pa.Array]] = []
    weight: list[NDArray[np.float64]] = []
    wanted = [task.label, *([weighted] if weighted else []), *needed]
    for batch in context.track(table.batches(wanted), "reading", table.rows_if_known):
        labels.append((batch.start, batch.column(task.label)))
        with batch.located():
            counter.add(batch.column(task.label), batch.start)
            if weighted:
                weight.append(weights(batch.column(weighted), weighted, batch.start))
        arrays = [batch.feature(name, kind) for name, kind in needed.items()]
        parts.append(pa.RecordBatch.from_arrays(arrays, names=[*needed]))
    with located(table.place):
        chosen = choose_label(task.label, counter.counts, task.positive)
        if task.drawn is not None:
            chosen = task.drawn.design.label
        elif task.positive is None:
            context.note(f"'{chosen.positive}' is the positive value of '{task.label}'")
        y_true = np.concatenate([is_positive(array, chosen, start) for start, array in labels])
        own_weight = np.concatenate(weight) if weight else None
        if own_weight is not None and weighted:
            check_total(own_weight, y_true, weighted)
            own_weight = own_weight / own_weight.mean()  # their scale must not change a fit
    loaded = Loaded(pa.Table.from_batches(parts), chosen, y_true, own_weight)
    if task.drawn is not None and task.drawn.design.correctable:
        _check_design(table, task.drawn, loaded)
    return loaded


def _check_design(table: Table, drawn: Drawn, loaded: Loaded) -> None:
    """Refuse a design that is another sample's, by the offsets that it gives."""
    columns = {name: whole(loaded.table.column(name)) for name in loaded.table.column_names}
    for name in SAMPLE_COLUMNS:
        wrong = ~np.isfinite(columns[name].to_numpy(zero_copy_only=False))
        if wrong.any():
            raise DataError(
                f"the value of '{name}' is not a finite number",
                where=f"{table.place}, row {int(np.argmax(wrong))} (counting from 0)",
                remedy="draw the sample again",
            )
    stored = columns["rb_offset"].to_numpy()
    differs = np.abs(stored - drawn.offset_of(columns, len(stored))) > OFFSET_TOLERANCE
    refuse_other_design(table, differs)


def start_of(loaded: Loaded, task: TrainTask, from_baseline: bool, context: Context) -> Start:
    """With the offset, trees start from the pilot and learn what it missed.

    Weighted fits start from the population's share of positives; post-hoc fits, on the sample's
    scale, and natural ones from the table's own. The user's weights count in all of them.
    """
    drawn, y_true = task.drawn, loaded.y_true
    weight = np.ones(len(y_true)) if loaded.sample_weight is None else loaded.sample_weight
    if drawn is None or task.correction in ("posthoc", "none"):
        return Start(float(np.log(weight[y_true].sum() / weight[~y_true].sum())), False)
    expanded = loaded.table.column("rb_weight").to_numpy()
    means = [np.average(weight[rows], weights=expanded[rows]) for rows in (y_true, ~y_true)]
    log_odds = drawn.design.population_log_odds + float(np.log(means[0] / means[1]))
    if not from_baseline or task.correction != "offset" or drawn.pilot is None:
        return Start(log_odds, False)
    # What the pilot makes features of although it dropped the column, it may use here, too.
    no_features = {task.key, task.sample_weight, *task.drop} - set(drawn.pilot.drop)
    instead = "the share of positives"
    return Start(log_odds, may_start_from(drawn.pilot.kinds, no_features, instead, context))


def training_rows(
    loaded: Loaded, task: TrainTask, kinds: Mapping[str, Kind], start: Start, seed: int
) -> TrainingRows:
    """The rows with their offset, baseline and weights."""
    columns = {name: whole(loaded.table.column(name)) for name in loaded.table.column_names}
    count = len(loaded.y_true)
    shift = np.zeros(count)
    weight = loaded.sample_weight
    baseline = np.full(count, start.log_odds)
    if task.correction == "offset":
        shift = columns["rb_offset"].to_numpy()
    read = dict.fromkeys(kinds)
    if start.from_pilot and task.drawn is not None and task.drawn.pilot is not None:
        baseline = task.drawn.pilot.log_odds(columns)
        read |= dict.fromkeys(task.drawn.pilot.kinds)
    population = None
    if task.drawn is not None and task.drawn.design.correctable:
        population = columns["rb_weight"].to_numpy() * (1.0 if weight is None else weight)
    if task.correction == "weight":
        weight = population
    return TrainingRows(
        columns={name: columns[name] for name in read},
        kinds=kinds,
        y_true=loaded.y_true,
        offset=shift,
        baseline=baseline,
        sample_weight=weight,
        draws=uniforms(seed, Purpose.HOLD_OUT, 0, count),
        population_weight=population,
        shift=columns["rb_offset"].to_numpy() if task.correction == "posthoc" else None,
    )
