"""What may be set of a method or a learner, and how it is written."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rebalance.errors import UsageError, nearest

Value = int | float | str


@dataclass(frozen=True)
class Parameter:
    """A parameter that may be set: a number of at least `low` (above it, if `above`), or a choice.

    default : None stands for a value that the library chooses itself.
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


def read_parameters(
    owner: str, parameters: Mapping[str, Parameter], given: Sequence[str]
) -> dict[str, Value]:
    """What was set of `owner`, each as NAME=VALUE, on top of the defaults.

    Raises
    ------
    UsageError : not of that form, an unknown name, twice the same, or an impossible value.
    """
    found: dict[str, Value] = {}
    for text in given:
        name, sign, value = (part.strip() for part in text.partition("="))
        if not sign:
            raise UsageError(f"'{text}' sets nothing", where="--set", remedy="write NAME=VALUE")
        if name not in parameters:
            raise UsageError(
                f"{owner} has no parameter '{name}'",
                where="--set",
                remedy=nearest(name, parameters) if parameters else "it has none: leave --set out",
            )
        if name in found:
            raise UsageError(f"'{name}' is set twice", where="--set", remedy="set it once")
        found[name] = parameters[name].parse(name, value)
    defaults = {name: each.default for name, each in parameters.items() if each.default is not None}
    return defaults | found


def above_zero(text: str) -> float | None:
    """The finite number above 0 that a text says, or None.

    >>> above_zero(" 2.5"), above_zero("0"), above_zero("inf"), above_zero("x")
    (2.5, None, None, None)
    """
    try:
        found = float(text)
    except ValueError:
        return None
    return found if found > 0 and math.isfinite(found) else None
