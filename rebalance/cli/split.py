"""The command `rebalance split`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rebalance.cli import options
from rebalance.cli.output import Console, show_plan

if TYPE_CHECKING:
    from rich.table import Table

    from rebalance.steps.split import Split


@click.command()
@options.inputs
@options.label
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    required=True,
    metavar="FILE",
    help=f"TRAIN, TEST and, where given a third time, VALIDATION: {options.TABLE_ENDINGS}; one may "
    "be '-', standard output, as CSV.",
)
@click.option(
    "--test",
    type=float,
    default=0.2,
    show_default=True,
    metavar="SHARE",
    help="The test set's share of the rows.",
)
@click.option(
    "--validation",
    type=float,
    metavar="SHARE",
    help="The validation set's share; it needs a third -o.  [default: as --test]",
)
@click.option(
    "--key", metavar="COLUMN", help="Keep rows of the same key in the same part, by its text."
)
@click.option(
    "--time",
    metavar="COLUMN",
    help="A timestamp, date or number: the latest rows are the test set.",
)
@options.positive
@options.seed
@options.dry_run
@options.no_clobber
@options.console
def split(
    inputs: tuple[str, ...],
    label: str,
    outputs: tuple[str, ...],
    test: float,
    validation: float | None,
    key: str | None,
    time: str | None,
    positive: str | None,
    seed: int,
    dry_run: bool,
    no_clobber: bool,
    console: Console,
) -> None:
    """Part a table into rows to train on, to test on and, with a third -o, to validate on.

    By row, every class has its exact share of each part, whatever the batches, threads or file
    format. With --key the draw depends on the key alone; keys that ever have a positive row (with
    three or more classes and no --positive: any row not of the most common class) are shared out
    exactly by their number, and the others fall by their draw. With --time the test set is the
    latest share of the rows, before it comes validation, and train is the earliest; rows of one
    time stay together. Nothing is drawn then, and --seed has no effect.

    The table is streamed and rows keep their order. In memory is one batch; with --key also the
    keys that have a positive row, and with --time that one column.
    """
    console.check_streams(*outputs)
    if dry_run:
        from rebalance.steps.plan import plan_copies

        named = [label, *filter(None, (key, time))]
        plan = plan_copies(inputs, outputs, console, named=named, clobber=not no_clobber)
        show_plan(console, "split", plan, *outputs)
        return
    from rebalance.steps.split import split as step

    result = step(
        inputs,
        label,
        outputs,
        test=test,
        validation=validation,
        key=key,
        time=time,
        positive=positive,
        seed=seed,
        clobber=not no_clobber,
        context=console,
    )
    console.show("split", result.document(), _shown(result))


def _shown(result: Split) -> Table:
    """The parts as a table: one row each, or one column each where there are many classes."""
    from rich.table import Table

    from rebalance.cli.class_rows import excerpt

    by = result.by if result.column is None else f"{result.by} '{result.column}'"
    lines: dict[str, list[str]] = {"file": [Path(part.output).name for part in result.parts]}
    lines["rows"] = [f"{part.rows:,}" for part in result.parts]
    lines["share of rows"] = [f"{part.share:.2%}" for part in result.parts]
    if result.positive is not None:
        lines[f"positive ({result.positive})"] = [f"{part.positives:,}" for part in result.parts]
        lines["share positive"] = [f"{part.positive_share:.3%}" for part in result.parts]
    else:
        values = list(result.parts[0].counts)
        for place in excerpt([sum(part.counts[each] for part in result.parts) for each in values]):
            if isinstance(place, str):
                lines[place] = ["" for _ in result.parts]
                continue
            value = values[place]
            lines[f"class {value}"] = [f"{part.counts[value]:,}" for part in result.parts]
    if result.by == "key":
        lines["keys"] = [
            f"{'' if part.keys_exact else 'about '}{part.keys:,}" for part in result.parts
        ]
    if result.by == "time":
        lines["first"] = [str(part.first_time) for part in result.parts]
        lines["last"] = [str(part.last_time) for part in result.parts]
    table = Table(title=f"split by {by}", title_justify="left", box=None)
    table.add_column("")
    for part in result.parts:
        table.add_column(part.name, justify="right", overflow="fold")
    for name, cells in lines.items():
        table.add_row(name, *cells)
    return table
