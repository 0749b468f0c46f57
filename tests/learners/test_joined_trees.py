"""Models joined as text add up, to LightGBM and to our own forest."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest

from rebalance.learners.boosting import without_parameters
from rebalance.learners.forest import features_used, read_forest
from rebalance.learners.joined_trees import joined


def parts(counts: list[int]) -> tuple[np.ndarray, list[str]]:
    """Models of so many rounds on different labels; one feature is of categories."""
    rng = np.random.default_rng(3)
    matrix = np.column_stack([rng.normal(size=(400, 2)), rng.integers(0, 6, 400)])
    texts = []
    for count in counts:
        y = rng.random(400) < 1 / (1 + np.exp(-matrix[:, 0] - (matrix[:, 2] == 3)))
        data = lightgbm.Dataset(
            matrix, y.astype(float), init_score=np.zeros(400), categorical_feature=[2]
        )
        fixed = {"objective": "binary", "verbosity": -1, "num_leaves": 6, "num_threads": 1}
        booster = lightgbm.train(fixed, data, count)
        texts.append(without_parameters(booster.model_to_string()))
    return matrix, texts


# More than ten trees: their numbers get longer, and so do the sizes.
@pytest.mark.parametrize("counts", [[3], [2, 5], [7, 1, 12]])
def test_the_sum_of_all(counts: list[int]) -> None:
    matrix, texts = parts(counts)
    whole = joined(texts)

    def raw(text: str) -> np.ndarray:
        booster = lightgbm.Booster(model_str=text)
        return np.asarray(booster.predict(matrix, raw_score=True, num_threads=1))

    assert lightgbm.Booster(model_str=whole).num_trees() == sum(counts)
    expected = np.sum([raw(text) for text in texts], axis=0)
    assert raw(whole) == pytest.approx(expected, abs=1e-12)
    forest = read_forest(whole)
    assert forest is not None
    columns = {at: matrix[:, at] for at in features_used(whole)}
    assert forest.score(columns, len(matrix)) == pytest.approx(expected, abs=1e-12)
