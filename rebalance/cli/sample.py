"""The command `rebalance sample`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rebalance.cli import options
from rebalance.cli.methods import WithMethods
from rebalance.cli.output import Console, show_plan
from rebalance.cli.sample_options import sampling
from rebalance.cli.sample_output import show_sample

if TYPE_CHECKING:
    from rebalance.steps.ready import Asked
    from rebalance.steps.resampling.classic import Classic


@click.command(cls=WithMethods)
@sampling
@options.dry_run
@options.no_clobber
@options.console
def sample(asked: Asked | Classic, dry_run: bool, console: Console) -> None:
    """Keep every rare row, and the common rows that carry information.

    Give one of --rate, --ratio, --rows or --efficiency. The table is read once: rows are scored by
    several threads, those that may be kept are retained, and thinned when the probabilities are
    known. Columns rb_row, rb_pi, rb_weight and rb_offset are added; the design, the pilot in it,
    goes along.

    With a label of many classes, give each its --rate, a=0.1,b=0.02, or --ratio for at most so many
    rows of each per row of the rarest, or --rows for as many of each as there are; rb_offset is
    then a list, one number a class (in text a column a class).

    In memory: a batch for each thread, and up to 32 MB of retained rows; more go to a temporary
    file. --probabilities puts 8 bytes for each row of the table there, too.

    imbalanced-learn's methods work on all rows in memory, on features that are scaled for them.
    Kept rows stay as they are; made rows follow, with rb_synthetic and rb_parents. Their
    probabilities cannot be corrected. With many classes, --ratio is the most rows of any class per
    row of the smallest afterwards. In a chain, --rate is the thinning's, --ratio the method's.
    """
    from rebalance.steps.methods import plan, sample_by

    console.check_streams(asked.output, asked.probabilities)
    if dry_run:
        show_plan(console, "sample", plan(asked, console), asked.output)
    else:
        show_sample(console, sample_by(asked, console))
