"""The list of all methods of `rebalance sample`."""

from __future__ import annotations

import click

from rebalance.cli.output import Console


class WithMethods(click.Command):
    """A command that answers `--methods`, with or without `--json`, before it asks for inputs."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the arguments, or list the methods and end."""
        if "--methods" in args:
            show_methods(as_json="--json" in args)
            ctx.exit()
        return super().parse_args(ctx, args)


def show_methods(*, as_json: bool) -> None:
    """Print what every method needs, costs, and may be set, on standard output."""
    from rebalance.samplers.listing import listing

    methods = listing()
    console = Console(as_json=as_json, quiet=False, threads=None)
    if as_json:
        console.show("sample", {"methods": methods})
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    title = Text("Methods of rebalance sample", style="bold")
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for header in ("method", "what it does", "needs", "cost", "corrected", "--set"):
        table.add_column(Text(header), no_wrap=header in ("method", "--set"))
    for each in methods:
        given = [f"{name}={value['default']}" for name, value in each["parameters"].items()]
        cells = (*(each[name] for name in ("name", "does", "needs", "cost")), each["corrected"])
        table.add_row(*map(Text, cells), Text("\n".join(given)))
    console.show("sample", {"methods": methods}, table, data=True)
