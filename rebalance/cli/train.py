"""The command `rebalance train`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rebalance.cli import class_options, options
from rebalance.cli.learner_options import learner
from rebalance.cli.loss_options import facts_of, losses, scale
from rebalance.cli.models import WithModels
from rebalance.cli.output import Console, facts
from rebalance.core.wording import counted

if TYPE_CHECKING:
    from rebalance.steps.trained import TrainResult


@click.command(cls=WithModels)
@options.inputs
@options.output("The model to write, for example model.rbl.")
@learner
@losses
@scale
@click.option(
    "--models",
    is_flag=True,
    expose_value=False,
    help="List all learners, and how the probabilities of each are made true; end.",
)
@click.option(
    "--correction",
    type=click.Choice(["offset", "weight", "posthoc"]),
    help="How sampling is undone: an offset in the fit, weights 1/pi, or after a plain fit.  "
    "[default: what the learner can, offset first]",
)
@click.option(
    "--robust",
    is_flag=True,
    help="logistic: standard errors that stay right where the model is wrong (sandwich); with "
    "weights they always are.",
)
@click.option("--natural", is_flag=True, help="The table is the population itself, no sample.")
@click.option("-l", "--label", metavar="COLUMN", help="The label's column, with --natural.")
@options.positive
@click.option(
    "--design",
    metavar="FILE",
    help="The sample's design, where it lies elsewhere: its file, or the sample as it was written.",
)
@click.option(
    "--calibrate-on",
    multiple=True,
    metavar="TABLE",
    help="Measure calibration on rows of the natural distribution; repeatable.",
)
@options.recalibrate(None)
@click.option(
    "--check-calibration",
    is_flag=True,
    help="Measure calibration on the sample itself: five more fits, and wide intervals.",
)
@options.features
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
    settings: dict[str, Any],
    weighting: dict[str, Any],
    correction: str | None,
    robust: bool,
    natural: bool,
    label: str | None,
    positive: str | None,
    design: str | None,
    calibrate_on: tuple[str, ...],
    recalibrate: str | None,
    check_calibration: bool,
    features: str | None,
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
    finds its number of rounds on a held-out fifth of the rows, then is fitted to all of them. A
    logistic model's coefficients are shown in the features' own units, with 95% intervals.

    Votes of forests and balanced ensembles, and scores of one-class learners, are no probabilities:
    --calibrate-on, rows of the natural distribution, makes them so, by platt unless --recalibrate
    says otherwise. --models tells of each learner how its probabilities are made true.

    With --calibrate-on, a table of any size is streamed through the model: predicted/observed and
    slope, which are 1 where probabilities are true, come with 95% intervals, are kept in the
    model, and are warned of where 1 is outside. The table that was sampled serves, its rows in the
    order they had: those of the sample are predicted by models fitted without them, five more
    fits. Without a table nothing is measured, unless --check-calibration or --recalibrate asks for
    that: then each fifth of the sample is predicted by a model of the others, and --recalibrate
    refuses where an interval is wider than +-0.05.

    Features that the pilot makes by a recipe are made here, too, unless --features names another
    recipe, or none.
    """
    from rebalance.learners.base import Settings
    from rebalance.steps.classes.balancing import balancing_of
    from rebalance.steps.recalibrate import Wanted
    from rebalance.steps.train import train as step
    from rebalance.steps.train_task import TrainAsked
    from rebalance.steps.trained import TrainResult
    from rebalance.steps.weighting import Weighting

    asked = TrainAsked(
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
        settings=Settings(**settings, seed=seed, threads=console.threads, robust=robust or None),
        wanted=Wanted.of(calibrate_on, recalibrate, check=check_calibration),
        weighting=Weighting.of(**weighting),
        clobber=not no_clobber,
        features=features,
    )
    result = step(asked, console)
    if not isinstance(result, TrainResult):
        from rebalance.cli.class_output import show_train

        show_train(console, result)
        return
    console.show("train", result.document(), *_parts(result, quiet=console.quiet))


def _parts(result: TrainResult, *, quiet: bool) -> list[Any]:
    """What is shown: the model, and unless quiet its coefficients."""
    shown = {
        "fitted on": f"{counted(result.rows, 'row')}, {result.positives:,} positive, "
        f"{counted(result.features, 'feature')}",
        "correction": _correction(result),
    }
    shown |= {
        name.replace("_", " "): str(value)
        for name, value in result.summary.items()
        if name not in ("learner", "stages")
    }
    if "stages" in result.summary:
        from rebalance.steps.staged import stages_shown

        shown["stages"] = stages_shown(result.summary["stages"])
    shown |= facts_of(result.document()["weighting"], result.document()["costs"])
    if result.calibrated is not None:
        shown |= result.calibrated.facts(afterwards=result.needs_calibration)
    parts = [facts(f"{result.model} model: {result.output}", shown)]
    if result.estimates is not None and not quiet:
        from rebalance.cli.coefficients import coefficient_table

        parts.append(coefficient_table(result.estimates))
    return parts


def _correction(result: TrainResult) -> str:
    """How probabilities are corrected, and how well; of a sample left on its scale, that."""
    if result.scale == "sample" and result.correction != "none":
        return f"{result.correction}, left on the sample's scale (--scale sample)"
    return result.correction + (f" ({result.corrected})" if result.corrected else "")
