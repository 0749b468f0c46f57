"""way + table -> the steps that carry it out, and the commands that say the same"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from rebalance.core.design import Budget
from rebalance.core.labels import Label
from rebalance.core.matrix import MEDIAN
from rebalance.errors import UsageError
from rebalance.samplers.chains import Chain
from rebalance.steps.compare.ways import Way
from rebalance.storage.reading import Reading

# Before rows are made or cleaned in a chain, a thinning leaves so many times the ratio asked for.
SURPLUS = 2.0
PILOT, SAMPLE, MODEL, PREDICTIONS = (
    "winner_pilot.rbl",
    "winner_sample.parquet",
    "winner.rbl",
    "winner_predictions.parquet",
)


@dataclass(frozen=True)
class Recipe:
    """What is the same in every fold and in the commands.

    negatives_per_positive : of the whole table; folds have the same shares.
    recalibrate : what `train --recalibrate` gets; "none" for no calibration at all.
    """

    way: Way
    label: Label
    ratio: float
    negatives_per_positive: float
    drop: tuple[str, ...]
    key: str | None
    seed: int

    @property
    def recalibrate(self) -> str:
        """Platt's on natural rows where nothing undoes the sampling."""
        return "platt" if self.way.calibrates else "none"

    @property
    def budget(self) -> Budget:
        """How many rows the sampler keeps or makes.

        Raises
        ------
        UsageError : the table has not as many negatives as would be kept.
        """
        chain = self.way.chain
        if chain is None:
            return Budget()
        if chain.thinning is None:
            takes = chain.repeats or (chain.then is not None and chain.then.role != "clean")
            return Budget(ratio=self.ratio) if takes else Budget()
        surplus = 1.0 if chain.then is None else SURPLUS
        if self.negatives_per_positive <= surplus * self.ratio:
            raise UsageError(
                f"there are {self.negatives_per_positive:.4g} negatives per positive, and "
                f"{chain.thinning} is to keep {surplus * self.ratio:g}",
                remedy="give a smaller --ratio",
            )
        if chain.then is None:
            return Budget(ratio=self.ratio)
        rate = float(f"{surplus * self.ratio / self.negatives_per_positive:.4g}")
        return Budget(rate=rate, ratio=None if chain.then.role == "clean" else self.ratio)

    @property
    def in_memory(self) -> Chain | None:
        """The chain, where one of imbalanced-learn's methods is in it."""
        chain = self.way.chain
        return chain if chain is not None and chain.then is not None else None

    @property
    def not_features(self) -> tuple[str, ...]:
        """What --drop of a sampler that works in memory gets: the key is no feature either."""
        return tuple(dict.fromkeys([*self.drop, *([self.key] if self.key else [])]))

    def commands(self, inputs: Sequence[str], reading: Reading) -> list[str]:
        """Pilot, sample, train and predict on the whole table, as a shell takes them."""
        label = ["-l", self.label.column, "--positive", self.label.positive]
        seed = ["--seed", str(self.seed)] if self.seed else []
        own = [part for name in self.drop for part in ("--drop", name)]
        own += ["--key", self.key] if self.key else []
        read = reading_options(reading)
        made: list[list[str]] = []
        way, table = self.way, [*inputs]
        if way.pilot is not None:
            command = ["pilot", *table, *label, "--model", way.pilot, *own]
            made.append([*command, *seed, *read, "-o", PILOT])
        if way.chain is not None:
            command = ["sample", *table, "--method", way.typed]
            command += ["--pilot", PILOT] if way.pilot else label
            if self.in_memory is not None:
                command += ["--impute", MEDIAN]
                command += [part for name in self.not_features for part in ("--drop", name)]
            made.append([*command, *_budget_options(self.budget), *seed, *read, "-o", SAMPLE])
        command = ["train", *([SAMPLE] if way.chain else [*table, "--natural", *label])]
        command += ["--model", way.learner, *own]
        if way.calibrates:
            command += [part for name in table for part in ("--calibrate-on", name)]
            command += ["--recalibrate", self.recalibrate]
        reads_table = way.chain is None or way.calibrates
        made.append([*command, *seed, *(read if reads_table else []), "-o", MODEL])
        made.append(["predict", *table, "--model", MODEL, *read, "-o", PREDICTIONS])
        return [shlex.join(["rebalance", *each]) for each in made]


def reading_options(reading: Reading) -> list[str]:
    """The options that say how text is read, where they are not the usual ones."""
    found: list[str] = []
    if reading.delimiter is not None:
        found += ["--delimiter", "tab" if reading.delimiter == "\t" else reading.delimiter]
    if reading.quote != '"':
        found += ["--quote", reading.quote]
    if not reading.header:
        found += ["--no-header"]
    if reading.encoding != "utf-8":
        found += ["--encoding", reading.encoding]
    if reading.decimal != ".":
        found += ["--decimal", reading.decimal]
    return found + [part for token in reading.nulls for part in ("--null", token)]


def _budget_options(budget: Budget) -> list[str]:
    given = {"--rate": budget.rate, "--ratio": budget.ratio}
    return [
        part
        for name, value in given.items()
        if value is not None
        for part in (name, f"{value:.12g}")
    ]
