"""sample (its design and pilot inside it) -> model"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.draws import Purpose, uniforms
from rebalance.core.kinds import Kind
from rebalance.core.labels import Label, LabelCounter, choose_label, is_positive
from rebalance.errors import ArtifactError, UsageError
from rebalance.learners import get_learner
from rebalance.learners.base import Settings, TrainingRows
from rebalance.steps.artifacts import Drawn, Model, read_design, read_design_file
from rebalance.steps.context import Context
from rebalance.steps.features import (
    check_total,
    choose_features,
    describe_features,
    tell_left_out,
    weights,
    whole,
)
from rebalance.storage.atomic import check_outputs, write_bytes
from rebalance.storage.inputs import open_table
from rebalance.storage.tables import Table, located

CORRECTIONS = ("offset", "weight", "posthoc")
_SAMPLE_COLUMNS = ("rb_weight", "rb_offset")


@dataclass(frozen=True)
class TrainResult:
    """What was fitted, on how many rows, and on which scale its probabilities are."""

    output: str
    model: str
    correction: str
    rows: int
    positives: int
    negatives: int
    features: int
    summary: Mapping[str, Any]

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        return asdict(self)


@dataclass(frozen=True)
class _Asked:
    """What the user said."""

    label: str | None
    positive: str | None
    correction: str | None
    drop: tuple[str, ...]
    key: str | None
    sample_weight: str | None


@dataclass(frozen=True)
class _Task:
    """What is to be done: what the user said, completed by what the design knows."""

    label: str
    positive: str | None
    correction: str
    drop: tuple[str, ...]
    key: str | None
    sample_weight: str | None
    drawn: Drawn | None


@dataclass(frozen=True)
class _Loaded:
    """The training table in memory."""

    table: pa.Table
    label: Label
    y_true: NDArray[np.bool_]
    sample_weight: NDArray[np.float64] | None


@dataclass(frozen=True)
class _Start:
    """Where a fit starts from: log odds that are the same for all rows, or the pilot's."""

    log_odds: float
    from_pilot: bool


def train(
    inputs: Sequence[str],
    output: str,
    *,
    model: str = "gbm",
    correction: str | None = None,
    natural: bool = False,
    label: str | None = None,
    positive: str | None = None,
    design: str | None = None,
    drop: Sequence[str] = (),
    key: str | None = None,
    sample_weight: str | None = None,
    settings: Settings,
    clobber: bool = True,
    context: Context,
) -> TrainResult:
    """Fit a learner on a sample, or on a population itself with `natural`, and write the model.

    Raises
    ------
    UsageError : options that contradict each other, or that the learner does not know.
    ArtifactError : the sample has lost its design.
    DataError, FitError : see the parts it is made of.
    """
    check_outputs([output], [*inputs, *([design] if design else [])], clobber=clobber)
    learner = get_learner(model, settings)
    table = open_table(inputs)
    asked = _Asked(label, positive, correction, tuple(drop), key, sample_weight)
    found = _design(table, inputs, design)
    task = _natural(table, found, asked) if natural else _sampled(table, found, asked)
    kinds = _features(table, task, context)
    loaded = _load(table, task, kinds, context)
    start = _start(loaded, task, learner.starts_from_baseline)
    rows = _training_rows(loaded, task, kinds, start, settings.seed)
    with located(table.place):
        fitted = learner.fit(rows, settings)
    tell_left_out(fitted.left_out, context)
    trained = Model(
        label=loaded.label,
        learner=model,
        fitted=fitted,
        correction=task.correction,
        scale="sample" if task.correction == "posthoc" else "population",
        starts_from_pilot=start.from_pilot,
        constant_log_odds=start.log_odds,
        drawn=task.drawn,
        summary=fitted.summary(),
        sample_weight=task.sample_weight,
    )
    positives = int(loaded.y_true.sum())
    manifest = {
        "created_by": {"command": "train", "model": model, "natural": natural, **_given(settings)},
        "seed": settings.seed,
        "features": describe_features(table, kinds),
        "drop": list(task.drop),
        "key": task.key,
        "counts": {"positives": positives, "negatives": len(rows) - positives},
        "made_from": table.digest,
    }
    write_bytes(Path(output), trained.content(manifest))
    return TrainResult(
        output=output,
        model=model,
        correction=task.correction,
        rows=len(rows),
        positives=positives,
        negatives=len(rows) - positives,
        features=len(fitted.kinds),
        summary=fitted.summary(),
    )


def _design(table: Table, inputs: Sequence[str], design: str | None) -> Drawn | None:
    """The design given, or the one that goes with the table."""
    if design is not None:
        return read_design_file(design)
    return read_design(inputs[0], table.metadata) if len(inputs) == 1 else None


def _natural(table: Table, drawn: Drawn | None, asked: _Asked) -> _Task:
    """The table is the population: nothing to correct."""
    if drawn is not None:
        raise UsageError(
            "the table is a sample, and --natural says that it is the population",
            where=table.place,
            remedy="leave --natural out",
        )
    if asked.correction is not None:
        raise UsageError(
            f"--correction {asked.correction} has nothing to correct with --natural",
            remedy="leave one of them out",
        )
    table.refuse_own_columns()
    if asked.label is None:
        raise UsageError(
            "the label is not known", remedy="name its column with --label next to --natural"
        )
    return _Task(
        asked.label, asked.positive, "none", asked.drop, asked.key, asked.sample_weight, None
    )


def _sampled(table: Table, drawn: Drawn | None, asked: _Asked) -> _Task:
    """The table is a sample, and its design knows the label and what is no feature."""
    lost = [name for name in _SAMPLE_COLUMNS if name not in table.names]
    if drawn is None or lost:
        what = f"has no column '{lost[0]}'" if drawn is not None else "has no design"
        raise ArtifactError(
            f"the table {what}, so what it is a sample of is not known",
            where=table.place,
            remedy="give a sample as 'rebalance sample' wrote it (with --design FILE where the "
            "design lies elsewhere), or --natural if the table is the population itself",
        )
    design = drawn.design
    known = design.label
    for given, value, option in (
        (asked.label, known.column, "--label"),
        (asked.positive, known.positive, "--positive"),
    ):
        if given is not None and given != value:
            raise ArtifactError(
                f"the sample was drawn for {option} {value}, not {given}",
                remedy="draw a sample for this label",
            )
    dropped = [name for name in design.drop if name in table.names]
    return _Task(
        label=known.column,
        positive=known.positive,
        correction=asked.correction or "offset",
        drop=tuple(dict.fromkeys([*dropped, *asked.drop])),
        key=asked.key or (design.key if design.key in table.names else None),
        sample_weight=asked.sample_weight or design.sample_weight,
        drawn=drawn,
    )


def _features(table: Table, task: _Task, context: Context) -> dict[str, Kind]:
    """The learner's features; what the pilot needs is there, too."""
    kinds = choose_features(
        table,
        task.label,
        drop=task.drop,
        key=task.key,
        sample_weight=task.sample_weight,
        context=context,
    )
    pilot = task.drawn.pilot if task.drawn else None
    if pilot is not None:
        table.require_features(pilot.kinds, "the design's pilot")
        if table.is_text:  # a CSV's types are decided anew; the pilot saw more of its rows
            kinds |= {name: kind for name, kind in pilot.kinds.items() if name in kinds}
    return kinds


def _load(table: Table, task: _Task, kinds: Mapping[str, Kind], context: Context) -> _Loaded:
    """Read the columns that training needs into memory."""
    needed = dict(kinds)
    if task.drawn is not None and task.drawn.pilot is not None:
        needed |= task.drawn.pilot.kinds
    if task.drawn is not None:
        needed |= dict.fromkeys(_SAMPLE_COLUMNS, "number")
    weighted = task.sample_weight
    counter = LabelCounter(task.label)
    parts: list[pa.RecordBatch] = []
    labels: list[tuple[int, pa.Array]] = []
    weight: list[NDArray[np.float64]] = []
    wanted = [task.label, *([weighted] if weighted else []), *needed]
    for batch in context.track(table.batches(wanted), "reading", table.num_rows):
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
    return _Loaded(pa.Table.from_batches(parts), chosen, y_true, own_weight)


def _start(loaded: _Loaded, task: _Task, from_baseline: bool) -> _Start:
    """With the offset, trees start from the pilot and learn what it missed.

    Weighted fits start from the population's share of positives; post-hoc fits, on the sample's
    scale, and natural ones from the table's own.
    """
    drawn = task.drawn
    if drawn is None or task.correction == "posthoc":
        positives = int(loaded.y_true.sum())
        return _Start(float(np.log(positives / (len(loaded.y_true) - positives))), False)
    piloted = from_baseline and task.correction == "offset" and drawn.pilot is not None
    return _Start(drawn.design.population_log_odds, piloted)


def _training_rows(
    loaded: _Loaded, task: _Task, kinds: Mapping[str, Kind], start: _Start, seed: int
) -> TrainingRows:
    """The rows with their offset, baseline and weight."""
    columns = {name: whole(loaded.table.column(name)) for name in loaded.table.column_names}
    count = len(loaded.y_true)
    shift = np.zeros(count)
    weight = loaded.sample_weight
    baseline = np.full(count, start.log_odds)
    if task.correction == "offset":
        shift = columns["rb_offset"].to_numpy()
    if start.from_pilot and task.drawn is not None and task.drawn.pilot is not None:
        baseline = task.drawn.pilot.log_odds(columns)
    if task.correction == "weight":
        own = columns["rb_weight"].to_numpy()
        weight = own if weight is None else own * weight
    return TrainingRows(
        columns={name: columns[name] for name in kinds},
        kinds=kinds,
        y_true=loaded.y_true,
        offset=shift,
        baseline=baseline,
        sample_weight=weight,
        draws=uniforms(seed, Purpose.HOLD_OUT, 0, count),
    )


def _given(settings: Settings) -> dict[str, Any]:
    """The settings that make a difference, for the manifest."""
    chosen = asdict(settings)
    return {name: chosen[name] for name in ("l2", "rounds", "learning_rate", "leaves")}
