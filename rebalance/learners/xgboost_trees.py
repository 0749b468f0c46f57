"""XGBoost's boosted trees, started from the offset and a baseline by `base_margin`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.described import read_json
from rebalance.core.encoding import Encoder
from rebalance.errors import ArtifactError, FitError, UsageError
from rebalance.learners.base import Fitted, Settings, TrainingRows
from rebalance.learners.boosting import (
    LEARNING_RATE,
    LEAVES,
    MAX_LEVELS,
    MAX_ROUNDS,
    PATIENCE,
)
from rebalance.learners.catalogue import Entry
from rebalance.learners.encoded import Encoded
from rebalance.learners.gbm import held_out
from rebalance.learners.listed import Listed
from rebalance.learners.skops_member import damaged

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class XgboostModel(Encoded):
    """log odds = baseline + sum of trees; what the fit was offset by is no part of it.

    content : XGBoost's own JSON, as UBJSON.
    """

    content: bytes
    rounds: int
    found_by: str
    made_by: str

    def log_odds(self, columns: Mapping[str, pa.Array], baseline: Floats | None = None) -> Floats:
        """The log odds of every row, shape (n,)."""
        data = _matrix(self.encoder, self.encoder.trees(columns))
        raw = self._booster.predict(data, output_margin=True)
        return np.asarray(raw, dtype=np.float64) + (0.0 if baseline is None else baseline)

    def summary(self) -> dict[str, Any]:
        """Rounds of boosting, and how their number was found."""
        return {"learner": "xgboost", "rounds": self.rounds, "rounds_found_by": self.found_by}

    def members(self) -> dict[str, bytes]:
        """The encoder as JSON, the trees as XGBoost writes them."""
        document = {
            "encoder": self.encoder.to_document(),
            "rounds": self.rounds,
            "found_by": self.found_by,
            "made_by": self.made_by,
        }
        return {
            "xgboost.json": json.dumps(document, sort_keys=True).encode(),
            "trees.ubj": self.content,
        }

    @cached_property
    def _booster(self) -> Any:
        if not self.content.startswith(b"{"):  # of nothing, XGBoost ends the process
            raise damaged(self.made_by, "there are no trees")
        found = _library().Booster()
        try:
            found.load_model(bytearray(self.content))
        except _library().core.XGBoostError as exc:
            raise damaged(self.made_by, str(exc).strip().splitlines()[0]) from exc
        found.set_param({"nthread": 1})
        return found


@dataclass(frozen=True)
class _Stored:
    """`xgboost.json`."""

    encoder: dict[str, Any]
    rounds: int
    found_by: str
    made_by: str


class Xgboost(Listed):
    """Boosting of the log loss; base_margin = offset + baseline, so trees learn what is missing."""

    starts_from_baseline = True
    most_levels = MAX_LEVELS

    def __init__(self, entry: Entry) -> None:
        super().__init__(entry)
        self._xgboost = _library()

    def fit(self, rows: TrainingRows, settings: Settings) -> Fitted:
        """Find the number of rounds on a held-out fifth of the rows, then fit on all of them.

        Raises
        ------
        FitError : a class has too few rows to hold some out, and no number of rounds was given.
        """
        given = self.parameters(settings)
        encoder = self.encoder(rows)
        named = {
            **given,
            "objective": "binary:logistic",
            "eval_metric": "logloss",
            "tree_method": "hist",
            "grow_policy": "lossguide",
            "max_leaves": settings.leaves or LEAVES,
            "learning_rate": settings.learning_rate or LEARNING_RATE,
            "base_score": 0.5,
            "seed": settings.seed % 2**31,
            # Threads add up gradients in parts of their own: one gives the same trees everywhere.
            "nthread": 1,
            "verbosity": 0,
        }
        matrix = encoder.trees(rows.columns)
        rounds, found_by = settings.rounds, "given"
        try:
            if rounds is None:
                rounds, found_by = self._find_rounds(encoder, matrix, rows, named), "held-out rows"
            booster = self._xgboost.train(named, self._data(encoder, matrix, rows), rounds)
        except self._xgboost.core.XGBoostError as exc:
            raise FitError(
                f"xgboost cannot be fitted: {str(exc).strip().splitlines()[0]}",
                remedy="choose another --model",
            ) from exc
        content = bytes(booster.save_raw("ubj"))
        made_by = f"xgboost {self._xgboost.__version__}"
        return XgboostModel(encoder, content, rounds, found_by, made_by)

    def load(self, members: Mapping[str, bytes]) -> Fitted:
        """The model that `members` described.

        Raises
        ------
        ArtifactError : the trees are not whole.
        """
        stored = read_json(_Stored, members["xgboost.json"])
        found = XgboostModel(
            Encoder.from_document(stored.encoder),
            members["trees.ubj"],
            stored.rounds,
            stored.found_by,
            stored.made_by,
        )
        if found._booster.num_features() != len(found.encoder.terms):
            raise ArtifactError(
                "the trees are of other features than the model",
                remedy="train it again, or take it from where you trust it",
            )
        return found

    def _find_rounds(
        self, encoder: Encoder, matrix: Floats, rows: TrainingRows, named: Mapping[str, Any]
    ) -> int:
        """The number of rounds after which the loss of the rows held out is least."""
        out = held_out(rows)
        seen, watched = (self._data(encoder, matrix, rows, part) for part in (~out, out))
        booster = self._xgboost.train(
            named,
            seen,
            MAX_ROUNDS,
            evals=[(watched, "held_out")],
            early_stopping_rounds=PATIENCE,
            verbose_eval=False,
        )
        return max(1, int(booster.best_iteration) + 1)

    def _data(
        self,
        encoder: Encoder,
        matrix: Floats,
        rows: TrainingRows,
        part: NDArray[np.bool_] | None = None,
    ) -> Any:
        """The rows where `part` is true, all without it, as XGBoost takes them."""
        kept: Any = slice(None) if part is None else part
        weight = rows.sample_weight
        return _matrix(
            encoder,
            matrix[kept],
            label=rows.y_true[kept].astype(np.float32),
            base_margin=(rows.offset + rows.baseline)[kept],
            weight=None if weight is None else weight[kept],
        )


def _matrix(encoder: Encoder, matrix: Floats, **rest: Any) -> Any:
    coded = set(encoder.categorical)
    kinds = ["c" if at in coded else "q" for at in range(len(encoder.terms))]
    return _library().DMatrix(
        matrix, feature_types=kinds, enable_categorical=bool(coded), nthread=1, **rest
    )


def _library() -> Any:
    """XGBoost.

    Raises
    ------
    UsageError : it is not installed.
    """
    try:
        import xgboost
    except ImportError as exc:
        raise UsageError(
            "xgboost is not installed",
            where="--model xgboost",
            remedy="pip install 'rebalance-cli[xgboost]'",
        ) from exc
    return xgboost
