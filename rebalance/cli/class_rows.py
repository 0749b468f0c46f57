"""Which of many classes a table for people shows; JSON documents have all."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN = 30  # so many are all shown, in their order
_LARGEST, _SMALLEST = 20, 5


def excerpt(sizes: Sequence[float]) -> list[int | str]:
    """The places of the classes to show, and where some are left out a text in their place.

    Beyond `SHOWN` these are the largest and the smallest, the largest first.

    >>> excerpt([3, 1, 2])
    [0, 1, 2]
    >>> found = excerpt([0.5] + 1000 * [2.0] + [7.0])
    >>> found[:2], found[20:22], found[-1]
    ([1001, 1], ['977 others, see --json', 997], 0)
    """
    if len(sizes) <= SHOWN:
        return list(range(len(sizes)))
    order = sorted(range(len(sizes)), key=lambda place: -sizes[place])
    left_out = len(sizes) - _LARGEST - _SMALLEST
    middle = f"{left_out:,} others, see --json"
    return [*order[:_LARGEST], middle, *order[-_SMALLEST:]]
