"""Weights of classes in a fit, by the names they go by.

With N rows in C classes, N_c of class c,

    balanced        N / (C N_c)
    inverse         N / N_c
    sqrt            1 / sqrt(N_c)
    effective:b     (1 - b) / (1 - b^N_c)    (Cui et al. 2019, arXiv 1901.05555, equation 2)
    VALUE=W,...     as given, 1 for the others; "a,b=2" for a value that holds a comma

Rows are those that are fitted; where rows have weights, N_c is the sum of these. Only ratios matter
to a fit: all are multiplied by one number that leaves the rows' total weight as it was, so that a
penalty means what it did. Class weights act as inclusion probabilities pi_k = w_k, so the log odds
of two classes move by log(w_1 / w_0), exactly in a converged fit of the right model.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rebalance.core.labels import canonical
from rebalance.core.parameters import above_zero
from rebalance.errors import DataError, UsageError, nearest

Floats = NDArray[np.float64]

NAMES = ("balanced", "inverse", "sqrt")
# Beyond it the fit sees one class alone, and the log odds that come off again are no longer known.
LARGEST_RATIO = 1e6
FORMS = "balanced, inverse, sqrt, effective:BETA as in effective:0.999, or VALUE=W as in 1=10,0=1"


@dataclass(frozen=True)
class ClassWeight:
    """Weights as asked for: by a name (with its beta), or a number for some of the classes."""

    name: str
    beta: float = 0.0
    given: tuple[tuple[str, float], ...] = ()

    def __str__(self) -> str:
        if self.given:
            return ",".join(f"{value}={weight:g}" for value, weight in self.given)
        return f"effective:{self.beta:g}" if self.name == "effective" else self.name

    def factors(self, values: Sequence[str], totals: Floats) -> Floats:
        """The weight of each class, shape (C,).

        Parameters
        ----------
        values : the classes. totals : N_c, shape (C,), all above 0.

        Raises
        ------
        UsageError : a class is named that is not there, or weights given are too far apart.

        >>> ClassWeight("balanced").factors(["1", "0"], np.array([10.0, 90.0])).round(4).tolist()
        [5.0, 0.5556]
        """
        whole = float(totals.sum())
        if self.given:
            found = self._as_given(values)
        elif self.name == "balanced":
            found = whole / (len(totals) * totals)
        elif self.name == "inverse":
            found = whole / totals
        elif self.name == "sqrt":
            found = 1 / np.sqrt(totals)
        else:
            log_beta = math.log(self.beta) if self.beta > 0 else -math.inf
            found = (1 - self.beta) / -np.expm1(totals * log_beta)
        return np.asarray(found * (whole / float(found @ totals)), dtype=np.float64)

    def _as_given(self, values: Sequence[str]) -> Floats:
        for value, _ in self.given:
            if value not in values:
                raise UsageError(
                    f"--class-weight names the class '{value}', which is not there",
                    remedy=nearest(value, values),
                )
        weights = dict(self.given)
        found = np.array([weights.get(value, 1.0) for value in values])
        require_ratio(found, f"--class-weight '{self}'")
        return found


def parse_class_weight(text: str) -> ClassWeight:
    """Read `balanced`, `inverse`, `sqrt`, `effective:BETA` or `VALUE=W,...`.

    Raises
    ------
    UsageError : none of these; a beta outside [0, 1); a weight that is not above 0.

    >>> str(parse_class_weight("yes=10, no=0.5"))
    'yes=10,no=0.5'
    """
    where = f"--class-weight '{text}'"
    stripped = text.strip()
    if stripped in NAMES:
        return ClassWeight(stripped)
    name, colon, beta = stripped.partition(":")
    if name == "effective":
        if not colon:
            raise UsageError(
                "effective needs its beta", where=where, remedy="for example effective:0.999"
            )
        return effective(beta, where)
    if "=" not in stripped:
        raise UsageError(f"'{stripped}' is no class weight", where=where, remedy=f"give {FORMS}")
    given: dict[str, float] = {}
    for part in next(csv.reader([stripped], skipinitialspace=True), []):
        value, equals, number = part.rpartition("=")
        if not equals or not value.strip():
            raise UsageError(f"'{part}' is not VALUE=W", where=where, remedy=f"give {FORMS}")
        found = canonical(value.strip())
        if found in given:
            raise UsageError(
                f"the class '{found}' is named twice", where=where, remedy="name it once"
            )
        given[found] = _weight(number, where)
    return ClassWeight("given", given=tuple(given.items()))


def effective(beta: float | str, where: str) -> ClassWeight:
    """Weights by the effective number of rows.

    Raises
    ------
    UsageError : beta is not in [0, 1).
    """
    try:
        found = float(beta)
    except ValueError:
        found = math.nan
    if not 0 <= found < 1:
        raise UsageError(
            f"beta {beta} is not a number from 0 up to, not including, 1",
            where=where,
            remedy="give 0.9, 0.99, 0.999 or 0.9999",
        )
    return ClassWeight("effective", found)


def require_ratio(weights: Floats, where: str) -> None:
    """Check that weights that a user gave, all above 0, are not too far apart.

    Raises
    ------
    UsageError : one is more than `LARGEST_RATIO` times another.
    """
    least, most = float(weights.min()), float(weights.max())
    if most / LARGEST_RATIO > least:
        raise UsageError(
            f"the weights of the classes go from {least:g} to {most:g}, and none may be more than "
            f"{LARGEST_RATIO:,.0f} times another",
            where=where,
            remedy="give weights that are closer; a class that is not named has 1"
            if where.startswith("--class-weight")
            else "give a number further from 0 and 1",
        )


def require_weight(totals: Mapping[str, float]) -> None:
    """Check that no class is without weight, so that N_c > 0.

    Raises
    ------
    DataError : one is.
    """
    for value, total in totals.items():
        if not total > 0:
            raise DataError(
                f"no row of the class '{value}' has weight: there is no class weight for it",
                remedy="give rows of each class",
            )


def _weight(number: str, where: str) -> float:
    found = above_zero(number)
    if found is None:
        raise UsageError(
            f"the weight {number.strip() or '(nothing)'} is not a number above 0",
            where=where,
            remedy="give each class a weight above 0; rows are left out with 'rebalance sample'",
        )
    return found
