"""A picture of how much information a sample keeps, by its rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rebalance.report.pictures import GREY, picture, styles

_TITLES = {"offset": "Fitted with the offset", "weight": "Fitted with weights 1/pi"}


def plan_picture(
    rates: Sequence[float],
    efficiencies: Mapping[str, Mapping[str, Sequence[float]]],
    image_format: str,
) -> bytes:
    """One panel a correction, one curve a score; the same input gives the same bytes.

    Parameters
    ----------
    rates : shares of the negatives kept.
    efficiencies : by correction and score, one number for each rate.
    image_format : one of `rebalance.report.pictures.FORMATS`.
    """
    with picture(5.6 * len(efficiencies), 5.2, image_format) as (figure, stream):
        panels = figure.subplots(1, len(efficiencies), sharey=True, squeeze=False)[0]
        for axes, (correction, by_score) in zip(panels, efficiencies.items(), strict=True):
            for (score, values), style in zip(by_score.items(), styles(), strict=False):
                axes.plot(rates, values, linewidth=1.6, ms=4, label=score, **style)
            axes.axhline(1.0, color=GREY, linewidth=1.2, linestyle=(0, (4, 3)))
            axes.set(title=_TITLES[correction], xscale="log", ylim=(0, 1.03))
            axes.set(xlabel="rate: share of the negatives kept")
            axes.xaxis.set_major_formatter("{x:g}")
        panels[0].set(ylabel="efficiency: share of the information kept")
        panels[0].legend(title="score", loc="lower right", alignment="left")
    return stream.getvalue()
