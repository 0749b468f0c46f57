"""Tables of other systems, fetched to a temporary folder before they are read."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections import deque
from collections.abc import Callable, Container, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypeVar
from urllib.parse import unquote

from rebalance.errors import DataError, UsageError
from rebalance.storage.atomic import cannot_write
from rebalance.storage.formats import file_format
from rebalance.storage.listing import RemoteFile, expand
from rebalance.storage.refusals import failures
from rebalance.storage.remote import Address, connect, is_uri

T = TypeVar("T")
Answer: TypeAlias = "Future[Any]"

BLOCK = 8 << 20  # bytes that are asked for at a time
AHEAD = 8  # blocks that are on their way, or wait to be written
_LOOK = 0.5  # seconds between two looks for an answer


@dataclass(frozen=True)
class Fetched:
    """What stands for the inputs here, and the address of each file that was fetched.

    inputs : a local file, folder or pattern for each URI, the others as they were; in their order.
    """

    inputs: tuple[str, ...]
    titles: Mapping[Path, str]


@dataclass(frozen=True)
class _Copy:
    """A file, and where its bytes go here."""

    file: RemoteFile
    place: Path

    @property
    def has_blocks(self) -> bool:
        """Whether parts of it can be asked for; all web servers give is the whole."""
        return self.file.size is not None and not self.file.address.is_web

    @property
    def starts(self) -> Sequence[int]:
        """Where the blocks of the file begin."""
        return range(0, self.file.size or 0, BLOCK) if self.has_blocks else ()

    def ask(self) -> Answer | None:
        """Ask what the file is like now."""
        return _begun(self.file.address, "info")

    def check(self, answer: Answer | None) -> None:
        """Check that what came is what was listed."""
        info = None
        if answer is not None:
            with suppress(*failures()):  # asked again below, with patience
                info = _waited(answer)
        _check_unchanged(self.file, info or self.file.address.info())
        came = self.place.stat().st_size
        if self.file.size is not None and came != self.file.size:
            raise DataError(
                f"{came} bytes came of {self.file.size}",
                where=f"file '{self.file.address.uri}'",
                remedy="run the command again",
            )


@dataclass(frozen=True)
class _Block:
    """Consecutive bytes of a file."""

    copy: _Copy
    start: int

    @property
    def bounds(self) -> dict[str, int]:
        return {"start": self.start, "end": min(self.start + BLOCK, self.copy.file.size or 0)}

    def ask(self) -> Answer | None:
        """Ask for the bytes."""
        return _begun(self.copy.file.address, "cat_file", **self.bounds)

    def take(self, answer: Answer | None) -> bytes:
        """The bytes that were asked for; asked for again where the answer was cut short."""
        address = self.copy.file.address
        first = [answer]

        def work() -> bytes:
            asked = first.pop() if first else None
            if asked is not None:
                return bytes(_waited(asked))
            return bytes(address.system.cat_file(address.path, **self.bounds))

        try:
            return address.attempt(work)
        except DataError:
            _check_unchanged(self.copy.file, address.info())  # a change explains it better
            raise


def fetch(inputs: Sequence[str], folder: Path) -> Fetched:
    """Fetch the files that URIs name into `folder`, below it the path that each had there.

    Raises
    ------
    UsageError : see `remote.connect`; a file is named twice, or its format is not known.
    DataError : nothing is there, it cannot be read, it changed meanwhile, or there is no room.
    """
    stand_ins: list[str] = []
    copies: list[_Copy] = []
    for given in inputs:
        if is_uri(given):
            files = expand(given)
            for file in files:
                file_format(file.address.uri)
            root = _root(folder, files, {copy.place for copy in copies})
            copies += [_Copy(file, root / _relative(file.address.uri)) for file in files]
            stand_ins.append(str(root / _relative(connect(given).uri)))
        else:
            stand_ins.append(given)
    _refuse_twice(copy.file for copy in copies)
    _check_room((copy.file for copy in copies), folder)
    _fetch(copies)
    return Fetched(tuple(stand_ins), {copy.place: copy.file.address.uri for copy in copies})


def _root(folder: Path, files: Iterable[RemoteFile], taken: Container[Path]) -> Path:
    """Where nothing is in the way: addresses may differ in what a file's name does not hold."""
    relative = [_relative(file.address.uri) for file in files]
    return next(
        root
        for root in (folder / str(number) for number in itertools.count())
        if not any(root / path in taken for path in relative)
    )


def _relative(uri: str) -> Path:
    """Where a file lies below the folder: what its address says, and nothing outside of it."""
    scheme, _, path = uri.partition("://")
    parts = [unquote(part) if scheme.startswith("http") else part for part in path.split("/")]
    safe = [part.replace("/", "_") for part in parts if part not in {"", "."}]
    return Path(*("_" if part == ".." else part for part in safe))


def _refuse_twice(files: Iterable[RemoteFile]) -> None:
    seen = set()
    for file in files:
        if file.address.identity in seen:
            raise UsageError(
                f"the file '{file.address.uri}' is named twice as input",
                remedy="its rows would count twice; leave one out",
            )
        seen.add(file.address.identity)


def _check_room(files: Iterable[RemoteFile], folder: Path) -> None:
    needed = sum(file.size or 0 for file in files)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"there is no room to fetch {needed / 1e6:,.1f} MB: {free / 1e6:,.1f} MB are free",
            where=f"folder '{folder.parent}'",
            remedy="name a folder with more room by TMPDIR, or read fewer files",
        )


def _fetch(copies: Sequence[_Copy]) -> None:
    """Several blocks are on their way at a time, and are written in the order of the files."""
    for copy in copies:
        try:
            copy.place.parent.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise cannot_write(str(copy.place), exc) from exc
        _write(copy.place, b"", "wb")
        if not copy.has_blocks:
            copy.file.address.attempt(partial(_stream, copy))
    blocks = (_Block(copy, start) for copy in copies for start in copy.starts)
    with closing(_ahead(blocks, _Block.ask)) as asked:
        for block, answer in asked:
            _write(block.copy.place, block.take(answer))
    with closing(_ahead(copies, _Copy.ask)) as looked:
        for copy, answer in looked:
            copy.check(answer)


def _ahead(
    things: Iterable[T], ask: Callable[[T], Answer | None]
) -> Generator[tuple[T, Answer | None]]:
    """The things and what was asked for them, some ahead of whoever takes the answers.

    No thread of ours waits for an answer: an interrupt would have to wait for it, too.
    """
    waiting: deque[tuple[T, Answer | None]] = deque()
    try:
        for thing in things:
            waiting.append((thing, ask(thing)))
            if len(waiting) == AHEAD:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        for _, answer in waiting:
            if answer is not None:
                answer.cancel()


def _begun(address: Address, name: str, **options: int) -> Answer | None:
    """An answer on its way, from a system that can be asked several things at a time."""
    if not address.system.async_impl:
        return None
    asking = getattr(address.system, f"_{name}")(address.path, **options)
    return asyncio.run_coroutine_threadsafe(asking, address.system.loop)


def _waited(answer: Answer) -> Any:
    """The answer; looked for again and again, since some signals wake no thread that waits."""
    while True:
        try:
            return answer.result(timeout=_LOOK)
        except TimeoutError:
            if answer.done():  # its own, not ours; or it came just now
                return answer.result()


def _stream(copy: _Copy) -> None:
    address = copy.file.address
    _write(copy.place, b"", "wb")
    with address.system.open(address.path, "rb", block_size=0, size=copy.file.size) as source:
        while block := source.read(BLOCK):
            _write(copy.place, block)


def _check_unchanged(file: RemoteFile, info: Mapping[str, Any] | None) -> None:
    if info is None or RemoteFile.from_info(file.address, info) != file:
        raise DataError(
            "the file changed while it was fetched",
            where=f"file '{file.address.uri}'",
            remedy="run the command again when nothing writes to it",
        )


def _write(place: Path, block: bytes, mode: str = "ab") -> None:
    try:
        with place.open(mode) as stream:
            stream.write(block)
    except OSError as exc:
        raise cannot_write(str(place), exc) from exc
