"""Features of recipes that are numbers: logarithms, ratios to means, and cyclic pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rebalance.core.arrays import to_arrow, to_numpy
from rebalance.core.column_values import Columns, Floats, number_text, numbers, texts
from rebalance.core.kinds import Kind
from rebalance.core.recipe_base import OfOneColumn
from rebalance.errors import DataError

PARTS = {"hour": 24, "weekday": 7, "month": 12}


@dataclass(frozen=True)
class Log1p(OfOneColumn):
    """log(1 + x); missing for x <= -1."""

    @property
    def definition(self) -> dict[str, Any]:
        """What the user wrote."""
        return {"log1p": self.source}

    def outside(self, columns: Columns) -> NDArray[np.bool_]:
        """Which values have no logarithm, shape (n,)."""
        return np.asarray(numbers(columns[self.source], self.source) <= -1)

    def make(self, columns: Columns) -> list[pa.Array]:
        """The logarithms."""
        values = numbers(columns[self.source], self.source)
        return [to_arrow(np.log1p(np.where(values > -1, values, np.nan)))]


@dataclass(frozen=True)
class RatioToMean(OfOneColumn):
    """x over the mean of x, of all rows or of those with the same value of `by`.

    means : by value of `by`, or the one of all rows under "". Missing where there is none: a value
        of `by` that was not seen, or whose mean is 0.
    """

    by: str | None
    means: Mapping[str, float] | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """x, and the column of groups."""
        return (self.source,) if self.by is None else (self.source, self.by)

    @property
    def definition(self) -> dict[str, Any]:
        """What the user wrote."""
        by = {} if self.by is None else {"by": self.by}
        return {"ratio_to_mean": self.source, **by}

    @property
    def learned(self) -> dict[str, Any]:
        """The means."""
        return {"means": self.means}

    def make(self, columns: Columns) -> list[pa.Array]:
        """The ratios."""
        values = numbers(columns[self.source], self.source)
        known = dict(self.means or {})
        if self.by is None:
            mean: Floats = np.full(len(values), known.get("", np.nan))
        else:
            mean = texts(columns[self.by], self.by).looked_up(known, np.nan)
        mean[mean == 0] = np.nan
        with np.errstate(over="ignore"):  # whoever reads features refuses infinite ones
            return [to_arrow(values / mean)]


@dataclass(frozen=True)
class Cyclic(OfOneColumn):
    """sin and cos of 2 pi x / period: the last hour of a day is next to its first.

    part : what of a time x is, in UTC where it has a zone; None where x is a number.
    """

    period: float
    part: str | None

    @property
    def kinds(self) -> dict[str, Kind]:
        """Two numbers."""
        return {f"{self.name} sin": "number", f"{self.name} cos": "number"}

    @property
    def definition(self) -> dict[str, Any]:
        """What the user wrote."""
        if self.part is not None:
            return {"cyclic": self.source, "part": self.part}
        return {"cyclic": self.source, "period": self.period}

    def make(self, columns: Columns) -> list[pa.Array]:
        """The sine and the cosine."""
        array = columns[self.source]
        values = numbers(array, self.source) if self.part is None else _part(array, self.part)
        angle = 2 * np.pi * (np.mod(values, self.period) / self.period)
        return [to_arrow(np.sin(angle)), to_arrow(np.cos(angle))]


def refuse_outside(made: Log1p, columns: Columns) -> None:
    """Refuse numbers without a logarithm.

    Raises
    ------
    DataError : there is one.
    """
    outside = made.outside(columns)
    if outside.any():
        at = int(np.argmax(outside))
        raise DataError(
            f"{number_text(float(to_numpy(columns[made.source])[at]))} has no log1p, which is "
            "the logarithm of 1 + x",
            where=f"column '{made.source}', for the feature '{made.name}'",
            remedy="mend the value, or make no logarithm of the column",
            row=at,
        )


def _part(array: pa.Array, part: str) -> Floats:
    """The hour, the weekday (Monday is 0) or the month (January is 0), NaN where missing."""
    if pa.types.is_timestamp(array.type) and array.type.tz is not None:
        array = array.cast(pa.timestamp(array.type.unit, "UTC"))
    if part == "hour" and pa.types.is_date(array.type):
        return np.where(np.isnan(to_numpy(pc.month(array))), np.nan, 0.0)
    if part == "month":
        return np.asarray(to_numpy(pc.month(array)) - 1.0)
    take = pc.hour if part == "hour" else pc.day_of_week
    return np.asarray(to_numpy(take(array)), dtype=np.float64)
