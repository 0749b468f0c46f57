"""What `rebalance sample` does with the classic methods, and the list of them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rebalance.cli.output import Console, facts

if TYPE_CHECKING:
    from rebalance.steps.resampling.classic import Classic, ResampleResult


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


def show_resampled(console: Console, result: ResampleResult) -> None:
    """Print what was kept, made and imputed."""
    copies = f" (copies of {result.positives:,})" if result.correctable else ""
    shown = {
        "table": f"{result.rows:,} rows, {result.positives:,} positive",
        "kept": f"{result.kept_positives:,} positives{copies}, {result.kept_negatives:,} negatives",
    }
    if result.made_positives or result.made_negatives:
        shown["made"] = f"{result.made_positives:,} positives, {result.made_negatives:,} negatives"
    if result.ratio is not None:
        shown["negatives per positive"] = f"{result.ratio:.4g}"
    shown["probabilities"] = (
        "can be corrected: rb_offset"
        if result.correctable
        else "cannot be corrected: calibrate on rows of the natural distribution"
    )
    console.show(
        "sample", result.document(), facts(f"{result.method} sample: {result.output}", shown)
    )


def run_classic(console: Console, wanted: Classic, *, dry_run: bool) -> None:
    """Carry out a method that is no plain thinning, or say what it would take."""
    from rebalance.cli.output import show_plan

    if dry_run:
        from rebalance.steps.resampling.plan import plan_classic

        show_plan(console, "sample", plan_classic(wanted, console), wanted.asked.output)
        return
    if wanted.chain.repeats:
        from rebalance.steps.resampling.oversample import oversample

        result: Any = oversample(wanted.asked, wanted.chain, console)
    else:
        from rebalance.steps.resampling.resample import resample

        result = resample(wanted, console)
    show_resampled(console, result)
