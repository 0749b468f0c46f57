"""Gradient boosted trees of many classes by LightGBM, started from offsets and a baseline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.encoding import Encoder, learn_encoder
from rebalance.core.folds import class_folds
from rebalance.core.kinds import Kind
from rebalance.errors import FitError
from rebalance.learners.base import Settings
from rebalance.learners.class_base import ClassFitted, ClassRows
from rebalance.learners.forest import Forest, read_forests
from rebalance.learners.gbm import (
    HELD_OUT_FOLDS,
    LEARNING_RATE,
    LEAVES,
    LEVEL_ROWS,
    MAX_LEVELS,
    MAX_ROUNDS,
    PATIENCE,
    read_by_trees,
    without_parameters,
)

Floats = NDArray[np.float64]

# A rare class has a Hessian near 0 in most leaves, and with LightGBM's own penalty, 0, a pilot of
# 67 long-tailed classes diverges (log loss 30; 1.127 with a penalty of 1, 1.117 with 5); five
# classes of .6% to 67% are fitted as well with any of them.
LEAF_L2 = 5.0


@dataclass(frozen=True)
class ClassTreeModel:
    """scores = baseline + sum of trees, of which each class has one a round.

    Columns that no tree splits on are not read; see `learners.gbm.TreeModel`.
    """

    encoder: Encoder
    text: str
    classes: int
    rounds: int
    found_by: str
    threads: int | None = None

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The columns it reads, by kind."""
        return self._reading.kinds

    @property
    def left_out(self) -> Mapping[str, str]:
        """The columns it was given and does not use, with the reason."""
        return self._reading.left_out

    def scores(self, columns: Mapping[str, pa.Array], baseline: Floats) -> Floats:
        """Log probabilities up to a constant of each row, shape (n, K)."""
        matrix = self._reading.trees(columns)
        found = np.asfortranarray(baseline).copy(order="F")
        if self._forests is not None:
            values = {term: matrix[:, at] for at, term in enumerate(self._terms)}
            for place, forest in enumerate(self._forests):
                found[:, place] += forest.score(values, len(matrix))
            return found
        whole = np.zeros((len(matrix), len(self.encoder.terms)))
        whole[:, self._terms] = matrix
        raw = self._booster.predict(whole, raw_score=True, num_threads=self.threads or 0)
        return found + np.asfortranarray(raw, dtype=np.float64)

    def surprises(self, columns: Mapping[str, pa.Array]) -> dict[str, int]:
        """Values for which training left no place, by column."""
        return self._reading.surprises(columns)

    def summary(self) -> dict[str, Any]:
        """Rounds of boosting, and how their number was found."""
        return {"learner": "gbm", "rounds": self.rounds, "rounds_found_by": self.found_by}

    def members(self) -> dict[str, bytes]:
        """The encoder as JSON and the trees as LightGBM's text, without its parameters."""
        document = {
            "encoder": self.encoder.to_document(),
            "classes": self.classes,
            "rounds": self.rounds,
            "found_by": self.found_by,
        }
        return {
            "gbm.json": json.dumps(document, sort_keys=True).encode(),
            "trees.txt": self.text.encode(),
        }

    @cached_property
    def _reading(self) -> Encoder:
        return read_by_trees(self.encoder, self.text)

    @cached_property
    def _terms(self) -> list[int]:
        read = self._reading.kinds
        return [at for at, term in enumerate(self.encoder.terms) if term.feature in read]

    @cached_property
    def _forests(self) -> list[Forest] | None:
        return read_forests(self.text, self.classes)

    @cached_property
    def _booster(self) -> Any:
        from lightgbm import Booster

        return Booster(model_str=self.text)


class ClassBoosting:
    """Boosting of the log loss of all classes; init_score = offset + baseline."""

    name = "gbm"
    starts_from_baseline = True

    def fit(self, rows: ClassRows, settings: Settings) -> ClassFitted:
        """Find the number of rounds on a held-out fifth of the rows, then fit on all of them.

        A class of fewer than five rows stays in training while the rounds are sought.

        Raises
        ------
        FitError : too few rows to hold some out of two classes, and no number of rounds given.
        """
        encoder = learn_encoder(
            rows.columns, rows.kinds, min_count=LEVEL_ROWS, max_levels=MAX_LEVELS
        )
        matrix = encoder.trees(rows.columns)
        rounds, found_by = settings.rounds, "given"
        if rounds is None:
            rounds, found_by = _find_rounds(rows, matrix, encoder, settings), "held-out rows"
        booster = _boost(rows, matrix, encoder, settings, rounds)
        text = without_parameters(booster.model_to_string(num_iteration=rounds))
        return ClassTreeModel(encoder, text, rows.count, rounds, found_by, settings.threads)

    def load(self, members: Mapping[str, bytes]) -> ClassFitted:
        """The model that `members` described."""
        document = json.loads(members["gbm.json"])
        return ClassTreeModel(
            Encoder.from_document(document["encoder"]),
            members["trees.txt"].decode(),
            document["classes"],
            document["rounds"],
            document["found_by"],
        )


def _find_rounds(rows: ClassRows, matrix: Floats, encoder: Encoder, settings: Settings) -> int:
    counts = np.bincount(rows.codes, minlength=rows.count)
    if np.count_nonzero(counts >= 2 * HELD_OUT_FOLDS) < 2:
        raise FitError(
            f"fewer than two classes have {2 * HELD_OUT_FOLDS} rows, too few to hold some out and "
            "find the number of rounds",
            remedy="give it with --rounds 50, or train a --model logistic",
        )
    from lightgbm import early_stopping

    held_out = class_folds(rows.codes, rows.draws, HELD_OUT_FOLDS) == 0
    booster = _boost(
        rows.take(~held_out),
        matrix[~held_out],
        encoder,
        settings,
        MAX_ROUNDS,
        watched=(rows.take(held_out), matrix[held_out]),
        callbacks=[early_stopping(PATIENCE, verbose=False)],
    )
    return max(1, int(booster.best_iteration))


def _boost(
    rows: ClassRows,
    matrix: Floats,
    encoder: Encoder,
    settings: Settings,
    rounds: int,
    *,
    watched: tuple[ClassRows, Floats] | None = None,
    callbacks: list[Any] | None = None,
) -> Any:
    import lightgbm

    parameters = {
        "objective": "multiclass",
        "num_class": rows.count,
        "metric": "multi_logloss",
        "learning_rate": settings.learning_rate or LEARNING_RATE,
        "num_leaves": settings.leaves or LEAVES,
        "lambda_l2": LEAF_L2,
        "cat_smooth": 50,  # as for two classes
        "cat_l2": 50,
        "deterministic": True,
        "force_col_wise": True,
        "seed": settings.seed % 2**31,
        "num_threads": settings.threads or 0,
        "verbosity": -1,
    }
    data = _dataset(rows, matrix, encoder, parameters)
    held_out = []
    if watched is not None:
        held_out = [_dataset(*watched, encoder, parameters, reference=data)]
    return lightgbm.train(parameters, data, rounds, valid_sets=held_out, callbacks=callbacks)


def _dataset(
    rows: ClassRows,
    matrix: Floats,
    encoder: Encoder,
    parameters: dict[str, Any],
    reference: Any = None,
) -> Any:
    from lightgbm import Dataset

    return Dataset(
        matrix,
        rows.codes.astype(np.float32),
        weight=rows.sample_weight,
        # A column a class, one after the other.
        init_score=np.ravel(rows.offset + rows.baseline, order="F"),
        categorical_feature=encoder.categorical,
        reference=reference,
        params=parameters,
        free_raw_data=True,
    )
