"""table -> parts of the rows -> train, test and validation tables"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rebalance.core.allotment import Shares, key_texts
from rebalance.core.sketches import DistinctSketch
from rebalance.core.wording import counted
from rebalance.errors import DataError, UsageError
from rebalance.steps.classes.parts import check_classes_of_part
from rebalance.steps.context import Context
from rebalance.steps.memory import HEAVY, Need, open_within
from rebalance.steps.parts import Allot, Classes, Task, by_key, by_row, by_time
from rebalance.storage.atomic import check_outputs
from rebalance.storage.tables import Table, located
from rebalance.storage.writers import output_format, table_writers

_KEYS = 1 << 16  # so many different keys of a part are counted exactly
_TOLD = 0.05  # how far off a share may be, relatively, before it is said


@dataclass(frozen=True)
class Part:
    """One of the tables written.

    `positives` and `positive_share` are None where no value of the label is the positive one;
    `keys` is None without a key, and an estimate (standard error 0.4%) unless `keys_exact`;
    `first_time` and `last_time` are None without a time.
    """

    name: str
    output: str
    rows: int
    share: float
    counts: dict[str, int]
    positives: int | None
    positive_share: float | None
    keys: int | None
    keys_exact: bool | None
    first_time: str | None
    last_time: str | None


@dataclass(frozen=True)
class Split:
    """How the rows were parted, and what each part holds; `seed` is None where nothing is drawn."""

    label: str
    positive: str | None
    by: str
    column: str | None
    seed: int | None
    rows: int
    parts: tuple[Part, ...]

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        return asdict(self)


def split(
    inputs: Sequence[str],
    label: str,
    outputs: Sequence[str],
    *,
    test: float = 0.2,
    validation: float | None = None,
    key: str | None = None,
    time: str | None = None,
    positive: str | None = None,
    seed: int = 0,
    clobber: bool = True,
    context: Context,
) -> Split:
    """Part the rows into `outputs`: train, test and, where there is a third, validation.

    By row, each class is cut at exact ranks of its draws. By `key`, a key's rows stay together:
    keys that ever have a positive row are cut at exact ranks, the others fall by their draw. By
    `time`, the latest rows are the test set. Rows keep their order, and no part appears before all
    are written.

    Raises
    ------
    UsageError : shares, outputs or options that contradict each other.
    DataError : the table is damaged, a label, key or time is missing, or a part lacks a class.
    """
    shares = _shares(outputs, test, validation)
    if key is not None and time is not None:
        raise UsageError("--key and --time exclude each other", remedy="give one of them")
    check_outputs(outputs, inputs, clobber=clobber)
    for output in outputs:
        output_format(output)
    held = 8.0 if time is not None else 0.0
    table = open_within(inputs, context, Need(HEAVY, per_row=held, outputs=len(outputs)))
    _check_columns(table, label, key, time)
    task = Task(table, shares, label, positive, seed, context)
    if key is not None:
        classes, allot = by_key(task, key)
    elif time is not None:
        classes, allot = by_time(task, time)
    else:
        classes, allot = by_row(task)
    if "rb_pi" in table.names:
        context.note("the table is a sample: its share of positives is not the population's")
    tallies = _write(task, classes, allot, outputs, key=key, time=time)
    total = sum(tally.rows for tally in tallies)
    by = "key" if key is not None else "time" if time is not None else "row"
    if by != "row" or len(classes.values) > 2:  # of two, only rounding makes a difference
        _tell_shares(task, tallies, by)
    return Split(
        label=label,
        positive=classes.label.positive if classes.label is not None else None,
        by=by,
        column=key if key is not None else time,
        seed=None if time is not None else seed,
        rows=total,
        parts=tuple(
            tally.part(name, output, total, classes)
            for name, output, tally in zip(shares.parts, outputs, tallies, strict=True)
        ),
    )


def _shares(outputs: Sequence[str], test: float, validation: float | None) -> Shares:
    """The shares asked for, when the outputs fit them."""
    if len(outputs) not in (2, 3):
        raise UsageError(
            f"{counted(len(outputs), 'output')} named where two or three are needed",
            remedy="give -o TRAIN -o TEST, and -o VALIDATION for a third part",
        )
    if len(outputs) == 2 and validation is not None:
        raise UsageError(
            "--validation has no output", remedy="give a third -o, or leave --validation out"
        )
    if list(outputs).count("-") > 1:
        raise UsageError(
            "two parts would be written to standard output", remedy="give '-o -' once at the most"
        )
    if len(outputs) == 3 and validation is None:
        validation = test
    return Shares(test, validation)


def _check_columns(table: Table, label: str, key: str | None, time: str | None) -> None:
    table.require(label, "--label")
    for option, name in (("--key", key), ("--time", time)):
        if name is not None:
            table.require(name, option)
        if name == label:
            raise UsageError(f"{option} names the label '{label}'", remedy="name another column")


@dataclass
class _Tally:
    """What went into one part, filled as rows pass."""

    counts: NDArray[np.int64]
    keys: DistinctSketch | None = None
    times: list[pa.Scalar] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return int(self.counts.sum())

    def add(self, codes: NDArray[np.int64], keys: pa.Array | None, times: pa.Array | None) -> None:
        self.counts += np.bincount(codes, minlength=len(self.counts))
        if keys is not None and self.keys is not None:
            self.keys.add(keys)
        if times is not None:
            found = pc.min_max(pa.array([*self.times, *pc.min_max(times).values()], times.type))
            self.times = [found["min"], found["max"]]

    def part(self, name: str, output: str, total: int, classes: Classes) -> Part:
        """What is told of the part."""
        counts = dict(zip(classes.values, self.counts.tolist(), strict=True))
        positives = None if classes.label is None else counts[classes.label.positive]
        first, last = (_clock(time) for time in self.times) if self.times else (None, None)
        return Part(
            name=name,
            output=output,
            rows=self.rows,
            share=self.rows / total,
            counts=counts,
            positives=positives,
            positive_share=None if positives is None else positives / self.rows,
            keys=None if self.keys is None else self.keys.count(),
            keys_exact=None if self.keys is None else self.keys.is_exact,
            first_time=first,
            last_time=last,
        )


def _clock(time: pa.Scalar) -> str:
    """A time as text, without a fraction of a second that is zero."""
    if pa.types.is_timestamp(time.type) and time.type.tz is not None:
        time = time.cast(pa.timestamp(time.type.unit, "UTC"))
    return re.sub(r"\.0+(?=$|Z)", "", time.cast(pa.string()).as_py())


def _tell_shares(task: Task, tallies: Sequence[_Tally], by: str) -> None:
    """Say where a share is not the one asked for."""
    kept_whole = {"key": "keys", "time": "rows of one time", "row": "classes of few rows"}[by]
    total = sum(tally.rows for tally in tallies)
    asked = (task.shares.test, task.shares.validation)
    for name, share, tally in zip(task.shares.parts[1:], asked, tallies[1:], strict=False):
        got = tally.rows / total
        if share is not None and abs(got - share) > max(_TOLD * share, 1 / total):
            task.context.note(
                f"the {name} set has {got:.1%} of the rows where {share:.1%} was asked for: "
                f"{kept_whole} are kept {'in training' if by == 'row' else 'whole'}"
            )


def _write(
    task: Task,
    classes: Classes,
    allot: Allot,
    outputs: Sequence[str],
    *,
    key: str | None,
    time: str | None,
) -> list[_Tally]:
    """Last look: every row to its part; each part must have every class."""
    tallies = [
        _Tally(
            np.zeros(len(classes.values), dtype=np.int64),
            DistinctSketch(_KEYS) if key is not None else None,
        )
        for _ in outputs
    ]
    with table_writers(outputs, task.table) as writers:
        for batch in task.batches(task.table.names, "writing"):
            codes = classes.codes(batch)
            parts = allot(batch, codes)
            for part, (writer, tally) in enumerate(zip(writers, tallies, strict=True)):
                mask = parts == part
                if not mask.any():
                    continue
                rows = batch.filter(pa.array(mask))
                writer.write(rows)
                keys = pa.array(key_texts(rows.column(key), key)[0]) if key is not None else None
                times = rows.column(time) if time is not None else None
                tally.add(codes[mask], keys, times)
        option = "--key" if key is not None else "--time" if time is not None else None
        _refuse_lacks(task, tallies, classes, option)
    return tallies


def _refuse_lacks(
    task: Task, tallies: Sequence[_Tally], classes: Classes, option: str | None
) -> None:
    """Each part must have each of two classes; by row that was seen to before."""
    if option is None:
        return
    asked = (task.shares.test, task.shares.validation or 0.0)
    shares = (1.0 - sum(asked), *asked)
    for name, share, tally in zip(task.shares.parts, shares, tallies, strict=False):
        counts = dict(zip(classes.values, tally.counts.tolist(), strict=True))
        if classes.label is None:
            with located(f"column '{classes.column}'", None):
                check_classes_of_part(name, share, counts, classes.counts, task.context)
            continue
        for value, count in classes.merged(counts).items():
            if not count:
                raise DataError(
                    f"the {name} set would have no row of class '{value}'",
                    where=f"column '{classes.column}'",
                    remedy=f"give it a larger share, or split by row, without {option}",
                )
