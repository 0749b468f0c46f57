"""Files that appear whole or not at all."""

from __future__ import annotations

import glob
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rebalance.errors import DataError, UsageError


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, and rename it over `path` when the block succeeds.

    On any exception, an interrupt included, the temporary file goes and `path` keeps its bytes.

    Raises
    ------
    DataError : the folder cannot be written to, or the disk is full.
    """
    with replaced_together([path]) as (temporary,):
        yield temporary


@contextmanager
def replaced_together(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Give a temporary path beside each of `paths`; they are renamed only when all are on disk.

    A device or a pipe is written to directly, since nothing there can be replaced; what a symbolic
    link points to is replaced, not the link.

    Raises
    ------
    DataError : a folder cannot be written to, or the disk is full.
    """
    given: list[Path] = []
    temporaries: list[tuple[Path, Path]] = []
    path = Path()  # the one that an error is about
    try:
        for path in paths:
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
        for temporary, path in temporaries:
            temporary.replace(path)
    except BrokenPipeError:  # the reader of another output went away: nothing is wrong here
        raise
    except OSError as exc:
        raise cannot_write(str(path), exc) from exc
    finally:
        for temporary, _ in temporaries:
            temporary.unlink(missing_ok=True)


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


def write_bytes(path: Path, content: bytes) -> None:
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
        replaced; the folder is missing; the path is a folder.
    """
    seen: dict[Path, str] = {}
    sources = [source for given in inputs if given != "-" for source in _matching(given)]
    for output in outputs:
        if output is None or output == "-":
            continue
        path = Path(output)
        if not path.parent.is_dir():
            raise UsageError(
                f"the folder '{path.parent}' does not exist",
                where=f"output '{output}'",
                remedy=f"make it first: mkdir -p '{path.parent}'",
            )
        if path.is_dir():
            raise UsageError(f"'{output}' is a folder", remedy="name a file as output")
        resolved = path.resolve()
        if resolved in seen:
            raise UsageError(
                f"'{output}' is named twice as output", remedy="give each output its own name"
            )
        seen[resolved] = output
        if any(_is_same(source, path) for source in sources):
            raise UsageError(
                f"the output '{output}' is also an input", remedy="write to another file"
            )
        if not clobber and path.exists():
            raise UsageError(
                f"'{output}' is there already and --no-clobber was given",
                remedy="name another output or leave the option out",
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
