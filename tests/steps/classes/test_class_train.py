"""Models of many classes: the adjustments in the loss, and which scale is stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rebalance.core.classes import log_softmax
from rebalance.core.design import Budget
from rebalance.core.softmax import fit_softmax
from rebalance.errors import DataError, FitError, UsageError
from rebalance.learners.base import Settings
from rebalance.learners.multinomial import MultinomialModel
from rebalance.steps.classes.artifacts.model import read_if_class_model
from rebalance.steps.classes.balancing import Balancing
from rebalance.steps.classes.train import ClassTrainResult
from rebalance.steps.context import Context
from rebalance.steps.ready import Asked
from rebalance.steps.sample import sample
from rebalance.steps.train import train
from rebalance.steps.train_task import TrainAsked
from rebalance.storage.inputs import open_table
from tests.classes import VALUES, population


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    table, out = tmp_path / "t.parquet", tmp_path / "s.parquet"
    rows = population(6_000, 5)[0]
    weight = np.random.default_rng(0).uniform(0.5, 1.5, 6_000)
    pq.write_table(rows.append_column("w", pa.array(weight)), table)
    rates = {"a": 0.1, "b": 0.4}
    asked = Asked([str(table)], str(out), Budget(), label="kind", class_rates=rates)
    sample(asked, Context())
    return out


@pytest.mark.parametrize("correction", ["offset", "posthoc"])
@pytest.mark.parametrize("tau", [0.5, 1.0])
def test_to_fit_with_the_adjustment_and_to_take_it_off_are_the_same(
    drawn: Path, tmp_path: Path, correction: str, tau: float
) -> None:
    out = tmp_path / "m.rbl"
    result = train(
        TrainAsked(
            [str(drawn)],
            str(out),
            model="logistic",
            correction=correction,
            balancing=Balancing("logit adjustment", tau),
            settings=Settings(l2=0.3),
            drop=["w"],
        ),
        Context(),
    )
    assert isinstance(result, ClassTrainResult)
    assert result.scale == "balanced"
    model = read_if_class_model(str(out))
    assert model is not None
    assert model.balance is not None
    assert isinstance(model.fitted, MultinomialModel)
    batch = next(open_table([str(drawn)]).batches())
    found = log_softmax(model.log_prob(batch) - model.balance.shift)
    # Menon et al.: the scores plus tau log shares are in the loss, here beside the log pi.
    table = pq.read_table(drawn)
    z = model.fitted.encoder.linear(batch.features(model.fitted.kinds))
    codes = np.array([VALUES.index(value) for value in table["kind"].to_pylist()])
    counts = np.array([population(6_000, 5)[0]["kind"].to_pylist().count(each) for each in VALUES])
    shift = np.log([0.1, 0.4, 1.0, 1.0]) + tau * np.log(counts / 6_000)
    fit = fit_softmax(z, codes, np.tile(shift, (len(z), 1)), None, 0.3)
    expected = log_softmax(fit.coefficients[0] + z @ fit.coefficients[1:])
    assert found == pytest.approx(expected, abs=1e-6)


def test_weights_count(drawn: Path, tmp_path: Path) -> None:
    found = []
    for name in (None, "w"):
        out = tmp_path / "m.rbl"
        how = {"sample_weight": name} if name else {"drop": ["w"]}
        train(
            TrainAsked([str(drawn)], str(out), model="logistic", settings=Settings(), **how),
            Context(),
        )
        model = read_if_class_model(str(out))
        assert model is not None
        batch = next(open_table([str(drawn)]).batches())
        found.append(model.log_prob(batch))
    assert np.abs(found[0] - found[1]).max() > 1e-3
    # Weights of the same mean in every class move no share by more than its noise, 5%.
    assert np.exp(found[0]).mean(axis=0) == pytest.approx(np.exp(found[1]).mean(axis=0), rel=0.05)


def test_one_class_or_too_few_rows(drawn: Path, tmp_path: Path) -> None:
    table = pq.read_table(drawn)
    metadata = pq.read_metadata(drawn).metadata
    for rows, error, words in (
        (
            table.filter(pa.array(np.array(table["kind"].to_pylist()) == "c")),
            DataError,
            "one class",
        ),
        (table.slice(0, 15), FitError, "--rounds 50"),
    ):
        path = tmp_path / "few.parquet"
        kept = {key: value for key, value in metadata.items() if key == b"rebalance.design"}
        pq.write_table(rows.replace_schema_metadata(kept), path)
        with pytest.raises(error, match=words):
            train(TrainAsked([str(path)], str(tmp_path / "m.rbl"), settings=Settings()), Context())


def test_settings_of_the_other_learner_are_refused(drawn: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--leaves is no option"):
        train(
            TrainAsked(
                [str(drawn)], str(tmp_path / "m.rbl"), model="logistic", settings=Settings(leaves=3)
            ),
            Context(),
        )
