"""Formats by the names of files."""

from __future__ import annotations

import pytest

from rebalance.errors import UsageError
from rebalance.storage.formats import file_format


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.parquet", "parquet"),
        ("a.PQ", "parquet"),
        ("a.csv", "csv"),
        ("a.CSV.GZ", "csv"),
        ("a.tsv.bz2", "tsv"),
        ("a.tsv.zst", "tsv"),
        ("a.arrow", "arrow"),
        ("a.feather", "arrow"),
        ("a.b.ipc", "arrow"),
        ("a.jsonl", "jsonl"),
        ("a.ndjson.gz", "jsonl"),
        ("a.json", "jsonl"),
    ],
)
def test_formats(name, expected):
    assert file_format(name) == expected


@pytest.mark.parametrize(
    "name",
    ["a.txt", "csv", "a.gz", "a.xlsx", "a.csv.xz", "/dev/null", "a.parquet.gz", "a.arrow.zst"],
)
def test_unknown_formats(name):
    with pytest.raises(
        UsageError, match=r"cannot tell the format of .*in \.parquet, \.arrow .*\.csv, \.tsv or"
    ):
        file_format(name)
