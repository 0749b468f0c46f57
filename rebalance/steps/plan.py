"""table + what is asked -> what it will take, before any of it is done"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pyarrow as pa

from rebalance.core.wording import counted
from rebalance.steps.context import Context
from rebalance.steps.memory import HEAVY, MB, Need, estimate, open_within, row_bytes
from rebalance.storage.atomic import check_outputs
from rebalance.storage.tables import Table
from rebalance.storage.writers import output_format

_PACKED_FORMATS = ("parquet", "arrow")


@dataclass(frozen=True)
class Plan:
    """What a command is going to read, make and need.

    Counts are estimates where `rows_exact` is false; `classes_from` says where the share of
    positives was taken from. What a command does not make, or cannot know beforehand, is None.
    """

    rows: int
    rows_exact: bool
    memory_bytes: int
    threads: int
    batch_rows: int
    output_bytes: int | None = None
    positives: int | None = None
    classes_from: str | None = None
    expected_rows: int | None = None
    expected_negatives: int | None = None
    at_most: bool | None = None

    def document(self) -> dict[str, Any]:
        """The plan as JSON."""
        known = {name: value for name, value in asdict(self).items() if value is not None}
        return {"dry_run": True, **known}

    def facts(self) -> dict[str, str]:
        """The plan as names and values."""
        shown = {"table": f"{'' if self.rows_exact else 'about '}{self.rows:,} rows"}
        if self.positives is not None:
            shown["table"] += f", about {self.positives:,} positive ({self.classes_from})"
        if self.expected_rows is not None:
            shown["would keep"] = (
                f"about {self.expected_rows:,} rows: "
                f"{'at most ' if self.at_most else ''}{counted(self.positives or 0, 'positive')}, "
                f"{counted(self.expected_negatives or 0, 'negative')}"
            )
        if self.output_bytes is not None:
            shown["output"] = f"about {_size(self.output_bytes)}"
        shown["memory"] = (
            f"at most {_size(self.memory_bytes)}: {counted(self.threads, 'thread')}, "
            f"batches of {self.batch_rows:,} rows"
        )
        return shown


def plan_copies(
    inputs: Sequence[str],
    outputs: Sequence[str],
    context: Context,
    *,
    columns: Sequence[str] | None = None,
    named: Sequence[str] = (),
    clobber: bool = True,
) -> Plan:
    """What a command would do that writes all rows anew, to one output or parted among several.

    Parameters
    ----------
    columns : those that are written; None is all.
    named : further columns that must be there.

    Raises
    ------
    UsageError, DataError : an output that would be refused, a table that cannot be read, a column
        that is not there.
    """
    check_outputs(outputs, inputs, clobber=clobber)
    need = Need(HEAVY, outputs=len(outputs))
    table = open_within(inputs, context, need)
    for name in (*(columns or ()), *named):
        table.require(name, "the options")
    plan = plan_table(table, need, context)
    share = 1.0 if columns is None else row_bytes(table, columns) / row_bytes(table)
    stored = plan.rows * stored_bytes(table, outputs[0]) * share
    return replace(plan, output_bytes=round(stored))


def plan_table(table: Table, need: Need, context: Context) -> Plan:
    """What it takes to read a table."""
    known = table.rows_if_known
    threads = context.threads or pa.cpu_count()
    rows = table.reading.batch_rows
    return Plan(
        rows=table.rows_guessed() if known is None else known,
        rows_exact=known is not None,
        memory_bytes=estimate(table, need, rows, threads),
        threads=threads,
        batch_rows=rows,
    )


def stored_bytes(table: Table, output: str) -> float:
    """The bytes of a row in an output: as in the input, where both are text or neither is."""
    text = output_format(output) not in _PACKED_FORMATS
    if text == table.is_text:
        known = table.rows_if_known
        return table.stored_bytes / (table.rows_guessed() if known is None else known)
    return row_bytes(table) * (2 if text else 1)


def _size(count: int) -> str:
    return f"{count / MB:,.1f} MB" if count < 100 * MB else f"{count / MB:,.0f} MB"
