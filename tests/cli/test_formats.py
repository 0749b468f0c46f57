"""Every command on every format: the same rows, the same probabilities, and designs that travel."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rebalance.steps.context import Context
from rebalance.steps.pilot import pilot
from rebalance.storage.inputs import open_table
from rebalance.storage.writers import table_writer
from tests.conftest import Invoke, Simulated

ENDINGS = ["csv", "tsv.gz", "arrow", "jsonl", "ndjson.zst"]
OWN = ["rb_row", "rb_pi", "rb_weight", "rb_offset"]


def converted(source: Path, target: Path) -> Path:
    """The same table in another format; float64 values are equal."""
    table = open_table([str(source)])
    with table_writer(str(target)) as writer:
        for batch in table.batches():
            writer.write(batch)
    return target


def columns(path: Path) -> dict[str, list[object]]:
    """A table's values, read by this project (`test_writers` and others compare with pyarrow)."""
    table = open_table([str(path)])
    return pa.Table.from_batches([batch.typed() for batch in table.batches()]).to_pydict()


@pytest.fixture(scope="module")
def small(simulated: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 8,000 rows of the logistic population."""
    path = tmp_path_factory.mktemp("small") / "t.parquet"
    pq.write_table(simulated.table.slice(0, 8_000), path, row_group_size=3_000)
    return path


@pytest.fixture(scope="module")
def guide(small: Path) -> Path:
    path = small.with_name("p.rbl")
    pilot([str(small)], "y", str(path), context=Context())
    return path


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_sample_is_the_same_from_any_format(
    tmp_path: Path, done: Invoke, small: Path, guide: Path, ending: str
) -> None:
    source = converted(small, tmp_path / f"t.{ending}")
    asked = ["--pilot", guide, "--rate", 0.1, "-q"]
    done(["sample", small, *asked, "-o", tmp_path / "a.parquet"])
    done(["sample", source, *asked, "-o", tmp_path / "b.parquet"])
    done(["sample", source, *asked, "-o", tmp_path / f"c.{ending}"])
    first = pq.read_table(tmp_path / "a.parquet").to_pydict()
    assert len(first["y"]) > 500
    assert pq.read_table(tmp_path / "b.parquet").to_pydict() == first
    assert columns(tmp_path / f"c.{ending}") == first


def chain(folder: Path, done: Invoke, source: Path, kind: str) -> list[object]:
    """The sample, the predictions, the corrected ones and the metrics, all by way of one format."""
    names = ("table", "train", "test", "sample", "predictions", "corrected")
    table, train, test, sample, out, corrected = (folder / f"{name}.{kind}" for name in names)
    guide, model = folder / "p.rbl", folder / "m.rbl"
    converted(source, table)
    done(["split", table, "-l", "y", "-o", train, "-o", test, "-q"])
    done(["pilot", train, "-l", "y", "-o", guide, "-q"])
    done(["sample", train, "--pilot", guide, "--rate", 0.2, "-o", sample, "-q"])
    has_place = kind in ("parquet", "arrow")
    assert (folder / f"sample.{kind}.design.json").exists() is not has_place
    done(["train", sample, "-o", model, "-q"])
    done(["predict", test, "--model", model, "--sampled", "-o", out, "-q"])
    result = done(["evaluate", out, "-l", "y", "--json"])
    raw = {"q": pa.array(columns(out)["rb_probability_sampled"], pa.float64())}
    raw |= {name: pa.array(columns(out)[name]) for name in ("x1", "x2", "x3", "y")}
    with table_writer(str(folder / f"raw.{kind}")) as writer:
        writer.write(None, raw)
    given = [folder / f"raw.{kind}", "--probability", "q", "--design", sample]
    done(["correct", *given, "-o", corrected, "-q"])
    metrics = json.loads(result.stdout)["metrics"]
    return [columns(sample), columns(out), columns(corrected), metrics]


@pytest.fixture(scope="module")
def as_parquet(small: Path, tmp_path_factory: pytest.TempPathFactory, done: Invoke) -> list[object]:
    return chain(tmp_path_factory.mktemp("chain"), done, small, "parquet")


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_whole_chain_in_one_format(
    tmp_path: Path, done: Invoke, small: Path, as_parquet: list[object], ending: str
) -> None:
    """Numbers and order are those of Parquet, whatever lies between the steps."""
    assert chain(tmp_path, done, small, ending) == as_parquet


@pytest.mark.parametrize("ending", ["parquet", "arrow", "jsonl"])
def test_types_that_only_travel(
    tmp_path: Path, done: Invoke, small: Path, guide: Path, ending: str
) -> None:
    """Nested columns go through split and sample as they are."""
    table = pq.read_table(small)
    rows = table.num_rows
    travelling = {
        "inside": pa.array([{"a": [row, None], "b": f"x{row}"} for row in range(rows)]),
        "list": pa.array([["a"] * (row % 3) for row in range(rows)]),
        "gaps": pa.array([None if row % 2 else row for row in range(rows)]),
    }
    for name, array in travelling.items():
        table = table.append_column(name, array)
    pq.write_table(table, tmp_path / "t.parquet")
    source = converted(tmp_path / "t.parquet", tmp_path / f"in.{ending}")
    parts = [tmp_path / f"{part}.{ending}" for part in ("train", "test")]
    done(["split", source, "-l", "y", "-o", parts[0], "-o", parts[1], "-q"])
    kept = tmp_path / f"sample.{ending}"
    done(["sample", source, "--pilot", guide, "--rate", 0.1, "-o", kept, "-q"])
    found = columns(kept)
    for name, array in travelling.items():
        assert found[name] == array.take(pa.array(found["rb_row"])).to_pylist()
    together = [value for part in parts for value in columns(part)["inside"]]
    assert (
        sorted(together, key=lambda value: int(value["b"][1:])) == travelling["inside"].to_pylist()
    )


def test_a_folder_of_partitions(tmp_path: Path, done: Invoke, small: Path) -> None:
    """Keys of folders are columns: features, times and kept columns like any other."""
    table = pq.read_table(small)
    positive = table["y"].to_numpy().astype(bool)
    for month in range(1, 5):
        for place in ("north", "south"):
            chosen = np.arange(month - 1, table.num_rows, 4)
            chosen = chosen[positive[chosen]] if place == "south" else chosen[~positive[chosen]]
            path = tmp_path / "data" / f"month={month}" / f"place={place}" / "t.parquet"
            path.parent.mkdir(parents=True)
            pq.write_table(table.take(chosen), path)
    data, parts = tmp_path / "data", [tmp_path / "train.csv", tmp_path / "test.csv"]
    done(["split", data, "-l", "y", "--time", "month", "--test", 0.25, "-o", *parts[:1], "-o",
          parts[1], "-q"])  # fmt: skip
    assert set(columns(parts[1])["month"]) == {4}
    done(["pilot", data, "-l", "y", "--drop", "month", "-o", tmp_path / "p.rbl", "-q"])
    done(["sample", data, "--pilot", tmp_path / "p.rbl", "--rate", 0.05, "-o",
          tmp_path / "s.parquet", "-q"])  # fmt: skip
    sample = pq.read_table(tmp_path / "s.parquet")
    assert sample.column_names == ["x1", "x2", "x3", "y", "month", "place", *OWN]
    assert set(zip(sample["place"].to_pylist(), sample["y"].to_pylist(), strict=True)) == {
        ("north", 0),
        ("south", 1),
    }


def test_an_output_that_the_next_run_would_read(
    tmp_path: Path, rebalance: Invoke, small: Path
) -> None:
    data = tmp_path / "data"
    (data / "k=1").mkdir(parents=True)
    (data / "k=1" / "t.parquet").write_bytes(small.read_bytes())
    for given, output in (
        (data, data / "k=1" / "train.parquet"),
        (data, data / "train.parquet"),
        (f"{data}/**/*.parquet", data / "train.parquet"),
        (f"{data}/*/*.parquet", data / "k=1" / "train.parquet"),
    ):
        elsewhere = tmp_path / "test.parquet"
        result = rebalance(["split", given, "-l", "y", "-o", output, "-o", elsewhere])
        assert result.exit_code == 2
        assert f"the output '{output}' would lie among the inputs '{given}'" in result.stderr
    assert not elsewhere.exists()
    result = rebalance(
        ["split", f"{data}/*/*.parquet", "-l", "y", "-o", data / "a.csv", "-o", data / "b.csv"]
    )
    assert result.exit_code == 0


@pytest.mark.parametrize("ending", ["parquet", "arrow", "csv", "jsonl", "csv.gz", "jsonl.bz2"])
def test_standard_input_and_output(
    tmp_path: Path, done: Invoke, small: Path, guide: Path, ending: str
) -> None:
    source = converted(small, tmp_path / f"t.{ending}")
    asked = ["--pilot", guide, "--rate", "0.05", "-q"]
    command = [sys.executable, "-m", "rebalance", "sample", "-", *asked, "-o", "-"]
    with source.open("rb") as stream:
        printed = subprocess.run(command, stdin=stream, capture_output=True, check=True).stdout
    (tmp_path / "out.csv").write_bytes(printed)
    done(["sample", source, *asked, "-o", tmp_path / "s.parquet"])
    assert columns(tmp_path / "out.csv") == pq.read_table(tmp_path / "s.parquet").to_pydict()


NO_PANDAS = """
import sys
from rebalance.cli.main import cli
guide, sources, outputs = sys.argv[1], sys.argv[2].split(","), sys.argv[3].split(",")
for source in sources:
    for output in outputs:
        command = ["sample", source, "--pilot", guide, "--rate", "0.1", "-o", output, "-q"]
        cli(command, standalone_mode=False)
        assert "pandas" not in sys.modules, command
"""


def test_sampling_needs_no_pandas(tmp_path: Path, small: Path, guide: Path) -> None:
    sources, outputs = ["arrow", "jsonl", "parquet"], ["parquet", "arrow", "csv", "jsonl.gz"]
    for ending in sources:
        converted(small, tmp_path / f"in.{ending}")
    names = [
        ",".join(f"{stem}.{ending}" for ending in endings)
        for stem, endings in (("in", sources), ("out", outputs))
    ]
    subprocess.run([sys.executable, "-c", NO_PANDAS, guide, *names], cwd=tmp_path, check=True)
    assert len(list(tmp_path.glob("out.*"))) > len(outputs)  # of text the designs, too
