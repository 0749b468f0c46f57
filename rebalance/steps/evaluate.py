"""predictions -> metrics, figures at thresholds, segments, checks, a picture"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.checks import Checked, parse_check, run_checks
from rebalance.core.labels import Label, choose_label, label_codes
from rebalance.core.metrics import EPS, Bools, Floats, calibration_line, certain, rank, score
from rebalance.core.segments import PERIODS, SegmentKeys, Value
from rebalance.core.thresholds import Threshold, figures_at, parse_threshold
from rebalance.errors import CheckError, DataError, UsageError
from rebalance.report.curves import curves_picture, picture_format
from rebalance.steps.context import Context
from rebalance.steps.features import check_total, weights
from rebalance.steps.predict import LABEL_KEY, PROBABILITY
from rebalance.storage.atomic import check_outputs, write_bytes
from rebalance.storage.inputs import open_table
from rebalance.storage.tables import Batch, Table, located

Figures = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Segment:
    """One value of the column given with --by (None: missing), and the metrics by column."""

    value: Value
    metrics: Figures


@dataclass(frozen=True)
class Evaluation:
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

    @property
    def failed(self) -> list[Checked]:
        """The checks that failed."""
        return [each for each in self.checks if each.failed]

    def raise_failed(self) -> None:
        """Stop with exit code 1 where a check failed.

        Raises
        ------
        CheckError : at least one failed.
        """
        if self.failed:
            raise CheckError(f"{len(self.failed)} of {len(self.checks)} checks failed")

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
) -> Evaluation:
    """Compare probabilities with what happened.

    Only the columns needed are read, batch by batch, into arrays of numbers.

    Parameters
    ----------
    probabilities : columns; none stands for `rb_probability`.
    thresholds, checks : see `parse_threshold` and `parse_check`.
    by : COLUMN or, for times, COLUMN:PERIOD; see `SegmentKeys`.
    plot : a .png, .svg or .pdf to write.

    Raises
    ------
    UsageError : options that make no sense.
    DataError : a column is missing or does not hold what it must, or there is one class only.
    """
    cuts = list(dict.fromkeys(parse_threshold(text) for text in thresholds))
    if not (math.isfinite(beta) and beta > 0):
        raise UsageError(f"--beta {beta:g} is not a number above 0", remedy="give 0.5, 1 or 2")
    if plot is not None:
        picture_format(plot)
    check_outputs([plot], inputs, clobber=clobber)
    table = open_table(inputs)
    columns = _probability_columns(table, label, probabilities)
    parsed = [parse_check(text, columns, cuts) for text in checks]
    asked = _Asked(label, columns, positive, sample_weight, _segment_keys(table, by))
    rows = _read(table, asked, context)
    y_true, weight = rows.y_true, rows.sample_weight
    metrics = {name: score(y_true, y_prob, weight) for name, y_prob in rows.y_prob.items()}
    for name in columns:
        _remark(name, rows, metrics[name], context)
    rankings = {name: rank(y_true, rows.y_prob[name], weight) for name in columns if cuts}
    found: dict[Threshold, Figures] = {}
    for cut in cuts:
        found[cut], remarks = figures_at(cut, y_true, rows.y_prob, rankings, weight, beta=beta)
        for remark in remarks:
            context.note(remark)
    done = run_checks(parsed, metrics, found)
    segments = _segments(rows)
    if plot is not None:
        picture = curves_picture(y_true, rows.y_prob, weight, image_format=picture_format(plot))
        write_bytes(Path(plot), picture)
    return Evaluation(rows.label, sample_weight, beta, metrics, found, by, segments, done, plot)


def _probability_columns(table: Table, label: str, asked: Sequence[str]) -> list[str]:
    """The columns to evaluate, each a column of numbers."""
    table.require(label, "--label")
    numbers = [field.name for field in table.schema if pa.types.is_floating(field.type)]
    listed = "columns of real numbers: " + (", ".join(numbers[:12]) or "none")
    if not asked and PROBABILITY not in table.names:
        raise UsageError(
            f"which column holds the probabilities? there is no '{PROBABILITY}'",
            where=f"file '{table.title}'",
            remedy=f"name it with --probability; {listed}",
        )
    columns = list(asked) or [PROBABILITY]
    for name in columns:
        table.require(name, "--probability")
        if name == label:
            raise UsageError(
                f"'{name}' is named as label and as probability", remedy="name two columns"
            )
        if columns.count(name) > 1:
            raise UsageError(f"--probability '{name}' is given twice", remedy="give it once")
        found = table.schema.field(name).type
        if not (pa.types.is_floating(found) or pa.types.is_integer(found)):
            raise DataError(
                f"the column '{name}' is {found}, not numbers",
                where=f"file '{table.title}'",
                remedy=f"name a column of probabilities; {listed}",
            )
    return columns


def _segment_keys(table: Table, by: str | None) -> SegmentKeys | None:
    """Read COLUMN or COLUMN:PERIOD; a column of exactly that name comes first."""
    if by is None:
        return None
    column, colon, period = by.rpartition(":")
    if by in table.names or (column not in table.names and period not in PERIODS):
        column, colon = by, ""
    table.require(column, "--by")
    return SegmentKeys(column, table.schema.field(column).type, period if colon else None)


@dataclass(frozen=True)
class _Asked:
    label: str
    columns: list[str]
    positive: str | None
    sample_weight: str | None
    keys: SegmentKeys | None


@dataclass(frozen=True)
class _Rows:
    label: Label
    y_true: Bools
    y_prob: dict[str, Floats]
    sample_weight: Floats | None
    keys: SegmentKeys | None
    codes: list[NDArray[np.int32]]


def _read(table: Table, asked: _Asked, context: Context) -> _Rows:
    """All rows of the columns needed, as arrays."""
    label, given, keys = asked.label, asked.sample_weight, asked.keys
    if given is not None:
        table.require(given, "--sample-weight")
    elif "rb_pi" in table.names:
        context.note(
            "the table has a column 'rb_pi': if these are the rows of a sample, --sample-weight "
            "rb_weight makes the figures those of the population"
        )
    named = (label, *asked.columns, given, keys.column if keys is not None else None)
    wanted = [name for name in named if name is not None]
    values: list[str] = []
    parts: list[NDArray[np.uint8]] = []
    weight_parts: list[Floats] = []
    segments: list[NDArray[np.int32]] = []
    found: dict[str, list[Floats]] = {name: [] for name in asked.columns}
    for batch in context.track(table.batches(wanted), "reading", table.num_rows):
        with batch.located():
            codes = label_codes(batch.column(label), values, label, batch.start)
            parts.append(codes.astype(np.uint8))
            if given is not None:
                weight_parts.append(weights(batch.column(given), given, batch.start))
            if keys is not None:
                segments.append(keys.codes(batch.column(keys.column)))
        for name in asked.columns:
            found[name].append(_probabilities(batch, name))
    every = np.concatenate(parts)
    with located(table.place):
        chosen = _choose(table, label, every, values, asked.positive)
        y_true = every == values.index(chosen.positive)
        weight = None
        if given is not None:
            weight = np.concatenate(weight_parts)
            check_total(weight, y_true, given)
    _tell_label(chosen, asked.positive, context)
    y_prob = {name: np.concatenate(found.pop(name)) for name in asked.columns}
    return _Rows(chosen, y_true, y_prob, weight, keys, segments)


def _probabilities(batch: Batch, name: str) -> Floats:
    """A column as numbers from 0 to 1."""
    array = batch.column(name)
    values = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    inside = (values >= 0) & (values <= 1)  # false for NaN, which nulls are too
    if not inside.all():
        row = int(np.argmin(inside))
        value = array[row].as_py()
        raise DataError(
            "the probability is missing" if value is None else f"{value} is not between 0 and 1",
            where=f"{batch.place}, row {batch.start + row} (counting from 0), column '{name}'",
            remedy="mend it, leave that row out, or name another column with --probability",
        )
    return np.asarray(values, dtype=np.float64)


def _choose(
    table: Table, label: str, codes: NDArray[np.uint8], values: list[str], positive: str | None
) -> Label:
    """The label, positive as asked for, or else as `predict` wrote it beside its probabilities."""
    counts = dict(zip(values, np.bincount(codes, minlength=len(values)).tolist(), strict=True))
    written = table.metadata.get(LABEL_KEY.encode())
    if positive is None and written is not None:
        try:
            found = json.loads(written)
            positive = str(found["positive"]) if found["column"] == label else None
        except (ValueError, KeyError, TypeError) as exc:
            raise DataError(
                f"what the file's metadata '{LABEL_KEY}' says of the label cannot be read",
                remedy="say which value is positive with --positive",
            ) from exc
    return choose_label(label, counts, positive)


def _tell_label(label: Label, asked: str | None, context: Context) -> None:
    if len(label.negatives) > 1:
        context.note(
            f"'{label.positive}' is positive; {len(label.negatives)} other values of "
            f"'{label.column}' count as negative"
        )
    elif asked is None:
        context.note(f"'{label.positive}' is the positive value of '{label.column}'")


def _remark(name: str, rows: _Rows, found: Mapping[str, float], context: Context) -> None:
    """Say what the figures of one column leave out, and why one of them is not there."""
    count, wrong = certain(rows.y_true, rows.y_prob[name])
    if count:
        context.note(
            f"{count:,} values of '{name}' are exactly 0 or 1, {wrong:,} of them wrong: log_loss "
            f"clips them by {EPS:.1e}, calibration slope and intercept leave them out"
        )
    if math.isnan(found["calibration_slope"]):
        line = calibration_line(rows.y_true, rows.y_prob[name], rows.sample_weight)
        context.note(f"the calibration slope of '{name}' cannot be estimated: {line.reason}")


def _segments(rows: _Rows) -> list[Segment]:
    """The metrics of every segment, in the order of their values, missing last."""
    if rows.keys is None:
        return []
    codes = np.concatenate(rows.codes)
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes)
    members = np.split(order, np.cumsum(sizes)[:-1])
    found, values = [], rows.keys.values
    for code in rows.keys.in_order():
        inside = members[code]
        weight = None if rows.sample_weight is None else rows.sample_weight[inside]
        metrics = {
            name: score(rows.y_true[inside], y_prob[inside], weight)
            for name, y_prob in rows.y_prob.items()
        }
        found.append(Segment(values[code], metrics))
    return found
