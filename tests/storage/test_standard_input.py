"""Standard input: known by its first bytes, kept for a second look, refused if it is no table."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import random
import resource
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rebalance.errors import DataError, RebalanceError, UsageError
from rebalance.storage.inputs import open_table
from rebalance.storage.reading import Reading
from rebalance.storage.spool import Spool
from rebalance.storage.standard_input import keep_standard_input

ROWS = pa.table({"n": [1, 2], "x": ["a", "b"]})


def test_standard_input_is_alone():
    with pytest.raises(UsageError, match="cannot be joined"):
        open_table(["-", "t.csv"])


COUNT = """
import sys
from pathlib import Path
import tempfile
from rebalance.storage.inputs import open_table
from rebalance.errors import RebalanceError
folders = []
make = tempfile.mkdtemp
tempfile.mkdtemp = lambda **how: folders.append(make(**how)) or folders[-1]
try:
    table = open_table(["-"])
    found = [batch.column("n").to_pylist() for _ in range(2) for batch in table.batches()]
    print(found, table.title, all(map(Path.is_dir, map(Path, folders))))
    del table
    print(any(map(Path.exists, map(Path, folders))))
except RebalanceError as exc:
    print(exc)
"""


def piped(content, code=COUNT, **how):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        input=content,
        capture_output=True,
        check=True,
        **how,
    )
    assert done.stderr == b""
    return done.stdout.decode()


def opened(content, monkeypatch):
    """What is read of it twice, in this process."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    table = open_table(["-"])
    return [batch.column("n").to_pylist() for _ in range(2) for batch in table.batches()]


def _arrow(make):
    sink = pa.BufferOutputStream()
    with make(sink, ROWS.schema) as writer:
        writer.write_table(ROWS)
    return sink.getvalue().to_pybytes()


def _parquet():
    sink = pa.BufferOutputStream()
    pq.write_table(ROWS, sink)
    return sink.getvalue().to_pybytes()


TEXT = b"n,x\n1,a\n2,b\n"
LINES = b'{"n":1,"x":"a"}\n{"n":2,"x":"b"}\n'


@pytest.mark.parametrize(
    "content",
    [
        TEXT,
        TEXT.replace(b",", b"\t"),
        gzip.compress(TEXT),
        pa.compress(TEXT, "zstd", asbytes=True),
        _parquet(),
        _arrow(pa.ipc.new_file),
        _arrow(pa.ipc.new_stream),
        LINES,
        b"\xef\xbb\xbf \n" + LINES,
        gzip.compress(LINES),
        bz2.compress(LINES),
        pa.compress(LINES, "zstd", asbytes=True),
    ],
    ids=[
        *("csv", "tsv", "gz", "zst", "parquet", "arrow", "stream"),
        *("json", "mark", "json.gz", "json.bz2", "json.zst"),
    ],
)
def test_standard_input_is_known_by_its_first_bytes_and_read_twice(content, monkeypatch):
    assert opened(content, monkeypatch) == [[1, 2], [1, 2]]


@pytest.mark.parametrize("content", [TEXT, _parquet()], ids=["csv", "parquet"])
def test_a_pipe_is_spooled_and_the_copy_removed(content):
    assert piped(content) == "[[1, 2], [1, 2]] standard input True\nFalse\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty, file 'standard input'"),
        (b"n,x\n1,a,b\n", "more fields (3) than the header (2), file 'standard input', line 2"),
        (_parquet()[:-9], "Parquet file cannot be read"),
        (gzip.compress(TEXT, mtime=0)[:-9], "file cannot be read"),
        (_arrow(pa.ipc.new_file)[:-9], "Arrow file cannot be read"),
        (_arrow(pa.ipc.new_stream)[:-9], "Arrow file cannot be read"),
        (b"FEA1" + bytes(9), "version 1 of Feather"),
        (LINES + b"{", "the line is not JSON"),
        (b'[{"n":1}]', "an array, not an object, file 'standard input', line 1"),
        (gzip.compress(_parquet()), "standard input is a packed .parquet file; unpack it first"),
        (b"PK\x03\x04zip\xff", "a zip archive or an Excel workbook, by its first bytes"),
        (random.Random(1).randbytes(2_000), "neither text nor Parquet nor Arrow"),
        (random.Random(2).randbytes(30), "neither text nor Parquet nor Arrow"),
        (gzip.compress(random.Random(3).randbytes(99)), "neither text nor Parquet nor Arrow"),
        ("n,x\n1,ä\n".encode("latin-1"), "the text is not UTF-8"),
        ("n,x\n1,ä\n".encode("utf-16"), "the text is not UTF-8"),
    ],
    ids=[
        *("nothing", "too many fields", "cut Parquet", "cut gz", "cut Arrow", "cut stream"),
        *("old Feather", "cut JSON", "JSON array", "packed Parquet", "zip", "random", "few random"),
        *("packed random", "Latin-1", "UTF-16"),
    ],
)
def test_bad_standard_input(content, words, monkeypatch):
    with pytest.raises(RebalanceError) as raised:
        opened(content, monkeypatch)
    assert words in str(raised.value)


def test_standard_input_that_is_a_terminal(monkeypatch):
    class Terminal:
        @staticmethod
        def isatty():
            return True

    monkeypatch.setattr(sys, "stdin", Terminal())
    with pytest.raises(UsageError, match="standard input is a terminal"):
        open_table(["-"])


def test_standard_input_that_is_closed(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UsageError, match="standard input is closed"):
        open_table(["-"])


def test_standard_input_that_breaks_off(monkeypatch):
    class Broken(io.RawIOBase):
        def read(self, size=-1):
            raise OSError(errno.EIO, "")

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Broken()))
    with pytest.raises(DataError, match="standard input cannot be read: Input/output error; pipe"):
        open_table(["-"])


def small_disk():
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))


def test_no_room_to_keep_standard_input(tmp_path):
    words = piped(TEXT * 100_000, preexec_fn=small_disk, env={"TMPDIR": str(tmp_path)})
    assert "standard input cannot be kept: File too large" in words
    assert f"folder '{tmp_path}'; name a folder with more room by TMPDIR" in words
    assert list(tmp_path.iterdir()) == []


def test_text_of_another_encoding_that_is_named(monkeypatch, tmp_path):
    path = tmp_path / "in"
    path.write_bytes("n,x\n1,\u0416\n".encode("utf-16"))
    with path.open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        kept = keep_standard_input(spool := Spool(), Reading(encoding="utf-16"))
    assert kept == spool.path / "input.csv"


def test_a_sign_that_the_first_block_cuts(monkeypatch, tmp_path):
    path = tmp_path / "in"
    path.write_text("n\n" + "\x01" + "ü" * 600_000, encoding="utf-8")
    with path.open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        kept = keep_standard_input(spool := Spool(), Reading())
    assert kept == Path(spool.path) / "input.csv"
