"""what makes artifacts -> a directory that has all of them, or is left as it was"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, TypeVar

from rebalance.storage.atomic import write_bytes


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
