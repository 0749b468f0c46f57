"""Which columns of a table are label, features and weights, said when some cannot be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.arrays import to_numpy
from rebalance.core.kinds import Kind, feature_kinds
from rebalance.core.labels import Label
from rebalance.core.wording import counted
from rebalance.errors import DataError, UsageError
from rebalance.steps.context import Context
from rebalance.storage.tables import Table

# Weights whose squares, and ratios of those, can be summed.
LIGHTEST, HEAVIEST = 1e-100, 1e100


def choose_features(
    table: Table,
    label: str,
    *,
    drop: Sequence[str],
    key: str | None,
    sample_weight: str | None,
    context: Context,
) -> dict[str, Kind]:
    """The feature columns by kind: all but the label, the key, the weight and those dropped.

    Raises
    ------
    DataError : a named column is not there, or no feature is left.
    """
    table.require(label, "--label")
    for name in drop:
        table.require(name, "--drop")
    for option, named in (("--drop", label in drop), ("--key", label == key)):
        if named:
            raise UsageError(
                f"'{label}' is the label and {option} at once", remedy=f"leave the {option} out"
            )
    if key is not None:
        table.require(key, "--key")
    if sample_weight is not None:
        table.require(sample_weight, "--sample-weight")
    exclude = {label, *drop, *(name for name in (key, sample_weight) if name is not None)}
    kinds, unusable = feature_kinds(table.schema, exclude)
    for name, value in table.turned.items():
        if name in kinds:
            context.note(
                f"the column '{name}' is text, not numbers, because of the value '{value}': "
                "its values count as categories"
            )
    for name, reason in unusable.items():
        context.note(f"the column '{name}' is {reason}: not a feature")
    if not kinds:
        raise DataError(
            "no column is left to be a feature",
            where=f"file '{table.title}'",
            remedy="drop fewer, or give a table with more columns",
        )
    return kinds


def describe_features(table: Table, kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """Kind and type of every feature, for a manifest."""
    return {
        name: {"kind": kind, "type": str(table.schema.field(name).type)}
        for name, kind in kinds.items()
    }


def tell_label(label: Label, asked: str | None, context: Context) -> None:
    """Say which value is positive where the user did not, and which are put together."""
    if len(label.negatives) > 1:
        context.note(
            f"'{label.positive}' is positive; {len(label.negatives)} other values of "
            f"'{label.column}' count as negative"
        )
    elif asked is None:
        context.note(f"'{label.positive}' is the positive value of '{label.column}'")


def tell_left_out(left_out: Mapping[str, str], context: Context) -> None:
    """Say which features a model does not use, and why."""
    for reason in dict.fromkeys(left_out.values()):
        names = [f"'{name}'" for name, other in left_out.items() if other == reason]
        named = f"column {names[0]} is" if len(names) == 1 else f"columns {', '.join(names)} are"
        context.note(f"the {named} not used: {reason}")


def tell_surprises(surprises: Mapping[str, int], owner: str, context: Context) -> None:
    """Say which values an artifact has no place for."""
    if not surprises:
        return
    from rebalance.core.recipes import NO_LOGARITHM

    for name, count in surprises.items():
        if name.endswith(NO_LOGARITHM):
            context.note(
                f"{counted(count, 'value')} of '{name.removesuffix(NO_LOGARITHM)}' "
                f"{'is' if count == 1 else 'are'} missing: there is no log1p of -1 or less"
            )
            continue
        context.note(
            f"{counted(count, 'value')} of '{name}' {'is' if count == 1 else 'are'} missing or new "
            f"to {owner}, which saw none such in training: they count as the mean or the most "
            "frequent ones"
        )


def weights(array: pa.Array, name: str, start: int = 0) -> NDArray[np.float64]:
    """A user's weights as float64, shape (n,).

    Raises
    ------
    DataError : one is missing, negative, not finite, or beyond what sums of squares can carry.
    """
    if not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type)):
        raise DataError(
            f"the weights are {array.type}, not numbers",
            where=f"column '{name}'",
            remedy="name a column of numbers with --sample-weight",
        )
    values = np.asarray(to_numpy(array), dtype=np.float64)
    wrong = ~(np.isfinite(values) & (values >= 0))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"the weight {values[row]} is not a number of 0 or more",
            where=f"column '{name}', row {start + row} (counting from 0)",
            remedy="mend it, or leave that row out",
        )
    beyond = (values > HEAVIEST) | ((values < LIGHTEST) & (values > 0))
    if beyond.any():
        row = int(np.argmax(beyond))
        raise DataError(
            f"the weight {values[row]:g} is too {'large' if values[row] > 1 else 'small'} to "
            "compute with",
            where=f"column '{name}', row {start + row} (counting from 0)",
            remedy=f"weights from {LIGHTEST:g} to {HEAVIEST:g}, or 0, are: mend it, or rescale "
            "the column",
        )
    return values


def check_total(values: NDArray[np.float64], y_true: NDArray[np.bool_], name: str) -> None:
    """Check that each class has some weight.

    Raises
    ------
    DataError : all weights of a class are zero.
    """
    for positive, word in ((True, "positives"), (False, "negatives")):
        if not values[y_true == positive].sum() > 0:
            raise DataError(
                f"all weights of the {word} are zero",
                where=f"column '{name}'",
                remedy="give each class some weight",
            )


def whole(column: pa.ChunkedArray) -> pa.Array:
    """A column of a table in memory as one array."""
    if column.num_chunks == 1:
        return column.chunk(0)  # which combining would copy
    combined = column.combine_chunks()
    if not isinstance(combined, pa.ChunkedArray):
        return combined
    return combined.chunk(0) if combined.num_chunks else pa.array([], column.type)
