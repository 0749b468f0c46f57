"""What may be set of a method, and how it is written."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rebalance.errors import UsageError

Value = int | float | str


@dataclass(frozen=True)
class Parameter:
    """A parameter that may be set: a number of at least `low` (above it, if `above`), or a choice.

    default : None stands for a value that imbalanced-learn chooses itself.
    """

    default: Value | None
    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    choices: tuple[str, ...] = ()
    whole: bool = True

    def parse(self, name: str, text: str) -> Value:
        """The value that a text says.

        Raises
        ------
        UsageError : it says none, or one that is not allowed.
        """
        if text in self.choices:
            return text
        try:
            value = int(text) if self.whole else float(text)
        except ValueError:
            value = math.nan
        inside = self.low < value if self.above else self.low <= value
        if self.low == -math.inf or not inside or not value <= self.high or math.isinf(value):
            raise UsageError(f"'{text}' is no {name}", where="--set", remedy=f"give {self}")
        return value

    def __str__(self) -> str:
        said = list(self.choices)
        if self.low > -math.inf:
            number = "a whole number" if self.whole else "a number"
            limit = "above" if self.above else "of at least"
            upto = f" and at most {self.high:g}" if self.high < math.inf else ""
            said.append(f"{number} {limit} {self.low:g}{upto}")
        return " or ".join(said)
