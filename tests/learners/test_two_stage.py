"""Boosting of all rows, then of balanced ones: probabilities stay those of the rows."""

from __future__ import annotations

import re
from dataclasses import replace

import lightgbm
import numpy as np
import pytest
from scipy.special import expit

from rebalance.errors import FitError
from rebalance.learners.base import Settings, TrainingRows
from rebalance.learners.gbm import GradientBoosting, TreeModel
from rebalance.learners.joined_trees import joined
from tests.learners.test_curriculum import population, rows_of

FAST = Settings(learning_rate=0.1, leaves=8, rounds=30)
STAGED = Settings(learning_rate=0.1, leaves=8, rounds=30, two_stage=True)


@pytest.fixture(scope="module")
def rows() -> TrainingRows:
    return population(60_000, 1)[0]


@pytest.fixture(scope="module")
def fitted(rows: TrainingRows) -> TreeModel:
    found = GradientBoosting().fit(rows, STAGED)
    assert isinstance(found, TreeModel)
    return found


def trees_of(text: str) -> list[str]:
    """The trees without their numbers."""
    parts = re.split(r"(?m)^Tree=\d+\n", text.partition("\nend of trees")[0])
    return [part.strip() for part in parts[1:]]


def test_the_first_stage_is_the_plain_gbm(rows: TrainingRows, fitted: TreeModel) -> None:
    plain = GradientBoosting().fit(rows, FAST)
    assert isinstance(plain, TreeModel)
    both = trees_of(fitted.text)
    assert both[:30] == trees_of(plain.text)
    assert len(both) > 30
    assert fitted.rounds == 30
    assert lightgbm.Booster(model_str=fitted.text).num_trees() == len(both)


def test_the_second_stage_is_of_balanced_rows(rows: TrainingRows, fitted: TreeModel) -> None:
    count = re.findall(r"internal_count=(\d+)", fitted.text)
    positives = int(rows.y_true.sum())
    # As many negatives are expected as there are positives: four standard errors of a binomial.
    assert int(count[0]) == len(rows)
    assert int(count[-1]) == pytest.approx(2 * positives, abs=4 * np.sqrt(positives))


def test_probabilities_stay_those_of_the_rows(rows: TrainingRows, fitted: TreeModel) -> None:
    others, truth = population(60_000, 2)
    found = fitted.log_odds(others.columns, np.full(60_000, rows.baseline[0]))
    # Some 1,200 positives and as many negatives: sqrt(2 / 1,200) = 4.1%; the bound is four.
    assert expit(found).sum() == pytest.approx(expit(truth).sum(), rel=0.17)
    assert np.corrcoef(found, truth)[0, 1] > 0.95


def test_an_offset_of_the_rows_and_the_rarer_class_may_be_the_negatives(
    rows: TrainingRows,
) -> None:
    # Turned round, all log odds change their sign; and with an offset of 1 they are lower by 1.
    columns = {name: array.to_numpy() for name, array in rows.columns.items()}
    turned = rows_of(columns, ~rows.y_true)
    shifted = TrainingRows(
        turned.columns, turned.kinds, turned.y_true, np.ones(len(turned)), turned.baseline - 1,
        None, turned.draws,
    )  # fmt: skip
    first, second = (GradientBoosting().fit(each, STAGED) for each in (turned, shifted))
    own = first.log_odds(turned.columns, turned.baseline)
    assert expit(-own).sum() == pytest.approx(rows.y_true.sum(), rel=0.17)
    assert second.log_odds(shifted.columns, shifted.baseline) == pytest.approx(own - 1, abs=1e-6)


def test_too_few_rows_of_a_class() -> None:
    few = rows_of({"x1": np.linspace(0, 1, 300)}, np.arange(300) < 9)
    with pytest.raises(FitError, match="a class has 9 rows, too few for a second stage"):
        GradientBoosting().fit(few, STAGED)


def test_stages_have_the_rounds_of_the_trees_and_are_stored(
    rows: TrainingRows, fitted: TreeModel
) -> None:
    first, second = fitted.stages
    assert (first["rounds"], second["rounds"]) == (30, len(trees_of(fitted.text)) - 30)
    share = rows.y_true.sum() / (~rows.y_true).sum()
    assert second["share_of_negatives"] == pytest.approx(share)
    assert GradientBoosting().load(fitted.members()).summary() == fitted.summary()


def test_without_rounds_of_the_second_stage_it_is_the_plain_gbm() -> None:
    # Nothing tells the classes apart, and no tree lessens the loss of rows held out.
    draw = np.random.default_rng(2)
    some = rows_of({"x1": draw.normal(size=400)}, draw.random(400) < 0.3)
    fast = {"learning_rate": 1.0, "rounds": 1}
    found = GradientBoosting().fit(some, replace(STAGED, **fast))
    plain = GradientBoosting().fit(some, replace(FAST, **fast))
    assert isinstance(found, TreeModel)
    assert isinstance(plain, TreeModel)
    assert found.stages[1]["rounds"] == 0
    assert found.text == plain.text


def test_joined_with_nothing_is_the_same(fitted: TreeModel) -> None:
    assert trees_of(joined([fitted.text])) == trees_of(fitted.text)
