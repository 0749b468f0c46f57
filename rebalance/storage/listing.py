"""What a URI names: a file, the files that a pattern matches, or all below a folder."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rebalance.errors import DataError, UsageError
from rebalance.storage.formats import format_if_known
from rebalance.storage.refusals import failures, is_missing
from rebalance.storage.remote import Address, connect

_SIDECAR = ".design.json"  # of a sample in text
_WILD = re.compile(r"[*?\[]")
# What changes when a file is replaced, by the names that systems give it, the surest first.
_STATES = (
    "ETag", "etag", "generation", "Content-MD5", "created", "Last-Modified", "LastModified",
)  # fmt: skip


@dataclass(frozen=True)
class RemoteFile:
    """A file of another system: where it is, its bytes, and what changes when it is replaced.

    size : None where the system does not say.
    """

    address: Address
    size: int | None
    state: str

    @classmethod
    def from_info(cls, address: Address, info: Mapping[str, Any]) -> RemoteFile:
        """The file as the system describes it."""
        told = next((info[name] for name in _STATES if info.get(name)), "")
        state = str(told.timestamp() if isinstance(told, datetime) else told)
        size = info.get("size")
        return cls(address, None if size is None else int(size), state)


def expand(given: str) -> list[RemoteFile]:
    """The files that a URI names: one, those that a pattern matches, or all below a folder.

    In the order of their addresses; as in a shell, a pattern's `*` does not match a leading dot.
    A name with `?` or `[` in it is a file before it is a pattern. A pattern that matches folders
    and no file stands for what is below them.

    Raises
    ------
    UsageError, DataError : see `connect`; nothing is there, or it cannot be listed.
    """
    address = connect(given)
    found = None
    if "*" not in address.spelled and not given.endswith("/"):
        found = address.info()
    if found is not None and found["type"] == "file":
        return [RemoteFile.from_info(address, found)]
    files: list[RemoteFile] = []
    if found is None and is_pattern(address.spelled):
        files = list(_matching(address)) or list(_matching(address, in_folders=True))
    elif found is not None or given.endswith("/"):
        files = list(_tables_below(address))
    listed = sorted(files, key=lambda file: file.address.path)
    if not listed:
        raise DataError(f"there is no file '{address.uri}'", remedy="check the address")
    return listed


def is_pattern(path: str) -> bool:
    """Whether a path has wildcards in it."""
    return _WILD.search(path) is not None


def fits(names: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether the parts of a path match those of a pattern; `**` is any number of parts.

    >>> fits(["data", "day=1", "a.csv"], ["data", "**", "*.csv"])
    True
    >>> fits(["data", ".hidden.csv"], ["data", "*.csv"])
    False
    """
    if not pattern:
        return not names
    if pattern[0] == "**":
        skipped = bool(names) and not names[0].startswith(".")
        return fits(names, pattern[1:]) or (skipped and fits(names[1:], pattern))
    return bool(names) and _fits(names[0], pattern[0]) and fits(names[1:], pattern[1:])


def _fits(name: str, pattern: str) -> bool:
    hidden = name.startswith(".") and not pattern.startswith(".")
    return not hidden and fnmatch.fnmatchcase(name, pattern)


def _matching(address: Address, *, in_folders: bool = False) -> Iterator[RemoteFile]:
    parts = address.path.split("/")
    first = next(number for number, part in enumerate(parts) if is_pattern(part))
    base = address.sibling("/".join(parts[:first]) + ("/" if address.is_web else ""))
    yield from _match(base, parts[first:], in_folders=in_folders)


def _match(folder: Address, pattern: Sequence[str], *, in_folders: bool) -> Iterator[RemoteFile]:
    """The files below a folder whose path matches, listing no folder that cannot hold one."""
    if pattern[0] == "**":
        for file in _below(folder):
            if fits(_names_below(file, folder), pattern):
                yield file
        return
    for name, entry in _entries(folder):
        inner = folder.sibling(entry["name"])
        if _fits(name, pattern[0]):
            if entry["type"] == "directory" and len(pattern) > 1:
                yield from _match(inner, pattern[1:], in_folders=in_folders)
            elif entry["type"] == "directory" and in_folders:
                yield from _tables_below(inner)
            elif entry["type"] == "file" and len(pattern) == 1:
                # A web page lists names, no sizes.
                info = inner.info() if inner.is_web else entry
                yield RemoteFile.from_info(inner, info or entry)


def _tables_below(folder: Address) -> Iterator[RemoteFile]:
    """The tables below a folder, by the rules that hold for folders here, too."""
    for file in _below(folder):
        *folders, name = _names_below(file, folder)
        beside = [part for part in folders if "=" not in part or part.startswith(".")]
        if any(part.startswith(("_", ".")) for part in [*beside, name]) or name.endswith(_SIDECAR):
            continue
        if format_if_known(name) is None:
            raise DataError(
                "cannot tell from its name that the file is a table",
                where=f"file '{file.address.uri}'",
                remedy=f"name the tables alone by a pattern: '{folder.uri}/**/*.parquet'",
            )
        yield file


def _names_below(file: RemoteFile, folder: Address) -> list[str]:
    return file.address.path[len(folder.path) :].strip("/").split("/")


def _below(folder: Address) -> Iterator[RemoteFile]:
    """All files below a folder: a store lists them at once, however deep."""
    if folder.is_web:
        raise UsageError(
            f"'{folder.uri}' is a folder of a web server, which does not say what is in it",
            remedy="name its files",
        )
    listed = folder.attempt(
        lambda: _or_nothing(lambda: folder.system.find(folder.path, detail=True))
    )
    for name, entry in dict(listed).items():
        if entry["type"] == "file" and not name.endswith("/"):  # some tools mark folders so
            yield RemoteFile.from_info(folder.sibling(name), entry)


def _entries(folder: Address) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The names in one folder and what is said of them; none where there is no such folder."""
    listed = folder.attempt(lambda: _or_nothing(lambda: folder.system.ls(folder.path, detail=True)))
    for entry in sorted(listed, key=lambda entry: str(entry["name"])):
        path = entry["name"].rstrip("/")
        is_itself = path == folder.path.rstrip("/")
        is_link = folder.is_web and (not path.startswith(folder.path) or "?" in path)
        if not is_itself and not is_link:
            yield path.rpartition("/")[2], entry


def _or_nothing(work: Callable[[], Any]) -> Any:
    """What is found, or nothing where there is no such file; a missing bucket is an error."""
    try:
        return work()
    except failures() as exc:
        if is_missing(exc):
            return ()
        raise
