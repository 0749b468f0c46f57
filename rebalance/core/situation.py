"""What the advice depends on: counts, suspicions, and the words its commands are made of."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from rebalance.core.wording import dropping

FEW = 100
PER_FEATURE = 10


@dataclass(frozen=True)
class Situation:
    """What the advice depends on, and the words its commands are made of.

    Parameters
    ----------
    positive : the value to name in the commands, None where it goes without saying.
    features : columns that a model would use, without those in `drop`.
    leaks, identifiers, infinite, reserved : columns with these suspicions.
    drop : columns that the commands leave out.
    time : a column of times, by which a split could go.
    classes : different values of the label. singles : those of one row.
    piped : whether the table came through standard input, so that `inputs` is a placeholder.
    """

    inputs: tuple[str, ...]
    label: str
    positives: int
    negatives: int
    features: int
    positive: str | None = None
    leaks: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()
    infinite: tuple[str, ...] = ()
    reserved: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    key: str | None = None
    time: str | None = None
    classes: int = 2
    singles: int = 0
    positive_was_named: bool = False
    piped: bool = False

    @property
    def imbalance_ratio(self) -> float:
        """Negatives per positive."""
        return self.negatives / self.positives

    @property
    def shown_ratio(self) -> str:
        """The imbalance ratio as people write it: "83:1"."""
        return show_ratio(self.imbalance_ratio)

    @property
    def rare(self) -> int:
        """Rows of the rarer class, positive as a rule."""
        return min(self.positives, self.negatives)

    @property
    def rare_word(self) -> str:
        """What the rarer class is called."""
        return "positive" if self.positives <= self.negatives else "negative"

    @property
    def is_noisy(self) -> bool:
        """Whether the rarer class has fewer than 100 rows, or than 10 for each feature."""
        return self.rare < max(FEW, PER_FEATURE * self.features)

    @property
    def input_words(self) -> str:
        """The inputs as a shell reads them."""
        return shlex.join(self.inputs)

    @property
    def label_words(self) -> str:
        """The options that name the label."""
        named = () if self.positive is None else ("--positive", self.positive)
        return shlex.join(["-l", self.label, *named])

    @property
    def key_words(self) -> str:
        """The option that names the key, if there is one."""
        return "" if self.key is None else shlex.join(["--key", self.key])

    @property
    def left_out_words(self) -> str:
        """The options that name columns which are no features."""
        return " ".join(part for part in (dropping(self.drop), self.key_words) if part)

    def look_again(self) -> str:
        """The command that profiles the same table with what is known now."""
        return command(f"profile {self.input_words}", self.label_words, self.left_out_words)


@dataclass(frozen=True)
class Advice:
    """One thing to do: why, and the command to type, or None where it is not a command's work."""

    reason: str
    command: str | None = None


def show_ratio(ratio: float) -> str:
    """An imbalance ratio as people write it.

    >>> show_ratio(82.9994), show_ratio(2.345), show_ratio(12345.6)
    ('83:1', '2.3:1', '12,346:1')
    """
    return f"{ratio:,.0f}:1" if ratio >= 9.95 else f"{ratio:.1f}:1"


def command(*parts: str) -> str:
    """A command from parts that are quoted already; empty ones are left out."""
    return " ".join(["rebalance", *(part for part in parts if part)])
