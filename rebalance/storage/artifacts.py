"""Artifacts (`*.rbl`): a zip with fixed timestamps, a manifest, and members that are only data.

The zip's comment is the SHA-256 of every byte before it, so any changed byte is found; every member
is in the manifest with its own digest, so a damaged file is refused by the name of the part that
is damaged. Nothing is compressed: the same content gives the same bytes with any zlib.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from rebalance.errors import ArtifactError, DataError, RebalanceError
from rebalance.storage.remote import is_uri, read_bytes

T = TypeVar("T")

FORMAT = 3  # the newest that is read; models that make features by a recipe are of it
CLASSES_FORMAT = 2  # those of many classes
TWO_CLASSES_FORMAT = 1  # those of two are still as the first versions wrote them
_MANIFEST = "manifest.json"
_DIGEST_LENGTH = 64
_EARLIEST = (1980, 1, 1, 0, 0, 0)
# What reading a zip with changed bytes can raise: encryption flags, methods, sizes, texts.
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, struct.error, KeyError, TypeError, ValueError, OSError,
    EOFError, RuntimeError, OverflowError,
)  # fmt: skip
# What making something of altered parts can raise, which may be anything.
_WRONG_PARTS = (*_DAMAGE, IndexError, AttributeError, AssertionError, ArithmeticError)


def pack(kind: str, manifest: Mapping[str, Any], members: Mapping[str, bytes]) -> bytes:
    """The bytes of an artifact: the same manifest and members give the same bytes."""
    whole = {
        "kind": kind,
        "format": TWO_CLASSES_FORMAT,
        **manifest,
        "members": {name: _digest(content) for name, content in sorted(members.items())},
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        first = json.dumps(whole, indent=1, sort_keys=True, allow_nan=False).encode()
        for name, content in [(_MANIFEST, first), *sorted(members.items())]:
            entry = zipfile.ZipInfo(name, _EARLIEST)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
        archive.comment = b"0" * _DIGEST_LENGTH
    body = stream.getvalue()[:-_DIGEST_LENGTH]
    return body + _digest(body).encode()


class Members(dict[str, bytes]):
    """The members of an artifact by name; `last` is the one that was asked for last."""

    last = _MANIFEST

    def __getitem__(self, name: str) -> bytes:
        self.last = name
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """The member, or the default where there is none."""
        if name not in self:
            return default
        return self[name]


def unpack(content: bytes, kind: str, title: str) -> tuple[dict[str, Any], Members]:
    """The manifest and members of an artifact.

    Raises
    ------
    ArtifactError : not an artifact, damaged, of another kind, or of a newer format.
    """
    where = f"file '{title}'"
    again = f"make it again with 'rebalance {_maker(kind)}'"
    body, digest = content[:-_DIGEST_LENGTH], content[-_DIGEST_LENGTH:]
    if not content.startswith(b"PK"):
        raise ArtifactError(
            f"this is no rebalance {kind}",
            where=where,
            remedy=f"name a file made by 'rebalance {_maker(kind)}'",
        )
    if _digest(body).encode() != digest:
        raise ArtifactError(
            f"the {kind} was altered or cut short: {_altered(content)} is not as it was written",
            where=where,
            remedy=again,
        )
    try:
        archive = _opened(content)
        manifest = json.loads(archive.read(_MANIFEST))
        found, number = manifest["kind"], int(manifest["format"])
    except _DAMAGE as exc:
        raise ArtifactError(f"this is no rebalance {kind}", where=where, remedy=again) from exc
    if number > FORMAT:
        raise ArtifactError(
            f"the {found} is of format {number}, and this version reads up to {FORMAT}",
            where=where,
            remedy="upgrade: pip install -U rebalance-cli",
        )
    if found != kind:
        raise ArtifactError(
            f"this is a {found} where a {kind} is needed",
            where=where,
            remedy=f"name a file made by 'rebalance {_maker(kind)}'",
        )
    with undamaged(kind, lambda: where, again):
        return manifest, Members({name: archive.read(name) for name in manifest["members"]})


def restored(
    content: bytes, kind: str, title: str, make: Callable[[dict[str, Any], Members], T]
) -> T:
    """What `make` makes of an artifact's manifest and members, which may hold anything.

    Whoever writes the digests of altered parts anew can write what they like.

    Raises
    ------
    ArtifactError : see `unpack`; also where a member is missing or not what it should be: it is
        named, the one asked for last.
    """
    manifest, members = unpack(content, kind, title)

    def place() -> str:
        return f"file '{title}', member '{members.last}'"

    with undamaged(kind, place, f"make it again with 'rebalance {_maker(kind)}'"):
        return make(manifest, members)


@contextmanager
def undamaged(kind: str, place: Callable[[], str], remedy: str) -> Iterator[None]:
    """Whatever goes wrong here is damage to an artifact, which is in this place.

    Raises
    ------
    ArtifactError : something went wrong.
    """
    try:
        yield
    except ArtifactError as exc:
        exc.where = exc.where or place()
        raise
    except RebalanceError as exc:
        where = f" ({exc.where})" if exc.where else ""
        what = f"the {kind} is damaged: {exc.what}{where}"
        raise ArtifactError(what, where=place(), remedy=remedy) from exc
    except _WRONG_PARTS as exc:
        first = (str(exc).strip().splitlines() or [""])[0]
        missing = f"it has no {first}" if isinstance(exc, KeyError) else first
        what = f"the {kind} is damaged: {missing or type(exc).__name__}"
        raise ArtifactError(what, where=place(), remedy=remedy) from exc


def is_of_classes(manifest: Mapping[str, Any]) -> bool:
    """Whether a pilot's or a model's label, or a design's, has many classes."""
    label = manifest.get("label")
    return isinstance(label, dict) and "classes" in label


def read_artifact(path: str, kind: str) -> tuple[dict[str, Any], Members]:
    """The manifest and members of an artifact in a file.

    Raises
    ------
    ArtifactError : see `unpack`; also when there is no such file.
    """
    return unpack(artifact_bytes(path, kind), kind, path)


def artifact_bytes(path: str, kind: str) -> bytes:
    """The bytes of an artifact's file.

    Raises
    ------
    ArtifactError : there is no such file, or it cannot be read.
    """
    return named_bytes(path, kind, f"make it with 'rebalance {_maker(kind)}'")


def named_bytes(name: str, kind: str, remedy: str) -> bytes:
    """The bytes of what a command needs beside tables, here or at a URI.

    Raises
    ------
    ArtifactError : there is no such file, or it cannot be read.
    """
    try:
        return read_bytes(name) if is_uri(name) else Path(name).read_bytes()
    except OSError as exc:
        raise ArtifactError(
            f"the {kind} cannot be read: {exc.strerror}", where=f"file '{name}'", remedy=remedy
        ) from exc
    except DataError as exc:
        raise ArtifactError(
            f"the {kind} cannot be read: {exc.what}", where=exc.where, remedy=exc.remedy
        ) from exc


def _altered(content: bytes) -> str:
    """The member that is not as it was written, as far as a damaged zip lets one see."""
    try:
        archive = _opened(content)
        members = json.loads(archive.read(_MANIFEST))["members"]
    except _DAMAGE:
        return f"'{_MANIFEST}' or the zip around it"
    for name, digest in members.items():
        try:
            if _digest(archive.read(name)) == digest:
                continue
        except _DAMAGE:
            pass
        return f"'{name}'"
    return "the zip around its members"


def _opened(content: bytes) -> zipfile.ZipFile:
    """The zip, once sure that its members are not larger than it."""
    archive = zipfile.ZipFile(io.BytesIO(content))
    if sum(entry.file_size for entry in archive.infolist()) > len(content):
        raise zipfile.BadZipFile("its members are packed, as those of no artifact are")
    return archive


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _maker(kind: str) -> str:
    return {"pilot": "pilot", "model": "train"}[kind]
