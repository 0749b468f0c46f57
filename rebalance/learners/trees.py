"""What a model of trees reads and holds, of two classes or of many."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.encoding import Encoder
from rebalance.learners.encoded import Encoded
from rebalance.learners.forest import features_used
from rebalance.learners.skops_member import damaged

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Trees(Encoded):
    """Boosted trees with the encoder of the columns that they were given.

    Columns that no tree splits on are not read; without any split, all are. `encoder` and `text`
    are of all columns: the trees name the encoder's terms by position. `stages` are those of
    `learners.staged`, with their rounds; empty where all rounds are alike.
    """

    text: str
    rounds: int
    found_by: str
    threads: int | None = None
    stages: tuple[Mapping[str, Any], ...] = ()

    def summary(self) -> dict[str, Any]:
        """Rounds of boosting, and how their number was found."""
        found = {"learner": "gbm", "rounds": self.rounds, "rounds_found_by": self.found_by}
        return found | self._staged

    def document(self) -> dict[str, Any]:
        """All but the trees, as JSON."""
        return {
            "encoder": self.encoder.to_document(),
            "rounds": self.rounds,
            "found_by": self.found_by,
            **self._staged,
        }

    @property
    def _staged(self) -> dict[str, Any]:
        return {"stages": [dict(each) for each in self.stages]} if self.stages else {}

    def members(self) -> dict[str, bytes]:
        """The encoder as JSON and the trees as LightGBM's text, without its parameters."""
        return {
            "gbm.json": json.dumps(self.document(), sort_keys=True).encode(),
            "trees.txt": self.text.encode(),
        }

    def matrix(self, columns: Mapping[str, pa.Array]) -> Floats:
        """The terms of the columns that are read, shape (n, their number)."""
        return self.reading.trees(columns)

    def by_term(self, matrix: Floats) -> dict[int, Floats]:
        """The columns of `matrix` by where their terms stand among all."""
        return {term: matrix[:, at] for at, term in enumerate(self._terms)}

    def raw_by_lightgbm(self, matrix: Floats) -> Any:
        """The sum of the trees of each row, shape (n,) or (n, K), where a forest cannot tell."""
        whole = np.zeros((len(matrix), len(self.encoder.terms)))
        whole[:, self._terms] = matrix
        return self._booster.predict(whole, raw_score=True, num_threads=self.threads or 0)

    @cached_property
    def reading(self) -> Encoder:
        """The encoder of the columns that are read."""
        return read_by_trees(self.encoder, self.text)

    @cached_property
    def _terms(self) -> list[int]:
        """Where the terms of the columns that are read stand among all."""
        read = self.reading.kinds
        return [at for at, term in enumerate(self.encoder.terms) if term.feature in read]

    @cached_property
    def _booster(self) -> Any:
        from lightgbm import Booster
        from lightgbm.basic import LightGBMError

        try:
            return Booster(model_str=self.text)
        except LightGBMError as exc:
            raise damaged("LightGBM", str(exc)) from exc


@dataclass(frozen=True)
class StoredTrees:
    """`gbm.json`."""

    encoder: dict[str, Any]
    rounds: int
    found_by: str
    stages: tuple[Mapping[str, Any], ...] = ()
    classes: int = 2


def read_by_trees(encoder: Encoder, text: str) -> Encoder:
    """The encoder of the columns that trees split on; of all, where there is no split."""
    used = {encoder.terms[position].feature for position in features_used(text)}
    if not used:
        return encoder
    unused = {name: "no tree uses it" for name in encoder.kinds if name not in used}
    return replace(
        encoder,
        kinds={name: kind for name, kind in encoder.kinds.items() if name in used},
        terms=tuple(term for term in encoder.terms if term.feature in used),
        left_out=encoder.left_out | unused,
        widths={name: width for name, width in encoder.widths.items() if name in used},
    )
