"""table + its design -> what training must respect of the design"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rebalance.core.kinds import Kind
from rebalance.errors import ArtifactError
from rebalance.steps.artifacts.stored import StoredPilot
from rebalance.steps.context import Context
from rebalance.steps.features import choose_features
from rebalance.steps.recipes import Engineering, engineering_of_sample
from rebalance.storage.tables import Table

OFFSET_TOLERANCE = 1e-3
MAY_DIFFER = 0.05


class NoFeatures(Protocol):
    """What was no feature when a sample was drawn."""

    @property
    def drop(self) -> Sequence[str]:
        """The columns left out."""

    @property
    def key(self) -> str | None:
        """The key, if any."""

    @property
    def sample_weight(self) -> str | None:
        """The column with the user's weights, if any."""


def dropped(
    design: NoFeatures, table: Table, drop: Sequence[str], key: str | None
) -> tuple[str, ...]:
    """The columns to leave out: what was no feature then is none now, whatever is named anew."""
    former = [*design.drop, *filter(None, (design.key, design.sample_weight))]
    kept_out = [name for name in former if name in table.names and name != key]
    return tuple(dict.fromkeys([*kept_out, *drop]))


def training_features(
    table: Table,
    label: str,
    none: NoFeatures,
    pilot: StoredPilot[Any] | None,
    *,
    path: str | None,
    context: Context,
) -> Engineering:
    """The columns that are features, and the recipe of others: that of a file, or the pilot's.

    none : the columns that are no features. path : the file with a recipe; None leaves it to the
    pilot, if there is one.

    Raises
    ------
    UsageError, DataError, ArtifactError : see the parts it is made of.
    """
    kinds = choose_features(
        table,
        label,
        drop=none.drop,
        key=none.key,
        sample_weight=none.sample_weight,
        context=context,
    )
    kinds = with_pilots_kinds(kinds, pilot, table)
    barred = {"label": label, "key": none.key, "weight": none.sample_weight}
    return engineering_of_sample(
        path, table, kinds, pilot, no_features=barred, drop=none.drop, context=context
    )


def with_pilots_kinds(
    kinds: Mapping[str, Kind], pilot: StoredPilot[Any] | None, table: Table
) -> dict[str, Kind]:
    """The learner's features, of the kinds that the pilot knows.

    Raises
    ------
    DataError : the table lacks what the pilot needs.
    """
    if pilot is None:
        return dict(kinds)
    table.require_features(pilot.kinds, "the design's pilot")
    if not table.is_text:
        return dict(kinds)
    # A CSV's types are decided anew; the pilot saw more of its rows.
    return {**kinds, **{name: kind for name, kind in pilot.kinds.items() if name in kinds}}


def refuse_other_design(table: Table, differs: NDArray[np.bool_]) -> None:
    """Refuse a design that is another sample's: it would correct by the wrong amount.

    `differs` says for which rows the offsets that it gives are not those of the sample. A few may
    differ: a float32 reads as another float64 once it went through text, and may cross a tree's
    threshold.

    Raises
    ------
    ArtifactError : more than a few differ.
    """
    if differs.mean() > MAY_DIFFER:
        raise ArtifactError(
            f"the design is not this sample's: {int(differs.sum()):,} of {len(differs):,} offsets "
            "differ from those it gives",
            where=table.place,
            remedy="give the design that 'rebalance sample' wrote with this sample, or draw it "
            "again",
        )


def may_start_from(
    kinds: Mapping[str, Kind], no_features: Collection[str | None], instead: str, context: Context
) -> bool:
    """Whether trees may start from a pilot of these columns; says what they start from instead."""
    excluded = set(no_features) & set(kinds)
    if excluded:
        context.note(
            f"the pilot uses {', '.join(sorted(map(repr, filter(None, excluded))))}, no feature "
            f"here: trees start from {instead} instead of the pilot"
        )
    return not excluded
