"""The design of a sample of many classes: with which probability a row of each class is kept.

    pi_k(x) = min(max(A R_k + (1 - A) c_k t_k(x), floor_k), 1),    t_k(x) = 1 - p~_k(x)

R_k is class k's budget over its N_k rows, p~ the pilot's probabilities, A the share of uniform
sampling (`mix`); c_k solves sum pi_k(x_i) = budget over all rows of class k. The rows of a class
that the pilot is sure of say little; with two classes of which one is kept whole this is t = p~.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebalance.core.classes import Classes, listed, log_softmax, repeated
from rebalance.core.described import read_document
from rebalance.core.design import RANDOM_OVER, UNIFORM
from rebalance.core.known import Knowable
from rebalance.errors import UsageError

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

FLOOR_SHARE = 0.1
WIDEST = 1_000  # classes, of which a sample's rows carry log pi_k: 8 KB a row
WAYS = (
    "give each class its own rate, --rate a=0.1,b=0.02 (those not named are kept whole), "
    "--ratio K, at most K rows of a class for each row of the rarest, or --rows N, spread evenly "
    "over the classes"
)

UNKNOWN_REMEDY = (
    "thin each class instead, --method uniform or nonuniform, whose probabilities are known; or "
    "calibrate the class that matters, 'rebalance correct --probability COLUMN -l LABEL --positive "
    "CLASS --calibrate-on TABLE'"
)


@dataclass(frozen=True)
class ClassBudget:
    """How many rows to keep of each class, said in one of three ways.

    rates : the share kept by class; those not named are kept whole.
    rows : the expected number in all, as equal over the classes as their sizes allow.
    ratio : at most so many rows of each class for each row of the rarest, which is kept whole.
    """

    rates: Mapping[str, float] | None = None
    rows: int | None = None
    ratio: float | None = None

    def solve(self, classes: Classes, counts: Sequence[int]) -> tuple[float, ...]:
        """The share kept of each class, in the order of the classes.

        Raises
        ------
        UsageError : a class named is not there; there are not so many rows, or too few are asked;
            a ratio below 1.

        >>> ClassBudget(ratio=2).solve(Classes("y", ("a", "b", "c")), [100, 10, 40])
        (0.2, 1.0, 0.5)
        """
        if self.rates is not None:
            classes.require(self.rates, "--rate")
            return tuple(self.rates.get(value, 1.0) for value in classes.values)
        if self.ratio is not None:
            if self.ratio < 1:
                raise UsageError(
                    f"--ratio {self.ratio:g} is below 1, and each class has as many rows as the "
                    "rarest at least",
                    remedy="give 1 or more, or each class its own --rate a=0.1,b=0.02",
                )
            level = self.ratio * min((count for count in counts if count), default=0)
            return tuple(min(1.0, level / max(count, 1)) for count in counts)
        rows, total = self.rows or 0, sum(counts)
        if not len(classes) <= rows <= total:
            raise UsageError(
                f"--rows {rows} is "
                + (f"more than the {total:,} there are" if rows > total else "below one a class"),
                remedy=f"ask for {len(classes)} to {total}",
            )
        return tuple(
            budget / count for budget, count in zip(spread(rows, counts), counts, strict=True)
        )


def spread(rows: float, counts: Sequence[int]) -> list[float]:
    """Rows for each class, equally many, but no more than a class has; they sum to `rows`.

    >>> spread(100, [10, 500, 80])
    [10.0, 45.0, 45.0]
    """
    budget = [0.0] * len(counts)
    left = float(rows)
    order = sorted(range(len(counts)), key=lambda place: (counts[place], place))
    for done, place in enumerate(order):
        budget[place] = min(float(counts[place]), left / (len(order) - done))
        left -= budget[place]
    return budget


def spread_level(rows: float, counts: Counts) -> float:
    """The number of rows that `spread` gives to each class that has more; inf where none has.

    >>> spread_level(100, np.array([10, 500, 80])), spread_level(600, np.array([10, 500, 80]))
    (45.0, inf)
    """
    ordered = np.sort(counts)
    upto = np.cumsum(ordered)
    larger = np.arange(len(counts) - 1, -1, -1)
    at = int(np.searchsorted(upto + ordered * larger, rows, side="left"))
    if at == len(counts):
        return float("inf")
    return float((rows - (upto[at - 1] if at else 0)) / (larger[at] + 1))


@dataclass(frozen=True)
class ClassDesign(Knowable):
    """How a sample of many classes was drawn; tuples are in the order of the classes.

    counts : rows of each class in the population. rates : budgets over counts; 1 is kept whole, and
    above 1, with random over-sampling, is how often a row is in the sample on average.
    `draw_key` names the column whose values the draws depend on; None where it is the row's number.
    stages : what was done one after the other, with all settings; of samplers without known
    probabilities, whose score is `UNKNOWN`, and whose rates are rows of the sample over `counts`.
    one_of_each : the smallest draw of a class chooses a row, too; see `core.one_of_each`.
    """

    method: str
    score: str
    label: Classes
    counts: tuple[int, ...]
    rates: tuple[float, ...]
    c: tuple[float, ...]
    floors: tuple[float, ...]
    mix: float
    seed: int
    drop: tuple[str, ...] = ()
    key: str | None = None
    sample_weight: str | None = None
    pilot_digest: str | None = None
    draw_key: str | None = None
    one_of_each: bool = False
    stages: tuple[Mapping[str, Any], ...] = ()

    @property
    def remedy(self) -> str:
        """What to do where no probability is known."""
        return UNKNOWN_REMEDY

    @property
    def repeats(self) -> bool:
        """Whether rows of the sample are copies of each other."""
        return self.method == RANDOM_OVER

    @property
    def log_shares(self) -> Floats:
        """The log of each class's share of the population, shape (K,)."""
        return log_shares(self.counts)

    def pi(self, place: int, log_score: Floats) -> Floats:
        """The probability with which rows of one class with these log t_k are kept, shape (n,).

        With random over-sampling it is the number of times, and may exceed 1.
        """
        self.require_known()
        rate = self.rates[place]
        if self.score == UNIFORM or rate >= 1:
            return np.full(len(log_score), rate)
        part = (1 - self.mix) * self.c[place] * np.exp(log_score)
        return np.clip(self.mix * rate + part, self.floors[place], 1.0)

    @property
    def has_offsets(self) -> bool:
        """Whether the rows of a sample carry log pi_k of all classes."""
        return self.correctable and len(self.label) <= WIDEST

    @cached_property
    def _arrays(self) -> tuple[Floats, Floats, Floats]:
        return np.array(self.rates), np.array(self.c), np.array(self.floors)

    def own_pi(self, codes: Counts, log_score: Floats) -> Floats:
        """The probability with which rows of any class are kept, shape (n,).

        codes : each row's class. log_score : log t of that class.
        """
        self.require_known()
        rates, c, floors = self._arrays
        rate = rates[codes]
        if self.score == UNIFORM:
            return np.asarray(rate)
        part = (1 - self.mix) * c[codes] * np.exp(log_score)
        found = np.clip(self.mix * rate + part, floors[codes], 1.0)
        return np.asarray(np.where(rate >= 1, 1.0, found))

    def log_pi(self, log_score: Floats) -> Floats:
        """log pi_k of rows with these log t, shape (n, K): what sampling adds to log p_k."""
        self.require_known()
        if self.score == UNIFORM:
            return repeated(np.log(self._arrays[0]), len(log_score))
        found = np.empty(log_score.shape, order="F")
        for place in range(len(self.label)):
            found[:, place] = np.log(self.pi(place, log_score[:, place]))
        return found

    def to_document(self) -> dict[str, Any]:
        """The design as JSON."""
        found = asdict(self) | {"label": self.label.to_document()}
        if not self.stages:
            del found["stages"]
        return found

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> ClassDesign:
        """The design that `to_document` described.

        Raises
        ------
        ValueError : it described none, or one of a table that cannot be.
        """
        label = Classes.from_document(document["label"])
        found = read_document(cls, {**document, "label": asdict(label)})
        lengths = {len(each) for each in (found.counts, found.rates, found.c, found.floors)}
        if lengths != {len(label)} or min(found.counts) < 0 or not 0 <= found.seed < 1 << 64:
            raise ValueError("it is of no table: its classes, counts or seed cannot be")
        if found.correctable and not (min(found.rates) > 0 <= min(found.c) and 0 <= found.mix <= 1):
            raise ValueError("its probabilities are none: a rate or its mix is out of range")
        return found


def log_shares(counts: Sequence[int]) -> Floats:
    """The log of each class's share, shape (K,).

    >>> np.exp(log_shares([1, 3])).round(9).tolist()
    [0.25, 0.75]
    """
    given = np.asarray(counts, dtype=np.float64)
    return np.asarray(np.log(given) - np.log(given.sum()), dtype=np.float64)


def floors(rates: Sequence[float], asked: float | None, classes: Classes) -> tuple[float, ...]:
    """The least probability for a row of each class: a tenth of its rate, or the one asked for.

    Raises
    ------
    UsageError : the floor asked for is above the rate of a class.
    """
    if asked is None:
        return tuple(1.0 if rate >= 1 else FLOOR_SHARE * rate for rate in rates)
    above = [value for value, rate in zip(classes.values, rates, strict=True) if rate < asked]
    if above:
        raise UsageError(
            f"the floor {asked:g} is above the rate of {listed(above)}",
            remedy=f"give a --floor of at most {min(rates):g}",
        )
    return tuple(1.0 if rate >= 1 else asked for rate in rates)


def weighted_log_shares(
    counts: Sequence[int], codes: NDArray[np.int64], weight: Floats, expanded: Floats | None = None
) -> Floats:
    """Log shares of the classes in which the rows' weights count, shape (K,).

    counts : rows in the population. weight : the user's, of the rows at hand, each of which stands
        for `expanded` rows of its class.
    """
    own = np.ones(len(codes)) if expanded is None else expanded
    means = np.bincount(codes, own * weight, len(counts)) / np.bincount(codes, own, len(counts))
    shares = log_shares(counts) + np.log(means)
    return np.asarray(log_softmax(shares[None, :])[0], dtype=np.float64)
