"""A design of many classes, with the pilot it scores rows with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rebalance.core.class_design import ClassDesign
from rebalance.core.classes import log_rest, repeated
from rebalance.core.design import UNIFORM
from rebalance.core.kinds import Kind
from rebalance.core.known import UNKNOWN
from rebalance.steps.artifacts.named_design import named_design
from rebalance.steps.artifacts.sealed import DESIGN_KEY, design_sidecar, seal, unseal
from rebalance.steps.artifacts.stored import Columns, one_row, require_finite
from rebalance.steps.classes.artifacts.pilot import ClassPilot, load_class_pilot
from rebalance.storage.artifacts import CLASSES_FORMAT, is_of_classes, named_bytes
from rebalance.storage.remote import exists

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ClassDrawn:
    """A design of many classes with its pilot: recomputes what a row of any class got."""

    design: ClassDesign
    pilot: ClassPilot | None

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The columns needed to recompute inclusion probabilities, by kind."""
        return {} if self.scoring is None else self.scoring.kinds

    @property
    def scoring(self) -> ClassPilot | None:
        """The pilot that gives the scores; None where all rows of a class are alike."""
        return None if self.design.score in (UNIFORM, UNKNOWN) else self.pilot

    def log_scores(self, columns: Columns, rows: int) -> Floats:
        """log t_k of every row, shape (rows, K): 0 for uniform sampling."""
        return log_scores(self.scoring, columns, rows, len(self.design.label))

    def log_pi(self, columns: Columns, rows: int) -> Floats:
        """log pi_k of every row, shape (rows, K)."""
        return self.design.log_pi(self.log_scores(columns, rows))

    def to_json(self) -> str:
        """The design as JSON, the pilot inside it as base64."""
        return seal(self.design.to_document(), self.pilot, CLASSES_FORMAT)

    @classmethod
    def from_json(cls, text: str | bytes, title: str) -> ClassDrawn:
        """The design that `to_json` described.

        Raises
        ------
        ArtifactError : damaged, of a newer format, or with another pilot than it was made with.
        """
        return unseal(text, title, ClassDesign.from_document, load_class_pilot, _drawn)


def _drawn(design: ClassDesign, pilot: ClassPilot | None) -> ClassDrawn:
    """Both, once sure that they fit together."""
    drawn = ClassDrawn(design, pilot)
    if design.correctable:
        with np.errstate(all="ignore"):
            columns = {} if pilot is None else one_row(pilot.fitted)
            require_finite(drawn.log_pi(columns, 1), 1, len(design.label))
    return drawn


def log_scores(pilot: ClassPilot | None, columns: Columns, rows: int, classes: int) -> Floats:
    """log t_k = log(1 - p~_k) of every row, shape (rows, K); 0 without a pilot."""
    if pilot is None:
        return repeated(np.zeros(classes), rows)
    return log_rest(pilot.log_prob(columns))


def read_if_class_design(
    path: str | None, metadata: Mapping[bytes, bytes], design: str | None = None
) -> ClassDrawn | None:
    """The design of a sample, or the one that `design` names, where it is of many classes.

    What cannot be read is left for `steps.artifacts.drawn` to say.

    Raises
    ------
    ArtifactError : it is of many classes, and damaged.
    """
    title, text = path or "", None
    if design is not None:
        title, text = named_design(design)
    elif DESIGN_KEY in metadata:
        text = metadata[DESIGN_KEY]
    elif path is not None and path != "-" and exists(design_sidecar(path)):
        title = design_sidecar(path)
        text = named_bytes(title, "design", "draw the sample again")
    if text is None:
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or not is_of_classes(document):
        return None
    return ClassDrawn.from_json(text, title)
