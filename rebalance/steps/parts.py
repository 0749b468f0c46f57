"""table -> classes -> the part that each row goes to"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from rebalance.core.allotment import (
    DrawCounts,
    RankCuts,
    Shares,
    allot_keys,
    cut_times,
    key_texts,
    moments,
    parts_of_keys,
)
from rebalance.core.draws import Purpose, key_uniforms, uniforms
from rebalance.core.label_values import LabelValues, check_classes
from rebalance.core.labels import Label, LabelCounter, choose_label
from rebalance.core.wording import counted
from rebalance.errors import DataError
from rebalance.steps.classes.parts import sizes_of_classes
from rebalance.steps.context import Context
from rebalance.storage.tables import Batch, Table

Codes = NDArray[np.int64]
Allot = Callable[[Batch, Codes], NDArray[np.int8]]
"""Takes rows and the positions of their labels' values; gives their parts."""


@dataclass(frozen=True)
class Task:
    """A table to split, and how."""

    table: Table
    shares: Shares
    column: str
    positive: str | None
    seed: int
    context: Context

    def batches(self, columns: list[str], description: str) -> Iterator[Batch]:
        """One look at some columns."""
        return self.context.track(
            self.table.batches(columns), description, self.table.rows_if_known
        )

    def draws(self, batch: Batch) -> NDArray[np.float64]:
        """The draws of the rows."""
        return uniforms(self.seed, Purpose.SPLIT, batch.start, len(batch))


@dataclass(frozen=True)
class Classes:
    """The label's column: its values with their rows, and the positive one if there is one."""

    column: str
    counts: dict[str, int]
    label: Label | None

    @cached_property
    def values(self) -> list[str]:
        """The values in the order they came; codes are positions in here."""
        return list(self.counts)

    @cached_property
    def _numbered(self) -> LabelValues:
        return LabelValues(self.column, self.values)

    def codes(self, batch: Batch) -> Codes:
        """The position of each row's value in `values`."""
        remedy = "run the command again when nothing writes to the table"
        return self._numbered.known_codes(batch.column(self.column), batch.start, remedy)

    @cached_property
    def _telling(self) -> int:
        """The positive value's position, or that of the most common class."""
        if self.label is not None:
            return self.values.index(self.label.positive)
        return self.values.index(max(self.values, key=lambda value: self.counts[value]))

    def is_rare(self, codes: Codes) -> NDArray[np.bool_]:
        """Which rows make their key a rare one: positives, or all but the most common class."""
        same = codes == self._telling
        return np.asarray(same if self.label is not None else ~same)

    def merged(self, counts: Mapping[str, int]) -> dict[str, int]:
        """Rows by class: beside a positive value, all others are one class."""
        if self.label is None or len(self.values) == 2:
            return dict(counts)
        positives = counts[self.label.positive]
        rest = sum(counts.values()) - positives
        return {self.label.positive: positives, f"not {self.label.positive}": rest}


def count_classes(task: Task, draws: DrawCounts | None = None) -> Classes:
    """First look: the label's values, and where asked for the draws by value.

    Raises
    ------
    DataError : a label is missing, or there is one class only.
    """
    counter = LabelCounter(task.column)
    for batch in task.batches([task.column], "counting"):
        codes = counter.add(batch.column(task.column), batch.start)
        if draws is not None:
            draws.add(codes, task.draws(batch))
    label = None
    if task.positive is not None or len(counter.counts) < 3:
        label = choose_label(task.column, counter.counts, task.positive)
        if task.positive is None:
            task.context.note(f"'{label.positive}' is the positive value of '{task.column}'")
    else:
        check_classes(task.column, counter.counts)
    return Classes(task.column, counter.counts, label)


def by_row(task: Task) -> tuple[Classes, Allot]:
    """Cut every value of the label at exact ranks of its rows' draws.

    Of many classes those with too few rows for every part are in the training set first.

    Raises
    ------
    DataError : one of two classes has too few rows for its share of a part, or all of many have.
    """
    draws = DrawCounts()
    classes = count_classes(task, draws)
    if classes.label is None:
        sizes = sizes_of_classes(task.shares, classes.counts, task.column, task.context)
    else:
        sizes = [task.shares.sizes(count) for count in classes.counts.values()]
        for value, count in classes.merged(classes.counts).items():
            told = f"the class '{value}' has {counted(count, 'row')}"
            _refuse_lack(task, count, told, task.column)
    cuts = RankCuts(draws, sizes)
    for batch in task.batches([task.column], "ranking"):
        cuts.collect(classes.codes(batch), task.draws(batch), batch.start)
    found = cuts.finish()
    return classes, lambda batch, codes: found.parts(codes, task.draws(batch), batch.start)


def by_key(task: Task, key: str) -> tuple[Classes, Allot]:
    """Keep a key's rows together: rare keys are cut at exact ranks, the others fall by their draw.

    Raises
    ------
    DataError : a key is missing, or there are too few rare ones for a part.
    """
    classes = count_classes(task)
    rare: set[str] = set()
    gaps = _Gaps()
    for batch in task.batches([task.column, key], "looking for keys with the rare class"):
        texts, codes = key_texts(batch.column(key), key)
        gaps.see(codes < 0, batch.start)
        found = np.unique(codes[classes.is_rare(classes.codes(batch)) & (codes >= 0)])
        rare.update(texts[found])
    gaps.refuse("key", key, "--key")
    kind = "the positive class" if classes.label is not None else "a class other than the commonest"
    _refuse_lack(task, len(rare), f"{kind} has {counted(len(rare), 'key')}", key)
    names = sorted(rare)
    drawn = key_uniforms(task.seed, Purpose.SPLIT, np.array(names, dtype=np.object_))
    allotted = allot_keys(names, drawn, task.shares)

    def allot(batch: Batch, codes: Codes) -> NDArray[np.int8]:
        texts, positions = key_texts(batch.column(key), key)
        drawn = key_uniforms(task.seed, Purpose.SPLIT, texts)
        return parts_of_keys(texts, drawn, task.shares, allotted)[positions]

    return classes, allot


def by_time(task: Task, time: str) -> tuple[Classes, Allot]:
    """Cut between two times: the latest share of the rows is the test set.

    Raises
    ------
    DataError : a time is missing or no time, or there are fewer different times than parts.
    """
    classes = count_classes(task)
    seen: list[NDArray[Any]] = []
    gaps = _Gaps()
    for batch in task.batches([time], "reading times"):
        times = moments(batch.column(time), time)
        missing = pc.is_null(times, nan_is_null=True)
        gaps.see(missing.to_numpy(zero_copy_only=False), batch.start)
        seen.append(times.fill_null(0).to_numpy(zero_copy_only=False))
    gaps.refuse("time", time, "--time")
    cuts = cut_times(np.concatenate(seen), task.shares, time)

    def allot(batch: Batch, codes: Codes) -> NDArray[np.int8]:
        times = moments(batch.column(time), time)
        return cuts.parts(times.to_numpy(zero_copy_only=False))

    return classes, allot


@dataclass
class _Gaps:
    """Rows without a value: how many, and the first."""

    count: int = 0
    first: int | None = None

    def see(self, missing: NDArray[np.bool_], start: int) -> None:
        """Count them in some rows, the first of which is row `start`."""
        found = int(missing.sum())
        if found and self.first is None:
            self.first = start + int(np.argmax(missing))
        self.count += found

    def refuse(self, what: str, column: str, option: str) -> None:
        """Raise where there are any."""
        if self.count:
            raise DataError(
                f"the {what} is missing in {counted(self.count, 'row')}",
                where=f"column '{column}', first in row {self.first} (counting from 0)",
                remedy=f"fill it in, leave those rows out, or name another column with {option}",
            )


def _refuse_lack(task: Task, count: int, what: str, column: str) -> None:
    lacking = task.shares.lacking(count)
    if lacking is None:
        return
    asked = task.shares.test if lacking == "test" else task.shares.validation
    if lacking == "train":
        remedy = "give smaller shares"
    elif count < len(task.shares.parts):
        remedy = "find more of them, or split into fewer parts"
    else:
        remedy = f"give a larger --{lacking} than {asked:g}"
    raise DataError(
        f"{what}, too few for the {lacking} set to get one",
        where=f"column '{column}'",
        remedy=remedy,
    )
