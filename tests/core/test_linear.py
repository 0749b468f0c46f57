"""The linear score against the matrix product, and the same to the last bit however it is cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebalance.core.linear import LinearScore
from rebalance.errors import DataError
from tests.core.test_encoding import arrays, learn


def sliced(columns: dict[str, pa.Array], start: int, size: int) -> dict[str, pa.Array]:
    return {name: array.slice(start, size) for name, array in columns.items()}


def test_scores_equal_the_matrix_product_and_any_batch_gives_the_same_bits(mixed: Path) -> None:
    columns = arrays(mixed)
    encoder = learn(columns)
    z = encoder.linear(columns)
    slopes = np.random.default_rng(0).standard_normal(z.shape[1])
    score = LinearScore(encoder, 0.5, slopes)
    whole = score(columns)
    assert whole == pytest.approx(0.5 + z @ slopes, abs=1e-9)
    for size in (1, 7, 1000):
        parts = [score(sliced(columns, start, size)) for start in range(0, 2000, size)]
        assert (np.concatenate(parts)[:2000] == whole[:2000]).all()


def test_dictionaries_score_as_plain_text_does(mixed: Path) -> None:
    columns = arrays(mixed)
    encoder = learn(columns)
    slopes = np.random.default_rng(1).standard_normal(len(encoder.names))
    plain = columns | {"shop": columns["shop"].cast(pa.string())}
    found = [LinearScore(encoder, 0.0, slopes)(given) for given in (columns, plain)]
    assert (found[0] == found[1]).all()


@settings(max_examples=10)
@given(st.integers(0, 2**32), st.integers(1, 50_000))
def test_rows_with_gaps_do_not_change_the_others(seed: int, cut: int) -> None:
    generator = np.random.default_rng(seed)
    values = generator.normal(3, 2, 40_000)
    gaps = generator.random(40_000) < 0.01
    full = {"a": pa.array(values), "b": pa.array(generator.normal(0, 1, 40_000))}
    with_gaps = full | {"a": pa.array(values, mask=gaps)}
    encoder = learn(with_gaps)
    slopes = generator.standard_normal(len(encoder.names))
    score = LinearScore(encoder, -1.0, slopes)
    whole, without = score(with_gaps), score(full)
    assert (whole[~gaps] == without[~gaps]).all()
    halves = [score(sliced(with_gaps, 0, cut)), score(sliced(with_gaps, cut, 40_000))]
    assert (np.concatenate(halves) == whole).all()
    # A gap stands at the mean, where z is 0, and its indicator is 1.
    z = encoder.linear(with_gaps)
    assert whole == pytest.approx(-1.0 + z @ slopes, abs=1e-12)


def test_a_mean_far_from_zero_costs_no_digits() -> None:
    # Times in microseconds: the mean is 1e12 standard deviations from 0.
    values = 1.7e18 + np.arange(8) * 1e6
    columns = {"t": pa.array(values)}
    encoder = learn(columns)
    found = LinearScore(encoder, 0.0, np.array([1.0]))(columns)
    standard = (np.arange(8) - 3.5) / np.arange(8).std()
    assert found == pytest.approx(standard, abs=1e-3)  # 1.7e18 has steps of 256 in float64


def test_an_infinite_number_is_refused_with_its_row() -> None:
    encoder = learn({"a": pa.array([1.0, 2.0, 4.0])})
    score = LinearScore(encoder, 0.0, np.array([0.0]))
    with pytest.raises(DataError, match="infinite") as raised:
        score({"a": pa.array([1.0, 2.0, float("inf"), 1.0])})
    assert raised.value.row == 2
