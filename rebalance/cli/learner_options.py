"""What is trained, and how: the options of `train` and `run`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import click

from rebalance.cli.models import ModelName
from rebalance.cli.options import Number

F = TypeVar("F", bound=Callable[..., Any])

# In the order of the help, from the last.
_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--two-stage",
        is_flag=True,
        default=None,
        help="gbm: after the rounds on all rows, some more on as many rows of either class, with "
        "the offset; takes six fits.",
    ),
    click.option(
        "--curriculum",
        is_flag=True,
        default=None,
        help="gbm: rounds go from balanced classes to the rows as they are, in eight stages, "
        "each with the offset that keeps probabilities true.",
    ),
    click.option(
        "--set",
        "given",
        multiple=True,
        metavar="NAME=VALUE",
        help="A parameter of the learner, as n_estimators=300; repeatable.  [default: see "
        "train --models]",
    ),
    click.option(
        "--leaves",
        type=click.IntRange(2, 131_072),
        metavar="N",
        help="gbm, hist-gbm, xgboost: leaves of a tree.",
    ),
    click.option(
        "--learning-rate",
        type=Number(0, 1, min_open=True),
        metavar="X",
        help="gbm, hist-gbm, xgboost: step of a round.",
    ),
    click.option(
        "--rounds",
        type=click.IntRange(1, 100_000),
        metavar="N",
        help="gbm, hist-gbm, xgboost: number of rounds.  [default: found on held-out rows]",
    ),
    click.option(
        "--cross-validate",
        type=click.Choice(["l2", "l1", "elastic"]),
        help="logistic: choose this penalty by the log loss of five held-out folds, on the "
        "population's scale; elastic is l1 and l2 in equal parts.",
    ),
    click.option(
        "--l1",
        type=Number(0),
        metavar="X",
        help="logistic: penalty X per absolute slope of a standardised feature (lasso; with "
        "--l2 elastic net).  [default: 0]",
    ),
    click.option(
        "--l2",
        type=Number(0),
        metavar="X",
        help="logistic: penalty X/2 per squared slope of a standardised feature.  "
        "[default: 0.01, or 0 with --l1]",
    ),
    click.option(
        "--model",
        type=ModelName(),
        default="gbm",
        show_default=True,
        metavar="NAME",
        help="What to train: gbm, logistic, forest, hist-gbm, balanced-forest, xgboost, ..., all "
        "listed by train --models; auto chooses by the ratio and the rows.",
    ),
)
_SETTINGS = (
    "l1",
    "l2",
    "cross_validate",
    "rounds",
    "learning_rate",
    "leaves",
    "given",
    "curriculum",
    "two_stage",
)


def learner(command: F) -> F:
    """The learner as `model`, and as `settings` what `learners.base.Settings` takes of them."""

    @functools.wraps(command)
    def with_settings(*args: Any, **given: Any) -> Any:
        settings = {name: given.pop(name) for name in _SETTINGS}
        return command(*args, settings=settings, **given)

    decorated: Any = with_settings
    for decorate in _OPTIONS:
        decorated = decorate(decorated)
    return cast(F, decorated)
