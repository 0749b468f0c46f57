"""The command `rebalance`: its subcommands in the order they are used."""

from __future__ import annotations

import click

from rebalance import __version__
from rebalance.cli.group import Commands

COMMANDS = (
    "profile",
    "split",
    "pilot",
    "sample",
    "train",
    "predict",
    "correct",
    "evaluate",
    "compare",
    "run",
)


@click.group(
    cls=Commands,
    names=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="rebalance")
def cli() -> None:
    """Train on the rows that matter when one class is rare.

    A table with a rare class goes in; probabilities true for the whole population come out, from a
    few percent of the rows:

    \b
        rebalance run flights.parquet -l late --rate 0.05 -o out

    or step by step: profile, split, pilot, sample, train, predict, evaluate.

    Files may be addresses, too: s3://, gs:// or, to read from, https://. What an address names is
    fetched to the folder for temporary files (TMPDIR) first, which must have room for it.
    """
