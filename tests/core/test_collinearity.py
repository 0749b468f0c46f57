"""Columns that others explain, by construction."""

from __future__ import annotations

import numpy as np
import pytest

from rebalance.core.collinearity import dependent


def columns(count: int) -> np.ndarray:
    return np.random.default_rng(5).standard_normal((400, count)) * 10.0 ** np.arange(count)


def test_independent_columns_of_any_size_are() -> None:
    assert dependent(columns(8)) == []
    assert dependent(1e6 + columns(3)) == []


@pytest.mark.parametrize("at", [2, 5])
def test_a_sum_is_named_with_its_parts_alone(at: int) -> None:
    z = columns(7)
    z[:, at] = 3 * z[:, 0] - z[:, 1] + 100
    assert dependent(z) == [0, 1, at]


def test_indicators_of_all_levels_are_dependent_given_the_intercept() -> None:
    level = np.arange(400) % 3
    z = np.column_stack([columns(2), np.eye(3)[level]])
    assert dependent(z) == [2, 3, 4]
    assert dependent(z[:, :4]) == []


def test_a_constant_stands_alone_and_so_few_rows_determine_nothing() -> None:
    z = columns(4)
    z[:, 2] = 7.0
    assert dependent(z) == [2]
    assert len(dependent(columns(6)[:4])) > 0
