"""The multinomial learner: its scores, what it refuses, and back from its members."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from rebalance.errors import FitError
from rebalance.learners.base import Settings
from rebalance.learners.class_base import ClassRows
from rebalance.learners.multinomial import Multinomial, MultinomialModel
from tests.learners.test_gbm_classes import rows


def with_gaps(count: int = 2_000) -> ClassRows:
    given = rows(count)
    x = given.columns["x"].to_numpy()
    gaps = np.random.default_rng(1).random(count) < 0.1
    when = pa.array(np.arange(count) * 7_000_000_000, pa.timestamp("us"))
    columns = given.columns | {"gappy": pa.array(x + 5, mask=gaps), "when": when}
    return replace(given, columns=columns, kinds=given.kinds | {"gappy": "number", "when": "time"})


def test_scores_are_the_matrix_product() -> None:
    given = with_gaps()
    fitted = Multinomial().fit(given, Settings())
    assert isinstance(fitted, MultinomialModel)
    z = fitted.encoder.linear(given.columns)
    expected = fitted.coefficients[0] + z @ fitted.coefficients[1:]
    assert fitted.scores(given.columns, given.baseline) == pytest.approx(expected)
    loaded = Multinomial().load(fitted.members())
    assert (
        loaded.scores(given.columns, given.baseline) == loaded.scores(given.columns, given.baseline)
    ).all()


def test_a_rows_scores_depend_on_the_row_alone() -> None:
    given = with_gaps()
    fitted = Multinomial().fit(given, Settings())
    whole = fitted.scores(given.columns, given.baseline)
    for start, stop in ((0, 1), (1, 8), (100, 1999)):
        part = {name: array.slice(start, stop - start) for name, array in given.columns.items()}
        assert (fitted.scores(part, given.baseline[start:stop]) == whole[start:stop]).all()


def test_separated_classes_are_said_without_a_penalty_and_fitted_with_one() -> None:
    given = rows(300)
    x = given.columns["x"].to_numpy()
    codes = np.digitize(x, [-1.0, 0.0, 1.0])
    apart = replace(given, codes=codes, offset=np.zeros((300, 4)))
    with pytest.raises(FitError, match=r"can be separated.*--l2 0.01"):
        Multinomial().fit(apart, Settings(l2=0.0))
    fitted = Multinomial().fit(apart, Settings(l2=0.1))
    found = fitted.scores(apart.columns, apart.baseline).argmax(axis=1)
    assert (found == codes).mean() > 0.9


def test_one_row_far_out_is_no_separation() -> None:
    given = rows(4_000)
    x = given.columns["x"].to_numpy().copy()
    far = np.argsort(-np.abs(x))[:20]
    x[far] *= 400  # log odds of hundreds, with the right class as with the wrong one
    columns = given.columns | {"x": pa.array(x)}
    fitted = Multinomial().fit(replace(given, columns=columns), Settings(l2=0.0))
    assert np.isfinite(fitted.scores(columns, given.baseline)).all()
