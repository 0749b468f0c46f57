"""test rows + probabilities -> what one way came to on one fold"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from rebalance.core.described import read_document
from rebalance.core.documents import plain
from rebalance.core.labels import Label, is_positive
from rebalance.core.metrics import score_ranking
from rebalance.core.ranking import rank
from rebalance.core.thresholds import Threshold, confusion, find_cut
from rebalance.steps.probabilities import probabilities
from rebalance.storage.inputs import open_table

RECALL = "recall_at_precision"
KEPT = (
    "log_loss", "average_precision", "roc_auc", "brier", "predicted_over_observed",
)  # fmt: skip
METRICS = (*KEPT, RECALL)
Scores = Mapping[str, float]


@dataclass(frozen=True)
class Outcome:
    """One way on one fold.

    rows, positives : trained on. test_rows, test_positives : tested on. seconds : of the steps
    `pilot`, `sample` and `train`. scores : of `METRICS`, and `mean_predicted`. uncorrected : the
    same of the probabilities on the sample's scale; None where there is none.
    finishing : seconds from training on, with predicting and scoring. notes : what the steps said.
    """

    way: str
    fold: int
    rows: int
    positives: int
    test_rows: int
    test_positives: int
    seconds: Mapping[str, float]
    finishing: float
    scores: Scores
    uncorrected: Scores | None = None
    notes: tuple[str, ...] = field(default=())

    def to_document(self) -> dict[str, Any]:
        """The outcome as JSON."""
        document: dict[str, Any] = plain(asdict(self))
        return document

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Outcome:
        """The outcome that `to_document` described.

        Raises
        ------
        ValueError : it did not describe one.
        """
        scores = read_document(_Scores, document)
        found = read_document(cls, {**document, "scores": {}, "uncorrected": None})
        _check_counts(found)
        uncorrected = None if scores.uncorrected is None else _numbers(scores.uncorrected)
        return replace(found, scores=_numbers(scores.scores), uncorrected=uncorrected)


@dataclass(frozen=True)
class _Scores:
    """Those of an outcome as JSON, which has null for NaN."""

    scores: Mapping[str, float | None]
    uncorrected: Mapping[str, float | None] | None = None


def _check_counts(found: Outcome) -> None:
    """Check that rows were counted, and that time went by."""
    at_least = {
        "fold": (found.fold, 0),
        "rows": (found.rows, 1),
        "positives": (found.positives, 0),
        "test_rows": (found.test_rows, 1),
        "test_positives": (found.test_positives, 0),
        "finishing": (found.finishing, 0),
        **{f"seconds/{name}": (value, 0) for name, value in found.seconds.items()},
    }
    for name, (value, least) in at_least.items():
        if value < least:
            raise ValueError(f"'{name}' is {value}, and not {least} or more")
    if found.positives > found.rows or found.test_positives > found.test_rows:
        raise ValueError("there are more positives than rows")


def _numbers(document: Mapping[str, float | None]) -> dict[str, float]:
    missing = [name for name in METRICS if name not in document]
    if missing:
        raise ValueError(f"there is no {missing[0]}")
    return {name: math.nan if value is None else value for name, value in document.items()}


def score_column(path: str, label: Label, column: str, precision: float) -> dict[str, float]:
    """The figures of a column of probabilities, on the rows of a table of predictions.

    `recall_at_precision` is the largest recall at a precision of `precision` or more; 0 where no
    threshold has one.
    """
    labels, found = [], []
    for batch in open_table([path]).batches([label.column, column]):
        with batch.located():
            labels.append(is_positive(batch.column(label.column), label, batch.start))
            found.append(probabilities(batch, column, "train again"))
    ranking = rank(np.concatenate(labels), np.concatenate(found))
    every = score_ranking(ranking)
    scores = {name: every[name] for name in (*KEPT, "mean_predicted")}
    cut = find_cut(Threshold("precision", precision), ranking)
    scores[RECALL] = 0.0 if np.isnan(cut.value) else confusion(ranking, cut.value)["recall"]
    return scores
