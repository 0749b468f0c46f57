"""What is asked of weights and losses, and what a learner must know for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest

from rebalance.core.labels import Label
from rebalance.errors import DataError, UsageError
from rebalance.learners.base import Settings, TrainingRows
from rebalance.steps.context import Context
from rebalance.steps.weigh import weigh
from rebalance.steps.weighting import PLAIN, Weighting

LABEL = Label("y", "1", ("0",))


@dataclass(frozen=True)
class Other:
    """A learner without an offset."""

    name: str = "other"
    accepts: frozenset[str] = frozenset()
    starts_from_baseline: bool = False


def rows(y: np.ndarray, weight: np.ndarray | None = None) -> TrainingRows:
    count = len(y)
    return TrainingRows(
        {"x": pa.array(np.arange(count))},
        {"x": "number"},
        y,
        np.full(count, 0.5),
        np.zeros(count),
        weight,
        np.zeros(count),
    )


def test_weights_multiply_and_shift_and_leave_held_out_rows_their_own() -> None:
    # 2 positives of weight 3 and 6 negatives of weight 1, balanced: (12 / 2) / 6 = 1 each.
    y = np.arange(8) < 2
    weight = np.where(y, 3.0, 1.0)
    given = {"settings": Settings(), "model": "logistic", "context": Context()}
    balanced = Weighting.of(class_weight="balanced")
    found, weighed = weigh(rows(y, weight), LABEL, balanced, **given)  # type: ignore[arg-type]
    assert found.sample_weight == pytest.approx(weight)
    assert weighed.reweighted.log_ratio == pytest.approx(0, abs=1e-15)
    # Without weights 8 / (2 * 2) = 2 and 8 / (2 * 6) = 2/3: odds 3 times as high.
    found, weighed = weigh(rows(y), LABEL, balanced, **given)  # type: ignore[arg-type]
    assert found.sample_weight == pytest.approx(np.where(y, 2, 2 / 3))
    assert found.population_weight == pytest.approx(1.0)
    assert found.offset == pytest.approx(0.5 + np.log(3))
    assert found.class_shift == pytest.approx(np.log(3))
    assert found.take(y).class_shift == found.class_shift
    assert weighed.weights == {"1": pytest.approx(2), "0": pytest.approx(2 / 3)}


def test_nothing_asked_changes_nothing() -> None:
    given = rows(np.arange(8) < 2)
    found, weighed = weigh(given, LABEL, PLAIN, settings=Settings(), model="gbm", context=Context())
    assert found is given
    assert weighed.document(PLAIN) is None


def test_a_class_without_rows_has_no_weight() -> None:
    with pytest.raises(DataError, match="'1' has weight"):
        weigh(
            rows(np.zeros(4, dtype=bool)),
            LABEL,
            Weighting.of(class_weight="balanced"),
            settings=Settings(),
            model="gbm",
            context=Context(),
        )


@pytest.mark.parametrize(
    "more", [{"class_weight": "balanced"}, {"loss": "class-balanced"}, {"loss": "cb-focal"}]
)
def test_learners_that_cannot_be_corrected_for_weights_are_refused(more: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="'other' takes no class weights"):
        Weighting.of(**more).refuse_unknown(Other(), Settings())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "model", "scale", "expected"),
    [
        (Settings(), "logistic", "population", "exact"),
        (Settings(l2=5.0), "logistic", "population", "approximate"),
        (Settings(cross_validate="l2"), "logistic", "population", "approximate"),
        (Settings(), "gbm", "population", "approximate"),
        (Settings(), "gbm", "sample", "none"),
    ],
)
def test_what_is_exact_is_called_so(
    settings: Settings, model: str, scale: str, expected: str
) -> None:
    context = Context()
    asked = Weighting.of(class_weight="1=3", scale=scale)
    _, weighed = weigh(
        rows(np.arange(8) < 2), LABEL, asked, settings=settings, model=model, context=context
    )
    assert weighed.correction == expected
    assert bool(context.notes) == (expected == "approximate")


def test_all_others_are_named_so_where_one_class_is_the_positive() -> None:
    given, many = rows(np.arange(8) < 2), Label("y", "a", ("b", "c"))

    def weighed(spec: str) -> dict[str, float]:
        asked = Weighting.of(class_weight=spec)
        _, found = weigh(given, many, asked, settings=Settings(), model="gbm", context=Context())
        return dict(found.weights)

    found = weighed("a=10,all others=2")
    assert found["a"] / found["b"] == pytest.approx(5)
    assert found["b"] == found["c"]
    for spec in ("b=2", "a=10,z=2"):
        with pytest.raises(UsageError, match="write them as in 'a=10,all others=2'"):
            weighed(spec)
