"""Artifacts with one thing altered, and the digests written anew as whoever alters them can."""

from __future__ import annotations

import base64
import copy
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

# What stands in place of a value of a JSON document.
OTHERS = (None, "x", -1, float("nan"), [], {})
Members = Mapping[str, bytes]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def opened(content: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The manifest of a `.rbl`, without its digests, and its other members."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members.pop("manifest.json"))
    del manifest["members"]
    return manifest, members


def packed(manifest: Any, members: Members, *, deflated: bool = False) -> bytes:
    """A `.rbl` whose digests are right, whatever it holds."""
    if isinstance(manifest, dict):
        manifest = manifest | {"members": {name: sha256(part) for name, part in members.items()}}
    stream = io.BytesIO()
    how = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    with zipfile.ZipFile(stream, "w", how) as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        for name, part in members.items():
            archive.writestr(name, part)
        archive.comment = b"0" * 64
    body = stream.getvalue()[:-64]
    return body + sha256(body).encode()


def sealed(design: Any) -> bytes:
    """A design whose digest is right."""
    if not isinstance(design, dict):
        return json.dumps(design).encode()
    whole = {key: value for key, value in design.items() if key != "digest"}
    digest = sha256(json.dumps(whole, sort_keys=True).encode())
    return json.dumps(whole | {"digest": digest}, sort_keys=True).encode()


def pilot_of(design: Mapping[str, Any]) -> bytes:
    """The pilot inside a design."""
    return base64.b64decode(design["pilot"])


def with_pilot(design: Mapping[str, Any], pilot: bytes) -> bytes:
    """A design with another pilot inside, which it says is its own."""
    inside = {"pilot": base64.b64encode(pilot).decode(), "pilot_digest": sha256(pilot)}
    return sealed({**design, **inside})


def documents(whole: Any) -> Iterator[tuple[str, Any]]:
    """A JSON document with one value dropped, or another in its place, and what was done.

    Of a list the first and the last element stand for all.
    """
    for path in _paths(whole):
        shown = "/".join(map(str, path))
        for other in OTHERS:
            yield f"{shown} = {other!r}", _changed(whole, path, other)
        yield f"{shown} dropped", _changed(whole, path, _DROP)
    for other in OTHERS:
        yield f"all = {other!r}", other


_DROP = object()


def _paths(whole: Any) -> Iterator[tuple[str | int, ...]]:
    inner: list[Any] = []
    if isinstance(whole, dict):
        inner = list(whole)
    elif isinstance(whole, list):
        inner = sorted({0, len(whole) - 1}) if whole else []
    for key in inner:
        yield (key,)
        yield from ((key, *path) for path in _paths(whole[key]))


def _changed(whole: Any, path: tuple[str | int, ...], other: Any) -> Any:
    first, *rest = path
    found = copy.copy(whole)
    if rest:
        found[first] = _changed(whole[first], tuple(rest), other)
    elif other is _DROP:
        del found[first]
    else:
        found[first] = other
    return found


def arrays(member: bytes) -> Iterator[tuple[str, bytes]]:
    """A numpy member with other numbers, another shape, or another type."""
    values = np.load(io.BytesIO(member))
    yield "NaN", npy(np.full_like(values, np.nan))
    yield "infinite", npy(np.full_like(values, np.inf))
    yield "negative", npy(-np.ones_like(values))
    yield "empty", npy(values[:0])
    yield "longer", npy(np.concatenate([values, values[:1]]))
    yield "deeper", npy(values[None])
    yield "one number", npy(np.asarray(1.0))
    yield "texts", npy(np.full(values.shape, "x"))
    yield "whole numbers", npy(np.ones(values.shape, dtype=np.int64))
    yield "objects", npy(np.full(values.shape, None, dtype=object))


def npy(values: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values, allow_pickle=True)
    return stream.getvalue()


def artifacts(content: bytes) -> Iterator[tuple[str, str, bytes]]:
    """A `.rbl` with one thing altered: the member, what was done, and the bytes."""
    manifest, members = opened(content)
    for done, document in documents(manifest):
        yield "manifest.json", done, packed(document, members)
    for name, part in members.items():
        others = {other: members[other] for other in members if other != name}
        yield name, "dropped", packed(manifest, others)
        for done, altered in parts(name, part):
            yield name, done, packed(manifest, {**others, name: altered})


def parts(name: str, part: bytes) -> Iterator[tuple[str, bytes]]:
    """One member with one thing altered."""
    yield "empty", b""
    yield "half", part[: len(part) // 2]
    if name == "design.json":
        yield from ((done, sealed(changed)) for done, changed in documents(json.loads(part)))
    elif name.endswith(".json"):
        for done, changed in documents(json.loads(part)):
            yield done, json.dumps(changed).encode()
    elif name.endswith(".npy"):
        yield from arrays(part)
    elif name.endswith(".txt"):
        yield from lines(part)


def lines(part: bytes) -> Iterator[tuple[str, bytes]]:
    """A text of `name=values` with other values in one line."""
    whole = part.decode().split("\n")
    for at, line in enumerate(whole):
        name, sign, _ = line.partition("=")
        for other in ("", "x", "-1", "nan", "999999999") if sign else ():
            changed = [*whole[:at], f"{name}={other}", *whole[at + 1 :]]
            yield f"line {at} {name} = {other!r}", "\n".join(changed).encode()
