"""Types whose rows Arrow cannot pick yet, read as ordinary ones and written as what they were."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rebalance.core.arrays import is_valid


def ordinary(dtype: pa.DataType) -> pa.DataType:
    """The type in whose place rows can be filtered: strings for views, values for runs.

    >>> ordinary(pa.list_(pa.string_view()))
    ListType(list<item: large_string>)
    """
    if pa.types.is_string_view(dtype):
        return pa.large_string()
    if pa.types.is_binary_view(dtype):
        return pa.large_binary()
    if pa.types.is_run_end_encoded(dtype):
        return ordinary(dtype.value_type)
    if pa.types.is_dictionary(dtype):
        return pa.dictionary(dtype.index_type, ordinary(dtype.value_type), dtype.ordered)
    if pa.types.is_map(dtype):
        return pa.map_(_inside(dtype.key_field), _inside(dtype.item_field), dtype.keys_sorted)
    if pa.types.is_struct(dtype):
        return pa.struct([_inside(dtype.field(at)) for at in range(dtype.num_fields)])
    if pa.types.is_list(dtype):
        return pa.list_(_inside(dtype.value_field))
    if pa.types.is_large_list(dtype):
        return pa.large_list(_inside(dtype.value_field))
    if pa.types.is_fixed_size_list(dtype):
        return pa.list_(_inside(dtype.value_field), dtype.list_size)
    return dtype


def is_readable(dtype: pa.DataType) -> bool:
    """Whether rows of a type, or of the ordinary one in its place, can be picked.

    >>> is_readable(pa.list_(pa.string_view())), is_readable(pa.list_view(pa.string_view()))
    (True, False)
    """
    if pa.types.is_run_end_encoded(dtype):
        return is_readable(dtype.value_type)
    return _is_readable_inside(dtype, can_change=True)


def _is_readable_inside(dtype: pa.DataType, *, can_change: bool) -> bool:
    if pa.types.is_string_view(dtype) or pa.types.is_binary_view(dtype):
        return can_change
    if isinstance(dtype, pa.BaseExtensionType):
        return _is_readable_inside(dtype.storage_type, can_change=False)
    if pa.types.is_run_end_encoded(dtype):
        return False
    if pa.types.is_dictionary(dtype):
        return _is_readable_inside(dtype.value_type, can_change=can_change)
    if pa.types.is_list_view(dtype) or pa.types.is_large_list_view(dtype):
        return _is_readable_inside(dtype.value_type, can_change=False)
    change = can_change and not pa.types.is_union(dtype)
    inside = [dtype.field(at).type for at in range(dtype.num_fields)]
    return all(_is_readable_inside(inner, can_change=change) for inner in inside)


def _inside(field: pa.Field) -> pa.Field:
    return field.with_type(ordinary(field.type))


def ordinary_schema(schema: pa.Schema) -> pa.Schema:
    """The same columns with ordinary types."""
    fields = [field.with_type(ordinary(field.type)) for field in schema]
    return pa.schema(fields, metadata=schema.metadata)


def extraordinary(schema: pa.Schema) -> dict[str, pa.DataType]:
    """The types, by column, that are not read as they are."""
    return {field.name: field.type for field in schema if field.type != ordinary(field.type)}


def as_ordinary(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The rows with ordinary types."""
    schema = ordinary_schema(rows.schema)
    if rows.schema == schema:
        return rows
    columns = [_cast(column, schema.field(at).type) for at, column in enumerate(rows.columns)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def as_stored(rows: pa.RecordBatch, types: Mapping[str, pa.DataType]) -> pa.RecordBatch:
    """The rows with the types, by column, that they had where they came from."""
    fields, columns = [], []
    for field, column in zip(rows.schema, rows.columns, strict=True):
        dtype = types.get(field.name, field.type)
        fields.append(field.with_type(dtype))
        columns.append(_cast(column, dtype))
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields, rows.schema.metadata))


def _cast(column: pa.Array, dtype: pa.DataType) -> pa.Array:
    if pa.types.is_run_end_encoded(column.type):
        return _cast(pc.run_end_decode(column), dtype)
    if pa.types.is_run_end_encoded(dtype):
        values = _cast(column, dtype.value_type)
        return pc.run_end_encode(values, run_end_type=dtype.run_end_type)
    if column.type == dtype:
        return column
    if pa.types.is_string_view(column.type) or pa.types.is_binary_view(column.type):
        column = _with_clear_nulls(column)
    return column.cast(dtype)


def _with_clear_nulls(views: pa.Array) -> pa.Array:
    """The same views with zeros at nulls, where anything may stand, which Arrow's cast follows."""
    valid = is_valid(views)
    if valid is None:
        return views
    slots = np.frombuffer(views.buffers()[1], np.dtype("V16"), views.offset + len(views))
    kept = slots[views.offset :].copy()
    kept[~valid] = np.zeros(1, kept.dtype)
    texts = views.buffers()[2:]
    bits = pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(views.type, len(views), [bits, pa.py_buffer(kept), *texts])
