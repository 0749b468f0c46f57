"""JSON lines as a source of record batches: an object a line, a column for each key.

pyarrow reads blocks of lines in several threads. Where it would lose something, or does not know
what to say of an error, Python's json reads the block instead, much more slowly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from rebalance.errors import DataError
from rebalance.storage.fields import TEXT
from rebalance.storage.headers import DAMAGE, damaged, open_bytes
from rebalance.storage.json_blocks import Block, may_have_rounded, read_block, times_as_text
from rebalance.storage.json_objects import OLD_NEW, parse_block
from rebalance.storage.json_shapes import Shape, as_type, shape_of_array, shape_of_values
from rebalance.storage.parallel import in_order
from rebalance.storage.regrouped import regrouped
from rebalance.storage.schemas import check_names

_BLOCK = 8 << 20
_LONGEST_LINE = 64 << 20
_MARK = b"\xef\xbb\xbf"


class JsonFiles:
    """Files of JSON lines; a key that an object has not is null in its row.

    Types are decided over all rows of all files. Texts that are all written as times are times,
    and stay text as long as nobody asks for a time.
    """

    is_text = True
    unit_bytes = 8 * _BLOCK
    metadata: Mapping[bytes, bytes] = {}
    codec: str | None = None
    stored: Mapping[str, pa.DataType] = {}

    def __init__(self, paths: Sequence[Path], titles: Mapping[Path, str]) -> None:
        self._titles = titles
        self._rows = 0
        self._pins: Mapping[str, pa.DataType] = {}
        shapes: dict[str, Shape] = {}
        for path in paths:
            for rows, found in in_order(self._look, self._blocks(path)):
                self._rows += rows
                for name, shape in found.items():
                    shapes.setdefault(name, Shape()).merge(shape)
        if self._rows and not shapes:
            raise DataError(
                "no object has a key, so there is no column",
                where=f"file '{titles[paths[0]]}'",
                remedy="check how it was made",
            )
        check_names(list(shapes), titles[paths[0]])
        types = {name: shape.dtype() for name, shape in shapes.items()}
        self.schema: pa.Schema = pa.schema(list(types.items()))
        # A time stays the text that it is in the file.
        self._types = {
            name: TEXT if pa.types.is_temporal(dtype) else dtype for name, dtype in types.items()
        }
        turned = {name: shape.turned() for name, shape in shapes.items()}
        self.turned: Mapping[str, str] = {
            name: text for name, text in turned.items() if text is not None
        }

    def count(self) -> int:
        """The number of rows, known since the types were decided."""
        return self._rows

    def read(
        self, path: Path, columns: Sequence[str], batch_rows: int, *, coded: bool
    ) -> Iterator[pa.RecordBatch]:
        """The rows of one file, `columns` in this order."""
        schema = pa.schema([(name, self._types[name]) for name in columns])
        work = partial(self._rows_of, schema)
        yield from regrouped(in_order(work, self._blocks(path)), batch_rows)

    def _look(self, block: Block) -> tuple[int, dict[str, Shape]]:
        """The number of rows in a block, and the shapes of their values by column."""
        rows = read_block(block, self._pins)
        if rows is not None and (times := times_as_text(rows.schema)):
            if block.line == 1:  # more would let the columns' order depend on the threads
                self._pins = self._pins or times
            again = read_block(block, {**self._pins, **times})
            rows = again.select(rows.schema.names) if again is not None else None
        if rows is not None and not any(map(may_have_rounded, rows.columns)):
            shapes = map(shape_of_array, rows.columns)
            return rows.num_rows, dict(zip(rows.schema.names, shapes, strict=True))
        values: dict[str, list[Any]] = {}
        objects = parse_block(block, self._titles[block.path])
        for found in objects:
            for name, value in found.items():
                values.setdefault(name, []).append(value)
        return len(objects), {name: shape_of_values(found) for name, found in values.items()}

    def _rows_of(self, schema: pa.Schema, block: Block) -> pa.RecordBatch:
        """The rows of a block."""
        types = dict(zip(schema.names, schema.types, strict=True))
        rows = read_block(block, types, nothing_else=True)
        if rows is not None:
            return rows.select(schema.names)
        objects = parse_block(block, self._titles[block.path])
        columns = [
            pa.array([as_type(found.get(name), dtype) for found in objects], dtype)
            for name, dtype in types.items()
        ]
        return pa.RecordBatch.from_arrays(columns, schema=schema)

    def _blocks(self, path: Path) -> Iterator[Block]:
        """The lines of a file, unpacked, so many at a time."""
        rest, line = b"", 1
        try:
            with open_bytes(path) as stream:
                while block := stream.read(_BLOCK):
                    rest += block
                    if line == 1:
                        rest = rest.removeprefix(_MARK)
                    end = rest.rfind(b"\n") + 1
                    if end:
                        yield Block(path, line, rest[:end])
                        line += rest.count(b"\n", 0, end)
                        rest = rest[end:]
                    elif len(rest) > _LONGEST_LINE:
                        raise DataError(
                            f"the line is longer than {_LONGEST_LINE >> 20} MiB",
                            where=f"file '{self._titles[path]}', line {line}",
                            remedy=f"write one object a line: jq -c . {OLD_NEW}",
                        )
        except PermissionError:
            raise
        except DAMAGE as exc:
            raise damaged(self._titles[path], exc) from exc
        if rest:
            yield Block(path, line, rest)
