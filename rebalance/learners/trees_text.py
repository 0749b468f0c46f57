"""LightGBM's text as a member of an artifact: read once it is sure to be as a learner wrote it.

LightGBM reads each tree by its size in the head, several at a time, and believes what it reads. It
ends the process, or never ends, where something else is there: no error comes back that could be
told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rebalance.core.encoding import Encoder
from rebalance.core.terms import Coded
from rebalance.learners.skops_member import damaged
from rebalance.learners.trees_check import check_trees

_TREE, _END = b"\nTree=", b"\nend of trees"
_AFTER = re.compile(
    rb"\n\n(feature_importances:\n(Column_[0-9]+=[0-9]+\n)*\n\npandas_categorical:null\n)?"
)


def trees_text(content: bytes, encoder: Encoder, objective: str | None, classes: int = 1) -> str:
    """The text in these bytes, of trees whose features are the encoder's terms.

    objective : what the head says that the trees were fitted by; None for an objective of our own.
    classes : how many trees there are a round.

    Raises
    ------
    ArtifactError : it holds something else.
    """
    whole, end, after = content.partition(_END)
    head, *trees = whole.split(_TREE)
    numbered = all(tree.startswith(b"%d\n" % number) for number, tree in enumerate(trees))
    if not (end and trees and numbered) or _sizes(trees) not in head.split(b"\n"):
        raise damaged("LightGBM", "the trees are not those that its head tells of")
    _check_head(head, len(encoder.terms), objective, classes)
    if classes < 1 or len(trees) % classes:
        raise damaged("LightGBM", f"{len(trees)} trees are no rounds of {classes}")
    if not _AFTER.fullmatch(after):
        raise damaged("LightGBM", "what follows the trees was altered")
    check_trees([tree.partition(b"\n")[2] for tree in trees], _categories(encoder))
    return content.decode("ascii")


def _check_head(head: bytes, features: int, objective: str | None, classes: int) -> None:
    """Check the lines before the trees, of which the sizes are known to be among them."""
    expected = [
        b"tree",
        b"version=v4",
        b"num_class=%d" % classes,
        b"num_tree_per_iteration=%d" % classes,
        b"label_index=0",
        b"max_feature_idx=%d" % (features - 1),
        *([] if objective is None else [b"objective=" + objective.encode()]),
        b"feature_names=" + b" ".join(b"Column_%d" % at for at in range(features)),
    ]
    lines = head.split(b"\n")
    for line, right in zip(lines, expected, strict=False):
        if line != right:
            name = right.partition(b"=")[0].decode()
            raise damaged("LightGBM", f"'{name}' of its head was altered")
    infos = rb"feature_infos=[!-~]+( [!-~]+){%d}\ntree_sizes=[0-9 ]+\n" % (features - 1)
    if not re.fullmatch(infos, b"\n".join(lines[len(expected) :])):
        raise damaged("LightGBM", "'feature_infos' of its head was altered")


def _categories(encoder: Encoder) -> NDArray[np.int64]:
    """How many categories each term has for trees, with one of all other levels; 0 for numbers."""
    counts = np.zeros(len(encoder.terms), dtype=np.int64)
    for at, term in enumerate(encoder.terms):
        if isinstance(term, Coded) and term.part == "level":
            counts[at] = len(term.levels) + 1
    return counts


def _sizes(trees: Sequence[bytes]) -> bytes:
    """The line of the head by which LightGBM finds the trees."""
    return b"tree_sizes=" + b" ".join(b"%d" % (len(_TREE) + len(tree)) for tree in trees)
