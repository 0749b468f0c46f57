"""What a feature becomes: numbers, or codes that a table turns into columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rebalance.core.kinds import Kind

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]

PERIODS: dict[Literal["hour", "weekday", "month"], int] = {"hour": 24, "weekday": 7, "month": 12}
_FARTHEST = 1e100  # in z: squares of it, and sums of them, are finite


@dataclass(frozen=True)
class Numeric:
    """A number, or one element of a vector; in z standardised, with its own missing indicator."""

    feature: str
    element: int | None
    mean: float
    scale: float
    missing: bool

    @property
    def names(self) -> list[str]:
        """The names of the columns of z."""
        name = self.feature if self.element is None else f"{self.feature}[{self.element}]"
        return [name, f"{name} is missing"] if self.missing else [name]

    def standard(self, values: Floats) -> Floats:
        """Standardised, shape (n,); NaN where missing, and never further from 0 than 1e100."""
        with np.errstate(over="ignore"):  # a number that training had none of comes close to
            found = (values - self.mean) / self.scale
        return np.asarray(np.clip(found, -_FARTHEST, _FARTHEST))

    def expand(self, values: Floats) -> Floats:
        """Columns of z, shape (n, 1 or 2); a missing value stands at the mean."""
        absent = np.isnan(values)
        standard = np.where(absent, 0.0, self.standard(values))
        return np.column_stack([standard, absent] if self.missing else [standard])


@dataclass(frozen=True)
class Coded:
    """A level, or a part of a time: codes 0..L-1, then L for other values and L + 1 for missing.

    `shares` are those of codes 0..L-1 in the training rows: a value without a place of its own,
    where training had no other or no missing ones, stands at their mean in z.
    """

    feature: str
    part: Literal["level", "hour", "weekday", "month"]
    levels: tuple[str, ...]
    shares: tuple[float, ...]
    other: bool
    missing: bool

    @property
    def names(self) -> list[str]:
        """The names of the columns of z."""
        if self.part in PERIODS:
            pair = [f"{self.feature} {self.part} {wave}" for wave in ("sin", "cos")]
            return pair + ([f"{self.feature} is missing"] if self.missing else [])
        shown = [f"{self.feature} = {level}" for level in self.levels]
        shown += [f"{self.feature} is another"] if self.other else []
        shown += [f"{self.feature} is missing"] if self.missing else []
        return shown[1:]

    @property
    def table(self) -> Floats:
        """Row k holds the columns of z for code k, shape (L + 2, columns).

        Levels are indicators without the first, the reference; a part of a time is a cyclic pair.
        """
        count = len(self.levels)
        if self.part in PERIODS:
            angle = 2 * np.pi * np.arange(count) / count
            rows = np.zeros((count + 2, 3))
            rows[:count, 0], rows[:count, 1] = np.sin(angle), np.cos(angle)
            rows[count:, :2] = np.asarray(self.shares) @ rows[:count, :2]
            if self.missing:
                rows[count + 1] = 0.0, 0.0, 1.0
            return rows if self.missing else rows[:, :2]
        present = list(range(count))
        present += [count] if self.other else []
        present += [count + 1] if self.missing else []
        rows = np.eye(count + 2)
        for code, placed in ((count, self.other), (count + 1, self.missing)):
            if not placed:
                rows[code, :count] = self.shares
                rows[code, code] = 0.0
        return rows[:, present[1:]]

    def expand(self, codes: Codes) -> Floats:
        """Columns of z, shape (n, columns)."""
        return np.asarray(self.table[codes], dtype=np.float64)


def is_of(term: Numeric | Coded, kinds: Mapping[str, Kind], widths: Mapping[str, int]) -> bool:
    """Whether there is such a feature, and the term can be one of its."""
    kind = kinds.get(term.feature)
    if isinstance(term, Numeric):
        if kind == "vector":
            fits = term.element is not None and 0 <= term.element < widths.get(term.feature, 0)
        else:
            fits = term.element is None and kind in ("number", "boolean")
        return fits and term.scale > 0
    if term.part == "level":
        return kind == "category" and len(term.shares) == len(term.levels)
    period = PERIODS[term.part]
    return kind == "time" and len(term.shares) == len(term.levels) == period
