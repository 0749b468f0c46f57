"""Tables of many classes that several tests use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

ROWS = 24_000
VALUES = ("a", "b", "c", "d")
INTERCEPTS = np.array([2.5, 1.0, 0.0, -1.5])
SLOPES = np.array([[0.6, 0.1, -0.4, -0.3], [-0.4, 0.3, 0.2, -0.1]])


def population(count: int, seed: int) -> tuple[pa.Table, NDArray[np.float64]]:
    """Two normal features, four classes of some 71%, 19%, 8% and 2%, and their log odds."""
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((count, 2))
    scores = INTERCEPTS + x @ SLOPES
    codes = (scores + generator.gumbel(size=scores.shape)).argmax(axis=1)
    kinds = pa.array(np.array(VALUES)[codes].tolist())
    return pa.table({"x1": x[:, 0], "x2": x[:, 1], "kind": kinds}), scores


def long_tail(seed: int) -> pa.Table:
    """5,000 rows of 60 classes: half of the rows in the first, one row in each of the last ten."""
    generator = np.random.default_rng(seed)
    sizes = [2_600, 900, 500, 300, 200, *[20] * 15, *[6] * 20, *[2] * 10, *[1] * 10]
    codes = generator.permutation(np.repeat(np.arange(60), sizes))
    x = generator.standard_normal((len(codes), 2)) + np.log1p(codes)[:, None] * [0.3, -0.2]
    return pa.table({"x1": x[:, 0], "x2": x[:, 1], "kind": codes + 100})


@dataclass(frozen=True)
class Made:
    """A table of four classes, another of the same population, a pilot, and a sample."""

    folder: Path

    def __getattr__(self, name: str) -> Path:
        return self.folder / {"pilot": "p.rbl"}.get(name, f"{name}.parquet")


def counts_of(path: Path) -> dict[str, int]:
    found = pq.read_table(path)["kind"].to_pylist()
    return {value: found.count(value) for value in VALUES}


def offsets(path: Path) -> np.ndarray:
    return np.array(pq.read_table(path)["rb_offset"].to_pylist())


def probabilities(path: Path, prefix: str = "rb_probability_") -> np.ndarray:
    table = pq.read_table(path)
    return np.column_stack([table[f"{prefix}{value}"].to_numpy() for value in VALUES])
