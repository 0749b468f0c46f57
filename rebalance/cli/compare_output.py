"""How a comparison is shown: two tables, what was left out, and the winner's commands."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from rebalance.cli.output import Console, Figures, facts, number

if TYPE_CHECKING:
    from rich.console import RenderableType

    from rebalance.core.comparison import Estimate
    from rebalance.steps.compare.asked import CompareResult
    from rebalance.steps.compare.results import Place

_TITLES = {
    "log_loss": "log loss",
    "average_precision": "average precision",
    "roc_auc": "ROC AUC",
    "brier": "Brier score",
}


def show_comparison(console: Console, result: CompareResult) -> None:
    """Print the tables and the commands on standard output, or the JSON document."""
    parts = [_ranking(result), _figures(result)]
    if any(place.uncorrected for place in result.places):
        parts.append(_uncorrected(result))
    shown = [*parts, *([_missed(result)] if result.missed else [])]
    console.show("compare", result.document(), *shown, data=True)
    if not console.as_json:
        best = result.places[0].way.name
        click.echo(f"# the best, {best}, from the whole table:")
        for command in result.commands:
            click.echo(command)


def _ranking(result: CompareResult) -> Figures:
    metric = result.asked.rank_by
    is_uneven = any(place.folds < len(result.folds) for place in result.places)
    lines = []
    for place in result.places:
        difference, verdict = "", "the best"
        if place.versus is not None:
            found = place.versus.difference
            difference = _interval(found, sign=True)
            verdict = "not told" if math.isnan(found.p_value) else _verdict(place)
        lines.append(
            [
                f"{place.rank}  {place.way.name}",
                place.way.standing,
                _interval(place.metrics[metric]),
                difference,
                verdict,
                f"{place.rows:,.0f}",
                f"{place.seconds:.2f}",
                *([str(place.folds)] if is_uneven else []),
            ]
        )
    count = len(result.places)
    title = (
        f"{count} way{'s' * (count != 1)} by {_TITLES[metric]}, {len(result.folds)} folds of "
        f"{result.rows:,} rows, {result.positives:,} positive"
    )
    headers = (
        "way",
        "probabilities",
        _TITLES[metric],
        "less the best's",
        "more than noise",
        "rows",
        "seconds",
        *(["folds"] if is_uneven else []),
    )
    return Figures(title, headers, lines)


def _verdict(place: Place) -> str:
    if place.versus is None:
        return ""
    p_value = place.versus.p_adjusted
    shown = "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
    return f"{'yes' if place.versus.is_more else 'no'}, {shown}"


def _figures(result: CompareResult) -> Figures:
    others = [name for name in _TITLES if name != result.asked.rank_by]
    lines = [
        [f"{place.rank}  {place.way.name}", *_cells(place.metrics, others)]
        for place in result.places
    ]
    headers = [
        "way",
        *(_TITLES[name] for name in others),
        "predicted/observed",
        "recall",
    ]
    title = f"Other figures; recall is that at a precision of {result.asked.precision:g}"
    return Figures(title, headers, lines)


def _uncorrected(result: CompareResult) -> Figures:
    lines = [
        [
            f"{place.rank}  {place.way.name}",
            _interval(place.metrics["predicted_over_observed"]),
            _interval(place.uncorrected["predicted_over_observed"]),
            _interval(place.metrics["log_loss"]),
            _interval(place.uncorrected["log_loss"]),
        ]
        for place in result.places
        if place.uncorrected is not None
    ]
    headers = ("way", "predicted/observed", "not corrected", "log loss", "not corrected")
    return Figures("Without a correction, as trained on the sample", headers, lines)


def _cells(metrics: Mapping[str, Estimate], others: list[str]) -> list[str]:
    names = [*others, "predicted_over_observed", "recall_at_precision"]
    return [_interval(metrics[name]) for name in names]


def _missed(result: CompareResult) -> RenderableType:
    shown = {
        each.way: (f"{each.folds} of {len(result.folds)} folds: " if each.folds else "")
        + each.reason
        for each in result.missed
    }
    return facts("Not run, or not on all folds", shown)


def _interval(found: Estimate, *, sign: bool = False) -> str:
    """A figure and half of its interval's width, to two figures of the latter.

    With both ends where the interval is cut off, and no middle is the figure.
    """
    if not math.isfinite(found.half):
        return number(found.mean, 4)
    decimals = 4
    if found.half > 0:
        decimals = min(max(1 - math.floor(math.log10(found.half)), 2), 5)
    mean = f"{found.mean:+.{decimals}f}" if sign else number(found.mean, decimals)
    if abs(found.low + found.high - 2 * found.mean) > 1e-6 * found.half:
        return f"{mean} ({found.low:.{decimals}f} to {found.high:.{decimals}f})"
    return f"{mean} ±{found.half:.{decimals}f}"
