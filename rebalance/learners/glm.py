"""The penalised likelihood of a logistic regression with an offset, maximised by glum.

What glum returns is checked here: it stops without a word where nothing moves any more.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rebalance.core.collinearity import dependent
from rebalance.core.correction import probability, shift_to
from rebalance.core.inference import information, newton_step
from rebalance.errors import FitError
from rebalance.learners.separation import VANISHED, by_size, separating

Floats = NDArray[np.float64]

# glum's own default, 1e-4, stops early on rare classes, without a warning.
GRADIENT_TOLERANCE = 1e-9
# On a path, and for l1, whose inner steps converge slowly: in gradients that a step of one standard
# error has, a hundredth of what is checked afterwards.
PATH_TOLERANCE = 1e-5
MAX_ITERATIONS = 200
MAX_INNER_ITERATIONS = 1000
# Of a step of one standard error: far below anything the data can tell.
LARGEST_EXCESS = 1e-3
# Newton steps after which one must have vanished at a maximum.
LAST_STEPS = 5
# Of the information of the rarer class's rows, so little is left where offsets decide all classes.
UNDECIDED = 1e-6
NAMED = 4


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread: sums in another order would make coefficients depend on the machine.

    Only libraries that are loaded already are limited, so all of them are loaded first.
    """
    import glum  # noqa: F401
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


@dataclass(frozen=True)
class Penalty:
    """l1 per |slope| and l2 / 2 per squared slope; the intercept has none."""

    l1: float
    l2: float

    @property
    def none(self) -> bool:
        """Whether the likelihood alone is maximised."""
        return self.l1 == 0 and self.l2 == 0

    def diagonal(self, count: int) -> Floats:
        """l2 of every coefficient, the intercept's 0 first, shape (count,)."""
        found = np.full(count, self.l2)
        found[0] = 0.0
        return found


@dataclass(frozen=True)
class Problem:
    """What is maximised:  sum w [y eta - log(1 + exp(eta))] - penalty,  eta = z'b + offset.

    z : shape (n, d), its first column all ones: glum's own intercept breaks on a single feature
        with a start. names : of the columns of z.
    y_true, offset, weight : shape (n,).
    """

    z: Floats
    names: Sequence[str]
    y_true: NDArray[np.bool_]
    offset: Floats
    weight: Floats

    def part(self, mask: NDArray[np.bool_]) -> Problem:
        """The rows where `mask` is true."""
        return Problem(
            self.z[mask], self.names, self.y_true[mask], self.offset[mask], self.weight[mask]
        )

    def eta(self, coefficients: Floats) -> Floats:
        """The log odds of every row, offset included, shape (n,)."""
        return np.asarray(self.z @ coefficients + self.offset, dtype=np.float64)

    def gradient(self, coefficients: Floats) -> Floats:
        """The first derivatives of the likelihood without the penalty, shape (d,)."""
        residual = self.y_true - probability(self.eta(coefficients))
        return np.asarray(self.z.T @ (self.weight * residual), dtype=np.float64)

    def start(self) -> Floats:
        """The intercept that fits alone, shape (d,): from zero a step can overshoot an offset.

        Raises
        ------
        FitError : a class has no weight, or offsets leave nothing to fit.
        """
        if self.rarer <= 0:
            raise FitError(
                "a class has no weight in the rows to fit",
                remedy="give both classes some weight",
            )
        target = float(self.weight[self.y_true].sum())
        found = np.zeros(self.z.shape[1])
        found[0] = shift_to(self.offset, self.weight, target)
        if self.information_left(found) < UNDECIDED * self.rarer:
            raise FitError(
                f"the offsets, {self.offset.min():.4g} to {self.offset.max():.4g}, decide the "
                "class of every row: no coefficient can move that",
                remedy="draw the sample with a higher --floor, or --method uniform",
            )
        return found

    @cached_property
    def rarer(self) -> float:
        """The weight of the class that has less of it."""
        return min(float(self.weight[self.y_true == value].sum()) for value in (True, False))

    @cached_property
    def spread(self) -> Floats:
        """The standard deviation of every column of z, 1 for a constant one, shape (d,)."""
        share = self.weight / self.weight.sum()
        mean = share @ self.z
        variance = np.einsum("i,ij,ij->j", share, self.z, self.z) - mean**2
        return np.where(variance > 1e-12, np.sqrt(np.maximum(variance, 0)), 1.0)

    def information_left(self, coefficients: Floats) -> float:
        """sum w q (1 - q)."""
        q = probability(self.eta(coefficients))
        return float(self.weight @ (q * (1 - q)))


@dataclass(frozen=True)
class Maximum:
    """Where a likelihood is highest: the coefficients, intercept first, and glum's iterations."""

    coefficients: Floats
    iterations: int


def maximise(problem: Problem, penalty: Penalty, start: Floats | None = None) -> Maximum:
    """Find the maximum from the one of a penalty near by, or from the intercept that fits alone.

    Raises
    ------
    FitError : no convergence; offsets that decide everything; or, without a penalty, columns that
        say the same thing or classes that can be separated.
    """
    tolerance = GRADIENT_TOLERANCE
    if start is not None or penalty.l1:
        tolerance = PATH_TOLERANCE * problem.rarer**0.5 / problem.weight.sum()
    if start is None:
        start = problem.start()
    if penalty.none:
        _check_columns(problem)
    best = _solve(problem, penalty, start, tolerance)
    if penalty.l1 and _excess(problem, penalty, best.coefficients) > LARGEST_EXCESS:
        # Classes that can be separated leave little information, and a standard error's gradient
        # is far smaller than the rarer class's weight lets one expect.
        tolerance = PATH_TOLERANCE * _unit(problem, best.coefficients) / problem.weight.sum()
        again = _solve(problem, penalty, best.coefficients, tolerance)
        best = Maximum(again.coefficients, best.iterations + again.iterations)
        if _excess(problem, penalty, best.coefficients) > LARGEST_EXCESS:
            apart = separating(problem, problem.start())
            if apart is not None:
                raise _separable(by_size(problem, apart))
    _check(problem, penalty, best.coefficients)
    return best


def _solve(problem: Problem, penalty: Penalty, start: Floats, tolerance: float) -> Maximum:
    """What glum finds from a start, up to a gradient over the weights' sum."""
    from glum import GeneralizedLinearRegressor

    count = problem.z.shape[1]
    l1 = np.full(count, 2 * penalty.l1)
    l1[0] = 0.0
    solver = GeneralizedLinearRegressor(
        family="binomial",
        fit_intercept=False,
        # glum divides the likelihood by the weights' sum, and halves both penalties at this ratio.
        alpha=1.0 / problem.weight.sum(),
        l1_ratio=0.5 if penalty.l1 else 0.0,
        P1=l1 if penalty.l1 else "identity",
        P2=penalty.diagonal(count) * (2 if penalty.l1 else 1),
        solver="irls-cd" if penalty.l1 else "irls-ls",
        gradient_tol=tolerance,
        max_iter=MAX_ITERATIONS,
        max_inner_iter=MAX_INNER_ITERATIONS,
        # glum scales the columns, and without its own intercept forgets to scale the start.
        start_params=start * problem.spread,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            solver.fit(
                problem.z,
                problem.y_true.astype(np.float64),
                sample_weight=problem.weight,
                offset=problem.offset,
            )
        except (ValueError, np.linalg.LinAlgError) as exc:
            apart = separating(problem, start) if penalty.none else None
            if apart is not None:
                raise _separable(by_size(problem, apart)) from exc
            raise _no_fit(str(exc).splitlines()[0]) from exc
    found = np.asarray(solver.coef_, dtype=np.float64)
    if not np.isfinite(problem.eta(found)).all():
        raise _no_fit("the coefficients are not finite")
    return Maximum(found, int(solver.n_iter_))


def _check_columns(problem: Problem) -> None:
    """Without a penalty, columns that say the same thing have no single best coefficients."""
    counted = problem.weight > 0
    same = dependent((problem.z if counted.all() else problem.z[counted])[:, 1:])
    if not same:
        return
    rows, count = int(counted.sum()), len(problem.names)
    named = ", ".join(f"'{problem.names[1 + at]}'" for at in same[:NAMED])
    more = f" and {len(same) - NAMED} more" if len(same) > NAMED else ""
    what = f"the columns {named}{more} are collinear" if same[1:] else f"{named} does not vary"
    if rows < count:
        what = f"there are {rows:,} rows for {count:,} coefficients"
    raise FitError(
        f"{what}: without a penalty nothing determines them",
        remedy="give a penalty, for example --l2 0.01, or leave columns out with --drop",
    )


def _check(problem: Problem, penalty: Penalty, found: Floats) -> None:
    """The conditions of a maximum (Karush, Kuhn and Tucker), to a thousandth of a standard error.

    Raises
    ------
    FitError : they do not hold.
    """
    if penalty.none:
        _check_bounded(problem, found)
    excess = _excess(problem, penalty, found)
    if excess > LARGEST_EXCESS:
        raise _no_fit(f"the gradient is still {excess * _unit(problem, found):.3g}")


def _excess(problem: Problem, penalty: Penalty, found: Floats) -> float:
    """The largest gradient beyond what the penalty balances, in steps of one standard error."""
    gradient = problem.gradient(found) - penalty.diagonal(len(found)) * found
    l1 = np.full(len(found), penalty.l1)
    l1[0] = 0.0
    excess = np.where(
        found == 0, np.maximum(np.abs(gradient) - l1, 0), np.abs(gradient - l1 * np.sign(found))
    )
    return float(excess.max() / _unit(problem, found))


def _unit(problem: Problem, found: Floats) -> float:
    """The gradient that a step of one standard error has, about sqrt(sum w p (1 - p))."""
    residual = problem.weight * (problem.y_true - probability(problem.eta(found)))
    return max(float(np.sqrt(np.abs(residual).sum())), 1e-8)


def _check_bounded(problem: Problem, found: Floats) -> None:
    """Look whether the likelihood has a maximum here, or rises for ever and was left on the way.

    At a maximum Newton's next steps vanish. Where classes can be separated, wholly or in a part of
    the rows, each step moves those rows' log odds by about 1, however small the gradient is: the
    test does not depend on the size of coefficients, offsets or features.

    Raises
    ------
    FitError : there is no maximum.
    """
    at = found
    for _ in range(LAST_STEPS):
        own = information(problem.z, problem.eta(at), problem.weight)
        try:
            step = newton_step(own, problem.gradient(at))
        except np.linalg.LinAlgError:
            apart = separating(problem, problem.start())
            by = by_size(problem, apart) if apart is not None else []
            raise _separable(by) from None
        if np.abs(problem.z @ step).max() < VANISHED:
            return
        at = at + step
    raise _separable(by_size(problem, step))


def _separable(by: Sequence[str]) -> FitError:
    named = " by " + ", ".join(f"'{name}'" for name in by[:NAMED]) if by else ""
    return FitError(
        f"the classes can be separated{named}: the best coefficients are infinite, or all but so",
        remedy="give a penalty, or a larger one, for example --l2 0.01, or drop the column that "
        "gives it away",
    )


def _no_fit(reason: str) -> FitError:
    return FitError(
        f"the logistic fit did not converge: {reason}",
        remedy="give a larger penalty (--l2 1, or a larger --l1), or drop columns that say the "
        "same thing or give the label away",
    )
