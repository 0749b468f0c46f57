"""The command `rebalance correct`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rebalance.cli import options
from rebalance.cli.class_options import Rate
from rebalance.cli.output import Console, facts
from rebalance.errors import UsageError

if TYPE_CHECKING:
    from rebalance.steps.calibrate_column import LabelledRows


def parse_prior(
    ctx: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[float, float] | None:
    """Two shares of positives, TRAIN,TRUE, each between 0 and 1.

    Raises
    ------
    click.BadParameter : anything else.
    """
    if value is None:
        return None
    try:
        train, true = (float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter("give two shares, for example 0.5,0.012", ctx, parameter) from None
    if not (0 < train < 1 and 0 < true < 1):
        raise click.BadParameter("both shares must lie between 0 and 1", ctx, parameter)
    return train, true


def one_text(ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> str:
    """The columns named, as one text: those of many classes may be given one by one.

    Raises
    ------
    click.BadParameter : several columns, and not of classes.
    """
    if len(value) > 1 and not all("=" in each for each in value):
        raise click.BadParameter("give one column, or CLASS=COLUMN for each class", ctx, parameter)
    return ",".join(value)


def labelled_rows(
    on: tuple[str, ...], label: str | None, positive: str | None, method: str | None
) -> LabelledRows | None:
    """What --calibrate-on and the options that belong to it say; None where it is not given.

    Raises
    ------
    UsageError : it is there without the label, or they are without it.
    """
    if not on:
        given = {"--label": label, "--positive": positive, "--recalibrate": method}
        alone = [name for name, value in given.items() if value is not None]
        if alone:
            raise UsageError(
                f"{' and '.join(alone)} belong{'s' * (len(alone) == 1)} to --calibrate-on",
                remedy="give --calibrate-on FILE, labelled rows of the natural distribution",
            )
        return None
    if label is None:
        raise UsageError(
            "the label of --calibrate-on is not known", remedy="name its column with --label"
        )
    from rebalance.steps.calibrate_column import LabelledRows

    return LabelledRows(on, label, positive, method)


@click.command()
@options.inputs
@click.option(
    "--probability",
    required=True,
    multiple=True,
    callback=one_text,
    metavar="COLUMN",
    help="The probabilities to correct; of many classes a=COLUMN,b=COLUMN,c=COLUMN, or "
    "'*=score_*' for columns score_CLASS.",
)
@options.output_table("The table")
@click.option("--design", metavar="SAMPLE", help="The sample the model was trained on.")
@click.option("--pi", metavar="COLUMN", help="A column with pi_0, a negative's chance at each row.")
@click.option("--offset", metavar="COLUMN", help="A column with log pi_1 - log pi_0.")
@click.option(
    "--rate",
    type=Rate(),
    metavar="R",
    help="The share of negatives that was kept; of many classes a=0.1,b=0.02.",
)
@click.option(
    "--prior",
    callback=parse_prior,
    metavar="TRAIN,TRUE",
    help="The share of positives in the training rows, and in truth.",
)
@click.option(
    "--balanced",
    metavar="MODEL",
    help="Many classes: undo this model's logit adjustment, from its columns rb_balanced_CLASS.",
)
@click.option(
    "--calibrate-on",
    multiple=True,
    metavar="FILE",
    help="Labelled rows of the natural distribution with the same model's probabilities, for "
    "methods that no formula undoes; repeatable.",
)
@click.option(
    "--recalibrate",
    type=click.Choice(["intercept", "platt", "beta", "isotonic"]),
    help="The function of the probability that is fitted to them.  [default: platt]",
)
@click.option("-l", "--label", metavar="COLUMN", help="The label's column, of --calibrate-on.")
@options.positive
@click.option(
    "--sampled",
    is_flag=True,
    help="Also write the probability as it was, as rb_probability_sampled.",
)
@options.no_clobber
@options.console
def correct(
    inputs: tuple[str, ...],
    probability: str,
    output: str,
    design: str | None,
    pi: str | None,
    offset: str | None,
    rate: float | dict[str, float] | None,
    prior: tuple[float, float] | None,
    balanced: str | None,
    calibrate_on: tuple[str, ...],
    recalibrate: str | None,
    label: str | None,
    positive: str | None,
    sampled: bool,
    no_clobber: bool,
    console: Console,
) -> None:
    """Make probabilities of any other tool true for the population.

    For a model trained on a sample that knew nothing of the sampling: log odds + log pi_0 - log
    pi_1. Give one of --design, --pi, --offset, --rate or --prior. With --design and a nonuniform
    sample the table must hold the pilot's features. Adds the column rb_probability. In memory are
    a few batches; with --calibrate-on also its probabilities and labels.

    Where no formula undoes what was done (smote, cleaning, forests, balanced ensembles), give
    --calibrate-on FILE and its --label: rows of the natural distribution that the model was not
    trained on, with its probabilities in a column of the same name. Calibration before is measured
    on them, after on each fifth of them with a map of the others. Probabilities of exactly 0 or 1
    are counted, and count as half of the least above 0 in FILE and likewise below 1, as does all
    beyond that.

    Of many classes log p_k - log pi_k, made to sum to 1: name the column of each class, and give
    --design, --rate a=0.1,b=0.02 or --balanced. Adds rb_probability_CLASS for each.
    """
    console.check_streams(output)
    from rebalance.steps.correct import CorrectResult, Sampling
    from rebalance.steps.correct import correct as step

    asked = labelled_rows(calibrate_on, label, positive, recalibrate)
    result = step(
        inputs,
        probability,
        output,
        sampling=Sampling(design, pi, offset, rate, prior, balanced, asked),
        sampled=sampled,
        clobber=not no_clobber,
        context=console,
    )
    if not isinstance(result, CorrectResult):
        from rebalance.cli.class_output import show_correct

        show_correct(console, result)
        return
    shown = {
        "rows": f"{result.rows:,}",
        "mean before": f"{result.mean_before:.6f}",
        "mean after": f"{result.mean_after:.6f}",
    }
    if result.calibration is not None:
        shown |= result.calibration.facts()
    console.show("correct", result.document(), facts(f"corrected: {output}", shown))
