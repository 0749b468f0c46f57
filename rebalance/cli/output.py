"""What a command prints: text or JSON for results, notes and progress on stderr."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from rebalance import __version__
from rebalance.core.documents import plain
from rebalance.errors import UsageError
from rebalance.steps.context import Context, Counted
from rebalance.storage.reading import USUAL, Reading

if TYPE_CHECKING:
    from rich.console import RenderableType

    from rebalance.steps.plan import Plan

JSON_FORMAT = 1


class Console(Context):
    """Shows notes as they come, progress on a terminal, and one result at the end."""

    def __init__(
        self,
        *,
        as_json: bool,
        quiet: bool,
        threads: int | None,
        memory_limit: int | None = None,
        reading: Reading = USUAL,
    ) -> None:
        super().__init__(threads=threads, reading=reading, memory_limit=memory_limit)
        if threads is not None:
            from rebalance.storage.inputs import use_threads

            use_threads(threads)
        self.as_json = as_json
        self.quiet = quiet

    def note(self, text: str) -> None:
        """Say one thing on stderr, once; in JSON it is part of the document too."""
        if text in self.notes:
            return
        super().note(text)
        if not self.quiet:
            click.echo(f"note: {text}", err=True)

    def track(
        self, things: Iterable[Counted], description: str, rows: int | None
    ) -> Iterator[Counted]:
        """Show rows, rows per second and the time left while batches pass, on a terminal only."""
        if self.quiet or not sys.stderr.isatty():
            yield from things
            return
        from rich.console import Console as Terminal
        from rich.progress import (
            BarColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeRemainingColumn,
        )

        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(show_speed=True),
            TimeRemainingColumn(),
            console=Terminal(stderr=True),
            transient=True,
        )
        with bar:
            task = bar.add_task(description, total=rows)
            for thing in things:
                yield thing
                bar.advance(task, len(thing))

    def check_streams(self, *outputs: str | None) -> None:
        """Refuse to write two things on standard output.

        Raises
        ------
        UsageError : a table and the JSON document, or two tables, would share it.
        """
        taken = [output for output in outputs if output == "-"]
        if len(taken) + self.as_json > 1:
            raise UsageError(
                "two things would be written to standard output",
                remedy="give '-o -' or --json, not both",
            )

    def show(
        self, command: str, document: dict[str, Any], *shown: RenderableType, data: bool = False
    ) -> None:
        """Print the result: the JSON document, or text (on stdout only where it is the data)."""
        if self.as_json:
            whole = {"command": command, "format": JSON_FORMAT, "rebalance": __version__}
            whole |= document | {"notes": self.notes}
            click.echo(json.dumps(plain(whole), indent=2, allow_nan=False))
        elif data or not self.quiet:
            from rich.console import Console as Terminal

            class Quiet(Terminal):
                def on_broken_pipe(self) -> None:  # rich would exit with 1, a failed check
                    raise BrokenPipeError

            stream = sys.stdout if data else sys.stderr
            width = None if stream.isatty() else 120
            terminal = Quiet(file=stream, width=width, highlight=False)
            for part in shown:
                terminal.print(part)


def show_plan(console: Console, command: str, plan: Plan, *outputs: str) -> None:
    """Print what a command would do."""
    console.show(command, plan.document(), facts(f"would make: {', '.join(outputs)}", plan.facts()))


def number(value: float, decimals: int) -> str:
    """A figure, or "-" where it is not defined."""
    return f"{value:.{decimals}f}" if math.isfinite(value) else "-"


@dataclass(frozen=True)
class Facts:
    """A title and, below it, names and values in two columns."""

    title: str
    rows: Mapping[str, str]

    def __rich__(self) -> RenderableType:
        """What rich draws: it takes long to import, and is not where nothing is shown."""
        from rich.table import Table
        from rich.text import Text

        title = Text(self.title, style="bold")
        table = Table(title=title, title_justify="left", box=None, show_header=False)
        for name, value in self.rows.items():
            table.add_row(Text(name), Text(value))
        return table


def facts(title: str, rows: Mapping[str, str]) -> RenderableType:
    """A title and, below it, names and values in two columns."""
    return Facts(title, rows)


@dataclass(frozen=True)
class Figures:
    """A title and, below it, a table: its first column to the left, the others to the right."""

    title: str
    headers: Sequence[str]
    lines: Sequence[Sequence[str]]

    def __rich__(self) -> RenderableType:
        """What rich draws."""
        from rich import box
        from rich.table import Table
        from rich.text import Text

        title = Text(self.title, style="bold")
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        for position, header in enumerate(self.headers):
            table.add_column(Text(header), justify="right" if position else "left")
        for line in self.lines:
            table.add_row(*map(Text, line))
        return table
