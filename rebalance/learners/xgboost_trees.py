"""XGBoost's boosted trees, started from the offset and a baseline by `base_margin`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.described import read_json
from rebalance.core.encoding import Encoder
from rebalance.core.wording import first_line
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
from rebalance.learners.class_base import ClassFitted, ClassRows
from rebalance.learners.encoded import Encoded
from rebalance.learners.gbm import held_out
from rebalance.learners.gbm_classes import held_out_of_classes
from rebalance.learners.listed import Listed
from rebalance.learners.skops_member import damaged

Floats = NDArray[np.float64]

_BINARY = {"objective": "binary:logistic", "eval_metric": "logloss"}


@dataclass(frozen=True)
class XgboostModel(Encoded):
    """log odds = baseline + sum of trees; what the fit was offset by is no part of it.

    content : XGBoost's own JSON, as UBJSON. classes : of many, each of which has a tree a round;
    None of two.
    """

    content: bytes
    rounds: int
    found_by: str
    made_by: str
    classes: int | None = None

    def log_odds(self, columns: Mapping[str, pa.Array], baseline: Floats | None = None) -> Floats:
        """The log odds of every row, shape (n,)."""
        return self._raw(columns) + (0.0 if baseline is None else baseline)

    def scores(self, columns: Mapping[str, pa.Array], baseline: Floats) -> Floats:
        """Log probabilities up to a constant of each row, shape (n, K)."""
        return np.asfortranarray(self._raw(columns)) + baseline

    def _raw(self, columns: Mapping[str, pa.Array]) -> Floats:
        """The sums of the trees, shape (n,), or (n, K) of many classes."""
        data = _matrix(self.encoder, self.encoder.trees(columns))
        raw = self._booster.predict(data, output_margin=True)
        if raw.shape[1:] != (() if self.classes is None else (self.classes,)):
            raise damaged(self.made_by, "the trees are of other classes than the model")
        return np.asarray(raw, dtype=np.float64)

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
            **({} if self.classes is None else {"classes": self.classes}),
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
            raise damaged(self.made_by, first_line(exc)) from exc
        found.set_param({"nthread": 1})
        return found


@dataclass(frozen=True)
class _Stored:
    """`xgboost.json`."""

    encoder: dict[str, Any]
    rounds: int
    found_by: str
    made_by: str
    classes: int | None = None


class _Boosting(Listed):
    """base_margin = offset + baseline, so trees learn what is missing."""

    starts_from_baseline = True
    most_levels = MAX_LEVELS

    def __init__(self, entry: Entry) -> None:
        super().__init__(entry)
        self._xgboost = _library()

    def grown(
        self,
        rows: TrainingRows | ClassRows,
        target: NDArray[Any],
        objective: Mapping[str, Any],
        out: Callable[[], NDArray[np.bool_]],
        settings: Settings,
    ) -> XgboostModel:
        """Find the number of rounds on a held-out fifth of the rows, then fit on all of them.

        objective : the parameters that say what is fitted. out : gives the rows held out.

        Raises
        ------
        FitError : a class has too few rows to hold some out, and no number of rounds was given.
        """
        given = self.parameters(settings)
        encoder = self.encoder(rows)
        named = {
            **given,
            **objective,
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
        data = partial(_data, encoder, matrix, rows, target)
        rounds, found_by = settings.rounds, "given"
        try:
            if rounds is None:
                held = out()
                rounds = self._find_rounds(data(~held), data(held), named)
                found_by = "held-out rows"
            booster = self._xgboost.train(named, data(), rounds)
        except self._xgboost.core.XGBoostError as exc:
            raise FitError(
                f"xgboost cannot be fitted: {first_line(exc)}",
                remedy="choose another --model",
            ) from exc
        content = bytes(booster.save_raw("ubj"))
        made_by = f"xgboost {self._xgboost.__version__}"
        classes = objective.get("num_class")
        return XgboostModel(encoder, content, rounds, found_by, made_by, classes)

    def load(self, members: Mapping[str, bytes]) -> XgboostModel:
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
            stored.classes,
        )
        if found._booster.num_features() != len(found.encoder.terms):
            raise ArtifactError(
                "the trees are of other features than the model",
                remedy="train it again, or take it from where you trust it",
            )
        return found

    def _find_rounds(self, seen: Any, watched: Any, named: Mapping[str, Any]) -> int:
        """The number of rounds after which the loss of the rows held out is least."""
        booster = self._xgboost.train(
            named,
            seen,
            MAX_ROUNDS,
            evals=[(watched, "held_out")],
            early_stopping_rounds=PATIENCE,
            verbose_eval=False,
        )
        return max(1, int(booster.best_iteration) + 1)


class Xgboost(_Boosting):
    """Boosting of the log loss of two classes."""

    def fit(self, rows: TrainingRows, settings: Settings) -> Fitted:
        """See `_Boosting.grown`."""
        return self.grown(rows, rows.y_true, _BINARY, partial(held_out, rows), settings)


class ClassXgboost(_Boosting):
    """Boosting of the log loss of many classes."""

    def fit(self, rows: ClassRows, settings: Settings) -> ClassFitted:
        """See `_Boosting.grown`."""
        objective = {
            "objective": "multi:softprob",
            "eval_metric": "mlogloss",
            "num_class": rows.count,
        }
        return self.grown(rows, rows.codes, objective, partial(held_out_of_classes, rows), settings)


def _data(
    encoder: Encoder,
    matrix: Floats,
    rows: TrainingRows | ClassRows,
    target: NDArray[Any],
    part: NDArray[np.bool_] | None = None,
) -> Any:
    """The rows where `part` is true, all without it, as XGBoost takes them."""
    kept: Any = slice(None) if part is None else part
    weight = rows.sample_weight
    return _matrix(
        encoder,
        matrix[kept],
        label=target[kept].astype(np.float32),
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
