"""The made table that `speed` times: any number of rows, the same each time, in little memory.

Columns x00..x19 (float64, standard normal), site (1,000 levels), kind (8), id (int64) and y (int8,
0.4% ones, drawn by a logistic model of the floats and strings). A shorter table is the beginning
of a longer one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

SEED = 7
BLOCK_ROWS = 131_072
# What pyarrow and pandas.to_parquet write when nobody says otherwise; whole blocks.
GROUP_ROWS = 1_048_576
INTERCEPT = -6.42  # makes 0.4% positives

_COEFFICIENTS = np.random.default_rng(SEED)
SLOPES = 0.4 * _COEFFICIENTS.standard_normal(20)
EFFECTS = {
    "site": 0.5 * _COEFFICIENTS.standard_normal(1000),
    "kind": 0.5 * _COEFFICIENTS.standard_normal(8),
}


def block(number: int) -> pa.Table:
    """BLOCK_ROWS rows from row `number` * BLOCK_ROWS on; they depend on nothing else."""
    generator = np.random.default_rng([SEED, number])
    floats = generator.standard_normal((SLOPES.size, BLOCK_ROWS))
    columns = {f"x{column:02d}": values for column, values in enumerate(floats)}
    log_odds = INTERCEPT + (SLOPES[:, None] * floats).sum(axis=0)
    for name, effects in EFFECTS.items():
        codes = generator.integers(0, effects.size, BLOCK_ROWS, dtype=np.int32)
        levels = [f"{name}-{level:04d}" for level in range(effects.size)]
        columns[name] = pa.DictionaryArray.from_arrays(codes, levels).cast(pa.string())
        log_odds += effects[codes]
    columns["id"] = np.arange(BLOCK_ROWS) + number * BLOCK_ROWS
    y = generator.random(BLOCK_ROWS) < 1 / (1 + np.exp(-log_odds))
    return pa.table({**columns, "y": y.astype(np.int8)})


def make(path: Path, rows: int) -> None:
    """Write the first `rows` rows to a .parquet or .csv file, which appears when it is whole.

    Both are as pyarrow and pandas write by default: Parquet is Snappy with dictionaries, CSV has
    the shortest digits that give the float64 back, and quotes nothing.
    """
    part = path.with_name(f"{path.name}.part")
    schema = block(0).schema
    plain = pacsv.WriteOptions(quoting_style="none", quoting_header="none")
    with (
        pacsv.CSVWriter(part, schema, write_options=plain)
        if path.suffix == ".csv"
        else pq.ParquetWriter(part, schema)
    ) as writer:
        for group in _groups(rows):
            writer.write_table(group)
    part.replace(path)


def _groups(rows: int) -> Iterator[pa.Table]:
    """The first `rows` rows, GROUP_ROWS at a time."""
    for first in range(0, rows, GROUP_ROWS):
        firsts = range(first, min(first + GROUP_ROWS, rows), BLOCK_ROWS)
        yield pa.concat_tables(block(one // BLOCK_ROWS) for one in firsts).slice(0, rows - first)


if __name__ == "__main__":
    make(Path(sys.argv[1]), int(sys.argv[2]))
