"""Options of labels with many classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rebalance.errors import UsageError

if TYPE_CHECKING:
    from rebalance.core.design import Budget

F = TypeVar("F", bound=Callable[..., Any])


class Rate(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A share above 0 and at most 1, or one for each of some classes: a=0.1,b=0.02."""

    name = "rate"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | dict[str, float]:
        """The share, or the shares by class.

        Raises
        ------
        click.BadParameter : not a number in the range, or a class named twice.
        """
        if not isinstance(value, str) or "=" not in value:
            return self._share(str(value), param, ctx)
        from rebalance.core.labels import canonical
        from rebalance.steps.classes.columns import split_parts

        found: dict[str, float] = {}
        for part in split_parts(value):
            named, equals, share = part.rpartition("=")
            if not equals or not named:
                self.fail(f"'{part}' is not CLASS=R, as in a=0.1,b=0.02", param, ctx)
            if canonical(named) in found:
                self.fail(f"the class '{named}' is named twice", param, ctx)
            found[canonical(named)] = self._share(share, param, ctx)
        return found

    def _share(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            share = float(text)
        except ValueError:
            self.fail(f"'{text}' is not a valid float.", param, ctx)
        if not 0 < share <= 1:
            self.fail(f"{text} is not in the range 0<x<=1.", param, ctx)
        return share


def budgets(
    rate: float | Mapping[str, float] | None,
    ratio: float | None,
    rows: int | None,
    efficiency: float | None,
) -> tuple[Budget, Mapping[str, float] | None]:
    """The budget as one number, or else the share kept of each class.

    Raises
    ------
    UsageError : none or several.
    """
    from rebalance.cli.options import one_budget
    from rebalance.core.design import Budget

    if rate is None or isinstance(rate, float):
        return one_budget(rate, ratio, rows, efficiency), None
    others = {"--ratio": ratio, "--rows": rows, "--efficiency": efficiency}
    other = [name for name, value in others.items() if value is not None]
    if other:
        raise UsageError(f"--rate and {other[0]} contradict each other", remedy="give one")
    return Budget(), rate


def one_rate(rate: float | Mapping[str, float] | None) -> float | None:
    """A rate that must be one number.

    Raises
    ------
    UsageError : rates of classes.
    """
    if rate is None or isinstance(rate, float):
        return rate
    raise UsageError(
        "rates of classes have no meaning for random-over, which thins none",
        remedy="give --ratio K, the rows of the largest class per row of any other",
    )


def balancing(command: F) -> F:
    """The two options of models about the balanced error."""
    for decorate in (
        click.option(
            "--balanced-softmax",
            is_flag=True,
            help="Many classes: balanced softmax (Ren et al. 2020), the log of the classes' counts "
            "in the loss; the same as --logit-adjustment 1.",
        ),
        click.option(
            "--logit-adjustment",
            type=click.FloatRange(0, 100, min_open=True),
            metavar="TAU",
            help="Many classes: TAU times the log of the classes' shares in the loss (Menon et al. "
            "2021). The model is about the balanced error, not the population's probabilities.",
        ),
    ):
        command = decorate(command)
    return command
