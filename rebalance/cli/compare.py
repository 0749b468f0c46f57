"""The command `rebalance compare`."""

from __future__ import annotations

import click

from rebalance.cli import options
from rebalance.cli.output import Console


def names(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """The names in lists with commas, of an option that may be repeated."""
    return tuple(name.strip() for text in value for name in text.split(",") if name.strip())


@click.command()
@options.inputs
@options.label
@click.option(
    "--preset",
    type=click.Choice(["fast", "full"]),
    default="fast",
    show_default=True,
    help="fast: five methods by logistic and gbm; full: all methods and learners that there are.",
)
@click.option(
    "--methods",
    multiple=True,
    callback=names,
    metavar="A,B",
    help="Methods of sampling instead of the preset's: none (all rows), uniform, nonuniform, "
    "smote, ... as 'sample --methods' lists them, or a chain as uniform+smote.",
)
@click.option(
    "--learners",
    multiple=True,
    callback=names,
    metavar="A,B",
    help="Learners instead of the preset's, as 'train --model' lists them.",
)
@click.option(
    "--budget",
    type=options.Number(0, min_open=True),
    metavar="SECONDS",
    help="The time it may take: what does not fit is left out, and said.  [default: 120; with "
    "full 3600]",
)
@click.option(
    "--folds", type=click.IntRange(2, 100), default=5, show_default=True, metavar="K", help="Folds."
)
@click.option(
    "--time",
    metavar="COLUMN",
    help="Test on blocks of later rows by this column, each by what came before it.",
)
@click.option(
    "--ratio",
    type=options.Number(0, min_open=True),
    default=5.0,
    show_default=True,
    metavar="K",
    help="Negatives per positive that samplers keep or make.",
)
@click.option(
    "--precision-at",
    "precision",
    type=options.Number(0, 1, min_open=True),
    default=0.5,
    show_default=True,
    metavar="P",
    help="The precision at which recall is measured.",
)
@click.option(
    "--rank-by",
    type=click.Choice(["log_loss", "average_precision", "roc_auc", "brier"]),
    default="log_loss",
    show_default=True,
    help="What the ways are ranked and compared by.",
)
@click.option(
    "--uncorrected",
    is_flag=True,
    help="Show each sampling's probabilities without any correction, too.",
)
@click.option(
    "--state",
    metavar="FILE",
    help="Keep finished fits here, and go on from them when the command is given again.",
)
@click.option(
    "--plot", metavar="FILE", help="Also draw all figures with their intervals: .png, .svg or .pdf."
)
@options.positive
@options.drop
@options.key
@options.seed
@options.no_clobber
@options.console
def compare(
    inputs: tuple[str, ...],
    label: str,
    preset: str,
    methods: tuple[str, ...],
    learners: tuple[str, ...],
    budget: float | None,
    folds: int,
    time: str | None,
    ratio: float,
    precision: float,
    rank_by: str,
    uncorrected: bool,
    state: str | None,
    plot: str | None,
    positive: str | None,
    drop: tuple[str, ...],
    key: str | None,
    seed: int,
    no_clobber: bool,
    console: Console,
) -> None:
    """Find the best way to train on a table: methods of sampling by learners, cross-validated.

    Each way is fitted on the training rows of each fold, its pilot, sampler, encoding and
    calibration too, and measured on the fold's test rows as they are. Folds are stratified; with
    --key all rows of an entity are in one. Smaller fits come first; what the time does not reach is
    listed. Ways that cannot work on the table are listed with the reason.

    Intervals are of 95%, by the corrected resampled t test (Nadeau and Bengio 2003), as folds
    share their training rows. A difference from the best is called more than noise where its p
    value, times the number of ways compared with the best, is below 0.05. Seconds are those of
    pilot, sample and training.

    It ends with the commands that make the best way's model from the whole table. Folds lie in the
    folder for temporary files (TMPDIR), one at a time; in memory are the samples, and some 40 bytes
    of every row.
    """
    from rebalance.cli.compare_output import show_comparison
    from rebalance.steps.compare.asked import CompareAsked
    from rebalance.steps.compare.compare import compare as step

    asked = CompareAsked(
        inputs,
        label,
        preset=preset,
        methods=methods,
        learners=learners,
        budget=budget,
        folds=folds,
        ratio=ratio,
        precision=precision,
        rank_by=rank_by,
        key=key,
        time=time,
        positive=positive,
        drop=drop,
        uncorrected=uncorrected,
        seed=seed,
        state=state,
        plot=plot,
        clobber=not no_clobber,
    )
    show_comparison(console, step(asked, console))
