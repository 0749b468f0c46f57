"""LightGBM's text that was altered is refused before LightGBM, or anything else, follows it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalance.errors import ArtifactError
from rebalance.learners import get_learner
from rebalance.learners.base import Settings, TrainingRows
from rebalance.learners.class_base import ClassRows
from rebalance.learners.classes import get_class_learner

Members = Mapping[str, bytes]
Words = list[str]
Fit = Callable[..., Members]
Fits = Mapping[Fit, Members]
CLASSES = 5


def columns(count: int, missing: float) -> tuple[dict[str, pa.Array], np.ndarray]:
    """Two numbers and one of 40 levels, of which some are missing, and log odds."""
    generator = np.random.default_rng(7)
    x, level = generator.standard_normal(count), generator.integers(0, 40, count)
    shops = [None if generator.random() < missing else f"s{code}" for code in level]
    known = generator.random(count) >= missing
    found = {
        "x": pa.array(x, mask=~known),
        "z": pa.array(generator.integers(0, 3, count).astype(np.float64)),
        "shop": pa.array(shops),
    }
    return found, x + 2 * (level % 3 == 1) - 1


def two(count: int = 4_000, missing: float = 0.1, **settings: object) -> Members:
    """The members of a fit to two classes."""
    found, log_odds = columns(count, missing)
    generator = np.random.default_rng(8)
    rows = TrainingRows(
        found,
        {"x": "number", "z": "number", "shop": "category"},
        generator.random(count) < 1 / (1 + np.exp(-log_odds)),
        np.zeros(count),
        np.zeros(count),
        None,
        generator.random(count),
    )
    return get_learner("gbm").fit(rows, Settings(**({"rounds": 4} | settings))).members()


def many(count: int = 4_000, missing: float = 0.1, **settings: object) -> Members:
    """The members of a fit to five classes."""
    found, log_odds = columns(count, missing)
    generator = np.random.default_rng(9)
    scores = np.outer(log_odds, np.arange(CLASSES) / 2)
    rows = ClassRows(
        found,
        {"x": "number", "z": "number", "shop": "category"},
        (scores + generator.gumbel(size=scores.shape)).argmax(axis=1),
        np.zeros((count, CLASSES), order="F"),
        np.zeros((count, CLASSES), order="F"),
        None,
        generator.random(count),
    )
    return get_class_learner("gbm").fit(rows, Settings(**({"rounds": 2} | settings))).members()


LOAD = {two: get_learner("gbm").load, many: get_class_learner("gbm").load}


@pytest.fixture(scope="module")
def fitted() -> Fits:
    return {two: two(), many: many()}


@pytest.mark.parametrize("fit", [two, many])
@pytest.mark.parametrize("missing", [0.0, 0.1])
@pytest.mark.parametrize("leaves", [2, 16, 31])
def test_what_was_written_is_read(fit: Fit, missing: float, leaves: int) -> None:
    members = fit(missing=missing, leaves=leaves)
    assert b"cat_threshold" in members["trees.txt"]
    assert LOAD[fit](members).members() == members


@pytest.mark.parametrize("fit", [two, many])
def test_trees_of_one_leaf_are_read(fit: Fit) -> None:
    members = fit(count=30)
    # Of 30 rows, no split leaves LightGBM's 20 on both sides.
    assert set(re.findall(rb"num_leaves=.*", members["trees.txt"])) == {b"num_leaves=1"}
    assert LOAD[fit](members).members() == members


@pytest.mark.parametrize(
    "settings", [{"gamma": 2.0}, {"curriculum": True}, {"two_stage": True, "rounds": 16}]
)
def test_other_ways_to_fit_are_read(settings: dict[str, object]) -> None:
    members = two(**settings)
    assert LOAD[two](members).members() == members


def test_a_split_between_missing_and_all_others_is_read() -> None:
    generator = np.random.default_rng(10)
    y = generator.random(1_000) < 0.5
    x = pa.array(generator.standard_normal(1_000), mask=y)
    zeros = np.zeros(1_000)
    rows = TrainingRows({"x": x}, {"x": "number"}, y, zeros, zeros, None, generator.random(1_000))
    members = get_learner("gbm").fit(rows, Settings(rounds=1)).members()
    assert b"\nthreshold=inf" in members["trees.txt"]
    assert LOAD[two](members).members() == members


def with_line(text: bytes, name: str, tree: int | None, change: Callable[[Words], Words]) -> bytes:
    """The text with other words in a line of a tree, or of the head, and the sizes that it has."""
    body, end, after = text.decode().partition("\nend of trees")
    head, *trees = body.split("\nTree=")
    parts = [head, *trees]
    place = 0 if tree is None else tree + 1

    def line(found: re.Match[str]) -> str:
        words = found[1].split(" ") if found[1] else []
        return f"{name}={' '.join(change(words))}"

    parts[place], count = re.subn(rf"(?m)^{name}=(.*)$", line, parts[place])
    assert count == 1
    sizes = " ".join(str(len(f"Tree={part}\n")) for part in parts[1:])
    parts[0] = re.sub(r"tree_sizes=.*", f"tree_sizes={sizes}", parts[0])
    return ("\nTree=".join(parts) + end + after).encode()


def refuse(fit: Fit, members: Members, text: bytes, says: str) -> None:
    assert text != members["trees.txt"]
    with pytest.raises(ArtifactError, match=says):
        LOAD[fit]({**members, "trees.txt": text})


HEAD = [
    ("num_class", "1"), ("num_class", "2"), ("num_class", "99999"), ("num_class", "-1"),
    ("num_tree_per_iteration", "0"), ("num_tree_per_iteration", "-1"),
    ("num_tree_per_iteration", "99999"), ("max_feature_idx", "0"), ("max_feature_idx", "99999"),
    ("label_index", "-1"), ("version", "v3"), ("feature_names", "Column_0"),
    ("feature_infos", "none"), ("objective", "poisson"), ("objective", "binary sigmoid:0"),
    ("objective", "multiclass num_class:0"), ("objective", "binary sigmoid:1 sqrt"),
]  # fmt: skip


@pytest.mark.parametrize("fit", [two, many])
@pytest.mark.parametrize(("name", "value"), HEAD)
def test_another_head(fit: Fit, name: str, value: str, fitted: Fits) -> None:
    members = fitted[fit]
    if f"\n{name}={value}\n".encode() not in members["trees.txt"]:
        text = with_line(members["trees.txt"], name, None, lambda _: value.split(" "))
        refuse(fit, members, text, f"'{name}' of its head was altered")


def first(value: str) -> Callable[[Words], Words]:
    return lambda words: [value, *words[1:]]


def last(value: str) -> Callable[[Words], Words]:
    return lambda words: [*words[:-1], value]


def at_place(at: int, value: str) -> Callable[[Words], Words]:
    return lambda words: [*words[:at], value, *words[at + 1 :]]


EACH_NUMBER = [
    "num_leaves", "num_cat", "split_feature", "split_gain", "threshold", "decision_type",
    "left_child", "right_child", "leaf_value", "leaf_weight", "leaf_count", "internal_value",
    "internal_weight", "internal_count", "cat_boundaries", "cat_threshold", "is_linear",
    "shrinkage",
]  # fmt: skip
TREE = [
    *[(name, last(value)) for name in EACH_NUMBER for value in ("", "x", "1_0", "\t1", "0x1")],
    *[(name, lambda words: [*words, "1"]) for name in EACH_NUMBER],
    *[(name, lambda words: words[:-1]) for name in EACH_NUMBER],
    *[(name, last("nan")) for name in ("leaf_value", "threshold", "shrinkage", "leaf_count")],
    *[("leaf_value", last(value)) for value in ("inf", "-inf", "1e999")],
    *[("num_leaves", first(value)) for value in ("-1", "0", "1", "2147483647", "9" * 30)],
    *[("num_cat", first(value)) for value in ("-1", "0", "99999")],
    *[("split_feature", last(value)) for value in ("-1", "3", "99999")],
    *[("decision_type", last(value)) for value in ("-1", "3", "4", "6", "12", "128")],
    *[(f"{side}_child", first(value)) for side in ("left", "right") for value in ("0", "99999")],
    *[(f"{side}_child", last(value)) for side in ("left", "right") for value in ("1", "-99999")],
    ("left_child", lambda words: [words[1], *words[1:]]),
    ("right_child", lambda words: [*words[:-2], words[-1], words[-1]]),
    *[("cat_boundaries", first(value)) for value in ("-1", "1")],
    *[("cat_boundaries", last(value)) for value in ("0", "1", "99999")],
    *[("cat_threshold", last(value)) for value in ("-1", "4294967296")],
    ("cat_threshold", lambda words: ["0"] * len(words)),
    ("is_linear", first("1")),
]  # fmt: skip


@pytest.mark.parametrize("fit", [two, many])
def test_another_line_of_a_tree(fit: Fit, fitted: Fits) -> None:
    members = fitted[fit]
    text = members["trees.txt"]
    assert b"cat_threshold" in text.partition(b"Tree=1")[2].partition(b"Tree=2")[0]
    for name, change in TREE:
        # Lines tell of each other: where two are at odds, either is said to be altered.
        refuse(fit, members, with_line(text, name, 1, change), r"'\w+' of tree 1 was altered")


def test_splits_by_category_are_on_categories(fitted: Fits) -> None:
    text = fitted[two]["trees.txt"]
    at = re.findall(rb"split_feature=(.*)", text)[0].split().index(b"2")
    number = re.findall(rb"decision_type=(.*)", text)[0].split().index(b"10")
    for name, place, values in (
        ("decision_type", at, ("8", "10")),
        ("decision_type", number, ("1", "9")),
        ("threshold", at, ("-1", "0.5", "99999")),
    ):
        for value in values:
            altered = with_line(text, name, 0, at_place(place, value))
            refuse(two, fitted[two], altered, f"'{name}' of tree 0 was altered")


def test_lines_that_fit_together(fitted: Fits) -> None:
    members = two(count=30)
    text = with_line(members["trees.txt"], "num_leaves", 0, first("0"))
    text = with_line(text, "leaf_value", 0, lambda _: [])
    refuse(two, members, text, "'num_leaves' of tree 0")
    unasked = first("\ncat_boundaries=\ncat_threshold=1")
    text = with_line(members["trees.txt"], "internal_count", 0, unasked)
    refuse(two, members, text, "'cat_threshold' of tree 0")
    # 40 levels and another are bits of two words; more would be memory for nothing.
    text = with_line(fitted[two]["trees.txt"], "cat_threshold", 0, lambda words: [*words, "1", "1"])
    text = with_line(
        text, "cat_boundaries", 0, lambda words: [*words[:-1], str(int(words[-1]) + 2)]
    )
    refuse(two, fitted[two], text, "'cat_boundaries' of tree 0")
    text = fitted[many]["trees.txt"].replace(b"num_class:5", b"num_class:0")
    for name in ("num_class", "num_tree_per_iteration"):
        text = with_line(text, name, None, first("0"))
    of_none = {"gbm.json": fitted[many]["gbm.json"].replace(b'"classes": 5', b'"classes": 0')}
    refuse(many, {**fitted[many], **of_none}, text, "10 trees are no rounds of 0")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b"\nend of trees\n\n", b"\nend of trees\n\nparameters:\n[x: 1]\n", "what follows"),
        (b"pandas_categorical:null", b"pandas_categorical:[", "what follows"),
        (b"\nis_linear=0\n", b"\nis_linear=0\nis_linear=0\n", "trees are not those"),
        (b"tree\n", b"\xff\n", "'tree' of its head"),
        (b"label_index=0\n", b"label_index=0\naverage_output\n", "'max_feature_idx' of its head"),
        (b"\nTree=1\n", b"\nTree=-1\n", "trees are not those"),
    ],
)
def test_what_is_around_the_trees(old: bytes, new: bytes, says: str, fitted: Fits) -> None:
    refuse(two, fitted[two], fitted[two]["trees.txt"].replace(old, new, 1), says)


def test_other_lines_and_trees_that_are_no_rounds(fitted: Fits) -> None:
    text = fitted[two]["trees.txt"]
    twice = with_line(text, "is_linear", 1, lambda words: ["0\nis_linear=0"])
    refuse(two, fitted[two], twice, "tree 1 has other lines")
    text = fitted[many]["trees.txt"]
    start, end = text.index(b"\nTree=9"), text.index(b"\nend of trees")
    sizes = re.findall(rb"tree_sizes=(.*)", text)[0].split(b" ")
    fewer = (text[:start] + text[end:]).replace(b" ".join(sizes), b" ".join(sizes[:-1]))
    refuse(many, fitted[many], fewer, "9 trees are no rounds of 5")


def test_what_lightgbm_refuses_itself(fitted: Fits) -> None:
    # It asks for the number of classes before it reads on.
    text = fitted[two]["trees.txt"].decode().replace("num_class=1\n", "")
    with pytest.raises(ArtifactError, match="LightGBM is not whole: Model file doesn't specify"):
        replace(LOAD[two](fitted[two]), text=text).raw_by_lightgbm(np.zeros((1, 3)))


def walks(tree: str) -> bool:
    """Whether a walk from the root comes to every node and leaf once; done step by step."""
    lines = dict(line.split("=", 1) for line in tree.splitlines() if "=" in line)
    leaves = int(lines["num_leaves"])
    children = [
        [int(word) for word in lines[name].split()] for name in ("left_child", "right_child")
    ]
    seen, waiting = [], [0 if leaves > 1 else -1]
    while waiting and len(seen) <= 2 * leaves:
        at = waiting.pop()
        seen.append(at)
        if not -leaves <= at < leaves - 1:
            return False
        if at >= 0:
            waiting += [side[at] for side in children]
    return sorted(seen) == list(range(-leaves, leaves - 1))


@given(
    tree=st.integers(0, 3),
    side=st.sampled_from(["left_child", "right_child"]),
    at=st.tuples(st.integers(0, 29), st.integers(0, 29)),
    value=st.integers(-32, 31) | st.none(),
)
def test_trees_that_are_read_can_be_walked(
    tree: int, side: str, at: tuple[int, int], value: int | None, fitted: Fits
) -> None:
    def change(words: Words) -> Words:
        one, other = (place % len(words) for place in at)
        found = list(words)
        found[one], found[other] = found[other], found[one]
        if value is not None:
            found[one] = str(value)
        return found

    text = with_line(fitted[two]["trees.txt"], side, tree, change)
    whole = walks(text.decode().split("\nTree=")[1 + tree])
    try:
        LOAD[two]({**fitted[two], "trees.txt": text})
    except ArtifactError:
        return
    assert whole
