"""Labels of thousands of classes, most of them tiny."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rebalance.core import class_design
from tests.classes import Made, probabilities
from tests.conftest import Invoke

CLASSES = 5_000
ROWS = 20_000


@pytest.fixture(scope="module")
def tail(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """5,000 classes in 20,000 rows, sizes about 1 / rank; 3,000 of one row."""
    sizes = np.ones(CLASSES, dtype=np.int64)
    sizes[:2_000] += (1_800 / np.arange(1, 2_001)).astype(np.int64)
    sizes[0] += ROWS - sizes.sum()
    assert (sizes[2_000:] == 1).all()
    generator = np.random.default_rng(4)
    codes = generator.permutation(np.repeat(np.arange(CLASSES), sizes))
    kinds = np.array([f"k{code:04d}" for code in range(CLASSES)])[codes]
    path = tmp_path_factory.mktemp("tail") / "table.parquet"
    table = {"x": generator.standard_normal(ROWS) + np.log1p(codes), "kind": kinds}
    pq.write_table(pa.table(table), path, row_group_size=3_000)
    return path


def counted(path: Path) -> dict[str, int]:
    found = pq.read_table(path)["kind"].value_counts().to_pylist()
    return {each["values"]: each["counts"] for each in found}


def test_profile_says_what_a_long_tail_is(tail: Path, done: Invoke) -> None:
    shown = done(["profile", tail, "-l", "kind"])
    assert "4,975 others, see --json" in shown.stdout
    assert len(shown.stdout.splitlines()) < 90
    found = json.loads(done(["profile", tail, "-l", "kind", "--json"]).stdout)
    classes = found["label"]["classes"]
    assert {each["value"]: each["rows"] for each in classes} == counted(tail)
    reasons = " ".join(each["reason"] for each in found["advice"])
    singles = sum(rows == 1 for rows in counted(tail).values())
    assert f"{singles:,} of the 5,000 classes have one row" in reasons
    # The largest class has 12%, and x tells it from the others.
    assert found["columns"][0]["roc_auc"] > 0.9


def test_split_and_balanced_sample(tail: Path, tmp_path: Path, done: Invoke) -> None:
    train, test, out = (tmp_path / f"{name}.parquet" for name in ("train", "test", "sample"))
    shown = done(["split", tail, "-l", "kind", "-o", train, "-o", test])
    assert "too few rows for every part" in shown.stderr
    assert len(shown.output.splitlines()) < 45
    assert set(counted(train)) == set(counted(tail))
    before = counted(tail)
    assert all(rows == round(0.2 * before[value]) for value, rows in counted(test).items())
    arguments = ["sample", train, "-l", "kind", "--method", "uniform", "--rows", 8_000, "-o", out]
    shown = done(arguments)
    assert "'rb_offset' is left out" in shown.stderr
    assert "4,975 others, see --json" in shown.output
    table = pq.read_table(out)
    assert "rb_offset" not in table.column_names
    # Equally many of each: level is where min(rows, level) sums to 8,000.
    sizes = np.array(list(counted(train).values()))
    level = next(at for at in range(1, 2_000) if np.minimum(sizes, at).sum() >= 8_000)
    weight = dict(zip(table["kind"].to_pylist(), table["rb_weight"].to_pylist(), strict=True))
    for value, rows in counted(train).items():
        if rows < level:
            assert weight[value] == 1.0
        elif value in weight:
            assert rows / level <= weight[value] <= rows / (level - 1)
    # The weights stand for the table: a Poisson sum with variance sum of (w - 1) w n pi = (w-1) n.
    each = table["rb_weight"].to_numpy()
    assert abs(each.sum() - sizes.sum()) < 4 * np.sqrt((each * (each - 1)).sum())
    assert abs(len(table) - 8_000) < 4 * np.sqrt(8_000)


def test_train_works_out_offsets_that_a_sample_does_not_carry(
    made: Made, tmp_path: Path, done: Invoke, rebalance: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {}
    for name in ("carried", "left_out"):
        monkeypatch.setattr(class_design, "WIDEST", 4 if name == "carried" else 3)
        out, model = tmp_path / f"{name}.parquet", tmp_path / f"{name}.rbl"
        scored = tmp_path / f"{name}_scored.parquet"
        rates = ["--rate", "a=0.1,b=0.3"]
        done(["sample", made.table, "--pilot", made.pilot, *rates, "-o", out, "-q"])
        assert ("rb_offset" in pq.read_table(out).column_names) == (name == "carried")
        done(["train", out, "--model", "logistic", "-o", model, "-q"])
        done(["predict", made.table, "--model", model, "-o", scored, "-q"])
        found[name] = probabilities(scored)
    assert (found["carried"] == found["left_out"]).all()
    # A sample with another one's design is still told apart, by its weights.
    strange = pq.read_table(tmp_path / "left_out.parquet")
    weight = strange["rb_weight"].to_numpy() * 1.01
    at = strange.column_names.index("rb_weight")
    changed = strange.set_column(at, "rb_weight", pa.array(weight))
    pq.write_table(
        changed.replace_schema_metadata(pq.read_metadata(tmp_path / "left_out.parquet").metadata),
        tmp_path / "strange.parquet",
    )
    refused = rebalance(["train", tmp_path / "strange.parquet", "-o", tmp_path / "m.rbl"])
    assert refused.exit_code == 4
    assert "not this sample's" in refused.stderr


@pytest.mark.parametrize(
    "command", [["profile"], ["split"], ["pilot"], ["sample", "--rows", 100], ["train"]]
)
def test_names_of_rows_are_no_classes(
    tail: Path, tmp_path: Path, rebalance: Invoke, command: list[object]
) -> None:
    table = pq.read_table(tail)
    path = tmp_path / "t.parquet"
    pq.write_table(table.append_column("id", pa.array(range(ROWS))), path)
    outs = {
        "profile": [],
        "split": ["-o", tmp_path / "a.csv", "-o", tmp_path / "b.csv"],
        "pilot": ["-o", tmp_path / "p.rbl"],
        "sample": ["-o", tmp_path / "s.parquet"],
        "train": ["-o", tmp_path / "m.rbl", "--natural"],
    }
    refused = rebalance([command[0], path, "-l", "id", *command[1:], *outs[str(command[0])]])
    assert refused.exit_code == 3
    assert "nearly every row has a label of its own" in refused.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["t.parquet"]
