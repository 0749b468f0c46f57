"""sample (its design and pilot inside it) -> model"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.design import Design
from rebalance.core.draws import Purpose, uniforms
from rebalance.core.kinds import Kind
from rebalance.core.labels import Label, LabelCounter, canonical, choose_label, is_positive
from rebalance.errors import ArtifactError, DataError, UsageError
from rebalance.learners import get_learner
from rebalance.learners.base import Settings, TrainingRows
from rebalance.steps.artifacts import (
    Drawn,
    Model,
    design_sidecar,
    read_design,
    read_design_file,
)
from rebalance.steps.context import Context
from rebalance.steps.features import (
    check_total,
    choose_features,
    describe_features,
    tell_left_out,
    weights,
    whole,
)
from rebalance.steps.kin import has_kin, kin_draws
from rebalance.steps.memory import HEAVY, Need, open_within
from rebalance.storage.atomic import check_artifact, check_outputs, write_bytes
from rebalance.storage.tables import Table, located

_SAMPLE_COLUMNS = ("rb_weight", "rb_offset")
OFFSET_TOLERANCE = 1e-3
MAY_DIFFER = 0.05


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
    check_artifact(output)
    sidecars = [design_sidecar(source) for source in inputs if source != "-"]
    sources = [*inputs, *sidecars, *([design] if design else [])]
    check_outputs([output], sources, clobber=clobber)
    learner = get_learner(model, settings)
    # Every value as it was read, as a number, and in what a learner makes of it.
    table = open_within(inputs, context, Need(HEAVY, per_value=3.0, per_row=48.0))
    asked = _Asked(label, positive, correction, tuple(drop), key, sample_weight)
    found = _design(table, inputs, design)
    task = _natural(table, found, asked) if natural else _sampled(table, found, asked)
    _tell_limits(found, model, context)
    kinds = _features(table, task, context)
    loaded = _load(table, task, kinds, context)
    start = _start(loaded, task, learner.starts_from_baseline, context)
    rows = _training_rows(loaded, task, kinds, start, settings.seed)
    if found is not None and has_kin(table, found.design):
        rows = replace(rows, draws=kin_draws(table, settings.seed))
    with located(table.place):
        fitted = learner.fit(rows, settings)
    tell_left_out(fitted.left_out, context)
    trained = Model(
        label=loaded.label,
        learner=model,
        fitted=fitted,
        correction=task.correction,
        scale="sample" if task.correction == "posthoc" or _unknown(found) else "population",
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
    write_bytes(output, trained.content(manifest))
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
    lost = [name for name in _own_columns(drawn) if name not in table.names]
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
        if given is not None and given != value and canonical(given) != value:
            raise ArtifactError(
                f"the sample was drawn for {option} {value}, not {given}",
                remedy="draw a sample for this label",
            )
    # What was no feature when the sample was drawn is none now, whatever is named anew.
    former = [*design.drop, *filter(None, (design.key, design.sample_weight))]
    dropped = [name for name in former if name in table.names and name != asked.key]
    return _Task(
        label=known.column,
        positive=known.positive,
        correction=_correction(design, asked.correction),
        drop=tuple(dict.fromkeys([*dropped, *asked.drop])),
        key=asked.key,
        sample_weight=asked.sample_weight or design.sample_weight,
        drawn=drawn,
    )


def _tell_limits(drawn: Drawn | None, model: str, context: Context) -> None:
    """Say what a correction does not undo, or undoes in part."""
    if drawn is not None and _unknown(drawn):
        context.note(
            f"{drawn.design.method} has no known inclusion probabilities: the model's are the "
            "sample's, and need a calibration on rows of the natural distribution"
        )
    elif drawn is not None and drawn.design.repeated is not None and model != "logistic":
        context.note(
            f"positives were repeated {drawn.design.repeated:.3g} times, which of a {model} model "
            "the offset corrects about, not exactly: look at predicted_over_observed"
        )


def _unknown(drawn: Drawn | None) -> bool:
    """Whether the rows were sampled by a method without known probabilities."""
    return drawn is not None and not drawn.design.correctable


def _own_columns(drawn: Drawn | None) -> tuple[str, ...]:
    """The sample's columns that a correction needs."""
    return () if _unknown(drawn) else _SAMPLE_COLUMNS


def _correction(design: Design, asked: str | None) -> str:
    """The correction asked for; "none" of a sample that nothing undoes.

    Raises
    ------
    ArtifactError : one is asked for, and there is none.
    """
    if asked is not None:
        design.require_known()
    return asked or ("offset" if design.correctable else "none")


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
        needed |= dict.fromkeys(_own_columns(task.drawn), "number")
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
    loaded = _Loaded(pa.Table.from_batches(parts), chosen, y_true, own_weight)
    if task.drawn is not None and task.drawn.design.correctable:
        _check_design(table, task.drawn, loaded)
    return loaded


def _check_design(table: Table, drawn: Drawn, loaded: _Loaded) -> None:
    """Refuse a design that is another sample's: it would correct by the wrong amount.

    The offsets that it gives are compared with the sample's. A few may differ: a float32 reads as
    another float64 once it went through text, and may cross a tree's threshold.
    """
    columns = {name: whole(loaded.table.column(name)) for name in loaded.table.column_names}
    for name in _SAMPLE_COLUMNS:
        wrong = ~np.isfinite(columns[name].to_numpy(zero_copy_only=False))
        if wrong.any():
            raise DataError(
                f"the value of '{name}' is not a finite number",
                where=f"{table.place}, row {int(np.argmax(wrong))} (counting from 0)",
                remedy="draw the sample again",
            )
    stored = columns["rb_offset"].to_numpy()
    differs = np.abs(stored - drawn.offset_of(columns, len(stored))) > OFFSET_TOLERANCE
    if differs.mean() > MAY_DIFFER:
        raise ArtifactError(
            f"the design is not this sample's: {int(differs.sum()):,} of {len(stored):,} offsets "
            "differ from those it gives",
            where=table.place,
            remedy="give the design that 'rebalance sample' wrote with this sample, or draw it "
            "again",
        )


def _start(loaded: _Loaded, task: _Task, from_baseline: bool, context: Context) -> _Start:
    """With the offset, trees start from the pilot and learn what it missed.

    Weighted fits start from the population's share of positives; post-hoc fits, on the sample's
    scale, and natural ones from the table's own. The user's weights count in all of them.
    """
    drawn, y_true = task.drawn, loaded.y_true
    weight = np.ones(len(y_true)) if loaded.sample_weight is None else loaded.sample_weight
    if drawn is None or task.correction in ("posthoc", "none"):
        return _Start(float(np.log(weight[y_true].sum() / weight[~y_true].sum())), False)
    expanded = loaded.table.column("rb_weight").to_numpy()
    means = [np.average(weight[rows], weights=expanded[rows]) for rows in (y_true, ~y_true)]
    log_odds = drawn.design.population_log_odds + float(np.log(means[0] / means[1]))
    if not from_baseline or task.correction != "offset" or drawn.pilot is None:
        return _Start(log_odds, False)
    excluded = {task.key, task.sample_weight, *task.drop} & set(drawn.pilot.kinds)
    if excluded:
        context.note(
            f"the pilot uses {', '.join(sorted(map(repr, filter(None, excluded))))}, no feature "
            "here: trees start from the share of positives instead of the pilot"
        )
    return _Start(log_odds, not excluded)


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
