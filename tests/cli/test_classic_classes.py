"""imbalanced-learn's methods on a label of many classes, from the command line to figures."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from imblearn.over_sampling import SMOTE
from sklearn.preprocessing import StandardScaler

from rebalance.core.class_design import ClassDesign
from rebalance.samplers.imbalanced import CLASSIC
from rebalance.steps.classes.artifacts.drawn import read_if_class_design
from rebalance.storage.inputs import open_table
from tests.conftest import Invoke

SIZES = {"a": 400, "b": 80, "c": 160, "d": 40}
COUNT = sum(SIZES.values())
# They share what is to be made among rows or clusters, and round.
ABOUT = ("adasyn", "kmeans-smote", "svm-smote")
KINDS = np.random.default_rng(4).permutation(np.repeat(list(SIZES), list(SIZES.values())))


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four classes; two numbers, a whole number and a category, and an identifier."""
    draw = np.random.default_rng(6)
    place = np.searchsorted(list(SIZES), KINDS)
    table = pa.table(
        {
            "id": [f"c{row:04d}" for row in range(COUNT)],
            "x1": draw.standard_normal(COUNT) + 0.8 * place,
            "x2": (10 * draw.standard_normal(COUNT)).astype(np.float32),
            "items": pa.array(draw.integers(0, 9, COUNT) + place, pa.int16()),
            "shop": draw.choice(["n", "s", "w"], COUNT).tolist(),
            "kind": KINDS.tolist(),
        }
    )
    path = tmp_path_factory.mktemp("four") / "four.parquet"
    pq.write_table(table, path)
    return path


def sampled(four: Path, method: str, *more: object) -> list[object]:
    drop = {"numbers": ["shop"], "categories": ["x1", "x2", "items"]}.get(CLASSIC[method].needs, [])
    dropped = [text for name in ["id", *drop] for text in ("--drop", name)]
    return ["sample", four, "-l", "kind", "--method", method, *dropped, *more]


@pytest.mark.parametrize("method", CLASSIC)
def test_every_method_takes_many_classes_and_changes_no_kept_row(
    method: str, four: Path, tmp_path: Path, done: Invoke
) -> None:
    out, role = tmp_path / "s.parquet", CLASSIC[method].role
    budget = [] if role == "clean" else ["--ratio", 1 if method == "adasyn" else 2]
    budget += {
        "kmeans-smote": ["--set", "cluster_balance_threshold=0.01"],
        # By all neighbours, nothing is left of a class that lies between the others.
        "enn": ["--set", "kind_sel=mode"],
        "repeated-enn": ["--set", "kind_sel=mode"],
    }.get(method, [])
    shown = json.loads(done([*sampled(four, method, *budget), "-o", out, "--json"]).stdout)
    table, source = pq.read_table(out), pq.read_table(four)
    kept = table.filter(pa.compute.is_valid(table["rb_row"]))
    at = kept["rb_row"].to_pylist()
    assert at == sorted(set(at))
    assert kept.select(source.column_names).cast(source.schema).equals(source.take(at))
    counts = Counter(table["kind"].to_pylist())
    for name, each in shown["classes"].items():
        assert each["rows"] == SIZES[name]
        assert counts[name] == each["kept"] + each["made"]
    assert shown["ratio"] == max(counts.values()) / min(counts.values())
    if method in ("near-miss", "cluster-centroids"):  # 2 rows of any class per row of d
        assert counts == {"a": 80, "b": 80, "c": 80, "d": 40}
    elif role == "over" and method not in ABOUT:  # at least 400 / 2
        assert counts == {"a": 400, "b": 200, "c": 200, "d": 200}
    elif role == "over":
        assert counts["a"] == 400
        assert all(counts[name] > SIZES[name] for name in "bd")
    elif role == "clean":
        assert counts["d"] == 40
        assert all(counts[name] <= SIZES[name] for name in "abc")


def test_smote_is_imbalanced_learns_and_names_the_parents(
    four: Path, tmp_path: Path, done: Invoke
) -> None:
    out = tmp_path / "s.parquet"
    done([*sampled(four, "smote", "--ratio", 4, "--seed", 5), "-o", out, "-q"])
    source, table = pq.read_table(four), pq.read_table(out)
    names = ["x1", "x2", "items"]
    x = np.column_stack([source[name].to_numpy().astype(float) for name in names])
    scaler = StandardScaler()
    # By hand: 400 / 4 = 100 rows at least.
    theirs, kinds = SMOTE(sampling_strategy={"b": 100, "d": 100}, random_state=5).fit_resample(
        scaler.fit_transform(x), KINDS
    )
    made = table.slice(COUNT)
    assert made["kind"].to_pylist() == kinds[COUNT:].tolist() == ["b"] * 20 + ["d"] * 60
    back = theirs[COUNT:] * scaler.scale_ + scaler.mean_
    assert made["x1"].to_numpy() == pytest.approx(back[:, 0], rel=1e-12)
    assert made["items"].to_numpy().tolist() == np.rint(back[:, 2]).astype(int).tolist()
    assert made["rb_synthetic"].to_pylist() == [True] * 80
    assert made["rb_row"].null_count == made["id"].null_count == made["shop"].null_count == 80
    parents = np.array(made["rb_parents"].to_pylist())
    assert (KINDS[parents] == np.array(made["kind"].to_pylist())[:, None]).all()
    again = tmp_path / "again.parquet"
    done([*sampled(four, "smote", "--ratio", 4, "--seed", 5), "-o", again, "-q"])
    assert again.read_bytes() == out.read_bytes()


@pytest.mark.parametrize("ending", ["parquet", "csv"])
@pytest.mark.parametrize("model", ["logistic", "gbm"])
def test_no_model_of_such_a_sample_calls_its_probabilities_true(
    ending: str, model: str, four: Path, tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    sample, out = tmp_path / f"s.{ending}", tmp_path / f"p.{ending}"
    guide = tmp_path / "m.rbl"
    done([*sampled(four, "smotenc", "--ratio", 1), "-o", sample, "-q"])
    trained = done(["train", sample, "--model", model, "--rounds", 30, "-o", guide, "--json"]
                   if model == "gbm" else
                   ["train", sample, "--model", model, "-o", guide, "--json"])  # fmt: skip
    assert json.loads(trained.stdout)["scale"] == "sampled"
    assert json.loads(trained.stdout)["correction"] == "none"
    assert "no known inclusion probabilities" in trained.stderr
    told = done(["predict", four, "--model", guide, "-o", out])
    assert "on the sample's scale" in told.stderr
    table = pq.read_table(out) if ending == "parquet" else pcsv.read_csv(out)
    columns = [f"rb_probability_sampled_{name}" for name in SIZES]
    assert [name for name in table.column_names if name.startswith("rb_")] == columns
    prob = np.column_stack([table[name].to_numpy() for name in columns])
    assert prob.sum(axis=1) == pytest.approx(np.ones(COUNT))
    # All classes had as many rows: the mean is nearer to a quarter each than to the shares.
    assert prob.mean(axis=0)[0] < 0.5
    if ending == "parquet":
        scales = json.loads(pq.read_metadata(out).metadata[b"rebalance.scale"])
        assert scales == dict.fromkeys(columns, "sampled")
    refused = rebalance(["evaluate", out, "-l", "kind"])
    assert refused.exit_code == 2
    assert "*=rb_probability_sampled_*" in refused.stderr
    named = ["--probability", "*=rb_probability_sampled_*"]
    scored = json.loads(done(["evaluate", out, "-l", "kind", *named, "--json"]).stdout)
    assert scored["metrics"]["roc_auc"] > 0.6
    refused = rebalance(["correct", out, *named, "--design", sample, "-o", tmp_path / "c.csv"])
    assert refused.exit_code == 4
    assert "smotenc, which has no known inclusion probabilities" in refused.stderr
    assert "--method uniform or nonuniform" in refused.stderr


def test_what_needs_known_probabilities_is_refused(
    four: Path, tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    sample, guide = tmp_path / "s.parquet", tmp_path / "m.rbl"
    done([*sampled(four, "tomek"), "-o", sample, "-q"])
    for option in (["--correction", "offset"], ["--logit-adjustment", 1], ["--natural"]):
        refused = rebalance(["train", sample, *option, "-o", guide])
        assert refused.exit_code in (2, 4)
        assert not guide.exists()


def test_a_pilot_of_all_classes_and_a_thinning_before(
    four: Path, tmp_path: Path, done: Invoke
) -> None:
    guide, thin, out = (tmp_path / name for name in ("p.rbl", "thin.parquet", "s.parquet"))
    done(["pilot", four, "-l", "kind", "--drop", "id", "-o", guide, "-q"])
    rates = ["--pilot", guide, "--rate", "a=0.5,c=0.5", "-q"]
    done(["sample", four, *rates, "-o", thin])
    chain = ["--method", "nonuniform,smote", "--ratio", 1, "--drop", "shop"]
    done(["sample", four, *rates, *chain, "-o", out])
    first, table = pq.read_table(thin), pq.read_table(out)
    kept = table.filter(pa.compute.is_valid(table["rb_row"]))
    assert kept["rb_row"].to_pylist() == first["rb_row"].to_pylist()
    counts = Counter(table["kind"].to_pylist())
    assert len(set(counts.values())) == 1
    drawn = read_if_class_design(str(out), open_table([str(out)]).metadata)
    assert drawn is not None
    design = drawn.design
    assert design.method == "nonuniform,smote"
    assert not design.correctable
    assert design.counts == tuple(SIZES.values())
    assert [stage["method"] for stage in design.stages] == ["nonuniform", "smote"]
    assert ClassDesign.from_document(json.loads(json.dumps(design.to_document()))) == design


@pytest.mark.parametrize(
    ("method", "more", "code", "words"),
    [
        ("smote", ["--ratio", 0.5], 2, "below 1"),
        ("smote", ["--ratio", 10], 2, "10 rows per row of the smallest, 'd', already"),
        ("near-miss", ["--ratio", 10], 2, "nothing is to be taken away"),
        ("smote", ["--rate", "a=0.5"], 2, "--rate has no meaning for smote"),
        ("tomek", ["--ratio", 2], 2, "has no meaning"),
        ("smote", ["--ratio", 2, "--set", "k_neighbors=40"], 2, "the class 'd' has 40 rows"),
        ("near-miss", ["--ratio", 2, "--set", "n_neighbors=41"], 2, "the class 'd' has 40 rows"),
        ("near-miss", ["--rate", "e=0.5"], 2, "no class 'e'"),
        ("smote", ["--ratio", 2, "--score", "l-opt"], 2, "--score"),
    ],
)
def test_what_is_refused(
    method: str, more: list[object], code: int, words: str, four: Path, tmp_path: Path,
    rebalance: Invoke,
) -> None:  # fmt: skip
    refused = rebalance([*sampled(four, method, *more), "-o", tmp_path / "s.parquet"])
    assert refused.exit_code == code, refused.output
    assert words in refused.stderr
    assert not (tmp_path / "s.parquet").exists()


def test_a_class_of_one_row_is_named(tmp_path: Path, rebalance: Invoke) -> None:
    source = tmp_path / "t.csv"
    rows = [f"{row % 7},{row % 11},{'abc'[row % 3]}" for row in range(300)]
    source.write_text("\n".join(["x,z,kind", *rows, "1,2,lone"]) + "\n")
    arguments = ["sample", source, "-l", "kind", "--method", "smote", "--ratio", 2]
    refused = rebalance([*arguments, "-o", tmp_path / "s.csv"])
    assert refused.exit_code == 3
    assert "the class 'lone' has one row" in refused.stderr


def test_rates_of_classes_for_a_method_that_takes_rows_away(
    four: Path, tmp_path: Path, done: Invoke
) -> None:
    out = tmp_path / "s.csv"
    more = ["--rate", "a=0.25,c=0.5", "--dry-run"]
    done([*sampled(four, "near-miss", *more), "-o", out])
    assert not out.exists()
    done([*sampled(four, "near-miss", *more[:2]), "-o", out, "-q"])
    counts = Counter(pcsv.read_csv(out)["kind"].to_pylist())
    assert counts == {"a": 100, "b": 80, "c": 80, "d": 40}
