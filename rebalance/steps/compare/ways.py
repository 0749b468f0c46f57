"""--preset, --methods, --learners -> ways to train: a method of sampling and a learner each"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rebalance.core.corrections import Kind as Standing
from rebalance.core.corrections import correction_of
from rebalance.core.design import RANDOM_OVER
from rebalance.core.kinds import Kind
from rebalance.errors import UsageError, nearest
from rebalance.learners.catalogue import ENTRIES, entry_of
from rebalance.samplers.chains import NAMES, RANDOM_UNDER, THINNINGS, Chain, parse_chain
from rebalance.samplers.imbalanced import CLASSIC, Needs
from rebalance.samplers.nonuniform import Nonuniform

NONE = "none"
FULL, FAST = "full", "fast"
# What a made row can be made of decides which method makes rows here.
_MAKERS: dict[Needs, str] = {
    "numbers": "smote",
    "numbers and categories": "smotenc",
    "categories": "smoten",
}


@dataclass(frozen=True)
class Way:
    """A method of sampling, of a chain with a plus sign, and a learner.

    >>> Way("uniform+smote", "gbm").name
    'uniform+smote x gbm'
    """

    method: str
    learner: str

    @property
    def name(self) -> str:
        """What it is called everywhere."""
        return f"{self.method} x {self.learner}"

    @property
    def chain(self) -> Chain | None:
        """The method as `sample` takes it; None where all rows are trained on."""
        return None if self.method == NONE else parse_chain(self.typed)

    @property
    def typed(self) -> str:
        """The method as --method of `sample` is typed."""
        return self.method.replace("+", ",")

    @property
    def pilot(self) -> str | None:
        """The kind of pilot that the method needs: what the model is, as in `run`."""
        chain = self.chain
        if chain is None or chain.thinning != Nonuniform.name:
            return None
        return "logistic" if self.learner == "logistic" else "gbm"

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps whose seconds are measured."""
        before = (("pilot", self.pilot), ("sample", self.chain))
        return (*(name for name, there in before if there is not None), "train")

    @property
    def is_known(self) -> bool:
        """Whether the method's inclusion probabilities are known."""
        return self.chain is None or self.chain.then is None

    @property
    def calibrates(self) -> bool:
        """Whether probabilities are made true by a calibration on the training rows themselves."""
        return not self.is_known or needs_calibration(self.learner)

    @property
    def standing(self) -> Standing:
        """How true its probabilities are; of all rows there is nothing to correct."""
        if self.calibrates:
            return "calibrated"
        if self.chain is None:
            return "exact"
        by = entry_of(self.learner).corrections[0]
        return correction_of(self.method, self.learner, by).kind


def learner_names() -> list[str]:
    """Every learner that is always there, but those of the common class alone."""
    return [entry.name for entry in ENTRIES.values() if not entry.one_class and entry.extra is None]


def needs_calibration(learner: str) -> bool:
    """Whether a learner's probabilities are only true after a calibration on natural rows."""
    return entry_of(learner).needs_calibration


def choose_ways(
    preset: str,
    methods: Sequence[str],
    learners: Sequence[str],
    kinds: Sequence[Kind],
) -> list[Way]:
    """All combinations: of what is named, else of the preset's; `kinds` are the features'.

    Raises
    ------
    UsageError : an unknown method or learner, or a chain that makes no sense.
    """
    every = learner_names()
    for name in learners:
        entry_of(name)
    for method in methods:
        _check(method)
    chosen = list(dict.fromkeys(methods)) or _of_preset(preset, kinds)
    by = list(dict.fromkeys(learners)) or (every if preset == FULL else ["logistic", "gbm"])
    return [Way(method, learner) for method in chosen for learner in by]


def _check(method: str) -> None:
    if method == NONE:
        return
    if "+" not in method and method not in NAMES:
        raise UsageError(
            f"there is no method '{method}'",
            remedy=f"{nearest(method, (NONE, *NAMES))}; a chain is written as uniform+smote",
        )
    parse_chain(method.replace("+", ","))


def _of_preset(preset: str, kinds: Sequence[Kind]) -> list[str]:
    """Fast: everything, both thinnings, repeating, and rows made after a thinning."""
    maker = _MAKERS[_made_of(kinds)]
    if preset == FAST:
        return [NONE, "uniform", "nonuniform", RANDOM_OVER, f"uniform+{maker}"]
    thinnings = [name for name in THINNINGS if name != RANDOM_UNDER]  # that is uniform
    chains = [f"{thinning}+{maker}" for thinning in thinnings]
    return [NONE, *thinnings, RANDOM_OVER, *chains, *CLASSIC]


def _made_of(kinds: Sequence[Kind]) -> Needs:
    """What distances see: a time is no feature for them."""
    coded = any(kind in ("category", "boolean") for kind in kinds)
    numbers = any(kind in ("number", "vector") for kind in kinds)
    if coded and numbers:
        return "numbers and categories"
    return "categories" if coded else "numbers"
