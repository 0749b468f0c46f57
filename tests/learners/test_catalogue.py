"""The table of learners: the guide's is the code's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rebalance.errors import UsageError
from rebalance.learners.catalogue import ENTRIES, entry_of

GUIDE = Path(__file__).resolve().parents[2] / "rebalance" / "guide" / "calibration.md"


def test_the_guide_has_a_row_for_every_learner() -> None:
    text = GUIDE.read_text()
    table = text.split("<!-- learners -->")[1].split("<!-- end of learners -->")[0]
    rows = [re.split(r" *\| *", line.strip("| ")) for line in table.strip().splitlines()[2:]]
    expected = [
        [f"`{entry.name}`", entry.correction.kind, entry.correction.formula]
        for entry in ENTRIES.values()
        if not entry.name.startswith("pyod:")
    ]
    assert rows[:-1] == expected
    assert rows[-1] == ["`pyod:NAME`", "calibrated", ENTRIES["pyod:knn"].correction.formula]


def test_what_is_calibrated_is_called_so() -> None:
    for entry in ENTRIES.values():
        assert entry.needs_calibration == (entry.correction.kind == "calibrated"), entry.name
        assert (entry.correction.kind == "exact") == (entry.truth == "offset"), entry.name


def test_the_nearest_is_named() -> None:
    with pytest.raises(UsageError, match="no learner 'balanced'"):
        entry_of("balanced")
    with pytest.raises(UsageError) as caught:
        entry_of("hist_gbm")
    assert "the nearest is 'hist-gbm'" in str(caught.value)
