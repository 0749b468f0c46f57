"""Boosting by LightGBM, of two classes or of many: rounds by early stopping, and reproducible."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebalance.core.encoder_learning import learn_encoder
from rebalance.core.encoding import Encoder
from rebalance.learners.base import Settings, TrainingRows
from rebalance.learners.class_base import ClassRows

Floats = NDArray[np.float64]

LEARNING_RATE = 0.03
LEAVES = 31
MAX_ROUNDS = 2000
PATIENCE = 50
HELD_OUT_FOLDS = 5
LEVEL_ROWS = 20
MAX_LEVELS = 255
# With fewer, a second thread saves no time; where others use the cores, it costs some.
SHARED_ROWS = 5_000


@dataclass(frozen=True)
class Boosting:
    """n encoded rows, and what LightGBM is to make of them.

    matrix : shape (n, terms), as the encoder makes it for trees.
    target : shape (n,), the class of each row as a number.
    start : shape (n,) or (n, K), what the sum of the trees is added to while fitting.
    """

    encoder: Encoder
    matrix: Floats
    target: NDArray[np.float32]
    start: Floats
    sample_weight: Floats | None
    parameters: dict[str, Any]

    @classmethod
    def of(
        cls,
        rows: TrainingRows | ClassRows,
        target: NDArray[np.bool_] | NDArray[np.int64],
        objective: Mapping[str, Any],
        settings: Settings,
    ) -> Boosting:
        """The rows, encoded; `objective` are the parameters that say what is fitted.

        Raises
        ------
        DataError : see `core.encoding.learn_encoder`.
        """
        encoder = learn_encoder(
            rows.columns, rows.kinds, min_count=LEVEL_ROWS, max_levels=MAX_LEVELS
        )
        parameters = {
            **objective,
            "learning_rate": settings.learning_rate or LEARNING_RATE,
            "num_leaves": settings.leaves or LEAVES,
            # LightGBM's own values, 10 and 10, follow the noise of levels with few positives.
            "cat_smooth": 50,
            "cat_l2": 50,
            "deterministic": True,
            "force_col_wise": True,
            "seed": settings.seed % 2**31,
            "num_threads": settings.threads or (1 if len(rows) < SHARED_ROWS else 0),
            "verbosity": -1,
        }
        return cls(
            encoder,
            encoder.trees(rows.columns),
            target.astype(np.float32),
            rows.offset + rows.baseline,
            rows.sample_weight,
            parameters,
        )

    def find_rounds(self, held_out: NDArray[np.bool_]) -> int:
        """The number of rounds after which the loss of the rows held out is least."""
        from lightgbm import early_stopping, train

        data = self.dataset(~held_out)
        watched = self.dataset(held_out, reference=data)
        stop = early_stopping(PATIENCE, verbose=False)
        booster = train(self.parameters, data, MAX_ROUNDS, valid_sets=[watched], callbacks=[stop])
        return max(1, int(booster.best_iteration))

    def text(self, rounds: int) -> str:
        """The trees of so many rounds over all rows, as LightGBM's text without its parameters."""
        from lightgbm import train

        booster = train(self.parameters, self.dataset(), rounds)
        return without_parameters(booster.model_to_string(num_iteration=rounds))

    def dataset(self, mask: NDArray[np.bool_] | None = None, reference: Any = None) -> Any:
        """The rows where `mask` is true; all without one."""
        from lightgbm import Dataset

        part: Any = slice(None) if mask is None else mask
        return Dataset(
            self.matrix[part],
            self.target[part],
            weight=None if self.sample_weight is None else self.sample_weight[part],
            # Of many classes a column each, one after the other.
            init_score=np.ravel(self.start[part], order="F"),
            categorical_feature=self.encoder.categorical,
            reference=reference,
            params=self.parameters,
            free_raw_data=True,
        )


def without_parameters(text: str) -> str:
    """The trees alone: the parameters hold the number of threads, which must change nothing."""
    return re.sub(r"\nparameters:.*?end of parameters\n", "\n", text, flags=re.DOTALL)
