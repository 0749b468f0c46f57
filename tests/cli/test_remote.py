"""Commands from and to other systems: the same rows and bytes as from files; what is refused."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from rebalance.storage.atomic import write_bytes
from rebalance.storage.remote import exists, read_bytes
from tests.conftest import Invoke, Simulated
from tests.servers import s3_server, web_server


@pytest.fixture(scope="module")
def s3(simulated: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An object store with the simulated table in two files."""
    folder = tmp_path_factory.mktemp("halves")
    with s3_server("bucket"):
        for number, start in enumerate((0, 30_000)):
            pq.write_table(simulated.table.slice(start, 30_000), folder / f"{number}.parquet")
            content = (folder / f"{number}.parquet").read_bytes()
            write_bytes(f"s3://bucket/in/{number}.parquet", content)
        yield "s3://bucket"


@pytest.fixture
def here(s3: str, tmp_path: Path) -> str:
    """A folder with the same files."""
    (tmp_path / "in").mkdir()
    for number in (0, 1):
        content = read_bytes(f"{s3}/in/{number}.parquet")
        (tmp_path / "in" / f"{number}.parquet").write_bytes(content)
    return str(tmp_path)


def steps(root: str, done: Invoke) -> None:
    out = f"{root}/out"
    train, test = f"{out}/train.parquet", f"{out}/test.parquet"
    pilot, sample, model = f"{out}/pilot.rbl", f"{out}/sample.parquet", f"{out}/model.rbl"
    done(["split", f"{root}/in/*.parquet", "-l", "y", "-o", train, "-o", test])
    done(["pilot", train, "-l", "y", "--size", 500, "-o", pilot])
    done(["sample", train, "--pilot", pilot, "--rate", 0.05, "-o", sample])
    done(["train", sample, "--model", "logistic", "-o", model])
    done(["predict", test, "--model", model, "--keep", "y", "-o", f"{out}/predictions.csv"])
    done(["evaluate", f"{out}/predictions.csv", "-l", "y", "--plot", f"{out}/curves.svg"])


@pytest.mark.slow
def test_the_whole_path_is_that_of_files(s3: str, here: str, done: Invoke) -> None:
    (Path(here) / "out").mkdir()
    steps(s3, done)
    steps(here, done)
    names = sorted(path.name for path in (Path(here) / "out").iterdir())
    assert len(names) == 7
    for name in names:
        assert read_bytes(f"{s3}/out/{name}") == (Path(here) / "out" / name).read_bytes(), name


def test_a_design_beside_its_sample(s3: str, tmp_path: Path, done: Invoke) -> None:
    sample = f"{s3}/csv/sample.csv"
    done(["sample", f"{s3}/in/*.parquet", "-l", "y", "--rate", 0.05, "-o", sample])
    assert exists(f"{sample}.design.json")
    done(["train", sample, "--model", "logistic", "-o", tmp_path / "a.rbl"])
    other = tmp_path / "other.csv"
    other.write_bytes(read_bytes(sample))
    design = ["--design", f"{sample}.design.json"]
    done(["train", other, *design, "--model", "logistic", "-o", tmp_path / "b.rbl"])
    assert (tmp_path / "a.rbl").read_bytes() == (tmp_path / "b.rbl").read_bytes()


def test_compressed_text_from_the_web(simulated: Simulated, tmp_path: Path, done: Invoke) -> None:
    plain = tmp_path / "t.csv"
    pcsv.write_csv(simulated.table, plain)
    options = ["-l", "y", "--rate", 0.01, "-o", "-"]
    with web_server() as web:
        web.files["/clicks.csv.gz"] = gzip.compress(plain.read_bytes(), 1)
        shown = done(["sample", f"{web.root}/clicks.csv.gz?signature=secret", *options])
    assert shown.stdout == done(["sample", plain, *options]).stdout


def test_a_table_where_nothing_else_may_be_seen(
    simulated: Simulated, tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    plain = tmp_path / "t.csv"
    pcsv.write_csv(simulated.table.slice(0, 5_000), plain)
    train = ["--natural", "-l", "y", "--model", "logistic", "-o"]
    with web_server() as web:
        web.files["/t.csv"] = plain.read_bytes()
        web.plan["/t.csv.design.json"] = [403] * 9  # what public buckets say of files they lack
        done(["train", f"{web.root}/t.csv", *train, tmp_path / "web.rbl"])
        result = rebalance(["train", f"{web.root}/t.csv", "-o", tmp_path / "no.rbl"])
    done(["train", plain, *train, tmp_path / "plain.rbl"])
    assert (tmp_path / "web.rbl").read_bytes() == (tmp_path / "plain.rbl").read_bytes()
    assert result.exit_code == 4
    assert "design" in result.stderr


def test_partitions_are_columns(s3: str, here: str, done: Invoke) -> None:
    for day in (0, 1):
        content = read_bytes(f"{s3}/in/{day}.parquet")
        write_bytes(f"{s3}/days/day={day}/a.parquet", content)
        folder = Path(here) / "days" / f"day={day}"
        folder.mkdir(parents=True)
        (folder / "a.parquet").write_bytes(content)
    shown = []
    for root in (s3, here):
        for given in (
            ["days"],
            ["days/*/*.parquet"],
            [f"days/day={day}/a.parquet" for day in (0, 1)],
        ):
            inputs = [f"{root}/{name}" for name in given]
            sampled = done(["sample", *inputs, "-l", "y", "--rate", 0.01, "-o", "-"]).stdout
            assert sampled.splitlines()[0].startswith("x1,x2,x3,y,day,")
            shown.append(sampled)
    assert len(set(shown)) == 1


def test_everything_from_a_store_into_a_directory(s3: str, tmp_path: Path, done: Invoke) -> None:
    done(["run", f"{s3}/in/*.parquet", "-l", "y", "--model", "logistic", "-o", tmp_path / "out"])
    assert (tmp_path / "out" / "report.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["profile", "s3://bucket/no.csv", "-l", "y"], 3, "there is no file 's3://bucket/no.csv'"),
        (["profile", "s3://missing/a.csv", "-l", "y"], 3, "there is no bucket 'missing'"),
        (["profile", "s3://bucket/in/0.parquet", "-l", "no"], 3, "file 's3://bucket/in/0.parquet'"),
        (["profile", "ftp://host/a.csv", "-l", "y"], 2, "'ftp://' cannot be read"),
        (
            ["predict", "s3://bucket/in/0.parquet", "--model", "s3://bucket/no.rbl", "-o", "-"],
            4,
            "the model cannot be read: there is no file 's3://bucket/no.rbl'",
        ),
        (
            ["sample", "s3://bucket/in/*", "-l", "y", "--rate", "1", "-o", "s3://bucket/in/2.csv"],
            2,
            "would lie among the inputs",
        ),
        (
            ["sample", "s3://bucket/in/*", "-l", "y", "--rate", "1", "--no-clobber", "-o",
             "s3://bucket/in/0.parquet"],
            2,
            "would lie among the inputs",
        ),
        (["run", "s3://bucket/in/*", "-l", "y", "-o", "s3://bucket/out"], 2, "local directory"),
    ],
)  # fmt: skip
def test_what_is_refused(
    s3: str, rebalance: Invoke, arguments: list[str], code: int, said: str
) -> None:
    result = rebalance(arguments)
    assert result.exit_code == code, result.output
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_process_leaves_nothing_behind(s3: str, tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "rebalance", "sample", f"{s3}/in/*.parquet", "-l", "y", "-q",
        "--positive", "1", "--rate", "0.05", "-o", f"{s3}/process/sample.parquet",
    ]  # fmt: skip
    done = subprocess.run(
        command,
        env=os.environ | {"TMPDIR": str(tmp_path), "PYTHONWARNINGS": "default::ResourceWarning"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == done.stderr == ""
    assert list(tmp_path.iterdir()) == []
    assert exists(f"{s3}/process/sample.parquet")
