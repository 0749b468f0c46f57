"""Blocks of JSON lines, read by pyarrow, as far as that can be trusted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from rebalance.core.arrays import to_numpy
from rebalance.storage.fields import TEXT
from rebalance.storage.schemas import decode_names

_NESTED = 200  # brackets in a line, beyond which pyarrow is not trusted with their depth
_EXACT = 1e18  # what is read as a larger float may have been an integer
_NULL_AFTER_OBJECT = re.compile(rb"}[ \t\r]*null")


@dataclass(frozen=True)
class Block:
    """Whole lines of a file, the first of them counted from 1."""

    path: Path
    line: int
    text: bytes


def read_block(
    block: Block, types: Mapping[str, pa.DataType], *, nothing_else: bool = False
) -> pa.RecordBatch | None:
    """The rows of a block, columns with these types where there are any for them.

    None where pyarrow cannot read it, or is not to be trusted: a null in place of an object, and
    deep nesting, end the process.
    """
    import pyarrow.json

    text = block.text
    lines = text.count(b"\n") + (not text.endswith(b"\n"))
    begins = text.startswith(b"{") + text.count(b"\n{")
    ends = text.count(b"}\n") + text.count(b"}\r\n") + text.endswith(b"}")
    if not lines == begins == ends or _NULL_AFTER_OBJECT.search(text) or _is_deep(text, lines):
        return None
    options = pyarrow.json.ParseOptions(
        explicit_schema=pa.schema(list(types.items())),
        unexpected_field_behavior="ignore" if nothing_else else "infer",
    )
    whole = pyarrow.json.ReadOptions(use_threads=False, block_size=len(text) + 1)
    try:
        table = pyarrow.json.read_json(pa.BufferReader(text), whole, options)
        table.validate(full=True)
        decode_names(table.schema)
    except (pa.ArrowException, UnicodeDecodeError):
        return None
    batches = table.combine_chunks().to_batches()
    return batches[0] if table.num_rows == lines and len(batches) == 1 else None


def _is_deep(text: bytes, lines: int) -> bool:
    """Whether there are so many brackets in a line that it may be nested deeply."""
    if text.count(b"{") + text.count(b"[") - lines < _NESTED:
        return False
    signs = np.frombuffer(text, np.uint8)
    opens = np.flatnonzero((signs == ord("{")) | (signs == ord("[")))
    closes = np.flatnonzero((signs == ord("}")) | (signs == ord("]")))
    starts = np.concatenate([[0], np.flatnonzero(signs == ord("\n")) + 1])
    # The depth at each opening, were there no brackets in texts, less that where the line begins.
    depth = np.arange(1, len(opens) + 1) - np.searchsorted(closes, opens)
    before = np.searchsorted(opens, starts) - np.searchsorted(closes, starts)
    line = np.searchsorted(starts, opens, "right") - 1
    return bool((depth - before[line] > _NESTED).any())


def times_as_text(schema: pa.Schema) -> dict[str, pa.DataType]:
    """The types, by column, where pyarrow found timestamps, with text in place of these."""
    plain = {field.name: _as_text(field.type) for field in schema}
    return {name: dtype for name, dtype in plain.items() if dtype != schema.field(name).type}


def _as_text(dtype: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(dtype):
        return TEXT
    if pa.types.is_list(dtype):
        return pa.list_(_as_text(dtype.value_type))
    if pa.types.is_struct(dtype):
        inside = [dtype.field(at) for at in range(dtype.num_fields)]
        return pa.struct([(field.name, _as_text(field.type)) for field in inside])
    return dtype


def may_have_rounded(array: pa.Array) -> bool:
    """Whether there are floats that may have been integers with more digits."""
    if pa.types.is_floating(array.type):
        return bool((np.abs(to_numpy(array)) >= _EXACT).any())
    if pa.types.is_list(array.type):
        return may_have_rounded(array.flatten())
    return pa.types.is_struct(array.type) and any(map(may_have_rounded, array.flatten()))
