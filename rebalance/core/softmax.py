"""Multinomial logistic regression with offsets and a ridge, by Newton's method.

With s_ik = a_k + z_i'b_k + o_ik, minimises

    sum_i w_i [log sum_k exp(s_ik) - s_i,y_i] + l2 sum_k ||b_k||^2

The penalty of two classes is that of one slope b_1 - b_0 in logistic regression, l2/2 ||b||^2.
Newton steps are solved by conjugate gradients, preconditioned by each class's own block of the
Hessian (Nocedal and Wright 2006, algorithm 7.1), and searched along until the slope is small.
Where that takes many passes over the rows, and the Hessian of all classes is small, it is formed.
Memory stays that of the rows times the classes, see `softmax_bytes`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

MAX_STEPS = 100
_INNER = 200
# g'H^-1 g is the squared distance from the optimum in standard errors.
_DECREMENT = 1e-13
_SEARCHES = 20
_SLOPE = 0.3
_BLOCK = 1 << 16
_MANY, _FEW_COLUMNS = 64, 64  # one product over all classes then, not one for each
_BLOCK_COLUMNS = 320  # beyond, a block of the Hessian costs more than it saves
_SCALED = 1 << 19  # numbers at a time that are made for it
_WHOLE = 1_024  # coefficients of which the Hessian is formed, of 8 MB at the most
_PER_PASS = 6  # coefficients: it takes at the most as long as one pass for each so many


def softmax_bytes(rows: int, classes: int, columns: int) -> int:
    """The memory that a fit takes at the most, without that of the rows' own columns.

    Probabilities at three points and offsets of each row; and for each class its block of the
    Hessian, with what inverting it takes, or its diagonal.
    """
    width = columns + 1
    blocks = 4 * width**2 if width <= _BLOCK_COLUMNS else 0
    whole = (classes * width) ** 2 if classes * width <= _WHOLE else 0
    return 8 * (classes * (4 * rows + blocks + 12 * width) + whole)


@dataclass(frozen=True)
class Fit:
    """What was found.

    coefficients : shape (1 + d, K), intercepts first, which sum to 0; so do slopes over classes.
    gradient : the largest element of the gradient left. spread : its scale, see `_spread`.
    moved : how far one more Newton step moves the scores of the row that it moves most.
    """

    coefficients: Floats
    steps: int
    gradient: float
    spread: float
    moved: float


def fit_softmax(
    z: Floats, codes: Codes, offset: Floats, sample_weight: Floats | None, l2: float
) -> Fit:
    """Find the minimum from the intercepts that fit alone.

    Parameters
    ----------
    z : shape (n, d), without a column for the intercept. codes : shape (n,), 0 to K - 1; every
        class has a row with weight. offset : shape (n, K).

    >>> fit = fit_softmax(np.zeros((3, 0)), np.array([0, 0, 1]), np.zeros((3, 2)), None, 0.0)
    >>> round(float(np.exp(fit.coefficients[0, 0] - fit.coefficients[0, 1])), 9)
    2.0
    """
    problem = _Problem(z, codes, offset, sample_weight, l2)
    at = problem.point(problem.start())
    steps = 0
    for steps in range(1, MAX_STEPS + 1):  # noqa: B007
        step = problem.newton_step(at.gradient, at.prob)
        decrement = -float((at.gradient * step).sum())
        if not decrement > _DECREMENT:
            break
        ahead = _search(problem, at, step, decrement)
        if ahead is None:
            break
        at = ahead
    return Fit(
        at.place - at.place.mean(axis=1, keepdims=True),
        steps,
        float(np.abs(at.gradient).max()),
        problem.spread(at.prob),
        problem.moved(problem.newton_step(at.gradient, at.prob)),
    )


@dataclass(frozen=True)
class _Point:
    """Coefficients, and the objective, its gradient and the classes' probabilities there."""

    place: Floats
    value: float
    gradient: Floats
    prob: Floats


def _search(problem: _Problem, at: _Point, step: Floats, decrement: float) -> _Point | None:
    """The point along a step where the slope is small against that at its start.

    Far from the optimum a whole step may end where every probability is 0 or 1 and nothing bends;
    or, where classes are almost separated, be far too short.
    """
    low, high = 0.0, np.inf
    length = 1.0
    best = None
    for _ in range(_SEARCHES):
        trial = problem.point(at.place + length * step)
        slope = float((trial.gradient * step).sum())
        # At the end, values differ by less than their rounding.
        lower = trial.value <= at.value - 1e-4 * length * decrement + 1e-13 * abs(at.value)
        if lower and (best is None or trial.value <= best.value):
            best = trial
        if lower and abs(slope) <= _SLOPE * decrement:
            break
        if lower and slope < 0:
            low = length
        else:
            high = length
        length = 2 * low if np.isinf(high) else 0.5 * (low + high) if low else 0.25 * high
    return best


class _Problem:
    """The objective and what its minimisation needs; prob has shape (n, K).

    Work goes on in blocks of rows that stay in the processor's cache.
    """

    def __init__(
        self, z: Floats, codes: Codes, offset: Floats, sample_weight: Floats | None, l2: float
    ) -> None:
        self._z = np.column_stack([np.ones(len(codes)), z])
        # The same for every row, it stays in the memory of one.
        self._offset = offset if offset.strides[0] == 0 else np.ascontiguousarray(offset)
        self._weight = np.ones(len(codes)) if sample_weight is None else sample_weight
        self._codes = codes
        self._ridge = np.full((self._z.shape[1], 1), 2.0 * l2)
        self._ridge[0] = 0.0
        size = max(_BLOCK // offset.shape[1], 256)
        coefficients = self._z.shape[1] * offset.shape[1]
        self._patience = coefficients / _PER_PASS if coefficients <= _WHOLE else float("inf")
        self._blocks = [slice(at, at + size) for at in range(0, len(codes), size)]

    def point(self, place: Floats) -> _Point:
        """All that is known of these coefficients."""
        value, prob = self.value(place)
        return _Point(place, value, self.gradient(place, prob), prob)

    def start(self) -> Floats:
        """The intercepts that fit alone, by iterative scaling; a Newton step from 0 overshoots."""
        found = np.zeros((self._z.shape[1], self._offset.shape[1]))
        wanted = np.log(np.bincount(self._codes, self._weight, self._offset.shape[1]))
        for _ in range(200):
            _, prob = self.value(found)
            with np.errstate(divide="ignore"):
                move = wanted - np.log(self._weight @ prob)
            found[0] += np.clip(move, -20.0, 20.0)
            if np.abs(move).max() < 1e-3:
                break
        return found

    def value(self, at: Floats) -> tuple[float, Floats]:
        """The objective, and the classes' probabilities."""
        prob = np.empty(self._offset.shape)
        value = 0.5 * float((self._ridge * at**2).sum())
        for rows in self._blocks:
            scores = self._z[rows] @ at
            scores += self._offset[rows]
            scores -= scores.max(axis=1, keepdims=True)
            own = scores[np.arange(len(scores)), self._codes[rows]]
            np.exp(scores, out=scores)
            total = scores.sum(axis=1, keepdims=True)
            np.divide(scores, total, out=prob[rows])
            value += float(self._weight[rows] @ (np.log(total[:, 0]) - own))
        return value, prob

    def gradient(self, at: Floats, prob: Floats) -> Floats:
        """The gradient, shape (1 + d, K)."""
        found = np.asarray(self._ridge * at)
        for rows in self._blocks:
            residual = prob[rows].copy()
            residual[np.arange(len(residual)), self._codes[rows]] -= 1.0
            residual *= self._weight[rows, None]
            found += self._z[rows].T @ residual
        return found

    def newton_step(self, gradient: Floats, prob: Floats) -> Floats:
        """Solve Hessian step = -gradient by preconditioned conjugate gradients."""
        hessian = self._hessian(prob) if self._patience == 0 else None
        precondition = self._preconditioner(prob, hessian)
        step = np.zeros_like(gradient)
        residual = -gradient
        scaled = precondition(residual)
        direction = scaled.copy()
        product = float((residual * scaled).sum())
        first = product
        for passes in range(_INNER):
            if not product > 0:
                break
            if hessian is None and passes >= self._patience:
                # As many passes more would cost more; and later steps will be as hard.
                hessian, self._patience = self._hessian(prob), 0.0
            if hessian is None:
                curved = self._curve(direction, prob)
            else:
                curved = (hessian @ direction.T.ravel()).reshape(direction.T.shape).T
            bend = float((direction * curved).sum())
            if not bend > 0:
                break
            length = product / bend
            step += length * direction
            residual = residual - length * curved
            scaled = precondition(residual)
            before, product = product, float((residual * scaled).sum())
            if product < min(1e-4, first) * first:
                break
            direction = scaled + (product / before) * direction
        return step

    def _curve(self, direction: Floats, prob: Floats) -> Floats:
        """The Hessian times a direction."""
        found = np.asarray(self._ridge * direction)
        for rows in self._blocks:
            moved = self._z[rows] @ direction
            moved -= np.einsum("nk,nk->n", prob[rows], moved)[:, None]
            moved *= prob[rows]
            moved *= self._weight[rows, None]
            found += self._z[rows].T @ moved
        return found

    def _hessian(self, prob: Floats) -> Floats:
        """The Hessian, class by class, shape (K (1 + d), K (1 + d))."""
        z, classes = self._z, prob.shape[1]
        width = z.shape[1]
        found = np.zeros((classes, width, classes, width))
        size = max(_SCALED // (classes * width), 1)
        for start in range(0, len(z), size):
            rows = slice(start, start + size)
            weighted = prob[rows] * self._weight[rows, None]
            for place in range(classes):
                # This class against itself and the later ones, by one product.
                bends = -weighted[:, [place]] * prob[rows, place:]
                bends[:, 0] = weighted[:, place] * (1.0 - prob[rows, place])
                scaled = (bends[:, :, None] * z[rows][:, None, :]).reshape(len(bends), -1)
                found[place, :, place:] += (z[rows].T @ scaled).reshape(width, -1, width)
        for place in range(classes):
            found[place, :, place] += np.diag(self._ridge[:, 0])
            for later in range(place + 1, classes):
                found[later, :, place] = found[place, :, later].T
        return found.reshape(classes * width, classes * width)

    def _preconditioner(self, prob: Floats, hessian: Floats | None) -> _Blocks | _Diagonal:
        z, classes = self._z, prob.shape[1]
        if hessian is not None and z.shape[1] <= _BLOCK_COLUMNS:
            whole = hessian.reshape(classes, z.shape[1], classes, z.shape[1])
            return _Blocks(np.array([whole[place, :, place] for place in range(classes)]))
        if z.shape[1] > _BLOCK_COLUMNS:
            bends = prob * (1.0 - prob) * self._weight[:, None]
            return _Diagonal((z**2).T @ bends + self._ridge)
        blocks = np.zeros((classes, z.shape[1], z.shape[1]))
        for rows in self._blocks:
            bends = prob[rows] * (1.0 - prob[rows]) * self._weight[rows, None]
            if classes > _MANY and z.shape[1] <= _FEW_COLUMNS:
                products = (z[rows][:, :, None] * z[rows][:, None, :]).reshape(len(bends), -1)
                blocks += (bends.T @ products).reshape(blocks.shape)
                continue
            for place in range(classes):
                blocks[place] += (z[rows] * bends[:, [place]]).T @ z[rows]
        return _Blocks(blocks + np.diag(self._ridge[:, 0]))

    def spread(self, prob: Floats) -> float:
        """A step of one standard error has a gradient of about sqrt(sum w |y - p|)."""
        own = prob[np.arange(len(self._codes)), self._codes]
        return float(np.sqrt(self._weight @ (1.0 - own)))

    def moved(self, step: Floats) -> float:
        """How far a step moves the log probability, up to a constant, of the row it moves most."""
        found = 0.0
        for rows in self._blocks:
            scores = self._z[rows] @ step
            scores -= scores.mean(axis=1, keepdims=True)
            found = max(found, float(np.abs(scores).max()))
        return found


class _Blocks:
    """Each class's own block of the Hessian, inverted."""

    def __init__(self, blocks: Floats) -> None:
        # No step is made where columns say the same thing and nothing bends.
        self._inverse = np.linalg.pinv(blocks, rcond=1e-10, hermitian=True)

    def __call__(self, vector: Floats) -> Floats:
        return np.asarray(np.einsum("kij,jk->ik", self._inverse, vector))


class _Diagonal:
    """The diagonal of the Hessian, inverted."""

    def __init__(self, diagonal: Floats) -> None:
        self._diagonal = np.maximum(diagonal, 1e-12 * diagonal.max())

    def __call__(self, vector: Floats) -> Floats:
        return np.asarray(vector / self._diagonal)
