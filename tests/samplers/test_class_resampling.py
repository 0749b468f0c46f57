"""imbalanced-learn's samplers on many classes: the same rows as it gives itself, with parents."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import imblearn.combine as combine
import imblearn.over_sampling as over
import imblearn.under_sampling as under
import numpy as np
import pyarrow as pa
import pytest
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from rebalance.core.matrix import Matrix, encode
from rebalance.errors import DataError, UsageError
from rebalance.samplers.class_resampling import ClassOrder, rows_wanted
from rebalance.samplers.imbalanced import CLASSIC

SEED = 3
GENERATOR = np.random.default_rng(5)
CODES = GENERATOR.permutation(np.repeat([0, 1, 2, 3], [300, 60, 120, 30]))
# Each class lies elsewhere, and next to the others.
X = (GENERATOR.standard_normal((len(CODES), 3)) + CODES[:, None] * [0.8, -0.4, 0.2]) * [1, 10, 100]
NAMES = ["a", "b", "c", "d"]

# By hand, for a ratio of 3: classes below 300 / 3 come up to 100, those above 3 x 30 down to 90.
RAISED, LOWERED = {1: 100, 3: 100}, {0: 90, 2: 90}
OVER: dict[str, Any] = {"sampling_strategy": RAISED, "random_state": SEED}
UNDER: dict[str, Any] = {"sampling_strategy": LOWERED}
CLEAN: dict[str, Any] = {"sampling_strategy": "not minority"}
THEIRS: dict[tuple[str, ...], Any] = {
    ("smote",): over.SMOTE(**OVER),
    ("borderline-smote",): over.BorderlineSMOTE(**OVER),
    ("borderline-smote", "kind=borderline-2"): over.BorderlineSMOTE(**OVER, kind="borderline-2"),
    ("svm-smote",): over.SVMSMOTE(**OVER),
    ("kmeans-smote", "cluster_balance_threshold=0.01"): over.KMeansSMOTE(
        **OVER, cluster_balance_threshold=0.01, kmeans_estimator=8
    ),
    ("adasyn",): over.ADASYN(**OVER),
    ("near-miss",): under.NearMiss(**UNDER),
    ("near-miss", "version=3", "n_neighbors_ver3=40"): under.NearMiss(
        **UNDER, version=3, n_neighbors_ver3=40
    ),
    ("tomek",): under.TomekLinks(**CLEAN),
    ("tomek", "clean=all"): under.TomekLinks(sampling_strategy="all"),
    ("enn", "kind_sel=mode"): under.EditedNearestNeighbours(**CLEAN, kind_sel="mode"),
    # More seeds would be drawn with replacement, and be there twice in theirs.
    ("condensed-nn",): under.CondensedNearestNeighbour(**CLEAN, random_state=SEED),
    ("one-sided",): under.OneSidedSelection(**CLEAN, random_state=SEED),
    ("neighbourhood-cleaning",): under.NeighbourhoodCleaningRule(**CLEAN),
    ("instance-hardness", "cv=2"): under.InstanceHardnessThreshold(
        **UNDER, random_state=SEED, cv=2
    ),
    ("cluster-centroids",): under.ClusterCentroids(**UNDER, random_state=SEED),
    ("smote-enn", "kind_sel=mode"): combine.SMOTEENN(
        **OVER,
        enn=under.EditedNearestNeighbours(sampling_strategy="all", kind_sel="mode"),
    ),
    ("smote-tomek",): combine.SMOTETomek(**OVER),
}


def matrix_of(x: np.ndarray) -> Matrix:
    columns = {f"x{column}": pa.array(x[:, column]) for column in range(x.shape[1])}
    return encode(columns, dict.fromkeys(columns, "number"), fill=False, as_numbers=True)


def order(name: str, *settings: str) -> ClassOrder:
    method = CLASSIC[name]
    wanted = {"under": LOWERED, "clean": None}.get(method.role, RAISED)
    return ClassOrder(method, method.settings(settings), NAMES, wanted, SEED)


def told(text: str) -> None:
    raise AssertionError(text)


@pytest.mark.parametrize("how", THEIRS, ids="-".join)
def test_the_same_as_imbalanced_learns_own_result(how: tuple[str, ...]) -> None:
    matrix, mine = matrix_of(X), order(*how)
    scaled = StandardScaler().fit_transform(np.asfortranarray(X))
    assert (matrix.values == scaled).all()
    with threadpool_limits(1):  # sums of clusters' distances depend on it in their last bits
        theirs, classes = THEIRS[how].fit_resample(scaled, CODES)
    mine.check(matrix, CODES)
    done = mine.carry_out(matrix, CODES, told)
    rows = np.vstack([scaled[done.kept], done.made])
    codes = np.concatenate([CODES[done.kept], done.made_codes])
    assert _sorted(rows, codes) == _sorted(theirs, classes)
    assert (np.diff(done.kept) > 0).all()
    assert (done.parents is None) == (not CLASSIC[how[0]].tells_parents)
    if done.parents is not None:
        first, second = scaled[done.parents[:, 0]], scaled[done.parents[:, 1]]
        along = second - first
        step = ((done.made - first) * along).sum(axis=1) / (along**2).sum(axis=1)
        # On the line through both, within it or, of svm-smote, half its length beyond.
        assert done.made == pytest.approx(first + step[:, None] * along, abs=1e-12)
        assert step.min() >= -0.5
        assert step.max() <= 1
        assert (CODES[done.parents[:, 0]] == done.made_codes).all()


def _sorted(rows: np.ndarray, codes: np.ndarray) -> list[tuple[float, ...]]:
    return sorted(map(tuple, np.column_stack([rows, codes]).tolist()))


def test_smoten_and_smotenc_know_the_parents_in_each_class() -> None:
    shops = np.array(["n", "e", "s", "w"])[(CODES + GENERATOR.integers(0, 2, len(CODES))) % 4]
    towns = GENERATOR.choice(["u", "v"], len(CODES))
    columns = {"shop": pa.array(shops.tolist()), "town": pa.array(towns.tolist())}
    kinds: dict[str, Any] = {"shop": "category", "town": "category"}
    for name, more in (("smoten", {}), ("smotenc", {"x": pa.array(X[:, 0])})):
        every = kinds | dict.fromkeys(more, "number")
        matrix = encode(columns | more, every, fill=False, as_numbers=True)
        done = order(name).carry_out(matrix, CODES, told)
        assert Counter(done.made_codes.tolist()) == {1: 40, 3: 70}
        assert done.parents is not None
        assert (CODES[done.parents] == done.made_codes[:, None]).all()
        if name == "smoten":  # each value is the most frequent of its parents'
            values = matrix.values[done.parents]
            for column in range(2):
                for row, made in zip(values[:, :, column].tolist(), done.made, strict=True):
                    counts = Counter(row)
                    assert counts[made[column]] == max(counts.values())


def test_rows_wanted_of_each_class() -> None:
    counts = np.array([300, 60, 120, 30])
    assert rows_wanted("smote", 3, NAMES, counts) == RAISED
    assert rows_wanted("smote", 1, NAMES, counts) == {1: 300, 2: 300, 3: 300}
    with pytest.raises(UsageError, match="has 10 rows per row of the smallest, 'd', already"):
        rows_wanted("smote", 10, NAMES, counts)
    with pytest.raises(UsageError, match="below 1"):
        rows_wanted("smote", 0.5, NAMES, counts)


def test_a_class_with_too_few_rows_is_named() -> None:
    few = np.flatnonzero((CODES != 3) | (np.cumsum(CODES == 3) <= 4))
    matrix, codes = matrix_of(X[few]), CODES[few]
    with pytest.raises(UsageError, match=r"5 neighbours .* the class 'd' has 4 rows") as caught:
        order("smote").check(matrix, codes)
    assert "k_neighbors=3" in str(caught.value.remedy)
    with pytest.raises(UsageError, match="the class 'd' has 4 rows"):
        order("near-miss", "n_neighbors=5").check(matrix, codes)
    order("near-miss", "n_neighbors=4").check(matrix, codes)
    order("tomek").check(matrix, codes)


def test_a_class_of_one_row_or_of_one_place_is_named() -> None:
    one = np.flatnonzero((CODES != 3) | (np.cumsum(CODES == 3) <= 1))
    with pytest.raises(DataError, match="the class 'd' has one row"):
        order("smote").check(matrix_of(X[one]), CODES[one])
    same = np.where((CODES == 1)[:, None], X[0], X)
    with pytest.raises(DataError, match="all 60 rows of the class 'b' are the same"):
        order("smote").check(matrix_of(same), CODES)
    # Only classes that are raised need rows to be made from.
    replace(order("smote"), wanted={3: 40}).check(matrix_of(same), CODES)
