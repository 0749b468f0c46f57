"""table of many classes + what is asked -> what a sample will take, before it is drawn"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa

from rebalance.core.class_design import WIDEST
from rebalance.core.classes import Classes
from rebalance.core.labels import LabelCounter
from rebalance.steps.classes.ready import class_ready
from rebalance.steps.context import Context
from rebalance.steps.plan import Plan, plan_table, stored_bytes

if TYPE_CHECKING:
    from rebalance.steps.ready import Asked


@dataclass(frozen=True)
class ClassPlan(Plan):
    """A plan with the rows that are expected of each class."""

    expected_by_class: Mapping[str, int] | None = None

    def facts(self) -> dict[str, str]:
        """The plan as names and values."""
        shown = replace(self, expected_rows=None)._shown()
        shown["would keep"] = f"about {self.expected_rows:,} rows ({self.classes_from})"
        return shown

    def _shown(self) -> dict[str, str]:
        return super().facts()


def plan_class_sample(asked: Asked, context: Context) -> Plan:
    """What `class_sample` would do; reads no more than the first rows.

    Raises
    ------
    UsageError, DataError, ArtifactError : whatever it would find before it reads the table.
    """
    found = class_ready(asked, context)
    plan = plan_table(found.table, found.need, context)
    if found.pilot is not None:
        label, seen = (
            found.pilot.label,
            dict(zip(found.pilot.label.values, found.pilot.counts, strict=True)),
        )
        classes_from = "by the shares that the pilot saw"
    else:
        counter = LabelCounter(found.known.column)
        first = next(found.table.batches([found.known.column]))
        counter.add(first.column(found.known.column), first.start)
        label, seen = Classes.of(found.known.column, counter.counts), counter.counts
        classes_from = f"by the shares in the first {len(first):,} rows"
    scale = plan.rows / sum(seen.values())
    counts = [max(round(seen[value] * scale), 1) for value in label.values]
    rates = found.known.terms.budget.solve(label, counts)
    kept = [round(rate * count) for rate, count in zip(rates, counts, strict=True)]
    added = 24 + (8 * len(label) if len(label) <= WIDEST else 0)
    return ClassPlan(
        rows=plan.rows,
        rows_exact=plan.rows_exact,
        memory_bytes=plan.memory_bytes,
        threads=context.threads or pa.cpu_count(),
        batch_rows=plan.batch_rows,
        classes_from=classes_from,
        expected_rows=sum(kept),
        output_bytes=round(sum(kept) * (stored_bytes(found.table, asked.output) + added)),
        expected_by_class=dict(zip(label.values, kept, strict=True)),
    )
