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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rebalance.errors import ArtifactError, DataError
from rebalance.storage.remote import is_uri, read_bytes

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
# What making a model of such parts can raise where they are not what they should be.
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


def unpack(content: bytes, kind: str, title: str) -> tuple[dict[str, Any], dict[str, bytes]]:
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
        archive = zipfile.ZipFile(io.BytesIO(content))
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
    with undamaged(kind, title):
        return manifest, {name: archive.read(name) for name in manifest["members"]}


@contextmanager
def undamaged(kind: str, title: str) -> Iterator[None]:
    """Make an artifact's parts into what they are of, where they may not be what they should be.

    Whoever writes the digests of altered parts anew can write anything.

    Raises
    ------
    ArtifactError : one is missing, or no such part.
    """
    try:
        yield
    except _WRONG_PARTS as exc:
        first = (str(exc).strip().splitlines() or [""])[0]
        missing = f"it has no {first}" if isinstance(exc, KeyError) else first
        raise ArtifactError(
            f"the {kind} is damaged: {missing or type(exc).__name__}",
            where=f"file '{title}'",
            remedy=f"make it again with 'rebalance {_maker(kind)}'",
        ) from exc


def read_artifact(path: str, kind: str) -> tuple[dict[str, Any], dict[str, bytes]]:
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
        archive = zipfile.ZipFile(io.BytesIO(content))
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


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _maker(kind: str) -> str:
    return {"pilot": "pilot", "model": "train"}[kind]
