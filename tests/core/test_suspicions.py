from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from rebalance.core.suspicions import (
    Trials,
    is_constant,
    is_identifier,
    is_one_to_one,
    single_column_auc,
    suspicions,
)

ROWS = 4000


@pytest.fixture
def rows():
    """Labels with 5% positives, a half to learn on, and a generator."""
    rng = np.random.default_rng(1)
    y_true = np.arange(ROWS) % 20 == 0
    train = rng.random(ROWS) < 0.5
    return y_true, train, rng


def test_a_column_of_the_label_ranks_perfectly_in_both_directions(rows):
    y_true, train, rng = rows
    noisy = y_true + rng.uniform(-0.4, 0.4, ROWS)
    for values in (noisy, -noisy):
        # A held-out row may fall between the classes' training rows, into a bin of neither.
        assert single_column_auc(pa.array(values), y_true, train) > 0.998


def test_a_column_that_says_nothing_is_near_one_half(rows):
    y_true, train, rng = rows
    auc = single_column_auc(pa.array(rng.normal(size=ROWS)), y_true, train)
    # Standard error for 100 positives and 1900 negatives: sqrt((n + 1) / (12 n1 n0)) = 0.03.
    assert auc == pytest.approx(0.5, abs=4 * 0.03)


def test_the_auc_of_levels_is_that_of_their_training_rates(rows):
    y_true, train, rng = rows
    level = np.where(rng.random(ROWS) < 0.3 + 0.4 * y_true, rng.integers(0, 3, ROWS), 3)
    found = single_column_auc(pa.array(level.astype(str)), y_true, train)
    prior = y_true[train].mean()
    rates = {
        value: (y_true[train & (level == value)].sum() + prior)
        / ((train & (level == value)).sum() + 1)
        for value in range(4)
    }
    score = np.array([rates[value] for value in level])
    assert found == pytest.approx(roc_auc_score(y_true[~train], score[~train]), abs=1e-12)


def test_bins_lose_little_of_a_number():
    # With 2,000 training positives each bin's rate is known well; 61 edges cost the rest.
    rng = np.random.default_rng(2)
    y_true = np.arange(20_000) % 5 == 0
    train = rng.random(20_000) < 0.5
    values = rng.normal(size=20_000) + 1.5 * y_true
    found = single_column_auc(pa.array(values), y_true, train)
    assert found == pytest.approx(roc_auc_score(y_true[~train], values[~train]), abs=0.005)


@pytest.mark.parametrize("kind", [pa.float64(), pa.int64(), pa.large_string(), pa.bool_()])
def test_a_value_missing_for_one_class_only_is_found(rows, kind):
    y_true, train, rng = rows
    drawn = rng.integers(0, 2, ROWS)
    values = [None if hit else value for hit, value in zip(y_true, drawn.tolist(), strict=True)]
    array = pa.array(values, pa.int64()).cast(kind)
    assert single_column_auc(array, y_true, train) == 1.0


def test_one_telling_value_among_many_numbers_is_found(rows):
    y_true, train, rng = rows
    values = np.where(y_true, 7, rng.integers(0, 1000, ROWS) * 2)
    assert single_column_auc(pa.array(values), y_true, train) == 1.0


def test_infinite_numbers_are_numbers(rows):
    y_true, train, _ = rows
    assert single_column_auc(pa.array(np.where(y_true, np.inf, -np.inf)), y_true, train) == 1.0


def test_the_best_element_of_a_list_counts(rows):
    y_true, train, rng = rows
    flat = np.column_stack([rng.normal(size=ROWS), -1.0 * y_true]).ravel()
    lists = pa.FixedSizeListArray.from_arrays(pa.array(flat), 2)
    assert single_column_auc(lists, y_true, train) == 1.0
    absent = [None if hit else [1.0, 2.0] for hit in y_true]
    assert single_column_auc(pa.array(absent, pa.list_(pa.float64(), 2)), y_true, train) == 1.0


def test_decimals_and_empty_columns_have_an_auc(rows):
    y_true, train, _ = rows
    decimals = pa.array([Decimal(int(hit)) for hit in y_true], pa.decimal128(5, 1))
    assert single_column_auc(decimals, y_true, train) == 1.0
    assert single_column_auc(pa.nulls(ROWS, pa.float64()), y_true, train) == 0.5
    assert single_column_auc(pa.nulls(ROWS, pa.large_string()), y_true, train) == 0.5


def test_an_identifier_says_nothing_on_rows_it_was_not_learned_on(rows):
    y_true, train, _ = rows
    values = pa.array([f"id {row}" for row in range(ROWS)])
    assert single_column_auc(values, y_true, train) == 0.5


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (pa.int16(), True),
        (pa.string(), True),
        (pa.large_string(), True),
        (pa.string_view(), True),
        (pa.dictionary(pa.int32(), pa.string()), True),
        (pa.decimal128(20, 0), True),
        (pa.decimal128(20, 2), False),
        (pa.float32(), False),
        (pa.timestamp("us"), False),
        (pa.date32(), False),
        (pa.bool_(), False),
    ],
)
def test_what_can_be_an_identifier(dtype, expected):
    assert is_identifier(dtype, 1000, 960) is expected


def test_when_values_are_nearly_all_different():
    assert not is_identifier(pa.int64(), 1000, 900)
    assert not is_identifier(pa.int64(), 10, 10)
    assert not is_identifier(pa.int64(), 1000, None)


def test_constant_columns():
    assert is_constant(5, 5, None)
    assert not is_constant(5, 1, 1)
    assert not is_constant(5, 0, 2)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["n", "y", "n", "z"], True),
        (["n", "y", "n", "y"], False),
        (["n", "y", "m", "z"], False),
        ([None, "y", None, "z"], True),
        ([None, "y", None, None], False),
    ],
)
def test_one_to_one_with_three_classes(values, expected):
    assert is_one_to_one(pa.array(values), np.array([0, 1, 0, 2])) is expected


def test_trials_halve_each_class_by_its_draws():
    # 20 positives and 40 negatives: a column known for the training half alone says nothing.
    rng = np.random.default_rng(3)
    positive = np.arange(60) < 20
    u = rng.random(60)
    trials = Trials(positive.astype(np.int64), positive, u, 40)
    assert len(trials) == 60
    order = np.empty(60, dtype=int)
    for group in (positive, ~positive):
        found = np.flatnonzero(group)
        order[found[np.argsort(u[found])]] = np.arange(len(found))
    in_training = order % 2 == 0
    only_there = np.where(in_training & positive, 1.0, 0.0)
    assert trials.auc(pa.array(only_there)) == 0.5
    only_outside = np.where(in_training, 0.0, 1.0 * positive)
    assert trials.auc(pa.array(only_outside)) == 0.5


def test_of_several_negative_values_the_smallest_draws_stay():
    codes = np.array([0, 1, 1, 2, 2] * 10)
    u = np.linspace(0, 0.99, 50)
    trials = Trials(codes, codes == 0, u, 10)
    assert len(trials) == 10 + 10
    # Beyond the 10 negatives with the smallest draws, no row is looked at.
    first = np.sort(np.flatnonzero(codes > 0)[:10])
    values = np.full(50, 5)
    values[codes == 0] = 1
    values[first] = 0
    assert trials.auc(pa.array(values)) == 1.0


def test_trials_need_ten_rows_of_each_class():
    positive = np.arange(100) < 9
    trials = Trials(positive.astype(np.int64), positive, np.linspace(0, 0.9, 100), 100)
    assert not trials.enough
    assert trials.auc(pa.array(positive)) is None
    assert trials.copies_label(pa.array(positive))


def test_a_copy_of_being_positive_is_a_copy_where_there_are_three_classes():
    codes = np.array([0, 1, 2] * 10)
    trials = Trials(codes, codes == 2, np.linspace(0, 0.9, 30), 30)
    assert trials.copies_label(pa.array(np.where(codes == 2, "yes", "no")))
    assert not trials.copies_label(pa.array(np.where(codes == 2, 0.0, np.arange(30))))


def test_what_is_said_of_a_column():
    def words(dtype=None, **changed):
        facts = {"filled": 100, "distinct": 50, "limits": (0.0, 1.0), "auc": 0.7}
        facts |= {"copies_label": False} | changed
        return [remark.word for remark in suspicions(dtype or pa.float64(), **facts)]

    assert words() == []
    assert words(auc=0.991) == ["leak"]
    assert words(auc=0.989) == []
    assert words(auc=1.0, copies_label=True) == ["duplicate"]
    assert words(limits=(0.0, float("inf"))) == ["infinite"]
    assert words(pa.int64(), distinct=100, auc=1.0) == ["leak", "identifier"]


def test_an_auc_is_one_only_where_it_is_one():
    def text(auc):
        found = suspicions(
            pa.float64(), filled=9, distinct=5, limits=(0.0, 1.0), auc=auc, copies_label=False
        )
        return found[0].text

    assert "AUC 0.9999 " in text(0.999999)
    assert "AUC 1 " in text(1.0)
