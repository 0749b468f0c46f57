"""scikit-learn's trees as what remains of an ensemble: kept, checked, and made to vote.

Only the trees and their weights are kept: a prediction needs nothing else, so a model does not
depend on the library that grew them, and its file can hold nothing but trees.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.correction import log_odds, probability
from rebalance.core.described import array_bytes, read_array, read_json
from rebalance.core.encoding import Encoder
from rebalance.learners.encoded import Encoded
from rebalance.learners.skops_member import PLAIN, damaged, from_member, to_member

Floats = NDArray[np.float64]
Matrix = NDArray[np.float32]

TREES = PLAIN | {("TreeNode", "sklearn.tree._tree.Tree")}
Form = Literal["averaged", "boosted"]
_POSITIVE = 1


@dataclass(frozen=True)
class TreeVotes(Encoded):
    """T trees that vote.

    form : "averaged" takes the mean of the trees' shares of positives; "boosted" lets the trees of
        a bag say yes or no with their weights, as AdaBoost does, and takes the mean over the bags.
    bags : how many trees each bag has, together T. weights : shape (T,), those of the boosted.
    made_by : the library that grew them, with its version. notes : what it said of the fit.
    """

    name: str
    trees: Sequence[Any]
    form: Form
    bags: tuple[int, ...]
    weights: Floats
    made_by: str
    notes: tuple[str, ...] = ()

    def log_odds(self, columns: Mapping[str, pa.Array], baseline: Floats | None = None) -> Floats:
        """The log odds of every row, shape (n,), on the scale of the rows that were fitted.

        Of averaged trees (T p + 1/2) / (T + 1), p their mean: half a vote more for either class
        keeps 0 and 1, which no number of trees can show, finite.
        """
        matrix = as_matrix(self.encoder, columns)
        if self.form == "averaged":
            votes = np.zeros(len(matrix))
            for tree in self.trees:
                votes += tree.predict(matrix)[:, _POSITIVE]
            against = np.maximum(len(self.trees) - votes, 0.0)
            return np.asarray(np.log(votes + 0.5) - np.log(against + 0.5), dtype=np.float64)
        ends = [0, *accumulate(self.bags)]
        scores = [self._boosted(matrix, slice(*bag)) for bag in pairwise(ends)]
        if len(scores) == 1:
            return scores[0]
        return log_odds(np.mean([probability(score) for score in scores], axis=0))

    @property
    def limit(self) -> float | None:
        """The log odds of a row on which all trees agree; None where they never say 0 or 1."""
        return float(np.log(2 * len(self.trees) + 1)) if self.form == "averaged" else None

    def _boosted(self, matrix: Matrix, bag: slice) -> Floats:
        """AdaBoost's decision (SAMME, Zhu et al. 2009), as scikit-learn scales it.

        It is 2 sum w s / sum w, s the sign of each tree's vote.
        """
        total = np.zeros(len(matrix))
        for tree, weight in zip(self.trees[bag], self.weights[bag], strict=True):
            shares = tree.predict(matrix)
            total += np.where(shares[:, _POSITIVE] > shares[:, 1 - _POSITIVE], weight, -weight)
        return np.asarray(2 * total / self.weights[bag].sum(), dtype=np.float64)

    def summary(self) -> dict[str, Any]:
        """Size of the ensemble."""
        found: dict[str, Any] = {"learner": self.name, "trees": len(self.trees)}
        if len(self.bags) > 1:
            found["bags"] = len(self.bags)
        return found | {"nodes": sum(int(tree.node_count) for tree in self.trees)}

    def members(self) -> dict[str, bytes]:
        """The encoder as JSON, the weights as an array, the trees by skops."""
        document = {
            "encoder": self.encoder.to_document(),
            "form": self.form,
            "bags": list(self.bags),
            "made_by": self.made_by,
        }
        return {
            "ensemble.json": json.dumps(document, sort_keys=True).encode(),
            "weights.npy": array_bytes(self.weights),
            "trees.skops": to_member(list(self.trees)),
        }


def load_votes(name: str, members: Mapping[str, bytes]) -> TreeVotes:
    """The model that `TreeVotes.members` described.

    Raises
    ------
    ArtifactError : it holds something else than trees, or trees that are not whole.
    """
    stored = read_json(_Stored, members["ensemble.json"])
    encoder = Encoder.from_document(stored.encoder)
    made_by, bags = stored.made_by, stored.bags
    trees = from_member(members["trees.skops"], TREES, made_by)
    weights = read_array(members["weights.npy"], np.float64, sum(bags))
    if not isinstance(trees, list) or len(trees) != len(weights) or min(bags, default=0) < 1:
        raise damaged(made_by, "the number of trees is another")
    for tree in trees:
        check_tree(tree, len(encoder.names), made_by)
        if tree.value.shape[1:] != (1, 2):
            raise damaged(made_by, "a tree is not of two classes")
    return TreeVotes(encoder, name, trees, stored.form, bags, weights, made_by)


@dataclass(frozen=True)
class _Stored:
    """`ensemble.json`."""

    encoder: dict[str, Any]
    form: Form
    bags: tuple[int, ...]
    made_by: str


def check_tree(tree: Any, features: int, made_by: str) -> None:
    """Check that a tree leads from its first node to a leaf, and asks for features that there are.

    scikit-learn walks trees without looking: in a tree that was altered it would read memory that
    is not the tree's.

    Raises
    ------
    ArtifactError : it does not.
    """
    left, right = np.asarray(tree.children_left), np.asarray(tree.children_right)
    asked = np.asarray(tree.feature)
    number = np.arange(len(left))
    inner = left != -1
    onward = (left > number) & (right > number) & (left < len(left)) & (right < len(left))
    known = (asked >= 0) & (asked < features)
    if len(left) == 0 or not (onward & known)[inner].all() or not (right == -1)[~inner].all():
        raise damaged(made_by, "a tree leads nowhere")


def as_matrix(encoder: Encoder, columns: Mapping[str, pa.Array]) -> Matrix:
    """The columns of z as scikit-learn's trees take them, shape (n, d)."""
    return np.ascontiguousarray(encoder.linear(columns), dtype=np.float32)
