"""A design of two classes, with the pilot it scores rows with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rebalance.core.design import Design
from rebalance.core.kinds import Kind
from rebalance.samplers import Sampler, get_sampler
from rebalance.steps.artifacts.named_design import named_design
from rebalance.steps.artifacts.pilot import Pilot, load_pilot
from rebalance.steps.artifacts.sealed import DESIGN_KEY, design_sidecar, seal, unseal
from rebalance.steps.artifacts.stored import Columns, one_row, require_finite
from rebalance.storage.artifacts import TWO_CLASSES_FORMAT
from rebalance.storage.remote import exists
from rebalance.storage.tables import Batch

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Drawn:
    """A design together with the pilot it scores rows with: recomputes what any row got."""

    design: Design
    pilot: Pilot | None

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The columns needed to recompute inclusion probabilities, by kind."""
        return self._sampler.kinds if self.design.correctable else {}

    @cached_property
    def _sampler(self) -> Sampler:
        return get_sampler(self.design.method, self.pilot, self.design.score)

    def offset_of(self, columns: Columns, rows: int) -> Floats:
        """l of every row of a table in memory, shape (rows,)."""
        return self.design.offset(self._sampler.log_score(self._sampler.rank(columns, rows)))

    def log_score_of(self, rank: Floats) -> Floats:
        """log t of rows of these ranks, shape (n,)."""
        return self._sampler.log_score(rank)

    def offset(self, batch: Batch) -> Floats:
        """l of every row, shape (n,)."""
        return self.offset_of(batch.features(self.kinds), len(batch))

    def to_json(self) -> str:
        """The design as JSON, the pilot inside it as base64."""
        return seal(self.design.to_document(), self.pilot, TWO_CLASSES_FORMAT)

    @classmethod
    def from_json(cls, text: str | bytes, title: str) -> Drawn:
        """The design that `to_json` described.

        Raises
        ------
        ArtifactError : damaged, of a newer format, or with another pilot than it was made with.
        """
        return unseal(text, title, Design.from_document, load_pilot, _drawn)


def _drawn(design: Design, pilot: Pilot | None) -> Drawn:
    """Both, once sure that they fit together."""
    drawn = Drawn(design, pilot)
    if design.correctable:
        with np.errstate(all="ignore"):
            columns = {} if pilot is None else one_row(pilot.fitted)
            require_finite(drawn.offset_of(columns, 1), 1)
    return drawn


def read_design(path: str, metadata: Mapping[bytes, bytes]) -> Drawn | None:
    """The design of a sample: in the Parquet metadata, or in the file beside a CSV."""
    if DESIGN_KEY in metadata:
        return Drawn.from_json(metadata[DESIGN_KEY], path)
    sidecar = design_sidecar(path)
    if path != "-" and exists(sidecar):
        return read_design_file(sidecar)
    return None


def read_design_file(path: str) -> Drawn:
    """The design in a JSON file, or that of a sample which is named.

    Raises
    ------
    ArtifactError : no such file, a sample without a design, or one that is damaged.
    """
    title, text = named_design(path)
    return Drawn.from_json(text, title)
