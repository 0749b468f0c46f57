"""Temporary folders, and text that is unpacked and turned into UTF-8 in one."""

from __future__ import annotations

import codecs
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from rebalance.errors import DataError
from rebalance.storage.atomic import cannot_write

_BLOCK = 1 << 20


class Spool:
    """A temporary folder that goes with its owner, at the end of the process at the latest."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="rebalance-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


class Readable(Protocol):
    """Bytes that come in blocks."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, so many at the most; none at the end."""


def is_utf8(encoding: str) -> bool:
    """Whether text of this encoding is UTF-8 as it stands."""
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii")


def spool_as_utf8(stream: Readable, target: Path, title: str, encoding: str) -> None:
    """Copy text into a file, in UTF-8.

    Raises
    ------
    DataError : the text is not of this encoding, or there is no room for the copy.
    OSError, EOFError : the stream is damaged.
    """
    blocks = iter(lambda: stream.read(_BLOCK), b"")
    with target.open("wb") as copy:
        for block in blocks if is_utf8(encoding) else _decoded(blocks, title, encoding):
            try:
                copy.write(block)
            except OSError as exc:
                raise cannot_write(tempfile.gettempdir(), exc) from exc


def _decoded(blocks: Iterator[bytes], title: str, encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    lines = 1
    ended = False
    while not ended:
        block = next(blocks, b"")
        ended = not block
        state = decoder.getstate()
        try:
            text = decoder.decode(block, final=ended)
            encoded = text.encode()
        except UnicodeError as exc:
            decoder.setstate(state)
            raise DataError(
                f"the text is not {encoding}",
                where=f"file '{title}', line {lines + _lines_before_failure(decoder, block)}",
                remedy="name the encoding that it has with --encoding",
            ) from exc
        lines += text.count("\n")
        yield encoded


def _lines_before_failure(decoder: codecs.IncrementalDecoder, block: bytes) -> int:
    """The line breaks before the first byte that cannot be decoded."""
    lines = 0
    try:
        for at in range(len(block)):
            lines += decoder.decode(block[at : at + 1]).count("\n")
    except UnicodeError:
        pass
    return lines
