"""Artifacts with one thing altered and the digests written anew, given to the commands.

Whatever is in them, a command ends as it should or with one line that says what is wrong: no
traceback, no warning of a library, and nothing of it is run.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from rebalance.cli.main import cli
from tests import altered

CODES = {0, 2, 3, 4, 5}
RECIPE = """
[features]
log_v = { log1p = "v" }
to_mean = { ratio_to_mean = "u", by = "g" }
hour = { cyclic = "t", part = "hour" }
band = { bins = "v", quantiles = 4 }
pair = { cross = ["g", "b"] }
often = { count = "g" }
"""
Altered = Iterator[tuple[str, str, bytes]]


@dataclass(frozen=True)
class Kind:
    """An artifact: how it is made, what can be altered, and the commands that read it."""

    made: str
    variants: Callable[[bytes], Altered]
    read: tuple[str, ...]


def designs(content: bytes) -> Altered:
    """A design, and designs whose pilots are altered."""
    design = json.loads(content)
    for done, document in altered.documents(design):
        yield "design", done, altered.sealed(document)
    if design["pilot"] is not None:
        manifest, members = altered.opened(altered.pilot_of(design))
        for name in members:
            left = {other: members[other] for other in members if other != name}
            yield name, "dropped", altered.with_pilot(design, altered.packed(manifest, left))


def states(content: bytes) -> Altered:
    """The finished fits of a contest, of which one is altered."""
    head, first, *rest = content.decode().splitlines()
    for done, document in altered.documents(json.loads(first)):
        yield "line 2", done, "\n".join([head, json.dumps(document), *rest, ""]).encode()


def recipes(content: bytes) -> Altered:
    """A recipe with another value in one place."""
    text = content.decode()
    for old in ('"v"', '"u"', '"g"', '"hour"', "4", '["g", "b"]', "log1p", "cross"):
        for new in ('"x"', "-1", "nan", "[]", "{}", "true", '[""]'):
            yield "recipe", f"{old} is {new}", text.replace(old, new).encode()


SAMPLE, PREDICT = (
    "sample {t} --pilot {it} -o {out} --threads 1",
    "predict {t} --model {it} -o {out}",
)
TWO, MANY = "-l y --drop k", "-l k --drop y"
OF_TWO = (f"{SAMPLE} --rate .5", f"{SAMPLE} --efficiency .9 --score a-opt")
CONTEST = "compare {t} -l y --drop k --drop t --methods none --learners logistic --folds 2"
DRAWN = (
    "train {sample} --design {it} --model logistic --drop t -o {new}",
    "correct {scored} --probability p --design {it} -o {out}",
)
KINDS = {
    "pilot": Kind(
        "pilot {t} -l y --drop k --features {recipe} -o {it}",
        altered.artifacts,
        (*OF_TWO, f"{SAMPLE} --rate .5 --combine-pilot"),
    ),
    "gbm-pilot": Kind("pilot {t} -l y --drop k --model gbm -o {it}", altered.artifacts, OF_TWO),
    "class-pilot": Kind(
        f"pilot {{t}} {MANY} -o {{it}}", altered.artifacts, (f"{SAMPLE} --rows 100",)
    ),
    "design": Kind(
        f"{SAMPLE.format(t='{t}', it='{pilot}', out='{sample}')} --rate .5", designs, DRAWN
    ),
    "uniform-design": Kind("sample {t} -l y --rate .5 -o {sample}", designs, DRAWN),
    "smote-design": Kind(
        "sample {t} -l y --method smotenc --impute median --drop k --ratio 1 -o {sample}",
        designs,
        DRAWN[:1],
    ),
    "class-design": Kind(
        "sample {t} --pilot {class-pilot} --rate a=.5,b=.5 -o {sample}",
        designs,
        (
            "train {sample} --design {it} --model logistic --drop t -o {new}",
            "correct {scored} --probability *=p_* --design {it} -o {out}",
        ),
    ),
    "logistic": Kind(
        f"train {{t}} --natural {TWO} --model logistic --features {{recipe}} --cost fp=1,fn=9 "
        "--calibrate-on {t} --recalibrate isotonic -o {it}",
        altered.artifacts,
        (PREDICT,),
    ),
    "gbm": Kind("train {sample-of-pilot} --rounds 2 -o {it}", altered.artifacts, (PREDICT,)),
    "focal": Kind(
        f"train {{t}} --natural {TWO} --model logistic --loss focal -o {{it}}",
        altered.artifacts,
        (PREDICT,),
    ),
    "forest": Kind(
        f"train {{t}} --natural {TWO} --model forest --set n_estimators=2 -o {{it}}",
        altered.artifacts,
        (PREDICT,),
    ),
    "class-logistic": Kind(
        f"train {{t}} --natural {MANY} --model logistic --balanced-softmax -o {{it}}",
        altered.artifacts,
        (PREDICT,),
    ),
    "class-gbm": Kind(
        f"train {{t}} --natural {MANY} --rounds 2 -o {{it}}", altered.artifacts, (PREDICT,)
    ),
    "state": Kind(f"{CONTEST} --state {{it}}", states, (f"{CONTEST} --state {{it}}",)),
    "recipe": Kind("", recipes, ("pilot {t} -l y --drop k --features {it} -o {out}",)),
}


class Folder:
    """A table of 300 rows, and the artifacts that are made of it when they are asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        rng = np.random.default_rng(4)
        u, v = rng.standard_normal((2, 300))
        hours = rng.integers(0, 9_000, 300).tolist()
        p = rng.random(300)
        columns = {
            "u": u,
            "v": np.where(rng.random(300) < 0.1, np.nan, 10 * np.abs(v)),
            "g": rng.choice(["p", "q", "r"], 300),
            "b": rng.random(300) < 0.5,
            "t": [datetime(2024, 1, 1) + timedelta(hours=hour) for hour in hours],
            "y": rng.random(300) < 1 / (1 + np.exp(1 - u)),
            "k": rng.choice(["a", "b", "c"], 300),
        }
        pq.write_table(pa.table(columns), folder / "t.parquet")
        shares = {"p": p, "p_a": p / 2, "p_b": p / 2, "p_c": 1 - p}
        pq.write_table(pa.table(columns | shares), folder / "scored.parquet")
        (folder / "recipe").write_text(RECIPE)

    def path(self, name: str) -> Path:
        """The artifact, or the table, of this name."""
        kind = KINDS.get(name)
        if kind is not None and not (self.folder / name).exists():
            code, said = self.run(kind.made, self.folder / name, name)
            assert code == 0, said
            if "design" in name:
                beside = Path(f"{self.folder / name}.csv.design.json")
                (self.folder / name).write_bytes(beside.read_bytes())
        return self.folder / name

    def run(self, command: str, it: Path, name: str) -> tuple[int, str]:
        """The exit code of a command that reads or makes `it`, and what it said."""
        named = {
            "t": self.folder / "t.parquet",
            "scored": self.folder / "scored.parquet",
            "sample": self.folder / f"{name}.csv",
            "it": it,
            "out": self.folder / "out.csv",
            "new": self.folder / "new.rbl",
        }
        for other in ("recipe", "pilot", "class-pilot"):
            if f"{{{other}}}" in command:
                named[other] = self.path(other)
        if "{sample-of-pilot}" in command:
            self.path("design")
            named["sample-of-pilot"] = self.folder / "design.csv"
        words = [word.format(**named) for word in command.split()]
        result = CliRunner().invoke(cli, words)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise AssertionError(f"{command}: {result.exception!r}") from result.exception
        return result.exit_code, result.output


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return Folder(tmp_path_factory.mktemp("altered"))


def some(variants: Altered, total: int, seed: int) -> Altered:
    """As many of each way to alter each member, one at least and some `total` in all."""
    strata = defaultdict(list)
    for member, done, content in variants:
        alike = "log_odds" if member.startswith("log_odds") else member
        strata[alike, done.rpartition(" ")[2]].append((member, done, content))
    draw = random.Random(seed)
    for stratum in strata.values():
        yield from draw.sample(stratum, min(max(total // len(strata), 1), len(stratum)))


def check(name: str, folder: Folder, total: int, seed: int) -> None:
    content = folder.path(name).read_bytes()
    it = folder.folder / f"altered-{name}{'.json' if 'design' in name else '.rbl'}"
    draw = random.Random(seed)
    for member, done, changed in some(KINDS[name].variants(content), total, seed):
        it.write_bytes(changed)
        command = draw.choice(KINDS[name].read)
        code, said = folder.run(command, it, name)
        where = f"{name}, {member}: {done}, by {command}: {said}"
        assert code in CODES, where
        if code == 0:
            continue
        message = said.rpartition("error: ")[2]
        assert message.find("\n") == len(message) - 1, where
        if code == 4:
            # Some fit together in themselves, and not with the table.
            assert it.name in message or f"{folder.folder}" in message, where
        if "damaged" in message:
            assert f"file '{it}" in message, where
            assert "member '" in message or "design" in name or "(its " in message, where


@pytest.mark.parametrize("name", KINDS)
def test_one_line_and_no_traceback(name: str, folder: Folder) -> None:
    check(name, folder, total=35, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_more_of_the_same(name: str, folder: Folder) -> None:
    check(name, folder, total=80, seed=2)


@pytest.mark.parametrize(
    ("member", "change", "says"),
    [
        ("plan.json", {"rates": None}, "'rates' is null, and not a list"),
        ("logistic.json", {"l2": "x"}, "'l2' is \"x\", and not a finite number"),
        ("manifest.json", {"columns": ["u"]}, "'columns' is [\"u\"], and not an object"),
    ],
)
def test_the_member_and_the_value_are_named(
    member: str, change: dict[str, object], says: str, folder: Folder
) -> None:
    manifest, members = altered.opened(folder.path("pilot").read_bytes())
    if member == "manifest.json":
        manifest |= change
    else:
        members[member] = json.dumps(json.loads(members[member]) | change).encode()
    it = folder.folder / "p.rbl"
    it.write_bytes(altered.packed(manifest, members))
    code, said = folder.run(OF_TWO[0], it, "pilot")
    assert code == 4
    assert said == (
        f"error: the pilot is damaged: {says}, file '{it}', member '{member}'; make it again with "
        "'rebalance pilot'\n"
    )


def test_members_that_grow_are_not_unpacked(folder: Folder) -> None:
    manifest, members = altered.opened(folder.path("pilot").read_bytes())
    it = folder.folder / "p.rbl"
    it.write_bytes(altered.packed(manifest, members | {"zeros": bytes(1 << 24)}, deflated=True))
    code, said = folder.run(OF_TWO[0], it, "pilot")
    assert code == 4
    assert said.startswith(f"error: this is no rebalance pilot, file '{it}'; ")
