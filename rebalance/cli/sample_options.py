"""How rows are chosen or made: the options of `sample`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from rebalance.cli import options
from rebalance.cli.class_options import budgets, one_rate
from rebalance.errors import UsageError

if TYPE_CHECKING:
    from rebalance.steps.ready import Asked
    from rebalance.steps.resampling.classic import Classic

F = TypeVar("F", bound=Callable[..., Any])

# In the order of the help.
_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--pilot", metavar="FILE", help="A pilot; it knows the label and scores the rows."
    ),
    click.option(
        "-l", "--label", metavar="COLUMN", help="The label's column, where no pilot is given."
    ),
    options.positive,
    click.option(
        "--method",
        metavar="NAME",
        help="How rows are chosen or made: nonuniform, uniform, random-over, smote, ...; or a "
        "thinning and then one that works in memory, as nonuniform,smote.  [default: nonuniform "
        "with a pilot, else uniform]",
    ),
    click.option("--methods", is_flag=True, help="List all methods, what they need and cost; end."),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="NAME=VALUE",
        help="A parameter of the method, as --methods lists them; repeatable.",
    ),
    click.option(
        "--impute",
        type=click.Choice(["median"]),
        help="In-memory methods: what stands for missing values in distances: the median, of "
        "categories and booleans the most frequent. Rows that are kept keep them missing.",
    ),
    click.option(
        "--max-time",
        type=options.Number(0, min_open=True),
        metavar="SECONDS",
        help="In-memory methods: refuse what a trial on a small part says takes longer, where "
        "there are 400 rows or more.  [default: 600]",
    ),
    click.option(
        "--drop",
        multiple=True,
        metavar="COLUMN",
        help="In-memory methods: a column that is no feature for distances; it travels; "
        "repeatable.",
    ),
    click.option(
        "--number",
        "numbers",
        multiple=True,
        metavar="COLUMN",
        help="In-memory methods: whole numbers that nearly all differ but measure something "
        "(cents, seconds), and are no identifier; repeatable.",
    ),
    click.option(
        "--score",
        type=click.Choice(
            ["probability", "l-opt", "a-opt", "leverage", "local-case-control", "uniform"]
        ),
        help="What a negative's chance is proportional to: the pilot's probability p, or p times a "
        "length of the features z: ||z||, ||M^-1 z||, sqrt(z' M^-1 z), M the positives' sum of "
        "z z'; local-case-control thins positives, too.  [default: probability]",
    ),
    options.budget,
    click.option(
        "--correction",
        type=click.Choice(["offset", "weight"]),
        help="The estimate that an --efficiency is planned for.  [default: what the pilot was made "
        "for]",
    ),
    click.option(
        "--combine-pilot",
        is_flag=True,
        help="Keep the negatives that the pilot was fitted on, too; their chances are joined.",
    ),
    click.option(
        "--floor",
        type=options.Number(0, 1, min_open=True),
        metavar="P",
        help="Least probability to keep a negative.  [default: a tenth of the rate]",
    ),
    click.option(
        "--mix",
        type=options.Number(0, 1),
        metavar="A",
        help="Share of the budget that is drawn uniformly.  [default: 0]",
    ),
    click.option(
        "--probabilities",
        metavar="FILE",
        help="Also write rb_row, score, pi_0 and pi_1 of every row of the input.",
    ),
    click.option(
        "--design",
        metavar="FILE",
        help="Where to write the design as JSON.  [default: inside Parquet; beside a CSV]",
    ),
    click.option(
        "--key",
        metavar="COLUMN",
        help="Draw by this column's value, not by the row's number: a table that grew keeps its "
        "earlier choices. Never a feature.",
    ),
    options.seed,
)
_BUDGET = ("rate", "ratio", "rows", "efficiency")
# Of imbalanced-learn's methods, each with its option.
_IN_MEMORY = {
    "settings": "--set", "impute": "--impute", "max_time": "--max-time", "drop": "--drop",
    "numbers": "--number",
}  # fmt: skip
_ASKED = (
    "pilot", "label", "positive", "score", "correction", "combine_pilot", "key", "floor", "mix",
    "seed", "probabilities", "design",
)  # fmt: skip


def sampling(command: F) -> F:
    """The options of `sample`, and with input, output and --no-clobber all of them as `asked`."""

    @functools.wraps(command)
    def with_asked(
        inputs: tuple[str, ...], output: str, methods: bool, no_clobber: bool, **given: Any
    ) -> Any:
        named = (*_BUDGET, *_IN_MEMORY, *_ASKED, "method")
        taken = {name: given.pop(name) for name in named}
        asked = request(inputs, output, clobber=not no_clobber, **taken)
        return command(asked=asked, **given)

    decorated: Any = with_asked
    for decorate in reversed(_OPTIONS):
        decorated = decorate(decorated)
    return cast(F, options.inputs(options.output_table("The sample")(decorated)))


def request(
    inputs: tuple[str, ...], output: str, *, clobber: bool, method: str | None, **given: Any
) -> Asked | Classic:
    """What the options ask for.

    Raises
    ------
    UsageError : an unknown method, a chain without sense, or options that it has no place for.
    """
    from rebalance.core.design import Budget
    from rebalance.samplers.chains import parse_chain
    from rebalance.steps.ready import Asked

    chain = parse_chain(method) if method is not None else None
    in_memory = chain is not None and chain.then is not None
    if not in_memory:
        for name, option in _IN_MEMORY.items():
            if given[name]:
                raise UsageError(
                    f"{option} is for methods that work in memory, as smote",
                    remedy="leave it out; 'rebalance sample --methods' lists them",
                )
    rest = {name: given[name] for name in _ASKED} | {"clobber": clobber}
    rate, *others = (given[name] for name in _BUDGET)
    if chain is None or not (in_memory or chain.repeats):
        budget, class_rates = budgets(rate, *others)
        thinning = chain.thinning if chain is not None else None
        called = chain.name if chain is not None else None
        return Asked(
            inputs, output, budget, method=thinning, class_rates=class_rates, called=called, **rest
        )
    from rebalance.steps.resampling.classic import DEFAULT_SECONDS, Classic

    class_rates = rate if in_memory and not isinstance(rate, float) else None
    budget = Budget(None if class_rates is not None else one_rate(rate), *others)
    return Classic(
        Asked(inputs, output, budget, method=chain.name, class_rates=class_rates, **rest),
        chain,
        given["settings"],
        given["impute"],
        given["drop"],
        given["numbers"],
        given["max_time"] or DEFAULT_SECONDS,
    )
