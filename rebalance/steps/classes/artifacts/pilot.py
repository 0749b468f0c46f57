"""A pilot of many classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebalance import __version__
from rebalance.core.classes import Classes, log_softmax, repeated
from rebalance.core.described import read_document
from rebalance.learners.class_base import ClassFitted
from rebalance.learners.classes import get_class_learner
from rebalance.steps.artifacts.stored import Columns, StoredPilot, one_row, require_finite
from rebalance.storage.artifacts import (
    CLASSES_FORMAT,
    artifact_bytes,
    is_of_classes,
    pack,
    restored,
    unpack,
)

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
    return restored(content, "pilot", title, partial(_pilot, content))


@dataclass(frozen=True)
class _Label:
    counts: tuple[int, ...]


@dataclass(frozen=True)
class _Manifest:
    """What is needed of the manifest beside the classes."""

    label: _Label
    learner: str
    baseline: tuple[float, ...]
    drop: tuple[str, ...]
    key: str | None
    sample_weight: str | None
    columns: Mapping[str, str]


def _pilot(content: bytes, manifest: Mapping[str, Any], members: Mapping[str, bytes]) -> ClassPilot:
    label = Classes.from_document(manifest["label"])
    stored = read_document(_Manifest, manifest)
    if not len(label) == len(stored.label.counts) == len(stored.baseline):
        raise ValueError("its classes are not those of its counts or its baseline")
    pilot = ClassPilot(
        content=content,
        label=label,
        counts=stored.label.counts,
        learner=stored.learner,
        fitted=get_class_learner(stored.learner).load(members),
        baseline=stored.baseline,
        drop=stored.drop,
        key=stored.key,
        sample_weight=stored.sample_weight,
        columns=stored.columns,
    )
    require_finite(pilot.log_prob(one_row(pilot.fitted)), 1, len(label))
    return pilot


def read_if_class_pilot(path: str) -> ClassPilot | None:
    """The pilot in a file where it is one of many classes.

    Raises
    ------
    ArtifactError : see `storage.artifacts.read_artifact`.
    """
    content = artifact_bytes(path, "pilot")
    manifest, _ = unpack(content, "pilot", path)
    return load_class_pilot(content, path) if is_of_classes(manifest) else None
