"""The command `rebalance pilot`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rebalance.cli import options
from rebalance.cli.output import Console, Figures, facts, number
from rebalance.core.wording import counted

if TYPE_CHECKING:
    from rebalance.steps.pilot import PilotResult

SHOWN_RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


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
@options.features
@options.drop
@options.key
@options.sample_weight
@options.seed
@click.option(
    "--correction",
    type=click.Choice(["offset", "weight"]),
    help="What the plan is for. Of weights 1/pi few rows carry the variance: 'weight' simulates "
    "draws and fits, and knows them better.  [default: offset]",
)
@click.option(
    "--plan",
    metavar="FILE",
    help="A picture of the information that samples keep, by rate: .png, .svg or .pdf.",
)
@options.no_clobber
@options.console
def pilot(
    inputs: tuple[str, ...],
    label: str,
    output: str,
    model: str,
    size: int,
    positive: str | None,
    features: str | None,
    drop: tuple[str, ...],
    key: str | None,
    sample_weight: str | None,
    seed: int,
    correction: str | None,
    plan: str | None,
    no_clobber: bool,
    console: Console,
) -> None:
    """Fit a cheap model that says where the rare class is.

    It reads the table once and keeps up to --size rows of each class in memory, or 5,000 for the
    plan. Its probabilities are those of the whole table; `sample` keeps common rows in proportion
    to them. AUC and calibration are measured on five folds. A label of three or more values makes a
    pilot of all its classes, unless one is named with --positive.

    The plan printed says, for rates of negatives kept, how much of the table's information a sample
    keeps (its efficiency: the share of the table's rows that would do as well, drawn at random), as
    far as the log odds are linear in the features.
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
        correction=correction,
        plan=plan,
        features=features,
        clobber=not no_clobber,
        context=console,
    )
    if not isinstance(result, PilotResult):
        from rebalance.cli.class_output import show_pilot

        show_pilot(console, result)
        return
    shown = {
        "table": f"{counted(result.rows, 'row')}, {result.positives:,} positive "
        f"({result.positives / result.rows:.3%})",
        "fitted on": f"{counted(result.drawn_positives, 'positive')} and "
        f"{counted(result.drawn_negatives, 'negative')}, {counted(result.features, 'feature')}",
        "AUC (five folds)": number(result.roc_auc, 4),
        "predicted / observed": number(result.predicted_over_observed, 3),
        "calibration slope": number(result.calibration_slope, 3),
    }
    if "standard_error_of_log" in result.plan:
        simulated = result.plan["correction"] == "weight"
        weights = f"{_roughly(result, 'weight')} (weight)" if simulated else "weights by formula"
        shown["plan known to within"] = (
            f"{_roughly(result, 'offset')} (offset), {weights}, at the worst of these rates"
        )
    summary = facts(f"{model} pilot: {output}", shown)
    planned = [] if "withheld" in result.plan else [_plan(result)]
    console.show("pilot", result.document(), summary, *planned)


def _roughly(result: PilotResult, correction: str) -> str:
    """The largest half-width of the 95% ranges of the efficiencies shown, as a share of them."""
    errors = result.plan["standard_error_of_log"][correction]
    at = [at for at, rate in enumerate(result.plan["rates"]) if rate in SHOWN_RATES]
    most = 1.96 * max(errors[how][each] for how in ("uniform", "probability") for each in at)
    return f"{most:.0%}" if most <= 1 else "more than 100%"


def _plan(result: PilotResult) -> Figures:
    """What samples of rising rates keep of the information, uniform and by the probability."""
    ways = [(what, how) for what in ("offset", "weight") for how in ("uniform", "probability")]
    lines = []
    for at, rate in enumerate(result.plan["rates"]):
        if rate in SHOWN_RATES:
            negatives = rate * result.negatives
            kept = [f"{result.plan['efficiency'][what][how][at]:.3f}" for what, how in ways]
            ratio = f"{result.positives / negatives:.3g}"
            lines.append([f"{rate:.1%}", f"{result.positives + negatives:,.0f}", ratio, *kept])
    heads = [f"{how}, {what}" for what, how in ways]
    return Figures(
        "efficiency of a sample, by score and correction",
        ["rate", "rows", "positives per negative", *heads],
        lines,
    )
