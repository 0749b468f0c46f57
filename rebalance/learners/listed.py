"""What the learners of the catalogue have in common."""

from __future__ import annotations

from typing import Any

from rebalance.core.encoder_learning import learn_encoder
from rebalance.core.encoding import Encoder
from rebalance.core.parameters import read_parameters
from rebalance.learners.base import Settings, TrainingRows
from rebalance.learners.catalogue import Entry
from rebalance.learners.class_base import ClassRows
from rebalance.learners.encoded import LEVEL_ROWS, MAX_LEVELS


class Listed:
    """A learner that an entry of the catalogue describes."""

    starts_from_baseline = False
    most_levels = MAX_LEVELS

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.name = entry.name
        self.accepts = entry.accepts

    def parameters(self, settings: Settings) -> dict[str, Any]:
        """What was given with --set, and the defaults of the rest.

        Raises
        ------
        UsageError : see `core.parameters.read_parameters`.
        """
        return read_parameters(self.name, self.entry.parameters, settings.given)

    def encoder(self, rows: TrainingRows | ClassRows) -> Encoder:
        """What makes numbers of the rows' columns."""
        return learn_encoder(
            rows.columns, rows.kinds, min_count=LEVEL_ROWS, max_levels=self.most_levels
        )
