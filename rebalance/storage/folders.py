"""Input names as files: patterns, folders, and the keys that folders' names give to the rows."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from rebalance.errors import DataError, UsageError
from rebalance.storage.formats import format_if_known

_NULL = "__HIVE_DEFAULT_PARTITION__"
_SIDECAR = ".design.json"  # of a sample in text


@dataclass(frozen=True)
class InputFile:
    """A file, and what the folders named KEY=VALUE that it lies in say of its rows."""

    path: Path
    keys: Mapping[str, str | None] = field(default_factory=dict)


def expand(inputs: Sequence[str], titles: Mapping[Path, str]) -> list[InputFile]:
    """The files that inputs name: themselves, what patterns match, or all below folders.

    Keys are taken from what a pattern or a folder leaves open; from the paths of several files that
    are named one by one, where all have the same keys below the folder that they share.

    Raises
    ------
    UsageError : a file is named twice.
    DataError : nothing is there, or files lie in folders of different keys.
    """
    found: list[InputFile] = []
    plain: list[Path] = []
    for given in inputs:
        path = Path(given)
        if path.is_file():
            plain.append(path)
            found.append(InputFile(path))
        elif path.is_dir():
            found += [InputFile(file, _keys(file, path)) for file in _below(path)]
        else:
            base = _fixed(given)
            found += [InputFile(file, _keys(file, base)) for file in _matching(given)]
    shared = _keys_of_named(plain)
    files = [InputFile(file.path, shared.get(file.path, file.keys)) for file in found]
    _refuse_twice(files)
    _refuse_other_keys(files, titles)
    return files


def _matching(pattern: str) -> list[Path]:
    """The files that a pattern matches; those below folders, if it matches nothing else."""
    matched = sorted(Path(name) for name in glob.glob(pattern, recursive=True))
    files = [path for path in matched if path.is_file()]
    if not files:
        files = [file for path in matched if path.is_dir() for file in _below(path)]
    if files:
        return files
    if matched:
        raise DataError(
            f"'{pattern}' is a pipe or a device, not a file",
            remedy="pipe the table in: INPUT '-'",
        )
    raise DataError(f"there is no file '{pattern}'", remedy="check the path")


def _fixed(pattern: str) -> Path:
    """The folders of a pattern before the first one with a wildcard."""
    parts = Path(pattern).parts
    wild = next((at for at, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    return Path(*parts[:wild])


def _below(folder: Path) -> list[Path]:
    """The tables below a folder, without what tools lay beside them (_SUCCESS, .crc files).

    Raises
    ------
    DataError : there are none, or a file is there that is none.
    """
    files = sorted(_walk(folder, set()))
    if not files:
        raise DataError(f"there are no files in the folder '{folder}'", remedy="check the path")
    for file in files:
        if format_if_known(file.name) is None:
            raise DataError(
                "cannot tell from its name that the file is a table",
                where=f"file '{file}'",
                remedy=f"name the tables alone by a pattern: '{folder}/**/*.parquet'",
            )
    return files


def _walk(folder: Path, above: set[Path]) -> Iterator[Path]:
    resolved = folder.resolve()
    if resolved in above:  # a link back to where we came from
        return
    for entry in os.scandir(folder):
        is_folder = entry.is_dir()
        if entry.name.startswith(".") or (
            entry.name.startswith("_") and not (is_folder and "=" in entry.name)
        ):
            continue
        if is_folder:
            yield from _walk(Path(entry), above | {resolved})
        elif entry.is_file() and not entry.name.endswith(_SIDECAR):
            yield Path(entry)


def _keys(file: Path, base: Path) -> dict[str, str | None]:
    """The keys in the names of the folders between a base and a file."""
    keys: dict[str, str | None] = {}
    for part in file.relative_to(base).parts[:-1]:
        name, sign, value = part.partition("=")
        if name and sign:
            if unquote(name) in keys:
                raise DataError(
                    f"the key '{unquote(name)}' is there twice",
                    where=f"file '{file}'",
                    remedy="rename one of the folders",
                )
            keys[unquote(name)] = None if value == _NULL else unquote(value)
    return keys


def _keys_of_named(files: Sequence[Path]) -> dict[Path, dict[str, str | None]]:
    """The keys of files that were named one by one, as a shell does with a pattern."""
    if len(files) < 2:
        return {}
    base = Path(os.path.commonpath([file.absolute() for file in files]))
    keys = {file: _keys(file.absolute(), base) for file in files}
    names = {tuple(found) for found in keys.values()}
    return keys if len(names) == 1 else {}


def _refuse_twice(files: Sequence[InputFile]) -> None:
    seen: set[Path] = set()
    for file in files:
        if file.path.resolve() in seen:
            raise UsageError(
                f"the file '{file.path}' is named twice as input",
                remedy="its rows would count twice; leave one out",
            )
        seen.add(file.path.resolve())


def _refuse_other_keys(files: Sequence[InputFile], titles: Mapping[Path, str]) -> None:
    first = files[0]
    for file in files:
        for name in {*first.keys, *file.keys}:
            if (name in first.keys) != (name in file.keys):
                owner, other = (first, file) if name in first.keys else (file, first)
                raise DataError(
                    f"a folder of '{titles.get(owner.path, str(owner.path))}' has the key "
                    f"'{name}', and none has it here",
                    where=f"file '{titles.get(other.path, str(other.path))}'",
                    remedy="lay all files of a table in folders of the same keys",
                )
