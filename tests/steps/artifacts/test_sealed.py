"""Designs as JSON: what is refused, whatever the number of classes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from rebalance.errors import ArtifactError
from rebalance.steps.artifacts.sealed import seal, unseal


@dataclass(frozen=True)
class Design:
    rate: float
    pilot_digest: str | None


@dataclass(frozen=True)
class Pilot:
    content: bytes

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def read(document: Mapping[str, Any]) -> Design:
    return Design(document["rate"], document["pilot_digest"])


def load(content: bytes, title: str) -> Pilot:
    assert title == "d.json (its pilot)"
    return Pilot(content)


def opened(text: str) -> tuple[Design, Pilot | None]:
    return unseal(text, "d.json", read, load, lambda design, pilot: (design, pilot))


PILOT = Pilot(b"\x00trees")


@pytest.mark.parametrize("pilot", [None, PILOT])
def test_what_was_sealed_comes_back(pilot: Pilot | None) -> None:
    digest = pilot.digest if pilot else None
    text = seal({"rate": 0.1, "pilot_digest": digest}, pilot, 1)
    assert opened(text) == (Design(0.1, digest), pilot)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rate": 0.2}, "altered"),
        ({"digest": "0"}, "altered"),
        ({"format": 10_000}, "of format 10000"),
        ({"pilot": "not base64!"}, "damaged"),
        ({"pilot": None}, "altered"),
    ],
)
def test_what_was_changed_is_refused(change: Mapping[str, Any], words: str) -> None:
    document = json.loads(seal({"rate": 0.1, "pilot_digest": PILOT.digest}, PILOT, 1))
    with pytest.raises(ArtifactError, match=words):
        opened(json.dumps(document | change))


@pytest.mark.parametrize("text", ["", "[1]", "{}", '{"kind": "design", "format": 1}'])
def test_what_is_no_design_is_refused(text: str) -> None:
    with pytest.raises(ArtifactError, match="damaged"):
        opened(text)


def test_another_pilot_is_refused() -> None:
    text = seal({"rate": 0.1, "pilot_digest": "another"}, PILOT, 1)
    with pytest.raises(ArtifactError, match="not the one it was made with"):
        opened(text)


def test_a_newer_format_may_be_sealed_in_another_way() -> None:
    with pytest.raises(ArtifactError, match="of format 99"):
        opened('{"kind": "design", "format": 99}')
