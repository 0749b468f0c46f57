"""The command `rebalance run`."""

from __future__ import annotations

from typing import Any

import click

from rebalance.cli import options
from rebalance.cli.class_options import budgets
from rebalance.cli.evaluate import metric_tables
from rebalance.cli.learner_options import learner
from rebalance.cli.loss_options import facts_of, losses
from rebalance.cli.output import Console, facts
from rebalance.core.wording import counted


@click.command()
@options.inputs
@options.label
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="DIRECTORY",
    help="Where the artifacts go; made if new.",
)
@options.budget
@click.option(
    "--test",
    type=options.Number(0, 1, min_open=True, max_open=True),
    default=0.2,
    show_default=True,
    metavar="SHARE",
    help="Share of the rows held out to evaluate on.",
)
@click.option("--time", metavar="COLUMN", help="Hold out the latest rows by this column.")
@click.option(
    "--method",
    type=click.Choice(["nonuniform", "uniform"]),
    help="How negatives are chosen.  [default: nonuniform; uniform for one-class learners]",
)
@click.option(
    "--pilot-model",
    type=click.Choice(["logistic", "gbm"]),
    help="What the pilot is.  [default: what --model is, gbm where that cannot be a pilot]",
)
@learner
@losses
@options.recalibrate("auto")
@options.positive
@options.features
@options.drop
@options.key
@options.sample_weight
@options.seed
@options.no_clobber
@options.console
def run(
    inputs: tuple[str, ...],
    label: str,
    output: str,
    rate: float | dict[str, float] | None,
    ratio: float | None,
    rows: int | None,
    efficiency: float | None,
    test: float,
    time: str | None,
    method: str | None,
    pilot_model: str | None,
    model: str,
    settings: dict[str, Any],
    weighting: dict[str, Any],
    recalibrate: str,
    positive: str | None,
    features: str | None,
    drop: tuple[str, ...],
    key: str | None,
    sample_weight: str | None,
    seed: int,
    no_clobber: bool,
    console: Console,
) -> None:
    """Do all of it: split, pilot, sample, train, predict, evaluate.

    DIRECTORY gets the files that the single commands write, curves.png and report.json. The same
    input and seed give the same bytes. Without a budget it takes --ratio 5. Memory holds the
    pilot's draw, the sample, and the test rows' labels and probabilities.

    Calibration is measured on the training table, as train --calibrate-on does: rows of the sample
    are predicted by models that did not see them, which takes five more fits to the sample.

    A label of three or more values is taken with all its classes, unless one is named with
    --positive: give --ratio, --rows, or --rate a=0.1,b=0.02. There is no curves.png then, and
    calibration is not measured.
    """
    given = [value for value in (rate, ratio, rows, efficiency) if value is not None]
    budget, class_rates = budgets(rate, ratio, rows, efficiency) if given else (None, None)
    from rebalance.learners.base import Settings
    from rebalance.steps.run import RunResult
    from rebalance.steps.run import run as step
    from rebalance.steps.run_steps import RunAsked
    from rebalance.steps.weighting import Weighting

    asked = RunAsked(
        inputs,
        label,
        output,
        settings=Settings(**settings, seed=seed, threads=console.threads),
        budget=budget,
        class_rates=class_rates,
        test=test,
        time=time,
        key=key,
        method=method,
        pilot_model=pilot_model,
        model=model,
        positive=positive,
        drop=drop,
        sample_weight=sample_weight,
        recalibrate=recalibrate,
        features=features,
        weighting=Weighting.of(**weighting),
        clobber=not no_clobber,
    )
    result = step(asked, console)
    if not isinstance(result, RunResult):
        from rebalance.cli.class_output import show_run

        show_run(console, result, output)
        return
    kept = result.train.rows
    shown = {
        "trained on": f"{kept:,} of {result.sample.rows:,} rows ({kept / result.sample.rows:.2%}), "
        f"all {counted(result.train.positives, 'positive')}",
        **(
            result.train.calibrated.facts(afterwards=result.train.needs_calibration)
            if result.train.calibrated
            else {}
        ),
        **facts_of(result.train.document()["weighting"], result.train.document()["costs"]),
        "artifacts": ", ".join(sorted(result.files)),
    }
    summary = facts(f"{model} in {output}", shown)
    console.show("run", result.document(), *metric_tables(result.evaluation), summary, data=True)
