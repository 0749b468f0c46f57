"""drawn rows of many classes -> pilot of many classes"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.class_design import (
    log_shares,
    spread,
    spread_level,
    weighted_log_shares,
)
from rebalance.core.class_metrics import ClassFigures, score_classes
from rebalance.core.classes import Classes, listed, log_softmax, repeated
from rebalance.core.documents import plain
from rebalance.core.draws import Purpose, uniforms
from rebalance.core.folds import class_folds
from rebalance.core.wording import counted
from rebalance.errors import DataError, UsageError
from rebalance.learners.class_base import ClassLearner, ClassRows
from rebalance.learners.classes import get_class_learner
from rebalance.learners.engineered import features_of
from rebalance.steps.classes.artifacts.pilot import class_pilot_content
from rebalance.steps.classes.memory import check_fit
from rebalance.steps.context import Context
from rebalance.steps.features import tell_left_out, whole
from rebalance.steps.pilot_task import PilotTask
from rebalance.storage.atomic import write_bytes
from rebalance.storage.tables import located

FOLDS = 5
# Rows of all classes for each that `size` asks of one: a fit takes as long as rows times classes.
MOST = 5
_SMALLER = (
    "sample without a pilot ('sample --method uniform --rows N'), put rare classes together, or "
    "take one against the others with --positive VALUE"
)
_LESS = f"{_SMALLER}; or give a smaller --size or a larger --memory-limit"
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ClassPilotResult:
    """What was fitted, on what, and how good it is out of fold.

    quality : see `core.class_metrics.CLASS_METRICS`; classes : rows, those drawn, and the figures
        of each.
    """

    output: str
    model: str
    label: str
    rows: int
    features: int
    quality: dict[str, float]
    classes: dict[str, dict[str, float]]

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        return asdict(self)


@dataclass(frozen=True)
class ClassDraw:
    """The rows that the pilot is fitted on: `codes` are places among the classes, shape (n,).

    counts : rows of each class in the table.
    """

    table: pa.Table
    codes: NDArray[np.int64]
    label: Classes
    counts: tuple[int, ...]

    @classmethod
    def of(
        cls, column: str, counts: Mapping[str, int], drawn: tuple[pa.Table, NDArray[np.int64]]
    ) -> ClassDraw:
        """The draw of a reservoir whose codes are places in `counts`."""
        label = Classes.of(column, counts)
        place = np.array([label.places[value] for value in counts])
        ordered = tuple(counts[value] for value in label.values)
        return cls(drawn[0], place[drawn[1]], label, ordered)

    def thinned(self, most: int, seed: int) -> ClassDraw:
        """At most so many rows in all, those of the largest classes drawn down first."""
        if len(self.codes) <= most:
            return self
        draws = uniforms(seed, Purpose.HOLD_OUT, 0, len(self.codes))
        keep = np.zeros(len(self.codes), dtype=bool)
        drawn = self.drawn
        wanted = np.maximum(np.array(spread(most, drawn.tolist())).astype(np.int64), 1)
        order = np.lexsort((draws, self.codes))
        within = np.arange(len(order)) - (np.cumsum(drawn) - drawn)[self.codes[order]]
        keep[order[within < wanted[self.codes[order]]]] = True
        return ClassDraw(
            self.table.filter(pa.array(keep)), self.codes[keep], self.label, self.counts
        )

    @property
    def drawn(self) -> NDArray[np.int64]:
        """Rows drawn of each class, shape (K,)."""
        return np.bincount(self.codes, minlength=len(self.label))


def class_pilot(draw: ClassDraw, task: PilotTask, context: Context) -> ClassPilotResult:
    """Fit a pilot of many classes on the rows drawn, and write it.

    Raises
    ------
    UsageError, DataError, FitError : see the parts it is made of.
    """
    tell_classes(draw.label, draw.counts, context)
    learner = get_class_learner(task.model)
    check_size(draw.label, draw.counts, task.options.size)
    draw = draw.thinned(MOST * task.options.size, task.settings.seed)
    rows, classes = len(draw.codes), len(draw.label)
    check_fit(task.model, rows, classes, len(task.made.features), context=context, remedy=_LESS)
    training = task.made.rows(_training_rows(draw, task), task.table.place, None)
    with located(task.table.place, None):
        fitted = learner.fit(training, task.settings)
    tell_left_out(fitted.left_out, context)
    quality = _out_of_fold(learner, training, draw, task, context)
    baseline = [float(share) for share in training.baseline[0]]
    manifest = {
        "created_by": {
            "command": "pilot", "model": task.model, "size": task.options.size, "positive": None
        },
        "seed": task.settings.seed,
        "label": draw.label.to_document() | {"counts": list(draw.counts)},
        "learner": task.model,
        **task.made.manifest(task.table),
        "columns": {field.name: str(field.type) for field in task.table.schema},
        "drop": list(task.drop),
        "key": task.key,
        "sample_weight": task.options.sample_weight,
        "drawn": draw.drawn.tolist(),
        "baseline": baseline,
        "out_of_fold": plain(quality.overall),
        "made_from": task.table.digest,
    }  # fmt: skip
    write_bytes(task.output, class_pilot_content(manifest, task.made.model(fitted)))
    known = zip(draw.label.values, draw.counts, draw.drawn.tolist(), strict=True)
    return ClassPilotResult(
        output=task.output,
        model=task.model,
        label=draw.label.column,
        rows=sum(draw.counts),
        features=len(features_of(fitted)),
        quality=quality.overall,
        classes={
            value: {
                "rows": count,
                "drawn": drawn,
                "roc_auc": quality.each[value]["roc_auc"],
                "predicted_over_observed": quality.each[value]["predicted_over_observed"],
            }
            for value, count, drawn in known
        },
    )


def check_size(label: Classes, counts: Sequence[int], size: int) -> None:
    """Check that there are some rows of each class to learn from, where a class has them.

    Raises
    ------
    UsageError : large classes would have fewer than `FOLDS` rows in the pilot.
    """
    level = spread_level(MOST * size, np.array(counts))
    if level >= FOLDS or min(level, max(counts)) >= max(counts):
        return
    # The least size whose rows are enough.
    enough = -(-int(np.minimum(counts, FOLDS).sum()) // MOST)
    raise UsageError(
        f"--size {size} makes {MOST * size:,} rows of all {len(label):,} classes, "
        f"{max(int(level), 1)} of each: too few for a pilot to learn from",
        remedy=f"give --size {enough} or more, or {_SMALLER}",
    )


def tell_classes(label: Classes, counts: Sequence[int], context: Context) -> None:
    """Say that the label has many classes, and how else it can be taken."""
    context.note(
        f"'{label.column}' has {len(label):,} classes: {listed(label.values, counts)}; for one "
        "against the others give --positive"
    )


def check_class_weights(
    weight: Floats, codes: NDArray[np.int64], label: Classes, name: str
) -> None:
    """Check that each class has some weight.

    Raises
    ------
    DataError : all weights of a class are zero.
    """
    total = np.bincount(codes, weight, len(label))
    present = np.bincount(codes, minlength=len(label)) > 0
    empty = [label.values[place] for place in np.flatnonzero(present & ~(total > 0))]
    if empty:
        raise DataError(
            f"all weights of the class '{empty[0]}' are zero",
            where=f"column '{name}'",
            remedy="give each class some weight",
        )


def _training_rows(draw: ClassDraw, task: PilotTask) -> ClassRows:
    weight = None
    count = len(draw.codes)
    if task.options.sample_weight is not None:
        weight = whole(draw.table.column(task.options.sample_weight)).to_numpy()
        check_class_weights(weight, draw.codes, draw.label, task.options.sample_weight)
        weight = weight / weight.mean()  # their scale must not change a fit
    given = np.ones(count) if weight is None else weight
    return ClassRows(
        columns={name: whole(draw.table.column(name)) for name in task.made.needed},
        kinds=task.made.needed,
        codes=draw.codes,
        # The shares drawn of the classes are an offset: what is fitted is the population.
        offset=repeated([float(each) for each in np.log(draw.drawn / draw.counts)], count),
        baseline=repeated(
            [float(each) for each in weighted_log_shares(draw.counts, draw.codes, given)], count
        ),
        sample_weight=weight,
        draws=uniforms(task.settings.seed, Purpose.FOLDS, 0, count),
    )


def _out_of_fold(
    learner: ClassLearner,
    rows: ClassRows,
    draw: ClassDraw,
    task: PilotTask,
    context: Context,
) -> ClassFigures:
    """The figures of rows not fitted to, weighted back to the population's shares."""
    fold = class_folds(rows.codes, rows.draws, FOLDS)
    measured = fold >= 0
    few = np.flatnonzero(draw.drawn < FOLDS)
    if len(few):
        named = [draw.label.values[place] for place in few]
        context.note(
            f"{counted(len(few), 'class has', 'classes have')} fewer than {FOLDS} rows: "
            f"{listed(named)}; they are kept, and the pilot's quality is measured without them"
        )
    values = draw.label.values
    found = np.empty((len(rows), len(values)), order="F")
    for held_out in range(FOLDS) if len(values) - len(few) > 1 else ():
        inside = fold == held_out
        fitted = learner.fit(rows.take(~inside), task.settings)
        outside = rows.take(inside)
        found[inside] = np.exp(log_softmax(fitted.scores(outside.columns, outside.baseline)))
    if len(values) - len(few) < 2:
        measured[:] = False
    weight = np.exp(log_shares(draw.counts) - np.log(draw.drawn))[rows.codes] * len(rows)
    if rows.sample_weight is not None:
        weight = weight * rows.sample_weight
    columns = [found[measured, place] for place in range(len(values))]
    return score_classes(rows.codes[measured], columns, values, weight[measured])
