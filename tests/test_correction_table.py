"""The table of corrections covers what there is, names nothing else, and the guide shows it."""

from __future__ import annotations

from typing import get_args

import pytest

from rebalance.core.corrections import (
    ANY,
    CORRECTIONS,
    DETECTOR,
    Kind,
    correction_of,
    in_short,
    worse,
)
from rebalance.learners.catalogue import ENTRIES
from rebalance.samplers.chains import NAMES, THINNINGS
from rebalance.samplers.imbalanced import CLASSIC
from tests.correction_table import PATH, page

# What is done at the fit, by options of `train`.
ADJUSTMENTS = {
    *("logit-adjustment", "balanced-softmax"),
    *("class-weight", "focal", "curriculum", "two-stage"),
}


def test_the_guide_shows_the_table_of_the_code() -> None:
    assert PATH.read_text() == page(), "run: make docs"


def test_no_row_names_what_there_is_not() -> None:
    for row in CORRECTIONS:
        assert set(row.methods) <= {*NAMES, *ADJUSTMENTS, ANY}
        assert set(row.learners) <= {*ENTRIES, DETECTOR}
        assert row.kind in get_args(Kind)
        assert row.formula
        # Whatever is not true by itself says what to do.
        assert bool(row.remedy) or row.kind in ("exact", "calibrated") or row.methods == (ANY,)


FORMULAS = [
    (method, entry.name, by)
    for method in NAMES
    for entry in ENTRIES.values()
    if not entry.needs_calibration
    for by in entry.corrections
]


@pytest.mark.parametrize(("method", "learner", "by"), FORMULAS)
def test_every_sampler_learner_and_correction_has_one_row(
    method: str, learner: str, by: str
) -> None:
    named = [
        row
        for row in CORRECTIONS
        if method in row.methods and learner in row.learners and by in row.by
    ]
    assert len(named) == (method not in CLASSIC)
    found = correction_of(method, learner, by)
    assert found == (named[0] if named else found)
    assert (found.kind == "refused") == (method in CLASSIC)


def test_what_is_calibrated_is_so_whatever_the_sampler() -> None:
    for entry in ENTRIES.values():
        if entry.needs_calibration:
            for method in NAMES:
                assert correction_of(method, entry.name, "posthoc").kind == "calibrated"


def test_what_design_section_1_calls_exact_and_approximate() -> None:
    # Class weights and over-sampling act as pi_k, exactly only for a converged log-loss fit of a
    # parametric model; for boosting with weights, resampling or post-hoc it is an approximation.
    for method in THINNINGS:
        for learner in ("logistic", "gbm"):
            assert correction_of(method, learner, "offset").kind == "exact"
        assert correction_of(method, "logistic", "weight").kind == "exact"
        assert correction_of(method, "gbm", "weight").kind == "approximate"
        assert correction_of(method, "gbm", "posthoc").kind == "approximate"
    assert correction_of("random-over", "logistic", "offset").kind == "exact"
    assert correction_of("random-over", "gbm", "offset").kind == "approximate"
    assert correction_of("nonuniform,smote", "logistic", "offset").kind == "refused"
    assert {in_short(method) for method in THINNINGS} == {"exact"}


def test_what_is_done_on_top_is_no_better_than_the_sampling() -> None:
    assert {each for row in CORRECTIONS if row.on_top for each in row.methods} == {
        *("class-weight", "focal", "curriculum", "two-stage")
    }
    assert worse("exact", "exact") == "exact"
    assert worse("approximate", "exact") == "approximate"
    assert worse("approximate", "refused") == "refused"
