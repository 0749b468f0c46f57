"""Numbers, options and what others said in messages."""

from __future__ import annotations

import shlex
from collections.abc import Iterable


def counted(count: int, one: str, many: str | None = None) -> str:
    """A number and what it counts; `many` is that with an s where it is not given.

    >>> counted(1, "row"), counted(2000, "row"), counted(1, "class has", "classes have")
    ('1 row', '2,000 rows', '1 class has')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def dropping(names: Iterable[str]) -> str:
    """The options that leave columns out, as a shell takes them.

    >>> print(dropping(["id", "cust id"]))
    --drop id --drop 'cust id'
    """
    return shlex.join(word for name in names for word in ("--drop", name))


def first_line(said: object) -> str:
    """The first line of an exception or a warning; its type where it says nothing.

    >>> first_line(ValueError("no rows\\nat all")), first_line(KeyError())
    ('no rows', 'KeyError')
    """
    return (str(said).strip().splitlines() or [type(said).__name__])[0]
