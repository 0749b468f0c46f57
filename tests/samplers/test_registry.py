"""Samplers, and what their words mean next to imbalanced-learn's."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
from imblearn.under_sampling import RandomUnderSampler

from rebalance.core.design import Budget
from rebalance.errors import UsageError
from rebalance.samplers import METHODS, get_sampler
from tests.conftest import Simulated


def test_ratio_is_the_inverse_of_imbalanced_learns_strategy(simulated: Simulated) -> None:
    table = pq.read_table(simulated.path)
    y = table["y"].to_numpy()
    x = np.arange(len(y))[:, None]
    _, kept = RandomUnderSampler(sampling_strategy=1 / 4, random_state=0).fit_resample(x, y)
    positives = int(y.sum())
    budget = Budget(ratio=4).negatives(positives, len(y) - positives)
    assert budget == pytest.approx((kept == 0).sum(), abs=1)


def test_nonuniform_needs_a_pilot_and_uniform_does_not() -> None:
    assert get_sampler(None, None).name == "uniform"
    assert set(METHODS) == {"nonuniform", "uniform"}
    with pytest.raises(UsageError, match="--pilot"):
        get_sampler("nonuniform", None)
