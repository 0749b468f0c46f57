"""what makes artifacts -> a directory that has all of them, or is left as it was"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, TypeVar

from rebalance.errors import UsageError
from rebalance.storage.atomic import check_outputs, write_bytes
from rebalance.storage.remote import is_uri


class Reported(Protocol):
    """What a run found."""

    @property
    def report(self) -> dict[str, Any]:
        """The report, as JSON without NaN."""


R = TypeVar("R", bound=Reported)


def made_together(
    target: Path, files: Mapping[str, str], make: Callable[[Mapping[str, str]], R]
) -> R:
    """Make files beside the target and move them there at the end: what fails changes nothing.

    `files` are names in the target, "report" among them; `make` gets their paths and writes all but
    the report.
    """
    with TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as working:
        paths = {name: str(Path(working) / file) for name, file in files.items()}
        result = make(paths)
        text = json.dumps(result.report, indent=2, sort_keys=True, allow_nan=False)
        write_bytes(paths["report"], text.encode() + b"\n")
        target.mkdir(exist_ok=True)
        for name, file in files.items():
            Path(paths[name]).replace(target / file)
    return result


def directory_for(
    directory: str, files: Iterable[str], inputs: Sequence[str], *, clobber: bool
) -> Path:
    """The directory for these artifacts, once sure that they can go there.

    Raises
    ------
    UsageError : they cannot.
    """
    if is_uri(directory):
        raise UsageError(
            f"'{directory}' is an address, and the artifacts need a local directory",
            remedy="name one with --output, and copy it when it is made",
        )
    target = Path(directory).resolve()
    if target.exists() and not target.is_dir():
        raise UsageError(f"'{directory}' is a file", remedy="name a directory with --output")
    if not target.parent.is_dir():
        raise UsageError(
            f"the folder '{target.parent}' does not exist",
            remedy=f"make it first: mkdir -p '{target.parent}'",
        )
    if target.is_dir():
        check_outputs([str(target / file) for file in files], inputs, clobber=clobber)
    return target
