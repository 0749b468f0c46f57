"""The offset likelihood, against scipy and the known truth."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy.optimize import minimize

from rebalance.errors import FitError
from rebalance.learners import get_learner
from rebalance.learners.base import Settings, TrainingRows
from rebalance.learners.logistic import LinearModel


def rows(
    x: np.ndarray, y: np.ndarray, offset: np.ndarray, weight: np.ndarray | None = None
) -> TrainingRows:
    columns = {f"x{at}": pa.array(x[:, at]) for at in range(x.shape[1])}
    return TrainingRows(
        columns,
        dict.fromkeys(columns, "number"),
        y,
        offset,
        np.zeros(len(y)),
        weight,
        np.arange(len(y)) / len(y),
    )


def drawn(seed: int, count: int = 3_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((count, 3)) * [1, 10, 0.1] + [0, 5, 1]
    offset = generator.uniform(0, 8, count)
    log_odds = -4 + x @ [1.0, 0.1, -5.0] + offset
    return x, generator.random(count) < 1 / (1 + np.exp(-log_odds)), offset


@pytest.mark.parametrize("l2", [0.0, 0.01, 5.0])
def test_the_maximum_is_scipys(l2: float) -> None:
    x, y, offset = drawn(1)
    weight = np.random.default_rng(2).uniform(0.5, 2, len(y))
    fitted = get_learner("logistic").fit(rows(x, y, offset, weight), Settings(l2=l2))
    assert isinstance(fitted, LinearModel)
    z = np.column_stack([np.ones(len(y)), (x - x.mean(0)) / x.std(0)])

    def loss(beta: np.ndarray) -> tuple[float, np.ndarray]:
        eta = z @ beta + offset
        value = weight @ (np.logaddexp(0, eta) - y * eta) + l2 / 2 * beta[1:] @ beta[1:]
        gradient = z.T @ (weight * (1 / (1 + np.exp(-eta)) - y))
        gradient[1:] += l2 * beta[1:]
        return float(value), gradient

    best = minimize(loss, np.zeros(4), jac=True, method="BFGS", options={"gtol": 1e-8})
    found = np.concatenate([[fitted.intercept], fitted.slopes])
    assert found == pytest.approx(best.x, abs=1e-5)


def test_large_offsets_do_not_derail_the_start() -> None:
    x, y, offset = drawn(3)
    shifted = get_learner("logistic").fit(rows(x, y, offset + 300), Settings(l2=0.0))
    plain = get_learner("logistic").fit(rows(x, y, offset), Settings(l2=0.0))
    assert isinstance(shifted, LinearModel)
    assert isinstance(plain, LinearModel)
    assert shifted.intercept == pytest.approx(plain.intercept - 300, abs=1e-6)
    assert shifted.slopes == pytest.approx(plain.slopes, abs=1e-6)


def test_rare_positives_do_not_stop_early() -> None:
    # 60 positives in 200,000 rows: at a loose tolerance the slope stays near its start.
    generator = np.random.default_rng(4)
    x = generator.standard_normal((200_000, 1))
    y = generator.random(200_000) < 1 / (1 + np.exp(9 - 1.5 * x[:, 0]))
    fitted = get_learner("logistic").fit(rows(x, y, np.zeros(len(y))), Settings(l2=0.0))
    found = 1 / (1 + np.exp(-fitted.log_odds({"x0": pa.array(x[:, 0])}, None)))
    # At the maximum the scores are zero: predicted and observed agree in sum and in sum of x.
    assert found.sum() == pytest.approx(y.sum(), rel=1e-6)
    assert (found * x[:, 0]).sum() == pytest.approx((y * x[:, 0]).sum(), rel=1e-6)


def test_separable_classes_are_said_without_a_penalty_and_fitted_with_one() -> None:
    x = np.linspace(-1, 1, 200)[:, None]
    separable = rows(x, x[:, 0] > 0, np.zeros(200))
    with pytest.raises(FitError, match="--l2"):
        get_learner("logistic").fit(separable, Settings(l2=0.0))
    fitted = get_learner("logistic").fit(separable, Settings())
    assert isinstance(fitted, LinearModel)
    assert 0 < fitted.slopes[0] < 1_000


@pytest.mark.parametrize(
    "settings",
    [Settings(), Settings(l1=2.0, estimates=True), Settings(cross_validate="l2", estimates=True)],
)
def test_members_bring_back_the_same_bits(settings: Settings) -> None:
    x, y, offset = drawn(5)
    learner = get_learner("logistic")
    given = rows(x, y, offset)
    fitted = learner.fit(given, settings)
    again = learner.load(fitted.members())
    assert (again.log_odds(given.columns, None) == fitted.log_odds(given.columns, None)).all()
    assert learner.load(again.members()).members() == fitted.members()


def test_models_of_the_first_version_stay_readable() -> None:
    x, y, offset = drawn(5)
    learner = get_learner("logistic")
    members = learner.fit(rows(x, y, offset), Settings(l2=0.5)).members()
    document = json.loads(members["logistic.json"])
    for name in ("l1", "penalty_found_by", "estimates", "cross_validation"):
        del document[name]
    old = learner.load(members | {"logistic.json": json.dumps(document).encode()})
    assert isinstance(old, LinearModel)
    assert (old.penalty.l1, old.penalty.l2, old.estimates) == (0.0, 0.5, None)


@pytest.mark.parametrize("weighted", [False, True])
def test_standard_errors_are_those_of_the_features_own_units(weighted: bool) -> None:
    x, y, offset = drawn(6)
    weight = np.random.default_rng(7).uniform(0.5, 2, len(y)) if weighted else None
    settings = Settings(l2=0.0, estimates=True)
    fitted = get_learner("logistic").fit(rows(x, y, offset, weight), settings)
    assert isinstance(fitted, LinearModel)
    assert fitted.estimates is not None
    shown = fitted.estimates["coefficients"]
    # The same in raw units from the start: the fit by Newton, the variance by its formula.
    z, w = np.column_stack([np.ones(len(y)), x]), np.ones(len(y)) if weight is None else weight
    found = np.zeros(4)
    for _ in range(30):
        q = 1 / (1 + np.exp(-(z @ found + offset)))
        inverse = np.linalg.inv((z * (w * q * (1 - q))[:, None]).T @ z)
        step = inverse @ z.T @ (w * (y - q))
        found = found + step / max(1.0, np.abs(step).max() / 2)
    leverage = w * q * (1 - q) * np.einsum("ij,jk,ik->i", z, inverse, z)
    score = z * (w * (y - q) / np.sqrt(1 - leverage))[:, None]
    variance = inverse @ (score.T @ score) @ inverse if weighted else inverse
    assert fitted.estimates["variance"] == ("sandwich" if weighted else "model")
    assert [row["name"] for row in shown] == ["intercept", "x0", "x1", "x2"]
    assert [row["coefficient"] for row in shown] == pytest.approx(found, rel=1e-5)
    errors = [row["standard_error"] for row in shown]
    assert errors == pytest.approx(np.sqrt(np.diag(variance)), rel=1e-4)


def test_robust_is_the_sandwich_with_or_without_weights_of_one() -> None:
    x, y, offset = drawn(8)
    fits = [
        get_learner("logistic").fit(rows(x, y, offset, weight), settings)
        for weight, settings in (
            (None, Settings(estimates=True, robust=True)),
            (np.ones(len(y)), Settings(estimates=True)),
        )
    ]
    assert fits[0].members() == fits[1].members()


def test_how_far_a_ridge_draws_coefficients_is_told() -> None:
    x, y, offset = drawn(15)
    free, held = (
        get_learner("logistic").fit(rows(x, y, offset), Settings(l2=l2, estimates=True))
        for l2 in (0.0, 2.0)
    )
    assert isinstance(free, LinearModel)
    assert isinstance(held, LinearModel)
    assert free.estimates is not None
    assert held.estimates is not None
    assert free.estimates["largest_shrinkage"] == 0
    errors = [row["standardised"]["standard_error"] for row in held.estimates["coefficients"]]
    found = np.append(free.intercept, free.slopes) - np.append(held.intercept, held.slopes)
    # To first order in a penalty that is 1% of the information.
    drawn_by = np.abs(found / errors).max()
    assert held.estimates["largest_shrinkage"] == pytest.approx(drawn_by, rel=0.05)


def elastic_net(
    x: np.ndarray, y: np.ndarray, offset: np.ndarray, weight: np.ndarray, l1: float, l2: float
) -> np.ndarray:
    """scipy's maximum, of standardised features: intercept and slopes, shape (1 + d,)."""
    z = np.column_stack([np.ones(len(y)), (x - x.mean(0)) / x.std(0)])
    end = z.shape[1]

    # Each slope as the difference of two numbers of 0 or more, whose sum is its absolute value.
    def loss(parts: np.ndarray) -> tuple[float, np.ndarray]:
        beta = np.append(parts[:1], parts[1:end] - parts[end:])
        eta = z @ beta + offset
        value = weight @ (np.logaddexp(0, eta) - y * eta)
        value += l1 * parts[1:].sum() + l2 / 2 * beta[1:] @ beta[1:]
        gradient = z.T @ (weight * (1 / (1 + np.exp(-eta)) - y))
        slopes = gradient[1:] + l2 * beta[1:]
        return float(value), np.concatenate([gradient[:1], slopes + l1, -slopes + l1])

    bounds = [(None, None)] + [(0, None)] * (2 * end - 2)
    options = {"ftol": 0.0, "gtol": 1e-9, "maxiter": 100_000, "maxfun": 1_000_000}
    best = minimize(
        loss, np.zeros(len(bounds)), jac=True, method="L-BFGS-B", bounds=bounds, options=options
    ).x
    return np.append(best[:1], best[1:end] - best[end:])


@pytest.mark.parametrize(("l1", "l2"), [(3.0, 0.0), (20.0, 5.0), (60.0, 0.0)])
def test_lasso_and_elastic_net_are_scipys(l1: float, l2: float) -> None:
    x, y, offset = drawn(9)
    x = np.column_stack([x, np.random.default_rng(10).standard_normal((len(y), 3))])
    weight = np.random.default_rng(2).uniform(0.5, 2, len(y))
    settings = Settings(l1=l1, l2=l2, estimates=True)
    fitted = get_learner("logistic").fit(rows(x, y, offset, weight), settings)
    assert isinstance(fitted, LinearModel)
    intercept, *slopes = elastic_net(x, y, offset, weight, l1, l2)
    assert fitted.intercept == pytest.approx(intercept, abs=1e-3)
    assert fitted.slopes == pytest.approx(slopes, abs=1e-3)
    assert ((fitted.slopes == 0) == (np.abs(slopes) < 1e-4)).all()
    assert fitted.summary()["slopes_not_zero"] == int((np.abs(slopes) >= 1e-4).sum())
    # What a penalty selected has no valid standard errors: none are there to be misread.
    assert fitted.estimates is not None
    assert fitted.estimates["variance"] == "none"
    assert all(
        set(row) == {"name", "coefficient", "standardised"}
        for row in fitted.estimates["coefficients"]
    )


def test_without_a_penalty_what_is_not_determined_is_named() -> None:
    x, y, offset = drawn(11)
    learner = get_learner("logistic")
    twice = np.column_stack([x, 2 * x[:, 1] - 1])
    with pytest.raises(FitError, match=r"'x1', 'x3' are collinear"):
        learner.fit(rows(twice, y, offset), Settings(l2=0.0))
    wide = np.random.default_rng(12).standard_normal((60, 80))
    with pytest.raises(FitError, match="60 rows for 81 coefficients"):
        learner.fit(rows(wide, y[:60], offset[:60]), Settings(l2=0.0))
    # A group without positives, in which the best log odds are minus infinity.
    group = (np.arange(len(y)) < 40).astype(float)
    with pytest.raises(FitError, match="separated by 'x3'"):
        learner.fit(rows(np.column_stack([x, group]), y & (group == 0), offset), Settings(l2=0.0))
    for settings in (Settings(), Settings(l1=1.0), Settings(l2=5.0)):
        fitted = learner.fit(rows(twice, y, offset), settings)
        assert np.isfinite(fitted.log_odds(rows(twice, y, offset).columns, None)).all()


def test_positives_with_certain_offsets_are_no_separation() -> None:
    # At a tiny floor offsets reach 700: those positives tell nothing, and the others decide.
    x, y, offset = drawn(13)
    certain = offset + np.where(y & (np.arange(len(y)) % 5 == 0), 700.0, 0.0)
    fitted = get_learner("logistic").fit(rows(x, y, certain), Settings(l2=0.0))
    assert isinstance(fitted, LinearModel)
    others = certain < 600
    plain = get_learner("logistic").fit(
        rows(x[others], y[others], offset[others]), Settings(l2=0.0)
    )
    assert isinstance(plain, LinearModel)
    same = rows(x, y, offset).columns
    assert fitted.log_odds(same, None) == pytest.approx(plain.log_odds(same, None), abs=1e-5)


def test_offsets_that_decide_every_class_are_refused() -> None:
    x, y, _ = drawn(14)
    for settings in (Settings(), Settings(l2=0.0), Settings(l1=1.0), Settings(cross_validate="l2")):
        with pytest.raises(FitError, match=r"the offsets, -300 to 300, decide"):
            get_learner("logistic").fit(rows(x, y, np.where(y, 300.0, -300.0)), settings)


@pytest.mark.parametrize(
    ("how", "l1"), [("whole", 0.001), ("whole", 0.1), ("group", 0.01), ("group", 0.1)]
)
def test_separable_classes_have_a_lasso(how: str, l1: float) -> None:
    # One feature tells the classes apart, or one group has no positives: the likelihood rises for
    # ever, and the penalty alone keeps the slope finite.
    generator = np.random.default_rng(1)
    x, y = generator.standard_normal((400, 3)), generator.random(400) < 0.1
    if how == "whole":
        x[:, 2] = np.where(y, 5 + np.abs(x[:, 2]), -np.abs(x[:, 2]))
    else:
        x[:, 2] = generator.random(400) < 0.1
        y &= x[:, 2] == 0
    none, one = np.zeros(400), np.ones(400)
    fitted = get_learner("logistic").fit(rows(x, y, none), Settings(l1=l1))
    assert isinstance(fitted, LinearModel)
    found = np.append(fitted.intercept, fitted.slopes)
    assert found == pytest.approx(elastic_net(x, y, none, one, l1, 0.0), abs=1e-3)


def test_a_part_of_the_rows_keeps_their_clusters() -> None:
    x, y, offset = drawn(6)
    codes = np.arange(len(y)) // 4
    some = np.arange(len(y)) % 8 < 5  # four rows of every other cluster, one of each between
    part = replace(rows(x, y, offset), cluster=codes).take(some)
    fitted = get_learner("logistic").fit(part, Settings(estimates=True))
    assert isinstance(fitted, LinearModel)
    assert fitted.estimates is not None
    assert fitted.estimates["variance"] == "sandwich"
    assert fitted.estimates["clusters"] == {
        "all": len(y) // 4,
        "positives": len(set(codes[some & y])),
        "negatives": len(set(codes[some & ~y])),
    }
