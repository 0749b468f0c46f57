"""A design as JSON, of two classes or of many: a digest seals it, and the pilot is inside."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from rebalance import __version__
from rebalance.errors import ArtifactError
from rebalance.steps.context import Context
from rebalance.storage.artifacts import FORMAT, undamaged
from rebalance.storage.atomic import write_bytes

DESIGN_KEY = b"rebalance.design"


class _Design(Protocol):
    @property
    def pilot_digest(self) -> str | None: ...


class _Pilot(Protocol):
    @property
    def content(self) -> bytes: ...

    @property
    def digest(self) -> str: ...


D = TypeVar("D", bound=_Design)
P = TypeVar("P", bound=_Pilot)
W = TypeVar("W")


def seal(design: Mapping[str, Any], pilot: _Pilot | None, version: int) -> str:
    """The design as JSON of this format, the pilot inside it as base64."""
    document = {
        "kind": "design",
        "format": version,
        "rebalance": __version__,
        **design,
        "pilot": base64.b64encode(pilot.content).decode() if pilot else None,
    }
    return json.dumps(document | {"digest": digest_of(document)}, sort_keys=True)


def unseal(
    text: str | bytes,
    title: str,
    read_design: Callable[[Mapping[str, Any]], D],
    load_pilot: Callable[[bytes, str], P],
    make: Callable[[D, P | None], W],
) -> W:
    """What `make` makes of the design that `seal` described, and its pilot.

    Raises
    ------
    ArtifactError : damaged, of a newer format, or with another pilot than it was made with.
    """
    where, again = f"file '{title}'", "draw the sample again"
    with undamaged("design", lambda: where, again):
        document = json.loads(text)
        if document["kind"] == "design" and document["format"] > FORMAT:
            raise ArtifactError(
                f"the design is of format {document['format']}, and this version reads up to "
                f"{FORMAT}",
                remedy="upgrade: pip install -U rebalance-cli",
            )
        design = read_design(document)
        packed, digest = document["pilot"], document.pop("digest")
        content = base64.b64decode(packed, validate=True) if packed else None
        if digest_of(document) != digest:
            raise ArtifactError("the design was altered", remedy=again)
        pilot = load_pilot(content, f"{title} (its pilot)") if content else None
        if (pilot.digest if pilot else None) != design.pilot_digest:
            raise ArtifactError("the design's pilot is not the one it was made with", remedy=again)
        return make(design, pilot)


def design_sidecar(sample: str) -> str:
    """Where the design of a CSV sample lies."""
    return f"{sample}.design.json"


def store_design(content: str, path: str | None, output: str, context: Context) -> None:
    """Write the design of a sample to a file of its own, or say that a stream has none with it."""
    if path is not None:
        write_bytes(path, content.encode())
    elif output == "-":
        context.note("the design was not written: give --design FILE to train on this sample")


def digest_of(document: Mapping[str, Any]) -> str:
    """SHA-256 of a document, whatever the order of its keys."""
    text = json.dumps(document, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
