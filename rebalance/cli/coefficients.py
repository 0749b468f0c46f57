"""The table of a linear model's coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

SHOWN = 30
_COLUMNS = {
    "coefficient": "coefficient",
    "standard_error": "standard error",
    "low": "low",
    "high": "high",
    "z": "z",
}


def coefficient_table(estimates: Mapping[str, Any]) -> RenderableType:
    """Coefficients in the features' own units; of more than 30 those that stand out most.

    These are, beside the intercept, the largest |z|; where there are no standard errors, the
    largest standardised slopes, and none that is 0.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    rows = estimates["coefficients"]
    ranked = sorted(range(1, len(rows)), key=lambda at: -_stands_out(rows[at]))
    chosen = [at for at in ranked if rows[at]["coefficient"] != 0][: SHOWN - 1]
    left = len(rows) - 1 - len(chosen)
    table = Table(box=None)
    names = [name for name in _COLUMNS if name in rows[0]]
    table.add_column("")
    for name in names:
        table.add_column(_COLUMNS[name], justify="right")
    for at in [0, *sorted(chosen)]:
        shown = [_shown(name, rows[at][name]) for name in names]
        table.add_row(Text(rows[at]["name"]), *shown)
    more = [Text(f" and {left:,} more, see --json")] if left else []
    return Group(Text(_title(estimates), style="bold"), table, *more)


def _title(estimates: Mapping[str, Any]) -> str:
    title = "coefficients, log odds per unit"
    if estimates["scale"] == "sample":
        title += ", on the sample's scale"
    if estimates["before_recalibration"]:
        title += ", before the recalibration"
    if estimates["variance"] != "none":
        title += f", with {estimates['level']:.0%} intervals"
    if estimates["variance"] == "sandwich":
        key = estimates.get("clustered_by")
        title += " (robust: sandwich)" if key is None else f" (sandwich, clustered by '{key}')"
    return title


def _stands_out(row: Mapping[str, Any]) -> float:
    return abs(float(row["z"] if "z" in row else row["standardised"]["coefficient"]))


def _shown(name: str, value: float) -> str:
    return f"{value:.2f}" if name == "z" else f"{value:.4g}"
