"""The command `rebalance predict`."""

from __future__ import annotations

import click

from rebalance.cli import options
from rebalance.cli.output import Console, facts, show_plan
from rebalance.core.wording import counted


@click.command()
@options.inputs
@click.option("--model", required=True, metavar="FILE", help="A model.")
@options.output_table("The predictions")
@click.option(
    "--keep",
    multiple=True,
    metavar="COLUMN",
    help="An input column to keep; repeatable.  [default: all]",
)
@click.option(
    "--sampled",
    is_flag=True,
    help="Also write the model's own probability on the sample's scale, before any correction or "
    "recalibration.",
)
@options.dry_run
@options.no_clobber
@options.console
def predict(
    inputs: tuple[str, ...],
    model: str,
    output: str,
    keep: tuple[str, ...],
    sampled: bool,
    dry_run: bool,
    no_clobber: bool,
    console: Console,
) -> None:
    """Add rb_probability, the population's probability, to every row.

    A model trained with --cost adds rb_decision, whether the probability is at or above the
    threshold that makes the costs least. A model trained with --scale sample gives
    rb_probability_sampled, the probability as it was fitted, instead.

    A model of many classes adds rb_probability_CLASS for each, or rb_balanced_CLASS where it has a
    logit adjustment.

    Rows keep their order. The table is read once; in memory are a few batches, and the rows of one
    row group that wait to be written.
    """
    console.check_streams(output)
    if dry_run:
        from rebalance.steps.artifacts.model import read_model
        from rebalance.steps.classes.artifacts.model import read_if_class_model
        from rebalance.steps.plan import plan_copies

        named = list((read_if_class_model(model) or read_model(model)).kinds)
        plan = plan_copies(
            inputs, [output], console, columns=keep or None, named=named, clobber=not no_clobber
        )
        show_plan(console, "predict", plan, output)
        return
    from rebalance.steps.predict import PredictResult
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
    if not isinstance(result, PredictResult):
        from rebalance.cli.class_output import show_predict

        show_predict(console, result)
        return
    shown = {"rows": f"{result.rows:,}", "mean probability": f"{result.mean_probability:.6f}"}
    if result.threshold is not None:
        decided = (
            f"{counted(result.decided_positive or 0, 'row')} at or above {result.threshold:.6g}"
        )
        shown["decided positive"] = decided
    console.show("predict", result.document(), facts(f"predictions: {output}", shown))
