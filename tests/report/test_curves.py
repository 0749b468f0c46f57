import io
import warnings

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from rebalance.core.ranking import rank
from rebalance.errors import UsageError
from rebalance.report.curves import curves, curves_picture
from rebalance.report.pictures import FORMATS, picture_format

HEADS = {"png": b"\x89PNG\r\n", "svg": b"<?xml", "pdf": b"%PDF-"}


def picture(y_true, predictions, weight=None, **options):
    drawn = {name: curves(rank(y_true, each, weight)) for name, each in predictions.items()}
    return curves_picture(drawn, **options)


def simulated(rows=2000, rate=0.02, seed=0):
    rng = np.random.default_rng(seed)
    y_prob = rng.beta(1, 1 / rate, rows)
    return rng.random(rows) < y_prob, y_prob


@pytest.mark.parametrize("image_format", FORMATS)
def test_same_arrays_same_bytes(image_format):
    y_true, y_prob = simulated()
    first = picture(y_true, {"a": y_prob}, image_format=image_format)
    with mpl.rc_context({"lines.linewidth": 9, "font.size": 30, "svg.hashsalt": "other"}):
        second = picture(y_true, {"a": y_prob}, image_format=image_format)
        assert mpl.rcParams["font.size"] == 30  # the user's settings are left as they were
    assert first == second
    assert first.startswith(HEADS[image_format])
    assert b"Date" not in first


def test_is_a_wide_picture():
    y_true, y_prob = simulated()
    small = Image.open(io.BytesIO(picture(y_true, {"a": y_prob})))
    many = {f"column {number}": y_prob**number for number in range(1, 10)}
    large = Image.open(io.BytesIO(picture(y_true, many)))
    assert small.width == large.width > 1.5 * small.height
    assert large.height > small.height  # room for the legends
    # The legend's last line must not touch the edge: the last rows of pixels are white.
    assert np.asarray(large.convert("L"))[-10:].min() == 255


EXTREMES = {
    "zeros": np.zeros(500),
    "ones": np.ones(500),
    "perfect": (np.arange(500) < 8) * 1.0,
    "tiny": np.full(500, 1e-300),
    "constant": np.full(500, 0.02),
    "wrong": (np.arange(500) >= 8) * 1.0,
    "unrelated": np.linspace(0, 1, 500),
}


@pytest.mark.parametrize("name", ["zeros", "ones", "perfect", "tiny"])
def test_draws_what_is_extreme(name):
    y_true, weight = np.arange(500) < 8, np.linspace(0, 3, 500)
    drawn = picture(y_true, {name: EXTREMES[name]}, weight, image_format="svg")
    assert drawn.startswith(HEADS["svg"])


def test_draws_all_that_is_extreme_together():
    y_true = np.arange(500) < 200
    assert picture(y_true, EXTREMES, image_format="svg").startswith(HEADS["svg"])


def test_any_name_will_do():
    y_true, y_prob = simulated(300, 0.3)
    names = ["_hidden", "$x^2", "$$", "a" * 300, "名前", "[bold]", "{x}", "%s", "\\frac"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = picture(y_true, dict.fromkeys(names, y_prob))
    assert drawn.startswith(HEADS["png"])


def test_a_name_with_an_underscore_is_not_hidden():
    y_true, y_prob = simulated(300, 0.3)
    first, second = (picture(y_true, {name: y_prob}) for name in ("_a", "_b"))
    assert first != second


def test_many_rows_make_no_large_file():
    y_true, y_prob = simulated(200_000, 0.02)
    assert len(picture(y_true, {"a": y_prob}, image_format="svg")) < 400_000


def test_picture_format():
    assert picture_format("a/b.c.PNG") == "png"
    for path in ("a", "a.jpg", "png", "-", ""):
        with pytest.raises(UsageError, match=r"\.png, \.svg, \.pdf"):
            picture_format(path)
