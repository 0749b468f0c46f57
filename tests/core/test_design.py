"""Budgets, and the c that spends them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from rebalance.core.design import Budget, Design, ScoreHistogram
from rebalance.core.known import UNKNOWN
from rebalance.core.labels import Label
from rebalance.errors import ArtifactError, UsageError

LABEL = Label("y", "1", ("0",))


def design(**changes: object) -> Design:
    fields: dict[str, object] = {
        "method": "nonuniform",
        "score": "probability",
        "rate": 0.05,
        "c": 2.0,
        "floor": 0.005,
        "mix": 0.0,
        "seed": 0,
        "label": LABEL,
        "positives": 100,
        "negatives": 9_900,
    }
    return Design(**(fields | changes))  # type: ignore[arg-type]


def test_budgets_by_hand() -> None:
    assert Budget(rate=0.1).negatives(10, 1000) == pytest.approx(100)
    assert Budget(ratio=5).negatives(10, 1000) == pytest.approx(50)
    assert Budget(rows=60).negatives(10, 1000) == pytest.approx(50)


def test_local_case_control_thins_positives_that_were_expected() -> None:
    score = np.log(np.array([0.95, 0.6, 0.01]))
    local = design(score="local-case-control", c=0.5)
    assert local.pi_1(score).tolist() == pytest.approx([0.1, 0.4, 0.99])
    assert local.pi_0(score).tolist() == pytest.approx([0.475, 0.3, 0.005])
    assert local.offset(score).tolist() == pytest.approx(
        np.log([0.1 / 0.475, 0.4 / 0.3, 0.99 / 0.005])
    )
    assert design().pi_1(score).tolist() == [1.0, 1.0, 1.0]


def test_with_the_pilots_rows_either_draw_keeps_a_negative() -> None:
    score = np.log(np.array([0.9, 0.1]))
    both = design(pilot_rate=0.25, pilot_draw=0.2)
    assert both.own_pi_0(score).tolist() == pytest.approx([1.0, 0.2])
    assert both.pi_0(score).tolist() == pytest.approx([1.0, 1 - 0.75 * 0.8])


def test_an_older_design_has_no_draw_key_and_no_pilots_rows() -> None:
    document = json.loads(json.dumps(design(draw_key="id").to_document()))
    assert Design.from_document(document) == design(draw_key="id")
    for name in ("draw_key", "pilot_rate", "pilot_draw"):
        del document[name]
    assert Design.from_document(document) == design()
    del document["rate"]
    with pytest.raises(ValueError, match="'rate' is missing"):
        Design.from_document(document)


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        (Budget(ratio=101), "--ratio 100"),
        (Budget(rows=1011), "--rows 1010"),
        (Budget(rows=10), "--rows 11 to 1010"),
    ],
)
def test_an_impossible_budget_says_what_is_possible(budget: Budget, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        budget.negatives(10, 1000)


def test_inclusion_probabilities_by_hand() -> None:
    score = np.log(np.array([0.9, 0.1, 0.001]))
    # c t = 1.8, 0.2, 0.002: cut at 1, as it is, raised to the floor.
    assert design().pi_0(score).tolist() == pytest.approx([1.0, 0.2, 0.005])
    # A R + (1 - A) c t with A = 1/2: 0.025 + 0.9, 0.1, 0.001.
    assert design(mix=0.5).pi_0(score).tolist() == pytest.approx([0.925, 0.125, 0.026])


def test_uniform_design_keeps_all_at_the_rate() -> None:
    assert design(score="uniform").pi_0(np.zeros(3)).tolist() == [0.05] * 3


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 2**32),
    st.floats(0.3, 4.0),
    st.floats(0.001, 0.9),
    st.floats(0.01, 1.0),
    st.sampled_from([0.0, 0.3]),
)
def test_c_spends_the_budget(
    seed: int, spread: float, rate: float, floor_share: float, mix: float
) -> None:
    generator = np.random.default_rng(seed)
    log_score = -np.abs(generator.normal(5, spread, 2_000))
    histogram = ScoreHistogram(np.positive)
    for part in np.array_split(log_score, 7):
        histogram.add(part)
    budget, floor = rate * 2_000, floor_share * rate
    c = histogram.solve(budget, floor, mix)
    found = design(rate=rate, c=c, floor=floor, mix=mix).pi_0(log_score)
    assert found.sum() == pytest.approx(budget, rel=1e-4)


def test_c_against_a_root_finder() -> None:
    log_score = -np.abs(np.random.default_rng(1).normal(4, 2, 5_000))
    histogram = ScoreHistogram(np.positive)
    histogram.add(log_score)

    def excess(log_c: float) -> float:
        return float(np.clip(np.exp(log_c + log_score), 0.005, 1).sum() - 250)

    expected = np.exp(brentq(excess, -10, 10, xtol=1e-12))
    assert histogram.solve(250, 0.005, 0.0) == pytest.approx(expected, rel=2e-4)


def test_scores_below_the_smallest_double_are_at_the_floor() -> None:
    histogram = ScoreHistogram(np.positive)
    log_score = np.array([-5_000.0] * 50 + [-1.0] * 50)
    histogram.add(log_score)
    c = histogram.solve(20, 0.02, 0.0)
    found = design(rate=0.2, c=c, floor=0.02).pi_0(log_score)
    assert found[0] == 0.02
    assert found.sum() == pytest.approx(20, rel=1e-4)


def test_a_design_survives_json() -> None:
    made = design(drop=("a",), key="k", c=0.1 + 0.2)
    assert Design.from_document(json.loads(json.dumps(made.to_document()))) == made


def test_positives_that_are_repeated_shift_all_rows_alike() -> None:
    made = design(method="random-over", score="uniform", rate=1, floor=1, repeated=4.5)
    read = Design.from_document(made.to_document())
    assert read == made
    assert read.pi_1(np.zeros(2)).tolist() == [4.5, 4.5]
    assert read.offset(np.zeros(2)) == pytest.approx(np.log(4.5))


def test_what_has_no_known_probability_gives_none() -> None:
    made = design(method="smote", score=UNKNOWN, stages=({"method": "smote"},))
    assert Design.from_document(json.loads(json.dumps(made.to_document()))) == made
    assert not made.correctable
    for ask in (made.pi_0, made.pi_1, made.offset):
        with pytest.raises(ArtifactError, match="made by smote"):
            ask(np.zeros(2))
