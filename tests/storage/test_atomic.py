"""Files appear whole or not at all, and nothing that must stay is lost."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rebalance.errors import DataError, UsageError
from rebalance.storage.atomic import check_outputs, replaced, replaced_together, write_bytes


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "target"
    path.write_bytes(b"old")
    return path


def test_the_new_file_takes_the_place(old):
    with replaced(old) as temporary:
        assert temporary.parent == old.parent
        temporary.write_bytes(b"new")
        assert old.read_bytes() == b"old"
    assert old.read_bytes() == b"new"
    write_bytes(old, b"newer")
    assert old.read_bytes() == b"newer"
    assert names_in(old.parent) == ["target"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, BrokenPipeError])
def test_any_exception_leaves_the_old_file(old, error):
    def broken():
        with replaced(old) as temporary:
            temporary.write_bytes(b"half")
            raise error

    with pytest.raises(error):
        broken()
    assert old.read_bytes() == b"old"
    assert names_in(old.parent) == ["target"]


def test_an_exception_leaves_nothing_where_nothing_was(tmp_path):
    def broken():
        with replaced(tmp_path / "new"):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert names_in(tmp_path) == []


def test_several_take_their_places_after_all_are_written(tmp_path, old):
    others = [old, tmp_path / "b", tmp_path / "c"]

    def write(error):
        with replaced_together(others) as temporaries:
            for temporary in temporaries:
                temporary.write_bytes(b"new")
            if error:
                raise error

    with pytest.raises(KeyboardInterrupt):
        write(KeyboardInterrupt())
    assert names_in(tmp_path) == ["target"]
    assert old.read_bytes() == b"old"
    write(None)
    assert {path.read_bytes() for path in others} == {b"new"}
    assert names_in(tmp_path) == ["b", "c", "target"]


@pytest.mark.parametrize("bits", [0o600, 0o644, 0o755, 0o444])
def test_the_mode_is_kept(old, bits):
    old.chmod(bits)
    write_bytes(old, b"new")
    assert mode(old) == bits


@pytest.mark.parametrize(("mask", "expected"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_has_the_mode_that_the_user_wants(tmp_path, mask, expected):
    before = os.umask(mask)
    try:
        write_bytes(tmp_path / "new", b"x")
        assert mode(tmp_path / "new") == expected
        assert os.umask(mask) == mask
    finally:
        os.umask(before)


def test_a_device_is_written_to_and_stays_a_device():
    before = Path("/dev/null").stat()
    write_bytes(Path("/dev/null"), b"x")
    with replaced(Path("/dev/null")) as path:
        assert path == Path("/dev/null")
    after = Path("/dev/null").stat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)


def test_a_link_stays_a_link_and_its_target_is_replaced(tmp_path, old):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    link = folder / "link"
    link.symlink_to(old)
    dangling = folder / "dangling"
    dangling.symlink_to(tmp_path / "new")
    for path in (link, dangling):
        write_bytes(path, b"new")
        assert path.is_symlink()
        assert path.read_bytes() == b"new"
    assert names_in(tmp_path) == ["elsewhere", "new", "target"]
    assert names_in(folder) == ["dangling", "link"]


def test_a_long_name_is_no_obstacle(tmp_path):
    path = tmp_path / ("ü" * 120 + ".parquet")  # 248 bytes of at most 255
    write_bytes(path, b"x")
    assert path.read_bytes() == b"x"


def test_the_folder_is_missing(tmp_path):
    with pytest.raises(DataError, match=r"cannot write: No such file.*missing/t.*another place"):
        write_bytes(tmp_path / "missing" / "t", b"x")


def test_the_target_is_a_folder(tmp_path):
    with pytest.raises(DataError, match="cannot write: Is a directory"):
        write_bytes(tmp_path, b"x")


FILL = """
import sys
from pathlib import Path
from rebalance.errors import DataError
from rebalance.storage.atomic import write_bytes
try:
    write_bytes(Path(sys.argv[1]), bytes(100_000))
except DataError as exc:
    print(exc)
"""


def test_a_full_disk(old):
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(old)],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000)),
    )
    assert done.stdout.startswith(f"cannot write: File too large, file '{old}'")
    assert old.read_bytes() == b"old"
    assert names_in(old.parent) == ["target"]


def test_outputs_that_are_fine(tmp_path, old):
    check_outputs([str(old), None, "-", str(tmp_path / "new")], ["-", str(tmp_path / "input")])
    check_outputs([str(tmp_path / "new")], [str(old)], clobber=False)


@pytest.fixture
def refuse(tmp_path):
    def check(outputs, inputs=(), **how):
        with pytest.raises(UsageError) as raised:
            check_outputs(
                [str(tmp_path / output) for output in outputs],
                [str(tmp_path / source) for source in inputs],
                **how,
            )
        return str(raised.value)

    return check


def test_an_output_that_is_also_an_input(tmp_path, refuse, old):
    (tmp_path / "link").symlink_to(old)
    (tmp_path / "hard").hardlink_to(old)
    folder = tmp_path.name
    for output, source in [
        ("target", "target"),
        ("target", f"../{folder}/target"),
        ("link", "target"),
        ("target", "link"),
        ("hard", "target"),
        ("target", "t*"),
        ("target", "**/targ?t"),
    ]:
        assert "is also an input" in refuse([output], [source])
    assert "is also an input" in refuse(["new"], ["new"])  # though it is not there


def test_an_output_in_a_folder_that_is_an_input(tmp_path, refuse):
    (tmp_path / "data" / "day=1").mkdir(parents=True)
    for output, source in [
        ("data/new.csv", "data"),
        ("data/day=1/new.csv", "data"),
        ("data/day=1/new.csv", "data/day=*"),
    ]:
        assert "would lie among the inputs" in refuse([output], [source])
    check_outputs([str(tmp_path / "data.csv")], [str(tmp_path / "data")])
    check_outputs([str(tmp_path / "data" / "new.csv")], [str(tmp_path / "data" / "day=1")])


def test_an_output_named_twice(refuse, tmp_path):
    assert "named twice as output" in refuse(["a", f"../{tmp_path.name}/a"])


def test_no_clobber(refuse, old):
    assert "is there already and --no-clobber was given" in refuse(["new", "target"], clobber=False)


def test_a_missing_folder_and_a_folder(refuse, tmp_path):
    assert "does not exist" in refuse(["missing/t"])
    assert f"mkdir -p '{tmp_path / 'missing'}'" in refuse(["missing/t"])
    assert "is a folder" in refuse(["."])
