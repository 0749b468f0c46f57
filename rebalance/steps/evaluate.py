"""predictions -> metrics, figures at thresholds, segments, checks, a picture"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rebalance.core.calibration import EPS, calibration_line, certain
from rebalance.core.checks import Checked, Judged, parse_check, run_checks
from rebalance.core.labels import Label
from rebalance.core.metrics import score_ranking
from rebalance.core.ranking import Ranking, rank_keys
from rebalance.core.segments import Value
from rebalance.core.thresholds import Threshold, figures_at, parse_threshold
from rebalance.core.wording import counted
from rebalance.errors import UsageError
from rebalance.report.curves import Curves, curves, curves_picture
from rebalance.report.pictures import picture_format
from rebalance.steps.classes.evaluate import ClassEvaluation, class_columns_of, class_evaluate
from rebalance.steps.context import Context
from rebalance.steps.memory import MIDDLE, Need, within
from rebalance.steps.models_threshold import MODELS_THRESHOLD, with_models_threshold
from rebalance.steps.outcomes import (
    Asked,
    Outcomes,
    probability_columns,
    read_outcomes,
    segment_keys,
)
from rebalance.storage.atomic import check_outputs, write_bytes
from rebalance.storage.inputs import open_table

Figures = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Segment:
    """One value of the column given with --by (None: missing), and the metrics by column."""

    value: Value
    metrics: Figures


@dataclass(frozen=True)
class Evaluation(Judged):
    """Everything found, by probability column; NaN where a figure is not defined.

    metrics : see `rebalance.core.metrics.score`.
    thresholds : for each threshold asked for, see `rebalance.core.thresholds.confusion`.
    """

    label: Label
    sample_weight: str | None
    beta: float
    metrics: Figures
    thresholds: Mapping[Threshold, Figures]
    by: str | None
    segments: Sequence[Segment]
    checks: Sequence[Checked]
    plot: str | None

    def document(self) -> dict[str, Any]:
        """The result as JSON; what is not defined is null."""
        counts = next(iter(self.metrics.values()))
        return {
            "label": asdict(self.label) | {"negatives": list(self.label.negatives)},
            "rows": int(counts["rows"]),
            "positives": int(counts["positives"]),
            "sample_weight": self.sample_weight,
            "metrics": self._plain(self.metrics),
            "beta": self.beta,
            "thresholds": [
                {"threshold": str(threshold), "metrics": self._plain(figures)}
                for threshold, figures in self.thresholds.items()
            ],
            "by": self.by,
            "segments": [
                {"value": each.value, "metrics": self._plain(each.metrics)}
                for each in self.segments
            ],
            "checks": [each.document() for each in self.checks],
            "plot": self.plot,
        }

    def _plain(self, figures: Figures) -> dict[str, dict[str, float | None]]:
        """NaN becomes null, and sums of no weights are the counts that they are."""
        whole = {"rows", "positives", "selected_rows"}
        if self.sample_weight is None:
            whole |= {"weight", "weight_positives", "predicted_positives", "tp", "fp", "fn", "tn"}
        return {
            column: {
                name: None if math.isnan(value) else int(value) if name in whole else value
                for name, value in found.items()
            }
            for column, found in figures.items()
        }


def evaluate(
    inputs: Sequence[str],
    label: str,
    probabilities: Sequence[str] = (),
    *,
    positive: str | None = None,
    sample_weight: str | None = None,
    thresholds: Sequence[str] = (),
    beta: float = 2.0,
    by: str | None = None,
    checks: Sequence[str] = (),
    plot: str | None = None,
    clobber: bool = True,
    context: Context,
) -> Evaluation | ClassEvaluation:
    """Compare probabilities with what happened.

    Only the columns needed are read, batch by batch, into numbers: 8 bytes a row for each column
    of probabilities and 1 for the label; 10 more with segments, or 19 more with weights.

    Parameters
    ----------
    probabilities : columns; none stands for `rb_probability`.
    thresholds, checks : see `parse_threshold` and `parse_check`; the threshold "model" is the one
        that a model with costs left in its predictions.
    by : COLUMN or, for times, COLUMN:PERIOD; see `SegmentKeys`.
    plot : a .png, .svg or .pdf to write.

    Raises
    ------
    UsageError : options that make no sense.
    DataError : a column is missing or does not hold what it must, or there is one class only.
    """
    for text in thresholds:
        if text.strip() != MODELS_THRESHOLD:
            parse_threshold(text)
    if not (math.isfinite(beta) and beta > 0):
        raise UsageError(f"--beta {beta:g} is not a number above 0", remedy="give 0.5, 1 or 2")
    if plot is not None:
        picture_format(plot)
    check_outputs([plot], inputs, clobber=clobber)
    table = open_table(inputs, context.reading)
    cuts = with_models_threshold(table, thresholds, checks)
    of_classes = class_columns_of(table, label, probabilities, positive)
    if of_classes is not None:
        return class_evaluate(
            table,
            label,
            of_classes,
            sample_weight=sample_weight,
            checks=checks,
            unused={"--threshold": bool(cuts), "--by": by is not None, "--plot": plot is not None},
            context=context,
        )
    columns = probability_columns(table, label, probabilities)
    parsed = [parse_check(text, columns, cuts) for text in checks]
    asked = Asked(label, columns, positive, sample_weight, segment_keys(table, by))
    held = 1.0 + 8.0 * len(columns) + 10.0 * bool(by) + 19.0 * (sample_weight is not None)
    table = within(table, context, Need(MIDDLE, per_row=held, columns=[label, *columns]))
    rows = read_outcomes(table, asked, context)
    found = {
        name: _of_column(rows, name, cuts, beta, context, drawn=plot is not None)
        for name in columns
    }
    metrics = {name: each.metrics for name, each in found.items()}
    at_cuts = {cut: {name: found[name].thresholds[cut] for name in columns} for cut in cuts}
    done = run_checks(parsed, metrics, at_cuts)
    segments = [
        Segment(value, {name: found[name].segments[number] for name in columns})
        for number, (value, _) in enumerate(rows.segments)
    ]
    if plot is not None:
        drawn = {name: each.curves for name, each in found.items() if each.curves is not None}
        write_bytes(plot, curves_picture(drawn, image_format=picture_format(plot)))
    return Evaluation(rows.label, sample_weight, beta, metrics, at_cuts, by, segments, done, plot)


@dataclass(frozen=True)
class _Found:
    """What is found of one column of probabilities; `segments` as those of the rows."""

    metrics: Mapping[str, float]
    thresholds: Mapping[Threshold, Mapping[str, float]]
    segments: Sequence[Mapping[str, float]]
    curves: Curves | None


def _of_column(
    rows: Outcomes,
    name: str,
    cuts: Sequence[Threshold],
    beta: float,
    context: Context,
    *,
    drawn: bool,
) -> _Found:
    """Evaluate one column, whose keys are taken out and sorted where they lie."""
    keys, weight = rows.keys.pop(name), rows.sample_weight
    segments = [
        score_ranking(rank_keys(keys[part].copy(), None if weight is None else weight[part]))
        for _, part in rows.segments
    ]
    ranking = rank_keys(keys, weight)
    metrics = score_ranking(ranking)
    _remark(name, ranking, metrics, context)
    thresholds = {}
    for cut in cuts:
        thresholds[cut], remark = figures_at(cut, ranking, beta=beta)
        if remark:
            context.note(f"{cut} of '{name}': {remark}")
    return _Found(metrics, thresholds, segments, curves(ranking) if drawn else None)


def _remark(name: str, ranking: Ranking, found: Mapping[str, float], context: Context) -> None:
    """Say what the figures of one column leave out, and why one of them is not there."""
    count, wrong = certain(ranking)
    if count:
        context.note(
            f"{counted(count, 'value')} of '{name}' {'is' if count == 1 else 'are'} exactly 0 or "
            f"1, {wrong:,} of them wrong: log_loss clips them by {EPS:.1e}, calibration "
            "slope and intercept leave them out"
        )
    if math.isnan(found["calibration_slope"]):
        line = calibration_line(ranking)
        context.note(f"the calibration slope of '{name}' cannot be estimated: {line.reason}")
