"""a recipe as TOML -> what it defines, once sure that it makes sense in itself"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from rebalance.core.recipe_kinds import Made, made_from
from rebalance.core.recipe_numbers import PARTS
from rebalance.errors import UsageError, nearest
from rebalance.storage.artifacts import named_bytes
from rebalance.storage.tables import OWN_PREFIX

# What each kind takes beside its column.
_OPTIONS: dict[str, tuple[str, ...]] = {
    "log1p": (),
    "ratio_to_mean": ("by",),
    "cyclic": ("period", "part"),
    "bins": ("edges", "quantiles"),
    "cross": (),
    "count": (),
}
_MOST_BINS = 100
_EXAMPLE = 'write for example log_amount = { log1p = "amount" }'


@dataclass(frozen=True)
class Defined:
    """What a file defines; the columns are still to be looked for."""

    title: str
    made: tuple[Made, ...]
    drop: tuple[str, ...]


def read_recipe(path: str) -> Defined:
    """What the file defines.

    Raises
    ------
    ArtifactError : it cannot be read.
    UsageError : it is no TOML, or defines something that there is none of.
    """
    content = named_bytes(path, "recipe of features", "name a TOML file with --features")
    where = f"file '{path}'"
    try:
        document = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise UsageError(f"this is no TOML: {exc}", where=where, remedy=_EXAMPLE) from exc
    _refuse_unknown(document, ("features", "drop"), "there is no key", where)
    features, drop = document.get("features", {}), document.get("drop", [])
    if not isinstance(features, dict) or not _are_texts(drop):
        raise UsageError(
            "'features' is a table, and 'drop' a list of columns",
            where=where,
            remedy='write [features], and above it drop = ["column"]',
        )
    made = tuple(_made(name, stated, where) for name, stated in features.items())
    if not made:
        raise UsageError("it defines no feature", where=where, remedy=f"{_EXAMPLE} in [features]")
    _refuse_twice(made, where)
    return Defined(path, made, tuple(dict.fromkeys(drop)))


def _made(name: str, stated: Any, where: str) -> Made:
    """One feature, checked as far as that goes without the table."""
    where = f"{where}, feature '{name}'"
    if not isinstance(stated, dict) or not stated:
        raise UsageError("what it is made of is not said", where=where, remedy=_EXAMPLE)
    if not name.strip() or name.startswith(OWN_PREFIX):
        raise UsageError(
            f"'{name}' can be no feature's name", where=where, remedy="choose another name"
        )
    kinds = [key for key in stated if key in _OPTIONS]
    if not kinds:
        _refuse_unknown(stated, tuple(_OPTIONS), "there is no kind of feature", where)
    if len(kinds) > 1:
        raise UsageError(
            f"it is {' and '.join(kinds)} at once", where=where, remedy="write two features"
        )
    kind = kinds[0]
    _refuse_unknown(stated, (kind, *_OPTIONS[kind]), f"{kind} takes no option", where)
    source = stated[kind]
    several = kind == "cross"
    fits = _are_texts(source) and len(set(source)) == 2 if several else _is_text(source)
    if not fits:
        what = "a list of two columns" if several else "one column"
        shown = '["origin", "dest"]' if several else '"amount"'
        raise UsageError(f"{kind} is made of {what}", where=where, remedy=f"write {kind} = {shown}")
    check = {"cyclic": _check_cyclic, "bins": _check_bins, "ratio_to_mean": _check_ratio}
    if kind in check:
        check[kind](stated, where)
    if "period" in stated:
        stated = stated | {"period": float(stated["period"])}
    if "edges" in stated:
        stated = stated | {"edges": [float(edge) for edge in stated["edges"]]}
    return made_from(name, stated)


def _check_ratio(stated: Mapping[str, Any], where: str) -> None:
    by = stated.get("by", "")
    if ("by" in stated and not _is_text(by)) or by == stated["ratio_to_mean"]:
        raise UsageError(
            "'by' is one column, another than that of the ratio",
            where=where,
            remedy='write by = "carrier", or leave it out',
        )


def _check_cyclic(stated: Mapping[str, Any], where: str) -> None:
    if ("period" in stated) == ("part" in stated):
        raise UsageError(
            "cyclic needs the period of a number, or the part of a time",
            where=where,
            remedy='write period = 24, or part = "hour"',
        )
    part = stated.get("part")
    if "part" in stated and not (_is_text(part) and part in PARTS):
        raise UsageError(
            f"a time has no part '{part}'", where=where, remedy=nearest(str(part), PARTS)
        )
    if "period" in stated and not (_is_number(stated["period"]) and stated["period"] > 0):
        raise UsageError(
            f"the period {stated['period']} is not a number above 0",
            where=where,
            remedy="write period = 24 for the hours of a day",
        )


def _check_bins(stated: Mapping[str, Any], where: str) -> None:
    if ("edges" in stated) == ("quantiles" in stated):
        raise UsageError(
            "bins need edges, or a number of quantiles",
            where=where,
            remedy="write edges = [10, 100], or quantiles = 5",
        )
    if "quantiles" in stated:
        count = stated["quantiles"]
        if not (
            isinstance(count, int) and not isinstance(count, bool) and 2 <= count <= _MOST_BINS
        ):
            raise UsageError(
                f"quantiles = {count} is not a number of bins from 2 to {_MOST_BINS}",
                where=where,
                remedy="write quantiles = 5",
            )
        return
    edges = stated["edges"]
    if not isinstance(edges, list) or not edges or not all(map(_is_number, edges)):
        raise UsageError(
            "edges are a list of numbers", where=where, remedy="write edges = [10, 100]"
        )
    if any(low >= high for low, high in pairwise(edges)):
        raise UsageError(
            "the edges do not rise", where=where, remedy="write each once, the least first"
        )
    if len(edges) >= _MOST_BINS:
        raise UsageError(
            f"there are more than {_MOST_BINS} bins", where=where, remedy="write fewer edges"
        )


def _refuse_twice(made: tuple[Made, ...], where: str) -> None:
    """Refuse two features of one name; a cyclic one gives two."""
    seen: set[str] = set()
    for each in made:
        for name in each.kinds:
            if name in seen:
                raise UsageError(
                    f"there are two features called '{name}'", where=where, remedy="rename one"
                )
            seen.add(name)


def _refuse_unknown(
    stated: Mapping[str, Any], known: tuple[str, ...], what: str, where: str
) -> None:
    for key in stated:
        if key not in known:
            raise UsageError(f"{what} '{key}'", where=where, remedy=nearest(key, known))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_number(value: Any) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return abs(value) <= sys.float_info.max  # false for NaN
