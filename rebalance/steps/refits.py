"""sample + learner -> log odds of every row, by models that did not see it"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.correction import to_population
from rebalance.core.folds import stratified_folds
from rebalance.core.labels import is_positive
from rebalance.learners.base import Learner, Settings, TrainingRows
from rebalance.steps.artifacts.model import Model
from rebalance.storage.tables import Table

FOLDS = 5

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Refits:
    """What the model was fitted with, to fit it again.

    loaded : the rows as they were read, with `rb_row`, `rb_weight` and `rb_offset` of a sample.
    sample_weight : the user's weights, shape (n,); None for 1 each.
    """

    learner: Learner
    rows: TrainingRows
    settings: Settings
    model: Model
    loaded: pa.Table
    sample_weight: Floats | None

    @property
    def fewest(self) -> int:
        """The rows of the smaller class."""
        positives = int(self.rows.y_true.sum())
        return min(positives, len(self.rows) - positives)

    @property
    def weight(self) -> Floats | None:
        """What makes the rows those of the population, shape (n,)."""
        if self.model.drawn is None:
            return self.sample_weight
        expanded: Floats = self.loaded.column("rb_weight").to_numpy()
        return expanded if self.sample_weight is None else expanded * self.sample_weight

    @property
    def numbers(self) -> NDArray[np.int64] | None:
        """Each row's number in the table that it came from, shape (n,), where that is known."""
        if self.model.drawn is None:
            return np.arange(len(self.rows))
        if "rb_row" not in self.loaded.column_names:
            return None
        return np.asarray(self.loaded.column("rb_row").to_numpy(), dtype=np.int64)

    @property
    def rows_of_source(self) -> int:
        """The rows of the table that the model's rows came from."""
        drawn = self.model.drawn
        return drawn.design.positives + drawn.design.negatives if drawn else len(self.rows)

    @property
    def positives_of_source(self) -> int:
        """The positives among them, of which local case-control does not keep all."""
        drawn = self.model.drawn
        return drawn.design.positives if drawn else int(self.rows.y_true.sum())

    def as_many(self, rows: int, positives: int) -> bool:
        """Whether that table had so many rows and positives."""
        return (rows, positives) == (self.rows_of_source, self.positives_of_source)

    def came_from(self, table: Table) -> bool:
        """Whether the table begins with the one that the rows came from.

        It does where it has as many positives, and all rows that are positive here are among them.

        Raises
        ------
        DataError : labels that cannot be read.
        """
        numbers, label = self.numbers, self.model.label
        if numbers is None:
            return False
        expected = np.sort(numbers[self.rows.y_true])
        rows = positives = 0
        for batch in table.batches([label.column]):
            with batch.located():
                y_true = is_positive(batch.column(label.column), label, batch.start)
            stop = min(batch.start + len(batch), self.rows_of_source)
            here = slice(*np.searchsorted(expected, [batch.start, stop]))
            found = batch.start + np.flatnonzero(y_true)
            if not np.isin(expected[here], found).all():
                return False
            rows += len(batch)
            positives += int((found < stop).sum())
            if rows >= self.rows_of_source:
                break
        return rows >= self.rows_of_source and positives == self.positives_of_source

    def log_odds(self) -> Floats:
        """The population's log odds of every row, shape (n,), from five fits without a fifth each.

        Trees are as many as the model has, and penalties those that it chose. A pilot that they
        start from has seen all rows: what it knows of them is not out of fold.
        """
        settings, rows = self.settings, self.rows
        found = self.model.summary
        if "rounds" in self.learner.accepts:
            settings = replace(settings, rounds=found["rounds"])
        if settings.cross_validate is not None:
            settings = replace(settings, cross_validate=None, l1=found["l1"], l2=found["l2"])
        fold = stratified_folds(rows.y_true, rows.draws, FOLDS)
        log_odds = np.empty(len(rows))
        for held_out in range(FOLDS):
            inside = fold == held_out
            fitted = self.learner.fit(rows.take(~inside), settings)
            outside = rows.take(inside)
            log_odds[inside] = fitted.log_odds(outside.columns, outside.baseline)
        if self.model.scale == "sample" and self.model.drawn is not None:
            return to_population(log_odds, self.loaded.column("rb_offset").to_numpy())
        return log_odds
