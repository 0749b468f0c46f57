"""The command `rebalance evaluate`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from rebalance.cli import options
from rebalance.cli.output import Console

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from rebalance.steps.evaluate import Evaluation

DECIMALS = {
    "log_loss": 5, "brier": 5, "roc_auc": 4, "average_precision": 4, "predicted_over_observed": 4,
    "ece": 5, "calibration_slope": 3, "calibration_intercept": 3, "mean_predicted": 6,
    "mean_observed": 6, "precision": 4, "recall": 4, "specificity": 4, "f1": 4, "f_beta": 4,
    "mcc": 4, "balanced_accuracy": 4,
}  # fmt: skip
IN_SEGMENTS = (
    "rows", "positives", "log_loss", "roc_auc", "average_precision", "predicted_over_observed",
)  # fmt: skip
ONLY_WEIGHTED = ("weight", "weight_positives", "predicted_positives")


@click.command()
@options.inputs
@options.label
@click.option(
    "--probability",
    "probabilities",
    multiple=True,
    metavar="COLUMN",
    help="A column of probabilities; repeatable. Of many classes a=COLUMN,b=COLUMN, "
    "or '*=score_*' for columns score_CLASS.  "
    "[default: rb_probability, or rb_probability_CLASS of all classes]",
)
@options.positive
@options.sample_weight
@click.option(
    "--threshold",
    "thresholds",
    multiple=True,
    metavar="SPEC",
    help="Count hits and misses at a threshold: 0.3, f1 (the largest F1), recall=0.8, "
    "precision=0.5, top=100 (rows), or model, the one of a model with costs; repeatable.",
)
@click.option(
    "--beta",
    type=float,
    default=2.0,
    show_default=True,
    metavar="B",
    help="The beta of f_beta: how many times as much recall counts as precision.",
)
@click.option(
    "--by",
    metavar="COLUMN[:PERIOD]",
    help="Metrics for each value too; of times for each hour, day, week, month, quarter or year.",
)
@click.option(
    "--fail-if",
    "checks",
    multiple=True,
    metavar="EXPR",
    help="Exit with 1 when this holds: 'roc_auc<0.8', 'COLUMN:brier>0.1', "
    "'recall@0.3<0.5' (with --threshold 0.3); repeatable.",
)
@click.option("--plot", metavar="FILE", help="A picture to write: .png, .svg or .pdf.")
@options.no_clobber
@options.console
def evaluate(
    inputs: tuple[str, ...],
    label: str,
    probabilities: tuple[str, ...],
    positive: str | None,
    sample_weight: str | None,
    thresholds: tuple[str, ...],
    beta: float,
    by: str | None,
    checks: tuple[str, ...],
    plot: str | None,
    no_clobber: bool,
    console: Console,
) -> None:
    """Say how good probabilities are, against what happened.

    Ranking (roc_auc, average_precision), calibration (predicted_over_observed, ece,
    calibration_slope, calibration_intercept) and both at once (log_loss, brier). A row is
    predicted positive when its probability is at or above the threshold. Thresholds that are
    found, not given, are found on these very rows: find them on a validation table, and give the
    number when the test table's turn comes. What is not defined is shown as "-".

    Of many classes: log_loss, accuracy, balanced_accuracy, roc_auc (mean of each class against the
    rest) and share_difference, the sum over the classes of |mean predicted - observed share|;
    these --fail-if can name. In memory are 8 bytes a row for each class.

    The table is read once, and only the columns needed. In memory are 9 bytes a row; 8 more for
    each further column of probabilities; 10 more with --by, or 19 more with --sample-weight.

    \b
        rebalance evaluate predictions.parquet -l late --threshold recall=0.8 --plot curves.png
        rebalance evaluate predictions.parquet -l late --fail-if 'predicted_over_observed<0.95'
    """
    from rebalance.steps.evaluate import Evaluation
    from rebalance.steps.evaluate import evaluate as step

    found = step(
        inputs,
        label,
        probabilities,
        positive=positive,
        sample_weight=sample_weight,
        thresholds=thresholds,
        beta=beta,
        by=by,
        checks=checks,
        plot=plot,
        clobber=not no_clobber,
        context=console,
    )
    if isinstance(found, Evaluation):
        tables = metric_tables(found)
    else:
        from rebalance.cli.class_output import class_metric_tables

        tables = class_metric_tables(found)
    console.show("evaluate", found.document(), *tables, data=True)
    for failed in found.failed:
        click.echo(f"check failed: {failed}", err=True)
    found.raise_failed()


def metric_tables(found: Evaluation) -> list[RenderableType]:
    """Metrics, figures at each threshold, segments and checks."""
    weighted = found.sample_weight is not None
    title = f"{found.label.column} = {found.label.positive}"
    title += f", rows weighted by {found.sample_weight}" if weighted else ""
    tables: list[RenderableType] = [_figures(title, found.metrics, weighted)]
    for threshold, figures in found.thresholds.items():
        shown = {"f_beta": f"f_beta (beta {found.beta:g})"}
        tables.append(_figures(f"threshold {threshold}", figures, weighted, shown))
    if found.segments:
        tables.append(_segments(found, weighted))
    if found.checks:
        table = _table("checks", ["fail if", "column", "found", ""])
        for each in found.checks:
            value = "-" if math.isnan(each.value) else f"{each.value:.6g}"
            verdict = "failed" if each.failed else "passed"
            _add(table, [each.check.expression, each.column, value, verdict])
        tables.append(table)
    return tables


def _figures(
    title: str,
    figures: Mapping[str, Mapping[str, float]],
    weighted: bool,
    shown: Mapping[str, str] | None = None,
) -> RenderableType:
    table = _table(title, ["", *figures])
    for name in next(iter(figures.values())):
        if weighted or name not in ONLY_WEIGHTED:
            cells = [_number(name, each[name], weighted) for each in figures.values()]
            _add(table, [(shown or {}).get(name, name), *cells])
    return table


def _segments(found: Evaluation, weighted: bool) -> RenderableType:
    several = ["column"] if len(found.metrics) > 1 else []
    headers = [name.replace("_", " ") for name in IN_SEGMENTS]  # so that they break between words
    table = _table(f"by {found.by}", [str(found.by), *several, *headers])
    for segment in found.segments:
        value = "(missing)" if segment.value is None else str(segment.value)
        for column, figures in segment.metrics.items():
            numbers = [_number(name, figures[name], weighted) for name in IN_SEGMENTS]
            _add(table, [value, *([column] if several else []), *numbers])
            value = ""
    return table


def _table(title: str, headers: Sequence[str]) -> Table:
    """A table whose names stand as they are: a [ in them is no markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(title, style="bold"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for position, header in enumerate(headers):
        table.add_column(
            Text(header), justify="left" if position == 0 else "right", overflow="fold"
        )
    return table


def _add(table: Table, cells: Sequence[str]) -> None:
    from rich.text import Text

    table.add_row(*(Text(cell) for cell in cells))


def _number(name: str, value: float, weighted: bool) -> str:
    if math.isnan(value):
        return "-"
    if name == "value":
        return f"{value:.6g}"
    if name in DECIMALS:
        return f"{value:.{DECIMALS[name]}f}"
    whole = not weighted or name in ("rows", "positives", "selected_rows")
    return f"{value:,.0f}" if whole else f"{value:,.2f}"
