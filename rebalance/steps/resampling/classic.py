"""What is asked of a classic sampler, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rebalance.errors import UsageError
from rebalance.samplers.chains import Chain
from rebalance.steps.ready import Asked

DEFAULT_SECONDS = 600.0


@dataclass(frozen=True)
class Classic:
    """What the user wants of one of imbalanced-learn's methods, after a thinning or alone.

    settings : NAME=VALUE each. impute : `MEDIAN`, or None where missing values are refused.
    drop : columns that are no features. numbers : whole numbers that are no identifiers.
    seconds : the most that it may take.
    """

    asked: Asked
    chain: Chain
    settings: Sequence[str] = ()
    impute: str | None = None
    drop: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    seconds: float = DEFAULT_SECONDS

    @property
    def output(self) -> str:
        """The file to write."""
        return self.asked.output

    @property
    def probabilities(self) -> str | None:
        """The file for the probabilities of all rows, where one is asked for."""
        return self.asked.probabilities


def check_options(wanted: Classic) -> None:
    """Refuse options that only a streaming sampler has a meaning for.

    Raises
    ------
    UsageError : one is given.
    """
    asked, thinning = wanted.asked, wanted.chain.thinning
    for name, value, needed in (
        ("--probabilities", asked.probabilities, "known probabilities"),
        ("--combine-pilot", asked.combine_pilot or None, "known probabilities"),
        ("--floor", asked.floor if thinning is None else None, "a thinning"),
        ("--mix", asked.mix if thinning is None else None, "a thinning"),
        ("--score", asked.score if thinning is None else None, "a thinning"),
        ("--correction", asked.correction if thinning is None else None, "a thinning"),
    ):
        if value is not None:
            raise UsageError(
                f"{name} needs {needed}, which {wanted.chain.then and wanted.chain.then.name} "
                "does not have",
                remedy="leave it out",
            )


@dataclass(frozen=True)
class ResampleResult:
    """What was kept and made of a table, and how it was done."""

    output: str
    method: str
    rows: int
    positives: int
    negatives: int
    kept_positives: int
    kept_negatives: int
    made_positives: int
    made_negatives: int
    ratio: float | None
    correctable: bool
    stages: Sequence[Mapping[str, Any]]
    imputed: Mapping[str, Any]

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        return asdict(self)
