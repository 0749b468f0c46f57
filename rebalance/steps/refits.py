"""sample + learner -> log odds of every row, by models that did not see it"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.correction import to_population
from rebalance.core.folds import stratified_folds
from rebalance.core.labels import is_positive
from rebalance.learners import get_learner
from rebalance.learners.base import Learner, Settings, TrainingRows
from rebalance.learners.engineered import features_of
from rebalance.steps.artifacts.model import Model
from rebalance.steps.pilot import PILOT_TREES
from rebalance.steps.recipes import Engineering
from rebalance.steps.weigh import Weighed
from rebalance.storage.tables import Table

FOLDS = 5

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Refits:
    """What the model was fitted with, to fit it again.

    loaded : the rows as they were read, with `rb_row`, `rb_weight` and `rb_offset` of a sample.
    sample_weight : the user's weights, shape (n,); None for 1 each.
    weighed : the weights of the classes, which `rows` have already.
    """

    learner: Learner
    rows: TrainingRows
    settings: Settings
    model: Model
    loaded: pa.Table
    sample_weight: Floats | None
    weighed: Weighed | None = None

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
        """Each row's number in the table that it came from, shape (n,), where that is known.

        A row that was made has -1.
        """
        if self.model.drawn is None:
            return np.arange(len(self.rows))
        if "rb_row" not in self.loaded.column_names:
            return None
        given = np.asarray(self.loaded.column("rb_row").to_numpy(), dtype=np.float64)
        return np.where(np.isnan(given), -1, given).astype(np.int64)

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
        expected = np.sort(numbers[self.rows.y_true & (numbers >= 0)])
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

        Trees are as many as the model has, and penalties those that it chose.
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
            seen, outside = self._with_own_pilot(rows.take(~inside), rows.take(inside))
            fitted = self.learner.fit(seen, settings)
            log_odds[inside] = fitted.log_odds(outside.columns, outside.baseline)
        if self.model.scale == "sample" and self.model.drawn is not None and self.model.correctable:
            return to_population(log_odds, self.loaded.column("rb_offset").to_numpy())
        return log_odds

    def _with_own_pilot(
        self, seen: TrainingRows, outside: TrainingRows
    ) -> tuple[TrainingRows, TrainingRows]:
        """Both with the baseline of a pilot of the rows `seen`, where trees start from trees.

        The model's own pilot was fitted to rows of either part, and trees remember them: what it
        says of the others would not be out of fold. The few coefficients of a logistic one do not.
        """
        pilot = self.model.drawn.pilot if self.model.drawn is not None else None
        if pilot is None or not self.model.starts_from_pilot or pilot.encoder is not None:
            return seen, outside
        level = np.full(len(seen), self.model.constant_log_odds)
        # With the features that the pilot's own trees read, made as it makes them.
        own = Engineering(dict(pilot.kinds), pilot.recipe)
        columns = {name: seen.columns[name] for name in pilot.kinds}
        raw = replace(seen, columns=columns, kinds=dict(pilot.kinds), baseline=level)
        rows = replace(own.rows(raw, ""), kinds=features_of(pilot.fitted))
        settings = replace(PILOT_TREES, seed=self.settings.seed, threads=self.settings.threads)
        stand_in = own.model(get_learner(pilot.learner).fit(rows, settings))

        def started(part: TrainingRows) -> TrainingRows:
            same = np.full(len(part), self.model.constant_log_odds)
            return replace(part, baseline=stand_in.log_odds(part.columns, same))

        return started(seen), started(outside)
