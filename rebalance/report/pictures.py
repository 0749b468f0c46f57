"""What all pictures have in common: formats, colours, style, and bytes that do not change."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from rebalance.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")
GREY = "#6b6b6b"
# Okabe and Ito 2008: told apart with any kind of colour vision.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_LINES = ("-", "-.", ":")
_METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def picture_format(path: str) -> str:
    """The format that a file's name asks for, one of `FORMATS`.

    Raises
    ------
    UsageError : no known ending.
    """
    ending = PurePath(path).suffix.lower().removeprefix(".")
    if ending not in FORMATS:
        raise UsageError(
            f"cannot tell from its name which kind of picture '{path}' is to be",
            remedy="end it in " + ", ".join(f".{each}" for each in FORMATS),
        )
    return ending


@contextmanager
def picture(width: float, height: float, image_format: str) -> Iterator[tuple[Figure, io.BytesIO]]:
    """A figure of so many inches to draw on; when the block ends, its bytes are in the stream."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    stream = io.BytesIO()
    with _own_style():
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure, stream
        figure.savefig(stream, format=image_format, dpi=144, metadata=_METADATA[image_format])


@contextmanager
def _own_style() -> Iterator[None]:
    """Matplotlib's defaults and ours, whatever the user's matplotlibrc says."""
    import matplotlib

    ours = {
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.titlelocation": "left",
        "axes.titleweight": "bold",
        "axes.titlesize": 11,
        "grid.color": "#e4e4e4",
        "grid.linewidth": 0.8,
        "legend.frameon": False,
        "legend.fontsize": 9,
        "legend.title_fontsize": 9,
        "svg.hashsalt": "rebalance",
        "svg.fonttype": "path",
    }
    defaults = {
        name: value
        for name, value in matplotlib.rcParamsDefault.items()
        if not name.startswith("backend")
    }
    with warnings.catch_warnings():
        # A sign of a column's name that the font lacks is drawn as a box; no reason to stop. And
        # among all the defaults there may be some that are deprecated.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        warnings.simplefilter("ignore", matplotlib.MatplotlibDeprecationWarning)
        with matplotlib.rc_context(defaults | ours):
            yield


def styles() -> Iterator[dict[str, Any]]:
    """Seven colours, then the same again with another kind of line."""
    for line in cycle(_LINES):
        for colour, marker in zip(_COLOURS, _MARKERS, strict=True):
            yield {"color": colour, "marker": marker, "linestyle": line}
