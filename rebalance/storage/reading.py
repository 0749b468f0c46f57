"""How tables are read: what the user may say of it, for every command alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

BATCH_ROWS = 131_072
_NO_TOKENS: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reading:
    """Settings of reading; which rows are kept, and their values, do not depend on `batch_rows`.

    batch_rows : rows that pass through memory together.

    The others are for text:

    delimiter : the sign between two fields; None where it is to be found in the header.
    quote : the sign around a field that holds a delimiter; empty where there is none such.
    header : whether the first line holds the columns' names; else they are column0, column1, ...
    encoding : what Python's codecs call it.
    decimal : the sign before a number's fraction. The project's own columns have a point always.
    nulls : fields that stand for a missing value, quoted or not; where none is named, the empty
        field does, if it is not quoted.
    only_text : inputs that must be text, since the settings above were given for them alone.
    """

    batch_rows: int = BATCH_ROWS
    delimiter: str | None = None
    quote: str = '"'
    header: bool = True
    encoding: str = "utf-8"
    decimal: str = "."
    nulls: tuple[str, ...] = _NO_TOKENS
    only_text: tuple[str, ...] = ()

    @property
    def text_options(self) -> list[str]:
        """The options given that say something of text."""
        given = {
            "--delimiter": self.delimiter is not None,
            "--quote": self.quote != '"',
            "--no-header": not self.header,
            "--encoding": self.encoding != "utf-8",
            "--decimal": self.decimal != ".",
            "--null": bool(self.nulls),
        }
        return [option for option, is_given in given.items() if is_given]


@dataclass(frozen=True)
class Expected:
    """The types that the columns of text should have, since they had them in a table seen before.

    types : Arrow types by column, those of text; see `storage.fields.text_type`.
    numbers : columns that are read as float64 at once; what is no number there is an error.
    tell : what to call when a column turns out to be of another type.
    """

    types: Mapping[str, Any] = field(default_factory=dict)
    numbers: frozenset[str] = frozenset()
    tell: Callable[[str], None] = lambda text: None


USUAL = Reading()
NOTHING = Expected()
