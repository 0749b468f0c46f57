"""matrix + method -> how long it will take and how much memory, from a small part of the rows"""

from __future__ import annotations

import importlib
import time
import tracemalloc
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rebalance.core.matrix import Matrix
from rebalance.errors import RebalanceError, UsageError
from rebalance.samplers.resampling import Order
from rebalance.steps.context import Context
from rebalance.steps.memory import HEAVY, MB

PART_ROWS = 2_000
# A trial longer than this is not followed by a larger one.
_TRIAL_SECONDS = 5.0
_WORTH_SAYING = 1.0


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

    From a part of m rows, n rows take at most (n/m)^2 times as long: what does not depend on the
    rows, or grows slower, makes this too high, so a larger part is tried before it is refused.

    Raises
    ------
    UsageError : above one of the limits; says what to do instead.
    """
    count, power = len(y_true), order.method.power
    part = PART_ROWS
    while part * 2 <= count:
        at = _part(y_true, part)
        try:
            seconds, peak = _try(order, matrix, y_true, at, measure=limits.memory is not None)
        except RebalanceError:
            return  # it may work on all rows; if not, it says so itself
        growth = count / len(at)
        expected = seconds * growth**power
        memory = peak * growth**order.method.memory_power
        too_long = expected > limits.seconds
        too_large = limits.memory is not None and memory + HEAVY > limits.memory
        if not (too_long or too_large):
            if expected >= _WORTH_SAYING:
                context.note(
                    f"{order.method.name} ({order.method.cost}) on {count:,} rows takes at most "
                    f"about {_shown(expected)}, by a trial on {len(at):,}"
                )
            return
        if seconds * 4**power > _TRIAL_SECONDS or part * 8 > count:
            break
        part *= 4
    else:
        return
    what = f"{order.method.name} ({order.method.cost}) would take about "
    taken = [_shown(expected)] if too_long else []
    if too_large:
        taken.append(f"{(memory + HEAVY) / MB:,.0f} MB")
    option = "--max-time" if too_long else "--memory-limit"
    limit = f"{option} {limits.seconds:g}" if too_long else option
    raise UsageError(
        what + " and ".join(taken) + f" on {count:,} rows, by a trial on {len(at):,}: more than "
        f"{limit} allows",
        remedy=f"thin first: --method nonuniform,{order.method.name} with --pilot and --rate (or "
        f"uniform,{order.method.name}), or raise {option}",
    )


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
) -> tuple[float, float]:
    """Seconds and, if measured, the highest memory of a trial on some rows."""
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
    return seconds, float(peak)


def _shown(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
