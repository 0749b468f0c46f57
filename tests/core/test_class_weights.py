"""Class weights, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from rebalance.core.class_weights import parse_class_weight
from rebalance.errors import UsageError

COUNTS = np.array([4.0, 36.0, 60.0])
NAMES = ["a", "b", "c"]


@pytest.mark.parametrize(
    ("spec", "raw"),
    [
        ("balanced", [100 / 12, 100 / 108, 100 / 180]),
        ("inverse", [25, 100 / 36, 100 / 60]),
        ("sqrt", [1 / 2, 1 / 6, 60**-0.5]),
        # (1 - 1/2) / (1 - 2^-N): 1/2 / (15/16) for four rows, 1/2 for many.
        ("effective:0.5", [8 / 15, 0.5 / (1 - 2.0**-36), 0.5]),
        ("effective:0", [1, 1, 1]),
        ("a=10,c=0.5", [10, 1, 0.5]),
    ],
)
def test_weights_are_their_formula_and_leave_the_total_as_it_was(
    spec: str, raw: list[float]
) -> None:
    found = parse_class_weight(spec).factors(NAMES, COUNTS)
    assert found / found[0] == pytest.approx(np.array(raw) / raw[0], rel=1e-12)
    assert found @ COUNTS == pytest.approx(100)


def test_balanced_is_as_it_stands() -> None:
    found = parse_class_weight("balanced").factors(NAMES, COUNTS)
    assert found == pytest.approx([100 / 12, 100 / 108, 100 / 180])


def test_one_row_has_effective_weight_1() -> None:
    # (1 - b) / (1 - b^1) = 1 against (1 - b) / (1 - b^2) = 1 / (1 + b)
    found = parse_class_weight("effective:0.9").factors(["x", "y"], np.array([1.0, 2.0]))
    assert found[0] / found[1] == pytest.approx(1.9)


def test_values_are_compared_as_labels_are() -> None:
    parsed = parse_class_weight('True=2,1.0=3,"a,b=4"')
    assert parsed.given == (("true", 2.0), ("1", 3.0), ("a,b", 4.0))


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("balancd", "no class weight"),
        ("effective", "beta"),
        ("effective:1", "from 0 up to"),
        ("effective:-0.1", "from 0 up to"),
        ("effective:x", "from 0 up to"),
        ("a=0", "above 0"),
        ("a=-1", "above 0"),
        ("a=inf", "above 0"),
        ("a=", "above 0"),
        ("=2", "VALUE=W"),
        ("a=1,b", "VALUE=W"),
        ("1=2,1.0=3", "twice"),
    ],
)
def test_what_is_no_weight_is_said(spec: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_class_weight(spec)


def test_an_unknown_class_is_named() -> None:
    with pytest.raises(UsageError, match="'d', which is not there"):
        parse_class_weight("d=2").factors(NAMES, COUNTS)


@pytest.mark.parametrize("spec", ["a=1e308,b=1e-308", "a=1e200,c=1e-200", "b=1e300", "c=0.9e-6"])
def test_weights_that_are_too_far_apart_are_refused(spec: str) -> None:
    with pytest.raises(UsageError, match="more than 1,000,000 times another, --class-weight"):
        parse_class_weight(spec).factors(NAMES, COUNTS)


def test_a_million_times_another_is_the_most() -> None:
    found = parse_class_weight("a=1e6").factors(NAMES, COUNTS)
    assert found[0] / found[1] == pytest.approx(1e6)
