"""table of many classes -> columns in memory -> rows with offsets, baseline and weight"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.arrays import to_numpy
from rebalance.core.class_design import log_shares, weighted_log_shares
from rebalance.core.classes import Classes, classes_of, listed, repeated
from rebalance.core.draws import Purpose, uniforms
from rebalance.core.kinds import Kind
from rebalance.core.label_values import check_classes
from rebalance.core.labels import LabelCounter
from rebalance.errors import DataError
from rebalance.learners.class_base import ClassRows
from rebalance.steps.classes.artifacts.drawn import ClassDrawn
from rebalance.steps.classes.pilot import check_class_weights
from rebalance.steps.classes.sample import OFFSET
from rebalance.steps.classes.train_task import WEIGHT, own_columns
from rebalance.steps.context import Context
from rebalance.steps.designed import OFFSET_TOLERANCE, may_start_from, refuse_other_design
from rebalance.steps.features import weights, whole
from rebalance.steps.train_task import TrainAsked
from rebalance.storage.tables import Batch, Table, located

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class ClassLoaded:
    """The training table in memory. offset : shape (n, K), None for a table that is no sample."""

    table: pa.Table
    label: Classes
    codes: Codes
    counts: tuple[int, ...]
    sample_weight: Floats | None
    offset: Floats | None

    @property
    def stands_for(self) -> Floats | None:
        """How many rows of the population each row stands for, shape (n,); None for one."""
        if WEIGHT not in self.table.column_names:
            return None
        return np.asarray(self.table.column(WEIGHT).to_numpy(), dtype=np.float64)


@dataclass(frozen=True)
class ClassStart:
    """What a fit knows of the classes present: their places, each row's among them, and scores.

    baseline : shape (K',), log shares. from_pilot : whether the pilot's scores take their place.
    kin : draws that hold out made rows with those they were made of, where there are some.
    """

    present: Codes
    codes: Codes
    baseline: Floats
    from_pilot: bool
    kin: Floats | None = None


def class_load(
    table: Table,
    drawn: ClassDrawn | None,
    task: TrainAsked,
    kinds: Mapping[str, Kind],
    context: Context,
) -> ClassLoaded:
    """Read the columns that training needs into memory.

    Raises
    ------
    DataError : the table is damaged, or its label, weights or offsets are not what they must be.
    """
    column, weighted = task.label or "", task.sample_weight
    needed = dict(kinds) | (dict(drawn.kinds) if drawn is not None else {})
    own = own_columns(table, drawn.design) if drawn is not None else []
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
                if own:
                    arrays[WEIGHT] = pa.array(weights(batch.column(WEIGHT), WEIGHT, batch.start))
                if own[1:]:
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
        found = counter.counts
        label = Classes.of(column, found)
        counts = tuple(found[value] for value in label.values)
        check_classes(column, found)
        place = np.array([label.places[value] for value in counter.values])[place]
    return ClassLoaded(
        table=pa.Table.from_batches(parts),
        label=label,
        codes=place,
        counts=counts,
        sample_weight=_own_weight(table, weight, place, label, weighted),
        offset=np.asfortranarray(np.concatenate(offsets)) if offsets else None,
    )


def with_offsets(table: Table, drawn: ClassDrawn | None, loaded: ClassLoaded) -> ClassLoaded:
    """The rows of a sample with log pi_k, read or by the design, which is checked against them.

    Raises
    ------
    ArtifactError : the design is another sample's.
    """
    if drawn is None or not drawn.design.correctable:
        return loaded
    place = loaded.codes
    columns = {name: whole(loaded.table.column(name)) for name in drawn.kinds}
    log_score = drawn.log_scores(columns, len(place))
    log_pi = drawn.design.log_pi(log_score)
    if loaded.offset is not None:
        differs = np.abs(loaded.offset - log_pi) > OFFSET_TOLERANCE
        refuse_other_design(table, np.asarray(differs.any(axis=1)))
        return loaded
    # The rows carry no offsets, only the weight of their own class: 1 / pi.
    log_weight = np.log(whole(loaded.table.column(WEIGHT)).to_numpy())
    differs = np.abs(log_weight + log_pi[np.arange(len(place)), place]) > OFFSET_TOLERANCE
    refuse_other_design(table, differs)
    return replace(loaded, offset=log_pi)


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


def tell_absent(table: Table, loaded: ClassLoaded, present: Codes, context: Context) -> None:
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
    absent = np.setdiff1d(np.arange(len(values)), present).tolist()
    if absent:
        named = listed([values[at] for at in absent], [loaded.counts[at] for at in absent])
        context.note(f"no training row is of {named}, rows of the population: probability 0")


def from_pilot(drawn: ClassDrawn | None, task: TrainAsked, context: Context) -> bool:
    """Whether trees start from the pilot and learn what it missed."""
    scoring = drawn.scoring if drawn is not None else None
    if scoring is None or task.correction != "offset":
        return False
    no_features = {task.key, task.sample_weight, *task.drop} - set(scoring.drop)
    return may_start_from(scoring.kinds, no_features, "the classes' shares", context)


def baseline_of(
    loaded: ClassLoaded, drawn: ClassDrawn | None, task: TrainAsked, present: Codes, codes: Codes
) -> Floats:
    """The log shares of the classes present: the population's, or the table's own, shape (K',).

    The user's weights count in all of them.
    """
    weight = np.ones(len(codes)) if loaded.sample_weight is None else loaded.sample_weight
    if drawn is None or task.correction in ("posthoc", "none"):
        return weighted_log_shares(np.bincount(codes).tolist(), codes, weight)
    expanded = loaded.table.column(WEIGHT).to_numpy()
    counts = [loaded.counts[place] for place in present.tolist()]
    return weighted_log_shares(counts, codes, weight, expanded)


def balance_shares(
    loaded: ClassLoaded, drawn: ClassDrawn | None, present: Codes, codes: Codes
) -> Floats:
    """The log shares of all classes in the population, the user's weights included, shape (K,)."""
    found = log_shares(loaded.counts)
    if loaded.sample_weight is None:
        return found
    expanded = None if drawn is None else loaded.table.column(WEIGHT).to_numpy()
    counts = [loaded.counts[place] for place in present.tolist()]
    own = weighted_log_shares(counts, codes, loaded.sample_weight, expanded)
    found[present] = own + np.log(np.exp(found[present]).sum())
    return found


def class_training_rows(
    loaded: ClassLoaded,
    drawn: ClassDrawn | None,
    task: TrainAsked,
    kinds: Mapping[str, Kind],
    start: ClassStart,
) -> ClassRows:
    """The rows with their offsets, baseline and weight, of the classes present."""
    columns = {name: whole(loaded.table.column(name)) for name in loaded.table.column_names}
    count = len(start.codes)
    draws = start.kin
    if draws is None:
        draws = uniforms(task.settings.seed, Purpose.HOLD_OUT, 0, count)
    baseline = repeated(start.baseline.tolist(), count)
    offset = repeated(np.zeros(len(start.baseline)), count)
    weight = loaded.sample_weight
    if loaded.offset is not None and task.correction == "offset":
        offset = classes_of(loaded.offset, start.present)
    if start.from_pilot and drawn is not None and drawn.pilot is not None:
        baseline = classes_of(drawn.pilot.log_prob(columns), start.present)
    if task.correction == "weight":
        own = columns[WEIGHT].to_numpy()
        weight = own if weight is None else own * weight
    return ClassRows(
        columns={name: columns[name] for name in kinds},
        kinds=kinds,
        codes=start.codes,
        offset=offset,
        baseline=baseline,
        sample_weight=weight,
        draws=draws,
    )
