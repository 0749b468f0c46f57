"""Costs of the two mistakes, and the threshold that makes them least.

Where a row is positive with probability p, to call it negative costs p c_fn and to call it positive
(1 - p) c_fp. The second is no more where p >= c_fp / (c_fp + c_fn) (Elkan 2001, equation 2). With
true probabilities that is all that costs are for: nothing is gained by bending the probabilities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rebalance.core.described import read_document
from rebalance.core.parameters import above_zero
from rebalance.errors import UsageError

_REMEDY = "give both, above 0, as in fp=1,fn=10"


@dataclass(frozen=True)
class Costs:
    """What a false positive and a false negative cost; right decisions cost nothing."""

    fp: float
    fn: float

    @property
    def threshold(self) -> float:
        """The probability from which to call a row positive.

        >>> Costs(1, 9).threshold
        0.1
        """
        return 1 / (1 + self.fn / self.fp)

    def to_document(self) -> dict[str, Any]:
        """The costs as JSON, with the threshold."""
        return {"fp": self.fp, "fn": self.fn, "threshold": self.threshold}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Costs:
        """The costs that `to_document` described."""
        return read_document(cls, document)


def parse_costs(text: str) -> Costs:
    """Read `fp=1,fn=10`.

    Raises
    ------
    UsageError : not that, a cost that is not above 0, or costs so far apart that their threshold is
        0 or 1: every row, or none, would be called positive.

    >>> parse_costs("fn=10, fp=1")
    Costs(fp=1.0, fn=10.0)
    """
    where = f"--cost '{text}'"
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = (word.strip() for word in part.partition("="))
        if name not in ("fp", "fn") or name in found:
            twice = name in found
            raise UsageError(
                f"'{name}' is given twice" if twice else f"'{part.strip()}' is no cost",
                where=where,
                remedy=_REMEDY,
            )
        cost = above_zero(number)
        if cost is None:
            raise UsageError(
                f"the cost {number or '(nothing)'} of {name} is not a number above 0",
                where=where,
                remedy=_REMEDY,
            )
        found[name] = cost
    if len(found) < 2:
        raise UsageError("one of the two costs is missing", where=where, remedy=_REMEDY)
    costs = Costs(found["fp"], found["fn"])
    if not 0 < costs.threshold < 1:
        raise UsageError(
            f"the costs are so far apart that their threshold is {costs.threshold:g}: "
            f"{'no row' if costs.threshold else 'every row'} would be called positive",
            where=where,
            remedy="give costs that are closer to each other",
        )
    return costs
