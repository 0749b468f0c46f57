"""Whether the trees in LightGBM's text are trees, asked of the arrays of all of them at once.

LightGBM believes what it reads: it follows a child that leads back for ever, and reads beyond its
arrays where a number is too large. A tree of L leaves has L - 1 nodes, of which 0 is the root, and
each has two children: a later node or, below zero, the leaf whose number is the complement.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rebalance.learners.trees_lines import LARGEST, TreeLines

Ints = NDArray[np.int64]

# 1 asks for a category, 2 is for missing ones that go left, 8 where NaN is missing; zero never is.
_NUMERIC, _CATEGORICAL = (0, 2, 8, 10), (1, 9)
_WORD_BITS = 32


def check_trees(trees: Sequence[bytes], categories: Ints) -> None:
    """Check that each of these is a tree: what LightGBM's text has after its number.

    categories : how many each feature has, shape (features,); 0 where it is a number.

    Raises
    ------
    ArtifactError : says which line of which tree is wrong.
    """
    lines = TreeLines(trees)
    one = np.ones(len(trees), dtype=np.int64)
    leaves = lines.whole("num_leaves", one, lowest=1)
    lines.real("leaf_value", leaves)  # first, as then there are not more leaves than the text holds
    nodes = leaves - 1
    lines.whole("is_linear", one, highest=0)
    lines.real("shrinkage", one)
    _check_children(lines, leaves)
    sets = _check_splits(lines, nodes, categories > 0)
    _check_sets(lines, sets, most_words=-(-int(categories.max()) // _WORD_BITS))
    # What scores nothing may be infinite, and a tree of one leaf need not tell of its rows.
    for name in ("split_gain", "internal_value", "internal_weight"):
        lines.real(name, nodes, finite=False)
    lines.whole("internal_count", nodes)
    weights, counts = (
        np.where(nodes > 0, leaves, np.minimum(lines.lengths(name), 1))
        for name in ("leaf_weight", "leaf_count")
    )
    lines.real("leaf_weight", weights, finite=False)
    lines.whole("leaf_count", counts)


def _check_children(lines: TreeLines, leaves: Ints) -> None:
    """No leaf and no node is a child twice: so all but the root are once, and every walk ends."""
    nodes = leaves - 1
    own = np.repeat(leaves, nodes)
    number = np.arange(nodes.sum()) - np.repeat(_starts(nodes), nodes)
    # A tree has a place for each of its leaves, the last one first, and for each of its nodes.
    first = np.repeat(_starts(leaves + nodes), nodes)
    taken = np.zeros((leaves + nodes).sum(), dtype=bool)
    for name in ("left_child", "right_child"):
        child = lines.whole(name, nodes, lowest=-LARGEST)
        later = (number < child) & (child < own - 1)
        lines.require(name, nodes, later | ((-own <= child) & (child < 0)))
        place = first + own + child
        once = np.bincount(place, minlength=len(taken)) == 1
        lines.require(name, nodes, (once & ~taken)[place])
        taken[place] = True


def _check_splits(lines: TreeLines, nodes: Ints, categorical: NDArray[np.bool_]) -> Ints:
    """How many splits of each tree ask for categories: the threshold numbers their sets."""
    feature = lines.whole("split_feature", nodes, highest=len(categorical) - 1)
    decision = lines.whole("decision_type", nodes)
    # A split between missing values and all others has an infinite one.
    threshold = lines.real("threshold", nodes, finite=False)
    among = categorical[feature]
    known = np.where(among, np.isin(decision, _CATEGORICAL), np.isin(decision, _NUMERIC))
    lines.require("decision_type", nodes, known)
    tree = np.repeat(np.arange(len(nodes)), nodes)
    sets = np.bincount(tree[among], minlength=len(nodes))
    is_set = (threshold >= 0) & (threshold < sets[tree]) & (threshold == np.floor(threshold))
    lines.require("threshold", nodes, np.where(among, is_set, ~np.isnan(threshold)))
    return sets


def _check_sets(lines: TreeLines, sets: Ints, most_words: int) -> None:
    """Each set is the bits of the words from one border to the next, and not empty."""
    one = np.ones(len(sets), dtype=np.int64)
    lines.require("num_cat", one, lines.whole("num_cat", one) == sets)
    words = lines.lengths("cat_threshold")
    lines.require("cat_threshold", one, (words > 0) == (sets > 0))
    borders = np.where(sets > 0, sets + 1, 0)
    border = lines.whole("cat_boundaries", borders)
    word = lines.whole("cat_threshold", words, highest=2**_WORD_BITS - 1)
    first = _starts(borders)[sets > 0]
    last = first + sets[sets > 0]
    size = np.diff(border, prepend=0)
    right = (size > 0) & (size <= most_words)
    right[first] = border[first] == 0
    right[last] &= border[last] == words[sets > 0]
    lines.require("cat_boundaries", borders, right)
    if len(word):
        begins = np.delete(np.repeat(_starts(words), borders) + border, last)
        lines.require("cat_threshold", sets, np.logical_or.reduceat(word > 0, begins))


def _starts(lengths: Ints) -> Ints:
    """Where each part begins, of parts of these lengths that follow each other."""
    return np.cumsum(lengths) - lengths
