"""matrix + method -> how long it will take and how much memory, from a small part of the rows"""

from __future__ import annotations

import importlib
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rebalance.core.matrix import Matrix
from rebalance.errors import RebalanceError, UsageError
from rebalance.samplers.resampling import Order
from rebalance.steps.context import Context
from rebalance.steps.memory import HEAVY, MB

PART_ROWS = 2_000
# A trial that would take longer, if time grows as it can at the worst, is not made.
_TRIAL_SECONDS = 4.0
_WORTH_SAYING = 1.0
_SOON = 10.0
# What is added to the measured growth, an exponent.
_MARGIN = 0.2


@dataclass(frozen=True)
class Limits:
    """What a method may take: seconds, and bytes of memory if there is a limit."""

    seconds: float
    memory: int | None


def check_effort(
    order: Order,
    matrix: Matrix,
    y_true: NDArray[np.bool_],
    limits: Limits,
    context: Context,
) -> None:
    """Try a small part of the rows, and refuse what would take too long or too much.

    From a part of m rows, n rows take at most (n/m)^2 times as long. Where that is long, larger
    parts show how time really grows: searches in few dimensions are faster.

    Raises
    ------
    UsageError : above one of the limits; says what to do instead.
    """
    count, part = len(y_true), PART_ROWS
    trials: list[Trial] = []
    while part * 2 <= count:
        at = _part(y_true, part)
        try:
            trials.append(_try(order, matrix, y_true, at, measure=limits.memory is not None))
        except RebalanceError:
            return  # it may work on all rows; if not, it says so itself
        expected = extrapolate(trials, count, order.method.power)
        memory = HEAVY + trials[-1].peak * (count / len(at)) ** order.method.memory_power
        too_long = expected > limits.seconds
        too_large = limits.memory is not None and memory > limits.memory
        part *= 4
        is_cheap = trials[-1].seconds * 4**order.method.power < _TRIAL_SECONDS
        larger = is_cheap and part * 8 <= count
        if (too_long or too_large or expected > _SOON) and larger:
            continue
        if too_long or too_large:
            break
        if expected >= _WORTH_SAYING:
            context.note(
                f"{order.method.name} ({order.method.cost}) on {count:,} rows takes at most "
                f"about {_shown(expected)}, by a trial on {len(at):,}"
            )
        return
    if not trials:
        return
    taken = [_shown(expected)] if too_long else []
    if too_large:
        taken.append(f"{memory / MB:,.0f} MB")
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


def _part(y_true: NDArray[np.bool_], rows: int) -> NDArray[np.int64]:
    """Some rows, evenly spaced within each class, at least 100 (or all) of a class."""
    share = rows / len(y_true)
    found = []
    for of_class in (np.flatnonzero(y_true), np.flatnonzero(~y_true)):
        size = max(round(share * len(of_class)), min(100, len(of_class)))
        found.append(of_class[np.linspace(0, len(of_class) - 1, size).astype(np.int64)])
    return np.sort(np.concatenate(found))


def _try(
    order: Order,
    matrix: Matrix,
    y_true: NDArray[np.bool_],
    at: NDArray[np.int64],
    *,
    measure: bool,
) -> Trial:
    """Carry the order out on some rows, for a proportional number wanted."""
    part, classes = replace(matrix, values=matrix.values[at]), y_true[at]
    wanted = order.wanted
    if wanted is not None:
        share = len(at) / len(y_true)
        positives = int(classes.sum())
        low = positives + 1 if order.method.role != "under" else 1
        high = len(at) - positives if order.method.role == "under" else None
        wanted = max(round(wanted * share), low)
        wanted = wanted if high is None else min(wanted, high)
    trial = replace(order, wanted=wanted)
    importlib.import_module(f"imblearn.{order.method.path[0]}")  # not what is to be timed
    if measure:
        tracemalloc.start()
    try:
        start = time.perf_counter()
        trial.carry_out(part, classes, lambda text: None)
        seconds = time.perf_counter() - start
        peak = tracemalloc.get_traced_memory()[1] if measure else 0
    finally:
        if measure:
            tracemalloc.stop()
    return Trial(len(at), seconds, float(peak))


def _shown(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
