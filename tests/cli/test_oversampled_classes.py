"""Random over-sampling of a label of many classes, from the command line to probabilities."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from tests.classes import VALUES, population
from tests.conftest import Invoke

OVER = ["--method", "random-over"]


def five_classes(count: int, seed: int) -> pa.Table:
    """Three normal features, five classes by a multinomial logistic model: 54% down to 2%."""
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((count, 3))
    slopes = generator.normal(scale=0.7, size=(3, 5))
    scores = np.array([3.0, 2.0, 1.0, 0.0, -1.2]) + x @ slopes
    codes = (scores + generator.gumbel(size=scores.shape)).argmax(axis=1)
    kinds = pa.array(np.array(list("abcde"))[codes].tolist())
    return pa.table({"x1": x[:, 0], "x2": x[:, 1], "x3": x[:, 2], "kind": kinds})


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four classes, and a key."""
    table, _ = population(8_000, 3)
    keys = pa.array([f"k{row}" for row in range(len(table))])
    path = tmp_path_factory.mktemp("four") / "t.parquet"
    pq.write_table(table.append_column("id", keys), path)
    return path


def test_each_class_is_repeated_with_a_known_multiplicity(
    source: Path, tmp_path: Path, done: Invoke
) -> None:
    out = tmp_path / "s.parquet"
    shown = done(["sample", source, "-l", "kind", *OVER, "--ratio", 4, "-o", out, "--json"])
    document = json.loads(shown.stdout)
    table, found = pq.read_table(source), pq.read_table(out)
    assert found.select(table.column_names).equals(table.take(found["rb_row"]))
    assert found["rb_row"].to_numpy().tolist() == sorted(found["rb_row"].to_pylist())
    codes = np.searchsorted(VALUES, table["kind"].to_numpy(zero_copy_only=False))
    counts = np.bincount(codes)
    expected = np.maximum(counts.max() / 4 / counts, 1.0)
    assert (expected == 1).sum() == 2  # the largest, and one that has its fourth already
    times = np.bincount(found["rb_row"].to_numpy(), minlength=len(table))
    for place, value in enumerate(VALUES):
        own, w = times[codes == place], expected[place]
        assert set(own) <= {int(w), int(w) + 1} if w > 1 else set(own) == {1}
        # A sum of draws of one more copy, each of probability q: four deviations.
        assert abs(own.sum() - w * counts[place]) <= 4 * np.sqrt(
            counts[place] * (w % 1) * (1 - w % 1)
        )
        assert document["classes"][value] == {
            "rows": counts[place], "kept": own.sum(), "made": 0
        }  # fmt: skip
        assert document["stages"][0]["repeated"][value] == pytest.approx(w)
    pi = expected[np.searchsorted(VALUES, found["kind"].to_numpy(zero_copy_only=False))]
    assert found["rb_pi"].to_numpy() == pytest.approx(pi)
    assert found["rb_weight"].to_numpy() == pytest.approx(1 / pi)
    offsets = np.array(found["rb_offset"].to_pylist())
    assert offsets == pytest.approx(np.tile(np.log(expected), (len(found), 1)))
    assert document["correctable"] is True


@pytest.mark.parametrize("correction", ["offset", "posthoc", "weight"])
def test_what_was_repeated_is_undone(correction: str, tmp_path: Path, done: Invoke) -> None:
    source, out, model, predictions = (
        tmp_path / name for name in ("t.csv", "s.csv", "m.rbl", "p.parquet")
    )
    table = five_classes(30_000, 1)
    pcsv.write_csv(table, source)
    done(["sample", source, "-l", "kind", *OVER, "--ratio", 1, "-o", out, "-q"])
    train = ["train", out, "--model", "logistic", "--correction", correction, "-o", model, "-q"]
    assert "about right" not in done(train).stderr
    done(["predict", source, "--model", model, "-o", predictions, "--sampled", "-q"])
    found = pq.read_table(predictions)
    kinds = np.array(table["kind"].to_pylist())
    for value in "abcde":
        observed = (kinds == value).mean()
        mean = found[f"rb_probability_{value}"].to_numpy().mean()
        # Two consistent estimates, each with a relative error of 1 / sqrt(rows of the class), 3.6%
        # for the rarest, so four deviations are 14%. They are of the very same rows, and so closer:
        # a fit to the table itself has no difference at all. Not undone the rarest is times 20.
        assert mean == pytest.approx(observed, rel=0.02)
    corrected = tmp_path / "c.parquet"
    columns = ",".join(f"{value}=rb_probability_sampled_{value}" for value in "abcde")
    bare = found.drop_columns([f"rb_probability_{value}" for value in "abcde"])
    pq.write_table(bare.replace_schema_metadata(None), predictions)
    done(["correct", predictions, "--probability", columns, "--design", f"{out}.design.json",
          "-o", corrected, "-q"])  # fmt: skip
    again = pq.read_table(corrected)
    for value in "abcde":
        name = f"rb_probability_{value}"
        assert again[name].to_numpy() == pytest.approx(found[name].to_numpy(), abs=1e-9)


def test_copies_are_held_out_together_and_trees_are_told_of(
    source: Path, tmp_path: Path, done: Invoke
) -> None:
    out, model = tmp_path / "s.parquet", tmp_path / "m.rbl"
    done(["sample", source, "-l", "kind", *OVER, "--ratio", 3, "--key", "id", "-o", out, "-q"])
    trained = done(["train", out, "-o", model, "--json"])
    # With copies of a row on both sides, trees learn each by heart, for hundreds of rounds.
    assert json.loads(trained.stdout)["summary"]["rounds"] < 100
    assert "of a random-over sample, --correction offset is about right" in trained.stderr


def test_draws_by_key_and_a_pilot_of_the_classes(
    source: Path, tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    turned, guide = tmp_path / "turned.parquet", tmp_path / "p.rbl"
    table = pq.read_table(source)
    pq.write_table(table.take(pa.array(range(len(table) - 1, -1, -1))), turned)
    done(["pilot", source, "-l", "kind", "--key", "id", "-o", guide, "-q"])
    found = []
    for path, known in ((source, ["-l", "kind"]), (turned, ["--pilot", guide])):
        out = tmp_path / "o.parquet"
        done(["sample", path, *known, *OVER, "--ratio", 3, "--key", "id", "-o", out, "-q"])
        found.append(sorted(pq.read_table(out)["id"].to_pylist()))
    assert found[0] == found[1]
    base = ["sample", source, "--pilot", guide, *OVER, "-o", tmp_path / "n.parquet"]
    dry = json.loads(done([*base, "--ratio", 3, "--dry-run", "--json"]).stdout)
    assert dry["rows"] == len(table)
    for more in ([], ["--dry-run"]):
        refused = rebalance([*base, *more, "--rows", 10])
        assert refused.exit_code == 2
        assert "of many classes the rows of the largest" in refused.stderr


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--ratio", 0.5], "below 1, and of many classes"),
        (["--ratio", 90], "already, and random-over makes rows"),
        (["--ratio", 2, "--floor", 0.1], "--floor has no meaning for random-over"),
        (["--ratio", 2, "--set", "k=1"], "work in memory"),
        (["--rate", "a=0.5"], "rates of classes have no meaning for random-over"),
        (["--method", "uniform,random-over", "--ratio", 2], "adds a constant to the offset"),
        (["--method", "random-over,smote", "--ratio", 2], "add nothing"),
    ],
)
def test_what_makes_no_sense(
    more: list[object], words: str, source: Path, tmp_path: Path, rebalance: Invoke
) -> None:
    out = tmp_path / "s.parquet"
    method = [] if "--method" in more else OVER
    refused = rebalance(["sample", source, "-l", "kind", *method, *more, "-o", out])
    assert refused.exit_code == 2
    assert words in refused.stderr
    assert not out.exists()


def test_a_missing_key_is_located(source: Path, tmp_path: Path, rebalance: Invoke) -> None:
    table, path = pq.read_table(source), tmp_path / "t.parquet"
    keys = table["id"].to_pylist()
    keys[4_321] = None
    pq.write_table(table.set_column(3, "id", pa.array(keys)), path)
    base = ["sample", path, "-l", "kind", *OVER, "--ratio", 2, "--key", "id"]
    refused = rebalance([*base, "-o", tmp_path / "s.parquet"])
    assert refused.exit_code == 3
    assert "row 4321 (counting from 0), column 'id'" in refused.stderr
