"""Errors say what, where and what to do, and carry their exit codes."""

from __future__ import annotations

import pytest

from rebalance import errors
from rebalance.errors import RebalanceError, nearest


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("CheckError", 1),
        ("UsageError", 2),
        ("DataError", 3),
        ("ArtifactError", 4),
        ("FitError", 5),
    ],
)
def test_exit_codes(name, code):
    kind = getattr(errors, name)
    assert issubclass(kind, RebalanceError)
    assert kind.exit_code == code


def test_the_message():
    assert str(RebalanceError("it broke")) == "it broke"
    assert str(RebalanceError("it broke", where="file 't'")) == "it broke, file 't'"
    assert str(RebalanceError("it broke", remedy="mend it")) == "it broke; mend it"
    whole = RebalanceError("it broke", where="row 3", remedy="mend it")
    assert str(whole) == "it broke, row 3; mend it"
    assert (whole.what, whole.where, whole.remedy) == ("it broke", "row 3", "mend it")


def test_one_name_is_near():
    assert nearest("lable", ["label", "amount"]) == "the nearest is 'label'"
    assert nearest("LABEL", ["Label", "amount"]) == "the nearest is 'Label'"


def test_several_names_are_near():
    found = nearest("col", ["cola", "colb", "colc", "cold", "zzz"])
    assert found.startswith("the nearest are 'col")
    assert found.count("'col") == 3


def test_no_name_is_near():
    assert nearest("x", []) == "there are none"
    assert nearest("qqq", ["b", "a", "b"]) == "there are: a, b"
    many = [f"column{number:02d}" for number in range(20)]
    assert nearest("qqq", many) == f"there are: {', '.join(many[:12])} and 8 more"
