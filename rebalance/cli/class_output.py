"""What the commands show of labels with many classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rebalance.cli.class_rows import excerpt
from rebalance.cli.output import Console, facts, number
from rebalance.core.wording import counted

if TYPE_CHECKING:
    from rich.console import RenderableType

    from rebalance.steps.classes.correct import ClassCorrectResult
    from rebalance.steps.classes.evaluate import ClassEvaluation
    from rebalance.steps.classes.pilot import ClassPilotResult
    from rebalance.steps.classes.predict import ClassPredictResult
    from rebalance.steps.classes.resampled import ClassResampleResult
    from rebalance.steps.classes.run import ClassRunResult
    from rebalance.steps.classes.sample import ClassSampleResult
    from rebalance.steps.classes.train import ClassTrainResult

_DECIMALS = {
    "log_loss": 5, "accuracy": 4, "balanced_accuracy": 4, "roc_auc": 4, "share_difference": 5,
    "mean_observed": 6, "mean_predicted": 6, "predicted_over_observed": 4, "recall": 4,
}  # fmt: skip


def show_pilot(console: Console, found: ClassPilotResult) -> None:
    """The classes, and how good the pilot is."""
    shown = {
        "table": f"{counted(found.rows, 'row')}, {counted(len(found.classes), 'class', 'classes')}",
        "fitted on": f"{sum(int(each['drawn']) for each in found.classes.values()):,} rows, "
        f"{counted(found.features, 'feature')}",
        "log loss (five folds)": number(found.quality["log_loss"], 5),
        "AUC, mean of the classes": number(found.quality["roc_auc"], 4),
    }
    rows = [
        [
            value,
            f"{each['rows']:,}",
            f"{each['drawn']:,}",
            number(each["roc_auc"], 4),
            number(each["predicted_over_observed"], 3),
        ]
        for value, each in found.classes.items()
    ]
    headers = ["class", "rows", "drawn", "AUC", "predicted / observed"]
    title = f"{found.model} pilot of many classes: {found.output}"
    sizes = [each["rows"] for each in found.classes.values()]
    table = _table(found.label, headers, rows, sizes)
    console.show("pilot", found.document(), facts(title, shown), table)


def show_sample(console: Console, found: ClassSampleResult) -> None:
    """What was kept of each class."""
    shown = {
        "table": f"{counted(found.rows, 'row')}, {counted(len(found.classes), 'class', 'classes')}",
        "kept in all": f"{found.kept:,} rows, {found.kept / found.rows:.2%} of the table",
    }
    rows = [
        [
            value,
            f"{each['rows']:,}",
            f"{each['rate']:.4g}",
            f"{each['expected']:,.1f}",
            f"{each['kept']:,}",
        ]
        for value, each in found.classes.items()
    ]
    sizes = [each["rows"] for each in found.classes.values()]
    table = _table("", ["class", "rows", "rate", "expected", "kept"], rows, sizes)
    title = f"{found.method} sample of many classes: {found.output}"
    console.show("sample", found.document(), facts(title, shown), table)


def show_resampled(console: Console, found: ClassResampleResult) -> None:
    """What was kept and made of each class."""
    shown = {
        "table": f"{counted(found.rows, 'row')}, {counted(len(found.classes), 'class', 'classes')}",
        "kept in all": f"{found.kept:,} rows",
        **({"made in all": f"{found.made:,} rows"} if found.made else {}),
        "largest per smallest": f"{found.ratio:.4g}",
        "probabilities": "can be corrected: rb_offset"
        if found.correctable
        else "cannot be corrected: they are the sample's",
    }
    times = found.stages[0]["repeated"] if found.correctable else {}
    rows = [
        [
            value,
            f"{each['rows']:,}",
            f"{each['kept']:,}",
            f"{times[value]:.4g}" if times else f"{each['made']:,}",
        ]
        for value, each in found.classes.items()
    ]
    sizes = [each["rows"] for each in found.classes.values()]
    table = _table("", ["class", "rows", "kept", "times" if times else "made"], rows, sizes)
    title = f"{found.method} sample of many classes: {found.output}"
    console.show("sample", found.document(), facts(title, shown), table)


def show_train(console: Console, found: ClassTrainResult) -> None:
    """What was fitted."""
    shown = {
        "fitted on": f"{found.rows:,} rows of {sum(1 for rows in found.classes.values() if rows)} "
        f"classes, {counted(found.features, 'feature')}",
        "correction": found.correction,
        "probabilities of": found.scale
        + (" classes, not the population" if found.scale == "balanced" else ""),
    }
    shown |= {
        name.replace("_", " "): str(value)
        for name, value in found.summary.items()
        if name != "learner"
    }
    console.show("train", found.document(), facts(f"{found.model} model: {found.output}", shown))


def show_predict(console: Console, found: ClassPredictResult) -> None:
    """The mean probability of each class."""
    shown = {"rows": f"{found.rows:,}", "scale": found.scale}
    rows = [[value, f"{mean:.6f}"] for value, mean in found.mean_probability.items()]
    means = list(found.mean_probability.values())
    table = _table("", ["class", "mean probability"], rows, means)
    console.show("predict", found.document(), facts(f"predictions: {found.output}", shown), table)


def show_correct(console: Console, found: ClassCorrectResult) -> None:
    """The mean probability of each class before and after."""
    rows = [
        [value, f"{before:.6f}", f"{found.mean_after[value]:.6f}"]
        for value, before in found.mean_before.items()
    ]
    means = list(found.mean_after.values())
    table = _table("", ["class", "mean before", "mean after"], rows, means)
    shown = {"rows": f"{found.rows:,}"}
    console.show("correct", found.document(), facts(f"corrected: {found.output}", shown), table)


def show_run(console: Console, found: ClassRunResult, output: str) -> None:
    """Metrics, how many rows were trained on, and the files."""
    kept, rows = found.train.rows, found.sample.rows
    shown = {
        "trained on": f"{kept:,} of {rows:,} rows ({kept / rows:.2%})",
        "artifacts": ", ".join(sorted(found.files)),
    }
    summary = facts(f"{found.train.model} in {output}", shown)
    tables = class_metric_tables(found.evaluation)
    console.show("run", found.document(), *tables, summary, data=True)


def class_metric_tables(found: ClassEvaluation) -> list[RenderableType]:
    """Figures of all classes, of each class, and checks."""
    weighted = found.sample_weight is not None
    title = f"{found.label.column}, {len(found.label)} classes"
    title += f", rows weighted by {found.sample_weight}" if weighted else ""
    overall = [
        [name, _figure(name, value)]
        for name, value in found.figures.overall.items()
        if weighted or name != "weight"
    ]
    names = [
        name for name in next(iter(found.figures.each.values())) if weighted or name != "weight"
    ]
    each = [
        [value, *(_figure(name, figures[name]) for name in names)]
        for value, figures in found.figures.each.items()
    ]
    headers = [name.replace("_", " ") for name in names]
    sizes = [figures["rows"] for figures in found.figures.each.values()]
    tables = [_table(title, ["", "all"], overall), _table("", ["class", *headers], each, sizes)]
    if found.checks:
        rows = [
            [
                check.check.expression,
                "-" if math.isnan(check.value) else f"{check.value:.6g}",
                "failed" if check.failed else "passed",
            ]
            for check in found.checks
        ]
        tables.append(_table("checks", ["fail if", "found", ""], rows))
    return tables


def _figure(name: str, value: float) -> str:
    if math.isnan(value):
        return "-"
    if name in _DECIMALS:
        return f"{value:.{_DECIMALS[name]}f}"
    return f"{value:,.0f}" if name == "rows" else f"{value:,.2f}"


def _table(
    title: str,
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    sizes: Sequence[float] | None = None,
) -> RenderableType:
    """Rows as a table; those of classes, whose sizes are given, by the largest and smallest."""
    if sizes is not None:
        blank = ["" for _ in headers[1:]]
        rows = [[at, *blank] if isinstance(at, str) else rows[at] for at in excerpt(sizes)]
    return Rows(title, headers, rows)


class Rows:
    """A table that is drawn, with rich, only where it is shown."""

    def __init__(self, title: str, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self._title = title
        self._headers = headers
        self._rows = rows

    def __rich__(self) -> RenderableType:
        """What rich draws: names stand as they are, a [ in them is no markup."""
        from rich import box
        from rich.table import Table
        from rich.text import Text

        title = Text(self._title, style="bold") if self._title else None
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        for position, header in enumerate(self._headers):
            justify = "left" if position == 0 else "right"
            table.add_column(Text(header), justify=justify, overflow="fold")  # type: ignore[arg-type]
        for row in self._rows:
            table.add_row(*(Text(cell) for cell in row))
        return table
