"""--method and budgets: what makes sense, and the reason where it does not."""

from __future__ import annotations

import pytest

from rebalance.core.design import Budget
from rebalance.errors import UsageError
from rebalance.samplers.chains import parse_chain, positives_wanted, share_budget


@pytest.mark.parametrize(
    ("text", "thinning", "then", "repeats"),
    [
        ("nonuniform", "nonuniform", None, False),
        ("random-under", "uniform", None, False),
        ("random-over", None, None, True),
        ("tomek", None, "tomek", False),
        ("nonuniform,smote", "nonuniform", "smote", False),
        ("random-under, smote-enn", "uniform", "smote-enn", False),
    ],
)
def test_chains(text: str, thinning: str | None, then: str | None, repeats: bool) -> None:
    found = parse_chain(text)
    name = found.then.name if found.then else None
    assert (found.thinning, name, found.repeats) == (thinning, then, repeats)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("smot", "the nearest are 'smote'"),
        ("near-miss-2", "'near-miss' with '--set version=2'"),
        ("smote,random-over", "add nothing"),
        ("random-over,smote", "add nothing"),
        ("smote,adasyn", "out of rows that smote made"),
        ("uniform,smote,adasyn", "out of rows that smote made"),
        ("nonuniform,random-over", "a constant to the offset"),
        ("nonuniform,uniform", "thinning twice"),
        ("tomek,nonuniform", "thin first: --method nonuniform,tomek"),
        ("smote,uniform", "thin first: --method uniform,smote"),
        ("smote,enn", "--method smote-enn"),
        ("smote,tomek", "--method smote-tomek"),
        ("tomek,smote", "a thinning and one method"),
        ("enn,tomek", "a thinning and one method"),
        ("uniform,enn,smote", "a thinning and one method"),
    ],
)
def test_chains_that_are_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_chain(text)
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("text", "budget", "thin", "then"),
    [
        ("smote", Budget(ratio=5), None, Budget(ratio=5)),
        ("near-miss", Budget(rate=0.1), None, Budget(rate=0.1)),
        ("tomek", Budget(), None, None),
        ("uniform,smote", Budget(rate=0.1, ratio=5), Budget(rate=0.1), Budget(ratio=5)),
        ("uniform,near-miss", Budget(rows=900, ratio=5), Budget(rows=900), Budget(ratio=5)),
        ("uniform,tomek", Budget(ratio=5), Budget(ratio=5), None),
    ],
)
def test_each_budget_has_its_owner(
    text: str, budget: Budget, thin: Budget | None, then: Budget | None
) -> None:
    assert share_budget(parse_chain(text), budget) == (thin, then)


@pytest.mark.parametrize(
    ("text", "budget", "words"),
    [
        ("smote", Budget(), "give --ratio K"),
        ("smote", Budget(rate=0.1), "--rate has no meaning for smote; give --ratio K"),
        ("random-over", Budget(rows=10), "--rows has no meaning for random-over"),
        ("near-miss", Budget(), "--rate R"),
        ("near-miss", Budget(rate=0.1, ratio=2), "contradict"),
        ("near-miss", Budget(efficiency=0.9), "--efficiency has no meaning"),
        ("tomek", Budget(ratio=2), "as many negatives as it finds"),
        ("uniform,smote", Budget(ratio=2), "how many rows uniform is to keep"),
        ("uniform,smote", Budget(rate=0.1), "how many rows smote is to leave"),
        ("uniform,smote", Budget(rate=0.1, rows=5, ratio=2), "contradict"),
        ("uniform,tomek", Budget(rate=0.1, ratio=2), "contradict"),
    ],
)
def test_budgets_that_are_refused(text: str, budget: Budget, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        share_budget(parse_chain(text), budget)
    assert words in str(raised.value)


def test_a_ratio_that_is_there_already() -> None:
    assert positives_wanted("smote", 2, 10, 100) == 50
    with pytest.raises(UsageError, match="below 10"):
        positives_wanted("smote", 10, 10, 100)
    for ratio in (1e-300, 1e-320):  # 1e302, and infinitely many
        with pytest.raises(UsageError, match=r"more than 9e\+15 positives; give a larger --ratio"):
            positives_wanted("smote", ratio, 10, 100)
