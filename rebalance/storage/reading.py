"""How tables are read: what the user may say of it, for every command alike."""

from __future__ import annotations

from dataclasses import dataclass

BATCH_ROWS = 131_072


@dataclass(frozen=True)
class Reading:
    """Settings of reading; which rows are kept, and their values, do not depend on `batch_rows`.

    batch_rows : rows that pass through memory together.
    """

    batch_rows: int = BATCH_ROWS


USUAL = Reading()
