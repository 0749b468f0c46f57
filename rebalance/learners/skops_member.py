"""Objects of scikit-learn as a member of an artifact: by skops, without pickles.

skops writes a zip of arrays and a JSON schema, in which every part names its type and how it is to
be made. Before anything of it is made, all these names are compared with a list of those that the
learner writes: a file that names anything else is refused, and none of its code runs. What skops
itself trusts, all of scikit-learn and SciPy, is not trusted here.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from rebalance.core.described import array_bytes
from rebalance.core.wording import first_line
from rebalance.errors import ArtifactError

_SCHEMA = "schema.json"
_EARLIEST = (1980, 1, 1, 0, 0, 0)
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, struct.error, KeyError, TypeError, ValueError, OSError,
    EOFError, RuntimeError, AttributeError, IndexError, RecursionError, ImportError,
)  # fmt: skip

# How a part is made, by skops's name for it, and its type.
Part = tuple[str, str]
PLAIN: frozenset[Part] = frozenset(
    {
        ("ListNode", "builtins.list"),
        ("TupleNode", "builtins.tuple"),
        ("DictNode", "builtins.dict"),
        ("JsonNode", "builtins.str"),
        ("TypeNode", "builtins.str"),
        ("NdArrayNode", "numpy.ndarray"),
        ("NdArrayNode", "numpy.int64"),
        ("NdArrayNode", "numpy.uint64"),
        ("NdArrayNode", "numpy.float64"),
    }
)


def to_member(thing: Any) -> bytes:
    """The bytes of an object; the same object gives the same bytes.

    skops names its files and parts by addresses in memory, and dates the files. Here they are
    numbered in their order, equal ones once, and have the zip's first date.
    """
    from skops.io import dumps

    stream, names = io.BytesIO(), dict[bytes, str]()
    with (
        zipfile.ZipFile(io.BytesIO(dumps(thing))) as written,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive,
    ):
        schema = json.loads(written.read(_SCHEMA))
        for part in _parts(schema):
            part.pop("__id__", None)
            if "file" in part:
                array = _without_gaps(written.read(part["file"]))
                if array not in names:
                    names[array] = f"{len(names)}.npy"
                    archive.writestr(zipfile.ZipInfo(names[array], _EARLIEST), array)
                part["file"] = names[array]
        text = json.dumps(schema, separators=(",", ":"))
        archive.writestr(zipfile.ZipInfo(_SCHEMA, _EARLIEST), text)
    return stream.getvalue()


def from_member(content: bytes, allowed: Iterable[Part], made_by: str) -> Any:
    """The object that `to_member` wrote, once sure that it is made of `allowed` parts alone.

    `made_by` says which library wrote it, for the message.

    Raises
    ------
    ArtifactError : another part is in the file, or it cannot be read.
    """
    known = frozenset(allowed)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            schema = json.loads(archive.read(_SCHEMA))
        for part in _parts(schema):
            loader = str(part.get("__loader__"))
            name = f"{part.get('__module__')}.{part.get('__class__')}"
            if (loader, name) not in known:
                raise ArtifactError(
                    f"the model holds '{name}' ({loader}), which no model of its kind does: it was "
                    "altered, and nothing of it was run",
                    remedy="train it again, or take it from where you trust it",
                )
        from skops.io import loads

        return loads(content, trusted=sorted({name for _, name in known}))
    except _DAMAGE as exc:
        raise ArtifactError(
            f"what the model holds of {made_by} cannot be read here: {first_line(exc)}",
            remedy="install that version, or train the model again",
        ) from exc


def _without_gaps(content: bytes) -> bytes:
    """A `.npy` file whose records hold zeros between their fields, not what was in memory there."""
    array = np.load(io.BytesIO(content), allow_pickle=False)
    if not array.dtype.names:
        return content
    clean = np.zeros(array.shape, array.dtype)
    for name in array.dtype.names:
        clean[name] = array[name]
    return array_bytes(clean)


def damaged(made_by: str, what: str) -> ArtifactError:
    """What is said where an object could be read, and is not what the library made."""
    return ArtifactError(
        f"what the model holds of {made_by} is not whole: {what}",
        remedy="train it again, or take it from where you trust it",
    )


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Everything in a schema that says what it is, from the first on."""
    waiting = [schema]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            if {"__loader__", "__class__", "__module__"} & found.keys():
                yield found
            waiting.extend(reversed(list(found.values())))
        elif isinstance(found, list):
            waiting.extend(reversed(found))
