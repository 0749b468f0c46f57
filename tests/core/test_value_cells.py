"""Edges of equal weight, from cells: exact while they are single values, near it otherwise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalance.core.value_cells import ValueCells

FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def by_definition(values: list[float], bins: int) -> list[float]:
    """Edge k is the least value with at least k / bins of the values below it."""
    found = []
    for k in range(1, bins):
        for value in sorted({*values}):
            if sum(other < value for other in values) * bins >= k * len(values):
                found.append(value)
                break
    return sorted({*found})


@given(st.lists(FLOATS, min_size=1), st.integers(2, 7))
def test_edges_are_as_defined(values: list[float], bins: int) -> None:
    cells = ValueCells()
    cells.add(np.array(values))
    assert cells.edges(bins) == by_definition(values, bins)


@given(st.lists(FLOATS, min_size=1), st.integers(0, 100), st.integers(2, 20))
def test_neither_order_nor_batches_matter(values: list[float], cut: int, most: int) -> None:
    whole, parts = ValueCells(most), ValueCells(most)
    whole.add(np.array(values))
    backwards = np.array(values[::-1])
    for part in (backwards[:cut], backwards[cut:]):
        parts.add(part)
        parts.edges(3)  # puts what it has into cells
    assert parts.edges(4) == whole.edges(4)


def test_cells_that_are_no_single_values_are_near_it() -> None:
    values = np.random.default_rng(5).lognormal(0, 2, 300_000)
    cells = ValueCells()
    for part in np.array_split(values, 7):
        cells.add(part)
    exact = np.quantile(values, np.arange(1, 10) / 10)
    # Values of e^-9 to e^9 in 65,536 cells: some 26 doublings of 2,048 cells, each 1/2,048 wide
    # at the most, or half as fine where they do not fit.
    assert cells.edges(10) == pytest.approx(exact, rel=1 / 1_024)
    shares = np.diff([0, *np.searchsorted(np.sort(values), cells.edges(10)), len(values)])
    assert shares == pytest.approx(np.full(10, 30_000), rel=0.02)
