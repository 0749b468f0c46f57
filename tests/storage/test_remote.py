"""Files of other systems: found, fetched, verified, written whole, and refused in words."""

from __future__ import annotations

import gc
import glob
import gzip
import io
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalance.errors import ArtifactError, DataError, RebalanceError, UsageError
from rebalance.storage import fetched, remote
from rebalance.storage.artifacts import artifact_bytes
from rebalance.storage.atomic import check_outputs, replaced_together, write_bytes
from rebalance.storage.fetched import fetch
from rebalance.storage.inputs import open_table
from rebalance.storage.listing import expand
from rebalance.storage.refusals import refusal
from rebalance.storage.remote import connect, exists, read_bytes
from tests.servers import Web, s3_environment, s3_server, web_server


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with s3_server("bucket"):
        yield "s3://bucket"


@pytest.fixture
def memory() -> str:
    return "memory://bucket"


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setattr(remote, "FIRST_WAIT", 0.01)
    with web_server() as server:
        yield server


def put(store: str, *names: str) -> None:
    for name in names:
        write_bytes(f"{store}/{name}", name.encode())


TREE = (
    "a.csv", "b[1].csv", "day=1/a.csv", "day=2/b.csv", "day=2/hour=3/c.csv", "day=2/_SUCCESS",
    "day=2/.b.csv.crc", ".hidden.csv",
)  # fmt: skip


@pytest.fixture(scope="module", params=["s3", "memory"])
def tree(request: pytest.FixtureRequest, s3: str) -> str:
    """The root of an object store with some files in it."""
    root = f"{request.param}://bucket/tree"
    put(root, *TREE)
    return root


@pytest.fixture(params=["s3", "memory"])
def store(request: pytest.FixtureRequest) -> str:
    """The root of an object store; what a test writes there is below its own folder."""
    return f"{request.getfixturevalue(request.param)}/{request.node.name.partition('[')[0]}"


def table(rows: int = 10) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table({"x": list(range(rows)), "y": [0, 1] * (rows // 2)}), stream)
    return stream.getvalue()


def message(error: pytest.ExceptionInfo[RebalanceError]) -> str:
    return str(error.value)


# What a URI names


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("a.csv", ["a.csv"]),
        ("*.csv", ["a.csv", "b[1].csv"]),
        ("b[1].csv", ["b[1].csv"]),  # a file before it is a pattern
        ("[ab].csv", ["a.csv"]),
        ("?.csv", ["a.csv"]),
        ("day=*/*.csv", ["day=1/a.csv", "day=2/b.csv"]),
        ("day=?/[a]*", ["day=1/a.csv"]),
        ("**/*.csv", ["a.csv", "b[1].csv", "day=1/a.csv", "day=2/b.csv", "day=2/hour=3/c.csv"]),
        ("**/day=2/**", ["day=2/_SUCCESS", "day=2/b.csv", "day=2/hour=3/c.csv"]),
        ("day=2", ["day=2/b.csv", "day=2/hour=3/c.csv"]),
        ("day=2/", ["day=2/b.csv", "day=2/hour=3/c.csv"]),
        ("day=[2]", ["day=2/b.csv", "day=2/hour=3/c.csv"]),
        ("day=*/hour=*", ["day=2/hour=3/c.csv"]),
        ("day=2/_SUCCESS", ["day=2/_SUCCESS"]),
    ],
)
def test_files_patterns_and_folders(tree: str, pattern: str, found: list[str]) -> None:
    listed = expand(f"{tree}/{pattern}")
    assert [file.address.uri for file in listed] == [f"{tree}/{name}" for name in found]
    assert [file.size for file in listed] == [len(name) for name in found]


@pytest.mark.parametrize(
    "pattern",
    ["*", "**", "**/*", "*/*", "**/*.csv", "day=?/**", "**/day=2/**", ".*", "[!a]*", "*/.*"],
)
def test_patterns_match_what_they_match_here(tree: str, tmp_path: Path, pattern: str) -> None:
    for name in TREE:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    local = glob.glob(pattern, root_dir=tmp_path, recursive=True)
    files = sorted(name for name in local if (tmp_path / name).is_file())
    assert [file.address.uri for file in expand(f"{tree}/{pattern}")] == [
        f"{tree}/{name}" for name in files
    ]


def test_a_folder_with_more_than_tables(store: str, tmp_path: Path) -> None:
    put(store, "_x=1/a.csv", "_old/a.csv", ".b=1/a.csv", "a.csv", "a.csv.design.json")
    assert [file.address.uri for file in expand(store)] == [f"{store}/_x=1/a.csv", f"{store}/a.csv"]
    put(store, "notes.md")
    with pytest.raises(DataError, match="cannot tell from its name") as error:
        open_table([store])
    assert f"file '{store}/notes.md'" in message(error)
    with pytest.raises(UsageError, match="cannot tell the format of") as usage:
        open_table([f"{store}/*.md"])
    assert f"'{store}/notes.md'" in message(usage)


@pytest.mark.parametrize("name", ["nothing.csv", "*.txt", "nothing/", "no?hing.csv", "a/**/b"])
def test_nothing_is_there(tree: str, name: str) -> None:
    with pytest.raises(DataError, match="there is no file") as error:
        expand(f"{tree}/{name}")
    assert tree in message(error)


def test_a_bucket_that_is_not_there(s3: str) -> None:
    for name in ("a.csv", "*.csv", "**/*.csv"):
        with pytest.raises(DataError, match=r"there is no bucket 'missing'.*check the address"):
            expand(f"s3://missing/folder/{name}")
    with pytest.raises(DataError, match="there is no bucket 'missing'"):
        check_outputs(["s3://missing/out.csv"])


@pytest.mark.parametrize(
    "uri",
    ["s3://", "s3:///", "http:///a.csv", "http://[bad/a.csv", "http://h:99999/a", "https://*/a"],
)
def test_no_address(uri: str) -> None:
    with pytest.raises(UsageError, match="is no address of a file"):
        connect(uri)


def test_schemes_that_are_not_known() -> None:
    with pytest.raises(UsageError, match=r"'sftp://' cannot be read; these can: .*s3://") as error:
        open_table(["SFTP://me:secret@host/a.csv"])
    assert "secret" not in message(error)
    with pytest.raises(UsageError, match="'https://' cannot be written to"):
        check_outputs(["https://host/a.csv"])


@pytest.mark.parametrize(
    ("uri", "package", "extra"),
    [("gs://b/a.csv", "gcsfs", "gcs"), ("https://h/a.csv", "aiohttp", "http")],
)
def test_a_package_that_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, uri: str, package: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=r"package that is not installed") as error:
        open_table([uri])
    assert f"pip install 'rebalance-cli[{extra}]'" in message(error)


@given(st.text(max_size=12))
def test_any_address_is_understood_or_refused(text: str) -> None:
    for scheme in ("memory", "s3", "https"):
        with suppress(UsageError):
            assert connect(f"{scheme}://{text}").uri.startswith(scheme)
    with pytest.raises(RebalanceError):
        expand(f"memory://{text}")


def test_nothing_is_imported_for_local_files(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(table())
    script = (
        "import sys; from rebalance.storage.inputs import open_table; open_table(sys.argv[1:]); "
        "print(sorted({'fsspec', 's3fs', 'botocore', 'aiohttp'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "t.parquet")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


# Fetching


def test_the_path_of_each_file_survives(store: str, tmp_path: Path) -> None:
    put(store, "day=1/a.csv", "day=2/a.csv", "other.csv")
    got = fetch([f"{store}/day=*/a.csv", "local.csv", f"{store}/other.csv"], tmp_path)
    pattern, local, other = got.inputs
    assert local == "local.csv"
    assert pattern.endswith("day=*/a.csv")
    assert Path(other).read_bytes() == b"other.csv"
    for place, uri in got.titles.items():
        name = uri.removeprefix(f"{store}/")
        assert str(place).endswith(name)
        assert place.read_bytes() == name.encode()
    assert len(got.titles) == 3


def test_addresses_that_differ_in_their_query(web: Web, tmp_path: Path) -> None:
    web.files["/a.csv"] = b"x,y\n1,2\n"
    first, second = (f"{web.root}/a.csv?part={part}" for part in "12")
    assert len(fetch([first, second], tmp_path).titles) == 2
    with pytest.raises(UsageError, match="is named twice"):
        fetch([first, first], tmp_path)


def test_files_named_one_by_one_share_what_they_share(store: str, tmp_path: Path) -> None:
    put(store, "year=1/day=1/a.csv", "year=1/day=2/a.csv")
    first, second = fetch([f"{store}/year=1/day={day}/a.csv" for day in "12"], tmp_path).inputs
    assert Path(first).parents[1] == Path(second).parents[1]


def test_an_address_stays_below_the_folder(memory: str, tmp_path: Path) -> None:
    places = [fetched._relative(uri) for uri in ("s3://b/../../x", "https://h/%2e%2e/%2Fetc/x")]
    assert [str(place) for place in places] == ["b/_/_/x", "h/_/_etc/x"]


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 12_345])
def test_blocks_are_put_together(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(fetched, "BLOCK", 1000)
    content = bytes(number * 7 % 251 for number in range(size))
    write_bytes(f"{store}/a.csv", content)
    write_bytes(f"{store}/b.csv", content[::-1])
    got = fetch([f"{store}/*.csv"], tmp_path)
    assert [place.read_bytes() for place in got.titles] == [content, content[::-1]]


def test_no_room(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(store, "a.csv", "b.csv")
    usage = SimpleNamespace(free=9)
    monkeypatch.setattr(fetched.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DataError, match=r"there is no room to fetch .*TMPDIR"):
        fetch([f"{store}/*.csv"], tmp_path)
    assert list(tmp_path.iterdir()) == []
    usage.free = 10
    assert len(fetch([f"{store}/*.csv"], tmp_path).titles) == 2


@pytest.mark.parametrize("after", [b"longer than before", b"A.csv", b"", None])
def test_a_file_that_changes_meanwhile(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bytes | None
) -> None:
    put(store, "a.csv")
    ask = fetched._Block.ask

    def late(block: fetched._Block) -> object:
        address = connect(f"{store}/a.csv")
        if after is None:
            address.system.rm(address.path)
        else:
            write_bytes(f"{store}/a.csv", after)
        return ask(block)

    monkeypatch.setattr(fetched._Block, "ask", late)
    with pytest.raises(DataError, match="the file changed while it was fetched") as error:
        fetch([f"{store}/a.csv"], tmp_path)
    assert f"file '{store}/a.csv'" in message(error)


@pytest.mark.parametrize("scheme", ["http", "s3"])
def test_an_interrupt_waits_for_no_server(web: Web, tmp_path: Path, scheme: str) -> None:
    web.files["/b/a.csv"] = b"x,y\n1,2\n"
    web.plan["/b/a.csv"] = [200, *["stall"] * 9]

    def interrupt() -> None:
        while ("GET", "/b/a.csv") not in web.asked:
            time.sleep(0.01)
        time.sleep(0.1)
        signal.raise_signal(signal.SIGINT)

    with s3_environment(web.root):
        thread = threading.Thread(target=interrupt)
        thread.start()
        before = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            fetch([f"{web.root}/b/a.csv" if scheme == "http" else "s3://b/a.csv"], tmp_path)
        assert time.monotonic() - before < 5  # the server stalls for ten seconds
        thread.join()


def test_fewer_bytes_than_listed(
    memory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(memory, "a.csv")
    monkeypatch.setattr(fetched._Block, "take", lambda block, answer: b"a.c")
    with pytest.raises(DataError, match="3 bytes came of 5"):
        fetch([f"{memory}/a.csv"], tmp_path)


def test_a_table_is_named_by_its_address_and_its_copy_goes(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("a", "b"):
        write_bytes(f"{store}/{name}.parquet", table())
    opened = open_table([f"{store}/*.parquet"])
    assert opened.num_rows == 20
    assert opened.title == f"{store}/a.parquet and 1 more"
    assert len(list(tmp_path.iterdir())) == 1
    del opened
    gc.collect()
    assert list(tmp_path.iterdir()) == []
    write_bytes(f"{store}/c.parquet", table()[:-20])
    with pytest.raises(DataError) as error:
        open_table([f"{store}/c.parquet"])
    assert f"file '{store}/c.parquet'" in message(error)
    assert str(tmp_path) not in message(error)


def test_a_file_named_twice(s3: str) -> None:
    put(f"{s3}/twice", "a.csv")
    with pytest.raises(UsageError, match=r"'s3a://bucket/twice/a\.csv' is named twice as input"):
        open_table([f"{s3}/twice/*.csv", "s3a://bucket/twice/a.csv"])


# Web servers


def test_the_web(web: Web) -> None:
    web.files["/a%20b.parquet"] = web.files["/b.parquet"] = table()
    opened = open_table([f"{web.root}/a b.parquet", f"{web.root}/b.parquet?signature=secret"])
    assert opened.num_rows == 20
    assert opened.title == f"{web.root}/a b.parquet and 1 more"
    with pytest.raises(UsageError, match="is a folder of a web server"):
        open_table([f"{web.root}/data/"])


def test_a_page_lists_what_a_pattern_matches(web: Web, tmp_path: Path) -> None:
    web.headers["Content-Type"] = "text/html"
    names = ["a.csv", "b.csv", "c.txt"]
    page = "".join(f"<a href='{name}'>{name}</a>" for name in [*names, "?C=N", "../", "/d.csv"])
    web.files = {f"/data/{name}": name.encode() for name in names}
    web.files["/data/"] = page.encode()
    got = fetch([f"{web.root}/data/*.csv"], tmp_path)
    assert [place.read_bytes() for place in got.titles] == [b"a.csv", b"b.csv"]


def test_compressed_text_comes_as_it_is_stored(web: Web, tmp_path: Path) -> None:
    web.files["/a.csv.gz"] = gzip.compress(b"x,y\n1,2\n")
    web.headers["Content-Encoding"] = "gzip"  # as some servers say of such files
    (place,) = fetch([f"{web.root}/a.csv.gz"], tmp_path).titles
    assert place.name == "a.csv.gz"
    assert place.read_bytes() == web.files["/a.csv.gz"]


@pytest.mark.parametrize("failure", [500, 503, 429, "cut", "stall"])
def test_what_passes_is_tried_again(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: int | str
) -> None:
    monkeypatch.setattr(remote, "TIMEOUT", 1.0)
    content = bytes(range(256)) * 4000
    web.files["/a.csv"] = content
    web.plan["/a.csv"] = [200, failure, failure]  # the first is what asks for the size
    got = fetch([f"{web.root}/a.csv"], tmp_path)
    assert Path(got.inputs[0]).read_bytes() == content
    assert [command for command, _ in web.asked] == ["HEAD", "GET", "GET", "GET", "HEAD"]


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (500, r"the server failed \(500\), also when tried again.*try later"),
        ("stall", "the server did not answer in time, also when tried again"),
        (404, "there is no file"),
        (410, "there is no file"),
        (403, r"access was refused \(403\).*netrc"),
        (401, r"access was refused \(401\)"),
        (400, "cannot be read: .*check the address"),
    ],
)
def test_what_does_not_pass(
    web: Web, monkeypatch: pytest.MonkeyPatch, failure: int | str, said: str
) -> None:
    monkeypatch.setattr(remote, "TIMEOUT", 0.1)
    web.files["/a.csv"] = b"x,y\n1,2\n"
    web.plan["/a.csv"] = [failure] * 20
    with pytest.raises(DataError, match=said) as error:
        open_table([f"{web.root}/a.csv?signature=secret"])
    assert f"'{web.root}/a.csv'" in message(error)
    # A HEAD and a GET ask for the size; only what may pass is asked again, three times.
    assert len(web.asked) == (8 if failure in {500, "stall"} else 2)


def test_an_answer_that_is_always_cut(web: Web, tmp_path: Path) -> None:
    web.files["/a.csv"] = bytes(10_000)
    web.plan["/a.csv"] = [200, *["cut"] * 4]
    with pytest.raises(DataError, match=r"cannot be read: .*also when tried again"):
        fetch([f"{web.root}/a.csv"], tmp_path)
    assert [command for command, _ in web.asked].count("GET") == 4


def test_no_server(web: Web) -> None:
    with pytest.raises(DataError, match=r"cannot be read: .*check the address and the network"):
        open_table(["http://127.0.0.1:1/a.csv"])


# Object stores that fail


@pytest.fixture
def failing(web: Web) -> Iterator[Web]:
    web.headers["ETag"] = '"1"'
    web.files["/b/a.csv"] = b"x,y\n1,2\n"
    with s3_environment(web.root):
        yield web


def test_a_store_that_cuts_an_answer(failing: Web, tmp_path: Path) -> None:
    failing.plan["/b/a.csv"] = [200, "cut", "cut", "cut"]
    got = fetch(["s3://b/a.csv"], tmp_path)
    assert Path(got.inputs[0]).read_bytes() == b"x,y\n1,2\n"


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (403, r"access was refused \(403\), file 's3://b/a.csv'; check the credentials \(AWS"),
        (503, r"cannot be read: the server failed \(503\), also when tried again"),
        ("stall", "cannot be read: the server did not answer in time"),
    ],
)
def test_a_store_that_fails(
    failing: Web, monkeypatch: pytest.MonkeyPatch, failure: int | str, said: str
) -> None:
    monkeypatch.setattr(remote, "TIMEOUT", 0.2)
    failing.plan["/b/a.csv"] = [failure] * 20
    with pytest.raises(DataError, match=said):
        open_table(["s3://b/a.csv"])
    with pytest.raises(DataError, match=said.replace("read", "written")):
        write_bytes("s3://b/a.csv", b"new")


def test_no_login(failing: Web, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(DataError, match=r"access was refused: .*FSSPEC_S3_ANON=true"):
        open_table(["s3://b/a.csv"])
    assert failing.asked == []


def test_what_google_cloud_storage_says_of_a_refusal() -> None:
    error = refusal("gs://b/a.csv", OSError("Forbidden: b/b/o told so"), "read")
    assert str(error).startswith("access was refused: Forbidden")
    assert "gcloud auth" in str(error)


def test_a_setting_that_makes_no_sense(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_environment("nonsense"), pytest.raises(DataError, match="cannot be read: Invalid"):
        open_table(["s3://b/a.csv"])


# Outputs


def test_an_output_appears_when_it_is_whole(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    write_bytes(f"{store}/a", b"old")
    local = tmp_path / "b"

    def write(error: type[BaseException] | None) -> None:
        with replaced_together([f"{store}/a", local]) as temporaries:
            for temporary in temporaries:
                temporary.write_bytes(b"new")
            if error:
                raise error

    with pytest.raises(KeyboardInterrupt):
        write(KeyboardInterrupt)
    assert read_bytes(f"{store}/a") == b"old"
    assert list(tmp_path.iterdir()) == []
    write(None)
    assert read_bytes(f"{store}/a") == local.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [local]


def test_what_is_not_taken_replaces_nothing(failing: Web, memory: str, tmp_path: Path) -> None:
    failing.plan["/b/a.csv"] = [403] * 9
    local = tmp_path / "local"
    local.write_bytes(b"old")

    def write() -> None:
        with replaced_together([local, f"{memory}/first", "s3://b/a.csv"]) as temporaries:
            for temporary in temporaries:
                temporary.write_bytes(b"new")

    with pytest.raises(DataError, match="access was refused") as error:
        write()
    assert local.read_bytes() == b"old"
    assert f"replaced already: '{memory}/first'" in message(error)
    assert list(tmp_path.iterdir()) == [local]


def test_a_large_output_is_sent_in_parts(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PART", 5 << 20)  # the least that S3 allows
    content = bytes(range(256)) * (12 << 12)
    write_bytes(f"{s3}/large", content)
    assert read_bytes(f"{s3}/large") == content


def test_an_output_that_did_not_arrive_whole(failing: Web) -> None:
    with pytest.raises(DataError, match=r"8 bytes arrived of 3, file 's3://b/a\.csv'"):
        write_bytes("s3://b/a.csv", b"new")


@pytest.mark.parametrize(
    ("output", "source", "said"),
    [
        ("s3a://bucket/a.csv", "s3://bucket/a.csv", "is also an input"),
        ("s3://bucket/d/a.csv", "s3://bucket/d/*.csv", "would lie among the inputs"),
        ("s3://bucket/d/e/a.csv", "s3://bucket/d", "would lie among the inputs"),
        ("s3://bucket/d/e/a.csv", "s3://bucket/**/*.csv", "would lie among the inputs"),
        ("s3://bucket/folder/", "-", "is a folder"),
        ("s3://bucket", "-", "is a folder"),
    ],
)
def test_outputs_that_are_refused(s3: str, output: str, source: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_outputs([output], [source])


def test_outputs_that_are_fine(s3: str, memory: str, tmp_path: Path) -> None:
    check_outputs(
        [f"{s3}/out.csv", f"{memory}/out.csv", str(tmp_path / "out.csv"), "-", None],
        [f"{s3}/d/*.csv", f"{s3}/dout.csv", f"{memory}/in.csv", "s3://elsewhere/out.csv", "-"],
    )
    with pytest.raises(UsageError, match="is named twice as output"):
        check_outputs([f"{s3}/out.csv", "s3a://bucket/out.csv"])


def test_no_clobber(store: str) -> None:
    put(store, "there.csv")
    check_outputs([f"{store}/new.csv"], clobber=False)
    check_outputs([f"{store}/there.csv"])
    with pytest.raises(UsageError, match="is there already and --no-clobber was given"):
        check_outputs([f"{store}/there.csv"], clobber=False)


def test_what_may_not_be_seen(failing: Web) -> None:
    failing.plan["/b/a.csv"] = [403] * 9
    check_outputs(["s3://b/a.csv"])  # to write need not be to see
    assert not exists("s3://b/a.csv")
    with pytest.raises(DataError, match="access was refused"):
        check_outputs(["s3://b/a.csv"], clobber=False)


def test_artifacts_are_read_by_their_address(store: str) -> None:
    put(store, "m.rbl")
    assert artifact_bytes(f"{store}/m.rbl", "model") == b"m.rbl"
    with pytest.raises(ArtifactError, match="the model cannot be read: there is no file"):
        artifact_bytes(f"{store}/missing.rbl", "model")
