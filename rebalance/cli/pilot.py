"""The command `rebalance pilot`."""

from __future__ import annotations

import click

from rebalance.cli import options
from rebalance.cli.output import Console, facts, number


@click.command()
@options.inputs
@options.label
@options.output("The pilot to write, for example pilot.rbl.")
@click.option(
    "--model",
    type=click.Choice(["logistic", "gbm"]),
    default="logistic",
    show_default=True,
    help="What the pilot is.",
)
@click.option(
    "--size",
    type=click.IntRange(10),
    default=5000,
    show_default=True,
    metavar="N",
    help="Rows of each class to fit it on, at the most; of many classes 5 N in all.",
)
@options.positive
@options.drop
@options.key
@options.sample_weight
@options.seed
@options.no_clobber
@options.console
def pilot(
    inputs: tuple[str, ...],
    label: str,
    output: str,
    model: str,
    size: int,
    positive: str | None,
    drop: tuple[str, ...],
    key: str | None,
    sample_weight: str | None,
    seed: int,
    no_clobber: bool,
    console: Console,
) -> None:
    """Fit a cheap model that says where the rare class is.

    It reads the table once and keeps up to --size rows of each class in memory. Its probabilities
    are those of the whole table; `sample` keeps common rows in proportion to them. AUC and
    calibration are measured on five folds. A label of three or more values makes a pilot of all its
    classes, unless one is named with --positive.
    """
    from rebalance.steps.pilot import PilotResult
    from rebalance.steps.pilot import pilot as step

    result = step(
        inputs,
        label,
        output,
        model=model,
        size=size,
        positive=positive,
        drop=drop,
        key=key,
        sample_weight=sample_weight,
        seed=seed,
        clobber=not no_clobber,
        context=console,
    )
    if not isinstance(result, PilotResult):
        from rebalance.cli.class_output import show_pilot

        show_pilot(console, result)
        return
    shown = {
        "table": f"{result.rows:,} rows, {result.positives:,} positive "
        f"({result.positives / result.rows:.3%})",
        "fitted on": f"{result.drawn_positives:,} positives and {result.drawn_negatives:,} "
        f"negatives, {result.features} features",
        "AUC (five folds)": number(result.roc_auc, 4),
        "predicted / observed": number(result.predicted_over_observed, 3),
        "calibration slope": number(result.calibration_slope, 3),
    }
    console.show("pilot", result.document(), facts(f"{model} pilot: {output}", shown))
