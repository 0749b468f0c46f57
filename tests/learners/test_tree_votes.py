"""Trees that vote: the libraries' own probabilities, and files that were altered."""

from __future__ import annotations

import functools
import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import skops.io

from rebalance.errors import ArtifactError
from rebalance.learners import get_learner
from rebalance.learners.base import Settings, TrainingRows
from rebalance.learners.ensembles import _estimator
from rebalance.learners.tree_votes import TreeVotes, as_matrix

SMALL = {
    "forest": {"n_estimators": 7, "min_samples_leaf": 3},
    "balanced-forest": {"n_estimators": 7},
    "balanced-bagging": {"n_estimators": 4, "max_depth": 5},
    "easy-ensemble": {"n_estimators": 3, "stumps": 6},
    "rusboost": {"n_estimators": 8, "max_depth": 2, "learning_rate": 0.5},
}


def rows(count: int = 600) -> TrainingRows:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((count, 3))
    y_true = rng.random(count) < 1 / (1 + np.exp(2 - 2 * x[:, 0] + x[:, 1]))
    nothing = np.zeros(count)
    return TrainingRows(
        {f"x{at}": pa.array(x[:, at]) for at in range(3)},
        dict.fromkeys(("x0", "x1", "x2"), "number"),
        y_true,
        nothing,
        nothing,
        None,
        rng.random(count),
    )


def fitted(name: str) -> TreeVotes:
    given = tuple(f"{key}={value}" for key, value in SMALL[name].items())
    found = get_learner(name).fit(rows(), Settings(given=given, seed=1, threads=1))
    assert isinstance(found, TreeVotes)
    return found


@pytest.mark.parametrize("name", SMALL)
def test_votes_are_the_librarys_own_probabilities(name: str) -> None:
    """The same estimator, fitted and asked by its library, without what is kept of it here."""
    data, ours = rows(), fitted(name)
    defaults = {key: each.default for key, each in get_learner(name).entry.parameters.items()}
    known = {key: value for key, value in defaults.items() if value is not None}
    estimator = _estimator(name, known | SMALL[name], 1, 1)
    matrix = as_matrix(ours.encoder, data.columns)
    estimator.fit(matrix, data.y_true)
    theirs = estimator.predict_proba(matrix)[:, 1]
    found = ours.log_odds(data.columns)
    if ours.form == "averaged":
        count = len(ours.trees)
        assert np.allclose(1 / (1 + np.exp(-found)), (count * theirs + 0.5) / (count + 1))
    else:
        assert np.allclose(1 / (1 + np.exp(-found)), theirs)


@pytest.mark.parametrize("name", [*SMALL, "hist-gbm"])
def test_members_come_back(name: str) -> None:
    data = rows()
    settings = Settings(rounds=4) if name == "hist-gbm" else Settings(seed=2, threads=1)
    ours = get_learner(name).fit(data, settings)
    members = ours.members()
    again = get_learner(name).load(members)
    assert np.array_equal(again.log_odds(data.columns, None), ours.log_odds(data.columns, None))
    assert again.members() == members
    with zipfile.ZipFile(io.BytesIO(members["trees.skops"])) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert b"__id__" not in archive.read("schema.json")


def test_hist_gbm_is_scikit_learns() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    data = rows()
    ours = get_learner("hist-gbm").fit(data, Settings(rounds=6, learning_rate=0.2, leaves=5))
    matrix = ours.encoder.linear(data.columns)  # type: ignore[attr-defined]
    theirs = HistGradientBoostingClassifier(
        max_iter=6, learning_rate=0.2, max_leaf_nodes=5, early_stopping=False, random_state=0
    ).fit(matrix, data.y_true)
    assert np.allclose(ours.log_odds(data.columns, None), theirs.decision_function(matrix))


class Foreign:
    """A type of somebody else."""

    def __init__(self) -> None:
        self.x = 1


def crafted(made: Path) -> dict[str, Any]:
    """What somebody might put in the place of trees; each would touch a file when made or run."""
    command = f"touch {made}"
    return {
        "function": os.system,
        "partial": functools.partial(os.system, command),
        "method": "x".upper,
        "foreign": Foreign(),
        "estimator": __import__("sklearn.svm", fromlist=["SVC"]).SVC(),
        "type": os.stat_result,
    }


@pytest.mark.parametrize("what", ["function", "partial", "method", "foreign", "estimator", "type"])
@pytest.mark.parametrize("name", ["forest", "hist-gbm"])
def test_an_altered_file_is_refused_before_anything_is_made(
    what: str, name: str, tmp_path: Path
) -> None:
    settings = Settings(rounds=2) if name == "hist-gbm" else Settings(given=("n_estimators=2",))
    members = dict(get_learner(name).fit(rows(), settings).members())
    members["trees.skops"] = skops.io.dumps([crafted(tmp_path / "ran")[what]])
    with pytest.raises(ArtifactError, match="nothing of it was run"):
        get_learner(name).load(members)
    assert not (tmp_path / "ran").exists()


def renamed(content: bytes, old: str, new: str) -> bytes:
    """The same skops file with another text in its schema."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as read, zipfile.ZipFile(stream, "w") as archive:
        for name in read.namelist():
            part = read.read(name)
            if name == "schema.json":
                assert old in part.decode()
                part = part.decode().replace(old, new, 1).encode()
            archive.writestr(name, part)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"__module__":"sklearn.tree._tree"', '"__module__":"os"'),
        ('"__class__":"Tree"', '"__class__":"system"'),
        ('"__loader__":"TreeNode"', '"__loader__":"ObjectNode"'),
        ('"__loader__":"TypeNode"', '"__loader__":"FunctionNode"'),
    ],
)
def test_a_renamed_part_is_refused(old: str, new: str) -> None:
    members = dict(fitted("forest").members())
    members["trees.skops"] = renamed(members["trees.skops"], old, new)
    with pytest.raises(ArtifactError, match="nothing of it was run"):
        get_learner("forest").load(members)


def with_nodes(members: Mapping[str, bytes], change: dict[str, int]) -> dict[str, bytes]:
    """The members with another first node of the first tree, as anybody may write them."""
    stream, done = io.BytesIO(), False
    with (
        zipfile.ZipFile(io.BytesIO(members["trees.skops"])) as read,
        zipfile.ZipFile(stream, "w") as archive,
    ):
        for name in read.namelist():
            part = read.read(name)
            if name.endswith(".npy") and not done:
                array = np.load(io.BytesIO(part))
                if array.dtype.names:
                    for field, value in change.items():
                        array[field][0] = value
                    written = io.BytesIO()
                    np.save(written, array)
                    part, done = written.getvalue(), True
            archive.writestr(name, part)
    assert done
    return {**members, "trees.skops": stream.getvalue()}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("forest", {"right_child": 10**9}),
        ("forest", {"left_child": 0}),
        ("forest", {"feature": 3}),
        ("hist-gbm", {"right": 10**9}),
        ("hist-gbm", {"left": 0}),
        ("hist-gbm", {"feature_idx": 3}),
        ("hist-gbm", {"is_categorical": 1}),
    ],
)
def test_trees_that_lead_out_of_themselves_are_refused(name: str, change: dict[str, int]) -> None:
    settings = Settings(rounds=2) if name == "hist-gbm" else Settings(given=("n_estimators=2",))
    members = get_learner(name).fit(rows(), settings).members()
    with pytest.raises(ArtifactError, match="a tree leads nowhere"):
        get_learner(name).load(with_nodes(members, change))


def test_a_damaged_member_is_no_traceback() -> None:
    members = dict(fitted("forest").members())
    document = json.loads(members["ensemble.json"])
    document["made_by"] = "scikit-learn 0.1"
    members["ensemble.json"] = json.dumps(document).encode()
    members["trees.skops"] = members["trees.skops"][:-100]
    with pytest.raises(ArtifactError, match=r"scikit-learn 0\.1 cannot be read"):
        get_learner("forest").load(members)
