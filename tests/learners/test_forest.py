"""Trees scored without LightGBM, against LightGBM."""

from __future__ import annotations

import math
import subprocess
import sys

import lightgbm
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rebalance.learners import forest
from rebalance.learners.forest import features_used, read_forest

Floats = NDArray[np.float64]

FEATURES = 4
CATEGORY = 3
# Where numbers are close to another, to zero (LightGBM's zero reaches to 1e-35), or to the end.
ZERO = float(np.float32(1e-35))
SPECIAL = [0.0, -0.0, 5e-324, -5e-324, 1e-300, -1e-40, ZERO, -ZERO, 1e-34, -1e-34, 1.0, -2.5, 0.1]
SPECIAL += [1e300, -1e300, sys.float_info.max, float(np.nextafter(ZERO, 1)), -0.1, 3.0, math.inf]


def random_tree(generator: np.random.Generator, leaves: int) -> str:
    """A tree in LightGBM's text, grown as LightGBM grows it: a split turns a leaf into two."""
    children = np.zeros((max(leaves - 1, 0), 2), dtype=int)
    parent: dict[int, tuple[int, int]] = {}
    for node in range(leaves - 1):
        split = int(generator.integers(node + 1))
        if split in parent:
            children[parent[split]] = node
        children[node] = ~split, ~(node + 1)
        parent[split], parent[node + 1] = (node, 0), (node, 1)
    feature = generator.integers(FEATURES, size=leaves - 1)
    threshold = generator.choice(SPECIAL, leaves - 1)
    # Bits: 1 categorical, 2 missing goes left; then what is missing: 0 nothing, 2 NaN.
    decision = generator.choice([0, 2, 8, 10], leaves - 1)
    categorical = np.flatnonzero(feature == CATEGORY)
    threshold[categorical] = np.arange(len(categorical))
    decision[categorical] = generator.choice([1, 9], len(categorical))
    words = [generator.integers(1, 2**32, size=generator.integers(1, 4)) for _ in categorical]
    lines = {
        "num_leaves": [leaves],
        "num_cat": [len(categorical)],
        "split_feature": feature,
        "split_gain": [1] * (leaves - 1),
        "threshold": [repr(float(value)) for value in threshold],
        "decision_type": decision,
        "left_child": children[:, 0],
        "right_child": children[:, 1],
        "leaf_value": [repr(float(value)) for value in generator.normal(0, 0.1, leaves)],
        "leaf_weight": [1] * leaves,
        "leaf_count": [1] * leaves,
        "internal_value": [0] * (leaves - 1),
        "internal_weight": [0] * (leaves - 1),
        "internal_count": [1] * (leaves - 1),
    }
    if len(categorical):
        lines["cat_boundaries"] = np.cumsum([0, *map(len, words)])
        lines["cat_threshold"] = np.concatenate(words)
    lines |= {"is_linear": [0], "shrinkage": [1]}
    return "".join(f"{name}={' '.join(map(str, values))}\n" for name, values in lines.items())


def model(trees: list[str]) -> str:
    """A model in LightGBM's text."""
    parts = [f"Tree={number}\n{tree}\n\n" for number, tree in enumerate(trees)]
    names = [f"f{feature}" for feature in range(FEATURES)]
    infos = ["[-1:1]"] * CATEGORY + ["0:1:2"]
    return (
        "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\n"
        f"max_feature_idx={FEATURES - 1}\nobjective=binary sigmoid:1\n"
        f"feature_names={' '.join(names)}\nfeature_infos={' '.join(infos)}\n"
        f"tree_sizes={' '.join(str(len(part)) for part in parts)}\n\n"
        f"{''.join(parts)}end of trees\n\nfeature_importances:\n\n"
    )


def random_text(seed: int, leaves: list[int]) -> str:
    """A model whose trees have so many leaves."""
    generator = np.random.default_rng(seed)
    return model([random_tree(generator, count) for count in leaves])


def random_rows(seed: int, count: int) -> Floats:
    """Rows with values at the thresholds and beside them, missing ones, and categories."""
    generator = np.random.default_rng([seed, 1])
    numbers = generator.choice([*SPECIAL, math.nan, -math.inf], (count, FEATURES))
    beside = np.nextafter(numbers, generator.choice([-1e301, 1e301], numbers.shape))
    normal = generator.standard_normal(numbers.shape)
    source = generator.integers(3, size=numbers.shape)
    matrix = np.choose(source, [numbers, beside, normal])
    codes = generator.integers(0, 130, count).astype(np.float64)
    codes[generator.random(count) < 0.2] = math.nan
    matrix[:, CATEGORY] = codes
    return matrix


def by_lightgbm(text: str, matrix: Floats) -> Floats:
    found = lightgbm.Booster(model_str=text).predict(matrix, raw_score=True, num_threads=1)
    return np.asarray(found, dtype=np.float64)


def by_forest(text: str, matrix: Floats) -> Floats:
    found = read_forest(text)
    assert found is not None
    return found.score({at: matrix[:, at] for at in features_used(text)}, len(matrix))


def same_bits(found: Floats, expected: Floats) -> bool:
    return found.dtype == expected.dtype and found.tobytes() == expected.tobytes()


@given(
    seed=st.integers(0, 2**32 - 1),
    leaves=st.lists(st.integers(1, 16), min_size=1, max_size=40),
    count=st.integers(1, 300),
)
def test_any_trees_give_the_bits_of_lightgbm(seed: int, leaves: list[int], count: int) -> None:
    text, matrix = random_text(seed, leaves), random_rows(seed, count)
    assert same_bits(by_forest(text, matrix), by_lightgbm(text, matrix))


@given(
    seed=st.integers(0, 2**32 - 1),
    leaves=st.integers(2, 16),
    missing=st.sampled_from([0.0, 0.1, 0.5]),
    digits=st.sampled_from([0, 1, 8]),
)
def test_fitted_trees_give_the_bits_of_lightgbm(
    seed: int, leaves: int, missing: float, digits: int
) -> None:
    generator = np.random.default_rng(seed)
    matrix = generator.standard_normal((600, FEATURES)).round(digits)
    matrix[:, CATEGORY] = generator.integers(0, 40, 600)
    y_true = generator.random(600) < 1 / (1 + np.exp(-matrix[:, 0] - (matrix[:, CATEGORY] % 3 - 1)))
    matrix[generator.random(matrix.shape) < missing] = math.nan
    parameters = {
        "objective": "binary",
        "num_leaves": leaves,
        "min_data_in_leaf": 5,
        "min_data_per_group": 5,
        "cat_smooth": 1,
        "verbosity": -1,
        "num_threads": 1,
    }
    data = lightgbm.Dataset(matrix, y_true, categorical_feature=[CATEGORY])
    text = lightgbm.train(parameters, data, 12).model_to_string()
    # Categories that training did not see, and missing values where it saw none.
    rows = np.vstack([matrix, random_rows(seed, 200)])
    assert same_bits(by_forest(text, rows), by_lightgbm(text, rows))


def test_hand_made_trees() -> None:
    constant = "num_leaves=1\nnum_cat=0\nsplit_feature=\nleaf_value=0.25\n"
    # Up to 0.5 goes left, where categories 1 and 33 part from the others; no NaN goes left.
    split = (
        "num_leaves=3\nnum_cat=1\nsplit_feature=1 3\nthreshold=0.5 0\ndecision_type=8 1\n"
        "left_child=1 -1\nright_child=-2 -3\nleaf_value=1 2 3\n"
        "cat_boundaries=0 2\ncat_threshold=2 2\n"
    )
    values = [(0.5, 1.0), (0.6, 1.0), (-7.0, 33.0), (math.nan, 1.0), (0.4, 0.0), (0.4, math.nan)]
    values += [(0.4, 34.0), (0.4, 1e6)]
    matrix = np.zeros((len(values), FEATURES))
    matrix[:, [1, CATEGORY]] = values
    expected = [1.25, 2.25, 1.25, 2.25, 3.25, 3.25, 3.25, 3.25]
    assert by_forest(model([constant, split]), matrix).tolist() == expected
    assert features_used(model([constant, split])) == {1, 3}


@pytest.mark.parametrize("count", [0, 1, 6, 7, 8, 50])
def test_a_row_scores_the_same_wherever_it_stands(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = random_text(5, [16, 8, 1, 9, 3, 12])
    matrix = random_rows(5, 50)
    alone = np.concatenate([by_forest(text, matrix[[row]]) for row in range(50)])
    monkeypatch.setattr(forest, "BLOCK_ROWS", 7)
    monkeypatch.setattr(forest, "GROVE_QUESTIONS", 20)
    assert same_bits(by_forest(text, matrix[:count]), alone[:count])
    assert same_bits(by_forest(text, np.asfortranarray(matrix[:count])), alone[:count])


def test_large_trees_and_zeros_for_missing_are_left_to_lightgbm() -> None:
    assert read_forest(random_text(1, [16, 17])) is None
    generator = np.random.default_rng(2)
    matrix = generator.integers(0, 3, (500, 2)).astype(np.float64)
    parameters = {"objective": "binary", "num_leaves": 4, "verbosity": -1, "zero_as_missing": True}
    data = lightgbm.Dataset(matrix, matrix[:, 0] + generator.random(500) > 1.5)
    assert read_forest(lightgbm.train(parameters, data, 3).model_to_string()) is None


def test_scoring_imports_neither_lightgbm_nor_pandas_nor_scipy() -> None:
    text = random_text(3, [8, 16])
    code = (
        "import sys, numpy\nfrom rebalance.learners.forest import read_forest\n"
        "forest = read_forest(sys.stdin.read())\n"
        f"forest.score({{at: numpy.ones(9) for at in range({FEATURES})}}, 9)\n"
        "sys.exit(', '.join({'lightgbm', 'pandas', 'scipy'} & set(sys.modules)) or 0)"
    )
    ran = subprocess.run([sys.executable, "-c", code], input=text, text=True, capture_output=True)
    assert ran.returncode == 0, ran.stderr
