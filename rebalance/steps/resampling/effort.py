"""matrix + method -> how long it will take and how much memory, from a small part of the rows"""

from __future__ import annotations

import importlib
import math
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebalance.core.matrix import Matrix
from rebalance.errors import RebalanceError, UsageError
from rebalance.samplers.class_resampling import ClassOrder
from rebalance.samplers.imbalanced import OF_POSITIVES
from rebalance.samplers.resampling import Order
from rebalance.steps.context import Context
from rebalance.steps.memory import HEAVY, MB

Labels = NDArray[Any]

# Of fewer rows every method is done at once.
_FEW_ROWS = 400
# A trial that would take longer, if time grows as it can at the worst, is not made.
_TRIAL_SECONDS = 4.0
_WORTH_SAYING = 1.0
_SOON = 10.0
_QUICK = 0.1
# What takes less may have taken as long by chance: the machine was busy, a library was loaded.
_CHANCE = 1.0
# A distance in so many columns takes less than a second, on any machine and by any search.
_DIFFERENCES = 1e8
_LARGE = 256 * MB
# What is added to the measured growth, an exponent.
_MARGIN = 0.2


@dataclass(frozen=True)
class Limits:
    """What a method may take: seconds, and bytes of memory if there is a limit.

    held : the bytes that are taken already.
    """

    seconds: float
    memory: int | None
    held: int = HEAVY


def check_effort(
    order: Order | ClassOrder,
    matrix: Matrix,
    y_true: Labels,
    limits: Limits,
    context: Context,
) -> None:
    """Try a small part of the rows, and refuse what would take too long or too much.

    y_true : whether each row is positive, or of many classes each row's code, shape (n,).
    From a part of m rows, n rows take at most (n/m)^2 times as long. Where that is long, larger
    parts show how time really grows: searches in few dimensions are faster.

    Raises
    ------
    UsageError : above one of the limits; says what to do instead.
    """
    count, part = len(y_true), min(order.method.trial, len(y_true) // 4)
    shortest = min(_SOON, limits.seconds)
    if count < _FEW_ROWS or (limits.memory is None and _at_most(order, matrix, y_true) < shortest):
        return
    trials: list[Trial] = []
    while part * 2 <= count:
        at = _part(y_true, part)
        try:
            trial = _try(order, matrix, y_true, at, measured=limits.memory is not None)
            late = extrapolate([*trials, trial], count, order.method.power) > shortest
            if late and trial.seconds < _CHANCE:
                again = _try(order, matrix, y_true, at, measured=False)
                trial = replace(trial, seconds=min(trial.seconds, again.seconds))
            trials.append(trial)
        except RebalanceError:
            return  # it may work on all rows; if not, it says so itself
        expected = extrapolate(trials, count, order.method.power)
        memory = memory_for(trials, count, order.method.memory_power)
        too_long = expected > limits.seconds
        too_large = limits.memory is not None and memory + limits.held > limits.memory
        part *= 4
        is_cheap = trials[-1].seconds * 4**order.method.power < _TRIAL_SECONDS
        larger = is_cheap and part * 2 <= count
        if (too_long or too_large or expected > _SOON) and larger:
            continue
        if too_long or too_large:
            break
        if expected >= _WORTH_SAYING or memory >= _LARGE:
            beside = f" and {memory / MB:,.0f} MB beside the table" if memory else ""
            context.note(
                f"{order.method.name} ({order.method.cost}) on {count:,} rows takes "
                f"about {_shown(expected)}{beside}, by a trial on {len(at):,}"
            )
        return
    taken = [_shown(expected)] if too_long else []
    if too_large:
        taken.append(f"{(memory + limits.held) / MB:,.0f} MB")
    option = "--max-time" if too_long else "--memory-limit"
    limit = f"{option} {limits.seconds:g}" if too_long else option
    raise UsageError(
        f"{order.method.name} ({order.method.cost}) would take about {' and '.join(taken)} on "
        f"{count:,} rows, by a trial on {len(at):,}: more than {limit} allows",
        remedy=f"thin first: --method nonuniform,{order.method.name} with --pilot and --rate (or "
        f"uniform,{order.method.name}), or raise {option}",
    )


@dataclass(frozen=True)
class Trial:
    """What some rows took: seconds, and the highest memory in bytes, 0 if not measured."""

    rows: int
    seconds: float
    peak: float


def extrapolate(trials: Sequence[Trial], count: int, power: int) -> float:
    """Seconds for so many rows, from trials on more and more of them.

    One trial tells nothing of the growth: it is taken to be the greatest, `power`. Two do, with a
    margin, as time often grows faster later on.

    >>> extrapolate([Trial(1_000, 0.1, 0)], 10_000, 2)
    10.0
    >>> round(extrapolate([Trial(1_000, 0.1, 0), Trial(10_000, 1.0, 0)], 100_000, 2), 1)
    15.8
    """
    growth = float(power)
    if len(trials) > 1:
        before, last = trials[-2:]
        measured = np.log(max(last.seconds, 1e-6) / max(before.seconds, 1e-6)) / np.log(
            last.rows / before.rows
        )
        growth = float(np.clip(measured + _MARGIN, 1.0, power))
    return float(trials[-1].seconds * (count / trials[-1].rows) ** growth)


def memory_for(trials: Sequence[Trial], count: int, power: int) -> float:
    """Bytes for so many rows, from the last trial that was measured; 0 if none was.

    >>> memory_for([Trial(1_000, 0.1, 5e6), Trial(4_000, 1.0, 0)], 10_000, 1)
    50000000.0
    """
    measured = [trial for trial in trials if trial.peak]
    return measured[-1].peak * (count / measured[-1].rows) ** power if measured else 0.0


def _at_most(order: Order | ClassOrder, matrix: Matrix, y_true: Labels) -> float:
    """Seconds that all distances between the positives take at the very most.

    Infinite for methods that look at more than those.
    """
    method = order.method
    if method.cost != OF_POSITIVES or method.needs != "numbers":
        return math.inf
    return float(matrix.values.shape[1] * order.pairs(y_true) / _DIFFERENCES)


def _part(y_true: Labels, rows: int) -> NDArray[np.int64]:
    """Some rows, evenly spaced within each class, at least 100 (or all) of a class."""
    share = rows / len(y_true)
    found = []
    for of_class in (np.flatnonzero(y_true == value) for value in np.unique(y_true)):
        size = max(round(share * len(of_class)), min(100, len(of_class)))
        found.append(of_class[np.linspace(0, len(of_class) - 1, size).astype(np.int64)])
    return np.sort(np.concatenate(found))


def _try(
    order: Order | ClassOrder,
    matrix: Matrix,
    y_true: Labels,
    at: NDArray[np.int64],
    *,
    measured: bool,
) -> Trial:
    """Carry the order out on some rows, for a proportional number wanted.

    A second time to see the memory, which takes time itself: if it must be, or takes little.
    """
    part, classes = replace(matrix, values=matrix.values[at]), y_true[at]
    trial = order.scaled(classes, len(y_true))
    importlib.import_module(f"imblearn.{order.method.path[0]}")  # not what is to be timed
    start = time.perf_counter()
    trial.carry_out(part, classes, _ignore)
    seconds = time.perf_counter() - start
    if not (measured or seconds < _QUICK):
        return Trial(len(at), seconds, 0.0)
    tracemalloc.start()
    try:
        trial.carry_out(part, classes, _ignore)
        return Trial(len(at), seconds, float(tracemalloc.get_traced_memory()[1]))
    finally:
        tracemalloc.stop()


def _ignore(text: str) -> None:
    """What a trial warns of is said when all rows are worked on."""


def _shown(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 1 else f"{seconds:.1g} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
