"""What `--model` may name, and the list of all learners that `train --models` prints."""

from __future__ import annotations

from typing import Any

import click

from rebalance.cli.output import Console
from rebalance.errors import RebalanceError

_FOOTNOTE = (
    "exact: the formula that undoes the sampling is, not that a model is right; --calibrate-on "
    "TABLE measures that."
)


class ModelName(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """The name of a learner; one that is unknown is refused with the nearest."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name.

        Raises
        ------
        click.BadParameter : there is no such learner.
        """
        from rebalance.learners.catalogue import AUTO, entry_of

        if value != AUTO:
            try:
                entry_of(value)
            except RebalanceError as exc:
                self.fail(str(exc), param, ctx)
        return str(value)


class WithModels(click.Command):
    """A command that answers `--models`, with or without `--json`, before it asks for inputs."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the arguments, or list the learners and end."""
        if "--models" in args:
            show_models(as_json="--json" in args)
            ctx.exit()
        return super().parse_args(ctx, args)


def show_models(*, as_json: bool) -> None:
    """Print how every learner's probabilities are made true, and what it needs and may be set."""
    from rebalance.learners.catalogue import listing

    models = listing()
    console = Console(as_json=as_json, quiet=False, threads=None)
    if as_json:
        console.show("train", {"models": models})
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    title = Text("Learners of rebalance train", style="bold")
    table = Table(
        title=title,
        title_justify="left",
        caption=Text(_FOOTNOTE),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    headers = ("--model", "what it is", "probabilities", "made true by", "missing values", "--set")
    for header in headers:
        table.add_column(Text(header), no_wrap=header in ("--model", "--set"))
    for each in models:
        given = [f"{name}={value['default']}" for name, value in each["parameters"].items()]
        extra = f" (extra [{each['extra']}])" if each["extra"] else ""
        cells = (each["name"], each["does"] + extra, each["exactness"], each["how"])
        table.add_row(*map(Text, cells), Text(each["missing"]), Text("\n".join(given)))
    console.show("train", {"models": models}, table, data=True)
