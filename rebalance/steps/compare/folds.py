"""table -> folds -> a training and a test table of each"""

from __future__ import annotations

import time as clock
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.allotment import key_texts, moments
from rebalance.core.draws import Purpose, key_uniforms, uniforms
from rebalance.core.fold_groups import group_folds, time_blocks
from rebalance.core.folds import stratified_folds
from rebalance.core.labels import Label, LabelCounter, ManyClassesError, choose_label
from rebalance.core.wording import counted
from rebalance.errors import DataError, UsageError
from rebalance.steps.context import Context
from rebalance.storage.tables import Table, located
from rebalance.storage.writers import table_writers

Integers = NDArray[np.int64]

# A trial needs both classes; it is drawn evenly within each.
_TRIAL_POSITIVES = 200


@dataclass(frozen=True)
class Folds:
    """Which rows are tested on in which fold; the others train, of a chain those before.

    fold : of each row, shape (n,), 0 to `count` - 1; -1 in a chain's first block, never tested.
    """

    label: Label
    y_true: NDArray[np.bool_]
    fold: Integers
    count: int
    is_chain: bool

    def tests(self, number: int) -> NDArray[np.bool_]:
        """The rows that a fold tests on."""
        return np.equal(self.fold, number)

    def trains(self, number: int) -> NDArray[np.bool_]:
        """The rows that it trains on."""
        return np.less(self.fold, number) if self.is_chain else np.not_equal(self.fold, number)

    @property
    def test_per_train(self) -> float:
        """Rows to test on for each one to train on, the mean over the folds."""
        shares = [
            self.tests(number).sum() / self.trains(number).sum() for number in range(self.count)
        ]
        return float(np.mean(shares))


def make_folds(
    table: Table,
    column: str,
    count: int,
    *,
    positive: str | None,
    key: str | None,
    time: str | None,
    seed: int,
    context: Context,
) -> Folds:
    """Deal out the rows of each class; or whole keys; or cut in time, each block tested once.

    By time there is one block more than folds: the first only trains. In memory are some 40 bytes
    of every row.

    Raises
    ------
    UsageError : options that contradict each other.
    DataError : a missing value, one class, or too few positives for so many folds.
    """
    if key is not None and time is not None:
        raise UsageError("--key and --time exclude each other", remedy="give one of them")
    other, option = (key, "--key") if key is not None else (time, "--time")
    for name, said in ((column, "--label"), (other, option)):
        if name is not None:
            table.require(name, said)
    if other == column:
        raise UsageError(f"{option} names the label '{column}'", remedy="name another column")
    counter, codes, others = LabelCounter(column), [], []
    wanted = [column, *([other] if other is not None else [])]
    batches = table.batches(wanted)
    for batch in context.track(batches, "looking at the label", table.rows_if_known):
        with batch.located():
            codes.append(counter.add(batch.column(column), batch.start))
            if other is not None:
                others.append(_others(batch.column(other), other, option, by_time=key is None))
    with located(table.place):
        try:
            label = choose_label(column, counter.counts, positive)
        except ManyClassesError as exc:
            raise ManyClassesError(
                exc.what, where=exc.where, remedy="name the rare one with --positive VALUE"
            ) from exc
    if positive is None:
        context.note(f"'{label.positive}' is the positive value of '{column}'")
    y_true = np.equal(np.concatenate(codes), counter.values.index(label.positive))
    if key is not None:
        fold = _by_key(others, y_true, key, count, seed)
    elif time is not None:
        fold = time_blocks(np.concatenate(others), count + 1) - 1
    else:
        fold = stratified_folds(y_true, uniforms(seed, Purpose.COMPARE, 0, len(y_true)), count)
    found = Folds(label, y_true, fold, count, time is not None)
    _refuse_lack(found, option if other is not None else None, table)
    return found


def _others(column: pa.Array, name: str, option: str, *, by_time: bool) -> NDArray[Any]:
    """Keys as texts, or times as numbers.

    Raises
    ------
    DataError : one is missing, or is of no fitting type.
    """
    if by_time:
        times = moments(column, name)
        missing = np.asarray(times.is_null(nan_is_null=True))
        values: NDArray[Any] = times.fill_null(0).to_numpy(zero_copy_only=False)
    else:
        texts, at = key_texts(column, name)
        missing = at < 0
        values = np.append(texts, "")[at]
    if missing.any():
        raise DataError(
            f"the {option.removeprefix('--')} is missing",
            where=f"column '{name}'",
            remedy=f"fill it in, leave those rows out, or name another column with {option}",
            row=int(np.argmax(missing)),
        )
    return values


def _by_key(
    texts: list[NDArray[Any]], y_true: NDArray[np.bool_], key: str, count: int, seed: int
) -> Integers:
    keys = pa.array(np.concatenate(texts), pa.string()).dictionary_encode()
    group = np.asarray(keys.indices)
    names = np.array(keys.dictionary.to_pylist(), dtype=np.object_)
    positives = np.bincount(group, y_true, len(names)).astype(np.int64)
    having = int((positives > 0).sum())
    if having < count:
        raise DataError(
            f"{counted(having, 'key has', 'keys have')} positives, too few for {count} folds",
            where=f"column '{key}'",
            remedy=_fewer(having, "--key"),
        )
    rows = np.bincount(group, minlength=len(names))
    draws = key_uniforms(seed, Purpose.COMPARE, names)
    return np.asarray(group_folds(positives, rows, draws, count)[group])


def _refuse_lack(folds: Folds, option: str | None, table: Table) -> None:
    positives = int(folds.y_true.sum())
    if positives < folds.count and option is None:
        raise DataError(
            f"there {'is' if positives == 1 else 'are'} "
            f"{counted(positives, 'positive')}, too few for {folds.count} folds",
            where=f"{table.place}, column '{folds.label.column}'",
            remedy=_fewer(positives, None),
        )
    for number in range(folds.count):
        for rows, what in ((folds.tests(number), "test"), (folds.trains(number), "train")):
            for positive, word in ((True, "positives"), (False, "negatives")):
                if not (folds.y_true[rows] == positive).any():
                    raise DataError(
                        f"fold {number + 1} of {folds.count} has no {word} to {what} on",
                        where=f"{table.place}, column '{folds.label.column}'",
                        remedy="give fewer --folds"
                        + (f", or leave {option} out" if option else ""),
                    )


def _fewer(most: int, option: str | None) -> str:
    if most >= 2:
        return f"give --folds {most} or less"
    return f"leave {option} out" if option else "find more of them"


@dataclass(frozen=True)
class FoldFiles:
    """A fold on disk, with its rows, and the seconds that writing it took.

    parts : small parts of the training rows with their numbers of rows, for trials.
    """

    number: int
    folder: Path
    train: str
    test: str
    train_rows: int
    test_rows: int
    test_positives: int
    seconds: float
    parts: tuple[tuple[str, int], ...] = ()


def write_fold(
    table: Table, folds: Folds, number: int, folder: Path, parts: Sequence[int] = ()
) -> FoldFiles:
    """Write a fold's rows in the order they have; and parts of about so many training rows."""
    began = clock.perf_counter()
    masks = [folds.trains(number), folds.tests(number)]
    names = ["train.parquet", "test.parquet"]
    training = int(masks[0].sum())
    for size in parts:
        masks.append(_part(masks[0], folds.y_true, size))
        names.append(f"part{size}.parquet")
    paths = [str(folder / name) for name in names]
    with table_writers(paths, table) as writers:
        for batch in table.batches():
            here = slice(batch.start, batch.start + len(batch))
            for writer, mask in zip(writers, masks, strict=True):
                if mask[here].any():
                    writer.write(batch.filter(pa.array(mask[here])))
    sizes = [int(mask.sum()) for mask in masks[2:]]
    return FoldFiles(
        number,
        folder,
        paths[0],
        paths[1],
        training,
        int(masks[1].sum()),
        int(folds.y_true[masks[1]].sum()),
        clock.perf_counter() - began,
        tuple(zip(paths[2:], sizes, strict=True)),
    )


def _part(training: NDArray[np.bool_], y_true: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    """Rows evenly spaced within each class of the training rows, some positives at the least."""
    share = size / training.sum()
    chosen = np.zeros(len(training), dtype=bool)
    for value in (False, True):
        members = np.flatnonzero(training & (y_true == value))
        least = min(_TRIAL_POSITIVES, len(members))
        wanted = max(round(share * len(members)), least)
        chosen[members[np.linspace(0, len(members) - 1, wanted).astype(np.int64)]] = True
    return chosen
