"""How rows count in a fit: class weights, losses and costs, options of `train` and `run`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import click

from rebalance.cli.options import Number

F = TypeVar("F", bound=Callable[..., Any])

# In the order of the help, from the last.
_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--cost",
        metavar="fp=A,fn=B",
        help="What a false positive and a false negative cost. The model keeps the threshold that "
        "makes costs least, A/(A+B), and predict adds rb_decision. Probabilities stay as they are: "
        "bent by costs they would be true for nothing, and other costs would need another model.",
    ),
    click.option(
        "--beta",
        type=float,
        metavar="B",
        help="class-balanced, cb-focal: the beta of effective:BETA.  [default: 0.999]",
    ),
    click.option(
        "--alpha",
        type=Number(0, 1, min_open=True, max_open=True),
        metavar="A",
        help="focal, cb-focal: weight of the positives, against 1-A of the negatives.  "
        "[default: none, both the same]",
    ),
    click.option(
        "--gamma",
        type=Number(0, 10),
        metavar="G",
        help="focal, cb-focal: how much less rows count that are predicted well; 0 is logloss.  "
        "[default: 2]",
    ),
    click.option(
        "--loss",
        type=click.Choice(["logloss", "focal", "class-balanced", "cb-focal"]),
        default="logloss",
        show_default=True,
        help="gbm, logistic: focal (Lin 2017), class-balanced (Cui 2019: --class-weight "
        "effective:BETA), or both. Probabilities are freed of it again.",
    ),
    click.option(
        "--class-weight",
        metavar="SPEC",
        help="gbm, logistic: balanced, N/(C Nc) for N rows in C classes, Nc of class c; inverse, "
        "N/Nc; sqrt, 1/sqrt(Nc); effective:BETA, (1-BETA)/(1-BETA^Nc); or VALUE=W,... with 1 for "
        "others, 'all others=W' next to --positive. Rows are those of the fit. Probabilities are "
        "freed of the weights again: exactly for logistic, about for gbm.",
    ),
)
_NAMES = ("class_weight", "loss", "gamma", "alpha", "beta", "cost")


def scale(command: F) -> F:
    """The option --scale, a part of what `losses` takes."""
    return click.option(
        "--scale",
        type=click.Choice(["population", "sample"]),
        default="population",
        show_default=True,
        help="sample: leave probabilities on the scale of the fitted rows, with sampling, class "
        "weights and loss in them; predict calls them rb_probability_sampled.",
    )(command)


def losses(command: F) -> F:
    """The options as `weighting`, what `steps.weighting.Weighting.of` takes."""

    @functools.wraps(command)
    def with_weighting(*args: Any, **given: Any) -> Any:
        names = [*_NAMES, *(["scale"] if "scale" in given else [])]
        weighting = {name: given.pop(name) for name in names}
        return command(*args, weighting=weighting, **given)

    decorated: Any = with_weighting
    for decorate in _OPTIONS:
        decorated = decorate(decorated)
    return cast(F, decorated)


def facts_of(weighting: dict[str, Any] | None, costs: dict[str, Any] | None) -> dict[str, str]:
    """What is shown of the weights and the threshold, by name; nothing of an ordinary fit."""
    shown: dict[str, str] = {}
    if weighting is not None and weighting["weights"]:
        listed = ", ".join(f"{value}: {w:.4g}" for value, w in weighting["weights"].items())
        shown["class weights"] = listed
    if weighting is not None and (weighting["weights"] or weighting["gamma"]):
        undone = weighting["correction"]
        shown["weights and loss undone"] = "no (--scale sample)" if undone == "none" else undone
    if costs is not None:
        shown["threshold"] = (
            f"{costs['threshold']:.6g} (a false negative costs {costs['fn'] / costs['fp']:.4g} "
            "times a false positive)"
        )
    return shown
