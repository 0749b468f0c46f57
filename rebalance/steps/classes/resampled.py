"""kept rows and made rows of many classes -> the sample and its design"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebalance.core.arrays import to_arrow
from rebalance.core.class_design import ClassDesign
from rebalance.core.known import UNKNOWN
from rebalance.core.matrix import Matrix
from rebalance.samplers.class_resampling import ClassOrder
from rebalance.samplers.fitting import Resampled
from rebalance.steps.resampling.classic import Classic
from rebalance.steps.resampling.resampled import Written, imputed
from rebalance.steps.resampling.rows import Held
from rebalance.storage.tables import Table

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class ClassResampleResult:
    """What was kept and made of each class.

    classes : by class its rows in the table, rows kept and rows made. ratio : rows of the largest
    class per row of the smallest, afterwards.
    """

    output: str
    method: str
    rows: int
    kept: int
    made: int
    ratio: float
    classes: dict[str, dict[str, int]]
    correctable: bool
    stages: Sequence[Mapping[str, Any]]
    imputed: Mapping[str, Any]

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        return asdict(self)


@dataclass(frozen=True)
class ClassHeld(Held):
    """Rows of many classes; the code of each one's."""

    codes: Counts


@dataclass(frozen=True)
class ClassWork:
    """What was done to which rows.

    drawn : the design of the thinning, which keeps all where there is none. kept, made : rows of
    each class, shape (K,). unmade : columns without made values.
    """

    wanted: Classic
    table: Table
    drawn: ClassDesign
    rows: ClassHeld
    order: ClassOrder
    matrix: Matrix
    done: Resampled
    kept: Counts
    made: Counts
    unmade: tuple[str, ...]

    @property
    def design(self) -> ClassDesign:
        """The sample's: what it was made by, and that nothing undoes it."""
        drawn, method, thinned = self.drawn, self.order.method.name, self.wanted.chain.thinning
        key = self.wanted.asked.key or drawn.key
        every = len(drawn.label)
        return replace(
            drawn,
            method=method if thinned is None else f"{drawn.method},{method}",
            score=UNKNOWN,
            rates=tuple(((self.kept + self.made) / np.array(drawn.counts)).tolist()),
            c=(1.0,) * every,
            floors=(1.0,) * every,
            mix=0.0,
            drop=tuple(
                dict.fromkeys([*drawn.drop, *(name for name in self.unmade if name != key)])
            ),
            key=key,
            sample_weight=None if drawn.sample_weight in self.unmade else drawn.sample_weight,
            pilot_digest=None,
            stages=(*(() if thinned is None else (drawn.to_document(),)), self._stage),
        )

    @property
    def _stage(self) -> dict[str, Any]:
        order = self.order
        named = {order.names[place]: number for place, number in (order.wanted or {}).items()}
        return {
            "method": order.method.name,
            "settings": dict(order.settings),
            "wanted": named or None,
            "features": [place.name for place in self.matrix.places],
            "imputed": imputed(self.matrix),
        }

    def write(self, design: str) -> None:
        """Kept rows in input order, then made ones; the design as JSON goes along."""
        rows, column = self.rows, self.drawn.label.column
        _, first = np.unique(rows.codes, return_index=True)
        labels = rows.values(column, first).take(to_arrow(self.done.made_codes))
        written = Written(
            self.table,
            rows,
            self.matrix,
            self.done,
            column,
            labels,
            makes=self.order.method.makes,
        )
        written.write(design, self.wanted.output)

    @property
    def result(self) -> ClassResampleResult:
        """What is said of the sample."""
        left, design = self.kept + self.made, self.design
        return ClassResampleResult(
            output=self.wanted.output,
            method=self.wanted.chain.name,
            rows=sum(design.counts),
            kept=len(self.done.kept),
            made=len(self.done.made),
            ratio=float(left.max() / left.min()),
            classes={
                value: {
                    "rows": design.counts[place],
                    "kept": int(self.kept[place]),
                    "made": int(self.made[place]),
                }
                for place, value in enumerate(design.label.values)
            },
            correctable=False,
            stages=design.stages,
            imputed=imputed(self.matrix),
        )
