"""The command `rebalance predict`."""

from __future__ import annotations

import click

from rebalance.cli import options
from rebalance.cli.output import Console, facts


@click.command()
@options.inputs
@click.option("--model", required=True, metavar="FILE", help="A model.")
@options.output("The predictions to write: .parquet, .csv or .tsv; '-' is standard output.")
@click.option(
    "--keep",
    multiple=True,
    metavar="COLUMN",
    help="An input column to keep; repeatable.  [default: all]",
)
@click.option(
    "--sampled", is_flag=True, help="Also write the probability on the sample's scale, uncorrected."
)
@options.no_clobber
@options.console
def predict(
    inputs: tuple[str, ...],
    model: str,
    output: str,
    keep: tuple[str, ...],
    sampled: bool,
    no_clobber: bool,
    console: Console,
) -> None:
    """Add rb_probability, the population's probability, to every row.

    Rows keep their order; the table is read once, batch by batch, and only a batch is in memory.
    """
    console.check_streams(output)
    from rebalance.steps.predict import predict as step

    result = step(
        inputs,
        model,
        output,
        keep=keep or None,
        sampled=sampled,
        clobber=not no_clobber,
        context=console,
    )
    shown = {"rows": f"{result.rows:,}", "mean probability": f"{result.mean_probability:.6f}"}
    console.show("predict", result.document(), facts(f"predictions: {output}", shown))
