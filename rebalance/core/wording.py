"""Numbers in messages."""

from __future__ import annotations


def counted(count: int, one: str, many: str | None = None) -> str:
    """A number and what it counts; `many` is that with an s where it is not given.

    >>> counted(1, "row"), counted(2000, "row"), counted(1, "class has", "classes have")
    ('1 row', '2,000 rows', '1 class has')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"
