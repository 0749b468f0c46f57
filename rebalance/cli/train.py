"""The command `rebalance train`."""

from __future__ import annotations

import click

from rebalance.cli import class_options, options
from rebalance.cli.output import Console, facts


@click.command()
@options.inputs
@options.output("The model to write, for example model.rbl.")
@options.learner
@click.option(
    "--correction",
    type=click.Choice(["offset", "weight", "posthoc"]),
    help="How sampling is undone: an offset in the fit, weights 1/pi, or after a plain fit.  "
    "[default: offset]",
)
@click.option("--natural", is_flag=True, help="The table is the population itself, no sample.")
@click.option("-l", "--label", metavar="COLUMN", help="The label's column, with --natural.")
@options.positive
@click.option("--design", metavar="FILE", help="The sample's design, where it lies elsewhere.")
@options.drop
@options.key
@options.sample_weight
@class_options.balancing
@options.seed
@options.no_clobber
@options.console
def train(
    inputs: tuple[str, ...],
    output: str,
    model: str,
    l2: float | None,
    rounds: int | None,
    learning_rate: float | None,
    leaves: int | None,
    correction: str | None,
    natural: bool,
    label: str | None,
    positive: str | None,
    design: str | None,
    drop: tuple[str, ...],
    key: str | None,
    sample_weight: str | None,
    logit_adjustment: float | None,
    balanced_softmax: bool,
    seed: int,
    no_clobber: bool,
    console: Console,
) -> None:
    """Fit a model whose probabilities are the population's.

    INPUT is a sample, which knows its label and how it was drawn; it is read into memory. A gbm
    finds its number of rounds on a held-out fifth of the rows, then is fitted to all of them.
    """
    from rebalance.learners.base import Settings
    from rebalance.steps.class_train import balancing_of
    from rebalance.steps.train import TrainResult
    from rebalance.steps.train import train as step

    result = step(
        inputs,
        output,
        model=model,
        correction=correction,
        natural=natural,
        label=label,
        positive=positive,
        design=design,
        drop=drop,
        key=key,
        sample_weight=sample_weight,
        balancing=balancing_of(logit_adjustment, balanced_softmax=balanced_softmax),
        settings=Settings(l2, rounds, learning_rate, leaves, seed, console.threads),
        clobber=not no_clobber,
        context=console,
    )
    if not isinstance(result, TrainResult):
        from rebalance.cli.class_output import show_train

        show_train(console, result)
        return
    shown = {
        "fitted on": f"{result.rows:,} rows, {result.positives:,} positive, "
        f"{result.features} features",
        "correction": result.correction,
    }
    shown |= {
        name.replace("_", " "): str(value)
        for name, value in result.summary.items()
        if name != "learner"
    }
    console.show("train", result.document(), facts(f"{model} model: {output}", shown))
