"""LightGBM's trees without LightGBM: read from its text and scored by numpy, to the same bits.

The idea is QuickScorer's (Lucchese et al., SIGIR 2015): rather than walk every row down a tree, ask
all rows every question of the tree, without a branch. The answers are the bits of a number, and a
table holds for each number the value of the leaf where a row with these answers ends. The time goes
to a few numpy calls over long arrays, which release the interpreter's lock, so that threads scale.
The score of a row is a function of the row alone, to the last bit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]

MAX_LEAVES = 16
# 16,384 rows' answers to 128 questions are 2 MB, which a cache holds, while every call is long
# enough for another thread to work beside it.
BLOCK_ROWS = 16_384
GROVE_QUESTIONS = 128

# LightGBM takes numbers this close to zero for zero.
_ZERO = float(np.float32(1e-35))
_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_ZERO_IS_MISSING, _NAN_IS_MISSING = 1, 2
_WORD_BITS = 32


@dataclass(frozen=True, order=True)
class Question:
    """Is a value above the threshold, up to it, or among the categories? No where it is missing."""

    feature: int
    kind: Literal["above", "up to", "among"]
    threshold: float = 0.0
    categories: tuple[int, ...] = ()


@dataclass(frozen=True)
class Tree:
    """m questions, the root's first, and the values of m + 1 leaves.

    children : where no and yes lead from each question: to another one or, below zero, to the leaf
        whose number is the complement.
    """

    questions: tuple[Question, ...]
    children: tuple[tuple[int, int], ...]
    leaves: Floats


def features_used(text: str) -> set[int]:
    """The features, by number, that the trees in LightGBM's text split on."""
    return set(_numbers(text, "split_feature"))


def read_forest(text: str) -> Forest | None:
    """The trees in LightGBM's text, or None where a `Forest` does not take them.

    It takes trees of up to 16 leaves, to which NaN is missing and zero is a number.
    """
    found = read_forests(text, 1)
    return None if found is None else found[0]


def read_forests(text: str, count: int) -> list[Forest] | None:
    """The forests of so many classes, whose trees take turns in the text; see `read_forest`."""
    if max(_numbers(text, "num_leaves")) > MAX_LEAVES:
        return None
    if any(_missing(decision) == _ZERO_IS_MISSING for decision in _numbers(text, "decision_type")):
        return None
    parts = text.partition("\nend of trees")[0].split("\nTree=")[1:]
    trees = [_read_tree(part) for part in parts]
    return [Forest(trees[place::count]) for place in range(count)]


class Forest:
    """A sum of trees, ready to score rows."""

    def __init__(self, trees: Sequence[Tree]) -> None:
        self._groves = [_Grove(part) for part in _in_groves(trees)]

    def score(self, columns: Mapping[int, Floats], rows: int) -> Floats:
        """The sum of the trees for every row, shape (rows,), added in their order.

        columns : the values of each feature that a tree asks for, by its number, shape (rows,): NaN
            where missing; categories are whole numbers from 0.
        """
        total = np.zeros(rows)
        for start in range(0, rows, BLOCK_ROWS):
            block = slice(start, min(start + BLOCK_ROWS, rows))
            values = {name: np.ascontiguousarray(column[block]) for name, column in columns.items()}
            for grove in self._groves:
                grove.add(total[block], values)
        return total


class _Grove:
    """Some trees as arrays: what to ask, which answers each tree needs, and what they lead to.

    Answers have a row for each question, and one more that is all no. A tree's number has one byte,
    or two where a tree of the grove asks more than eight questions. Its slots name the rows that
    its bits come from, the lowest bit first; bits left over come from the last row.
    """

    def __init__(self, trees: Sequence[Tree]) -> None:
        asked = sorted({question for tree in trees for question in tree.questions})
        row = {question: number for number, question in enumerate(asked)}
        self._numeric = list(_by_threshold(asked))
        self._categorical = list(_by_category(asked))
        most = max(1, *(len(tree.questions) for tree in trees))
        self._bytes = 1 if most <= 8 else 2
        self._bits = -(-most // self._bytes)
        self._weights = (1 << np.arange(self._bits, dtype=np.uint8))[:, None]
        self._none = len(asked)
        self._slots = np.full((len(trees), self._bytes * self._bits), self._none)
        self._leaves = []
        for slots, tree in zip(self._slots, trees, strict=True):
            order, leaves = _unfold(tree, 0 if tree.questions else -1)
            slots[: len(order)] = [row[question] for question in reversed(order)]
            self._leaves.append(leaves)

    def add(self, total: Floats, columns: Mapping[int, Floats]) -> None:
        """Add the values of the leaves to `total`, tree after tree, in place."""
        answers = np.empty((self._none + 1, len(total)), dtype=np.uint8)
        answers[self._none] = False
        for rows, feature, ask, thresholds in self._numeric:
            ask(columns[feature], thresholds, out=answers[rows].view(np.bool_))
        for rows, feature, members in self._categorical:
            codes = np.fmin(columns[feature], members.shape[1] - 1).astype(np.intp)
            members.take(codes, axis=1, out=answers[rows], mode="clip")
        bits = answers.take(self._slots.ravel(), axis=0).reshape(-1, self._bits, len(total))
        bits *= self._weights
        number = np.bitwise_or.reduce(bits, axis=1)
        if self._bytes == 2:
            number = np.left_shift(number[1::2], self._bits, dtype=np.uint16) | number[::2]
        for leaves, ended in zip(self._leaves, number, strict=True):
            total += leaves.take(ended)


def _in_groves(trees: Sequence[Tree]) -> Iterator[Sequence[Tree]]:
    """The trees in their order, as many at a time as ask about so many questions."""
    questions = sum(len(tree.questions) for tree in trees)
    groves = max(1, round(questions / GROVE_QUESTIONS))
    size = -(-len(trees) // groves)
    for start in range(0, len(trees), size):
        yield trees[start : start + size]


def _by_threshold(asked: Sequence[Question]) -> Iterator[tuple[slice, int, np.ufunc, Floats]]:
    """Rows of answers, and what gives them: a comparison that is false for NaN, and thresholds."""
    asking: dict[str, np.ufunc] = {"above": np.greater, "up to": np.less_equal}
    for rows, questions in _runs(asked):
        first = questions[0]
        if first.kind in asking:
            thresholds = np.array([[question.threshold] for question in questions])
            yield rows, first.feature, asking[first.kind], thresholds


def _by_category(asked: Sequence[Question]) -> Iterator[tuple[slice, int, Bytes]]:
    """Rows of answers, and what gives them: 1 where a code is a member; the last is all others."""
    for rows, questions in _runs(asked):
        if questions[0].kind == "among":
            highest = max(max(question.categories) for question in questions)
            members = np.zeros((len(questions), highest + 2), dtype=np.uint8)
            for member, question in zip(members, questions, strict=True):
                member[list(question.categories)] = 1
            yield rows, questions[0].feature, members


def _runs(asked: Sequence[Question]) -> Iterator[tuple[slice, list[Question]]]:
    """Sorted questions of one kind about one feature, and their rows."""
    start = 0
    for _, run in groupby(asked, lambda question: (question.feature, question.kind)):
        questions = list(run)
        yield slice(start, start + len(questions)), questions
        start += len(questions)


def _unfold(tree: Tree, at: int) -> tuple[list[Question], Floats]:
    """The questions below a node, itself first, and the value of the leaf for all their answers.

    Answers are the bits of a position in the values, the first question's the highest: no leads to
    the first half, in which the answers to the questions below yes change nothing.
    """
    if at < 0:
        return [], tree.leaves[[~at]]
    (questions_no, no), (questions_yes, yes) = (_unfold(tree, to) for to in tree.children[at])
    leaves = np.concatenate([np.repeat(no, len(yes)), np.tile(yes, len(no))])
    return [tree.questions[at], *questions_no, *questions_yes], leaves


def _numbers(text: str, name: str) -> list[int]:
    """All whole numbers in the lines of this name."""
    lines = re.findall(rf"^{name}=(.*)$", text, re.MULTILINE)
    return [int(word) for line in lines for word in line.split()]


def _missing(decision: int) -> int:
    """What a split takes for missing: nothing, zero or NaN."""
    return decision >> 2 & 3


def _read_tree(part: str) -> Tree:
    lines = dict(line.split("=", 1) for line in part.splitlines() if "=" in line)
    leaves = np.array(lines["leaf_value"].split(), dtype=np.float64)
    if len(leaves) == 1:
        return Tree((), (), leaves)
    names = ("split_feature", "decision_type", "left_child", "right_child")
    whole = zip(*(map(int, lines[name].split()) for name in names), strict=True)
    sets = _read_sets(lines) if "cat_threshold" in lines else []
    questions, children = [], []
    thresholds = map(float, lines["threshold"].split())
    for (feature, decision, left, right), threshold in zip(whole, thresholds, strict=True):
        if decision & _CATEGORICAL:
            questions.append(Question(feature, "among", categories=sets[int(threshold)]))
            children.append((right, left))
            continue
        # Where training saw no NaN, it counts as zero.
        known = _missing(decision) == _NAN_IS_MISSING
        left_if_missing = decision & _DEFAULT_LEFT if known else threshold >= 0
        kind: Literal["above", "up to"] = "above" if left_if_missing else "up to"
        questions.append(Question(feature, kind, _border(threshold)))
        children.append((left, right) if left_if_missing else (right, left))
    return Tree(tuple(questions), tuple(children), leaves)


def _read_sets(lines: Mapping[str, str]) -> list[tuple[int, ...]]:
    """The sets of categories, each the bits of some words of 32."""
    words = [int(word) for word in lines["cat_threshold"].split()]
    ends = [int(end) for end in lines["cat_boundaries"].split()]
    return [
        tuple(
            place * _WORD_BITS + bit
            for place, word in enumerate(words[start:stop])
            for bit in range(_WORD_BITS)
            if word >> bit & 1
        )
        for start, stop in pairwise(ends)
    ]


def _border(threshold: float) -> float:
    """A threshold that divides values near zero as LightGBM does, which takes them all for zero."""
    if 0 <= threshold <= _ZERO:
        return _ZERO
    if -_ZERO <= threshold < 0:
        return float(np.nextafter(-_ZERO, -np.inf))
    return threshold
