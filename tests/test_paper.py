"""What `make paper` stands on: the fit, the draws, the predicted efficiency, the page."""

from __future__ import annotations

import numpy as np
import pytest
from glum import GeneralizedLinearRegressor

from tests.benchmarks.paper.__main__ import PAGE, run
from tests.benchmarks.paper.estimators import METHODS, PILOTS, PREDICTED, SOURCES, replicate
from tests.benchmarks.paper.information import Formulas, Plan
from tests.benchmarks.paper.newton import fit
from tests.benchmarks.paper.picture import picture
from tests.benchmarks.paper.populations import CASES, Population, draw
from tests.benchmarks.paper.results import log_ratio
from tests.benchmarks.paper.sampling import designs, draw_pilot, draw_samples, log_scores
from tests.benchmarks.paper.tables import tables

ROWS = 40_000
BUDGETS = (300, 600)


@pytest.fixture(scope="module")
def population() -> Population:
    return draw(CASES[0], ROWS, np.random.default_rng(3))


def test_the_fit_finds_the_optimum_that_glum_finds() -> None:
    generator = np.random.default_rng(1)
    z = np.column_stack([np.ones(2000), generator.standard_normal((2000, 3))])
    y = (generator.random(2000) < 0.1).astype(float)
    shift, weight = generator.normal(2, 1, 2000), generator.exponential(3, 2000)
    solver = GeneralizedLinearRegressor(
        family="binomial", fit_intercept=False, alpha=0, gradient_tol=1e-10, max_iter=1000
    )
    for given in ({}, {"offset": shift}, {"sample_weight": weight}):
        solver.fit(z, y, **given)
        found = fit(
            z, y, np.zeros(4), offset=given.get("offset"), weight=given.get("sample_weight")
        )
        np.testing.assert_allclose(found, solver.coef_, atol=1e-7)


def test_a_fit_without_an_optimum_says_so() -> None:
    z = np.column_stack([np.ones(6), np.arange(6.0)])
    with pytest.raises(ArithmeticError, match=r"no optimum|no step|singular"):
        fit(z, np.array([0.0, 0, 0, 1, 1, 1]), np.zeros(2))


def test_every_case_makes_rows_as_rare_as_in_the_paper() -> None:
    # The paper's Table of positives: the share is Pr(y = 1); for the exponential case at most
    # exp(-1.8) / 2^6 = 0.00258, for the normal one at most exp(-7.65 + 3.516 / 2) = 0.00276.
    for case in CASES:
        share = (
            np.mean(
                [len(draw(case, ROWS, np.random.default_rng(seed)).positives) for seed in range(4)]
            )
            / ROWS
        )
        assert 0.001 < share < 0.01


def test_pi_sums_to_the_budget_over_all_negatives(population: Population) -> None:
    pilot = draw_pilot(population, np.random.default_rng(4))
    log_t = log_scores(pilot, population.negatives)["a-opt"]
    lengths = np.linalg.norm(
        np.linalg.solve(np.linalg.inv(pilot.inverse), population.negatives.T), axis=0
    )
    p = 1 / (1 + np.exp(-population.negatives @ pilot.coefficients))
    np.testing.assert_allclose(np.exp(log_t), p * lengths, rtol=1e-8)
    for budget, design in zip(BUDGETS, designs("a-opt", log_t, 100, list(BUDGETS)), strict=True):
        pi_0 = design.pi_0(log_t)
        assert pi_0.sum() == pytest.approx(budget, rel=1e-4)
        assert pi_0.min() == pytest.approx(0.1 * budget / len(log_t))


def test_samples_are_the_rows_whose_draw_is_below_pi(population: Population) -> None:
    pilot = draw_pilot(population, np.random.default_rng(4))
    log_t = log_scores(pilot, population.negatives)["probability"]
    uniforms = np.random.default_rng(5).random(len(log_t))
    chosen = designs("probability", log_t, 100, list(BUDGETS))
    for design, sample in zip(
        chosen, draw_samples(chosen, log_t, log_t[:7], uniforms), strict=True
    ):
        pi_0 = design.pi_0(log_t)
        np.testing.assert_array_equal(sample.kept, np.flatnonzero(uniforms < pi_0))
        np.testing.assert_array_equal(sample.pi_0_negatives, pi_0[sample.kept])
        wanted = -np.log(np.concatenate([pi_0[:7], pi_0[sample.kept]]))
        np.testing.assert_allclose(sample.offset, wanted, rtol=1e-12)
        np.testing.assert_allclose(sample.weight[7:], 1 / pi_0[sample.kept])


def test_the_efficiency_of_an_intercept_is_that_worked_out_by_hand() -> None:
    # With p and pi the same for all rows both formulas come to pi / (p + (1 - p) pi):
    # 0.1 / (0.02 + 0.98 * 0.1) = 0.8475.
    ones = Population(np.ones((20, 1)), np.ones((980, 1)))
    found = Formulas(ones, np.log([0.02 / 0.98]), 10).of(np.full(1, 0.1))
    np.testing.assert_allclose(found, [0.1 / 0.118] * 2)


def test_a_plan_says_what_the_formulas_do(population: Population) -> None:
    """Some 100 positives stand for the table, and 5,000 negatives: their slopes, of -1, have errors
    of .2, and efficiencies of a tenth or so; with few rows and weights the formulas fail.
    """
    generator = np.random.default_rng(8)
    pilot = draw_pilot(population, generator)
    plan, formulas = Plan(population, pilot, generator), Formulas(population, CASES[0].truth, 1)
    np.testing.assert_allclose(plan.of(np.full(1, 0.2)), formulas.of(np.full(1, 0.2)), rtol=0.2)
    few = np.full(1, 0.02)
    assert plan.of(few)[1] == pytest.approx(formulas.of(few)[1], rel=0.2)
    assert plan.of(few)[0] < formulas.of(few)[0]


def test_a_paired_ratio_has_no_error_where_one_is_a_multiple_of_the_other() -> None:
    found = log_ratio(np.array([2.0, 4, 6]), np.array([1.0, 2, 3]))
    assert found.log_ratio == pytest.approx(np.log(2))
    assert found.error == pytest.approx(0, abs=1e-15)
    # Means 2 and 2; deviations (1 - 3) / 2 and (3 - 1) / 2: their SD is sqrt(2), over sqrt(2) is 1.
    assert log_ratio(np.array([1.0, 3]), np.array([3.0, 1])).error == pytest.approx(1)


def test_a_small_run_fills_every_table_and_draws_one_picture() -> None:
    results = run(2, ROWS, BUDGETS, processes=2)
    shape = (len(CASES), 2, len(PILOTS), len(METHODS), len(BUDGETS))
    assert results.estimates.shape == (*shape, 7)
    assert np.isfinite(results.estimates).all()
    again = replicate(1, 1, ROWS, BUDGETS)
    np.testing.assert_array_equal(results.estimates[1, 1], again.estimates)
    full = results.estimates[:, :, :, METHODS.index("full")]
    # The population has some 100 positives: coefficients of -1 with errors well below 1.
    assert np.abs(np.median(full[..., 1:], axis=(1, 2, 3, 4)) + 1).max() < 0.5
    negatives = results.kept[:, :, :, 1:, :, 0]
    # Poisson draws about the budgets; the combined estimator has the pilot's 100 as well.
    spread = np.sqrt(np.array(BUDGETS))
    assert (np.abs(negatives[:, :, :, :-1] - BUDGETS) < 5 * spread).all()
    assert (negatives[:, :, :, -1] > BUDGETS - 5 * spread + 50).all()
    predicted = results.predicted
    assert predicted.shape == (len(CASES), 2, len(SOURCES), len(PREDICTED), len(BUDGETS))
    assert ((predicted[:, 0] > 0) & (predicted[:, 0] <= 1)).all()
    assert np.isnan(predicted[:, 1]).all()  # not one of those that are planned
    drawn = picture(results)
    assert drawn == picture(results)
    text = PAGE.read_text()
    for name, table in tables(results).items():
        assert "nan" not in table
        assert f"<!-- {name} -->\n" in text
        assert f"<!-- end of {name} -->" in text
