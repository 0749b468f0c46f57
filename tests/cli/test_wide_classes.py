"""Many columns of classes: what is too large is said, the rest passes in parts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rebalance.steps.classes import memory, outcomes
from rebalance.steps.classes.memory import narrowed
from rebalance.steps.context import Context
from rebalance.storage.inputs import open_table
from tests.classes import VALUES, Made
from tests.conftest import Invoke


def test_commands_say_it(
    made: Made, tmp_path: Path, rebalance: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: 10_000)
    out = tmp_path / "out.rbl"
    for command in (
        ["pilot", made.table, "-l", "kind"],
        ["train", made.sample, "--model", "gbm"],
        ["train", made.table, "-l", "kind", "--natural", "--model", "logistic"],
    ):
        refused = rebalance([*command, "-o", out])
        assert refused.exit_code == 2
        assert "rows and 4 classes takes about" in refused.stderr
        assert "--positive VALUE" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_wide_tables_come_in_batches_of_few_rows(made: Made) -> None:
    table = open_table([str(made.table)])
    assert narrowed(table, 4) is table
    assert narrowed(table, 1_000).reading.batch_rows == (1 << 22) // 1_000
    assert narrowed(table, 10**9).reading.batch_rows == 64
    small = replace(table, reading=replace(table.reading, batch_rows=32))
    assert narrowed(small, 10**9) is small


def test_predictions_do_not_depend_on_the_batches(
    made: Made, tmp_path: Path, done: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "m.rbl"
    done(["train", made.sample, "--model", "logistic", "-o", model, "-q"])
    for name, cells in (("whole", 1 << 22), ("parts", 1 << 12)):
        monkeypatch.setattr(memory, "CELLS", cells)
        done(["predict", made.other, "--model", model, "-o", tmp_path / f"{name}.parquet", "-q"])
    assert (tmp_path / "whole.parquet").read_bytes() == (tmp_path / "parts.parquet").read_bytes()


@pytest.mark.parametrize("limit", [[], ["--memory-limit", "1GB"]])
def test_columns_that_are_read_some_at_a_time(
    tmp_path: Path, done: Invoke, monkeypatch: pytest.MonkeyPatch, limit: list[str]
) -> None:
    generator = np.random.default_rng(3)
    prob = generator.dirichlet([4.0, 2.0, 1.0, 0.3], 5_000)
    prob[0, 0] += 0.5  # said, and to be found whatever is read together
    prob[0, 0] = min(prob[0, 0], 1.0)
    codes = (prob.cumsum(axis=1) < generator.random((5_000, 1))).sum(axis=1).clip(0, 3)
    columns = {f"rb_probability_{value}": prob[:, at] for at, value in enumerate(VALUES)}
    columns |= {"kind": np.array(VALUES)[codes], "w": generator.uniform(0.5, 2, 5_000)}
    path = tmp_path / "p.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=700)
    found = []
    for at_once in (512, 3, 1):
        monkeypatch.setattr(outcomes, "MOST_AT_ONCE", at_once)
        options = ["-l", "kind", "--sample-weight", "w", "--json", *limit]
        found.append(json.loads(done(["evaluate", path, *options]).stdout))
    assert found[0] == found[1] == found[2]
    assert any("do not sum to 1" in note for note in found[0]["notes"])


def test_little_memory_means_few_columns(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    table = open_table([str(made.table)])  # 24,000 rows
    names = [f"c{at}" for at in range(300)]

    def at_once() -> int:
        return outcomes.columns_at_once(table, [], names, Context())

    monkeypatch.setattr(outcomes, "free_bytes", lambda: 2 * 24_000 * 8 * 70)
    assert at_once() == 70
    monkeypatch.setattr(outcomes, "free_bytes", lambda: 1)
    assert at_once() == 1
    monkeypatch.setattr(outcomes, "free_bytes", lambda: None)
    assert at_once() == 300


def test_columns_are_named_by_how_they_begin(
    tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    csv, outs = tmp_path / "p.csv", [tmp_path / "a.csv", tmp_path / "b.csv"]
    csv.write_text("kind,s_x,s_y,s_z,other\nx,0.25,0.5,0.25,1\ny,0.125,0.75,0.125,1\n")
    each = "x=s_x,y=s_y,z=s_z"
    for columns, out in zip((each, "*=s_*"), outs, strict=True):
        done(["correct", csv, "--probability", columns, "--rate", "x=0.1", "-o", out])
    assert outs[0].read_bytes() == outs[1].read_bytes()
    found = [
        done(["evaluate", csv, "-l", "kind", "--probability", columns, "--json"]).stdout
        for columns in (each, "*=s_*")
    ]
    assert found[0] == found[1]
    for columns, words in (
        ("*=score_*", "no columns of the table begin with 'score_'"),
        ("*=oth*", "1 column of the table begins with 'oth'"),
        ("*=s_", "how the classes' columns begin"),
        ("*=*", "how the classes' columns begin"),
    ):
        refused = rebalance(["evaluate", csv, "-l", "kind", "--probability", columns])
        assert refused.exit_code == 2
        assert words in refused.stderr


def test_thousands_of_columns_are_corrected(tmp_path: Path, done: Invoke) -> None:
    """Of 1,500 classes the first was kept at a tenth: by hand for a few rows."""
    prob = np.random.default_rng(0).dirichlet(np.ones(1_500), 40)
    names = [f"k{at}" for at in range(1_500)]
    path, out = tmp_path / "p.parquet", tmp_path / "c.parquet"
    pq.write_table(pa.table({f"s_{name}": prob[:, at] for at, name in enumerate(names)}), path)
    shown = done(["correct", path, "--probability", "*=s_*", "--rate", "k0=0.1", "-o", out])
    assert "1,475 others, see --json" in shown.output
    found = pq.read_table(out)
    raised = prob / np.where(np.arange(1_500) == 0, 0.1, 1.0)
    expected = raised / raised.sum(axis=1, keepdims=True)
    for at in (0, 1, 1_499):
        assert found[f"rb_probability_k{at}"].to_numpy() == pytest.approx(expected[:, at])
