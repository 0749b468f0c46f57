"""Rows -> an encoder: means, scales, levels, and where values are missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rebalance.core.encoding import Columns, Encoder
from rebalance.core.kinds import Kind
from rebalance.core.term_values import codes_of, reals_of, text_of
from rebalance.core.terms import PERIODS, Coded, Numeric
from rebalance.errors import DataError

Floats = NDArray[np.float64]

_LARGEST = 1e300  # learned from: differences of such numbers are finite
_SQUARED = 1e100  # the squares of larger numbers are summed in a smaller unit


def learn_encoder(
    columns: Columns, kinds: Mapping[str, Kind], *, min_count: int, max_levels: int
) -> Encoder:
    """Learn means, scales, levels and where values are missing.

    Parameters
    ----------
    columns : the features of the training rows, arrays of length n.
    min_count : a level seen less often is pooled with the other rare ones.
    max_levels : so many levels at the most keep their own place, the most frequent first.

    Raises
    ------
    DataError : a number is infinite, or no feature varies.
    """
    terms: list[Numeric | Coded] = []
    left_out: dict[str, str] = {}
    for name, kind in kinds.items():
        if kind == "category":
            learned = _learn_levels(columns[name], name, min_count, max_levels)
        elif kind == "time":
            learned = _learn_time(columns[name], name)
        else:
            learned = _learn_numbers(columns[name], name)
        if learned:
            terms.extend(learned)
        elif kind == "category":
            left_out[name] = f"its values are too rare, each in under {min_count} rows, or all one"
        else:
            left_out[name] = "constant in the training rows"
    if not terms:
        raise DataError(
            "no feature varies in the training rows",
            remedy="give a table with columns that tell the classes apart",
        )
    used = {name: kind for name, kind in kinds.items() if name not in left_out}
    widths = {name: columns[name].type.list_size for name, kind in used.items() if kind == "vector"}
    return Encoder(used, tuple(terms), left_out, widths)


def _learn_numbers(array: pa.Array, name: str) -> list[Numeric | Coded]:
    values = reals_of(array, name)
    elements: list[int | None] = [None] if values.ndim == 1 else list(range(values.shape[1]))
    terms: list[Numeric | Coded] = []
    for element in elements:
        column = values if element is None else values[:, element]
        present = column[~np.isnan(column)]
        missing = len(present) < len(column)
        constant = len(present) == 0 or bool(present.min() == present.max())
        if constant and not (missing and len(present)):
            continue
        mean, scale = _moments(present, column, name)
        scale = 1.0 if constant else scale
        if not np.isfinite(mean) or not np.isfinite(scale) or scale == 0.0:
            raise DataError(
                f"the column '{name}' has numbers too close to tell apart",
                remedy="rescale it, or leave it out with --drop",
            )
        terms.append(Numeric(name, element, mean, scale, missing))
    return terms


def _moments(present: Floats, column: Floats, name: str) -> tuple[float, float]:
    """Mean and standard deviation of the numbers present in a column.

    Raises
    ------
    DataError : one is too large to compute with.
    """
    largest = float(np.abs(present).max())
    if largest > _LARGEST:
        row = int(np.nanargmax(np.abs(column)))
        raise DataError(
            f"the number {column[row]:g} is too large to compute with",
            where=f"column '{name}'",
            remedy=f"numbers up to {_LARGEST:g} are: mend or rescale the column, or leave it out "
            "with --drop",
            row=row,
        )
    unit = largest if largest > _SQUARED else 1.0
    scaled = present if unit == 1.0 else present / unit
    return float(scaled.mean()) * unit, float(scaled.std()) * unit


def _learn_levels(
    array: pa.Array, name: str, min_count: int, max_levels: int
) -> list[Numeric | Coded]:
    text = text_of(array)
    counted = pc.value_counts(pc.drop_null(text))
    pairs = zip(
        counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True
    )
    order = sorted(pairs, key=lambda pair: (-pair[1], pair[0]))
    levels = tuple(value for value, count in order if count >= min_count)[:max_levels]
    missing = text.null_count > 0
    other = len(levels) < len(order)
    if len(levels) + other + missing < 2:
        return []
    counted_rows = dict(order)
    total = sum(counted_rows[level] for level in levels) or 1
    shares = tuple(counted_rows[level] / total for level in levels)
    return [Coded(name, "level", levels, shares, other, missing)]


def _learn_time(array: pa.Array, name: str) -> list[Numeric | Coded]:
    missing = array.null_count > 0
    terms: list[Numeric | Coded] = []
    for part, period in PERIODS.items():
        levels = tuple(str(step) for step in range(period))
        even = (1 / period,) * period
        term = Coded(name, part, levels, even, other=False, missing=missing and not terms)
        codes = codes_of(array, term)
        counts = np.bincount(codes[codes < period], minlength=period)
        if np.count_nonzero(counts) > 1 or (term.missing and counts.any()):
            shares = tuple(float(count) for count in counts / counts.sum())
            terms.append(replace(term, shares=shares))
    return terms
