"""finished fits <-> a file of JSON lines, so that a contest goes on where it ended"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rebalance.core.wording import counted
from rebalance.errors import ArtifactError
from rebalance.steps.compare.outcome import Outcome
from rebalance.steps.context import Context

KIND, FORMAT = "rebalance comparison", 1
_BEGIN = f'{{"kind": "{KIND}"'


class State:
    """What is finished: the first line says of what table and settings, the others are outcomes.

    A line that was cut off by an interrupt is left out, and said.
    """

    def __init__(self, path: str | None, header: Mapping[str, Any], context: Context) -> None:
        self._path = Path(path) if path is not None else None
        self.finished: dict[tuple[str, int], Outcome] = {}
        if self._path is None:
            return
        text = self._text(self._path) if self._path.exists() else ""
        whole, _, torn = text.rpartition("\n")
        lines = whole.split("\n") if whole else []
        if lines:
            self._check(lines[0], header)
            for number, line in enumerate(lines[1:], 2):
                outcome = self._read(line, number)
                self.finished[outcome.way, outcome.fold] = outcome
        elif not (torn.startswith(_BEGIN) or _BEGIN.startswith(torn)):
            raise self._strange(1)
        if torn:
            context.note(f"the last line of '{path}' was cut off: that fit is made again")
            with self._path.open("r+b") as stream:
                stream.truncate(len(text[: len(text) - len(torn)].encode()))
        if not lines:
            self._append({"kind": KIND, "format": FORMAT, **header})
        if self.finished:
            fits = len(self.finished)
            context.note(f"'{path}' has {counted(fits, 'finished fit')}: they are not made")

    def require(self, outcome: Outcome, steps: Sequence[str]) -> None:
        """Refuse an outcome without the seconds of these steps.

        Raises
        ------
        ArtifactError : one is missing.
        """
        missing = [name for name in steps if name not in outcome.seconds]
        if missing:
            raise ArtifactError(
                f"the seconds of {' and '.join(missing)} are missing in the state of "
                f"'{outcome.way}', fold {outcome.fold}",
                where=f"file '{self._path}'",
                remedy="name another file with --state",
            )

    def add(self, outcome: Outcome) -> None:
        """Keep an outcome, on disk too where there is a file."""
        self.finished[outcome.way, outcome.fold] = outcome
        if self._path is not None:
            self._append(outcome.to_document())

    def _append(self, document: Mapping[str, Any]) -> None:
        if self._path is None:
            return
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(document, allow_nan=False) + "\n")
            stream.flush()
            os.fsync(stream.fileno())

    def _text(self, path: Path) -> str:
        """What the file holds.

        Raises
        ------
        ArtifactError : it is no text.
        """
        content = path.read_bytes()
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as exc:
            raise self._strange(content.count(b"\n", 0, exc.start) + 1) from None

    def _check(self, line: str, header: Mapping[str, Any]) -> None:
        """Refuse what another table or other settings left.

        Raises
        ------
        ArtifactError : it is no such file, of a newer format, or of something else.
        """
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            raise self._strange(1) from None
        if not isinstance(found, dict) or found.get("kind") != KIND:
            raise self._strange(1)
        if not isinstance(found.get("format"), int) or found["format"] > FORMAT:
            raise ArtifactError(
                f"it has format {found.get('format')}, and this version reads up to {FORMAT}",
                where=f"file '{self._path}'",
                remedy="go on with the version that made it, or name another --state",
            )
        for name, value in header.items():
            if found.get(name) != value:
                what = "another table" if name == "table" else f"another {name.replace('_', ' ')}"
                shown = "" if name == "table" else f" ({found.get(name)!r}, not {value!r})"
                raise ArtifactError(
                    f"the state is of {what}{shown}",
                    where=f"file '{self._path}'",
                    remedy="name another file with --state, or delete this one to begin anew",
                )

    def _read(self, line: str, number: int) -> Outcome:
        try:
            return Outcome.from_document(json.loads(line))
        except (ValueError, ArithmeticError, RecursionError) as exc:
            raise self._strange(number, f": {exc}") from None

    def _strange(self, line: int, why: str = "") -> ArtifactError:
        return ArtifactError(
            f"line {line} is not one of a comparison's state{why}",
            where=f"file '{self._path}'",
            remedy="name another file with --state",
        )
