"""`--dry-run`: what is said comes true, and nothing is done."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from rebalance.core.design import Budget
from rebalance.learners.base import Settings
from rebalance.steps.context import Context
from rebalance.steps.pilot import pilot
from rebalance.steps.ready import Asked
from rebalance.steps.sample import sample
from rebalance.steps.train import train
from rebalance.steps.train_task import TrainAsked
from tests.conftest import Invoke, Simulated


@pytest.fixture(scope="module")
def made(simulated: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pilot, a model, and the table as CSV."""
    folder = tmp_path_factory.mktemp("dry")
    source, guide, model = str(simulated.path), str(folder / "p.rbl"), str(folder / "m.rbl")
    pilot([source], "y", guide, size=1_000, context=Context())
    sampled = str(folder / "s.parquet")
    sample(Asked([source], sampled, Budget(rate=0.1), pilot=guide), Context())
    train(TrainAsked([sampled], model, model="logistic", settings=Settings()), Context())
    pcsv.write_csv(simulated.table, folder / "t.csv")
    return folder


@pytest.mark.parametrize("ending", ["parquet", "csv"])
@pytest.mark.parametrize("guided", [True, False])
def test_what_a_sample_is_said_to_be_is_what_it_becomes(
    simulated: Simulated, made: Path, tmp_path: Path, done: Invoke, ending: str, guided: bool
) -> None:
    source = simulated.path if ending == "parquet" else made / "t.csv"
    out = tmp_path / f"s.{ending}"
    guide = ["--pilot", made / "p.rbl"] if guided else ["-l", "y"]
    command = ["sample", source, *guide, "--rate", 0.1, "-o", out, "--json"]
    planned = json.loads(done([*command, "--dry-run"]).stdout)
    assert list(tmp_path.iterdir()) == []
    assert planned["dry_run"] is True
    found = json.loads(done(command).stdout)
    kept = found["kept_positives"] + found["kept_negatives"]
    # Without a pilot the first rows are looked at; here they are all.
    assert planned["rows_exact"] == (ending == "parquet" or not guided)
    # The lengths of CSV lines vary; draws vary by three standard deviations, under 4% here.
    assert planned["rows"] == pytest.approx(60_000, rel=0.01)
    assert planned["positives"] == pytest.approx(found["positives"], rel=0.01)
    assert planned["expected_rows"] == pytest.approx(kept, rel=0.05)
    # Compression depends on what is kept; the design is in the file, too.
    assert planned["output_bytes"] == pytest.approx(out.stat().st_size, rel=0.4)
    assert planned["memory_bytes"] > 100 << 20


def test_it_is_shown_in_words(simulated: Simulated, made: Path, done: Invoke) -> None:
    command = ["sample", simulated.path, "--pilot", made / "p.rbl", "--ratio", 3, "-o", "x.parquet"]
    shown = done([*command, "--dry-run"]).stderr
    for words in ("60,000 rows", "the share that the pilot saw", "would keep", "MB", "batches of"):
        assert words in shown
    assert not Path("x.parquet").exists()


def test_predictions_and_parts(
    simulated: Simulated, made: Path, tmp_path: Path, done: Invoke
) -> None:
    out = tmp_path / "p.parquet"
    command = ["predict", simulated.path, "--model", made / "m.rbl", "-o", out, "--dry-run"]
    whole = json.loads(done([*command, "--json"]).stdout)
    slim = json.loads(done([*command, "--keep", "y", "--json"]).stdout)
    assert whole["rows"] == slim["rows"] == 60_000
    assert slim["output_bytes"] < 0.1 * whole["output_bytes"]
    parts = ["-o", tmp_path / "a.parquet", "-o", tmp_path / "b.parquet"]
    split = json.loads(
        done(["split", simulated.path, "-l", "y", *parts, "--dry-run", "--json"]).stdout
    )
    assert split["output_bytes"] == pytest.approx(simulated.path.stat().st_size, rel=0.01)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--ratio", "1000"], 2, "the most that is possible"),
        (["--rate", "0.1", "-o", "none/s.parquet"], 2, "does not exist"),
        (["--rate", "0.1", "--key", "nobody"], 3, "no column 'nobody'"),
    ],
)
def test_what_would_be_refused_is_refused(
    simulated: Simulated,
    made: Path,
    tmp_path: Path,
    rebalance: Invoke,
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    out = [] if "-o" in arguments else ["-o", tmp_path / "s.parquet"]
    command = ["sample", simulated.path, "--pilot", made / "p.rbl", *out, *arguments, "--dry-run"]
    result = rebalance(command)
    assert result.exit_code == code
    assert words in result.stderr


def test_a_column_that_the_model_needs(made: Path, tmp_path: Path, rebalance: Invoke) -> None:
    pq.write_table(pcsv.read_csv(made / "t.csv").drop_columns("x2"), tmp_path / "t.parquet")
    arguments = ["--model", made / "m.rbl", "-o", tmp_path / "p.parquet", "--dry-run"]
    result = rebalance(["predict", tmp_path / "t.parquet", *arguments])
    assert result.exit_code == 3
    assert "'x2'" in result.stderr
