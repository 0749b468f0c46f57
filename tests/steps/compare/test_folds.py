"""Folds: even, whole keys, later times; and nothing of a test fold in what is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rebalance.core.labels import Label
from rebalance.errors import DataError, UsageError
from rebalance.steps.compare.fitting import Bench
from rebalance.steps.compare.folds import Folds, make_folds, write_fold
from rebalance.steps.compare.recipes import Recipe
from rebalance.steps.compare.ways import Way
from rebalance.steps.context import Context
from rebalance.storage.inputs import open_table

ROWS = 1_200


def columns(seed: int = 0) -> dict[str, Any]:
    """A tenth positives, 300 keys, 100 days."""
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((ROWS, 2))
    return {
        "x1": x[:, 0],
        "x2": x[:, 1],
        "shop": generator.choice(["a", "b", "c"], ROWS).tolist(),
        "customer": generator.integers(0, 300, ROWS),
        "day": generator.permutation(np.repeat(np.arange(100), ROWS // 100)),
        "y": (generator.random(ROWS) < 1 / (1 + np.exp(2.6 - x[:, 0]))).astype(np.int8),
    }


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table(columns()), path)
    return path


def folds_of(path: Path, count: int = 5, **options: Any) -> Folds:
    options = {"positive": None, "key": None, "time": None, "seed": 0} | options
    return make_folds(open_table([str(path)]), "y", count, **options, context=Context())


def test_every_row_is_tested_once_and_classes_are_even(table: Path) -> None:
    found = folds_of(table)
    assert found.label == Label("y", "1", ("0",))
    for rows in (found.y_true, ~found.y_true):
        sizes = np.bincount(found.fold[rows], minlength=5)
        assert sizes.max() - sizes.min() <= 1
    for number in range(5):
        assert (found.tests(number) ^ found.trains(number)).all()
    assert found.test_per_train == pytest.approx(1 / 4, rel=0.01)
    assert (folds_of(table, seed=1).fold != found.fold).any()


def test_a_key_is_in_one_fold_only(table: Path) -> None:
    found = folds_of(table, key="customer")
    customers = columns()["customer"]
    for customer in np.unique(customers):
        assert len(set(found.fold[customers == customer])) == 1
    held = np.bincount(found.fold, found.y_true)
    assert held.max() - held.min() <= 2


def test_by_time_what_is_tested_comes_after_what_trained(table: Path) -> None:
    found = folds_of(table, 4, time="day")
    days = columns()["day"]
    assert (found.fold == -1).any()
    for number in range(4):
        assert days[found.trains(number)].max() < days[found.tests(number)].min()
    trained = [int(found.trains(number).sum()) for number in range(4)]
    assert trained == sorted(trained)


def test_a_fold_on_disk_holds_its_rows_as_they_are(table: Path, tmp_path: Path) -> None:
    found = folds_of(table, 3)
    files = write_fold(open_table([str(table)]), found, 1, tmp_path, [100])
    whole = pq.read_table(table)
    assert pq.read_table(files.train).equals(whole.filter(pa.array(found.trains(1))))
    assert pq.read_table(files.test).equals(whole.filter(pa.array(found.tests(1))))
    assert files.train_rows == pq.read_table(files.train).num_rows
    assert files.test_positives == int(found.y_true[found.tests(1)].sum())
    ((part, size),) = files.parts
    assert pq.read_table(part).num_rows == size < files.train_rows


@pytest.mark.parametrize(
    "method", ["none", "uniform", "nonuniform", "random-over", "uniform+smote"]
)
def test_a_model_does_not_depend_on_the_rows_it_is_tested_on(method: str, tmp_path: Path) -> None:
    """The test rows' features become others, their labels stay: the model has the same bytes."""
    models = []
    for version in range(2):
        folder = tmp_path / str(version)
        folder.mkdir()
        content = {name: values for name, values in columns().items() if name != "shop"}
        path = folder / "table.parquet"
        pq.write_table(pa.table(content), path)
        found = folds_of(path, 3)
        if version:
            tested = found.tests(0)
            content["x1"] = np.where(tested, 100.0 * content["y"], content["x1"])
            content["x2"] = np.where(tested, -7.0, content["x2"])
            pq.write_table(pa.table(content), path)
        files = write_fold(open_table([str(path)]), found, 0, folder)
        recipe = Recipe(Way(method, "logistic"), found.label, 2.0, 9.0, (), None, 0)
        Bench(files, Context(), 0.5, uncorrected=False).fit(recipe, 60.0)
        models.append((folder / "model.rbl").read_bytes())
    assert models[0] == models[1]


def test_too_few_positives_for_the_folds(tmp_path: Path) -> None:
    path = tmp_path / "few.parquet"
    content = columns()
    content["y"] = np.where(np.arange(ROWS) < 3, 1, 0)
    pq.write_table(pa.table(content), path)
    with pytest.raises(DataError, match=r"3 positives, too few for 5 folds.*--folds 3 or less"):
        folds_of(path)
    with pytest.raises(DataError, match=r"keys? ha(s|ve) positives, too few for 5 folds"):
        folds_of(path, key="customer")
    with pytest.raises(
        DataError, match=r"fold 1 of 5 has no positives to .*fewer --folds, or leave"
    ):
        folds_of(path, time="day")


def test_values_that_are_missing_and_options_that_contradict(table: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--key and --time exclude each other"):
        folds_of(table, key="customer", time="day")
    with pytest.raises(UsageError, match="--key names the label"):
        folds_of(table, key="y")
    with pytest.raises(DataError, match="nearest is 'customer'"):
        folds_of(table, key="custmer")
    with pytest.raises(DataError, match="type string"):
        folds_of(table, time="shop")
    gaps = tmp_path / "gaps.parquet"
    content = columns()
    content["customer"] = pa.array(content["customer"], mask=np.arange(ROWS) == 7)
    pq.write_table(pa.table(content), gaps)
    with pytest.raises(DataError, match=r"the key is missing.*row 7 "):
        folds_of(gaps, key="customer")
