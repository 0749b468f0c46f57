"""What `rebalance sample` shows of what it did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rebalance.cli.output import Console, facts
from rebalance.core.wording import counted

if TYPE_CHECKING:
    from rebalance.steps.classes.resampled import ClassResampleResult
    from rebalance.steps.classes.sample import ClassSampleResult
    from rebalance.steps.resampling.classic import ResampleResult
    from rebalance.steps.sample import SampleResult


def show_sample(
    console: Console,
    result: SampleResult | ClassSampleResult | ResampleResult | ClassResampleResult,
) -> None:
    """Print what was kept and made, by whatever method."""
    from rebalance.steps.resampling.classic import ResampleResult
    from rebalance.steps.sample import SampleResult

    if isinstance(result, ResampleResult):
        _show_resampled(console, result)
    elif isinstance(result, SampleResult):
        _show_thinned(console, result)
    else:
        from rebalance.cli.class_output import show_resampled
        from rebalance.cli.class_output import show_sample as show_classes
        from rebalance.steps.classes.sample import ClassSampleResult

        if isinstance(result, ClassSampleResult):
            show_classes(console, result)
        else:
            show_resampled(console, result)


def _show_thinned(console: Console, result: SampleResult) -> None:
    """What was kept, against what was expected."""
    from rebalance.core.design import LEAST_PI_1

    kept = result.kept_positives + result.kept_negatives
    all_kept = result.kept_positives == result.positives
    positives = f"{result.kept_positives:,}{' (all)' if all_kept else ''}"
    if result.expected_positives is not None:
        positives += _expected(result.expected_positives, result.standard_deviation_positives)
    shown = {
        "table": f"{result.rows:,} rows, {result.positives:,} positive",
        "kept positives": positives,
        "kept negatives": f"{result.kept_negatives:,}"
        + _expected(result.expected_negatives, result.standard_deviation),
        "kept in all": f"{kept:,} rows, {kept / result.rows:.2%} of the table",
    }
    if result.pilot_rate is not None:
        shown["negatives of the pilot"] = (
            f"{result.kept_pilot_negatives:,} of those kept "
            f"(the pilot's rate {result.pilot_rate:.3g})"
        )
    if result.score != "uniform":
        shown["negatives at the floor"] = f"{result.at_floor:,} (floor {result.floor:.3g})"
        shown["negatives kept for sure"] = f"{result.at_one:,}"
    if result.positives_at_floor is not None:
        shown["positives at the floor"] = f"{result.positives_at_floor:,} (floor {LEAST_PI_1:g})"
    if result.realised_efficiency is not None:
        planned = f" (none planned: {result.not_planned})" if result.not_planned is not None else ""
        if result.planned_efficiency is not None:
            planned = f" (planned {result.planned_efficiency:.1%}"
            if result.planned_efficiency_between is not None:
                low, high = result.planned_efficiency_between
                planned += f", 95% range {low:.1%} to {high:.1%}"
            planned += ")"
        between = ", if fitted with weights" if result.efficiency_correction == "weight" else ""
        if result.realised_efficiency_between is not None:
            between += ", 95% range {:.1%} to {:.1%}".format(*result.realised_efficiency_between)
        elif result.shares_draws:
            between += ", were each row drawn by itself"
        shown["information kept"] = (
            f"about {result.realised_efficiency:.1%} of the table's{between}{planned}"
        )
    elif result.efficiency_withheld is not None:
        shown["information kept"] = f"not known: {result.efficiency_withheld}"
    title = result.method if result.score in ("probability", "uniform") else result.score
    console.show("sample", result.document(), facts(f"{title} sample: {result.output}", shown))


def _expected(rows: float, deviation: float | None) -> str:
    """How many rows were expected, and how far off they usually are, where that is known."""
    return f" (expected {rows:,.1f}{'' if deviation is None else f', sd {deviation:.1f}'})"


def _show_resampled(console: Console, result: ResampleResult) -> None:
    """What was kept, made and imputed."""
    copies = f" (copies of {result.positives:,})" if result.correctable else ""
    shown = {
        "table": f"{result.rows:,} rows, {result.positives:,} positive",
        "kept": f"{counted(result.kept_positives, 'positive')}{copies}, "
        f"{counted(result.kept_negatives, 'negative')}",
    }
    if result.made_positives or result.made_negatives:
        shown["made"] = (
            f"{counted(result.made_positives, 'positive')}, "
            f"{counted(result.made_negatives, 'negative')}"
        )
    if result.ratio is not None:
        shown["negatives per positive"] = f"{result.ratio:.4g}"
    shown["probabilities"] = (
        "can be corrected: rb_offset"
        if result.correctable
        else "cannot be corrected: calibrate on rows of the natural distribution"
    )
    console.show(
        "sample", result.document(), facts(f"{result.method} sample: {result.output}", shown)
    )
