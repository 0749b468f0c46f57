"""Files that appear whole or not at all."""

from __future__ import annotations

import glob
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rebalance.errors import DataError, UsageError
from rebalance.storage.listing import fits, is_pattern
from rebalance.storage.remote import connect, exists, is_uri, upload


@contextmanager
def replaced(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, and rename it over `path` when the block succeeds.

    On any exception, an interrupt included, the temporary file goes and `path` keeps its bytes.

    Raises
    ------
    DataError : see `replaced_together`.
    """
    with replaced_together([path]) as (temporary,):
        yield temporary


@contextmanager
def replaced_together(paths: Sequence[str | Path]) -> Iterator[list[Path]]:
    """Give a temporary path beside each of `paths`; they are renamed only when all are on disk.

    A device or a pipe is written to directly, since nothing there can be replaced; what a symbolic
    link points to is replaced, not the link. What goes to a URI is written to the folder for
    temporary files, and sent when all is on disk, before anything is renamed here.

    Raises
    ------
    DataError : a folder cannot be written to, the disk is full, or a system did not take a file.
    """
    given: list[Path] = []
    temporaries: list[tuple[Path, Path]] = []
    uploads: list[tuple[Path, str]] = []
    path = Path()  # the one that an error is about
    try:
        for name in paths:
            if is_uri(str(name)):
                path = Path(tempfile.gettempdir())
                uploads.append((_temporary(path / "upload"), str(name)))
                given.append(uploads[-1][0])
                continue
            path = Path(name)
            if path.exists() and not path.is_file():
                given.append(path)
                continue
            target = path.resolve() if path.is_symlink() else path
            temporary = _temporary(target)
            temporaries.append((temporary, target))
            given.append(temporary)
        yield given
        for temporary, path in temporaries:
            with temporary.open("rb+") as stream:
                os.fsync(stream.fileno())
            temporary.chmod(_mode(path))
        _upload(uploads)
        for temporary, path in temporaries:
            temporary.replace(path)
    except BrokenPipeError:  # the reader of another output went away: nothing is wrong here
        raise
    except OSError as exc:
        raise cannot_write(str(path), exc) from exc
    finally:
        for temporary, _ in [*temporaries, *uploads]:
            temporary.unlink(missing_ok=True)


def _upload(uploads: Sequence[tuple[Path, str]]) -> None:
    """Send files one after the other: of several, those before one that fails are replaced."""
    for position, (local, uri) in enumerate(uploads):
        try:
            upload(local, uri)
        except DataError as exc:
            done = ", ".join(f"'{name}'" for _, name in uploads[:position])
            remedy = exc.remedy + (f"; replaced already: {done}" if done else "")
            raise DataError(exc.what, where=exc.where, remedy=remedy) from exc


def check_artifact(output: str) -> None:
    """Refuse an artifact on standard output.

    Raises
    ------
    UsageError : the output is `-`.
    """
    if output == "-":
        raise UsageError(
            "an artifact cannot go to standard output", remedy="name a file with --output"
        )


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a whole file at once, replacing what was there only when all of it is on disk."""
    with replaced(path) as temporary:
        temporary.write_bytes(content)


def check_outputs(
    outputs: Sequence[str | None], inputs: Sequence[str] = (), *, clobber: bool = True
) -> None:
    """Refuse, before any work, outputs that would be lost or would destroy an input.

    Raises
    ------
    UsageError : an output is also an input or named twice; a file is there and must not be
        replaced; the folder is missing; the path is a folder; a URI that cannot be written to.
    DataError : the system of a URI cannot be asked, or it has no such bucket.
    """
    seen: set[object] = set()
    local = [given for given in inputs if given != "-" and not is_uri(given)]
    sources = [source for given in local for source in _matching(given)]
    for output in outputs:
        if output is None or output == "-":
            continue
        if is_uri(output):
            this: object = _check_uri(output, inputs)
        else:
            this = _check_path(output, sources)
            _check_apart(Path(output), local)
        if this in seen:
            raise UsageError(
                f"'{output}' is named twice as output", remedy="give each output its own name"
            )
        seen.add(this)
        # Asked for any URI: a bucket that is not there is better known before the work than after.
        there = exists(output, sure=not clobber) if is_uri(output) else Path(output).exists()
        if there and not clobber:
            raise UsageError(
                f"'{output}' is there already and --no-clobber was given",
                remedy="name another output or leave the option out",
            )


def _check_path(output: str, sources: Sequence[Path]) -> Path:
    """The file that an output names, once sure that it can go there."""
    path = Path(output)
    if not path.parent.is_dir():
        raise UsageError(
            f"the folder '{path.parent}' does not exist",
            where=f"output '{output}'",
            remedy=f"make it first: mkdir -p '{path.parent}'",
        )
    if path.is_dir():
        raise UsageError(f"'{output}' is a folder", remedy="name a file as output")
    if any(_is_same(source, path) for source in sources):
        raise UsageError(f"the output '{output}' is also an input", remedy="write to another file")
    for source in sources:
        if source.is_dir() and source.resolve() in path.resolve().parents:
            raise _among_inputs(output, str(source))
    return path.resolve()


def _check_apart(path: Path, inputs: Sequence[str]) -> None:
    """Refuse an output that the next run would read among its inputs."""
    names = path.resolve().parts
    for given in inputs:
        folder = Path(given)
        if folder.is_dir():
            is_below = folder.resolve() in path.resolve().parents
        else:
            is_below = not folder.exists() and fits(names, folder.absolute().parts)
        if is_below:
            raise UsageError(
                f"the output '{path}' would lie among the inputs '{given}'",
                remedy="write it elsewhere: the next run would read it",
            )


def _check_uri(output: str, inputs: Sequence[str]) -> tuple[str, str]:
    """What an output's address stands for, once sure that it is none of the inputs."""
    address = connect(output, writing=True)
    names = address.path.strip("/").split("/")
    if output.endswith("/") or len(names) < 2:
        raise UsageError(f"'{output}' is a folder", remedy="name a file as output")
    for given in filter(is_uri, inputs):
        source = connect(given)
        if source.identity == address.identity:
            raise UsageError(
                f"the output '{output}' is also an input", remedy="write to another file"
            )
        pattern = source.path.strip("/").split("/")
        is_below = (
            fits(names, pattern) if is_pattern(source.path) else fits(names, [*pattern, "**"])
        )
        if source.identity[0] == address.identity[0] and is_below:
            raise _among_inputs(output, given)
    return address.identity


def _among_inputs(output: str, inputs: str) -> UsageError:
    return UsageError(
        f"the output '{output}' would lie among the inputs '{inputs}'",
        remedy="write it elsewhere: the next run would read it",
    )


def cannot_write(name: str, exc: OSError) -> DataError:
    """The error that says which output could not be written, and why."""
    reason = os.strerror(exc.errno) if exc.errno else str(exc)
    return DataError(
        f"cannot write: {reason}",
        where=f"file '{name}'",
        remedy="the old file, if there was one, is as it was; make room or name another place",
    )


def _temporary(path: Path) -> Path:
    # Part of the name only: with the rest around it, a long one would be longer than systems allow.
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".part", dir=path.parent)
    os.close(handle)
    return Path(name)


def _mode(path: Path) -> int:
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _matching(given: str) -> list[Path]:
    """The files that an input names: itself, or what a pattern matches."""
    if Path(given).exists():
        return [Path(given)]
    return [Path(name) for name in glob.glob(given, recursive=True)] or [Path(given)]


def _is_same(source: Path, path: Path) -> bool:
    """Whether two paths are one file, by a link or another spelling too."""
    if source.exists() and path.exists():
        return source.samefile(path)
    return source.resolve() == path.resolve()
