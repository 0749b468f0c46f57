"""Numbers in messages."""

from __future__ import annotations

from rebalance.core.wording import counted


def test_one_and_many() -> None:
    assert [counted(count, "row") for count in (0, 1, 2, 12_345)] == [
        "0 rows", "1 row", "2 rows", "12,345 rows"
    ]  # fmt: skip
    assert counted(1, "key has", "keys have") == "1 key has"
    assert counted(3, "class", "classes") == "3 classes"
