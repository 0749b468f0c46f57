"""Uniform samples of long tails leave no class out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from rebalance.core.draws import Purpose, uniforms
from tests.conftest import Invoke

CLASSES = 600


@pytest.fixture(scope="module")
def tail(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 classes of 1 to 99 rows, shuffled; `shop` is each row's group."""
    generator = np.random.default_rng(8)
    sizes = generator.integers(1, 100, CLASSES)
    codes = generator.permutation(np.repeat(np.arange(CLASSES), sizes))
    kinds = np.array([f"k{code}" for code in range(CLASSES)])[codes]
    table = pa.table({"kind": kinds, "shop": generator.integers(0, 9_000, len(codes))})
    path = tmp_path_factory.mktemp("tail") / "table.parquet"
    pq.write_table(table, path, row_group_size=2_000)
    return path


def counted(path: Path) -> dict[str, int]:
    found = pq.read_table(path)["kind"].value_counts().to_pylist()
    return {each["values"]: each["counts"] for each in found}


@pytest.mark.parametrize("budget", [["--rows", 600], ["--rows", 1_200], ["--ratio", 2]])
def test_no_class_is_left_out(tail: Path, tmp_path: Path, done: Invoke, budget: list[str]) -> None:
    out = tmp_path / "s.parquet"
    said = done(["sample", tail, "-l", "kind", "--method", "uniform", *budget, "-o", out])
    assert "no row was drawn" not in said.stderr
    before, after, sample = counted(tail), counted(out), pq.read_table(out)
    assert set(after) == set(before)
    # Two rows of each on average, or one: with one the number kept is exact.
    level = 1 if budget[1] == 600 else 2 if budget[0] == "--ratio" else None
    pi = dict(zip(sample["kind"].to_pylist(), sample["rb_pi"].to_pylist(), strict=True))
    if level is not None:
        assert pi == pytest.approx({kind: min(level / rows, 1) for kind, rows in before.items()})
    expected = sum(pi[kind] * rows for kind, rows in before.items())
    assert abs(len(sample) - expected) <= (0 if level == 1 else 4 * np.sqrt(expected))
    # The row with the smallest draw of each class is there.
    kind = np.array(pq.read_table(tail)["kind"].to_pylist())
    draws = uniforms(0, Purpose.SAMPLE, 0, len(kind))
    order = np.lexsort((draws, kind))
    first = order[np.unique(kind[order], return_index=True)[1]]
    assert set(first.tolist()) <= set(sample["rb_row"].to_pylist())


def test_batches_and_formats_change_nothing(tail: Path, tmp_path: Path, done: Invoke) -> None:
    csv, found = tmp_path / "t.csv", []
    # A class at a time: the first rows say nothing of the later classes.
    by_kind = pq.read_table(tail).sort_by("kind")
    pcsv.write_csv(by_kind, csv)
    pq.write_table(by_kind, tmp_path / "t.parquet")
    for number, how in enumerate([[csv], [tmp_path / "t.parquet", "--batch-rows", 101]]):
        out = tmp_path / f"s{number}.parquet"
        done(["sample", *how, "-l", "kind", "--rows", 900, "-o", out, "-q"])
        assert set(counted(out)) == set(counted(tail))
        found.append(pq.read_table(out).select(["rb_row", "rb_pi"]).to_pydict())
    assert found[0] == found[1]


def test_more_rows_hold_the_fewer(tail: Path, tmp_path: Path, done: Invoke) -> None:
    rows = []
    for asked in (600, 800, 3_000):
        out = tmp_path / "s.parquet"
        done(["sample", tail, "-l", "kind", "--rows", asked, "-o", out, "-q"])
        rows.append(set(pq.read_table(out)["rb_row"].to_pylist()))
    assert rows[0] < rows[1] < rows[2]


def test_what_cannot_be_promised_is_said(tail: Path, tmp_path: Path, done: Invoke) -> None:
    out = tmp_path / "s.parquet"
    arguments = ["sample", tail, "-l", "kind", "-o", out, "--json"]
    # Rows of a group share a draw, so that no one of them is the smallest.
    said = done([*arguments, "--rows", 600, "--key", "shop"])
    gone = [each for each in json.loads(said.stdout)["classes"].values() if not each["kept"]]
    assert gone
    assert "no row was drawn of" in said.stderr
    # A rate that stands for less than a row is kept as it was given.
    before = counted(tail)
    smallest = min(before, key=before.__getitem__)
    said = done([*arguments, "--rate", f"{smallest}=0.001"])
    assert json.loads(said.stdout)["classes"][smallest]["rate"] == 0.001
    assert f"no row was drawn of {smallest}" in said.stderr
