"""Artifacts whose parts were altered, and the digests written anew: refused, whatever is there."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from rebalance.cli.main import cli
from rebalance.errors import ArtifactError
from rebalance.steps.artifacts.model import read_model
from rebalance.steps.artifacts.pilot import read_pilot
from rebalance.steps.classes.artifacts.model import read_if_class_model
from rebalance.steps.classes.artifacts.pilot import read_if_class_pilot
from rebalance.storage.artifacts import pack, read_artifact

READ: dict[str, Callable[[str], object]] = {
    "logistic": read_model,
    "gbm": read_model,
    "focal": read_model,
    "forest": read_model,
    "hist-gbm": read_model,
    "isolation-forest": read_model,
    "pilot": read_pilot,
    "class-logistic": lambda path: read_if_class_model(path) or read_model(path),
    "class-gbm": lambda path: read_if_class_model(path) or read_model(path),
    "class-pilot": lambda path: read_if_class_pilot(path) or read_pilot(path),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of each learner, and pilots, of 400 rows."""
    folder = tmp_path_factory.mktemp("damaged")
    rng = np.random.default_rng(4)
    x = rng.standard_normal((400, 2))
    y = rng.random(400) < 1 / (1 + np.exp(1 - x[:, 0]))
    kind = rng.choice(["a", "b", "c"], 400)
    pq.write_table(pa.table({"u": x[:, 0], "v": x[:, 1], "y": y, "k": kind}), folder / "t.parquet")
    table = str(folder / "t.parquet")
    train = ["train", table, "--natural", "-q"]
    small = ["--rounds", "2"]
    for name, more in {
        "logistic": ["--model", "logistic"],
        "gbm": small,
        "focal": ["--loss", "focal", *small],
        "forest": ["--model", "forest", "--set", "n_estimators=2"],
        "hist-gbm": ["--model", "hist-gbm", *small],
        "isolation-forest": [
            *("--model", "isolation-forest", "--set", "n_estimators=2"),
            *("--calibrate-on", table),
        ],
    }.items():
        run([*train, "-l", "y", "--drop", "k", *more, "-o", str(folder / name)])
    for name, more in {"class-logistic": ["--model", "logistic"], "class-gbm": small}.items():
        run([*train, "-l", "k", "--drop", "y", *more, "-o", str(folder / name)])
    run(["pilot", table, "-l", "y", "--drop", "k", "-q", "-o", str(folder / "pilot")])
    run(["pilot", table, "-l", "k", "--drop", "y", "-q", "-o", str(folder / "class-pilot")])
    return folder


def run(arguments: list[str]) -> None:
    result = CliRunner().invoke(cli, arguments)
    # A detector may rank no better than chance: that is said, and no matter here.
    assert result.exit_code == 0, result.output


def array(values: object, *, pickled: bool = False) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.asarray(values), allow_pickle=pickled)
    return stream.getvalue()


@pytest.mark.parametrize("name", READ)
def test_parts_that_are_missing_or_are_something_else(
    name: str, made: Path, tmp_path: Path
) -> None:
    kind = "pilot" if "pilot" in name else "model"
    manifest, members = read_artifact(str(made / name), kind)
    del manifest["members"]
    needed = {part for part in members if part not in ("plan.json", "focal.json", "population.npy")}
    needed -= {part for part in members if part.startswith("log_odds_")}
    changed = [(manifest, {**members, part: b""}) for part in needed]
    changed += [
        (manifest, {**members, part: members[part][: len(members[part]) // 2]}) for part in needed
    ]
    changed += [
        (manifest, {other: members[other] for other in members if other != part}) for part in needed
    ]
    for part in needed:
        if part.endswith(".npy"):
            objects = np.array([None, {}, 3], dtype=object)
            for content in (array(objects, pickled=True), array(["x"]), array(1.0)):
                changed.append((manifest, {**members, part: content}))
        elif part.endswith(".json"):
            whole = json.loads(members[part])
            for other in ([], None, {}, {**whole, "encoder": {}}):
                changed.append((manifest, {**members, part: json.dumps(other).encode()}))
            for key in ("kinds", "terms", "widths", "left_out"):
                for value in (None, "x", 3):
                    other = {**whole, "encoder": {**whole.get("encoder", {}), key: value}}
                    changed.append((manifest, {**members, part: json.dumps(other).encode()}))
    for key in ("label", "learner"):
        changed.append(({at: manifest[at] for at in manifest if at != key}, members))
    for altered in ("x", None, []):
        changed.append(({**manifest, "format": altered}, members))
    path = tmp_path / "altered.rbl"
    for document, parts in changed:
        path.write_bytes(pack(kind, document, parts))
        with pytest.raises(ArtifactError) as caught:
            READ[name](str(path))
        assert caught.value.exit_code == 4


def test_a_missing_part_is_named(made: Path, tmp_path: Path) -> None:
    manifest, members = read_artifact(str(made / "forest"), "model")
    del manifest["members"], members["weights.npy"]
    path = tmp_path / "altered.rbl"
    path.write_bytes(pack("model", manifest, members))
    with pytest.raises(ArtifactError, match=r"the model is damaged: it has no 'weights\.npy'"):
        read_model(str(path))


def test_trees_that_the_head_does_not_tell_of(made: Path, tmp_path: Path) -> None:
    manifest, members = read_artifact(str(made / "gbm"), "model")
    del manifest["members"]
    text = members["trees.txt"]
    second = text.index(b"\nTree=1")
    path = tmp_path / "altered.rbl"
    for altered in (
        text[:second] + text[text.index(b"\nend of trees") :],
        text.replace(b"Tree=1\n", b"Tree=1\n\n"),
        text.replace(b"tree_sizes=", b"tree_sizes=1 "),
        text.replace(b"end of trees", b""),
    ):
        path.write_bytes(pack("model", manifest, {**members, "trees.txt": altered}))
        with pytest.raises(ArtifactError, match="not those that its head tells of"):
            read_model(str(path))


def test_a_tree_that_leads_back_names_the_file_and_the_member(made: Path, tmp_path: Path) -> None:
    manifest, members = read_artifact(str(made / "gbm"), "model")
    del manifest["members"]
    path = tmp_path / "altered.rbl"
    text = members["trees.txt"]
    altered = re.sub(rb"(_child=(?:-\d+ )*)[1-9](?=[ \n])", rb"\g<1>0", text, count=1)
    assert len(altered) == len(text)
    assert altered != text
    path.write_bytes(pack("model", manifest, {**members, "trees.txt": altered}))
    with pytest.raises(ArtifactError, match=r"_child' of tree \d+ was altered") as caught:
        read_model(str(path))
    assert caught.value.where == f"file '{path}', member 'trees.txt'"
