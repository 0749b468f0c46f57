"""Artifacts: same bytes, and every altered byte found."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebalance.errors import ArtifactError
from rebalance.storage.artifacts import FORMAT, TWO_CLASSES_FORMAT, pack, read_artifact, unpack

MANIFEST = {"seed": 3, "label": {"column": "y"}}
MEMBERS = {"b.npy": bytes(range(256)) * 3, "a.json": b'{"x": 1}'}
PACKED = pack("pilot", MANIFEST, MEMBERS)


def test_there_and_back() -> None:
    manifest, members = unpack(PACKED, "pilot", "p.rbl")
    assert members == MEMBERS
    assert manifest["seed"] == 3
    assert manifest["format"] == TWO_CLASSES_FORMAT


def test_the_order_of_members_changes_nothing() -> None:
    assert (
        pack("pilot", dict(reversed(MANIFEST.items())), dict(reversed(MEMBERS.items()))) == PACKED
    )


def test_other_tools_can_open_it(tmp_path: Path) -> None:
    path = tmp_path / "p.rbl"
    path.write_bytes(PACKED)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["manifest.json", "a.json", "b.npy"]
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(PACKED) - 1), st.integers(1, 255))
def test_any_changed_byte_is_refused(position: int, change: int) -> None:
    altered = bytearray(PACKED)
    altered[position] ^= change
    with pytest.raises(ArtifactError, match=r"p\.rbl"):
        unpack(bytes(altered), "pilot", "p.rbl")


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(PACKED) - 1))
def test_any_truncation_is_refused(length: int) -> None:
    with pytest.raises(ArtifactError, match=r"p\.rbl"):
        unpack(PACKED[:length], "pilot", "p.rbl")


def test_an_altered_member_is_named() -> None:
    at = PACKED.index(b'{"x": 1}')
    with pytest.raises(ArtifactError, match=r"'a\.json'"):
        unpack(PACKED[: at + 2] + b"y" + PACKED[at + 3 :], "pilot", "p.rbl")


def test_another_kind_is_refused_by_name() -> None:
    with pytest.raises(ArtifactError, match="this is a pilot where a model is needed"):
        unpack(PACKED, "model", "p.rbl")


def test_a_newer_format_is_refused() -> None:
    newer = pack("pilot", MANIFEST | {"format": FORMAT + 1}, MEMBERS)
    assert json.loads(zipfile.ZipFile(__import__("io").BytesIO(newer)).read("manifest.json"))
    with pytest.raises(ArtifactError, match=f"format {FORMAT + 1}.*upgrade"):
        unpack(newer, "pilot", "p.rbl")


def test_a_missing_file_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="rebalance train"):
        read_artifact(str(tmp_path / "none.rbl"), "model")
