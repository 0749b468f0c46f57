"""A picture of ranking and calibration: precision-recall, ROC and reliability side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rebalance.core.metrics import Reliability, average_precision, reliability, roc_auc
from rebalance.core.ranking import Floats, Ranking
from rebalance.report.pictures import GREY, picture, styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Points = tuple[Floats, Floats]

RARE = 0.2  # below this share of positives reliability is drawn on logarithmic axes

_GRID = 2000
_NAME_LENGTH = 32


@dataclass(frozen=True)
class Curves:
    """What is drawn of one column of probabilities; curves without points nobody could tell apart.

    precision_recall, roc : x and y of the points.
    prevalence : the share of positives.
    """

    precision_recall: Points
    average_precision: float
    roc: Points
    roc_auc: float
    reliability: Reliability
    prevalence: float


def curves(ranking: Ranking) -> Curves:
    """The curves of the rows, which have both classes."""
    positives, negatives = ranking.totals
    return Curves(
        _thinned(_precision_recall(ranking)),
        average_precision(ranking),
        _thinned(_roc(ranking)),
        roc_auc(ranking),
        reliability(ranking),
        positives / (positives + negatives),
    )


def curves_picture(drawn: Mapping[str, Curves], *, image_format: str = "png") -> bytes:
    """The picture as a file's bytes: the same curves give the same bytes.

    Precision against recall with the share of positives as baseline, the ROC curve, and the
    observed share against the mean probability in ten bins of equal weight with 95% intervals.

    Parameters
    ----------
    drawn : the curves by the name they are shown under, of the same rows.
    image_format : one of `FORMATS`.
    """
    height = 5.0 + 0.2 * len(drawn)  # the legends stand below the panels
    with picture(13.5, height, image_format) as (figure, stream):
        precision_axes, roc_axes, reliability_axes = figure.subplots(1, 3)
        _draw_precision_recall(precision_axes, drawn)
        _draw_roc(roc_axes, drawn)
        _draw_reliability(reliability_axes, drawn)
    return stream.getvalue()


def _draw_precision_recall(axes: Axes, drawn: Mapping[str, Curves]) -> None:
    entries = []
    for (name, each), style in zip(drawn.items(), styles(), strict=False):
        (line,) = axes.plot(*each.precision_recall, linewidth=1.6, **style | {"marker": ""})
        entries.append((line, f"{each.average_precision:.4f}  {_shown(name)}"))
    prevalence = next(iter(drawn.values())).prevalence
    base = axes.axhline(prevalence, color=GREY, linewidth=1.2, linestyle=(0, (4, 3)))
    entries.append((base, f"{prevalence:.4f}  prevalence"))
    axes.set(title="Precision and recall", xlabel="recall", ylabel="precision")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.03))
    _legend(axes, entries, "average precision")


def _draw_roc(axes: Axes, drawn: Mapping[str, Curves]) -> None:
    entries = []
    for (name, each), style in zip(drawn.items(), styles(), strict=False):
        (line,) = axes.plot(*each.roc, linewidth=1.6, **style | {"marker": ""})
        entries.append((line, f"{each.roc_auc:.4f}  {_shown(name)}"))
    (base,) = axes.plot([0, 1], [0, 1], color=GREY, linewidth=1.2, linestyle=(0, (4, 3)))
    entries.append((base, "0.5000  at random"))
    axes.set(title="ROC", xlabel="false positive rate", ylabel="true positive rate (recall)")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.03))
    _legend(axes, entries, "area under the curve")


def _draw_reliability(axes: Axes, drawn: Mapping[str, Curves]) -> None:
    binned = {name: each.reliability for name, each in drawn.items()}
    rare = next(iter(drawn.values())).prevalence < RARE
    low, high = _limits(binned) if rare else (0.0, 1.0)
    entries = []
    for (name, bins), style in zip(binned.items(), styles(), strict=False):
        x, y = bins.mean_predicted.clip(low, high), bins.mean_observed.clip(low, high)
        bounds = bins.low.clip(low, high), bins.high.clip(low, high)
        axes.vlines(x, *bounds, color=style["color"], linewidth=1.2, alpha=0.65)
        (line,) = axes.plot(x, y, linewidth=1.4, ms=5, clip_on=False, **style)
        ratio = (bins.weight @ bins.mean_predicted) / (bins.weight @ bins.mean_observed)
        entries.append((line, f"{ratio:.4f}  {_shown(name)}"))
    (base,) = axes.plot([low, high], [low, high], color=GREY, linewidth=1.2, linestyle=(0, (4, 3)))
    entries.append((base, "1.0000  perfect"))
    if rare:
        axes.set(xscale="log", yscale="log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_major_formatter("{x:g}")
    axes.set(title="Reliability, ten bins of equal weight", xlabel="mean predicted probability")
    axes.set(ylabel="observed share of positives (95% interval)", xlim=(low, high))
    axes.set(ylim=(low, high))
    _legend(axes, entries, "predicted / observed")


def _limits(binned: Mapping[str, Reliability]) -> tuple[float, float]:
    """Where logarithmic axes begin and end: what is below, zeros too, is drawn at the edge."""
    predicted = np.concatenate([bins.mean_predicted for bins in binned.values()])
    observed = np.concatenate([bins.mean_observed for bins in binned.values()])
    lowest = observed[observed > 0].min()
    inside = predicted[predicted > 0.01 * lowest]
    low = min(lowest, inside.min(initial=lowest)) / 2
    return float(low), float(min(1.0, 3 * max(observed.max(), predicted.max())))


def _legend(axes: Axes, entries: list[tuple[Any, str]], title: str) -> None:
    """Below the panel, where it covers no curve."""
    lines, texts = zip(*entries, strict=True)
    place = {"loc": "upper left", "bbox_to_anchor": (-0.02, -0.13), "borderaxespad": 0.0}
    axes.legend(lines, texts, title=title, alignment="left", **place)
    axes.set_box_aspect(1)
    axes.set_anchor("N")


def _precision_recall(ranking: Ranking) -> Iterator[Points]:
    """Recall and precision from the highest probability on, where recall is 0."""
    for number, levels in enumerate(ranking.levels()):
        precision = levels.tp / (levels.tp + levels.fp)
        if number == 0:
            yield np.zeros(1), precision[:1]
        yield levels.tp / ranking.totals[0], precision


def _roc(ranking: Ranking) -> Iterator[Points]:
    yield np.zeros(1), np.zeros(1)
    for levels in ranking.levels():
        yield levels.fp / ranking.totals[1], levels.tp / ranking.totals[0]


def _thinned(points: Iterator[Points]) -> Points:
    """The curve without points that fall on the same spot of a fine grid; its ends stay."""
    kept: list[Points] = []
    last, end = np.array([-1.0]), np.empty((2, 0))
    for x, y in points:
        spot = np.round(x * _GRID) * (_GRID + 1) + np.round(y * _GRID)
        keep = spot != np.append(last, spot[:-1])
        kept.append((x[keep], y[keep]))
        last, end = spot[-1:], np.array([x[-1:], y[-1:]])[:, ~keep[-1:]]
    xs, ys = zip(*kept, tuple(end), strict=True)
    return np.concatenate(xs), np.concatenate(ys)


def _shown(name: str) -> str:
    """A column's name as plain text (a $ would start a formula), cut where it is too long."""
    cut = name if len(name) <= _NAME_LENGTH else name[: _NAME_LENGTH - 1] + "…"
    return cut.replace("$", r"\$")
