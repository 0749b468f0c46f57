"""A pilot of many classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebalance import __version__
from rebalance.core.classes import Classes, log_softmax, repeated
from rebalance.learners.class_base import ClassFitted
from rebalance.learners.classes import get_class_learner
from rebalance.steps.artifacts.stored import Columns, StoredPilot
from rebalance.storage.artifacts import CLASSES_FORMAT, artifact_bytes, pack, undamaged, unpack

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ClassPilot(StoredPilot[ClassFitted]):
    """A cheap model of the population of many classes.

    counts : rows of each class in the table it was made from, in the order of the classes.
    baseline : shape (K,), the log shares, in which the user's weights count.
    """

    label: Classes
    counts: tuple[int, ...]
    baseline: tuple[float, ...]

    def log_prob(self, columns: Columns) -> Floats:
        """The population's log probabilities at every row, shape (n, K)."""
        rows = len(next(iter(columns.values())))
        return log_softmax(self.fitted.scores(columns, repeated(self.baseline, rows)))


def class_pilot_content(manifest: Mapping[str, Any], fitted: ClassFitted) -> bytes:
    """The bytes of a pilot of many classes."""
    whole = {"format": CLASSES_FORMAT, "rebalance": __version__, **manifest}
    return pack("pilot", whole, fitted.members())


def load_class_pilot(content: bytes, title: str) -> ClassPilot:
    """The pilot of many classes in these bytes.

    Raises
    ------
    ArtifactError : see `storage.artifacts.unpack`.
    """
    manifest, members = unpack(content, "pilot", title)
    with undamaged("pilot", title):
        return ClassPilot(
            content=content,
            label=Classes.from_document(manifest["label"]),
            counts=tuple(manifest["label"]["counts"]),
            learner=manifest["learner"],
            fitted=get_class_learner(manifest["learner"]).load(members),
            baseline=tuple(manifest["baseline"]),
            drop=tuple(manifest["drop"]),
            key=manifest["key"],
            sample_weight=manifest["sample_weight"],
            columns=manifest["columns"],
        )


def read_if_class_pilot(path: str) -> ClassPilot | None:
    """The pilot in a file where it is one of many classes.

    Raises
    ------
    ArtifactError : see `storage.artifacts.read_artifact`.
    """
    content = artifact_bytes(path, "pilot")
    manifest, _ = unpack(content, "pilot", path)
    with undamaged("pilot", path):
        many = "classes" in manifest["label"]
    return load_class_pilot(content, path) if many else None
