"""Every option that more than one command has, defined once."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from rebalance.cli.class_options import Rate
from rebalance.cli.output import Console
from rebalance.cli.reading import reading_options, take_reading
from rebalance.errors import UsageError

if TYPE_CHECKING:
    from rebalance.core.design import Budget

F = TypeVar("F", bound=Callable[..., Any])


class Number(click.FloatRange):
    """A number in a range; NaN and infinity, which pass click's, are refused."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number.

        Raises
        ------
        click.BadParameter : not a number, not finite, or not in the range.
        """
        found = float(super().convert(value, param, ctx))
        if not math.isfinite(found):
            self.fail(f"{value} is not a finite number", param, ctx)
        return found


def size(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """The bytes that a number with its unit says, as 500MB or 2GB; powers of 1,024.

    Raises
    ------
    click.BadParameter : no number, or no unit.
    """
    if value is None:
        return None
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?([KMGT])i?B?", value, re.IGNORECASE)
    if found is None:
        raise click.BadParameter(f"{value} is not a size such as 500MB or 2GB")
    power = "KMGT".index(found[2].upper()) + 1
    return int(float(found[1]) * 1024**power)


TABLE_ENDINGS = ".parquet, .arrow, .csv, .tsv or .jsonl, text also with .gz, .zst or .bz2"

inputs = click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
label = click.option("-l", "--label", metavar="COLUMN", required=True, help="The label's column.")
positive = click.option(
    "--positive",
    metavar="VALUE",
    help="The label's positive value.  [default: 1 of 0/1, else the rarer of two]",
)
seed = click.option(
    "--seed",
    type=click.IntRange(0, 2**64 - 1),
    default=0,
    show_default=True,
    metavar="N",
    help="Seed of every draw.",
)
drop = click.option(
    "--drop", multiple=True, metavar="COLUMN", help="A column that is no feature; repeatable."
)
key = click.option(
    "--key", metavar="COLUMN", help="The column that names an entity; never a feature."
)
sample_weight = click.option(
    "--sample-weight",
    metavar="COLUMN",
    help="Your own weights; they multiply likelihoods and metrics, never the sampling.",
)
features = click.option(
    "--features",
    metavar="FILE",
    help="A recipe of features to make of columns, as TOML: see the guide's page features.md; "
    "none for no recipe.",
)
dry_run = click.option(
    "--dry-run",
    is_flag=True,
    help="Say how many rows, how large an output and how much memory to expect; do nothing.",
)
no_clobber = click.option(
    "--no-clobber", is_flag=True, help="Refuse to replace a file that is there."
)


def output(help_text: str) -> Callable[[F], F]:
    """The option -o/--output of a command that writes one file."""
    return click.option("-o", "--output", required=True, metavar="FILE", help=help_text)


def output_table(what: str) -> Callable[[F], F]:
    """The option -o/--output of a command that writes one table."""
    return output(f"{what} to write: {TABLE_ENDINGS}; '-' is standard output, as CSV.")


def console(command: F) -> F:
    """The options of every command, those of reading among them, as one `console` argument."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
    @click.option("-q", "--quiet", is_flag=True, help="Print nothing but data and errors.")
    @click.option(
        "--threads",
        type=click.IntRange(1),
        metavar="N",
        help="Threads to use; results do not depend on it.  [default: all cores]",
    )
    @click.option(
        "--memory-limit",
        callback=size,
        metavar="SIZE",
        help="Memory to keep within, as 500MB or 2GB: smaller batches, fewer threads, or an error.",
    )
    @reading_options
    @functools.wraps(command)
    def with_console(
        *args: Any,
        as_json: bool,
        quiet: bool,
        threads: int | None,
        memory_limit: int | None,
        **rest: Any,
    ) -> Any:
        made = Console(
            as_json=as_json,
            quiet=quiet,
            threads=threads,
            memory_limit=memory_limit,
            reading=take_reading(rest),
        )
        return command(*args, console=made, **rest)

    return cast(F, with_console)


def recalibrate(default: str | None) -> Callable[[F], F]:
    """The option --recalibrate; where nothing is said, and None the default, the learner says."""
    otherwise = "" if default else "  [default: none; platt for a learner that needs it]"
    return click.option(
        "--recalibrate",
        type=click.Choice(["none", "intercept", "platt", "beta", "isotonic", "auto"]),
        default=default,
        show_default=default is not None,
        help="Correct calibration by a function of the probability, kept in the model: auto is "
        "platt where 1 is outside of an interval of predicted/observed or slope, else none."
        + otherwise,
    )


def budget(command: F) -> F:
    """The ways to say how many rows to keep; of many classes, of each."""
    for decorate in (
        click.option(
            "--efficiency",
            type=Number(0, 1, min_open=True),
            metavar="E",
            help="Share of the population's information kept; the pilot knows the rate for it.",
        ),
        click.option(
            "--rows", type=click.IntRange(1), metavar="N", help="Rows kept, of all classes."
        ),
        click.option(
            "--ratio",
            type=Number(0, min_open=True),
            metavar="K",
            help="Negatives kept per positive; of many classes rows of each per row of the rarest.",
        ),
        click.option(
            "--rate",
            type=Rate(),
            metavar="R",
            help="Share of the negatives kept; of many classes a=0.1,b=0.02, the others whole.",
        ),
    ):
        command = decorate(command)
    return command


def one_budget(
    rate: float | None, ratio: float | None, rows: int | None, efficiency: float | None = None
) -> Budget:
    """The budget, of which exactly one form must be given.

    Raises
    ------
    UsageError : none or several.
    """
    from rebalance.core.design import Budget

    given = {"--rate": rate, "--ratio": ratio, "--rows": rows, "--efficiency": efficiency}
    named = [name for name, value in given.items() if value is not None]
    if not named:
        raise UsageError(
            "how many rows to keep is not said",
            remedy="give one of --rate R (share of the negatives), --ratio K (negatives per "
            "positive), --rows N (rows of both classes) or --efficiency E (share of the "
            "information)",
        )
    if len(named) > 1:
        raise UsageError(" and ".join(named) + " contradict each other", remedy="give one")
    return Budget(rate, ratio, rows, efficiency)
