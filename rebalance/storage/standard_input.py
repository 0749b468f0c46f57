"""Standard input, kept in a file, since a table may be looked at more than once."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from rebalance.errors import DataError, UsageError
from rebalance.storage.headers import DAMAGE, damaged, open_bytes, refuse_no_text
from rebalance.storage.reading import Reading
from rebalance.storage.spool import Spool, is_utf8

TITLE = "standard input"
_BLOCK = 1 << 20
_PACKINGS = {b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst", b"BZh": ".bz2"}
_BINARY = {
    b"PAR1": ".parquet",
    b"ARROW1": ".arrow",
    b"FEA1": ".arrow",
    b"\xff\xff\xff\xff": ".arrow",
}
_JSON = re.compile(rb"(\xef\xbb\xbf)?\s*(\[\s*)?\{")
_CONTROLS = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")


def keep_standard_input(spool: Spool, reading: Reading) -> Path:
    """Copy standard input to a file that is named by what it is, which its first bytes say.

    Raises
    ------
    UsageError : there is no standard input.
    DataError : it is empty, no table, or there is no room.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError(
            "standard input is a terminal" if sys.stdin else "standard input is closed",
            remedy="pipe a table in, or name a file as INPUT",
        )
    path = spool.path / "input"
    _copy(path)
    with path.open("rb") as stream:
        begin = stream.read(8)
    packing = next((end for magic, end in _PACKINGS.items() if begin.startswith(magic)), "")
    if packing:
        path = path.rename(path.with_suffix(packing))
    return path.rename(path.with_name(f"input{_ending(path, reading)}{packing}"))


def _copy(path: Path) -> None:
    with path.open("wb") as copy:
        while block := _next_block():
            try:
                copy.write(block)
                copy.flush()
            except OSError as exc:
                raise DataError(
                    f"standard input cannot be kept: {os.strerror(exc.errno or 0)}",
                    where=f"folder '{path.parent.parent}'",
                    remedy="name a folder with more room by TMPDIR, or name the file as INPUT",
                ) from exc


def _next_block() -> bytes:
    try:
        return sys.stdin.buffer.read(_BLOCK)
    except OSError as exc:
        raise DataError(
            f"standard input cannot be read: {os.strerror(exc.errno or 0)}",
            remedy="pipe a table in, or name a file as INPUT",
        ) from exc


def _ending(path: Path, reading: Reading) -> str:
    """What a file's name should end in, by how the file begins."""
    try:
        with open_bytes(path) as stream:
            begin = stream.read(_BLOCK)
    except DAMAGE as exc:
        raise damaged(TITLE, exc) from exc
    for magic, ending in _BINARY.items():
        if begin.startswith(magic):
            if path.suffix:
                raise DataError(
                    f"standard input is a packed {ending} file", remedy="unpack it first"
                )
            return ending
    if _JSON.match(begin):
        return ".jsonl"
    if is_utf8(reading.encoding):
        _refuse_binary(begin, path)
    return ".csv"


def _refuse_binary(begin: bytes, path: Path) -> None:
    """Refuse what is neither UTF-8 nor text of another encoding."""
    refuse_no_text(path, TITLE)
    is_text = not _CONTROLS.search(begin) or begin.startswith(_BYTE_ORDER_MARKS)
    if not is_text and not _is_utf8(begin):
        raise DataError(
            "standard input is neither text nor Parquet nor Arrow, by its first bytes",
            remedy="check what is piped in",
        )


def _is_utf8(begin: bytes) -> bool:
    try:
        begin.decode()
    except UnicodeDecodeError as exc:
        return exc.reason == "unexpected end of data" and len(begin) == _BLOCK
    return True
