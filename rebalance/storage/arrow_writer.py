"""Arrow IPC files, open for writing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa


class ArrowOutput:
    """An Arrow IPC file (Feather version 2), whose buffers LZ4 compresses."""

    def __init__(self, path: Path, first: pa.Table, metadata: Mapping[str, str]) -> None:
        known = dict(first.schema.metadata or {})
        known |= {key.encode(): text.encode() for key, text in metadata.items()}
        self._schema = first.schema.with_metadata(known)
        self._has_dictionaries = any(map(_has_dictionary, self._schema.types))
        self._last: list[pa.RecordBatch] = []
        self._file = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_file(
            self._file,
            self._schema,
            options=pa.ipc.IpcWriteOptions(compression="lz4", emit_dictionary_deltas=True),
        )

    def put(self, group: pa.Table) -> None:
        """Write rows as one record batch.

        A dictionary begins as the one before did: a file can only add to it.
        """
        rows = group.replace_schema_metadata(self._schema.metadata).to_batches()
        table = pa.Table.from_batches([*self._last, *rows]).unify_dictionaries()
        for batch in table.slice(len(self._last)).combine_chunks().to_batches():
            self._writer.write_batch(batch)
            if self._has_dictionaries:
                self._last = [batch.slice(0, 1)]

    def end(self) -> None:
        """Write the footer."""
        if not self._file.closed:
            self._writer.close()
            self._file.close()


def _has_dictionary(dtype: pa.DataType) -> bool:
    if isinstance(dtype, pa.BaseExtensionType):
        return _has_dictionary(dtype.storage_type)
    if pa.types.is_dictionary(dtype):
        return True
    inside = range(dtype.num_fields) if pa.types.is_nested(dtype) else ()
    return any(_has_dictionary(dtype.field(at).type) for at in inside)
