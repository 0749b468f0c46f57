"""What can go wrong, each with what happened, where, what to do, and an exit code."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RebalanceError(Exception):
    """An error that a user can act on.

    Parameters
    ----------
    what : what happened.
    where : the file, row and column it happened at, where there is one.
    remedy : what to do about it.
    row : the position in the arrays given at which it happened; whoever knows where the arrays come
        from makes a place of it (see `storage.tables.located`).
    """

    exit_code = 3

    def __init__(
        self, what: str, *, where: str = "", remedy: str = "", row: int | None = None
    ) -> None:
        self.what = what
        self.where = where
        self.remedy = remedy
        self.row = row
        super().__init__(what)

    def __str__(self) -> str:
        place = f", {self.where}" if self.where else ""
        advice = f"; {self.remedy}" if self.remedy else ""
        return f"{self.what}{place}{advice}"


class CheckError(RebalanceError):
    """A check that the user asked for did not hold."""

    exit_code = 1


class UsageError(RebalanceError):
    """The command line asks for something that makes no sense or cannot be done."""

    exit_code = 2


class DataError(RebalanceError):
    """A table cannot be read, or does not hold what it must."""

    exit_code = 3


class ArtifactError(RebalanceError):
    """A pilot, model or design is damaged, of another kind, or made for something else."""

    exit_code = 4


class FitError(RebalanceError):
    """A model could not be fitted."""

    exit_code = 5


def nearest(name: str, names: Iterable[str]) -> str:
    """Say which of the names come closest to one that was not found.

    >>> nearest("lable", ["label", "amount"])
    "the nearest is 'label'"
    >>> nearest("x", ["label", "amount"])
    'there are: amount, label'
    """
    known = sorted(set(names))
    folded = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), folded, n=3, cutoff=0.6)
    if len(close) == 1:
        return f"the nearest is '{folded[close[0]]}'"
    if close:
        return "the nearest are " + ", ".join(f"'{folded[match]}'" for match in close)
    if not known:
        return "there are none"
    shown = ", ".join(known[:12])
    return f"there are: {shown}" + (f" and {len(known) - 12} more" if len(known) > 12 else "")
