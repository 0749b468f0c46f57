"""sample of many classes (its design and pilot inside it) -> model of many classes"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.arrays import to_numpy
from rebalance.core.class_design import log_shares, weighted_log_shares
from rebalance.core.classes import Classes, listed, repeated
from rebalance.core.draws import Purpose, uniforms
from rebalance.core.kinds import Kind
from rebalance.core.labels import LabelCounter, canonical
from rebalance.errors import ArtifactError, DataError, UsageError
from rebalance.learners.base import Settings
from rebalance.learners.class_base import ClassRows
from rebalance.learners.classes import get_class_learner
from rebalance.steps.classes.artifacts.drawn import ClassDrawn
from rebalance.steps.classes.artifacts.model import Balance, ClassModel
from rebalance.steps.classes.pilot import check_class_weights
from rebalance.steps.classes.sample import OFFSET
from rebalance.steps.context import Context
from rebalance.steps.features import (
    choose_features,
    describe_features,
    tell_left_out,
    weights,
    whole,
)
from rebalance.storage.atomic import write_bytes
from rebalance.storage.tables import Batch, Table, located

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

OFFSET_TOLERANCE = 1e-3
MAY_DIFFER = 0.05
_WEIGHT = "rb_weight"


@dataclass(frozen=True)
class ClassTrainResult:
    """What was fitted, on how many rows of each class, and on which scale its output is."""

    output: str
    model: str
    correction: str
    scale: str
    rows: int
    classes: dict[str, int]
    features: int
    summary: Mapping[str, Any]

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Balancing:
    """How the user asked for a model about the balanced error: the option's name, and tau."""

    name: str
    tau: float


@dataclass(frozen=True)
class ClassTask:
    """What the user said; None stands for what follows from the rest."""

    output: str
    model: str
    label: str | None
    positive: str | None
    correction: str | None
    drop: tuple[str, ...]
    key: str | None
    sample_weight: str | None
    balancing: Balancing | None
    settings: Settings


@dataclass(frozen=True)
class _Loaded:
    """The training table in memory. offset : shape (n, K), None for a table that is no sample."""

    table: pa.Table
    label: Classes
    codes: Codes
    counts: tuple[int, ...]
    sample_weight: Floats | None
    offset: Floats | None


def class_train(
    table: Table, drawn: ClassDrawn | None, asked: ClassTask, context: Context
) -> ClassTrainResult:
    """Fit a learner on a sample of many classes, or on a population itself without a design.

    Raises
    ------
    UsageError, ArtifactError, DataError, FitError : see the parts it is made of.
    """
    learner = get_class_learner(asked.model, asked.settings)
    task = _complete(table, drawn, asked)
    kinds = _features(table, drawn, task, context)
    loaded = _load(table, drawn, task, kinds, context)
    present = np.flatnonzero(np.bincount(loaded.codes, minlength=len(loaded.label)))
    _tell_absent(table, loaded, present, context)
    codes = np.searchsorted(present, loaded.codes)
    start = _Start(
        present,
        codes,
        _baseline(loaded, drawn, task, present, codes),
        learner.starts_from_baseline and _from_pilot(drawn, task, context),
    )
    rows = _training_rows(loaded, drawn, task, kinds, start)
    with located(table.place):
        fitted = learner.fit(rows, task.settings)
    tell_left_out(fitted.left_out, context)
    balance = None
    if task.balancing is not None:
        shares = tuple(float(each) for each in log_shares(loaded.counts))
        balance = Balance(task.balancing.name, task.balancing.tau, shares)
    correction = task.correction or "none"
    trained = ClassModel(
        label=loaded.label,
        present=tuple(int(place) for place in present),
        learner=asked.model,
        fitted=fitted,
        correction=correction,
        scale="sample" if correction == "posthoc" else "population",
        starts_from_pilot=start.from_pilot,
        baseline=tuple(float(each) for each in start.baseline),
        drawn=drawn,
        balance=balance,
        summary=fitted.summary(),
        sample_weight=task.sample_weight,
    )
    counted = np.bincount(loaded.codes, minlength=len(loaded.label)).tolist()
    settings = asdict(task.settings)
    given = {name: settings[name] for name in ("l2", "rounds", "learning_rate", "leaves")}
    manifest = {
        "created_by": {
            "command": "train", "model": asked.model, "natural": drawn is None, **given
        },
        "seed": task.settings.seed,
        "features": describe_features(table, kinds),
        "drop": list(task.drop),
        "key": task.key,
        "counts": counted,
        "made_from": table.digest,
    }  # fmt: skip
    write_bytes(asked.output, trained.content(manifest))
    return ClassTrainResult(
        output=asked.output,
        model=asked.model,
        correction=correction,
        scale=trained.output_scale,
        rows=len(rows),
        classes=dict(zip(loaded.label.values, counted, strict=True)),
        features=len(fitted.kinds),
        summary=fitted.summary(),
    )


def _complete(table: Table, drawn: ClassDrawn | None, asked: ClassTask) -> ClassTask:
    """What the user said, completed by what the design knows."""
    if drawn is None:
        return asked
    design = drawn.design
    for given, option in ((asked.label, "--label"), (asked.positive, "--positive")):
        if given is not None and (option == "--positive" or given != design.label.column):
            raise ArtifactError(
                f"the sample was drawn for the classes of '{design.label.column}', not for "
                f"{option} {canonical(given)}",
                remedy="leave it out, or draw a sample for it",
            )
    own = [_WEIGHT, *_offset_names(table, design.label)]
    lost = [name for name in own if name not in table.names]
    if lost:
        raise ArtifactError(
            f"the table has no column '{lost[0]}', so what it is a sample of is not known",
            where=table.place,
            remedy="give a sample as 'rebalance sample' wrote it",
        )
    # What was no feature when the sample was drawn is none now, whatever is named anew.
    former = [*design.drop, *filter(None, (design.key, design.sample_weight))]
    dropped = [name for name in former if name in table.names and name != asked.key]
    return ClassTask(
        output=asked.output,
        model=asked.model,
        label=design.label.column,
        positive=None,
        correction=asked.correction or "offset",
        drop=tuple(dict.fromkeys([*dropped, *asked.drop])),
        key=asked.key,
        sample_weight=asked.sample_weight or design.sample_weight,
        balancing=asked.balancing,
        settings=asked.settings,
    )


def _offset_names(table: Table, label: Classes) -> list[str]:
    """The column with the offsets of all classes, or those with one each."""
    if OFFSET in table.names:
        return [OFFSET]
    return [f"{OFFSET}_{value}" for value in label.values]


def _features(
    table: Table, drawn: ClassDrawn | None, task: ClassTask, context: Context
) -> dict[str, Kind]:
    """The learner's features; what the pilot needs is there, too."""
    kinds = choose_features(
        table,
        task.label or "",
        drop=task.drop,
        key=task.key,
        sample_weight=task.sample_weight,
        context=context,
    )
    scoring = drawn.scoring if drawn is not None else None
    if scoring is not None:
        table.require_features(scoring.kinds, "the design's pilot")
        if table.is_text:  # a CSV's types are decided anew; the pilot saw more of its rows
            kinds |= {name: kind for name, kind in scoring.kinds.items() if name in kinds}
    return kinds


def _load(
    table: Table,
    drawn: ClassDrawn | None,
    task: ClassTask,
    kinds: Mapping[str, Kind],
    context: Context,
) -> _Loaded:
    """Read the columns that training needs into memory."""
    column, weighted = task.label or "", task.sample_weight
    needed = dict(kinds) | (dict(drawn.kinds) if drawn is not None else {})
    own = [_WEIGHT, *_offset_names(table, drawn.design.label)] if drawn is not None else []
    parts: list[pa.RecordBatch] = []
    codes: list[Codes] = []
    weight: list[Floats] = []
    offsets: list[Floats] = []
    counter = LabelCounter(column)
    wanted = [column, *([weighted] if weighted else []), *needed, *own]
    for batch in context.track(table.batches(wanted), "reading", table.rows_if_known):
        arrays = {name: batch.feature(name, kind) for name, kind in needed.items()}
        with batch.located():
            labels = batch.column(column)
            if drawn is not None:
                codes.append(drawn.design.label.codes(labels, batch.start))
                arrays[_WEIGHT] = pa.array(weights(batch.column(_WEIGHT), _WEIGHT, batch.start))
                offsets.append(_offsets(batch, own[1:], drawn.design.label))
            else:
                codes.append(counter.add(labels, batch.start))
            if weighted:
                weight.append(weights(batch.column(weighted), weighted, batch.start))
        parts.append(pa.RecordBatch.from_arrays([*arrays.values()], names=[*arrays]))
    place = np.concatenate(codes)
    if drawn is not None:
        label, counts = drawn.design.label, drawn.design.counts
    else:
        label = Classes.of(column, counter.counts)
        counts = tuple(counter.counts[value] for value in label.values)
        place = np.array([label.values.index(value) for value in counter.values])[place]
    loaded = _Loaded(
        table=pa.Table.from_batches(parts),
        label=label,
        codes=place,
        counts=counts,
        sample_weight=_own_weight(table, weight, place, label, weighted),
        offset=np.asfortranarray(np.concatenate(offsets)) if offsets else None,
    )
    if drawn is not None:
        _check_design(table, drawn, loaded)
    return loaded


def _own_weight(
    table: Table, parts: Sequence[Floats], codes: Codes, label: Classes, name: str | None
) -> Floats | None:
    if name is None:
        return None
    weight = np.concatenate(parts)
    with located(table.place):
        check_class_weights(weight, codes, label, name)
    return np.asarray(weight / weight.mean(), dtype=np.float64)  # their scale must not change a fit


def _offsets(batch: Batch, names: Sequence[str], label: Classes) -> Floats:
    """log pi_k of the rows, shape (n, K), from a column of lists or from one a class.

    Raises
    ------
    DataError : one is missing or not finite, or the lists have another length.
    """
    if list(names) == [OFFSET]:
        array = batch.column(OFFSET)
        try:
            lists = array.cast(pa.list_(pa.float64(), len(label)))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            lists = None
        if lists is None or lists.null_count:
            raise DataError(
                f"'{OFFSET}' is {array.type}, not a list of {len(label)} numbers in every row",
                where=batch.place,
                remedy="draw the sample again",
            )
        found = to_numpy(lists.flatten()).reshape(len(batch), len(label))
    else:
        columns = [batch.feature(name, "number") for name in names]
        found = np.column_stack([column.to_numpy(zero_copy_only=False) for column in columns])
    wrong = ~np.isfinite(found).all(axis=1)
    if wrong.any():
        raise DataError(
            f"a value of '{OFFSET}' is not a finite number",
            where=f"{batch.place}, row {batch.start + int(np.argmax(wrong))} (counting from 0)",
            remedy="draw the sample again",
        )
    return found


def _check_design(table: Table, drawn: ClassDrawn, loaded: _Loaded) -> None:
    """Refuse a design that is another sample's: it would correct by the wrong amount.

    A few offsets may differ: a float32 reads as another float64 once it went through text.
    """
    if loaded.offset is None:
        return
    columns = {name: whole(loaded.table.column(name)) for name in drawn.kinds}
    expected = drawn.log_pi(columns, len(loaded.codes))
    differs: NDArray[np.bool_] = np.any(np.abs(loaded.offset - expected) > OFFSET_TOLERANCE, axis=1)
    if differs.mean() > MAY_DIFFER:
        raise ArtifactError(
            f"the design is not this sample's: {int(differs.sum()):,} of {len(differs):,} offsets "
            "differ from those it gives",
            where=table.place,
            remedy="give the design that 'rebalance sample' wrote with this sample, or draw it "
            "again",
        )


def _tell_absent(table: Table, loaded: _Loaded, present: Codes, context: Context) -> None:
    """Say which classes have no row to learn from.

    Raises
    ------
    DataError : there is one class only.
    """
    values = loaded.label.values
    if len(present) < 2:
        raise DataError(
            f"there are rows of one class only: {values[int(present[0])]}",
            where=table.place,
            remedy="draw a sample with a higher rate for the others",
        )
    absent = [place for place in range(len(values)) if place not in set(present.tolist())]
    if absent:
        named = listed([values[at] for at in absent], [loaded.counts[at] for at in absent])
        context.note(f"no training row is of {named}, rows of the population: probability 0")


def _from_pilot(drawn: ClassDrawn | None, task: ClassTask, context: Context) -> bool:
    """Whether trees start from the pilot and learn what it missed."""
    scoring = drawn.scoring if drawn is not None else None
    if scoring is None or task.correction != "offset":
        return False
    excluded = {task.key, task.sample_weight, *task.drop} & set(scoring.kinds)
    if excluded:
        context.note(
            f"the pilot uses {', '.join(sorted(map(repr, filter(None, excluded))))}, no feature "
            "here: trees start from the classes' shares instead of the pilot"
        )
    return not excluded


def _baseline(
    loaded: _Loaded, drawn: ClassDrawn | None, task: ClassTask, present: Codes, codes: Codes
) -> Floats:
    """The log shares of the classes present: the population's, or the table's own, shape (K',).

    The user's weights count in all of them.
    """
    weight = np.ones(len(codes)) if loaded.sample_weight is None else loaded.sample_weight
    if drawn is None or task.correction == "posthoc":
        return weighted_log_shares(np.bincount(codes).tolist(), codes, weight)
    expanded = loaded.table.column(_WEIGHT).to_numpy()
    counts = [loaded.counts[place] for place in present.tolist()]
    return weighted_log_shares(counts, codes, weight, expanded)


@dataclass(frozen=True)
class _Start:
    """What a fit knows of the classes present: their places, each row's among them, and scores.

    baseline : shape (K',), log shares. from_pilot : whether the pilot's scores take their place.
    """

    present: Codes
    codes: Codes
    baseline: Floats
    from_pilot: bool


def _training_rows(
    loaded: _Loaded,
    drawn: ClassDrawn | None,
    task: ClassTask,
    kinds: Mapping[str, Kind],
    start: _Start,
) -> ClassRows:
    """The rows with their offsets, baseline and weight, of the classes present."""
    columns = {name: whole(loaded.table.column(name)) for name in loaded.table.column_names}
    count = len(start.codes)
    baseline = repeated(start.baseline.tolist(), count)
    offset = np.zeros(baseline.shape, order="F")
    weight = loaded.sample_weight
    if loaded.offset is not None and task.correction == "offset":
        offset = np.asfortranarray(loaded.offset[:, start.present])
    if start.from_pilot and drawn is not None and drawn.pilot is not None:
        baseline = np.asfortranarray(drawn.pilot.log_prob(columns)[:, start.present])
    if task.correction == "weight":
        own = columns[_WEIGHT].to_numpy()
        weight = own if weight is None else own * weight
    return ClassRows(
        columns={name: columns[name] for name in kinds},
        kinds=kinds,
        codes=start.codes,
        offset=offset,
        baseline=baseline,
        sample_weight=weight,
        draws=uniforms(task.settings.seed, Purpose.HOLD_OUT, 0, count),
    )


def balancing_of(logit_adjustment: float | None, *, balanced_softmax: bool) -> Balancing | None:
    """What the options ask for.

    Raises
    ------
    UsageError : both are given.
    """
    if balanced_softmax and logit_adjustment is not None:
        raise UsageError(
            "--logit-adjustment and --balanced-softmax contradict each other",
            remedy="give one; --balanced-softmax is --logit-adjustment 1",
        )
    if balanced_softmax:
        return Balancing("balanced softmax", 1.0)
    return None if logit_adjustment is None else Balancing("logit adjustment", logit_adjustment)


def refuse_balancing(balancing: Balancing | None, column: str) -> None:
    """Say why a model of two classes is not balanced.

    Raises
    ------
    UsageError : it was asked for.
    """
    if balancing is not None:
        raise UsageError(
            f"{balancing.name} is for many classes, and '{column}' has a positive value: there it "
            "would move the threshold, and nothing else",
            remedy="leave it out, and take the positives' share as the threshold "
            "('evaluate --threshold')",
        )
