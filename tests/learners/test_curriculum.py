"""Boosting from balanced classes to the rows as they are: the way, and that no shift is left."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit

from rebalance.learners.base import Settings, TrainingRows
from rebalance.learners.curriculum import STAGES, stages
from rebalance.learners.gbm import GradientBoosting, TreeModel
from tests.conftest import simulate


def rows_of(columns: dict[str, np.ndarray], y_true: np.ndarray) -> TrainingRows:
    count = len(y_true)
    level = np.log(y_true.mean() / (1 - y_true.mean()))
    return TrainingRows(
        {name: pa.array(values) for name, values in columns.items()},
        dict.fromkeys(columns, "number"),
        y_true,
        np.zeros(count),
        np.full(count, level),
        None,
        np.random.default_rng(5).random(count),
    )


def population(count: int, seed: int) -> tuple[TrainingRows, np.ndarray]:
    table, log_odds = simulate(count, seed)
    columns = {name: table[name].to_numpy() for name in ("x1", "x2", "x3")}
    return rows_of(columns, table["y"].to_numpy() == 1), log_odds


@pytest.mark.parametrize(("positives", "negatives"), [(120, 9_880), (9_880, 120), (50, 50)])
def test_the_shares_of_the_classes_along_the_way(positives: int, negatives: int) -> None:
    found = stages(100, positives, negatives)
    assert sum(stage.rounds for stage in found) == 100
    assert len(found) == STAGES
    share = positives / (positives + negatives)
    for number, stage in enumerate(found):
        kept_1, kept_0 = stage.pi_1 * positives, stage.pi_0 * negatives
        a = number / (STAGES - 1)
        assert kept_1 / (kept_1 + kept_0) == pytest.approx((1 - a) / 2 + a * share)
        assert max(stage.pi_0, stage.pi_1) == 1
    assert (found[-1].pi_0, found[-1].pi_1) == pytest.approx((1, 1))


def test_a_stage_keeps_a_row_with_its_probability() -> None:
    stage = stages(8, 1_000, 99_000)[0]
    y_true = np.arange(100_000) < 1_000
    kept = stage.keeps(y_true, np.random.default_rng(1).random(100_000))
    assert kept[y_true].all()
    # 1,000 expected: four standard errors of a binomial.
    assert kept[~y_true].sum() == pytest.approx(1_000, abs=4 * np.sqrt(1_000))


def test_a_single_round_is_that_of_the_plain_gbm() -> None:
    rows, _ = population(4_000, 1)
    plain, other = (
        GradientBoosting().fit(rows, Settings(rounds=1, curriculum=curriculum, threads=1))
        for curriculum in (None, True)
    )
    first = plain.log_odds(rows.columns, rows.baseline)
    assert other.log_odds(rows.columns, rows.baseline).tobytes() == first.tobytes()


def test_probabilities_stay_those_of_the_rows() -> None:
    rows, _ = population(60_000, 1)
    fitted = GradientBoosting().fit(rows, Settings(curriculum=True, learning_rate=0.1, leaves=8))
    others, truth = population(60_000, 2)
    found = fitted.log_odds(others.columns, np.full(60_000, rows.baseline[0]))
    # Some 1,200 positives: their number has a standard error of 2.9% in the training rows; four.
    assert expit(found).sum() == pytest.approx(expit(truth).sum(), rel=0.12)
    loss = -np.mean(np.where(others.y_true, np.log(expit(found)), np.log(expit(-found))))
    best = -np.mean(np.where(others.y_true, np.log(expit(truth)), np.log(expit(-truth))))
    constant = others.y_true.mean()
    none = -(constant * np.log(constant) + (1 - constant) * np.log(1 - constant))
    assert loss < best + 0.2 * (none - best)


def test_the_offset_of_the_rows_is_kept_to() -> None:
    # A sample of the negatives, with its offset: the population's log odds come out.
    rows, _ = population(60_000, 1)
    kept = rows.y_true | (np.random.default_rng(2).random(60_000) < 0.1)
    sample = rows.take(kept)
    sample = TrainingRows(
        sample.columns, sample.kinds, sample.y_true, np.full(len(sample), np.log(10)),
        sample.baseline, None, sample.draws,
    )  # fmt: skip
    fitted = GradientBoosting().fit(sample, Settings(curriculum=True, learning_rate=0.1, leaves=8))
    found = expit(fitted.log_odds(rows.columns, rows.baseline))
    # The same 1,200 positives on both sides; 6,000 negatives fix the level to 1.3% more.
    assert found.sum() == pytest.approx(rows.y_true.sum(), rel=0.12)


def test_a_missing_value_is_one_in_every_stage() -> None:
    # Ten gaps, all in negatives: hardly any is in the first stages.
    table, _ = simulate(8_000, 4)
    x1, y_true = table["x1"].to_numpy().copy(), table["y"].to_numpy() == 1
    x1[np.flatnonzero(~y_true)[:10]] = np.nan
    settings = Settings(rounds=16, curriculum=True)
    fitted = GradientBoosting().fit(rows_of({"x1": x1}, y_true), settings)
    assert isinstance(fitted, TreeModel)
    decisions = re.findall(r"decision_type=(.*)", fitted.text)
    kinds = {(int(each) >> 2) & 3 for line in decisions for each in line.split()}
    assert kinds == {2}  # LightGBM's number for NaN


def test_few_rows_and_classes_of_any_size() -> None:
    for positives, count in ((3, 60), (57, 60), (30, 60)):
        x1 = np.linspace(0, 1, count)
        rows = rows_of({"x1": x1}, np.arange(count) < positives)
        fitted = GradientBoosting().fit(rows, Settings(rounds=20, curriculum=True))
        assert np.isfinite(fitted.log_odds(rows.columns, rows.baseline)).all()
