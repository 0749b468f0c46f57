"""sample (its design and pilot inside it) -> model"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.draws import Purpose, uniforms
from rebalance.core.kinds import Kind
from rebalance.core.labels import Label, LabelCounter, choose_label, is_positive
from rebalance.errors import ArtifactError, UsageError
from rebalance.learners import get_learner
from rebalance.learners.base import Settings, TrainingRows
from rebalance.steps.artifacts import Drawn, Model, read_design, read_design_file
from rebalance.steps.context import Context
from rebalance.steps.features import (
    check_total,
    choose_features,
    tell_left_out,
    weights,
    whole,
)
from rebalance.storage.atomic import check_outputs, write_bytes
from rebalance.storage.tables import Table, located, open_table

CORRECTIONS = ("offset", "weight", "posthoc")
_SAMPLE_COLUMNS = ("rb_weight", "rb_offset")


@dataclass(frozen=True)
class TrainResult:
    """What was fitted, on how many rows, and on which scale its probabilities are."""

    output: str
    model: str
    correction: str
    rows: int
    positives: int
    negatives: int
    features: int
    summary: Mapping[str, Any]

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        return asdict(self)


@dataclass(frozen=True)
class _Loaded:
    """The training table in memory."""

    table: pa.Table
    label: Label
    y_true: NDArray[np.bool_]
    sample_weight: NDArray[np.float64] | None


def train(
    inputs: Sequence[str],
    output: str,
    *,
    model: str = "gbm",
    correction: str | None = None,
    natural: bool = False,
    label: str | None = None,
    positive: str | None = None,
    design: str | None = None,
    drop: Sequence[str] = (),
    key: str | None = None,
    sample_weight: str | None = None,
    settings: Settings,
    clobber: bool = True,
    context: Context,
) -> TrainResult:
    """Fit a learner on a sample, or on a population itself with `natural`, and write the model.

    Raises
    ------
    UsageError : options that contradict each other, or that the learner does not know.
    ArtifactError : the sample has lost its design.
    DataError, FitError : see the parts it is made of.
    """
    check_outputs([output], [*inputs, *([design] if design else [])], clobber=clobber)
    learner = get_learner(model, settings)
    table = open_table(inputs)
    drawn = _drawn(table, inputs, design, natural, correction)
    if drawn is None:
        if label is None:
            raise UsageError(
                "the label is not known", remedy="name its column with --label next to --natural"
            )
        correction = "none"
    else:
        label, positive = _agreed(drawn, label, positive)
        correction = correction or "offset"
        drop = [
            *dict.fromkeys([*(name for name in drawn.design.drop if name in table.names), *drop])
        ]
        key = key or (drawn.design.key if drawn.design.key in table.names else None)
        sample_weight = sample_weight or drawn.design.sample_weight
    kinds = choose_features(
        table, label, drop=drop, key=key, sample_weight=sample_weight, context=context
    )
    if drawn is not None and drawn.pilot is not None:
        table.require_features(drawn.pilot.kinds, "the design's pilot")
        if table.is_text:  # a CSV's types are decided anew; the pilot saw more of its rows
            kinds |= {name: kind for name, kind in drawn.pilot.kinds.items() if name in kinds}
    loaded = _load(
        table,
        label,
        positive,
        kinds=kinds,
        drawn=drawn,
        sample_weight=sample_weight,
        context=context,
    )
    rows, constant, from_pilot = _training_rows(
        loaded,
        kinds,
        drawn,
        correction=correction,
        from_baseline=learner.starts_from_baseline,
        seed=settings.seed,
    )
    with located(table.place):
        fitted = learner.fit(rows, settings)
    tell_left_out(fitted.left_out, context)
    trained = Model(
        label=loaded.label,
        learner=model,
        fitted=fitted,
        correction=correction,
        scale="sample" if correction == "posthoc" else "population",
        starts_from_pilot=from_pilot,
        constant_log_odds=constant,
        drawn=drawn,
        summary=fitted.summary(),
        sample_weight=sample_weight,
    )
    positives = int(loaded.y_true.sum())
    manifest = {
        "created_by": {"command": "train", "model": model, "natural": natural, **_given(settings)},
        "seed": settings.seed,
        "features": {
            name: {"kind": kind, "type": str(table.schema.field(name).type)}
            for name, kind in kinds.items()
        },
        "drop": list(drop),
        "key": key,
        "counts": {"positives": positives, "negatives": len(rows) - positives},
        "made_from": table.digest,
    }
    write_bytes(Path(output), trained.content(manifest))
    return TrainResult(
        output=output,
        model=model,
        correction=correction,
        rows=len(rows),
        positives=positives,
        negatives=len(rows) - positives,
        features=len(fitted.kinds),
        summary=fitted.summary(),
    )


def _drawn(
    table: Table, inputs: Sequence[str], design: str | None, natural: bool, correction: str | None
) -> Drawn | None:
    """The sample's design; None for a table that is the population itself."""
    found = read_design_file(design) if design else None
    if found is None and len(inputs) == 1:
        found = read_design(inputs[0], table.metadata)
    if natural:
        if found is not None:
            raise UsageError(
                "the table is a sample, and --natural says that it is the population",
                where=f"file '{table.title}'",
                remedy="leave --natural out",
            )
        if correction is not None:
            raise UsageError(
                f"--correction {correction} has nothing to correct with --natural",
                remedy="leave one of them out",
            )
        table.refuse_own_columns()
        return None
    lost = [name for name in _SAMPLE_COLUMNS if name not in table.names]
    if found is None or lost:
        what = f"has no column '{lost[0]}'" if found is not None else "has no design"
        raise ArtifactError(
            f"the table {what}, so what it is a sample of is not known",
            where=f"file '{table.title}'",
            remedy="give a sample as 'rebalance sample' wrote it (with --design FILE where the "
            "design lies elsewhere), or --natural if the table is the population itself",
        )
    return found


def _agreed(drawn: Drawn, label: str | None, positive: str | None) -> tuple[str, str]:
    known = drawn.design.label
    for given, value, option in (
        (label, known.column, "--label"),
        (positive, known.positive, "--positive"),
    ):
        if given is not None and given != value:
            raise ArtifactError(
                f"the sample was drawn for {option} {value}, not {given}",
                remedy="draw a sample for this label",
            )
    return known.column, known.positive


def _load(
    table: Table,
    label: str,
    positive: str | None,
    *,
    kinds: Mapping[str, Kind],
    drawn: Drawn | None,
    sample_weight: str | None,
    context: Context,
) -> _Loaded:
    """Read the columns that training needs into memory."""
    needed = dict(kinds)
    if drawn is not None and drawn.pilot is not None:
        needed |= drawn.pilot.kinds
    others = [label, *([sample_weight] if sample_weight else [])]
    own = [name for name in _SAMPLE_COLUMNS if drawn is not None]
    counter = LabelCounter(label)
    parts: list[pa.RecordBatch] = []
    labels: list[tuple[int, pa.Array]] = []
    weight: list[NDArray[np.float64]] = []
    batches = table.batches([*others, *own, *needed])
    for batch in context.track(batches, "reading", table.num_rows):
        labels.append((batch.start, batch.column(label)))
        with batch.located():
            counter.add(batch.column(label), batch.start)
            if sample_weight:
                weight.append(weights(batch.column(sample_weight), sample_weight, batch.start))
        arrays = [batch.feature(name, kind) for name, kind in needed.items()]
        arrays += [batch.feature(name, "number") for name in own]
        parts.append(pa.RecordBatch.from_arrays(arrays, names=[*needed, *own]))
    with located(table.place):
        chosen = choose_label(
            label, counter.counts, drawn.design.label.positive if drawn else positive
        )
        if drawn is not None:
            chosen = drawn.design.label
        elif positive is None:
            context.note(f"'{chosen.positive}' is the positive value of '{label}'")
        y_true = np.concatenate([is_positive(array, chosen, start) for start, array in labels])
        own_weight = np.concatenate(weight) if weight else None
        if own_weight is not None and sample_weight is not None:
            check_total(own_weight, y_true, sample_weight)
    return _Loaded(pa.Table.from_batches(parts), chosen, y_true, own_weight)


def _training_rows(
    loaded: _Loaded,
    kinds: Mapping[str, Kind],
    drawn: Drawn | None,
    *,
    correction: str,
    from_baseline: bool,
    seed: int,
) -> tuple[TrainingRows, float, bool]:
    """The rows with offset, weight and baseline; the constant baseline; whether it is the pilot's.

    With the offset, trees start from l + logit of the pilot's probability and learn what the pilot
    missed. Weighted and post-hoc fits know no offset and start from the
    share of positives.
    """
    columns = {name: whole(loaded.table.column(name)) for name in loaded.table.column_names}
    count = len(loaded.y_true)
    shift = np.zeros(count)
    weight = loaded.sample_weight
    here = float(np.log(loaded.y_true.sum() / (~loaded.y_true).sum()))
    constant = drawn.design.population_log_odds if drawn and correction != "posthoc" else here
    baseline = np.full(count, constant)
    from_pilot = False
    if drawn is not None and correction == "offset":
        shift = columns["rb_offset"].to_numpy()
        if from_baseline and drawn.pilot is not None:
            baseline, from_pilot = drawn.pilot.log_odds(columns), True
    if drawn is not None and correction == "weight":
        own = columns["rb_weight"].to_numpy()
        weight = own if weight is None else own * weight
    rows = TrainingRows(
        columns={name: columns[name] for name in kinds},
        kinds=kinds,
        y_true=loaded.y_true,
        offset=shift,
        baseline=baseline,
        sample_weight=weight,
        draws=uniforms(seed, Purpose.HOLD_OUT, 0, count),
    )
    return rows, constant, from_pilot


def _given(settings: Settings) -> dict[str, Any]:
    """The settings that make a difference, for the manifest."""
    chosen = asdict(settings)
    return {name: chosen[name] for name in ("l2", "rounds", "learning_rate", "leaves")}
