"""Every method with what it does, needs and costs, for whoever chooses one."""

from __future__ import annotations

from typing import Any

from rebalance.core.corrections import in_short
from rebalance.core.design import RANDOM_OVER
from rebalance.samplers.chains import RANDOM_UNDER, THINNINGS
from rebalance.samplers.imbalanced import CLASSIC, Method

_DOES = {
    "over": "makes positives",
    "under": "keeps some negatives",
    "clean": "drops negatives",
    "combine": "makes positives, then drops rows",
}


def listing() -> list[dict[str, Any]]:
    """The methods in the order of the pipeline: those that stream come first.

    corrected : what becomes of probabilities, see `core.corrections`. budget : the options that say
    how many rows.
    parents : whether a made row's parents are told; None where no rows are made.
    """
    found = [
        _streamed("nonuniform", "thins negatives by a pilot's score", "a pilot"),
        _streamed("uniform", "thins negatives", "nothing"),
        _streamed(RANDOM_UNDER, f"the same as {THINNINGS[RANDOM_UNDER]}", "nothing"),
        _streamed(RANDOM_OVER, "repeats positives", "nothing", ["ratio"]),
    ]
    return found + [_classic(method) for method in CLASSIC.values()]


def _streamed(name: str, does: str, needs: str, budget: list[str] | None = None) -> dict[str, Any]:
    options = budget or ["rate", "ratio", "rows"]
    return {
        "name": name,
        "does": does,
        "needs": needs,
        "cost": "rows",
        "quadratic": False,
        "streams": True,
        "makes_rows": False,
        "parents": None,
        "corrected": in_short(name),
        "budget": [*options, "efficiency"] if name == "nonuniform" else options,
        "parameters": {},
    }


def _classic(method: Method) -> dict[str, Any]:
    budget = {"under": ["rate", "ratio", "rows"], "clean": []}.get(method.role, ["ratio"])
    does = _DOES[method.role]
    if method.role == "under" and method.makes:
        does = "makes negatives in place of all, parents unknown"
    return {
        "name": method.name,
        "does": does,
        "needs": method.needs,
        "cost": method.cost,
        "quadratic": method.power > 1,
        "streams": False,
        "makes_rows": method.makes,
        "parents": method.tells_parents if method.makes else None,
        "corrected": in_short(method.name),
        "budget": budget,
        "parameters": {
            name: {"default": each.default, "allowed": str(each)}
            for name, each in method.parameters.items()
        },
    }
