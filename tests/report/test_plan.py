"""The picture of a plan."""

from __future__ import annotations

import io

import numpy as np
import pytest

from rebalance.report.pictures import FORMATS
from rebalance.report.plan import plan_picture

RATES = (0.01, 0.1, 1.0)
FOUND = {"offset": {"uniform": (0.2, 0.6, 1.0), "a-opt": (0.3, 0.8, 1.0)}}


@pytest.mark.parametrize("image_format", FORMATS)
def test_the_same_plan_gives_the_same_bytes(image_format: str) -> None:
    once = plan_picture(RATES, FOUND, image_format)
    assert once == plan_picture(RATES, FOUND, image_format)
    assert once != plan_picture(RATES, {"weight": FOUND["offset"]}, image_format)


def test_a_panel_for_each_correction() -> None:
    from matplotlib.image import imread

    one = imread(io.BytesIO(plan_picture(RATES, FOUND, "png")))
    two = imread(io.BytesIO(plan_picture(RATES, FOUND | {"weight": FOUND["offset"]}, "png")))
    assert np.shape(two)[1] == pytest.approx(2 * np.shape(one)[1], rel=0.1)
