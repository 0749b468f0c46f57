import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebalance.core.sketches import DistinctSketch, FrequencySketch, KeyCensus


@pytest.mark.parametrize(
    "values",
    [
        pa.array([3, 1, 3, 2]),
        pa.array([0.5, 1.5, 0.5, -1.0]),
        pa.array(["a", "b", "a", "c"], pa.large_string()),
        pa.array([2**63 + 1, 7, 7, 8], pa.uint64()),
    ],
)
def test_few_values_are_counted_exactly(values):
    sketch = DistinctSketch()
    sketch.add(values)
    sketch.add(values.slice(1, 2))
    assert sketch.is_exact
    assert sketch.count() == 3


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.large_string()])
def test_many_values_are_estimated_within_four_standard_errors(kind):
    # Relative standard error 1 / sqrt(K - 2) with K = 1024: 3.1%; four of them are 12.5%.
    sketch = DistinctSketch(1024)
    for start in range(0, 50_000, 10_000):
        sketch.add(pa.array(range(start, start + 20_000)).cast(kind))
    assert not sketch.is_exact
    assert sketch.count() == pytest.approx(60_000, rel=0.125)


@given(st.lists(st.integers(-50, 50), min_size=1), st.integers(1, 9))
@settings(max_examples=50, deadline=None)
def test_batches_do_not_change_the_count(values, size):
    whole, parts = DistinctSketch(16), DistinctSketch(16)
    whole.add(pa.array(values))
    for start in range(0, len(values), size):
        parts.add(pa.array(values[start : start + size]))
    assert whole.count() == parts.count()
    assert whole.is_exact == (len(set(values)) < 16)


def counted(sketch, text):
    values, counts = np.unique(list(text), return_counts=True)
    sketch.add(pa.array(values.tolist(), pa.large_string()), counts)


def test_frequencies_are_exact_while_few_values_differ():
    sketch = FrequencySketch(4)
    counted(sketch, "aab")
    counted(sketch, "bbc")
    assert sketch.top() == ("b", 3)
    assert sketch.lost == 0


def test_of_two_as_frequent_the_first_is_named():
    sketch = FrequencySketch()
    counted(sketch, "zzaab")
    assert sketch.top() == ("a", 2)


def test_nothing_is_frequent_where_all_values_differ():
    sketch = FrequencySketch(4)
    counted(sketch, "abcdefgh")
    assert sketch.top() == (None, 0)


@given(st.text("abcdefghij", min_size=1, max_size=300), st.integers(1, 60))
@settings(max_examples=100, deadline=None)
def test_counts_are_too_small_by_what_was_lost_at_the_most(text, size):
    sketch = FrequencySketch(4)
    for start in range(0, len(text), size):
        counted(sketch, text[start : start + size])
    # Agarwal et al.: the error is at most n / (counters + 1).
    assert sketch.lost <= len(text) / 5
    value, count = sketch.top()
    if value is not None:
        assert count <= text.count(value) <= count + sketch.lost
    # A value in more than 2 n / (counters + 1) rows is never missed.
    if max(text.count(letter) for letter in set(text)) > 2 * len(text) / 5:
        assert value is not None


@given(st.lists(st.integers(0, 300), max_size=800), st.sampled_from([1, 7, 100]), st.integers(0, 9))
def test_repeated_keys_are_counted_exactly_while_they_are_few(
    keys: list[int], size: int, seed: int
) -> None:
    draw_of = np.random.default_rng(seed).random(301)
    draws = draw_of[np.array(keys, dtype=np.int64)]
    whole = KeyCensus(1_000)
    for start in range(0, len(draws), size):
        part = KeyCensus(1_000)
        part.add(draws[start : start + size])
        whole.merge(part)
    assert whole.repeated() == (len(keys) - len(set(keys)), True)


def test_many_keys_are_estimated_from_a_uniform_choice_of_them() -> None:
    # 100,000 keys, every fifth of which has two rows: 20,000 repeated. Of the 2,000 keys chosen
    # some 400 have two rows, a binomial of standard deviation 18: five of them are 22%.
    draws = np.random.default_rng(4).random(100_000)
    census = KeyCensus(2_000)
    for part in np.array_split(np.concatenate([draws, draws[::5]]), 50):
        census.add(part)
    repeated, exact = census.repeated()
    assert not exact
    assert repeated == pytest.approx(20_000, rel=0.22)


def test_rows_without_a_key_are_counted_from_the_first() -> None:
    whole, later = KeyCensus(), KeyCensus()
    later.add_missing(np.array([7, 9]))
    whole.add_missing(np.array([], dtype=np.int64))
    whole.merge(later)
    assert (whole.missing, whole.first_missing) == (2, 7)
