"""Results as JSON documents."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def plain(value: Any) -> Any:
    """The same document with numbers that JSON has: NaN and infinity become null.

    >>> plain({"a": [1, float("nan")], "b": (0.5,)})
    {'a': [1, None], 'b': [0.5]}
    """
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """The same document with other texts in place of some.

    >>> renamed({"output": ["/tmp/run/model.rbl", 3]}, {"/tmp/run/model.rbl": "model.rbl"})
    {'output': ['model.rbl', 3]}
    """
    if isinstance(value, dict):
        return {key: renamed(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [renamed(inner, names) for inner in value]
    return names.get(value, value) if isinstance(value, str) else value
