"""Gradient boosted trees by LightGBM, started from the offset and a baseline."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.encoding import Encoder, learn_encoder
from rebalance.core.folds import stratified_folds
from rebalance.core.kinds import Kind
from rebalance.errors import FitError
from rebalance.learners.base import Fitted, Settings, TrainingRows
from rebalance.learners.forest import Forest, features_used, read_forest

Floats = NDArray[np.float64]

LEARNING_RATE = 0.03
LEAVES = 31
MAX_ROUNDS = 2000
PATIENCE = 50
HELD_OUT_FOLDS = 5
LEVEL_ROWS = 20
MAX_LEVELS = 255


@dataclass(frozen=True)
class TreeModel:
    """log odds = baseline + sum of trees. LightGBM forgets what it started from; we add it.

    Columns that no tree splits on are not read; without any split, all are. `encoder` and `text`
    are of all columns: the trees name the encoder's terms by position.
    """

    encoder: Encoder
    text: str
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

    def log_odds(self, columns: Mapping[str, pa.Array], baseline: Floats | None = None) -> Floats:
        """The log odds of every row, shape (n,)."""
        matrix = self._reading.trees(columns)
        if self._forest is not None:
            values = {term: matrix[:, at] for at, term in enumerate(self._terms)}
            raw = self._forest.score(values, len(matrix))
        else:
            whole = np.zeros((len(matrix), len(self.encoder.terms)))
            whole[:, self._terms] = matrix
            raw = self._booster.predict(whole, raw_score=True, num_threads=self.threads or 0)
        return np.asarray(raw, dtype=np.float64) + (0.0 if baseline is None else baseline)

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
            "rounds": self.rounds,
            "found_by": self.found_by,
        }
        return {
            "gbm.json": json.dumps(document, sort_keys=True).encode(),
            "trees.txt": self.text.encode(),
        }

    @cached_property
    def _reading(self) -> Encoder:
        """The encoder of the columns that are read."""
        return read_by_trees(self.encoder, self.text)

    @cached_property
    def _terms(self) -> list[int]:
        """Where the terms of the columns that are read stand among all."""
        read = self._reading.kinds
        return [at for at, term in enumerate(self.encoder.terms) if term.feature in read]

    @cached_property
    def _forest(self) -> Forest | None:
        return read_forest(self.text)

    @cached_property
    def _booster(self) -> Any:
        from lightgbm import Booster

        return Booster(model_str=self.text)


class GradientBoosting:
    """Boosting of the log loss; init_score = offset + baseline, so trees learn what is missing."""

    name = "gbm"
    accepts = frozenset({"rounds", "learning_rate", "leaves"})
    starts_from_baseline = True

    def fit(self, rows: TrainingRows, settings: Settings) -> Fitted:
        """Find the number of rounds on a held-out fifth of the rows, then fit on all of them.

        Raises
        ------
        FitError : a class has too few rows to hold some out, and no number of rounds was given.
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
        return TreeModel(encoder, text, rounds, found_by, settings.threads)

    def load(self, members: Mapping[str, bytes]) -> Fitted:
        """The model that `members` described."""
        document = json.loads(members["gbm.json"])
        return TreeModel(
            Encoder.from_document(document["encoder"]),
            members["trees.txt"].decode(),
            document["rounds"],
            document["found_by"],
        )


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


def _find_rounds(rows: TrainingRows, matrix: Floats, encoder: Encoder, settings: Settings) -> int:
    fewest = int(min(rows.y_true.sum(), (~rows.y_true).sum()))
    if fewest < 2 * HELD_OUT_FOLDS:
        raise FitError(
            f"a class has {fewest} rows, too few to hold some out and find the number of rounds",
            remedy="give it with --rounds 50, or train a --model logistic",
        )
    from lightgbm import early_stopping

    held_out = stratified_folds(rows.y_true, rows.draws, HELD_OUT_FOLDS) == 0
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
    rows: TrainingRows,
    matrix: Floats,
    encoder: Encoder,
    settings: Settings,
    rounds: int,
    *,
    watched: tuple[TrainingRows, Floats] | None = None,
    callbacks: list[Any] | None = None,
) -> Any:
    import lightgbm

    parameters = {
        "objective": "binary",
        "metric": "binary_logloss",
        "learning_rate": settings.learning_rate or LEARNING_RATE,
        "num_leaves": settings.leaves or LEAVES,
        # LightGBM's own values, 10 and 10, follow the noise of levels with few positives.
        "cat_smooth": 50,
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
    rows: TrainingRows,
    matrix: Floats,
    encoder: Encoder,
    parameters: dict[str, Any],
    reference: Any = None,
) -> Any:
    from lightgbm import Dataset

    return Dataset(
        matrix,
        rows.y_true.astype(np.float32),
        weight=rows.sample_weight,
        init_score=rows.offset + rows.baseline,
        categorical_feature=encoder.categorical,
        reference=reference,
        params=parameters,
        free_raw_data=True,
    )


def without_parameters(text: str) -> str:
    """The trees alone: the parameters hold the number of threads, which must change nothing."""
    return re.sub(r"\nparameters:.*?end of parameters\n", "\n", text, flags=re.DOTALL)
