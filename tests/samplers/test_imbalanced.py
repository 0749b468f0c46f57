"""imbalanced-learn's samplers: the same rows as it gives itself, with their origin."""

from __future__ import annotations

from typing import Any

import imblearn.combine as combine
import imblearn.over_sampling as over
import imblearn.under_sampling as under
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.preprocessing import OrdinalEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from rebalance.core.matrix import Matrix, encode
from rebalance.errors import DataError, FitError, UsageError
from rebalance.samplers.fitting import Resampled
from rebalance.samplers.imbalanced import CLASSIC
from rebalance.samplers.listing import listing
from rebalance.samplers.resampling import Order

COUNT, SEED = 600, 3
GENERATOR = np.random.default_rng(5)
X = GENERATOR.standard_normal((COUNT, 3)) * [1, 10, 100]
Y = GENERATOR.random(COUNT) < 1 / (1 + np.exp(2.2 - 1.5 * X[:, 0]))
SHOP = GENERATOR.choice(["south", "north", "east"], COUNT)
TOWN = GENERATOR.choice(["u", "v"], COUNT)
POSITIVES, NEGATIVES = int(Y.sum()), int((~Y).sum())

# The samplers as a user of imbalanced-learn writes them: 2 negatives per positive.
OVER: dict[str, Any] = {"sampling_strategy": 1 / 2, "random_state": SEED}
UNDER: dict[str, Any] = {"sampling_strategy": 1 / 2}
THEIRS: dict[tuple[str, ...], Any] = {
    ("smote",): over.SMOTE(**OVER),
    ("smote", "k_neighbors=3"): over.SMOTE(**OVER, k_neighbors=3),
    ("borderline-smote",): over.BorderlineSMOTE(**OVER),
    ("borderline-smote", "kind=borderline-2"): over.BorderlineSMOTE(**OVER, kind="borderline-2"),
    ("svm-smote", "m_neighbors=8", "out_step=0.3"): over.SVMSMOTE(
        **OVER, m_neighbors=8, out_step=0.3
    ),
    ("kmeans-smote", "cluster_balance_threshold=0.1", "kmeans_estimator=4"): over.KMeansSMOTE(
        **OVER, cluster_balance_threshold=0.1, kmeans_estimator=4
    ),
    ("adasyn",): over.ADASYN(**OVER),
    ("near-miss",): under.NearMiss(**UNDER),
    ("near-miss", "version=2"): under.NearMiss(**UNDER, version=2),
    ("near-miss", "version=3", "n_neighbors_ver3=40"): under.NearMiss(
        **UNDER, version=3, n_neighbors_ver3=40
    ),
    ("tomek",): under.TomekLinks(),
    ("tomek", "clean=all"): under.TomekLinks(sampling_strategy="all"),
    ("enn", "kind_sel=mode"): under.EditedNearestNeighbours(kind_sel="mode"),
    ("repeated-enn",): under.RepeatedEditedNearestNeighbours(),
    ("all-knn",): under.AllKNN(),
    ("condensed-nn", "n_seeds_S=20"): under.CondensedNearestNeighbour(
        random_state=SEED, n_seeds_S=20
    ),
    ("one-sided",): under.OneSidedSelection(random_state=SEED),
    ("neighbourhood-cleaning",): under.NeighbourhoodCleaningRule(),
    ("instance-hardness", "cv=2"): under.InstanceHardnessThreshold(
        **UNDER, random_state=SEED, cv=2
    ),
    ("cluster-centroids",): under.ClusterCentroids(**UNDER, random_state=SEED),
    ("smote-enn",): combine.SMOTEENN(**OVER),
    ("smote-tomek",): combine.SMOTETomek(**OVER),
}


def order(name: str, *settings: str) -> Order:
    method = CLASSIC[name]
    wanted = {"under": 2 * POSITIVES, "clean": None}.get(method.role, int(NEGATIVES / 2))
    return Order(method, method.settings(settings), wanted, SEED)


def matrix_of(columns: dict[str, Any]) -> Matrix:
    kinds: dict[str, Any] = {
        name: "category" if np.asarray(values).dtype.kind == "U" else "number"
        for name, values in columns.items()
    }
    arrays = {name: pa.array(np.asarray(values).tolist()) for name, values in columns.items()}
    return encode(arrays, kinds, fill=False, as_numbers=True)


def numbers() -> dict[str, Any]:
    return {f"x{column}": X[:, column] for column in range(3)}


def told(text: str) -> None:
    raise AssertionError(text)


@pytest.mark.parametrize("how", THEIRS, ids="-".join)
def test_the_same_as_imbalanced_learns_own_result(how: tuple[str, ...]) -> None:
    matrix, mine = matrix_of(numbers()), order(*how)
    scaled = StandardScaler().fit_transform(np.asfortranarray(X))
    assert (matrix.values == scaled).all()
    with threadpool_limits(1):  # sums of clusters' distances depend on it in their last bits
        theirs, classes = THEIRS[how].fit_resample(scaled, Y.astype(int))
    mine.check(matrix, Y)
    done = mine.carry_out(matrix, Y, told)
    rows = np.vstack([scaled[done.kept], done.made])
    labels = np.concatenate([Y[done.kept], done.made_codes])
    assert _sorted(rows, labels) == _sorted(theirs, classes)
    assert (np.diff(done.kept) > 0).all()
    assert (done.parents is None) == (not CLASSIC[how[0]].tells_parents)
    if done.parents is not None:
        _lie_between_their_parents(scaled, done)


def _sorted(rows: np.ndarray, classes: np.ndarray) -> list[tuple[float, ...]]:
    return sorted(map(tuple, np.column_stack([rows, classes]).tolist()))


def _lie_between_their_parents(scaled: np.ndarray, done: Resampled) -> None:
    """On the line through both, within it or, of svm-smote, half its length beyond."""
    assert done.parents is not None
    assert done.parents.shape == (len(done.made), 2)
    first, second = scaled[done.parents[:, 0]], scaled[done.parents[:, 1]]
    along = second - first
    step = ((done.made - first) * along).sum(axis=1) / (along**2).sum(axis=1)
    assert done.made == pytest.approx(first + step[:, None] * along, abs=1e-12)
    assert step.min() >= -0.5
    assert step.max() <= 1
    assert Y[done.parents[:, 0]].all()


def test_smotenc_is_that_of_a_data_frame_of_texts() -> None:
    columns = {"x0": X[:, 0], "shop": SHOP, "x1": X[:, 1], "town": TOWN}
    matrix, mine = matrix_of(columns), order("smotenc")
    frame = pd.DataFrame(columns)
    frame[["x0", "x1"]] = StandardScaler().fit_transform(frame[["x0", "x1"]])
    theirs, _ = over.SMOTENC(["shop", "town"], **OVER).fit_resample(frame, Y.astype(int))
    done = mine.carry_out(matrix, Y, told)
    made = theirs[COUNT:]
    assert len(done.kept) == COUNT
    assert (done.made[:, [0, 2]] == made[["x0", "x1"]].to_numpy()).all()
    for at, levels in ((1, ["east", "north", "south"]), (3, ["u", "v"])):
        assert [levels[int(code)] for code in done.made[:, at]] == made.iloc[:, at].tolist()
    assert done.parents is not None
    numbers_of = frame[["x0", "x1"]].to_numpy()
    first, second = (numbers_of[done.parents[:, column]] for column in (0, 1))
    inside = (done.made[:, [0, 2]] - first) * (done.made[:, [0, 2]] - second)
    assert (inside <= 1e-15).all()


def test_smoten_is_that_of_texts() -> None:
    columns = {"shop": SHOP, "town": TOWN, "x": np.round(X[:, 0]).astype(str)}
    matrix, mine = matrix_of(columns), order("smoten")
    texts = np.column_stack(list(columns.values())).astype(object)
    theirs, _ = over.SMOTEN(**OVER).fit_resample(texts, Y.astype(int))
    done = mine.carry_out(matrix, Y, told)
    codes = OrdinalEncoder().fit(texts).transform(theirs[COUNT:])
    assert (done.made == codes).all()
    assert done.parents is not None
    # Each value is the most frequent one of the parents': some parent has it.
    assert (matrix.values[done.parents] == done.made[:, None, :]).any(axis=1).all()
    assert Y[done.parents].all()


def test_every_method_is_tested_and_listed() -> None:
    assert {how[0] for how in THEIRS} | {"smotenc", "smoten"} == set(CLASSIC)
    assert [each["name"] for each in listing()][4:] == list(CLASSIC)


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("smote", ["k_neighbor=3"], "the nearest is 'k_neighbors'"),
        ("smote", ["k_neighbors"], "write NAME=VALUE"),
        ("smote", ["k_neighbors=0"], "a whole number of at least 1"),
        ("smote", ["k_neighbors=2.5"], "'2.5' is no k_neighbors"),
        ("smote", ["k_neighbors=3", "k_neighbors=4"], "set twice"),
        ("near-miss", ["version=4"], "at most 3"),
        ("svm-smote", ["out_step=0"], "a number above 0"),
        ("svm-smote", ["out_step=nan"], "'nan' is no out_step"),
        ("enn", ["kind_sel=any"], "all or mode"),
        ("cluster-centroids", ["voting=hard"], "leave --set out"),
    ],
)
def test_settings_that_are_refused(name: str, settings: list[str], words: str) -> None:
    with pytest.raises(UsageError, match="--set") as raised:
        CLASSIC[name].settings(settings)
    assert words in str(raised.value)


def test_too_few_positives() -> None:
    matrix = matrix_of(numbers())
    few = np.zeros(COUNT, dtype=bool)
    few[:4] = True
    with pytest.raises(UsageError, match=r"5 neighbours.*4 positives.*--set k_neighbors=3"):
        order("smote").check(matrix, few)
    order("smote", "k_neighbors=3").check(matrix, few)
    with pytest.raises(UsageError, match=r"--set n_neighbors=3"):
        order("adasyn").check(matrix, few)
    order("near-miss").check(matrix, few)
    few[1:4] = False
    with pytest.raises(DataError, match=r"one positive.*random-over"):
        order("smote-enn").check(matrix, few)
    with pytest.raises(UsageError, match="--set n_neighbors=1"):
        order("near-miss").check(matrix, few)


def test_positives_that_are_all_the_same() -> None:
    x = X.copy()
    x[Y] = x[np.argmax(Y)]
    matrix = matrix_of({"a": x[:, 0], "b": x[:, 1]})
    with pytest.raises(DataError, match="the same in every feature"):
        order("smote").check(matrix, Y)


def test_nothing_to_work_on() -> None:
    matrix = matrix_of(numbers())
    with pytest.raises(FitError, match=r"--set cluster_balance_threshold=0\.01"):
        order("kmeans-smote", "cluster_balance_threshold=0.99").carry_out(matrix, Y, told)
    # Far apart, no positive has a negative next to it.
    apart = matrix_of({"a": np.where(Y, 1e6, 0) + X[:, 0]})
    with pytest.raises(FitError, match=r"no positive has a negative.*--set n_neighbors=N"):
        order("adasyn").carry_out(apart, Y, told)


def test_a_seed_that_imbalanced_learn_cannot_take() -> None:
    method = CLASSIC["smote"]
    with pytest.raises(UsageError, match="4294967295"):
        Order(method, method.settings([]), 100, 2**32).check(matrix_of(numbers()), Y)
