"""A picture of ways to train: a panel a figure, a line a way, the best on top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rebalance.core.comparison import Estimate
from rebalance.report.pictures import GREY, picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS = {
    "log_loss": "log loss",
    "average_precision": "average precision",
    "roc_auc": "ROC AUC",
    "brier": "Brier score",
    "predicted_over_observed": "predicted / observed",
    "recall_at_precision": "recall at the precision",
}
MOST = 40
_BLUE, _ORANGE = "#0072B2", "#D55E00"
_WIDE = 8.0  # a ratio this many times another one needs a logarithmic axis


@dataclass(frozen=True)
class Bar:
    """One way: its name, figures with intervals by name, rows and seconds.

    is_worse : it differs from the best by more than noise. is_whole : it has all folds; others do
    not stretch the axes.
    """

    name: str
    estimates: Mapping[str, Estimate]
    rows: float
    seconds: float
    is_worse: bool
    is_whole: bool = True


def comparison_picture(drawn: Sequence[Bar], *, image_format: str = "png") -> bytes:
    """The picture as a file's bytes: the same figures give the same bytes.

    The first `MOST` ways; those that are worse than the best by more than noise in orange.
    """
    shown = drawn[:MOST]
    height = 2.0 + 0.3 * len(shown)
    with picture(17.0, height, image_format) as (figure, stream):
        panels: Any = figure.subplots(1, len(PANELS) + 1, sharey=True)
        for axes, (name, title) in zip(panels, PANELS.items(), strict=False):
            _draw(axes, shown, name)
            axes.set_title(title)
        _draw_seconds(panels[-1], shown)
        figure.legend(handles=_legend(shown), loc="outside lower center", ncols=2, frameon=False)
        first = panels[0]
        first.set_yticks(range(len(shown)), [each.name.replace("$", r"\$") for each in shown])
        first.set_ylim(len(shown) - 0.5, -0.5)
    return stream.getvalue()


def _draw(axes: Axes, shown: Sequence[Bar], name: str) -> None:
    means = np.array([each.estimates[name].mean for each in shown])
    for place, each in enumerate(shown):
        found, colour = each.estimates[name], _ORANGE if each.is_worse else _BLUE
        if np.isfinite(found.low):
            axes.hlines(place, found.low, found.high, color=colour, linewidth=1.6, alpha=0.7)
        axes.plot([found.mean], [place], marker="o", markersize=5, color=colour)
    whole = means[[each.is_whole for each in shown]]
    finite = whole[np.isfinite(whole)]
    if name == "predicted_over_observed":
        axes.axvline(1.0, color=GREY, linewidth=1.2, linestyle=(0, (4, 3)))
    elif len(finite):
        axes.axvline(float(means[0]), color=GREY, linewidth=0.8, linestyle=":")
    axes.tick_params(axis="x", which="both", labelsize=8)
    is_ratio = name == "predicted_over_observed"
    if is_ratio and len(finite) and 0 < _WIDE * finite.min() < finite.max():
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
    else:
        axes.locator_params(axis="x", nbins=4)
    _limit(axes, shown, name)


def _limit(axes: Axes, shown: Sequence[Bar], name: str) -> None:
    """Let the axis go as far as the ways do that have all folds, where others go further."""
    whole = [each for each in shown if each.is_whole]
    if len(whole) == len(shown) or not whole:
        return
    estimates = [each.estimates[name] for each in whole]
    ends = np.array([(e.low, e.mean, e.high) for e in estimates]).ravel()
    ends = ends[np.isfinite(ends)]
    if name == "predicted_over_observed":
        ends = np.append(ends, 1.0)
    if len(ends) and ends.min() < ends.max():
        room = 0.05 * (ends.max() - ends.min())
        low = ends.min() - room
        if axes.get_xscale() == "log":
            low = max(low, 0.8 * float(ends[ends > 0].min()))
        axes.set_xlim(low, ends.max() + room)


def _legend(shown: Sequence[Bar]) -> list[Any]:
    """What the colours that are there say."""
    from matplotlib.lines import Line2D

    said = {
        _BLUE: "the best, and what differs from it by no more than noise",
        _ORANGE: "worse than the best by more than noise",
    }
    there = {_ORANGE if each.is_worse else _BLUE for each in shown}
    return [
        Line2D([], [], color=colour, marker="o", markersize=5, linewidth=1.6, label=text)
        for colour, text in said.items()
        if colour in there
    ]


def _draw_seconds(axes: Axes, shown: Sequence[Bar]) -> None:
    seconds = [each.seconds for each in shown]
    axes.barh(range(len(shown)), seconds, color="#b8b8b8", height=0.6)
    for place, each in enumerate(shown):
        axes.annotate(
            f"{each.rows:,.0f} rows",
            (0, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
        )
    axes.set_title("seconds to fit")
    axes.tick_params(axis="x", labelsize=8)
    axes.locator_params(axis="x", nbins=4)
