"""Lengths of features against dense matrix products, by the row alone."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rebalance.core.encoder_learning import learn_encoder
from rebalance.core.encoding import Encoder
from rebalance.core.kinds import Kind
from rebalance.core.norms import LogNorm, inverse, whitening

Floats = NDArray[np.float64]
ROWS = 700
KINDS: dict[str, Kind] = {"a": "number", "b": "category", "c": "number", "when": "time"}


def columns() -> dict[str, pa.Array]:
    generator = np.random.default_rng(3)
    seconds = generator.integers(0, 10**9, ROWS)
    return {
        "a": pa.array(generator.normal(5, 2, ROWS), mask=generator.random(ROWS) < 0.1),
        "b": pa.array(generator.choice(list("xyz"), ROWS).tolist()),
        "c": pa.array(generator.normal(size=ROWS)),
        "when": pa.array(seconds, pa.timestamp("s")),
    }


COLUMNS = columns()
ENCODER = learn_encoder(COLUMNS, KINDS, min_count=20, max_levels=50)
Z = np.column_stack([np.ones(ROWS), ENCODER.linear(COLUMNS)])
OUTER = Z[:200].T @ Z[:200]


def matrices() -> dict[str, Floats | None]:
    return {"identity": None, "inverse": inverse(OUTER), "whitening": whitening(OUTER)}


@pytest.mark.parametrize("name", matrices())
def test_the_length_is_that_of_the_matrix_product(name: str) -> None:
    matrix = matrices()[name]
    mapped = Z if matrix is None else Z @ matrix.T
    found = LogNorm(ENCODER, matrix).of_columns(COLUMNS)
    assert found == pytest.approx(np.log(np.linalg.norm(mapped, axis=1)), abs=1e-12)


@given(st.sampled_from(list(matrices())), st.integers(1, ROWS), st.integers(1, ROWS))
def test_a_rows_length_depends_on_the_row_alone(name: str, start: int, count: int) -> None:
    norm = LogNorm(ENCODER, matrices()[name])
    part = {column: array.slice(start - 1, count) for column, array in COLUMNS.items()}
    whole = norm.of_columns(COLUMNS)
    assert (norm.of_columns(part) == whole[start - 1 : start - 1 + count]).all()


def test_one_number_with_its_intercept() -> None:
    matrix = np.array([[2.0, 1.0], [0.0, 3.0]])
    found = LogNorm(None, matrix).of_numbers(np.array([-2.0, 4.0]))
    # (1, -2) maps to (0, -6), and (1, 4) to (6, 12).
    assert found == pytest.approx([np.log(6.0), 0.5 * np.log(180.0)])


def test_the_whitening_is_a_root_of_the_inverse_also_without_full_rank() -> None:
    z = np.column_stack([np.ones(20), np.arange(20.0), 2 * np.arange(20.0)])
    outer = z.T @ z
    ridged = outer + 1e-6 * np.trace(outer) / 3 * np.eye(3)
    root = whitening(outer)
    assert root.T @ root @ ridged == pytest.approx(np.eye(3), abs=1e-6)
    assert inverse(outer) @ ridged == pytest.approx(np.eye(3), abs=1e-6)


def test_the_encoder_is_asked_for_where_there_is_none() -> None:
    assert isinstance(ENCODER, Encoder)
    with pytest.raises(ValueError, match="no encoder"):
        LogNorm(None, None).of_columns(COLUMNS)
