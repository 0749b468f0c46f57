"""probabilities of many classes + design -> probabilities on the population's scale"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebalance.core.classes import Classes, listed, to_population
from rebalance.core.wording import counted
from rebalance.errors import ArtifactError, DataError, UsageError
from rebalance.steps.classes.artifacts.drawn import ClassDrawn, read_if_class_design
from rebalance.steps.classes.artifacts.model import ClassModel, read_if_class_model
from rebalance.steps.classes.columns import named_columns, split_parts
from rebalance.steps.classes.memory import narrowed
from rebalance.steps.classes.predict import (
    PREFIXES,
    class_columns,
    class_kept_beside,
    class_metadata,
)
from rebalance.steps.context import Context
from rebalance.steps.predictions import SCALE_KEY
from rebalance.steps.probabilities import numbers, refuse
from rebalance.storage.inputs import open_table
from rebalance.storage.tables import Batch, Table
from rebalance.storage.writers import table_writer

Floats = NDArray[np.float64]

# Probabilities that were rounded do not sum to 1; those of separate models, or with a class
# missing, are further off.
SUM_TOLERANCE = 0.02


@dataclass(frozen=True)
class ClassSampling:
    """What is known of how the model's scale came about; exactly one of these.

    design : a sample, or a design file. rates : the share kept of each class, 1 where not named.
    balanced : a model with a logit adjustment, which is undone.
    """

    design: str | None = None
    rates: Mapping[str, float] | None = None
    balanced: str | None = None


def corrects_classes(
    table: Table, column: str, rate: float | Mapping[str, float] | None, balanced: str | None
) -> bool:
    """Whether the probabilities of many classes are to be corrected."""
    named = "=" in column and column not in table.names
    return named or isinstance(rate, Mapping) or balanced is not None


def class_sampling(
    design: str | None,
    rate: float | Mapping[str, float] | None,
    balanced: str | None,
    *others: object,
) -> ClassSampling:
    """What the options say of many classes; `others` are those that say nothing of them.

    Raises
    ------
    UsageError : they say nothing of them.
    """
    rates = rate if isinstance(rate, Mapping) else None
    if rates is None and (rate is not None or any(other is not None for other in others)):
        raise UsageError(
            "one number a row says how two classes were sampled, and many are named",
            remedy="give --design SAMPLE, --rate a=0.1,b=0.02 (those not named were kept whole), "
            "or --balanced MODEL",
        )
    return ClassSampling(design, rates, balanced)


@dataclass(frozen=True)
class ClassCorrectResult:
    """Mean probability of each class before and after."""

    output: str
    rows: int
    mean_before: dict[str, float]
    mean_after: dict[str, float]
    at_zero_or_one: int

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        return asdict(self)


def class_correct(
    table: Table,
    columns: str,
    output: str,
    *,
    sampling: ClassSampling,
    sampled: bool = False,
    context: Context,
) -> ClassCorrectResult:
    """Write the table with `rb_probability_CLASS` for each class beside its columns.

    Probabilities of exactly 0 or 1 stay what they are, and the rows that have some are counted.

    Parameters
    ----------
    columns : CLASS=COLUMN for each class, with commas between; see
        `steps.classes.columns.named_columns`.

    Raises
    ------
    UsageError : classes that do not fit the design.
    DataError : probabilities that are none, that do not sum to 1, or that were corrected already.
    """
    named = named_columns(split_parts(columns), table)
    table = narrowed(table, len(named))
    drawn = _read_drawn(sampling.design) if sampling.design is not None else None
    model = _read_balanced(sampling.balanced) if sampling.balanced is not None else None
    label = _label(named, drawn, model, sampling.rates)
    _check_scale(table, named, sampling)
    if drawn is not None:
        table.require_features(drawn.kinds, "the design's pilot")
    scales = ["population", *(["sampled"] if sampled else [])]
    kept = class_kept_beside(table, None, label, scales, "the input")
    rows, certain = 0, 0
    before, after = np.zeros(len(label)), np.zeros(len(label))
    with table_writer(output, table) as writer:
        writer.describe(class_metadata(label, scales))
        for batch in context.track(table.batches(), "correcting", table.rows_if_known):
            given = _probabilities(batch, [named[value] for value in label.values])
            with batch.located(), np.errstate(divide="ignore"):
                shift = _shift(batch, label, drawn, model, sampling.rates)
                found = np.exp(to_population(np.log(given), shift))
            extra = class_columns(label, "population", found)
            if sampled:
                extra |= class_columns(label, "sampled", given)
            writer.write(batch.select(kept), extra)
            rows += len(batch)
            before += given.sum(axis=0)
            after += found.sum(axis=0)
            certain += int(((given == 0) | (given == 1)).any(axis=1).sum())
    if certain:
        context.note(
            f"{counted(certain, 'row has', 'rows have')} probabilities of exactly 0 or 1: no "
            "correction moves them"
        )
    means = [
        dict(zip(label.values, (each / rows).tolist(), strict=True)) for each in (before, after)
    ]
    return ClassCorrectResult(output, rows, means[0], means[1], certain)


def _label(
    named: Mapping[str, str],
    drawn: ClassDrawn | None,
    model: ClassModel | None,
    rates: Mapping[str, float] | None,
) -> Classes:
    """The classes, once sure that those named by all options are the same."""
    known = drawn.design.label if drawn is not None else model.label if model is not None else None
    if known is None:
        found = Classes("the label", tuple(named))
        found.require(rates or {}, "--rate")
        return found
    known.require(named, "--probability")
    lost = [value for value in known.values if value not in named]
    if lost:
        raise UsageError(
            f"--probability names no column for {listed(lost)}",
            remedy="name the column of every class that the model was trained on",
        )
    return known


def _check_scale(table: Table, named: Mapping[str, str], sampling: ClassSampling) -> None:
    """Refuse what is on the population's scale, or balanced and not said to be."""
    where = f"file '{table.title}'"
    scales = table.document(SCALE_KEY)
    for value, column in named.items():
        scale = scales.get(column)
        if scale is None:
            scale = next(
                (
                    name
                    for name in ("population", "balanced")
                    if column == f"{PREFIXES[name]}{value}"
                ),
                None,
            )
        if scale == "population":
            raise DataError(
                f"the column '{column}' is on the population's scale already",
                where=where,
                remedy="correct the probabilities as the model gave them, once",
            )
        if scale == "balanced" and sampling.balanced is None:
            raise DataError(
                f"the column '{column}' was shifted already: it is about balanced classes, by a "
                "logit adjustment",
                where=where,
                remedy="to undo that name the model with --balanced MODEL, or train one without",
            )
        if scale != "balanced" and sampling.balanced is not None:
            raise DataError(
                f"the column '{column}' is not about balanced classes",
                where=where,
                remedy=f"name the columns {PREFIXES['balanced']}CLASS as 'predict' wrote them",
            )


def _shift(
    batch: Batch,
    label: Classes,
    drawn: ClassDrawn | None,
    model: ClassModel | None,
    rates: Mapping[str, float] | None,
) -> Floats:
    """What is taken off the log probabilities of every row, shape (n, K) or (1, K)."""
    if drawn is not None:
        return drawn.log_pi(batch.features(drawn.kinds), len(batch))
    if model is not None and model.balance is not None:
        return -model.balance.shift[None, :]
    return np.log([[(rates or {}).get(value, 1.0) for value in label.values]])


def _probabilities(batch: Batch, names: Sequence[str]) -> Floats:
    """The classes' probabilities, shape (n, K)."""
    found = np.empty((len(batch), len(names)), order="F")
    for place, name in enumerate(names):
        values = found[:, place]
        values[:] = numbers(batch, name)
        refuse(batch, name, values, ~((values >= 0) & (values <= 1)), "between 0 and 1")
    total = found.sum(axis=1)
    wrong = np.abs(total - 1) > SUM_TOLERANCE
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"the probabilities of the classes sum to {total[row]:g}",
            where=f"{batch.place}, row {batch.start + row} (counting from 0)",
            remedy="name the columns of all classes, of one model",
        )
    return found


def _read_drawn(path: str) -> ClassDrawn:
    if path.endswith(".json"):
        found = read_if_class_design(None, {}, path)
    else:
        found = read_if_class_design(path, open_table([path]).metadata)
    if found is None:
        raise ArtifactError(
            "there is no design of many classes",
            where=f"file '{path}'",
            remedy="name a sample as 'rebalance sample' wrote it, or its .design.json; with one "
            "of two classes name one column: --probability COLUMN",
        )
    found.design.require_known()
    return found


def _read_balanced(path: str) -> ClassModel:
    model = read_if_class_model(path)
    if model is None or model.balance is None:
        raise ArtifactError(
            "the model has no logit adjustment to undo",
            where=f"file '{path}'",
            remedy="name the model that gave the columns rb_balanced_CLASS",
        )
    return model
