"""The command `rebalance split`: what it writes, what it says, and what it refuses."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from rebalance.cli.main import cli


@pytest.fixture
def shop(tmp_path):
    """1,000 orders of 300 customers, 5% fraud; as CSV, with text that must survive."""
    generator = np.random.default_rng(4)
    fraud = generator.random(1_000) < 0.05
    lines = [
        f"{row:05d},c{generator.integers(300)},2024-{1 + row // 400:02d}-{1 + row // 40 % 10:02d},"
        f'"{row / 7:.2f}","said ""no"", {row}",{"yes" if fraud[row] else "no"}'
        for row in range(1_000)
    ]
    path = tmp_path / "shop.csv"
    path.write_text("\n".join(["id,customer,day,amount,note,fraud", *lines, ""]))
    return path


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_by_row(done, shop, tmp_path):
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    result = done(["split", shop, "-l", "fraud", "--test", 0.25, "-o", train, "-o", test])
    header, *lines = shop.read_text().splitlines()
    parts = [path.read_text().splitlines() for path in (train, test)]
    # What needs no quotes loses them; the fields are the same.
    plain = [line.replace(f'"{row / 7:.2f}"', f"{row / 7:.2f}") for row, line in enumerate(lines)]
    assert [part[0] for part in parts] == [header, header]
    assert sorted(parts[0][1:] + parts[1][1:]) == plain
    positives = sum(line.endswith(",yes") for line in lines)
    found = sum(line.endswith(",yes") for line in parts[1])
    assert found == round(0.25 * positives)
    assert len(parts[1]) - 1 - found == round(0.25 * (1_000 - positives))
    assert result.stdout == ""
    assert "note: 'yes' is the positive value of 'fraud'" in result.stderr
    for word in ("split by row", "train.csv", "share of rows", "25.00%", "positive (yes)"):
        assert word in result.stderr


def test_three_parts_as_json(done, shop, tmp_path):
    outputs = [tmp_path / f"{name}.parquet" for name in ("train", "test", "validation")]
    result = done(
        ["split", shop, "-l", "fraud", "--test", 0.2, "--validation", 0.1, "--key", "customer"]
        + [word for output in outputs for word in ("-o", output)]
        + ["--json", "--seed", 11]
    )
    document = json.loads(result.stdout)
    assert document["command"] == "split"
    assert (document["by"], document["column"], document["seed"]) == ("key", "customer", 11)
    assert document["notes"][0] == "'yes' is the positive value of 'fraud'"
    keys = set()
    for part, output in zip(document["parts"], outputs, strict=True):
        table = pq.read_table(output)
        fraud = table["fraud"].to_pylist()
        customers = set(table["customer"].to_pylist())
        assert table.schema.field("day").type == pa.date32()
        assert (part["output"], part["rows"]) == (str(output), len(table))
        assert part["counts"] == {"yes": fraud.count("yes"), "no": fraud.count("no")}
        assert part["positives"] == fraud.count("yes")
        assert part["positive_share"] == pytest.approx(fraud.count("yes") / len(table))
        assert part["share"] == pytest.approx(len(table) / 1_000)
        assert part["keys"] == len(customers)
        assert not keys & customers
        keys |= customers
    assert sum(part["rows"] for part in document["parts"]) == document["rows"] == 1_000


def test_by_time(done, shop, tmp_path):
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    result = done(["split", shop, "-l", "fraud", "--time", "day", "-o", train, "-o", test])
    days = [
        [line.split(",")[2] for line in path.read_text().splitlines()[1:]] for path in (train, test)
    ]
    assert max(days[0]) < min(days[1])
    assert len(days[1]) == 200
    assert min(days[1]) in result.stderr
    assert "seed" not in result.stderr


def test_many_classes(done, tmp_path):
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"y": ["a", "b", "c"] * 20}), path)
    result = done(["split", path, "-l", "y", "-o", tmp_path / "a.csv", "-o", tmp_path / "b.csv"])
    for value in "abc":
        assert f"class {value}" in result.stderr
    assert "positive" not in result.stderr


def test_quiet_says_nothing(done, shop, tmp_path):
    result = done(
        ["split", shop, "-l", "fraud", "-q", "-o", tmp_path / "a.csv", "-o", tmp_path / "b.csv"]
    )
    assert result.output == ""


def test_from_and_to_the_shell(shop, tmp_path):
    text = shop.read_text()
    arguments = ["split", "-", "-l", "fraud", "-o", str(tmp_path / "train.csv"), "-o", "-"]
    result = CliRunner().invoke(cli, arguments, input=text, catch_exceptions=False)
    assert result.exit_code == 0
    piped = result.stdout
    arguments[1], arguments[-1] = str(shop), str(tmp_path / "test.csv")
    assert CliRunner().invoke(cli, arguments, catch_exceptions=False).exit_code == 0
    assert (tmp_path / "test.csv").read_text() == piped
    assert len(piped.splitlines()) == 201


def test_threads_do_not_matter(done, shop, tmp_path):
    for threads in (1, 3):
        outputs = ["-o", tmp_path / f"a{threads}.csv", "-o", tmp_path / f"b{threads}.csv"]
        done(["split", shop, "-l", "fraud", "--threads", threads, *outputs])
    assert (tmp_path / "a1.csv").read_bytes() == (tmp_path / "a3.csv").read_bytes()
    assert (tmp_path / "b1.csv").read_bytes() == (tmp_path / "b3.csv").read_bytes()


def test_help_tells_what_is_not_obvious(done):
    text = " ".join(done(["split", "--help"]).stdout.split())
    for words in ("--seed has no effect", "In memory is one batch", "rows keep their order"):
        assert words in text


OUTPUTS = ["-o", "{folder}/train.csv", "-o", "{folder}/test.csv"]
BAD = {
    "no outputs": (["-l", "fraud"], 2, ["--output"]),
    "one output": (["-l", "fraud", "-o", "{folder}/a.csv"], 2, ["two or three are needed"]),
    "four outputs": (
        ["-l", "fraud", *OUTPUTS, *(word.replace("t", "v") for word in OUTPUTS)],
        2,
        ["4 outputs named"],
    ),
    "no label": ([*OUTPUTS], 2, ["--label"]),
    "wrong label": (["-l", "frad", *OUTPUTS], 3, ["'frad'", "nearest is 'fraud'"]),
    "share": (["-l", "fraud", "--test", "1.5", *OUTPUTS], 2, ["--test 1.5 is no share"]),
    "share nan": (["-l", "fraud", "--test", "nan", *OUTPUTS], 2, ["is no share"]),
    "share text": (["-l", "fraud", "--test", "x", *OUTPUTS], 2, ["--test", "not a valid float"]),
    "sum": (
        ["-l", "fraud", "--test", "0.6", "--validation", "0.4", *OUTPUTS, "-o", "{folder}/v.csv"],
        2,
        ["leave nothing to train on"],
    ),
    "validation": (
        ["-l", "fraud", "--validation", "0.1", *OUTPUTS],
        2,
        ["--validation has no output"],
    ),
    "key and time": (
        ["-l", "fraud", "--key", "customer", "--time", "day", *OUTPUTS],
        2,
        ["--key and --time exclude each other"],
    ),
    "no key": (["-l", "fraud", "--key", "custumer", *OUTPUTS], 3, ["nearest is 'customer'"]),
    "no time": (["-l", "fraud", "--time", "dat", *OUTPUTS], 3, ["'dat'", "--time"]),
    "text for time": (
        ["-l", "fraud", "--time", "customer", *OUTPUTS],
        3,
        ["time is of type string"],
    ),
    "many label values": (
        ["-l", "id", *OUTPUTS],
        3,
        ["nearly every row has a label of its own"],
    ),
    "positive": (["-l", "fraud", "--positive", "Yes", *OUTPUTS], 3, ["'Yes'", "--positive"]),
    "too rare": (["-l", "fraud", "--test", "0.001", *OUTPUTS], 3, ["too few for the test set"]),
    "same output": (
        ["-l", "fraud", "-o", "{folder}/a.csv", "-o", "{folder}/./a.csv"],
        2,
        ["named twice as output"],
    ),
    "output is input": (
        ["-l", "fraud", "-o", "{folder}/shop.csv", "-o", "{folder}/a.csv"],
        2,
        ["is also an input"],
    ),
    "no folder": (
        ["-l", "fraud", "-o", "{folder}/x/a.csv", "-o", "{folder}/b.csv"],
        2,
        ["does not exist", "mkdir -p"],
    ),
    "format": (
        ["-l", "fraud", "-o", "{folder}/a.txt", "-o", "{folder}/b.csv"],
        2,
        ["cannot tell the format of"],
    ),
    "compressed table": (
        ["-l", "fraud", "-o", "{folder}/a.parquet.gz", "-o", "{folder}/b.csv"],
        2,
        ["cannot tell the format of"],
    ),
    "two on stdout": (["-l", "fraud", "-o", "-", "-o", "-"], 2, ["standard output"]),
    "table and json": (
        ["-l", "fraud", "-o", "-", "-o", "{folder}/b.csv", "--json"],
        2,
        ["standard output"],
    ),
    "seed": (["-l", "fraud", "--seed", "-1", *OUTPUTS], 2, ["--seed"]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_options(rebalance, shop, tmp_path, name):
    arguments, code, words = BAD[name]
    before = shop.read_bytes()
    filled = [argument.format(folder=tmp_path) for argument in arguments]
    result = rebalance(["split", shop, *filled])
    assert result.exit_code == code, result.output
    assert [word for word in words if word not in result.stderr] == [], result.stderr
    assert names_in(tmp_path) == ["shop.csv"]
    assert shop.read_bytes() == before


def test_no_clobber(rebalance, shop, tmp_path):
    (tmp_path / "test.csv").write_text("old")
    outputs = ["-o", tmp_path / "train.csv", "-o", tmp_path / "test.csv"]
    result = rebalance(["split", shop, "-l", "fraud", "--no-clobber", *outputs])
    assert result.exit_code == 2
    assert "--no-clobber" in result.stderr
    assert names_in(tmp_path) == ["shop.csv", "test.csv"]
    assert rebalance(["split", shop, "-l", "fraud", *outputs]).exit_code == 0
    assert (tmp_path / "test.csv").read_text() != "old"


@pytest.mark.parametrize("how", [[], ["--key", "k"], ["--time", "k"]])
def test_damage_found_late_leaves_nothing(rebalance, tmp_path, how):
    """A page of the last row group, of a column that only the last look reads."""
    path = tmp_path / "in.parquet"
    count = 20_000
    table = pa.table({"y": [0, 1] * (count // 2), "k": range(count), "x": np.arange(count) / 7})
    pq.write_table(table, path, row_group_size=5_000, compression="none", use_dictionary=False)
    column = pq.read_metadata(path).row_group(3).column(2)
    raw = bytearray(path.read_bytes())
    raw[column.data_page_offset : column.data_page_offset + 30] = b"\xff" * 30
    path.write_bytes(raw)
    (tmp_path / "b.csv").write_text("old")
    outputs = ["-o", tmp_path / "a.parquet", "-o", tmp_path / "b.csv"]
    result = rebalance(["split", path, "-l", "y", *outputs, *how])
    assert result.exit_code == 3
    assert "in.parquet', row group 3" in result.stderr
    assert names_in(tmp_path) == ["b.csv", "in.parquet"]
    assert (tmp_path / "b.csv").read_text() == "old"


def command(*arguments):
    return [sys.executable, "-m", "rebalance", "split", *map(str, arguments)]


@pytest.mark.parametrize(("ending", "limit"), [("csv", 12_000), ("parquet", 4_000)])
def test_a_full_disk(shop, tmp_path, ending, limit):
    """The train set does not fit, the test set does: neither appears."""
    outputs = [tmp_path / f"train.{ending}", tmp_path / f"test.{ending}"]
    outputs[1].write_text("old")
    done = subprocess.run(
        command(shop, "-l", "fraud", "-o", outputs[0], "-o", outputs[1]),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == 3
    assert f"error: cannot write: File too large, file '{outputs[0]}'" in done.stderr
    assert outputs[1].read_text() == "old"
    assert names_in(tmp_path) == ["shop.csv", outputs[1].name]


def test_a_reader_that_goes_away(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("y,x\n" + "".join(f"{row % 2},{row}\n" for row in range(50_000)))
    shell = " ".join(command(path, "-l", "y", "-o", "-", "-o", tmp_path / "test.csv"))
    done = subprocess.run(
        f"({shell}; echo exit $? >&2) | head -n 2", shell=True, capture_output=True, check=False
    )
    assert done.stdout.startswith(b"y,x\n")
    assert done.stderr == b"note: '1' is the positive value of 'y'\nexit 0\n"
    assert names_in(tmp_path) == ["in.csv"]


def test_an_interrupt(tmp_path):
    """While the parts are being written: exit 130, the old file as it was, nothing beside it."""
    path, target = tmp_path / "in.parquet", tmp_path / "train.csv"
    generator = np.random.default_rng(0)
    table = pa.table({"y": [0, 1] * 400_000, "x": generator.random(800_000)})
    pq.write_table(table, path)
    target.write_text("old")
    arguments = command(path, "-l", "y", "-o", target, "-o", tmp_path / "test.csv")
    with subprocess.Popen(arguments, stdout=-1, stderr=-1) as process:
        deadline = time.monotonic() + 30
        while not list(tmp_path.glob(".*.part")) and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130, stderr
    assert stderr.endswith(b"error: interrupted; no output was changed\n")
    assert target.read_text() == "old"
    assert names_in(tmp_path) == ["in.parquet", "train.csv"]


def test_the_module_runs():
    done = subprocess.run(command("--help"), capture_output=True, check=True, env=dict(os.environ))
    assert b"Part a table into rows to train on" in done.stdout
