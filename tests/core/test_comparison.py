"""Intervals and tests over folds, against scipy, tables of t, and simulations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from rebalance.core.comparison import Counted, adjusted, over_folds, paired, pooled_ratio

# From a table of Student's t, two-sided.
T_95 = {1: 12.706205, 2: 4.302653, 4: 2.776445}


def test_an_interval_by_hand() -> None:
    """s = 1, so the error is sqrt(1/3 + 1/2), and half the interval t_2 times it."""
    found = over_folds(np.array([1.0, 2.0, 3.0]), 0.5)
    half = T_95[2] * math.sqrt(1 / 3 + 1 / 2)
    assert found.mean == 2.0
    assert found.low == pytest.approx(2 - half, rel=1e-6)
    assert found.high == pytest.approx(2 + half, rel=1e-6)
    assert found.half == pytest.approx(half, rel=1e-6)
    assert found.holds(2.0)
    assert not found.holds(2 + 1.001 * half)


def test_without_test_rows_per_training_row_it_is_the_plain_t_test() -> None:
    values = np.random.default_rng(5).normal(0.4, 1.0, 7)
    found = paired(values, 0.0)
    plain = stats.ttest_1samp(values, 0.0)
    bounds = plain.confidence_interval(0.95)
    assert found.p_value == pytest.approx(plain.pvalue, rel=1e-12)
    assert (found.low, found.high) == pytest.approx((bounds.low, bounds.high), rel=1e-12)


def test_the_correction_is_nadeau_and_bengios() -> None:
    """t falls by sqrt(1 + k n_2/n_1): by 1.5 for five folds with a quarter as many test rows."""
    values = np.array([0.1, 0.3, 0.2, 0.25, 0.15])
    plain = stats.ttest_1samp(values, 0.0).statistic
    found = paired(values, 0.25)
    assert found.mean / found.standard_error == pytest.approx(plain / 1.5, rel=1e-12)
    assert found.p_value == pytest.approx(2 * stats.t.sf(plain / 1.5, 4), rel=1e-12)


def test_what_cannot_be_told_is_nan() -> None:
    alone = paired(np.array([0.2]), 0.25)
    assert alone.mean == 0.2
    assert math.isnan(alone.low)
    assert math.isnan(alone.p_value)
    assert math.isnan(over_folds(np.array([]), 0.25).mean)
    assert math.isnan(over_folds(np.array([0.2, np.nan]), 0.25).high)


def test_folds_that_all_say_the_same() -> None:
    assert paired(np.zeros(5), 0.25).p_value == 1.0
    assert paired(np.full(5, 0.1), 0.25).p_value == 0.0
    same = over_folds(np.full(5, 0.1), 0.25)
    assert same.low == same.high == pytest.approx(0.1)


def test_p_values_are_multiplied_by_the_comparisons_that_were_made() -> None:
    found = adjusted([0.004, float("nan"), 0.02, 0.6])
    assert found[0] == pytest.approx(0.012)
    assert math.isnan(found[1])
    assert found[2:] == pytest.approx([0.06, 1.0])


def test_the_truly_best_is_seldom_called_worse_than_what_came_out_best() -> None:
    """Eight ways that are equally good: whichever comes first, others differ by noise alone.

    Differences on independent folds are normal, so the plain t test (no test rows) is exact for one
    way; called worse is the first way in at most 5% of 2,000 contests, plus four standard errors of
    sqrt(.05 .95 / 2,000) = .0049.
    """
    generator = np.random.default_rng(3)
    called = 0
    for _ in range(2_000):
        figures = generator.standard_normal((8, 5))
        best = int(np.argmin(figures.mean(axis=1)))
        others = [way for way in range(8) if way != best]
        tests = [paired(figures[way] - figures[best], 0.0).p_value for way in others]
        of_first = dict(zip(others, adjusted(tests), strict=True)).get(0, 1.0)
        called += of_first < 0.05
    assert called / 2_000 < 0.05 + 4 * 0.0049


def counted(predicted: list[float], observed: list[float], share: float = 0.0) -> Counted:
    return Counted(np.array(predicted), np.array(observed), share)


def test_a_pooled_ratio_by_hand() -> None:
    """R = 66/60 = 1.1. Residuals -1, 1 and 2, -2, so that s^2 is 2 and 8, and the variances of the
    sums 2 * 2 * (1 + 2/2) = 8 and 2 * 8 * 2 = 32; degrees of freedom 40^2 / (8^2 + 32^2) = 1.4706.
    """
    tables = [counted([10, 12], [10, 10], 0.5), counted([24, 20], [20, 20], 0.5)]
    found = pooled_ratio(tables)
    assert found.mean == pytest.approx(1.1)
    assert found.standard_error == pytest.approx(math.sqrt(40) / 60)
    reach = stats.t.ppf(0.975, 1600 / 1088) * math.sqrt(40) / 60
    assert (found.low, found.high) == pytest.approx((1.1 - reach, 1.1 + reach))


def test_tables_that_differ_are_no_noise() -> None:
    """Twice too high on one table and true on the other, alike on all folds: 1.5 without doubt."""
    found = pooled_ratio([counted([20, 20, 20], [10, 10, 10]), counted([10, 10, 10], [10, 10, 10])])
    assert found.mean == found.low == found.high == 1.5


def test_a_pooled_ratio_that_cannot_be_told() -> None:
    assert math.isnan(pooled_ratio([counted([1.0], [1.0])]).low)
    assert math.isnan(pooled_ratio([counted([1.0, 2.0], [0.0, 0.0])]).mean)
    assert math.isnan(pooled_ratio([]).mean)


def test_pooled_over_tables_true_probabilities_hold_one_and_uncorrected_ones_do_not() -> None:
    """The bar of the contest on simulated tables of unlike sizes: 12 of 30 to 600 positives.

    Observed counts are Poisson. A fold's model is off by exp of a normal of variance 1/n for n
    positives to train on, correlated by a fifth between folds, as the correction supposes. At 99%
    with Bonferroni over 4 methods the interval is to miss 1 in .25% of the cases: at most .25% +
    .5%, which is four standard errors of 2,000 cases. On the sample's scale probabilities are too
    high by what each table was sampled, 1 to 12 times: they never hold 1.
    """
    generator = np.random.default_rng(8)
    level, folds = 1 - 0.01 / 4, 5
    sizes = np.geomspace(30, 600, 12)
    factors = np.geomspace(1, 12, 12)[::-1]
    missed = 0
    for _ in range(2_000):
        observed = generator.poisson(sizes / folds, (folds, 12)).astype(float)
        sd = 1 / np.sqrt(0.8 * sizes)
        shared, own = generator.standard_normal(12), generator.standard_normal((folds, 12))
        off = sd * (math.sqrt(0.2) * shared + math.sqrt(0.8) * own)
        predicted = sizes / folds * np.exp(off)
        tables = list(zip(predicted.T, observed.T, strict=True))
        missed += not pooled_ratio([Counted(p, o, 0.25) for p, o in tables], level).holds(1.0)
        raw = [Counted(f * p, o, 0.25) for f, (p, o) in zip(factors, tables, strict=True)]
        assert pooled_ratio(raw, level).low > 1.0
    assert missed / 2_000 < 0.0075
