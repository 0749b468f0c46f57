"""Features by a recipe, on the way from pilot to predictions."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from rebalance.core.design import Budget
from rebalance.errors import ArtifactError
from rebalance.steps.artifacts.model import read_model
from rebalance.steps.artifacts.pilot import load_pilot, read_pilot
from rebalance.steps.context import Context
from rebalance.steps.pilot import pilot
from rebalance.steps.ready import Asked
from rebalance.steps.sample import sample
from rebalance.storage.reading import Reading
from tests.conftest import Invoke

COUNT = 5_000
SHOPS = ("north", "south", "east")
RECIPE = """
[features]
log_amount = { log1p = "amount" }
to_mean = { ratio_to_mean = "amount", by = "shop" }
of_day = { cyclic = "hour", period = 24 }
week = { cyclic = "when", part = "weekday" }
age_band = { bins = "age", quantiles = 4 }
pair = { cross = ["shop", "card"] }
often = { count = "card" }
"""
MADE = [
    "log_amount", "to_mean", "of_day sin", "of_day cos", "week sin", "week cos", "age_band",
    "pair", "often",
]  # fmt: skip


def shop_table(seed: int, count: int = COUNT) -> pa.Table:
    generator = np.random.default_rng(seed)
    amount = np.round(generator.lognormal(3, 1, count), 2)
    hour = generator.integers(0, 24, count)
    shop = generator.choice(SHOPS, count, p=[0.5, 0.3, 0.2])
    card = generator.choice(["visa", "giro", "cash", "odd"], count, p=[0.5, 0.3, 0.15, 0.05])
    days = generator.integers(0, 365, count)
    log_odds = -5.2 + 0.6 * np.log1p(amount) + np.cos(2 * np.pi * hour / 24)
    log_odds += 1.5 * ((shop == "south") & (card == "giro"))
    y = generator.random(count) < 1 / (1 + np.exp(-log_odds))
    gaps = generator.random(count)
    return pa.table(
        {
            "amount": pa.array(amount, mask=gaps < 0.05),
            "age": generator.integers(18, 90, count),
            "hour": hour,
            "shop": pa.array(shop.tolist()),
            "card": pa.array(card.tolist(), mask=gaps > 0.97),
            "when": pa.array(days * 86_400_000_000 + hour * 3_600_000_000, pa.timestamp("us")),
            "y": y.astype(np.int8),
        }
    )


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table to train on, another to predict, both also as CSV, and a recipe."""
    folder = tmp_path_factory.mktemp("shops")
    for name, seed in (("train", 3), ("test", 4)):
        table = shop_table(seed)
        pq.write_table(table, folder / f"{name}.parquet", row_group_size=1_500)
        pcsv.write_csv(table, folder / f"{name}.csv")
    (folder / "f.toml").write_text(RECIPE)
    return folder


def by_hand(table: pa.Table, learned_from: pa.Table) -> pa.Table:
    """The table with the recipe's features as columns, computed with NumPy."""
    amount = table["amount"].to_numpy()
    shop = np.array(table["shop"].to_pylist())
    known, shops = learned_from["amount"].to_numpy(), np.array(learned_from["shop"].to_pylist())
    mean = {each: np.nanmean(known[shops == each]) for each in SHOPS}
    hour = 2 * np.pi * (table["hour"].to_numpy() / 24)
    week = 2 * np.pi * (pc.day_of_week(table["when"]).to_numpy() / 7)
    ages = learned_from["age"].to_numpy()
    # The least age with a k-th of the others below it.
    edges = [
        min(age for age in {*ages.tolist()} if (ages < age).mean() >= k / 4) for k in (1, 2, 3)
    ]
    bands = [f"below {edges[0]}", f"{edges[0]} to {edges[1]}", f"{edges[1]} to {edges[2]}",
             f"{edges[2]} or more"]  # fmt: skip
    band = np.searchsorted(edges, table["age"].to_numpy(), "right")
    cards = Counter(learned_from["card"].to_pylist())
    pairs = zip(table["shop"].to_pylist(), table["card"].to_pylist(), strict=True)
    columns = {
        "log_amount": np.log1p(amount),
        "to_mean": amount / np.array([mean[each] for each in shop]),
        "of_day sin": np.sin(hour),
        "of_day cos": np.cos(hour),
        "week sin": np.sin(week),
        "week cos": np.cos(week),
        "age_band": [bands[place] for place in band],
        "pair": [None if card is None else f"{where} × {card}" for where, card in pairs],
        "often": [None if card is None else cards[card] for card in table["card"].to_pylist()],
    }
    assert [*columns] == MADE
    for name, values in columns.items():
        table = table.append_column(name, pa.array(values))
    return table


def probability(path: Path) -> np.ndarray:
    return pq.read_table(path)["rb_probability"].to_numpy()


@pytest.mark.parametrize("model", ["logistic", "gbm"])
def test_a_recipe_is_as_good_as_columns(
    shops: Path, tmp_path: Path, done: Invoke, model: str
) -> None:
    tables = {name: pq.read_table(shops / f"{name}.parquet") for name in ("train", "test")}
    for name, table in tables.items():
        pq.write_table(by_hand(table, tables["train"]), tmp_path / f"{name}.parquet")
    found = []
    for folder, more in ((shops, ["--features", shops / "f.toml"]), (tmp_path, [])):
        fitted, out = tmp_path / "m.rbl", tmp_path / f"p{len(more)}.parquet"
        rounds = ["--rounds", 20] if model == "gbm" else []
        done(["train", folder / "train.parquet", "--natural", "-l", "y", "--model", model, *rounds,
              *more, "-o", fitted, "-q"])  # fmt: skip
        done(["predict", folder / "test.parquet", "--model", fitted, "-o", out, "-q"])
        found.append(probability(out))
    # A mean may be added in another order. Angles are computed as the recipe does: trees tell
    # values apart that differ in the last bit, as those of 5 and 7 o'clock then would.
    assert found[0] == pytest.approx(found[1], rel=1e-9)


@pytest.mark.parametrize("model", ["logistic", "gbm"])
def test_a_recipe_travels_from_the_pilot_to_the_predictions(
    shops: Path, tmp_path: Path, done: Invoke, model: str
) -> None:
    fitted, drawn, out = tmp_path / "p.rbl", tmp_path / "s.parquet", tmp_path / "out.parquet"
    train = shops / "train.parquet"
    done(
        ["pilot", train, "-l", "y", "--features", shops / "f.toml", "--model", model, "-o", fitted]
    )
    done(["sample", train, "--pilot", fitted, "--rate", 0.3, "-o", drawn, "-q"])
    assert pq.read_schema(drawn).names == [
        *pq.read_schema(train).names, "rb_row", "rb_pi", "rb_weight", "rb_offset"
    ]  # fmt: skip
    said = done(["train", drawn, "--model", model, "-o", tmp_path / "m.rbl"]).output
    assert "features made as the pilot makes them: 'log_amount', 'to_mean'" in " ".join(
        said.split()
    )
    trained = read_model(str(tmp_path / "m.rbl"))
    assert {*MADE} & {*trained.fitted.encoder.kinds}
    # Learned from all rows of the table, not from the sample.
    assert trained.fitted.encoder.recipe == read_pilot(str(fitted)).recipe
    cards = pq.read_table(train)["card"].to_pylist()
    assert trained.fitted.encoder.recipe.to_document()["features"]["often"]["counts"] == {
        card: cards.count(card) for card in ("cash", "giro", "odd", "visa")
    }
    assert {*trained.kinds} <= {*pq.read_schema(train).names}
    done(["predict", shops / "test.parquet", "--model", tmp_path / "m.rbl", "-o", out, "-q"])
    assert pq.read_schema(out).names == [*pq.read_schema(train).names, "rb_probability"]
    y = pq.read_table(out)["y"].to_numpy()
    # Some 500 positives of either table: the sums' standard errors are 4.5% each.
    assert probability(out).sum() == pytest.approx(y.sum(), rel=0.2)
    theirs, ours = tmp_path / "theirs.parquet", tmp_path / "c.parquet"
    rows = pq.read_table(drawn)
    pq.write_table(rows.select(pq.read_schema(train).names).append_column(
        "score", pa.array(np.full(len(rows), 0.5))), theirs)  # fmt: skip
    done(["correct", theirs, "--probability", "score", "--design", drawn, "-o", ours, "-q"])
    # Half on the sample's scale: the log odds of the population are - l.
    found = probability(ours)
    assert np.log(found / (1 - found)) == pytest.approx(-rows["rb_offset"].to_numpy())


@pytest.mark.parametrize("model", ["logistic", "gbm"])
def test_a_recipe_with_the_focal_loss_is_as_good_as_columns(
    shops: Path, tmp_path: Path, done: Invoke, model: str
) -> None:
    tables = {name: pq.read_table(shops / f"{name}.parquet") for name in ("train", "test")}
    for name, table in tables.items():
        pq.write_table(by_hand(table, tables["train"]), tmp_path / f"{name}.parquet")
    found, features = [], []
    for folder, more in ((shops, ["--features", shops / "f.toml"]), (tmp_path, [])):
        fitted, out = tmp_path / "m.rbl", tmp_path / f"p{len(more)}.parquet"
        rounds = ["--rounds", 20] if model == "gbm" else []
        said = done(["train", folder / "train.parquet", "--natural", "-l", "y", "--model", model,
                     *rounds, "--loss", "focal", "--gamma", 1, *more, "--json",
                     "--check-calibration", "-o", fitted])  # fmt: skip
        features.append(json.loads(said.stdout)["features"])
        assert {*read_model(str(fitted)).kinds} <= {*pq.read_schema(folder / "train.parquet").names}
        done(["predict", folder / "test.parquet", "--model", fitted, "-o", out, "-q"])
        found.append(probability(out))
    assert found[0] == pytest.approx(found[1], rel=1e-7)  # a mean may be added in another order
    assert features[0] == features[1]


def drawn_by(table: Path, folder: Path, recipe: Path, context: Context) -> tuple[dict, np.ndarray]:
    """The pilot's recipe and the sample's probabilities."""
    fitted, out = folder / "p.rbl", folder / "s.parquet"
    pilot([str(table)], "y", str(fitted), features=str(recipe), size=400, context=context)
    sample(Asked([str(table)], str(out), Budget(rate=0.2), pilot=str(fitted)), context)
    found = pq.read_table(out, columns=["rb_row", "rb_pi"])
    document = read_pilot(str(fitted)).recipe
    assert document is not None
    return document.to_document(), np.column_stack([found["rb_row"], found["rb_pi"]])


def test_batches_threads_and_formats_change_no_bit(shops: Path, tmp_path: Path) -> None:
    whole = drawn_by(shops / "train.parquet", tmp_path, shops / "f.toml", Context(threads=1))
    small = Context(threads=2, reading=Reading(batch_rows=617))
    for table in ("train.parquet", "train.csv"):
        document, probabilities = drawn_by(shops / table, tmp_path, shops / "f.toml", small)
        assert document == whole[0]
        assert (probabilities == whole[1]).all()


def test_a_sample_as_text_trains_the_same_model(shops: Path, tmp_path: Path, done: Invoke) -> None:
    train, found = shops / "train.parquet", []
    done(["pilot", train, "-l", "y", "--features", shops / "f.toml", "-o", tmp_path / "p.rbl"])
    for name in ("s.parquet", "s.csv"):
        drawn, fitted = tmp_path / name, tmp_path / "m.rbl"
        done(["sample", train, "--pilot", tmp_path / "p.rbl", "--rate", 0.3, "-o", drawn, "-q"])
        done(["train", drawn, "--model", "logistic", "-o", fitted, "-q"])
        found.append(read_model(str(fitted)).fitted.members()["coefficients.npy"])
    assert found[0] == found[1]


def test_the_same_table_gives_the_same_bytes(shops: Path, tmp_path: Path, done: Invoke) -> None:
    for name, threads in (("a", 1), ("b", 2)):
        done(["run", shops / "train.parquet", "-l", "y", "--features", shops / "f.toml",
              "--rate", 0.3, "--rounds", 10, "--threads", threads, "-q",
              "-o", tmp_path / name])  # fmt: skip
    for name in ("pilot.rbl", "sample.parquet", "model.rbl", "predictions.parquet", "report.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    model = read_model(str(tmp_path / "a" / "model.rbl"))
    assert model.drawn is not None
    assert model.drawn.pilot is not None
    assert model.fitted.encoder.recipe == model.drawn.pilot.recipe


def test_training_learns_from_the_weights_of_a_sample(
    shops: Path, tmp_path: Path, done: Invoke
) -> None:
    drawn, fitted = tmp_path / "s.parquet", tmp_path / "m.rbl"
    done(["sample", shops / "train.parquet", "-l", "y", "--rate", 0.5, "-o", drawn, "-q"])
    said = done(
        ["train", drawn, "--model", "logistic", "--features", shops / "f.toml", "-o", fitted]
    )
    assert "the sample's weights estimate them" in " ".join(said.output.split())
    recipe = read_model(str(fitted)).fitted.encoder.recipe.to_document()["features"]
    rows = pq.read_table(drawn)
    weight = rows["rb_weight"].to_numpy()
    for card, count in recipe["often"]["counts"].items():
        own = np.array([each == card for each in rows["card"].to_pylist()])
        assert count == pytest.approx(weight[own].sum())
    amount, shop = rows["amount"].to_numpy(), np.array(rows["shop"].to_pylist())
    for name, mean in recipe["to_mean"]["means"].items():
        own = (shop == name) & ~np.isnan(amount)
        assert mean == pytest.approx(np.average(amount[own], weights=weight[own]))


def test_other_features_than_the_pilots(shops: Path, tmp_path: Path, done: Invoke) -> None:
    fitted, drawn, out = tmp_path / "p.rbl", tmp_path / "s.parquet", tmp_path / "m.rbl"
    train = shops / "train.parquet"
    done(["pilot", train, "-l", "y", "--features", shops / "f.toml", "--model", "gbm",
          "--drop", "hour", "-o", fitted, "-q"])  # fmt: skip
    done(["sample", train, "--pilot", fitted, "--rate", 0.3, "-o", drawn, "-q"])
    other = tmp_path / "other.toml"
    other.write_text('drop = ["age"]\n[features]\nold = { bins = "age", edges = [65] }\n')
    base = ["train", drawn, "--rounds", 10, "-o", out]
    done([*base, "--features", other, "--check-calibration"])
    model = read_model(str(out))
    assert [made.name for made in model.fitted.encoder.recipe.made] == ["old"]
    assert "age" not in model.fitted.encoder.kinds
    assert model.starts_from_pilot  # which makes its features of the hour, though it is dropped
    assert "hour" in model.kinds
    done(["predict", shops / "test.parquet", "--model", out, "-o", tmp_path / "o.parquet", "-q"])
    done([*base, "--features", "none"])
    assert read_model(str(out)).fitted.encoder.recipe is None
    said = " ".join(done([*base, "--drop", "amount"]).output.split())
    assert "are not made here" in said
    assert "'log_amount', 'to_mean'" in said
    left = read_model(str(out)).fitted.encoder.recipe
    assert [made.name for made in left.made] == ["of_day", "week", "age_band", "pair", "often"]


def test_many_classes(shops: Path, tmp_path: Path, done: Invoke) -> None:
    table = pq.read_table(shops / "train.parquet")
    kind = np.where(table["y"].to_numpy() == 1, "fraud", np.array(table["shop"].to_pylist()))
    kind[::7] = "other"
    table = table.set_column(6, "y", pa.array(kind.tolist()))
    path, drawn, out = (tmp_path / f"{name}.parquet" for name in ("t", "s", "o"))
    pq.write_table(table, path)
    done(["pilot", path, "-l", "y", "--features", shops / "f.toml", "--drop", "shop",
          "-o", tmp_path / "p.rbl", "-q"])  # fmt: skip
    done(["sample", path, "--pilot", tmp_path / "p.rbl", "--rows", 3_000, "-o", drawn, "-q"])
    for model in ("logistic", "gbm"):
        rounds = ["--rounds", 5] if model == "gbm" else []
        done(["train", drawn, "--model", model, *rounds, "-o", tmp_path / "m.rbl", "-q"])
        done(["predict", path, "--model", tmp_path / "m.rbl", "-o", out, "-q", "--keep", "y"])
        found = pq.read_table(out)
        assert found.num_columns == 1 + len({*kind})
        # `pair` tells the shops apart although the column is dropped.
        north = found["rb_probability_north"].to_numpy()
        assert north[kind == "north"].mean() > 0.7
        assert north[kind == "south"].mean() < 0.2


def test_new_and_impossible_values_are_said(
    shops: Path, tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    train = shops / "train.parquet"
    fitted, odd = tmp_path / "m.rbl", tmp_path / "odd.parquet"
    done(["train", train, "--natural", "-l", "y", "--model", "logistic", "-q",
          "--features", shops / "f.toml", "-o", fitted])  # fmt: skip
    table = pq.read_table(train).slice(0, 5)
    table = table.set_column(0, "amount", pa.array([-1.0, 2.0, -3.0, None, 5.0]))
    table = table.set_column(3, "shop", pa.array(["west", "north", "north", "west", "south"]))
    pq.write_table(table, odd)
    out = tmp_path / "o.parquet"
    said = " ".join(done(["predict", odd, "--model", fitted, "-o", out]).output.split())
    assert "2 values of 'log_amount' are missing: there is no log1p of -1 or less" in said
    assert "2 values of 'pair' are missing or new to the model" in said
    assert np.isfinite(probability(out)).all()
    failed = rebalance(["pilot", odd, "-l", "y", "--features", shops / "f.toml", "-o", fitted])
    assert failed.exit_code == 3
    assert "-1 has no log1p" in failed.output
    assert "row 0 (counting from 0), column 'amount'" in " ".join(failed.output.split())


def test_a_model_with_a_recipe_is_of_a_newer_format(
    shops: Path, tmp_path: Path, done: Invoke
) -> None:
    formats = []
    for more in ([], ["--features", shops / "f.toml"]):
        done(["pilot", shops / "train.parquet", "-l", "y", *more, "-o", tmp_path / "p.rbl", "-q"])
        with zipfile.ZipFile(tmp_path / "p.rbl") as archive:
            manifest = json.loads(archive.read("manifest.json"))
        formats.append(manifest["format"])
        assert ("recipe" in manifest) == bool(more)
    assert formats == [1, 3]
    content = bytearray((tmp_path / "p.rbl").read_bytes())
    content[content.index(b"giro")] ^= 1
    with pytest.raises(ArtifactError, match="altered"):
        load_pilot(bytes(content), "p.rbl")


@pytest.mark.parametrize(
    ("feature", "more", "code", "said"),
    [
        ('a = { log1p = "amont" }', [], 3, "no column 'amont' (named by the feature 'a')"),
        ('a = { log1p = "shop" }', [], 3, "log1p needs a number, and the column 'shop' is string"),
        ('a = { cyclic = "when", period = 24 }', [], 3, 'or write part = "hour"'),
        ('a = { cyclic = "hour", part = "hour" }', [], 3, "cyclic needs a time"),
        ('a = { count = "when" }', [], 3, "count needs a category or a boolean or a number"),
        ('a = { log1p = "y" }', [], 2, "'y' is the label, of which no feature is made"),
        ('a = { count = "card" }', ["--key", "card"], 2, "'card' is the key"),
        ('a = { log1p = "age" }', ["--sample-weight", "age"], 2, "'age' is the weight"),
        ('shop = { log1p = "age" }', [], 2, "the table has a column 'shop' already"),
    ],
)  # fmt: skip
def test_what_a_table_does_not_have_is_refused(
    shops: Path,
    tmp_path: Path,
    rebalance: Invoke,
    feature: str,
    more: list[str],
    code: int,
    said: str,
) -> None:
    recipe = tmp_path / "f.toml"
    recipe.write_text(f"[features]\n{feature}\n")
    base = ["pilot", shops / "train.parquet", "-l", "y", "-o", tmp_path / "p.rbl"]
    found = rebalance([*base, "--features", recipe, *more])
    assert found.exit_code == code
    assert said in " ".join(found.output.split())
    assert not (tmp_path / "p.rbl").exists()


def test_a_pilot_and_a_run_of_no_recipe(shops: Path, tmp_path: Path, done: Invoke) -> None:
    found = []
    for number, more in enumerate(([], ["--features", "none"])):
        out = tmp_path / f"{number}"
        done(["pilot", shops / "train.parquet", "-l", "y", *more, "-o", f"{out}.rbl", "-q"])
        done(["run", shops / "train.parquet", "-l", "y", *more, "--rate", 0.3, "--rounds", 5, "-q",
              "-o", out])  # fmt: skip
        found.append((out.with_suffix(".rbl").read_bytes(), (out / "model.rbl").read_bytes()))
    assert read_pilot(str(tmp_path / "1.rbl")).recipe is None
    assert found[0] == found[1]


def test_a_recipe_is_no_output(shops: Path, tmp_path: Path, rebalance: Invoke) -> None:
    recipe = tmp_path / "f.rbl"
    recipe.write_text(RECIPE)
    found = rebalance(
        ["pilot", shops / "train.parquet", "-l", "y", "--features", recipe, "-o", recipe]
    )
    assert found.exit_code == 2
    assert recipe.read_text() == RECIPE
