"""`rebalance sample --method` with imbalanced-learn's methods, chains, and random over-sampling."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from imblearn.over_sampling import SMOTENC
from sklearn.preprocessing import StandardScaler

from rebalance.samplers.imbalanced import CLASSIC
from rebalance.steps.artifacts.drawn import read_design
from rebalance.storage.inputs import open_table
from tests.conftest import Invoke, simulate

ROOT = Path(__file__).resolve().parents[2]
COUNT = 1_200
NUMBERS = ["amount", "items", "price", "rating"]
CATEGORIES = ["shop", "member", "level"]
NO_FEATURES = ["id", "when", "raw"]


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every kind of column; `amount` and `shop` have missing values; 10% positives."""
    draw = np.random.default_rng(2)
    y = np.arange(COUNT) % 10 == 3
    amount = draw.normal(50, 10, COUNT) + 10 * y
    gaps = draw.random(COUNT)
    items = draw.integers(1, 9, COUNT)
    table = pa.table(
        {
            "id": [f"c{row:05d}" for row in range(COUNT)],
            "amount": pa.array(amount, mask=gaps < 0.05),
            "items": pa.array(items, pa.int8()),
            "price": pa.array([Decimal(int(cents)).scaleb(-2) for cents in 90 * items + 9]),
            "rating": pa.array(draw.random(COUNT).astype(np.float32)),
            "shop": pa.array(draw.choice(["n", "s", "w"], COUNT).tolist(), mask=gaps > 0.95),
            "member": draw.random(COUNT) < 0.4,
            "level": pa.array(draw.choice(["lo", "hi"], COUNT).tolist()).dictionary_encode(),
            "when": pa.array(np.arange(COUNT) * 10**9, pa.timestamp("us", tz="UTC")),
            "raw": pa.array([b"x"] * COUNT),
            "bad": pa.array(np.where(y, "yes", "no").tolist()),
        },
        schema=None,
    )
    required = table.schema.set(0, pa.field("id", pa.string(), nullable=False))
    path = tmp_path_factory.mktemp("orders") / "orders.parquet"
    pq.write_table(table.cast(required), path)
    return path


def test_kept_rows_are_the_inputs_and_made_ones_have_parents(
    orders: Path, tmp_path: Path, done: Invoke
) -> None:
    out = tmp_path / "s.parquet"
    arguments = ["sample", orders, "-l", "bad", "--method", "smotenc", "--ratio", 3, "-o", out]
    result = done([*arguments, "--impute", "median", "--key", "id", "--json"])
    document = json.loads(result.stdout)
    table, source = pq.read_table(out), pq.read_table(orders)
    assert table.column_names == [*source.column_names, "rb_row", "rb_synthetic", "rb_parents"]
    assert table.schema.types[: len(source.schema)] == source.schema.types
    kept, made = table.slice(0, COUNT), table.slice(COUNT)
    assert kept.select(source.column_names).cast(source.schema).equals(source)
    assert kept["rb_row"].to_pylist() == list(range(COUNT))
    assert kept["rb_parents"].null_count == COUNT
    assert not pc.any(kept["rb_synthetic"]).as_py()
    # 1,080 negatives and 120 positives: 240 more make 3 negatives per positive.
    assert len(made) == document["made_positives"] == 240
    assert document["ratio"] == 3
    assert pc.all(made["rb_synthetic"]).as_py()
    assert made["rb_row"].null_count == 240
    assert set(made["bad"].to_pylist()) == {"yes"}
    for name in NO_FEATURES:
        assert made[name].null_count == 240
    _lie_between(made, source)
    assert document["imputed"]["amount"]["rows"] == source["amount"].null_count
    assert "'id', 'when', 'raw': null in made rows" in result.stderr
    drawn = read_design(str(out), open_table([str(out)]).metadata)
    assert drawn is not None
    assert (drawn.design.method, drawn.design.correctable) == ("smotenc", False)
    assert drawn.design.stages[0]["settings"] == {"k_neighbors": 5}


def _lie_between(made: pa.Table, source: pa.Table) -> None:
    """Each number is between the parents' (which may be missing), a whole one rounded."""
    parents = np.array(made["rb_parents"].to_pylist())
    assert set(source["bad"].take(parents.ravel()).to_pylist()) == {"yes"}
    for name in NUMBERS:
        values = np.array(made[name].to_pylist(), dtype=float)
        of_source = np.array(source[name].to_pylist(), dtype=float)
        of_source[np.isnan(of_source)] = np.nanmedian(of_source)
        low, high = (side(of_source[parents], axis=1) for side in (np.min, np.max))
        rounding = {"items": 0.5, "price": 0.005, "rating": 1e-6}.get(name, 1e-9)
        assert (values >= low - rounding).all()
        assert (values <= high + rounding).all()
        assert made[name].null_count == 0
    between = np.array(made["items"].to_pylist())
    exact = np.array(source["items"].to_pylist())[parents].mean(axis=1)
    # Rounded, not floored: then the mean would be half below that of the parents. With 240 rows a
    # difference has a standard deviation of at most 4.1 (half the range, uniform) / sqrt(240).
    assert abs((between - exact).mean()) < 0.25
    for name in CATEGORIES:
        assert made[name].null_count == 0
        assert set(made[name].to_pylist()) <= set(source[name].drop_null().to_pylist())


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_a_csv_keeps_its_text(ending: str, tmp_path: Path, done: Invoke) -> None:
    draw = np.random.default_rng(4)
    lines = [
        f"0{row:03d},{draw.normal() + (row % 8 == 0):.3f}0,{draw.integers(5)},{row % 8 == 0:d}"
        for row in range(400)
    ]
    source = tmp_path / "t.csv"
    source.write_text("code,x,n,y\n" + "\n".join(lines) + "\n")
    out = tmp_path / f"s.{ending}"
    arguments = ["sample", source, "-l", "y", "--method", "smote", "--ratio", 2, "-o", out]
    done([*arguments, "--drop", "code", "-q"])
    if ending == "csv":
        written = out.read_text().splitlines()
        assert written[0] == "code,x,n,y,rb_row,rb_synthetic,rb_parents"
        assert written[1:401] == [f"{line},{row},false," for row, line in enumerate(lines)]
        for line in written[401:]:
            code, x, n, y, row, synthetic, parents = line.split(",")
            assert (code, y, row, synthetic) == ("", "1", "", "true")
            assert n in "01234"
            ends = [float(lines[int(parent)].split(",")[1]) for parent in parents.split()]
            assert min(ends) - 1e-9 <= float(x) <= max(ends) + 1e-9
    count = len(pcsv.read_csv(out)) if ending == "csv" else open_table([str(out)]).num_rows
    assert count == 350 + 175
    done(["train", out, "--model", "logistic", "-o", tmp_path / "m.rbl", "-q"])


def test_flights_are_as_imbalanced_learn_makes_them_of_a_data_frame(
    tmp_path: Path, done: Invoke
) -> None:
    source, out = tmp_path / "gaps.csv", tmp_path / "s.parquet"
    frame = pcsv.read_csv(ROOT / "sample_data" / "flights_small.csv").to_pandas()
    frame.loc[::150, "temp"] = frame.loc[7::190, "distance"] = None
    frame.to_csv(source, index=False, float_format="%g")
    arguments = ["sample", source, "-l", "late", "--method", "smotenc", "--ratio", 40, "-o", out]
    done([*arguments, "--impute", "median", "-q"])
    found = pq.read_table(out)
    made = found.filter(found["rb_synthetic"])
    frame = frame.drop(columns="time_hour")
    y = frame.pop("late")
    numbers = frame.select_dtypes("number").columns
    frame[numbers] = frame[numbers].fillna(frame[numbers].median()).astype(float)
    scaler = StandardScaler()
    frame[numbers] = scaler.fit_transform(frame[numbers])
    categories = [name for name in frame if name not in numbers]
    wanted = round((y == 0).sum() / 40)
    smote = SMOTENC(categories, sampling_strategy={1: wanted}, random_state=0)
    theirs = smote.fit_resample(frame, y)[0].iloc[len(frame) :]
    assert len(made) == len(theirs) == wanted - (y == 1).sum()
    for name in categories:
        assert made[name].to_pylist() == theirs[name].tolist()
    back = scaler.inverse_transform(theirs[numbers])
    for at, name in enumerate(numbers):
        whole = name in ("distance", "sched_dep_time")
        expected = np.rint(back[:, at]) if whole else back[:, at]
        assert made[name].to_numpy() == pytest.approx(expected, abs=1e-9)


def test_a_method_that_chooses_keeps_some_rows(orders: Path, tmp_path: Path, done: Invoke) -> None:
    out = tmp_path / "s.parquet"
    arguments = ["sample", orders, "-l", "bad", "--method", "near-miss", "--rows", 400, "-o", out]
    dropped = [part for name in ("id", "shop", "level") for part in ("--drop", name)]
    done([*arguments, "--impute", "median", *dropped])
    table, source = pq.read_table(out), pq.read_table(orders)
    assert table.column_names == [*source.column_names, "rb_row"]
    assert table.select(source.column_names).equals(source.take(table["rb_row"]))
    assert (np.diff(table["rb_row"].to_numpy()) > 0).all()
    counted = pc.value_counts(table["bad"])
    assert dict(zip(*(counted.field(name).to_pylist() for name in (0, 1)), strict=True)) == {
        "yes": 120,
        "no": 280,
    }


@pytest.mark.parametrize("method", CLASSIC)
def test_every_method_runs_and_changes_no_kept_row(
    method: str, orders: Path, tmp_path: Path, done: Invoke
) -> None:
    source, out = tmp_path / "t.parquet", tmp_path / "s.parquet"
    table = pq.read_table(orders).slice(0, 300)
    pq.write_table(table, source)
    dropped = {"numbers": ["id", *CATEGORIES], "categories": ["id", *NUMBERS]}
    arguments = ["sample", source, "-l", "bad", "--method", method, "--impute", "median"]
    for name in dropped.get(CLASSIC[method].needs, ["id"]):
        arguments += ["--drop", name]
    if CLASSIC[method].role != "clean":
        arguments += ["--ratio", "4"]
    if method == "kmeans-smote":
        arguments += ["--set", "cluster_balance_threshold=0.05"]
    done([*arguments, "-o", out, "-q"])
    found = pq.read_table(out)
    if CLASSIC[method].makes:
        made = found.filter(found["rb_synthetic"])
        assert len(made) > 0
        found = found.filter(pc.invert(found["rb_synthetic"]))
    rows = found["rb_row"]
    assert (np.diff(rows.to_numpy()) > 0).all()
    assert found.select(table.column_names).cast(table.schema).equals(table.take(rows))


def test_centroids_stand_for_all_negatives(tmp_path: Path, done: Invoke) -> None:
    source, out = tmp_path / "t.parquet", tmp_path / "s.parquet"
    table, _ = simulate(2_000, 1)
    pq.write_table(table, source)
    arguments = ["sample", source, "-l", "y", "--method", "cluster-centroids", "--ratio", 1]
    done([*arguments, "-o", out, "-q"])
    found = pq.read_table(out)
    positives = table.filter(pc.equal(table["y"], 1))
    count = len(positives)
    assert found.slice(0, count).select(table.column_names).equals(positives)
    made = found.slice(count)
    assert set(made["y"].to_pylist()) == {0}
    assert len(made) == count
    assert made["rb_parents"].null_count == count
    # The centroids' mean is near that of the negatives, not weighted: within half a deviation.
    for name in ("x1", "x2", "x3"):
        assert abs(pc.mean(made[name]).as_py()) < 0.5


def test_the_same_bytes_for_the_same_seed(orders: Path, tmp_path: Path, done: Invoke) -> None:
    made = []
    for number, more in enumerate(([], ["--batch-rows", 100, "--threads", 1], ["--seed", 1])):
        out = tmp_path / f"{number}.parquet"
        arguments = ["sample", orders, "-l", "bad", "--method", "smotenc", "--ratio", 4, "-o", out]
        done([*arguments, "--impute", "median", "--drop", "id", "-q", *more])
        made.append(out.read_bytes())
    assert made[0] == made[1]
    assert made[0] != made[2]


def test_a_thinning_and_then_a_method(orders: Path, tmp_path: Path, done: Invoke) -> None:
    pilot, thinned, out = tmp_path / "p.rbl", tmp_path / "t.parquet", tmp_path / "s.parquet"
    done(["pilot", orders, "-l", "bad", "--drop", "when", "--key", "id", "-o", pilot, "-q"])
    base = ["sample", orders, "--pilot", pilot, "--rate", 0.4]
    done([*base, "-o", thinned, "-q"])
    chain = ["--method", "nonuniform,smotenc", "--ratio", 1, "--impute", "median"]
    done([*base, *chain, "-o", out, "-q"])
    first, both = pq.read_table(thinned), pq.read_table(out)
    kept = both.filter(pc.invert(both["rb_synthetic"]))
    assert kept["rb_row"].equals(first["rb_row"])
    positive = pc.equal(both["bad"], "yes")
    assert pc.sum(positive).as_py() == len(both) / 2
    assert set(pc.list_flatten(both["rb_parents"]).to_pylist()) <= set(kept["rb_row"].to_pylist())
    drawn = read_design(str(out), open_table([str(out)]).metadata)
    assert drawn is not None
    assert drawn.design.method == "nonuniform,smotenc"
    assert [stage["method"] for stage in drawn.design.stages] == ["nonuniform", "smotenc"]


def test_no_model_of_such_a_sample_calls_its_probabilities_true(
    tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    source, out, model = tmp_path / "t.parquet", tmp_path / "s.parquet", tmp_path / "m.rbl"
    predictions = tmp_path / "p.parquet"
    table, _ = simulate(4_000, 1)
    pq.write_table(table, source)
    done(["sample", source, "-l", "y", "--method", "smote", "--ratio", 1, "-o", out, "-q"])
    trained = done(["train", out, "--model", "logistic", "-o", model, "--json"])
    assert json.loads(trained.stdout)["correction"] == "none"
    assert json.loads(trained.stdout)["corrected"] == "refused"
    assert "smote has no known inclusion probabilities" in trained.stderr
    predicted = done(["predict", source, "--model", model, "-o", predictions])
    assert "smote" in predicted.stderr
    found = pq.read_table(predictions)
    assert found.column_names == [*table.column_names, "rb_probability_sampled"]
    # On the sample's scale, where half of the rows are positive.
    assert pc.mean(found["rb_probability_sampled"]).as_py() > 0.2
    scale = json.loads(open_table([str(predictions)]).metadata[b"rebalance.scale"])
    assert scale == {"rb_probability_sampled": "sample"}
    refused = [
        ["train", out, "--correction", "offset", "-o", tmp_path / "n.rbl"],
        [
            *("correct", predictions, "--probability", "rb_probability_sampled"),
            *("--design", out, "-o", tmp_path / "c.parquet"),
        ],
    ]
    for arguments in refused:
        result = rebalance(arguments)
        assert result.exit_code == 4
        assert "--calibrate-on" in result.stderr


def test_a_calibration_on_natural_rows_makes_such_a_model_true(
    tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    source, other = tmp_path / "t.parquet", tmp_path / "other.parquet"
    out, model, predictions = tmp_path / "s.parquet", tmp_path / "m.rbl", tmp_path / "p.parquet"
    for path, seed in ((source, 1), (other, 2)):
        pq.write_table(simulate(20_000, seed)[0], path)
    done(["sample", source, "-l", "y", "--method", "smote", "--ratio", 1, "-o", out, "-q"])
    train = ["train", out, "--model", "logistic", "-o", model, "-q"]
    done([*train, "--calibrate-on", source, "--recalibrate", "platt"])
    done(["predict", other, "--model", model, "-o", predictions, "--sampled", "-q"])
    found = pq.read_table(predictions)
    # Some 400 positives in either table: their counts differ by 7%, of which three are allowed.
    total = pc.sum(found["rb_probability"]).as_py() / pc.sum(found["y"]).as_py()
    assert total == pytest.approx(1, abs=0.21)
    assert pc.mean(found["rb_probability_sampled"]).as_py() > 0.2
    alone = rebalance([*train, "--recalibrate", "platt"])
    assert alone.exit_code == 2
    assert "--calibrate-on" in alone.stderr


def test_the_table_that_was_sampled_is_predicted_by_models_without_its_rows(
    tmp_path: Path, done: Invoke
) -> None:
    source, other = tmp_path / "t.parquet", tmp_path / "other.parquet"
    out, model = tmp_path / "s.parquet", tmp_path / "m.rbl"
    for path, seed in ((source, 1), (other, 2)):
        pq.write_table(simulate(6_000, seed)[0], path)
    done(["sample", source, "-l", "y", "--method", "smote", "--ratio", 2, "-o", out, "-q"])
    slopes = []
    for table in (source, other):
        train = ["train", out, "--rounds", 150, "-o", model, "--calibrate-on", table, "--json"]
        shown = done(train)
        assert "another order" not in shown.stderr
        calibration = json.loads(shown.stdout)["calibration"]
        slopes.append(json.dumps(calibration))
    # Fitted to its own rows, such a model has a slope of 2 and more there; out of fold, and on
    # rows never seen, it is far too sure of itself: below 1.
    found = [json.loads(each)["calibration_slope"]["estimate"] for each in slopes]
    assert max(found) < 0.9


@pytest.mark.parametrize("method", ["smote", "random-over"])
def test_copies_and_made_rows_give_no_standard_errors(
    tmp_path: Path, done: Invoke, method: str
) -> None:
    source, out = tmp_path / "t.parquet", tmp_path / "s.parquet"
    pq.write_table(simulate(4_000, 1)[0], source)
    done(["sample", source, "-l", "y", "--method", method, "--ratio", 2, "-o", out, "-q"])
    shown = done(["train", out, "--model", "logistic", "-o", tmp_path / "m.rbl", "--json"])
    estimates = json.loads(shown.stdout)["estimates"]
    assert estimates["variance"] == "none"
    assert "standard_error" not in estimates["coefficients"][0]
    assert "no evidence of their own" in shown.stderr


@pytest.mark.parametrize("method", ["smote", "random-over", "uniform,smote", "random-under,smote"])
def test_one_of_many_classes_against_all_others(
    method: str, tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    source, out = tmp_path / "t.parquet", tmp_path / "s.parquet"
    table, _ = simulate(1_000, 1)
    kinds = pa.array(np.where(np.arange(1_000) % 10 < 2, "c", ["a", "b"] * 500).tolist())
    pq.write_table(table.drop_columns(["y"]).append_column("kind", kinds), source)
    arguments = ["sample", source, "-l", "kind", "--method", method, "--ratio", 2, "-o", out]
    arguments += ["--rate", 0.5] if "," in method else []
    if "," in method:
        refused = rebalance(arguments)
        assert refused.exit_code == 2
        assert "--positive VALUE" in refused.stderr
        assert "--rate a=0.1,b=0.02" in refused.stderr
    shown = json.loads(done([*arguments, "--positive", "c", "--json"]).stdout)
    assert shown["method"] == method
    # 200 of c, 400 of a and of b; a repeated row is there twice on average.
    assert shown["ratio"] == pytest.approx(2, rel=0.1 if method == "random-over" else 0.01)
    counts = {each["values"]: each["counts"] for each in
              pq.read_table(out)["kind"].value_counts().to_pylist()}  # fmt: skip
    assert counts["a"] + counts["b"] == shown["kept_negatives"]


@pytest.mark.parametrize(
    ("method", "name", "more", "words"),
    [
        ("enn", "n_neighbors", [], "3,000 neighbours of a row (n_neighbors), and there are 900"),
        ("borderline-smote", "m_neighbors", ["--ratio", 2], "give --set m_neighbors=899"),
        ("near-miss", "n_neighbors_ver3", ["--ratio", 2, "--set", "version=3"], "ver3=840"),
        ("smote-enn", "n_neighbors", ["--ratio", 2], "3,000 neighbours of a row (n_neighbors)"),
        ("near-miss", "n_neighbors", ["--ratio", 2], "give --set n_neighbors=60"),
    ],
)
def test_more_neighbours_than_rows(
    method: str, name: str, more: list[object], words: str, tmp_path: Path, rebalance: Invoke
) -> None:
    source, out = tmp_path / "t.parquet", tmp_path / "s.parquet"
    table, _ = simulate(900, 1)
    pq.write_table(table.set_column(3, "y", pa.array(np.arange(900) < 60)), source)
    arguments = ["sample", source, "-l", "y", "--method", method, "-o", out, *more]
    refused = rebalance([*arguments, "--set", f"{name}=3000"])
    assert refused.exit_code == 2
    assert words in refused.stderr
    assert "n_samples_fit" not in refused.stderr


def test_no_row_is_kept_twice(tmp_path: Path, done: Invoke) -> None:
    source, out = tmp_path / "t.parquet", tmp_path / "s.parquet"
    pq.write_table(simulate(2_000, 1)[0], source)
    done(["sample", source, "-l", "y", "--method", "condensed-nn", "--set", "n_seeds_S=500",
          "-o", out, "-q"])  # fmt: skip
    rows = pq.read_table(out)["rb_row"].to_pylist()
    assert rows == sorted(set(rows))


def test_a_dry_run_refuses_what_the_run_refuses(tmp_path: Path, rebalance: Invoke) -> None:
    source = tmp_path / "t.parquet"
    pq.write_table(simulate(2_000, 1)[0], source)
    base = ["sample", source, "-l", "y", "--ratio", 5, "-o", tmp_path / "s.parquet", "--dry-run"]
    for more in (["--method", "smote", "--probabilities", tmp_path / "p.parquet"],
                 ["--method", "random-over", "--floor", 0.1]):  # fmt: skip
        assert rebalance([*base, *more]).exit_code == 2


def test_random_over_repeats_positives_with_a_known_multiplicity(
    tmp_path: Path, done: Invoke
) -> None:
    source, out = tmp_path / "t.parquet", tmp_path / "s.parquet"
    table, _ = simulate(20_000, 3)
    pq.write_table(table, source)
    arguments = ["sample", source, "-l", "y", "--method", "random-over", "--ratio", 6]
    document = json.loads(done([*arguments, "-o", out, "--json"]).stdout)
    found = pq.read_table(out)
    positives = int(pc.sum(table["y"]).as_py())
    negatives = 20_000 - positives
    expected = negatives / 6 / positives
    assert found.select(table.column_names).equals(table.take(found["rb_row"]))
    times = np.bincount(found["rb_row"].to_numpy(), minlength=20_000)
    y = table["y"].to_numpy() == 1
    assert (times[~y] == 1).all()
    assert set(times[y]) == {int(expected), int(expected) + 1}
    # A sum of `positives` draws of one more copy, each of probability q: four deviations.
    q = expected % 1
    assert abs(times[y].sum() - negatives / 6) < 4 * np.sqrt(positives * q * (1 - q))
    assert document["kept_positives"] == times[y].sum()
    y_found = found["y"].to_numpy() == 1
    assert found["rb_pi"].to_numpy() == pytest.approx(np.where(y_found, expected, 1))
    assert found["rb_weight"].to_numpy() == pytest.approx(np.where(y_found, 1 / expected, 1))
    assert found["rb_offset"].to_numpy() == pytest.approx(np.log(expected))


@pytest.mark.parametrize("correction", ["offset", "posthoc", "weight"])
def test_what_random_over_did_is_undone(correction: str, tmp_path: Path, done: Invoke) -> None:
    source, out = tmp_path / "t.csv", tmp_path / "s.csv"
    table, _ = simulate(10_000, 3)
    pcsv.write_csv(table, source)
    sample = ["sample", source, "-l", "y", "--method", "random-over", "--ratio", 2, "-o", out]
    done([*sample, "-q"])
    model, predictions = tmp_path / "m.rbl", tmp_path / "p.parquet"
    train = ["train", out, "--model", "logistic", "--l2", 0, "--correction", correction]
    done([*train, "-o", model, "-q"])
    done(["predict", source, "--model", model, "-o", predictions, "-q"])
    mean = pc.mean(pq.read_table(predictions)["rb_probability"]).as_py()
    observed = pc.mean(table["y"]).as_py()
    # Two consistent estimates of one share, each with a relative error of 1 / sqrt(positives), and
    # correlated: four deviations of their difference are below 4 * 6.6%; not undone it is * 15.
    assert mean == pytest.approx(observed, rel=4 / np.sqrt(observed * 10_000))


def test_random_over_by_key_and_random_under_as_uniform(tmp_path: Path, done: Invoke) -> None:
    source = tmp_path / "t.parquet"
    table, _ = simulate(3_000, 3)
    table = table.append_column("id", pa.array([f"k{row}" for row in range(3_000)]))
    pq.write_table(table, source)
    base = ["sample", source, "-l", "y", "-q"]
    turned = tmp_path / "turned.parquet"
    pq.write_table(table.take(pa.array(range(2_999, -1, -1))), turned)
    found = []
    for path in (source, turned):
        out = tmp_path / "o.parquet"
        over = ["--method", "random-over", "--ratio", 7, "--key", "id", "-o", out]
        done(["sample", path, "-l", "y", "-q", *over])
        found.append(sorted(pq.read_table(out)["id"].to_pylist()))
    assert found[0] == found[1]
    made = []
    for method in ("uniform", "random-under"):
        out = tmp_path / f"{method}.parquet"
        shown = done([*base, "--method", method, "--ratio", 5, "-o", out, "--json"])
        assert json.loads(shown.stdout)["method"] == method  # by the name that was given
        made.append(out.read_bytes())
    assert made[0] == made[1]


def test_a_memory_limit_and_a_dry_run(orders: Path, tmp_path: Path, rebalance: Invoke) -> None:
    out = tmp_path / "s.parquet"
    base = ["sample", orders, "-l", "bad", "--method", "smotenc", "--ratio", 3, "-o", out]
    result = rebalance([*base, "--drop", "id", "--memory-limit", "300M", "--threads", 1])
    assert result.exit_code == 2
    assert "--method nonuniform,smotenc" in result.stderr
    result = rebalance([*base, "--drop", "id", "--dry-run", "--json"])
    assert json.loads(result.stdout)["rows"] == COUNT


def test_bad_values_are_located(tmp_path: Path, rebalance: Invoke) -> None:
    table, _ = simulate(1_000, 3)
    x = table["x2"].to_numpy().copy()
    x[617] = np.inf
    y = np.arange(1_000) == 3
    source = tmp_path / "t.parquet"
    base = ["sample", source, "-l", "y", "-o", tmp_path / "s.parquet", "--ratio", 5]
    pq.write_table(table.set_column(1, "x2", pa.array(x)), source)
    result = rebalance([*base, "--method", "uniform,near-miss", "--rate", 1])
    assert result.exit_code == 3
    assert "row 617 (counting from 0), column 'x2'" in result.stderr
    pq.write_table(table.set_column(3, "y", pa.array(y)), source)
    result = rebalance([*base, "--method", "smote"])
    assert result.exit_code == 3
    assert "there is one positive" in result.stderr
    constant = pa.array(np.ones(1_000))
    pq.write_table(table.set_column(0, "x1", constant).drop(["x2", "x3"]), source)
    result = rebalance([*base, "--method", "smote"])
    assert result.exit_code == 3
    assert "no feature varies" in result.stderr
    pq.write_table(table.set_column(0, "x1", constant), source)
    result = rebalance([*base, "--method", "smote"])
    assert result.exit_code == 0
    assert "constant, so no distance depends on it: 'x1'" in result.stderr


def test_copies_are_held_out_together(tmp_path: Path, done: Invoke) -> None:
    source, out = tmp_path / "t.parquet", tmp_path / "s.parquet"
    table, _ = simulate(2_500, 3)
    pq.write_table(table, source)
    arguments = ["sample", source, "-l", "y", "--method", "random-over", "--ratio", 2, "-o", out]
    done([*arguments, "-q"])
    trained = done(["train", out, "-o", tmp_path / "m.rbl", "--json"])
    # With copies of a row on both sides, trees learn each positive by heart: 1,000 rounds and more.
    # The population itself takes some 40.
    assert json.loads(trained.stdout)["summary"]["rounds"] < 200
    assert "--correction offset is about right, not exact" in trained.stderr
    assert json.loads(trained.stdout)["corrected"] == "approximate"


def test_what_came_out_otherwise_is_said(
    orders: Path, tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    base = ["sample", orders, "-l", "bad", "--impute", "median", "-o", tmp_path / "s.parquet"]
    dropped = [part for name in ("id", "shop", "level", "member") for part in ("--drop", name)]
    hard = ["--method", "instance-hardness", "--ratio", 2, "--set", "cv=2"]
    assert "negatives, for 240 wanted" in done([*base, *dropped, *hard]).stderr
    source = tmp_path / "t.parquet"  # each positive is alone among negatives
    x = np.arange(300.0)
    pq.write_table(pa.table({"x": x, "y": (x % 10 == 5).astype(int)}), source)
    clean = ["--method", "enn", "--set", "clean=all", "-o", tmp_path / "c.parquet"]
    result = rebalance(["sample", source, "-l", "y", *clean])
    assert result.exit_code == 5
    assert "enn left no positives" in result.stderr


def test_the_list_of_methods(rebalance: Invoke) -> None:
    document = json.loads(rebalance(["sample", "--methods", "--json"]).stdout)
    methods = {each["name"]: each for each in document["methods"]}
    assert methods["smotenc"]["needs"] == "numbers and categories"
    assert methods["uniform"]["corrected"] == "exact"
    assert methods["random-over"]["corrected"] == "exact; gbm, xgboost approximate"
    assert methods["smote"]["corrected"] == "refused"
    assert methods["near-miss"]["parameters"]["version"]["default"] == 1
    text = rebalance(["sample", "--methods"]).stdout
    for name in methods:
        assert name in text


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--method", "smote", "--ratio", "3"], 3, "--method smotenc takes both"),
        (["--method", "enn"], 3, "--drop id --drop shop --drop level"),
        (["--method", "smotenc", "--ratio", "3", "--impute", "median"], 3, "--drop id"),
        (["--method", "smotenc", "--ratio", "3", "--drop", "id"], 3, "--impute median"),
        (["--method", "smoten", "--ratio", "3"], 3, "smoten takes categories only"),
        (["--method", "smotenc", "--ratio", "9"], 2, "below 9"),
        (["--method", "smotenc", "--rate", "0.5"], 2, "give --ratio K"),
        (["--method", "smote,random-over", "--ratio", "3"], 2, "add nothing"),
        (["--method", "smots", "--ratio", "3"], 2, "the nearest"),
        (["--method", "smotenc", "--ratio", "3", "--set", "k=3"], 2, "no parameter 'k'"),
        (["--method", "smotenc", "--ratio", "3", "--floor", "0.1"], 2, "--floor needs a thinning"),
        (["--method", "smotenc", "--ratio", "3", "--probabilities", "p.csv"], 2, "known prob"),
        (["--method", "random-over", "--ratio", "3", "--set", "k=3"], 2, "in memory"),
        (["--method", "random-over", "--ratio", "9"], 2, "below 9"),
        (["--method", "uniform", "--rate", "0.1", "--impute", "median"], 2, "in memory"),
        (["--method", "smotenc", "--ratio", "3", "--drop", "nothing"], 3, "no column 'nothing'"),
    ],
)
def test_what_is_refused(
    orders: Path,
    tmp_path: Path,
    rebalance: Invoke,
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    result = rebalance(["sample", orders, "-l", "bad", "-o", tmp_path / "s.parquet", *arguments])
    assert words in result.stderr
    assert result.exit_code == code
    assert list(tmp_path.iterdir()) == []


def test_whole_identifiers_are_named_and_not_made(
    tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    source, out = tmp_path / "t.parquet", tmp_path / "s.parquet"
    draw = np.random.default_rng(4)
    table = pa.table(
        {
            "id": 100_000 + draw.permutation(2_000),
            "hour": draw.integers(0, 24, 2_000),
            "x": draw.normal(size=2_000),
            "y": (np.arange(2_000) % 10 == 3).astype(np.int8),
        }
    )
    pq.write_table(table, source)
    for method in ("smote", "enn", "uniform,smote"):
        more = [] if method == "enn" else ["--ratio", 3]
        more += ["--rate", 0.5] if "," in method else []
        base = ["sample", source, "-l", "y", "--method", method, *more, "-o", out]
        failed = rebalance(base)
        assert failed.exit_code == 3
        assert "column 'id'" in failed.stderr
        assert "--drop id" in failed.stderr
        done([*base, "--drop", "id"])
    made = pq.read_table(out).filter(pc.field("rb_synthetic"))
    assert len(made)
    assert made["id"].null_count == len(made)
    assert made["hour"].null_count == 0
    done(
        [
            "sample",
            source,
            "-l",
            "y",
            "--method",
            "smote",
            "--ratio",
            3,
            "--number",
            "id",
            "-o",
            out,
        ]
    )
    made = pc.min_max(pq.read_table(out).filter(pc.field("rb_synthetic"))["id"]).as_py()
    assert 100_000 <= made["min"] < made["max"] < 102_000
    failed = rebalance([*base, "--drop", "id", "--number", "id"])
    assert failed.exit_code == 2
    assert "--number id" in failed.stderr


@pytest.mark.parametrize("method", ["smote-enn", "smote-tomek"])
def test_what_a_cleaning_drops_of_real_positives_is_said(
    tmp_path: Path, done: Invoke, method: str
) -> None:
    # Classes that lie in each other: neighbours of most positives are negatives.
    draw = np.random.default_rng(6)
    y = np.arange(600) % 6 == 1
    x = draw.normal(size=(600, 2)) + 0.5 * y[:, None]
    source, out = tmp_path / "t.parquet", tmp_path / "s.parquet"
    pq.write_table(pa.table({"a": x[:, 0], "b": x[:, 1], "y": y.astype(np.int8)}), source)
    result = done(["sample", source, "-l", "y", "--method", method, "--ratio", 2, "-o", out])
    table = pq.read_table(out)
    labels = table["y"].to_numpy()
    is_made = table["rb_synthetic"].to_numpy(zero_copy_only=False)
    positives, negatives = (labels[~is_made] == 1).sum(), (labels == 0).sum()
    assert positives < 100
    ratio = f"{negatives / (labels == 1).sum():.4g}"
    said = " ".join(result.stderr.split())
    assert (
        f"the cleaning of {method} dropped {100 - positives} of the 100 real positives and "
        f"{500 - negatives} of the 500 negatives: {ratio} negatives per positive, for 2 asked"
    ) in said


@pytest.mark.parametrize(
    ("method", "more"), [("near-miss", ["--set", "version=3"]), ("instance-hardness", [])]
)
def test_a_method_that_misses_the_ratio_says_what_came_out(
    tmp_path: Path, done: Invoke, method: str, more: list[str]
) -> None:
    draw = np.random.default_rng(6)
    y = np.arange(600) % 6 == 1
    # Of few values, so that many rows are as hard as each other: all of them are kept, or none.
    x = np.sign(draw.normal(size=(600, 2)) + 0.5 * y[:, None])
    source, out = tmp_path / "t.parquet", tmp_path / "s.parquet"
    pq.write_table(pa.table({"a": x[:, 0], "b": x[:, 1], "y": y.astype(np.int8)}), source)
    base = ["sample", source, "-l", "y", "--method", method, *more, "--ratio", 3, "-o", out]
    said = " ".join(done(base).stderr.split())
    negatives = int((pq.read_table(out)["y"].to_numpy() == 0).sum())
    assert negatives != 300
    assert (
        f"{method} came to {negatives:,} negatives, for 300 wanted: {negatives / 100:.4g} "
        "negatives per positive"
    ) in said
