"""The picture of a comparison."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rebalance.core.comparison import Estimate
from rebalance.report import comparison
from rebalance.report.comparison import PANELS, Bar, comparison_picture
from rebalance.report.pictures import FORMATS

HEADS = {"png": b"\x89PNG\r\n", "svg": b"<?xml", "pdf": b"%PDF-"}


def bars(count: int, ratio: float = 1.0) -> list[Bar]:
    estimates = {name: Estimate(ratio, 0.9 * ratio, 1.1 * ratio, 0.04) for name in PANELS}
    alone = {name: Estimate(1.0, np.nan, np.nan, np.nan) for name in PANELS}
    first = Bar("none x $gbm", alone, 1_000, 2.0, is_worse=False)
    rest = [Bar(f"way {n}", estimates, 100, 0.0, is_worse=n > 3) for n in range(count - 1)]
    return [first, *rest]


@pytest.mark.parametrize("image_format", FORMATS)
def test_same_figures_same_bytes(image_format: str) -> None:
    drawn = bars(3)
    first = comparison_picture(drawn, image_format=image_format)
    assert first == comparison_picture(drawn, image_format=image_format)
    assert first.startswith(HEADS[image_format])


def test_it_grows_with_the_ways_and_shows_so_many_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    def height(count: int) -> int:
        return Image.open(io.BytesIO(comparison_picture(bars(count)))).height

    monkeypatch.setattr(comparison, "MOST", 4)
    assert height(2) < height(4) == height(6)


def test_ratios_far_apart_are_drawn_on_a_logarithmic_axis() -> None:
    assert comparison_picture(bars(3, 1.0)) != comparison_picture(bars(3, 20.0))


def test_figures_that_are_not_defined_leave_a_gap() -> None:
    nothing = {name: Estimate(np.nan, np.nan, np.nan, np.nan) for name in PANELS}
    assert comparison_picture([Bar("a", nothing, 10, 0.1, is_worse=False)])


def test_ways_without_all_folds_do_not_stretch_the_axes(monkeypatch: pytest.MonkeyPatch) -> None:
    limits, labels = [], []
    draw, legend = comparison._draw, comparison._legend

    def drawn(axes: Any, shown: Any, name: str) -> None:
        draw(axes, shown, name)
        limits.append(axes.get_xlim())

    def said(shown: Any) -> Any:
        found = legend(shown)
        labels.append([each.get_label() for each in found])
        return found

    monkeypatch.setattr(comparison, "_draw", drawn)
    monkeypatch.setattr(comparison, "_legend", said)
    wide = {name: Estimate(5.0, 0.0, 400.0, 40.0) for name in PANELS}
    part = Bar("part", wide, 10, 0.1, is_worse=False, is_whole=False)
    comparison_picture([*bars(3), part])
    # The others go from 0.9 to 1.1, with a twentieth of that as room.
    assert limits == [pytest.approx((0.89, 1.11))] * len(PANELS)
    comparison_picture([*bars(6), part])
    assert [len(each) for each in labels] == [1, 2]
    assert "worse than the best by more than noise" in labels[1]
