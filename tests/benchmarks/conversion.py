"""What a table costs beside imbalanced-learn: `python -m tests.benchmarks.conversion [METHOD...]`.

100,000 rows of 20 floats (for smotenc the last three are texts of five values), 6% positives, as
Parquet. Peer: the same method on the same matrix, made and scaled before. Ours is cut into reading,
writing, the trial of `--max-time`, imbalanced-learn, and what is left: conversion, which is to be
at most 20% of the peer. Scaling is part of conversion, and is shown apart: who has a matrix must
scale it, too. Both are seconds of the main thread's processor time, which a busy machine changes
least; reading, trial, writing and all are wall-clock. Runs in turn, medians; the least is told.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rebalance.core import matrix as matrices
from rebalance.core.arrays import to_numpy
from rebalance.core.design import Budget
from rebalance.core.kinds import kind_of
from rebalance.core.matrix import encode
from rebalance.samplers.chains import parse_chain
from rebalance.samplers.imbalanced import CLASSIC
from rebalance.samplers.resampling import Order
from rebalance.steps import resample as step
from rebalance.steps.context import Context
from rebalance.steps.ready import Asked
from rebalance.steps.resampling import carried_out, resampled
from rebalance.steps.resampling.classic import Classic

ROWS, COLUMNS, RUNS = 100_000, 20, 9
METHODS = ("smote", "smotenc", "borderline-smote", "adasyn", "kmeans-smote", "near-miss")
SETTINGS = {"kmeans-smote": ("cluster_balance_threshold=0.01",)}
RATIO = 3.0


def make(path: Path, texts: int) -> tuple[dict[str, pa.Array], np.ndarray]:
    """The table, its features, of which the last are texts, and classes."""
    draw = np.random.default_rng(1)
    x = draw.standard_normal((ROWS, COLUMNS))
    y = draw.random(ROWS) < 1 / (1 + np.exp(3.2 - x[:, 0] - 0.5 * x[:, 1]))
    features = {f"x{column}": pa.array(x[:, column].copy()) for column in range(COLUMNS)}
    for name in list(features)[COLUMNS - texts :]:
        fifths = np.digitize(to_numpy(features[name]), (-0.84, -0.25, 0.25, 0.84))
        features[name] = pa.array(list("abcde")).take(pa.array(fifths))
    pq.write_table(pa.table(features | {"y": y.astype(np.int8)}), path)
    return features, y


@contextmanager
def clocked(clock: Counter[str], places: Sequence[tuple[str, Any, str]]) -> Iterator[None]:
    """Add the seconds within functions, (name, where, function) each, to a clock."""
    with ExitStack() as stack:
        for name, where, function in places:
            stack.enter_context(patch.object(where, function, _timed(clock, name, where, function)))
        yield


def _timed(clock: Counter[str], name: str, where: Any, function: str) -> Callable[..., Any]:
    own = getattr(where, function)

    def timed(*given: Any, **named: Any) -> Any:
        start, began = time.thread_time(), time.perf_counter()
        try:
            return own(*given, **named)
        finally:
            clock[name] += time.thread_time() - start
            clock[f"{name}, wall"] += time.perf_counter() - began

    return timed


def ours(method: str, source: Path, out: Path) -> Counter[str]:
    """Seconds of a whole sample by its parts."""
    from imblearn.base import SamplerMixin

    asked = Asked([str(source)], str(out), Budget(ratio=RATIO), label="y", positive="1")
    wanted = Classic(asked, parse_chain(method), SETTINGS.get(method, ()), seconds=1e9)
    clock: Counter[str] = Counter()
    places = [
        ("reading", step, "_thinned"),
        ("trial", carried_out, "check_effort"),
        ("writing", step, "write"),
        ("made", resampled, "made_batch"),
        ("encoding", carried_out, "encode"),
        ("scaling", matrices, "_standardised"),
    ]
    fit: Counter[str] = Counter()
    with clocked(clock, places), clocked(fit, [("imbalanced-learn", SamplerMixin, "fit_resample")]):
        order_own = Order.carry_out

        def carry_out(*given: Any) -> Any:
            fit.clear()  # of the trial
            return order_own(*given)

        whole = clocked(clock, [("all", step, "resample")])
        with patch.object(Order, "carry_out", carry_out), whole:
            step.resample(wanted, Context())
    for kind in ("", ", wall"):
        clock[f"writing{kind}"] -= clock[f"made{kind}"]
        clock[f"trial{kind}"] += 0.0
    clock["imbalanced-learn"] = fit["imbalanced-learn"]
    taken = ("reading", "trial", "writing", "imbalanced-learn")
    clock["conversion"] = clock["all"] - sum(clock[name] for name in taken)
    return clock


def peer(method: str, features: dict[str, pa.Array], y: np.ndarray) -> float:
    """Seconds of imbalanced-learn on the bare, scaled matrix."""
    kinds: dict[str, Any] = {name: kind_of(array.type) for name, array in features.items()}
    matrix = encode(features, kinds, fill=False, as_numbers=True)
    fixed = {"categorical_features": matrix.codes.tolist()} if len(matrix.codes) else {}
    positives = int(y.sum())
    under = CLASSIC[method].role == "under"
    wanted = round(positives * RATIO if under else (ROWS - positives) / RATIO)
    settings = CLASSIC[method].settings(SETTINGS.get(method, ()))
    sampler = CLASSIC[method].build(settings, {0 if under else 1: wanted}, 0, **fixed)
    start = time.thread_time()
    sampler.fit_resample(matrix.values, y.astype(int))
    return time.thread_time() - start


def main(methods: Sequence[str]) -> None:
    """Print a table."""
    print(f"{ROWS:,} rows x {COLUMNS}, --ratio {RATIO:g}, medians of {RUNS}; milliseconds")
    print(
        "| method | imbalanced-learn | conversion | of it scaling | conversion / imbalanced-learn "
        "(least) | without scaling | reading | trial | writing | all |"
    )
    print("| --- |" + " ---: |" * 9)
    with tempfile.TemporaryDirectory(prefix="rebalance-") as folder:
        source, out = Path(folder) / "t.parquet", Path(folder) / "s.parquet"
        for method in methods or METHODS:
            features, y = make(source, texts=3 if method == "smotenc" else 0)
            theirs, mine = [], []
            for _ in range(RUNS + 1):  # the first warms up
                theirs.append(peer(method, features, y))
                mine.append(ours(method, source, out))
            theirs, mine = theirs[1:], mine[1:]
            each = {name: statistics.median(one[name] for one in mine) for name in mine[0]}
            bare = statistics.median(theirs)
            least = min(one["conversion"] for one in mine) / min(theirs)
            cells = [bare, each["conversion"], each["scaling"]]
            shown = [f"{1000 * seconds:.0f}" for seconds in cells]
            shown.append(f"{each['conversion'] / bare:.2f} ({least:.2f})")
            shown.append(f"{(each['conversion'] - each['scaling']) / bare:.2f}")
            walls = ("reading", "trial", "writing", "all")
            shown += [f"{1000 * each[f'{name}, wall']:.0f}" for name in walls]
            print(f"| {method} | {' | '.join(shown)} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
