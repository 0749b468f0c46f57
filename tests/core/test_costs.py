"""The threshold of least costs, against the costs of all thresholds."""

from __future__ import annotations

import numpy as np
import pytest

from rebalance.core.costs import Costs, parse_costs
from rebalance.errors import UsageError


@pytest.mark.parametrize(("fp", "fn"), [(1, 10), (3, 1), (2, 2), (1, 999)])
def test_no_other_threshold_costs_less(fp: float, fn: float) -> None:
    p = (np.arange(100_000) + 0.5) / 100_000
    costs = Costs(fp, fn)
    assert costs.threshold == pytest.approx(fp / (fp + fn), rel=1e-12)
    # Rows of probability p, decided one by one: what each decision costs on average.
    cheapest = np.minimum(p * fn, (1 - p) * fp).sum()
    decided = np.where(p >= costs.threshold, (1 - p) * fp, p * fn).sum()
    assert decided == pytest.approx(cheapest, rel=1e-12)


def test_costs_come_back() -> None:
    costs = parse_costs(" fn=10 ,fp=0.5 ")
    assert (costs.fp, costs.fn) == (0.5, 10.0)
    assert Costs.from_document(costs.to_document()) == costs


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fp=0,fn=1", "above 0"),
        ("fp=-1,fn=1", "above 0"),
        ("fp=1,fn=nan", "above 0"),
        ("fp=1", "missing"),
        ("fp=1,fp=2", "twice"),
        ("tp=1,fn=2", "no cost"),
        ("", "no cost"),
        ("fp=1e-320,fn=1e300", "threshold is 0: every row would be called positive"),
        ("fp=1e300,fn=1e-320", "threshold is 1: no row would be called positive"),
    ],
)
def test_what_is_no_cost_is_said(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_costs(text)
