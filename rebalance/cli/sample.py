"""The command `rebalance sample`."""

from __future__ import annotations

import click

from rebalance.cli import class_options, options
from rebalance.cli.methods import WithMethods, run_classic
from rebalance.cli.output import Console, facts, show_plan
from rebalance.errors import UsageError


@click.command(cls=WithMethods)
@options.inputs
@options.output_table("The sample")
@click.option("--pilot", metavar="FILE", help="A pilot; it knows the label and scores the rows.")
@click.option(
    "-l", "--label", metavar="COLUMN", help="The label's column, where no pilot is given."
)
@options.positive
@click.option(
    "--method",
    metavar="NAME",
    help="How rows are chosen or made: nonuniform, uniform, random-over, smote, ...; or a thinning "
    "and then one that works in memory, as nonuniform,smote.  [default: nonuniform with a pilot, "
    "else uniform]",
)
@click.option("--methods", is_flag=True, help="List all methods, what they need and cost; end.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter of the method, as --methods lists them; repeatable.",
)
@click.option(
    "--impute",
    type=click.Choice(["median"]),
    help="In-memory methods: what stands for missing values in distances: the median, of "
    "categories the most frequent. Rows that are kept keep them missing.",
)
@click.option(
    "--max-time",
    type=options.Number(0, min_open=True),
    metavar="SECONDS",
    help="In-memory methods: refuse what a trial on a small part says takes longer.  "
    "[default: 600]",
)
@click.option(
    "--drop",
    multiple=True,
    metavar="COLUMN",
    help="In-memory methods: a column that is no feature for distances; it travels; repeatable.",
)
@click.option(
    "--score",
    type=click.Choice(
        ["probability", "l-opt", "a-opt", "leverage", "local-case-control", "uniform"]
    ),
    help="What a negative's chance is proportional to: the pilot's probability p, or p times a "
    "length of the features z: ||z||, ||M^-1 z||, sqrt(z' M^-1 z), M the positives' sum of z z'; "
    "local-case-control thins positives, too.  [default: probability]",
)
@options.budget
@click.option(
    "--correction",
    type=click.Choice(["offset", "weight"]),
    help="The estimate that an --efficiency is planned for.  [default: offset]",
)
@click.option(
    "--combine-pilot",
    is_flag=True,
    help="Keep the negatives that the pilot was fitted on, too; their chances are joined.",
)
@click.option(
    "--floor",
    type=options.Number(0, 1, min_open=True),
    metavar="P",
    help="Least probability to keep a negative.  [default: a tenth of the rate]",
)
@click.option(
    "--mix",
    type=options.Number(0, 1),
    metavar="A",
    help="Share of the budget that is drawn uniformly.  [default: 0]",
)
@click.option(
    "--probabilities",
    metavar="FILE",
    help="Also write rb_row, score, pi_0 and pi_1 of every row of the input.",
)
@click.option(
    "--design",
    metavar="FILE",
    help="Where to write the design as JSON.  [default: inside Parquet; beside a CSV]",
)
@click.option(
    "--key",
    metavar="COLUMN",
    help="Draw by this column's value, not by the row's number: a table that grew keeps its "
    "earlier choices. Never a feature.",
)
@options.seed
@options.dry_run
@options.no_clobber
@options.console
def sample(
    inputs: tuple[str, ...],
    output: str,
    pilot: str | None,
    label: str | None,
    positive: str | None,
    method: str | None,
    methods: bool,
    settings: tuple[str, ...],
    impute: str | None,
    max_time: float | None,
    drop: tuple[str, ...],
    score: str | None,
    rate: float | dict[str, float] | None,
    ratio: float | None,
    rows: int | None,
    efficiency: float | None,
    correction: str | None,
    combine_pilot: bool,
    floor: float | None,
    mix: float | None,
    probabilities: str | None,
    design: str | None,
    key: str | None,
    seed: int,
    dry_run: bool,
    no_clobber: bool,
    console: Console,
) -> None:
    """Keep every rare row, and the common rows that carry information.

    Give one of --rate, --ratio, --rows or --efficiency. The table is read once: rows are scored by
    several threads, those that may be kept are retained, and thinned when the probabilities are
    known. Columns rb_row, rb_pi, rb_weight and rb_offset are added; the design, the pilot in it,
    goes along.

    With a label of many classes, give each its --rate, a=0.1,b=0.02, or --rows for as many of each
    as there are; rb_offset is then a list, one number a class (in text a column a class).

    In memory: a batch for each thread, and up to 32 MB of retained rows; more go to a temporary
    file. --probabilities puts 8 bytes for each row of the table there, too.

    imbalanced-learn's methods work on all rows in memory, on features that are scaled for them.
    Kept rows stay as they are; made rows follow, with rb_synthetic and rb_parents. Their
    probabilities cannot be corrected. In a chain, --rate is the thinning's, --ratio the method's.
    """
    console.check_streams(output, probabilities)
    from rebalance.core.design import Budget
    from rebalance.samplers.chains import parse_chain

    chain = parse_chain(method) if method is not None else None
    is_classic = chain is not None and (chain.then is not None or chain.repeats)
    class_rates = None
    if is_classic:
        budget = Budget(class_options.one_rate(rate), ratio, rows, efficiency)
    else:
        budget, class_rates = class_options.budgets(rate, ratio, rows, efficiency)
        method = chain.thinning if chain is not None else None
    if chain is None or chain.then is None:
        given = {"--set": settings, "--impute": impute, "--max-time": max_time, "--drop": drop}
        for name, value in given.items():
            if value:
                raise UsageError(
                    f"{name} is for methods that work in memory, as smote",
                    remedy="leave it out; 'rebalance sample --methods' lists them",
                )
    from rebalance.steps.ready import Asked
    from rebalance.steps.sample import SampleResult
    from rebalance.steps.sample import sample as step

    asked = Asked(
        inputs,
        output,
        budget,
        pilot=pilot,
        label=label,
        positive=positive,
        method=method,
        score=score,
        correction=correction,
        combine_pilot=combine_pilot,
        key=key,
        floor=floor,
        mix=mix,
        seed=seed,
        probabilities=probabilities,
        design=design,
        clobber=not no_clobber,
        class_rates=class_rates,
    )
    if is_classic and chain is not None:
        from rebalance.steps.resampling.classic import DEFAULT_SECONDS, Classic

        wanted = Classic(asked, chain, settings, impute, drop, max_time or DEFAULT_SECONDS)
        run_classic(console, wanted, dry_run=dry_run)
        return
    if dry_run:
        from rebalance.steps.plan import plan_sample

        show_plan(console, "sample", plan_sample(asked, console), output)
        return
    result = step(asked, console)
    if not isinstance(result, SampleResult):
        from rebalance.cli.class_output import show_sample

        show_sample(console, result)
        return
    kept = result.kept_positives + result.kept_negatives
    all_kept = result.kept_positives == result.positives
    shown = {
        "table": f"{result.rows:,} rows, {result.positives:,} positive",
        "kept positives": f"{result.kept_positives:,}{' (all)' if all_kept else ''}",
        "kept negatives": f"{result.kept_negatives:,} "
        f"(expected {result.expected_negatives:,.1f}, sd {result.standard_deviation:.1f})",
        "kept in all": f"{kept:,} rows, {kept / result.rows:.2%} of the table",
    }
    if result.score != "uniform":
        shown["negatives at the floor"] = f"{result.at_floor:,} (floor {result.floor:.3g})"
        shown["negatives kept for sure"] = f"{result.at_one:,}"
    if result.realised_efficiency is not None:
        planned = ""
        if result.planned_efficiency is not None:
            planned = f" (planned {result.planned_efficiency:.1%}"
            if result.planned_efficiency_between is not None:
                low, high = result.planned_efficiency_between
                planned += f", 95% range {low:.1%} to {high:.1%}"
            planned += ")"
        shown["information kept"] = f"{result.realised_efficiency:.1%} of the table's{planned}"
    title = result.method if result.score in ("probability", "uniform") else result.score
    console.show("sample", result.document(), facts(f"{title} sample: {output}", shown))
