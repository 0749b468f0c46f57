"""rows of a table in memory: their features, and batches of made rows like them"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.arrays import to_arrow
from rebalance.core.kinds import Kind
from rebalance.core.matrix import Matrix, Place
from rebalance.core.wording import dropping
from rebalance.errors import DataError, UsageError
from rebalance.samplers.imbalanced import Method
from rebalance.steps.artifacts.stored import StoredPilot
from rebalance.steps.context import Context
from rebalance.steps.features import choose_features, whole
from rebalance.steps.resampling.classic import Classic
from rebalance.storage.tables import Batch, Table, located
from rebalance.storage.text_schema import TextSchema

# Below, float64 has all whole numbers, and a decimal's in its last place.
_EXACT = 2.0**53
# The most that a decimal has: as float64, a bound may have one more than the column's type.
_DIGITS = 76


@dataclass(frozen=True)
class Held:
    """Rows of a table in input order: batches of them, and their numbers."""

    parts: tuple[Batch, ...]
    numbers: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.numbers)

    def feature(self, name: str, kind: Kind) -> pa.Array:
        """A column of all rows as a feature."""
        arrays = [part.feature(name, kind) for part in self.parts]
        if any(pa.types.is_dictionary(array.type) for array in arrays):
            arrays = [array.cast(array.type.value_type) for array in arrays]
        return whole(pa.chunked_array(arrays))

    def values(self, name: str, at: NDArray[np.int64]) -> pa.Array:
        """A column of the rows at these positions, as it stands in the file."""
        column = pa.chunked_array([part.source.column(name) for part in self.parts])
        return whole(column.take(to_arrow(at)))

    def ends(self, name: str) -> tuple[Any, Any]:
        """The exact least and greatest number of a column, or of all elements of its vectors."""
        import pyarrow.compute as pc

        columns = [part.column(name) for part in self.parts]
        if pa.types.is_fixed_size_list(columns[0].type):
            columns = [column.flatten() for column in columns]
        found = pc.min_max(pa.chunked_array(columns)).as_py()
        return found["min"], found["max"]

    @contextmanager
    def located(self) -> Iterator[None]:
        """Add the file and the row's number to what goes wrong with the rows' values."""
        with located(self.parts[0].place):
            try:
                yield
            except DataError as exc:
                exc.row = None if exc.row is None else int(self.numbers[exc.row])
                raise

    def relaxed(self, batch: Batch) -> Batch:
        """A batch of which every column may hold nulls, as made rows have them."""
        if isinstance(batch.schema, TextSchema):
            return batch
        fields = [field.with_nullable(True) for field in batch.schema]
        return replace(batch, schema=pa.schema(fields, metadata=batch.schema.metadata))


@dataclass(frozen=True)
class Rows(Held):
    """Rows of two classes; whether each is positive."""

    y_true: NDArray[np.bool_]


class _Known(Protocol):
    @property
    def column(self) -> str: ...


class _Ready(Protocol):
    """What is ready to be sampled, of two classes or of many."""

    @property
    def table(self) -> Table: ...

    @property
    def pilot(self) -> StoredPilot[Any] | None: ...

    @property
    def known(self) -> _Known: ...


def choose_kinds(
    found: _Ready,
    method: Method,
    wanted: Classic,
    context: Context,
) -> tuple[dict[str, Kind], list[str]]:
    """The features by kind, and the columns that are none, without the label.

    Raises
    ------
    DataError : a feature is of a kind that the method does not take.
    UsageError : what is said to be a number is none, or no feature.
    """
    table, label, pilot = found.table, found.known.column, found.pilot
    drop, key = wanted.drop, wanted.asked.key
    dropped = [*drop, *(pilot.drop if pilot else ())]
    kinds = choose_features(
        table,
        label,
        drop=[name for name in dropped if name in table.names or name in drop],
        key=key or (pilot.key if pilot and pilot.key in table.names else None),
        sample_weight=pilot.sample_weight if pilot else None,
        context=context,
    )
    times = [name for name, kind in kinds.items() if kind == "time"]
    if times:
        context.note(f"{', '.join(map(repr, times))}: a time is no feature for distances")
    kinds = {name: kind for name, kind in kinds.items() if kind != "time"}
    for name in wanted.numbers:
        if kinds.get(name) != "number":
            raise UsageError(
                f"--number {shlex.quote(name)}: no feature of this name holds numbers",
                remedy="leave it out, or check the name",
            )
    check_kinds(table, kinds, method)
    return kinds, [name for name in table.names if name not in kinds and name != label]


def check_kinds(table: Table, kinds: Mapping[str, Kind], method: Method) -> None:
    """Refuse features that the method does not take, and name the method that does.

    Raises
    ------
    DataError : one is of such a kind, or none is of the kind that it needs.
    """
    coded = ["category", *(["boolean"] if method.makes else [])]
    categories = [name for name, kind in kinds.items() if kind in coded]
    numbers = [name for name in kinds if name not in categories]
    wrong = {"numbers": categories, "categories": numbers}.get(method.needs, [])
    if wrong and wrong != list(kinds):
        many = f"column{'s' * (len(wrong) > 1)} {', '.join(map(repr, wrong))}"
        what = "categories" if method.needs == "numbers" else "numbers"
        other = "--method smotenc takes both, or " if method.role == "over" else ""
        raise DataError(
            f"{method.name} takes {method.needs} only, and there are {what}",
            where=f"{table.place}, {many}",
            remedy=f"{other}leave them out of the distances with {dropping(wrong)}",
        )
    if method.needs == "numbers" and not numbers:
        lacking = "numbers"
        other = "smoten takes categories" if method.role in ("over", "combine") else ""
    elif method.needs == "categories" and not categories:
        lacking, other = "categories", "smote takes numbers"
    elif method.needs == "numbers and categories" and not (categories and numbers):
        lacking = "numbers" if not numbers else "categories"
        other = f"{'smoten' if not numbers else 'smote'} does without"
    else:
        return
    raise DataError(
        f"{method.name} needs {lacking}, and no feature is one",
        where=table.place,
        remedy=f"choose another --method: {other or 'random-under needs no features'}",
    )


def tell_filled(matrix: Matrix, method: Method, context: Context) -> None:
    """Say what was imputed, and which columns tell no rows apart."""
    for each in matrix.places:
        if each.filled:
            context.note(
                f"'{each.name}': {each.filled:,} missing values count as the {each.filled_by} "
                f"{each.filled_with} in distances; kept rows keep them missing"
            )
    if method.makes and any(each.filled for each in matrix.places):
        context.note(
            "made rows have no missing values, so a model may tell them by that; where it matters, "
            "fill in missing values before"
        )
    if matrix.constant:
        names = ", ".join(map(repr, matrix.constant))
        context.note(f"constant, so no distance depends on it: {names}")


def made_batch(
    rows: Held, matrix: Matrix, made_rows: NDArray[np.float64], label: str, labels: pa.Array
) -> Batch:
    """Made rows as rows of the table: features decoded, the class's label, null in the rest.

    made_rows : like the matrix's. labels : their values of the column `label`.
    """
    first = rows.relaxed(rows.parts[0])
    names = first.source.schema.names
    unscaled = matrix.unscaled(made_rows)
    places = {place.name: place for place in matrix.places}
    arrays = []
    for name in names:
        kind = first.source.column(name).type
        if name == label:
            array = labels
        elif name not in places:
            array = pa.nulls(len(made_rows), kind)
        elif places[name].codes:
            codes = np.rint(unscaled[name]).astype(np.int64)
            array = rows.values(name, places[name].first_rows[codes])
        else:
            array = _numbers(unscaled[name], places[name], first, rows)
        arrays.append(array)
    made = pa.RecordBatch.from_arrays(
        arrays, schema=pa.schema([pa.field(name, first.source.column(name).type) for name in names])
    )
    return replace(first, source=made)


def _numbers(values: NDArray[np.float64], place: Place, like: Batch, rows: Held) -> pa.Array:
    """Made numbers with the column's type; of a text file, as text."""
    name = place.name
    stands, decided = like.source.column(name).type, like.schema.field(name).type
    if pa.types.is_fixed_size_list(decided):
        inner = _typed(values.reshape(-1), place, decided.value_type, rows)
        return pa.FixedSizeListArray.from_arrays(inner, decided.list_size).cast(stands)
    typed = _typed(values, place, decided, rows)
    if not isinstance(like.schema, TextSchema) or stands == decided:
        return typed.cast(stands)
    text = typed.cast(pa.string())
    mark = like.schema.form(name).decimal
    if mark == ".":
        return text
    import pyarrow.compute as pc

    return pc.replace_substring(text, ".", mark)


def _typed(values: NDArray[np.float64], place: Place, kind: pa.DataType, rows: Held) -> pa.Array:
    """Numbers of a type: whole ones and decimals rounded, within what was there."""
    if not (pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
        return to_arrow(values).cast(kind, safe=False)
    scale = kind.scale if pa.types.is_decimal(kind) else 0
    rounded = np.clip(np.round(values, scale), place.low, place.high)
    if max(-place.low, place.high) * 10.0**scale >= _EXACT:
        return _within(rounded, kind, *rows.ends(place.name))
    whole = pa.types.is_integer(kind)
    return to_arrow(rounded.astype(np.int64) if whole else rounded).cast(kind)


def _within(values: NDArray[np.float64], kind: pa.DataType, low: Any, high: Any) -> pa.Array:
    """Whole numbers or decimals of a type between exact bounds, which float64 does not hold."""
    if pa.types.is_integer(kind):
        whole = np.uint64 if pa.types.is_unsigned_integer(kind) else np.int64
        ends = np.iinfo(whole)
        # As float64, the greatest whole number would be one too large.
        inside = np.clip(values, float(ends.min), np.nextafter(float(ends.max), 0)).astype(whole)
        return to_arrow(np.clip(inside, whole(low), whole(high))).cast(kind)
    import pyarrow.compute as pc

    wide = pa.decimal256(_DIGITS, kind.scale)
    least, most = (pa.scalar(each, kind).cast(wide) for each in (low, high))
    exact = to_arrow(values).cast(wide)
    return pc.min_element_wise(pc.max_element_wise(exact, least), most).cast(kind)
