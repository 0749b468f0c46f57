"""Files that are called CSV and are something else: one clear error."""

from __future__ import annotations

import gzip
import io
import pickle
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rebalance.errors import DataError
from rebalance.storage.inputs import open_table


def archive() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        packed.writestr("t.csv", "a,b\n1,2\n")
    return stream.getvalue()


def parquet() -> bytes:
    stream = pa.BufferOutputStream()
    pq.write_table(pa.table({"x": [1]}), stream)
    content: bytes = stream.getvalue().to_pybytes()
    return content


def arrow() -> bytes:
    stream = pa.BufferOutputStream()
    table = pa.table({"x": [1]})
    with pa.ipc.new_file(stream, table.schema) as writer:
        writer.write_table(table)
    content: bytes = stream.getvalue().to_pybytes()
    return content


def database() -> bytes:
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE t (x)")
        return connection.serialize()


def image() -> bytes:
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\x90wS\xde"


def noise() -> bytes:
    return np.random.default_rng(1).bytes(5_000) + bytes(10)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (image, ["PNG image"]),
        (archive, ["zip archive", "Excel"]),
        (parquet, ["a Parquet file"]),
        (arrow, ["an Arrow file"]),
        (database, ["SQLite"]),
        (lambda: gzip.compress(b"a,b\n1,2\n"), ["packed by gzip", "end its name"]),
        (lambda: pickle.dumps([1, 2], protocol=4), ["Python pickle"]),
        (lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", ["PDF"]),
        (lambda: b"\x02\0\0\0\xff" + bytes(100), ["binary data"]),
    ],
)
def test_no_text(tmp_path: Path, make: Callable[[], bytes], words: list[str]) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(make())
    with pytest.raises(DataError) as raised:
        open_table([str(path)])
    message = str(raised.value)
    expected = ["the file is not text", "t.csv", *words]
    assert [word for word in expected if word not in message] == [], message


def test_noise_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(noise())
    with pytest.raises(DataError, match=r"not text|not UTF-8"):
        open_table([str(path)])


@pytest.mark.parametrize("header", ["PAR1,b", "BZh,b", "GIF8,b", "%PDF,b", "ARROW1,ü", "PK,b"])
def test_a_header_that_begins_like_another_file(tmp_path: Path, header: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"{header}\n1,2\n")
    assert open_table([str(path)]).names == header.split(",")
