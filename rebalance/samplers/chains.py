"""--method as it is typed: one method, or a thinning and then a method; all else is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rebalance.core.design import RANDOM_OVER, Budget
from rebalance.errors import UsageError, nearest
from rebalance.samplers.imbalanced import CLASSIC, Method
from rebalance.samplers.nonuniform import Nonuniform
from rebalance.samplers.uniform import Uniform

RANDOM_UNDER = "random-under"
# Thinnings stream and have known probabilities; `random-under` is `uniform` under another name.
THINNINGS = {
    Nonuniform.name: Nonuniform.name,
    Uniform.name: Uniform.name,
    RANDOM_UNDER: Uniform.name,
}
NAMES = (*THINNINGS, RANDOM_OVER, *CLASSIC)
# Larger numbers are not exact as float64.
MOST_ROWS = 2**53
_NUMBERED = {
    "borderline-smote-1": "borderline-smote' with '--set kind=borderline-1",
    "borderline-smote-2": "borderline-smote' with '--set kind=borderline-2",
    "near-miss-1": "near-miss",
    "near-miss-2": "near-miss' with '--set version=2",
    "near-miss-3": "near-miss' with '--set version=3",
}


@dataclass(frozen=True)
class Chain:
    """What is done one after the other: a thinning, or none; then one more thing, or nothing.

    name : as the user wrote it. thinning : what it is, which `random-under` does not say.
    then : a method of imbalanced-learn's, or None. repeats : positives are repeated.
    """

    name: str
    thinning: str | None
    then: Method | None
    repeats: bool = False


def parse_chain(text: str) -> Chain:
    """Read --method.

    Raises
    ------
    UsageError : an unknown name, or a chain that is redundant or harmful; says why.

    >>> parse_chain("random-under").thinning
    'uniform'
    >>> chain = parse_chain("nonuniform,smote")
    >>> chain.thinning, chain.then.name
    ('nonuniform', 'smote')
    """
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name in _NUMBERED:
            raise UsageError(
                f"there is no method '{name}'", remedy=f"it is '{_NUMBERED[name]}' here"
            )
        if name not in NAMES:
            raise UsageError(
                f"there is no method '{name}'",
                remedy=f"{nearest(name, NAMES)}; 'rebalance sample --methods' lists all",
            )
    if len(names) == 1:
        name = names[0]
        return Chain(name, THINNINGS.get(name), CLASSIC.get(name), repeats=name == RANDOM_OVER)
    reason, remedy = _objection(names)
    if reason:
        raise UsageError(f"--method {text}: {reason}", remedy=remedy)
    return Chain(",".join(names), THINNINGS[names[0]], CLASSIC[names[1]])


def _objection(names: list[str]) -> tuple[str, str]:
    """Why a chain makes no sense, and what to do instead; empty if it does."""
    makers = [name for name in names if name in CLASSIC and CLASSIC[name].makes]
    over = [name for name in names if name == RANDOM_OVER]
    thin = [name for name in names if name in THINNINGS]
    cleaning = [name for name in names if name in CLASSIC and name not in makers]
    if makers and over:
        return (
            f"{over[0]} repeats rows next to {makers[0]}, which makes new ones: copies of made "
            "rows, or rows between copies, add nothing",
            f"choose one, with the --ratio that both were to reach: --method {makers[0]}",
        )
    if len(makers) > 1:
        return (
            f"{makers[1]} would make rows out of rows that {makers[0]} made",
            "choose one of them",
        )
    if over and thin:
        return (
            "after a thinning, repeating rows adds a constant to the offset and no information",
            "thin alone, with a smaller --rate",
        )
    if len(thin) > 1:
        return (
            "thinning twice keeps what one thinning with a smaller --rate keeps",
            f"--method {names[0]}, with the product of both rates",
        )
    if thin and names[0] not in THINNINGS:
        return (
            f"{names[0]} would look at all rows, and {thin[0]} then drop most of what it left; "
            "and the probabilities of a thinning are those of the table's own rows",
            f"thin first: --method {thin[0]},{names[0]}",
        )
    if len(names) == 2 and thin:
        return "", ""
    combined = next((name for name in cleaning if f"smote-{name}" in CLASSIC), None)
    if len(names) == 2 and makers == ["smote"] and combined and names[0] == "smote":
        return "this chain is one method", f"--method smote-{combined}"
    return (
        "a chain is a thinning and one method, as nonuniform,smote",
        "choose one of them; smote with a cleaning after it is smote-enn or smote-tomek",
    )


def share_budget(chain: Chain, budget: Budget) -> tuple[Budget | None, Budget | None]:
    """The budget of the thinning, and that of what comes then; None where there is none.

    In a chain, --rate, --rows or --efficiency are the thinning's, and --ratio is the method's.

    Raises
    ------
    UsageError : one is missing, contradicts another, or has no meaning for the method.
    """
    given: dict[str, Any] = {
        name: value
        for name, value in (
            ("rate", budget.rate),
            ("ratio", budget.ratio),
            ("rows", budget.rows),
            ("efficiency", budget.efficiency),
        )
        if value is not None
    }
    takes_one = chain.then is not None and chain.then.role != "clean"
    thin: Budget | None = None
    if chain.thinning is not None:
        own = [name for name in given if not (takes_one and name == "ratio")]
        if len(own) != 1:
            raise UsageError(
                f"{' and '.join(f'--{name}' for name in own)} contradict each other"
                if own
                else f"how many rows {chain.thinning} is to keep is not said",
                remedy=f"give one of --rate, --rows or --efficiency for {chain.thinning}"
                + (f", and --ratio for {chain.then.name}" if takes_one and chain.then else ""),
            )
        thin = Budget(**{own[0]: given.pop(own[0])})
    if chain.then is None and not chain.repeats:
        return thin, None
    name = chain.then.name if chain.then else RANDOM_OVER
    if chain.then is not None and chain.then.role == "clean":
        if given:
            raise UsageError(
                f"{name} drops as many negatives as it finds: "
                f"{' and '.join(f'--{option}' for option in given)} has no meaning for it",
                remedy="leave it out, or thin first: --method uniform," + name,
            )
        return thin, None
    under = chain.then is not None and chain.then.role == "under" and chain.thinning is None
    allowed = ("rate", "ratio", "rows") if under else ("ratio",)
    wrong = [f"--{option}" for option in given if option not in allowed]
    if wrong or len(given) != 1:
        raise UsageError(
            f"{' and '.join(wrong)} has no meaning for {name}"
            if wrong
            else f"how many rows {name} is to leave is not said"
            if not given
            else f"{' and '.join(f'--{option}' for option in given)} contradict each other",
            remedy="give one of --rate R (share of the negatives), --ratio K (negatives per "
            "positive) or --rows N"
            if under
            else "give --ratio K, the negatives per positive afterwards; of many classes the rows "
            "of the largest per row of the smallest",
        )
    return thin, Budget(**given)


def positives_wanted(name: str, ratio: float, positives: int, negatives: int) -> float:
    """How many positives make a ratio of negatives per positive, where there are fewer.

    Raises
    ------
    UsageError : there are as many already, or they would be beyond counting.
    """
    wanted = negatives / ratio
    if wanted > MOST_ROWS:
        raise UsageError(
            f"--ratio {ratio:g}: {name} would come to more than {MOST_ROWS:.2g} positives",
            remedy="give a larger --ratio, as 1 for as many positives as negatives",
        )
    if wanted <= positives:
        raise UsageError(
            f"--ratio {ratio:g}: there are {negatives / positives:.6g} negatives per positive "
            f"already, and {name} makes positives more",
            remedy=f"give a --ratio below {negatives / positives:.6g}, or choose an under-sampler",
        )
    return wanted
