"""`rebalance profile`: what is the imbalance, and what to do about it."""

from __future__ import annotations

import math
import re
import shlex
from typing import TYPE_CHECKING

import click

from rebalance.cli import options
from rebalance.core.wording import counted

if TYPE_CHECKING:
    from rich.console import Console as Terminal
    from rich.console import ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table

    from rebalance.cli.output import Console
    from rebalance.core.situation import Advice
    from rebalance.steps.profile import ColumnProfile, Profile

_INDENT = "   "


@click.command()
@options.inputs
@options.label
@options.positive
@options.drop
@options.key
@options.seed
@options.console
def profile(
    inputs: tuple[str, ...],
    label: str,
    positive: str | None,
    drop: tuple[str, ...],
    key: str | None,
    seed: int,
    console: Console,
) -> None:
    """Show the imbalance, the columns and what is wrong with them, and what to do next.

    Columns that look like identifiers, that never vary, that are the label again, or that alone
    tell the classes apart (a sign that they become known only after the outcome) are named. The
    advice is the very commands to type next. The table is streamed; in memory are a few batches
    and sketches of each column.

    \b
        rebalance profile flights.parquet -l late
        cat flights.csv | rebalance profile - -l late --json
    """
    from rebalance.steps.profile import profile as describe

    found = describe(
        inputs, label, positive=positive, drop=drop, key=key, seed=seed, context=console
    )
    console.show("profile", found.document(), *_parts(found), data=True)


def _parts(found: Profile) -> list[RenderableType]:
    from rich.text import Text

    parts: list[RenderableType] = [
        Text.assemble(
            (found.title, "bold"),
            f"  {counted(found.rows, 'row')}, {counted(len(found.columns), 'column')}",
        ),
        Text(),
        _classes(found),
        Text(),
        _columns(found),
        Text(),
    ]
    remarked = [
        Text.assemble("  ", (column.name, "bold"), f": {remark.text}")
        for column in found.columns
        for remark in column.remarks
        if remark.word not in ("label", "key", "dropped")
    ]
    if remarked:
        parts += [Text("Remarks", style="bold"), *remarked, Text()]
    parts.append(Text("What to do next", style="bold"))
    number = 0
    for advice in found.advice:
        number += advice.command is not None
        parts.append(_Step(advice, number))
    return parts


def _classes(found: Profile) -> Table:
    from rich.table import Table
    from rich.text import Text

    from rebalance.cli.class_rows import excerpt
    from rebalance.core.situation import show_ratio

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title_justify="left")
    table.add_column(Text(f"label '{found.label.column}'"), style="bold")
    table.add_column("rows", justify="right")
    table.add_column("share", justify="right")
    table.add_column("")
    values = list(found.counts)
    for place in excerpt(list(found.counts.values())):
        if isinstance(place, str):
            table.add_row(Text(place), "", "", "")
            continue
        value = values[place]
        count = found.counts[value]
        positive = value == found.label.positive
        note = Text(f"positive ({found.chosen})" if positive else "")
        table.add_row(Text(value), f"{count:,}", _percent(count / found.rows), note)
    table.add_section()
    ratio = found.situation.imbalance_ratio
    table.add_row("imbalance", show_ratio(ratio), "", Text("negatives per positive", style="dim"))
    return table


def _columns(found: Profile) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("column", overflow="fold", min_width=8)
    table.add_column("type", overflow="fold")
    table.add_column("missing", justify="right", no_wrap=True)
    table.add_column("distinct", justify="right", no_wrap=True)
    table.add_column("range, or most frequent", overflow="fold", ratio=1)
    table.add_column("AUC alone", justify="right", no_wrap=True)
    table.add_column("remarks", overflow="fold")
    for column in found.columns:
        quiet = column.has("label", "key", "dropped")
        table.add_row(
            Text(column.name, style="bold"),
            Text(_type(column.type), style="dim"),
            _missing(column),
            _distinct(column),
            Text(_range(column)),
            "" if column.roc_auc is None else _auc(column.roc_auc),
            Text(
                ", ".join(remark.word for remark in column.remarks),
                style="dim" if quiet else "yellow",
            ),
        )
    return table


class _Step:
    """One piece of advice: its reason, and the command broken where a shell lets it be."""

    def __init__(self, advice: Advice, number: int) -> None:
        self._advice = advice
        self._number = number

    def __rich_console__(self, terminal: Terminal, sizes: ConsoleOptions) -> RenderResult:
        """Lines no wider than the terminal."""
        from rich.text import Text

        width = min(sizes.max_width, 100)
        mark = f"{self._number}." if self._advice.command else "!"
        reason = Text(self._advice.reason).wrap(terminal, width - len(_INDENT))
        for at, line in enumerate(reason):
            line.rstrip()
            yield Text.assemble((f"{mark if at == 0 else '':<{len(_INDENT)}}", "bold"), line)
        if self._advice.command:
            for text in _broken(self._advice.command, width - 2 * len(_INDENT)):
                # No padding to the right: a backslash must end its line.
                yield Text(2 * _INDENT + text, style="cyan", overflow="fold")
        yield Text()


def _broken(command: str, width: int) -> list[str]:
    """A command over several lines, each but the last ending in a backslash.

    >>> _broken("rebalance split 'a b.csv' -o train.parquet", 30)
    ["rebalance split 'a b.csv' \\\\", '    -o train.parquet']
    """
    lines = [""]
    words = [shlex.quote(word) for word in shlex.split(command)]
    # An option and its value stay together.
    pieces: list[str] = []
    for word in words:
        joins = pieces and pieces[-1].startswith("-") and " " not in pieces[-1]
        if joins and not word.startswith("-"):
            pieces[-1] += f" {word}"
        else:
            pieces.append(word)
    for piece in pieces:
        if lines[-1].strip() and len(lines[-1]) + len(piece) + 3 > width:
            lines[-1] += " \\"
            lines.append(f"    {piece}")
        else:
            lines[-1] += f" {piece}" if lines[-1] else piece
    return lines


def _percent(share: float) -> str:
    """A share, never rounded to nothing or to all.

    >>> [_percent(share) for share in (0.5, 0.0119, 0.00001, 0.999999, 0.0, 1.0)]
    ['50.00%', '1.19%', '<0.01%', '>99.99%', '0%', '100%']
    """
    if share in (0.0, 1.0):
        return f"{share:.0%}"
    if share < 0.0001:
        return "<0.01%"
    return f"{share:.2%}" if share <= 0.9999 else ">99.99%"


def _missing(column: ColumnProfile) -> str:
    missing = column.summary.missing
    return f"{missing:,} ({_percent(missing / column.rows)})" if missing else "0"


def _auc(auc: float) -> str:
    """An AUC rounded down, so that 1 is 1.

    >>> _auc(0.998), _auc(1.0)
    ('0.99', '1.00')
    """
    return f"{math.floor(100 * auc) / 100:.2f}"


def _distinct(column: ColumnProfile) -> str:
    distinct = column.summary.distinct
    if distinct is None:
        return "-"
    return f"{'' if column.summary.distinct_is_exact else '~'}{distinct:,}"


def _range(column: ColumnProfile) -> str:
    found = column.summary
    if found.low is not None and found.high is not None:
        low, high = found.low, found.high
        if isinstance(low, str) and isinstance(high, str):
            return _period(low, high)
        return f"{_number(low)} .. {_number(high)}"
    if found.top is not None:
        share = _percent(found.top_count / column.rows)
        shown = found.top if len(found.top) <= 24 else f"{found.top[:23]}…"
        return f"'{shown}' in {'' if found.top_is_exact else 'about '}{share}"
    return "" if column.summary.distinct in (None, 0) else "no frequent value"


def _number(value: float | int | str) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def _period(low: str, high: str) -> str:
    """Two times; dates alone where they are more than a day apart.

    >>> _period("2013-01-01T10:00:00.000000", "2013-12-31T23:00:00.000000")
    '2013-01-01 .. 2013-12-31'
    """
    if low[:10] != high[:10]:
        return f"{low[:10]} .. {high[:10]}"
    return f"{low[:19]} .. {high[11:19]}".replace("T", " ")


def _type(name: str) -> str:
    """An Arrow type in few letters.

    >>> _type("large_string"), _type("dictionary<values=string, indices=int8, ordered=0>")
    ('string', 'dictionary')
    """
    if name in ("large_string", "string_view"):
        return "string"
    if name.startswith("fixed_size_list"):
        return name[name.index(":") + 2 :].replace(">", "")
    return re.split(r"[<\[(]", name, maxsplit=1)[0]
