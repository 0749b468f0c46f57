"""Boosting from an offset and a baseline."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import lightgbm
import numpy as np
import pyarrow as pa
import pytest

from rebalance.core.kinds import Kind
from rebalance.errors import FitError, UsageError
from rebalance.learners import get_learner
from rebalance.learners.base import Settings, TrainingRows
from rebalance.learners.forest import MAX_LEAVES, features_used
from rebalance.learners.gbm import TreeModel
from rebalance.steps.pilot import PILOT_TREES


def rows(count: int = 4_000, seed: int = 0, shift: float = 2.0) -> TrainingRows:
    generator = np.random.default_rng(seed)
    x = generator.standard_normal(count)
    shop = generator.choice(["a", "b", "c"], count)
    log_odds = -3 + x + 2 * (shop == "b")
    y = generator.random(count) < 1 / (1 + np.exp(-log_odds - shift))
    return TrainingRows(
        {"x": pa.array(x), "shop": pa.array(shop.tolist())},
        {"x": "number", "shop": "category"},
        y,
        np.full(count, shift),
        np.full(count, -2.0),
        None,
        generator.random(count),
    )


def test_offset_and_baseline_are_where_the_trees_start() -> None:
    given = rows()
    fitted = get_learner("gbm").fit(given, Settings(rounds=1, learning_rate=1e-12))
    # Trees of a vanishing step add nothing: what is left is the baseline, without the offset.
    assert fitted.log_odds(given.columns, given.baseline) == pytest.approx(given.baseline)


def test_the_fit_recovers_the_population_below_the_offset() -> None:
    given = rows(20_000)
    fitted = get_learner("gbm").fit(given, Settings())
    found = fitted.log_odds(given.columns, given.baseline)
    shop = np.array(given.columns["shop"].to_pylist())
    truth = -3 + given.columns["x"].to_numpy() + 2 * (shop == "b")
    # 20,000 rows, trees of 20 rows a leaf and more: the mean of 20,000 errors is near zero.
    assert abs((found - truth).mean()) < 0.1
    assert np.corrcoef(found, truth)[0, 1] > 0.97


def test_equal_to_lightgbm_with_the_same_matrix() -> None:
    given = rows()
    fitted = get_learner("gbm").fit(given, Settings(rounds=20))
    shop = np.array(given.columns["shop"].to_pylist())
    order = sorted("abc", key=lambda level: (-(shop == level).sum(), level))
    matrix = np.column_stack(
        [given.columns["x"].to_numpy(), [order.index(level) for level in shop]]
    )
    data = lightgbm.Dataset(
        matrix, given.y_true, init_score=given.offset - 2.0, categorical_feature=[1]
    )
    peer = lightgbm.train(
        {
            "objective": "binary",
            "learning_rate": 0.03,
            "num_leaves": 31,
            "cat_smooth": 50,
            "cat_l2": 50,
            "verbosity": -1,
            "deterministic": True,
            "force_col_wise": True,
        },
        data,
        20,
    )
    expected = peer.predict(matrix, raw_score=True) - 2.0
    assert fitted.log_odds(given.columns, given.baseline) == pytest.approx(expected, abs=1e-9)


def test_threads_change_nothing() -> None:
    given = rows()
    one = get_learner("gbm").fit(given, Settings(threads=1))
    two = get_learner("gbm").fit(given, Settings(threads=2))
    assert one.members() == two.members()


def test_members_bring_back_the_same_bits_and_hold_no_parameters() -> None:
    given = rows()
    learner = get_learner("gbm")
    fitted = learner.fit(given, Settings(rounds=10))
    again = learner.load(fitted.members())
    assert (
        again.log_odds(given.columns, given.baseline)
        == fitted.log_odds(given.columns, given.baseline)
    ).all()
    assert b"num_threads" not in fitted.members()["trees.txt"]


def test_too_few_rows_to_hold_out_is_said() -> None:
    given = rows(200)
    few = given.take(~given.y_true | (np.cumsum(given.y_true) <= 5))
    with pytest.raises(FitError, match="--rounds"):
        get_learner("gbm").fit(few, Settings())
    fitted = get_learner("gbm").fit(few, Settings(rounds=3))
    assert fitted.summary()["rounds"] == 3


def test_settings_of_another_learner_are_refused() -> None:
    with pytest.raises(UsageError, match="--l2"):
        get_learner("gbm", Settings(l2=1.0))
    with pytest.raises(UsageError, match="--leaves"):
        get_learner("logistic", Settings(leaves=3))
    with pytest.raises(UsageError, match="nearest is 'gbm'"):
        get_learner("gbn")


def with_unused_columns(given: TrainingRows) -> TrainingRows:
    """With columns before and between its own on which no tree can split: few rows differ."""
    count = len(given)
    few = np.arange(count) < 5  # LightGBM wants 20 rows in a leaf
    vectors = np.repeat(few, 2).astype(np.float64)
    columns = {
        "seldom": pa.array(few.astype(np.float64)),
        "x": given.columns["x"],
        "when": pa.array(few * 10**9, pa.timestamp("s")),
        "pair": pa.FixedSizeListArray.from_arrays(pa.array(vectors), 2),
        "shop": given.columns["shop"],
    }
    kinds: dict[str, Kind] = {
        "seldom": "number",
        "x": "number",
        "when": "time",
        "pair": "vector",
        "shop": "category",
    }
    return replace(given, columns=columns, kinds=kinds)


@pytest.mark.parametrize("leaves", [4, 16, 17, 40])
def test_columns_that_no_tree_uses_are_not_read(leaves: int) -> None:
    given = with_unused_columns(rows(20_000))
    fitted = get_learner("gbm").fit(given, Settings(rounds=5, leaves=leaves))
    assert isinstance(fitted, TreeModel)
    whole = fitted.encoder.trees(given.columns)
    expected = lightgbm.Booster(model_str=fitted.text).predict(whole, raw_score=True)
    for model in (fitted, get_learner("gbm").load(fitted.members())):
        assert model.kinds == {"x": "number", "shop": "category"}
        assert model.left_out == dict.fromkeys(["seldom", "when", "pair"], "no tree uses it")
        read = {name: given.columns[name] for name in model.kinds}
        assert (model.log_odds(read, None) == expected).all()
        assert model.surprises(read) == {}


def test_a_time_of_which_trees_use_one_part_is_missing_as_before() -> None:
    count = 4_000
    generator = np.random.default_rng(3)
    days = generator.choice(7, count, p=[0.4, *[0.1] * 6])
    hours = 24 * days + generator.integers(0, 24, count)
    missing = generator.random(count) < 0.3
    late = missing | ((3 + days) % 7 >= 4)  # 1970 began on a Thursday; Monday is 0
    y_true = generator.random(count) < np.where(late, 0.6, 0.1)
    when = pa.array(hours * 3600, pa.timestamp("s"), mask=missing)
    given = replace(rows(count), columns={"when": when}, kinds={"when": "time"}, y_true=y_true)
    fitted = get_learner("gbm").fit(given, Settings(rounds=2, leaves=2))
    assert isinstance(fitted, TreeModel)
    # The terms are hour and weekday; that a time is missing is told by the first.
    assert [term.missing for term in fitted.encoder.terms] == [True, False]
    assert features_used(fitted.text) == {1}
    found = fitted.log_odds(given.columns)
    assert (found[late] > 0).all()
    assert (found[~late] < 0).all()


def test_without_any_split_all_columns_are_read() -> None:
    given = rows(30)
    fitted = get_learner("gbm").fit(given, Settings(rounds=3))
    assert fitted.kinds == {"x": "number"}
    assert list(fitted.left_out) == ["shop"]  # its levels are rare
    assert (fitted.log_odds(given.columns, given.baseline) == given.baseline).all()


def test_pilots_are_small_enough_to_be_scored_without_lightgbm() -> None:
    assert PILOT_TREES.leaves is not None
    assert PILOT_TREES.leaves <= MAX_LEAVES


def test_small_trees_are_scored_without_lightgbm(tmp_path: Path) -> None:
    given = rows()
    fitted = get_learner("gbm").fit(given, Settings(rounds=5, leaves=16))
    for name, content in fitted.members().items():
        (tmp_path / name).write_bytes(content)
    code = (
        "import sys\nfrom pathlib import Path\nimport numpy\n"
        "from rebalance.core.arrays import texts_to_arrow, to_arrow\n"
        "from rebalance.learners import get_learner\n"
        "members = {path.name: path.read_bytes() for path in Path(sys.argv[1]).iterdir()}\n"
        "columns = {'x': to_arrow(numpy.array([0.5])), 'shop': texts_to_arrow(['b'])}\n"
        "print(repr(float(get_learner('gbm').load(members).log_odds(columns, None)[0])))\n"
        "sys.exit(', '.join({'lightgbm', 'pandas', 'scipy'} & set(sys.modules)) or 0)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], text=True, capture_output=True
    )
    assert ran.returncode == 0, ran.stderr
    row = {"x": pa.array([0.5]), "shop": pa.array(["b"])}
    assert float(ran.stdout) == fitted.log_odds(row, None)[0]
