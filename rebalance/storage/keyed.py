"""Files whose folders' names are columns: year=2024/month=1 gives two to every row below."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from rebalance.core.arrays import texts_to_arrow, to_arrow
from rebalance.storage.tables import Source
from rebalance.storage.text_schema import TextSchema

_INTEGER = re.compile("-?(0|[1-9][0-9]{0,17})")

Keys = Mapping[str, str | None]


class KeyedFiles:
    """The files of another source with columns after their own, one for each key.

    A key is int64 where all its values are written as integers without leading zeros, else text.
    Where the files have a column of its name themselves, that one counts.
    """

    def __init__(self, source: Source, keys: Mapping[Path, Keys]) -> None:
        self._source = source
        self._keys = keys
        self._names = list(source.schema.names)
        first = next(iter(keys.values()))
        self._types = {
            name: _type_of(found[name] for found in keys.values())
            for name in first
            if name not in self._names
        }
        self.is_text = source.is_text
        self.unit_bytes = source.unit_bytes
        self.metadata = source.metadata
        self.stored = source.stored
        schema = source.schema
        for name, dtype in self._types.items():
            if isinstance(schema, TextSchema):
                schema.add(name, dtype)
            else:
                schema = schema.append(pa.field(name, dtype))
        self.schema: pa.Schema = schema

    @property
    def turned(self) -> Mapping[str, str]:
        """Columns that begin as numbers and are text, with the first value that is no number."""
        return self._source.turned

    @property
    def codec(self) -> str | None:
        """What compresses most columns of Parquet files."""
        return self._source.codec

    def count(self) -> int:
        """The number of rows of all files."""
        return self._source.count()

    def read(
        self, path: Path, columns: Sequence[str], batch_rows: int, *, coded: bool
    ) -> Iterator[pa.RecordBatch]:
        """The rows of one file, `columns` in this order."""
        own = [name for name in columns if name not in self._types] or self._names[:1]
        for rows in self._source.read(path, own, batch_rows, coded=coded):
            fields, arrays = [], []
            for name in columns:
                if name in self._types:
                    fields.append(pa.field(name, self._types[name]))
                    arrays.append(self._column(path, name, rows.num_rows))
                else:
                    fields.append(rows.schema.field(name))
                    arrays.append(rows.column(name))
            schema = pa.schema(fields, metadata=rows.schema.metadata)
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _column(self, path: Path, name: str, rows: int) -> pa.Array:
        value, dtype = self._keys[path][name], self._types[name]
        if value is None:
            return pa.nulls(rows, dtype)
        if dtype == pa.int64():
            return to_arrow(np.full(rows, int(value)))
        return pa.repeat(texts_to_arrow([value])[0], rows)


def _type_of(values: Iterable[str | None]) -> pa.DataType:
    filled = [value for value in values if value is not None]
    whole = filled and all(_INTEGER.fullmatch(value) for value in filled)
    return pa.int64() if whole else pa.string()
