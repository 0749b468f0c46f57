"""Documents of JSON, and what is said of those that are something else."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import pytest

from rebalance.core.described import array_bytes, read_array, read_document, read_json


@dataclass(frozen=True)
class Part:
    name: str


@dataclass(frozen=True)
class Whole:
    kind: Literal["a", "b"]
    number: float
    count: int
    sure: bool
    part: Part
    shares: tuple[float, ...]
    texts: Mapping[str, str]
    anything: Any
    maybe: int | None = None
    free: Mapping[str, int] = field(default_factory=dict)
    of_all: ClassVar[int] = 3


DOCUMENT: dict[str, Any] = {
    "kind": "a",
    "number": 1,
    "count": 2,
    "sure": True,
    "part": {"name": "p", "newer": 1},
    "shares": [0.5, 1],
    "texts": {"x": "y"},
    "anything": [None, {}],
    "passed over": 1,
}
WHOLE = Whole("a", 1.0, 2, True, Part("p"), (0.5, 1.0), {"x": "y"}, [None, {}])


def test_what_is_described() -> None:
    found = read_json(Whole, json.dumps(DOCUMENT).encode())
    assert found == WHOLE
    assert type(found.number) is type(found.shares[1]) is float
    assert read_document(Whole, DOCUMENT | {"maybe": 3, "free": {"z": 1}}).maybe == 3


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "c"}, "'kind' is \"c\", and not one of 'a', 'b'"),
        ({"kind": []}, "'kind' is [], and not one of 'a', 'b'"),
        ({"number": "1"}, "'number' is \"1\", and not a finite number"),
        ({"number": float("nan")}, "'number' is NaN, and not a finite number"),
        ({"number": 10**400}, f"'number' is 1{'0' * 39}..., and not a finite number"),
        ({"number": True}, "'number' is true, and not a finite number"),
        ({"count": 2.0}, "'count' is 2.0, and not a whole number"),
        ({"count": False}, "'count' is false, and not a whole number"),
        ({"sure": 1}, "'sure' is 1, and not true or false"),
        ({"part": {}}, "'part/name' is missing"),
        ({"part": {"name": None}}, "'part/name' is null, and not a text"),
        ({"shares": "ab"}, "'shares' is \"ab\", and not a list"),
        ({"shares": [0.5, float("inf")]}, "'shares/1' is Infinity, and not a finite number"),
        ({"texts": {"x": 1}}, "'texts/x' is 1, and not a text"),
        ({"texts": []}, "'texts' is [], and not an object"),
        ({"maybe": 1.5}, "'maybe' is 1.5, and not a whole number"),
        ({"maybe": "x" * 50}, f"'maybe' is \"{'x' * 39}..., and not a whole number"),
    ],
)
def test_what_is_not(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(says)}$"):
        read_document(Whole, DOCUMENT | change)


def test_what_is_missing_or_no_object() -> None:
    with pytest.raises(ValueError, match="'count' is missing"):
        read_document(Whole, {name: DOCUMENT[name] for name in DOCUMENT if name != "count"})
    with pytest.raises(ValueError, match="it is null, and not an object"):
        read_document(Whole, None)


def stored(values: Any, *, pickled: bool = False) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values, allow_pickle=pickled)
    return stream.getvalue()


def test_arrays() -> None:
    values = np.arange(6.0).reshape(2, 3)
    assert (read_array(stored(values), np.float64, 2, 3) == values).all()
    assert (read_array(stored(values), np.float64, 2, None) == values).all()
    assert array_bytes(values) == stored(values)
    for other, says in (
        (stored(values[:, :2]), "no array of 2 x 3 numbers of type float64"),
        (stored(values[0]), "no array of 2 x 3 numbers"),
        (stored(values.astype(np.float32)), "no array of 2 x 3 numbers"),
        (stored(np.where(values > 4, np.nan, values)), "not finite"),
        (stored(np.full((2, 3), None), pickled=True), "allow_pickle"),
    ):
        with pytest.raises(ValueError, match=says):
            read_array(other, np.float64, 2, 3)
