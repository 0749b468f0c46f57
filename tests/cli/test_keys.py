"""Samples drawn by a key whose values repeat: what is said of them, and intervals, by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rebalance.storage.artifacts import read_artifact
from tests.conftest import Invoke

IDS, EACH = 1_000, 20


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20,000 rows of 1,000 ids, x1 the same for all rows of one; some 2% positive."""
    generator = np.random.default_rng(3)
    number = np.repeat(np.arange(IDS), EACH)
    x1, x2 = generator.standard_normal(IDS)[number], generator.standard_normal(len(number))
    y = generator.random(len(number)) < 1 / (1 + np.exp(4.3 - x1 + 0.5 * x2))
    order = generator.permutation(len(number))
    columns = {
        "id": np.array([f"c{at}" for at in number]),
        "row": np.arange(len(number)),
        "x1": x1,
        "x2": x2,
        "y": y.astype(np.int8),
    }
    path = tmp_path_factory.mktemp("keyed") / "t.parquet"
    pq.write_table(pa.table({name: values[order] for name, values in columns.items()}), path)
    return path


def sampled(done: Invoke, keyed: Path, out: Path, *more: object, key: str = "id") -> dict[str, Any]:
    command = ["sample", keyed, "-l", "y", "--rate", 0.05, "--key", key, "-o", out, "--json"]
    found: dict[str, Any] = json.loads(done([*command, *more]).stdout)
    return found


def trained(done: Invoke, sample: Path, *arguments: object) -> dict[str, Any]:
    out = sample.with_name("m.rbl")
    command = ["train", sample, "--model", "logistic", "--l2", 0, "--drop", "row", "-o", out]
    found: dict[str, Any] = json.loads(done([*command, "--json", *arguments]).stdout)
    stored = json.loads(read_artifact(str(out), "model")[1]["logistic.json"])["estimates"]
    assert stored["coefficients"] == found["estimates"]["coefficients"]
    return found


def by_hand(sample: pa.Table, at: list[float], correction: str) -> list[float]:
    """The standard errors of the clustered sandwich, id by id."""
    columns = {name: np.array(sample[name].to_pylist()) for name in sample.column_names}
    z = np.column_stack([np.ones(len(sample)), columns["x1"], columns["x2"]])
    offset = columns["rb_offset"] if correction == "offset" else np.zeros(len(z))
    weight = columns["rb_weight"] if correction == "weight" else np.ones(len(z))
    q = 1 / (1 + np.exp(-(z @ at) - offset))
    curved, residual = weight * q * (1 - q), weight * (columns["y"] - q)
    inverse = np.linalg.inv((z * curved[:, None]).T @ z)
    middle = np.zeros((3, 3))
    for key in set(columns["id"]):
        own = columns["id"] == key
        score = z[own].T @ residual[own]
        there = inverse @ score
        leverage = curved[own] @ (z[own] @ there) ** 2 / (score @ there)
        middle += np.outer(score, score) / (1 - leverage)
    found: list[float] = np.sqrt(np.diag(inverse @ middle @ inverse)).tolist()
    return found


@pytest.mark.parametrize("correction", ["offset", "weight", "posthoc"])
@pytest.mark.parametrize("name", ["s.parquet", "s.csv"])
def test_intervals_are_clustered_by_the_key(
    keyed: Path, tmp_path: Path, done: Invoke, name: str, correction: str
) -> None:
    path = tmp_path / name
    sampled(done, keyed, path)
    sampled(done, keyed, tmp_path / "again.parquet")
    table = pq.read_table(tmp_path / "again.parquet")
    document = trained(done, path, "--correction", correction)
    assert trained(done, path, "--correction", correction, "--robust") == document
    found, rows = document["estimates"], document["estimates"]["coefficients"]
    assert (found["variance"], found["clustered_by"]) == ("sandwich", "id")
    ids, positive = np.array(table["id"].to_pylist()), np.array(table["y"].to_pylist()) == 1
    assert found["clusters"] == {
        "all": len(set(ids)),
        "positives": len(set(ids[positive])),
        "negatives": len(set(ids[~positive])),
    }
    at = [row["coefficient"] for row in rows]
    expected = by_hand(table, at, correction)
    assert [row["standard_error"] for row in rows] == pytest.approx(expected, rel=1e-5)
    assert any(f"{len(set(ids)):,} values of it" in note for note in document["notes"])


def test_the_table_says_what_the_variance_is(keyed: Path, tmp_path: Path, done: Invoke) -> None:
    path = tmp_path / "s.parquet"
    sampled(done, keyed, path)
    shown = done(["train", path, "--model", "logistic", "-o", tmp_path / "m.rbl"]).stderr
    assert "(sandwich, clustered by 'id')" in shown
    assert "drawn by 'id'" in shown


def test_keys_that_differ_change_nothing(keyed: Path, tmp_path: Path, done: Invoke) -> None:
    path = tmp_path / "s.parquet"
    document = sampled(done, keyed, path, key="row")
    assert document["standard_deviation"] == pytest.approx(
        np.sqrt(document["expected_negatives"] * 0.95)
    )
    assert document["shares_draws"] is False
    found = trained(done, path, "--drop", "id")
    assert found["estimates"]["variance"] == "model"
    assert not {"clusters", "clustered_by"} & set(found["estimates"])
    assert found["notes"] == []


def test_a_sample_that_lost_its_key_has_no_intervals(
    keyed: Path, tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    path, lost = tmp_path / "s.parquet", tmp_path / "lost.parquet"
    design = ["--design", tmp_path / "d.json"]
    sampled(done, keyed, path, *design)
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["id"]), lost)
    document = trained(done, lost, *design)
    assert document["estimates"]["variance"] == "none"
    assert any(
        "drawn by 'id'" in note and "no standard errors" in note for note in document["notes"]
    )
    gaps = pa.array([None if at == 7 else key for at, key in enumerate(table["id"].to_pylist())])
    pq.write_table(table.set_column(0, "id", gaps), lost)
    result = rebalance(["train", lost, "--model", "logistic", "-o", tmp_path / "m.rbl", *design])
    assert result.exit_code == 3
    assert "column 'id', row 7" in result.stderr


@pytest.mark.parametrize("score", [[], ["--score", "local-case-control"]])
def test_no_deviation_or_range_is_passed_off(
    keyed: Path, tmp_path: Path, done: Invoke, score: list[str]
) -> None:
    pilot, out = tmp_path / "p.rbl", tmp_path / "s.parquet"
    done(["pilot", keyed, "-l", "y", "--key", "id", "--drop", "row", "-o", pilot, "-q"])
    command = ["sample", keyed, "--pilot", pilot, "--rate", 0.05, "--key", "id", "-o", out, *score]
    document = json.loads(done([*command, "--json"]).stdout)
    assert document["shares_draws"] is True
    for name in (
        "standard_deviation",
        "standard_deviation_positives",
        "planned_efficiency_between",
        "realised_efficiency_between",
    ):
        assert document[name] is None
    assert document["realised_efficiency"] is not None
    assert len([note for note in document["notes"] if "independent draws" in note]) == 1
    shown = done(command).stderr
    assert ", sd " not in shown
    assert "95% range" not in shown
    assert "were each row drawn by itself" in shown


@pytest.mark.parametrize("method", ["smote", "random-over"])
def test_made_rows_and_copies_need_no_key(
    keyed: Path, tmp_path: Path, done: Invoke, method: str
) -> None:
    out = tmp_path / "s.parquet"
    chain = ["--method", f"uniform,{method}", "--rate", 0.2] if method == "smote" else [
        "--method", method,
    ]  # fmt: skip
    base = ["sample", keyed, "-l", "y", "--key", "id", "--ratio", 5, "--drop", "row"]
    base = base if method == "smote" else base[:-2]
    done([*base, *chain, "-o", out])
    result = done(["train", out, "--model", "logistic", "--drop", "row", "-o", tmp_path / "m.rbl"])
    assert "no standard errors are given" in result.stderr
