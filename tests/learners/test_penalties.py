"""The penalty that is chosen, its path, and the scale its folds are scored on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy.optimize import minimize

from rebalance.core.folds import stratified_folds
from rebalance.errors import FitError, UsageError
from rebalance.learners import get_learner
from rebalance.learners.base import Settings, TrainingRows
from rebalance.learners.logistic import LinearModel
from rebalance.learners.penalties import FOLDS, population_loss

Path = list[dict[str, float]]


def expit(eta: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-eta))


def sample(seed: int, count: int = 1_500, noise: int = 20) -> TrainingRows:
    """Negatives kept with pi, three features that matter and some that do not."""
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((20 * count, 3 + noise))
    y = generator.random(len(x)) < expit(-5 + x[:, :3] @ [1.0, -0.7, 0.5])
    pi = np.clip(0.04 * np.exp(0.7 * x[:, 0]), 0.01, 1)
    kept = np.flatnonzero(y | (generator.random(len(x)) < pi))[:count]
    return as_rows(x[kept], y[kept], pi[kept], generator.random(len(kept)))


def as_rows(x: np.ndarray, y: np.ndarray, pi: np.ndarray, draws: np.ndarray) -> TrainingRows:
    columns = {f"x{at}": pa.array(x[:, at]) for at in range(x.shape[1])}
    return TrainingRows(
        columns,
        dict.fromkeys(columns, "number"),
        y,
        -np.log(pi),
        np.zeros(len(y)),
        None,
        draws,
        population_weight=np.where(y, 1.0, 1 / pi),
    )


def fit(rows: TrainingRows, settings: Settings) -> LinearModel:
    fitted = get_learner("logistic", settings).fit(rows, settings)
    assert isinstance(fitted, LinearModel)
    return fitted


def path_of(fitted: LinearModel) -> Path:
    assert fitted.cross_validation is not None
    found: Path = fitted.cross_validation["path"]
    return found


@pytest.mark.parametrize("kind", ["l2", "l1", "elastic"])
def test_the_lowest_held_out_loss_is_chosen_and_fitted_with(kind: str) -> None:
    rows = sample(1)
    fitted = fit(rows, Settings(cross_validate=kind))
    path = path_of(fitted)
    losses = [point["log_loss"] for point in path]
    best = path[int(np.argmin(losses))]
    assert (fitted.penalty.l1, fitted.penalty.l2) == (best["l1"], best["l2"])
    assert (best["l1"] > 0, best["l2"] > 0) == (kind != "l2", kind != "l1")
    assert fitted.found_by == "cross-validation"
    total = [point["l1"] + point["l2"] for point in path]
    assert total == sorted(total, reverse=True)
    given = fit(rows, Settings(l1=best["l1"] or None, l2=best["l2"]))
    assert fitted.slopes.tolist() == given.slopes.tolist()
    # The same rows and draws choose the same; there is nothing else that could be drawn.
    assert fit(rows, Settings(cross_validate=kind)).members() == fitted.members()


def test_a_lasso_path_begins_where_the_first_slope_leaves_0() -> None:
    rows = sample(2)
    path = path_of(fit(rows, Settings(cross_validate="l1")))
    assert fit(rows, Settings(l1=path[0]["l1"])).summary()["slopes_not_zero"] == 0
    assert fit(rows, Settings(l1=0.95 * path[0]["l1"])).summary()["slopes_not_zero"] == 1


def test_a_score_is_the_populations_log_loss_of_rows_not_fitted_to() -> None:
    rows = sample(3, noise=2)
    weight = rows.population_weight
    assert weight is not None
    point = path_of(fit(rows, Settings(cross_validate="l2")))[7]
    x = np.column_stack([column.to_numpy() for column in rows.columns.values()])
    z = np.column_stack([np.ones(len(x)), (x - x.mean(0)) / x.std(0)])
    fold = stratified_folds(rows.y_true, rows.draws, FOLDS)
    total = 0.0
    for held_out in range(FOLDS):
        train, test = fold != held_out, fold == held_out

        def loss(beta: np.ndarray, train: np.ndarray = train) -> float:
            eta = z[train] @ beta + rows.offset[train]
            fitted = np.logaddexp(0, eta) - rows.y_true[train] * eta
            return float(fitted.sum() + point["l2"] / 2 * beta[1:] @ beta[1:])

        beta = minimize(loss, np.append(-4.0, np.zeros(5)), method="BFGS").x
        p = expit(z[test] @ beta)  # without the offset
        log = np.where(rows.y_true[test], np.log(p), np.log1p(-p))
        total -= weight[test] @ log
    assert point["log_loss"] == pytest.approx(total / weight.sum(), rel=1e-5)


def test_post_hoc_scores_take_the_shift_off() -> None:
    rows = replace(sample(4), shift=sample(4).offset)
    odds = np.linspace(-6, 2, len(rows))
    plain = replace(rows, shift=None)
    assert population_loss(rows, odds + rows.offset) == pytest.approx(population_loss(plain, odds))
    weighted = replace(plain, population_weight=None, sample_weight=np.full(len(rows), 2.0))
    alone = replace(plain, population_weight=None)
    assert population_loss(weighted, odds) == pytest.approx(2 * population_loss(alone, odds))


def test_the_population_would_choose_otherwise_than_the_sample() -> None:
    """A line for log odds that rise to both sides, of which mostly one side was kept.

    The sample's own likelihood is content with the slope of that side. In the population the other
    side is as large, and there the line is wrong: the best penalty is a large one, as the whole
    population confirms.
    """

    def odds(x: np.ndarray) -> np.ndarray:
        return -5.0 + 1.2 * np.abs(x)

    generator = np.random.default_rng(6)
    x = generator.standard_normal(60_000)
    y = generator.random(len(x)) < expit(odds(x))
    pi = np.clip(0.01 * np.exp(2 * x), 0.001, 1)
    kept = y | (generator.random(len(x)) < pi)
    rows = as_rows(x[kept, None], y[kept], pi[kept], generator.random(int(kept.sum())))
    by_population = fit(rows, Settings(cross_validate="l2"))
    # Scored as the sample is: every row counts once, and the offset stays.
    as_sample = replace(rows, population_weight=np.ones(len(rows)), shift=-rows.offset)
    by_sample = fit(as_sample, Settings(cross_validate="l2"))
    assert by_population.penalty.l2 > 100 * by_sample.penalty.l2
    fresh = generator.standard_normal(500_000)
    p = expit(odds(fresh))

    def true_loss(model: LinearModel) -> float:
        found = model.log_odds({"x0": pa.array(fresh)})
        return float(np.mean(np.logaddexp(0, found) - p * found))

    assert true_loss(by_population) < 0.98 * true_loss(by_sample)


def test_too_few_rows_for_folds_are_said() -> None:
    rows = sample(7)
    few = rows.take(~rows.y_true | (np.cumsum(rows.y_true) <= 9))
    with pytest.raises(FitError, match=r"fewer than 10 rows \(9\)"):
        fit(few, Settings(cross_validate="l1"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (Settings(cross_validate="l2", l2=1.0), "--l2 gives a penalty"),
        (Settings(cross_validate="l1", l1=1.0), "--l1 gives a penalty"),
        (Settings(robust=True, l1=1.0), "--robust"),
        (Settings(robust=True, cross_validate="elastic"), "--robust"),
    ],
)
def test_contradictions(settings: Settings, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        get_learner("logistic", settings)
