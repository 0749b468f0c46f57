"""What a column can be to a model: its kind, read off its Arrow type."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import pyarrow as pa

Kind = Literal["number", "category", "boolean", "time", "vector"]


def kind_of(dtype: pa.DataType) -> Kind | None:
    """The kind of feature a column of this type is; None for what no learner here can use.

    >>> kind_of(pa.int8()), kind_of(pa.large_string()), kind_of(pa.list_(pa.float32(), 3))
    ('number', 'category', 'vector')
    >>> kind_of(pa.binary()) is None
    True
    """
    if pa.types.is_dictionary(dtype):
        inner = kind_of(dtype.value_type)
        return "category" if inner in ("number", "category", "boolean") else None
    if pa.types.is_boolean(dtype):
        return "boolean"
    if pa.types.is_integer(dtype) or pa.types.is_floating(dtype) or pa.types.is_decimal(dtype):
        return "number"
    if (
        pa.types.is_string(dtype)
        or pa.types.is_large_string(dtype)
        or pa.types.is_string_view(dtype)
    ):
        return "category"
    if pa.types.is_timestamp(dtype) or pa.types.is_date(dtype):
        return "time"
    if pa.types.is_fixed_size_list(dtype) and kind_of(dtype.value_type) == "number":
        return "vector"
    return None


def feature_kinds(
    schema: pa.Schema, exclude: Collection[str]
) -> tuple[dict[str, Kind], dict[str, str]]:
    """The columns that can be features, by kind, and those that cannot, with the reason."""
    kinds: dict[str, Kind] = {}
    unusable: dict[str, str] = {}
    for field in schema:
        if field.name in exclude or field.name.startswith("rb_"):
            continue
        kind = kind_of(field.type)
        if kind is not None:
            kinds[field.name] = kind
        elif pa.types.is_null(field.type):
            unusable[field.name] = "empty"
        else:
            unusable[field.name] = f"of type {field.type}, which no learner here can use"
    return kinds, unusable
