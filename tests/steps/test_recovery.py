"""Known coefficients come back from a sample, and only with the right offset.

Fitted without a penalty to (nearly) 60,000 rows' positives; standard errors are those of the
observed information of the offset likelihood, computed here. Three of them bound each of the four
coefficients: with a right estimator a fixed seed fails with a chance of 1% a case.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from rebalance.core.design import Budget
from rebalance.errors import FitError, RebalanceError
from rebalance.learners import get_learner
from rebalance.learners.base import Fitted, Settings, TrainingRows
from rebalance.steps.artifacts.model import read_model
from rebalance.steps.context import Context
from rebalance.steps.pilot import pilot
from rebalance.steps.ready import Asked
from rebalance.steps.sample import sample
from rebalance.steps.train import train
from rebalance.steps.train_task import TrainAsked
from tests.conftest import INTERCEPT, SLOPES, Simulated

Floats = NDArray[np.float64]
TRUTH = np.array([INTERCEPT, *SLOPES])


@pytest.fixture(
    scope="module",
    params=["uniform", "probability", "a-opt", "leverage", "local-case-control", "combined"],
)
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def guide(simulated: Simulated, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = str(tmp_path_factory.mktemp("recovery") / "p.rbl")
    pilot([str(simulated.path)], "y", out, size=500, context=Context())
    return out


@pytest.fixture(scope="module", params=[0.02, 0.1])
def drawn(
    request: pytest.FixtureRequest,
    method: str,
    guide: str,
    simulated: Simulated,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    out = tmp_path_factory.mktemp("recovery") / "s.parquet"
    budget = Budget(rate=request.param)
    asked = Asked(
        [str(simulated.path)],
        str(out),
        budget,
        pilot=guide,
        score="probability" if method == "combined" else method,
        combine_pilot=method == "combined",
        seed=2,
    )
    sample(asked, Context())
    return out


def fit(path: Path, folder: Path, correction: str = "offset") -> Floats:
    """The coefficients of the stored model."""
    out = folder / "m.rbl"
    train(
        TrainAsked(
            [str(path)],
            str(out),
            model="logistic",
            correction=correction,
            settings=Settings(l2=0.0),
        ),
        Context(),
    )
    return coefficients(read_model(str(out)).fitted)


def coefficients(fitted: Fitted) -> Floats:
    """Intercept and slopes in the features' own units."""
    corners = np.vstack([np.zeros(3), np.eye(3)])
    found = fitted.log_odds({f"x{at + 1}": pa.array(corners[:, at]) for at in range(3)}, None)
    return np.concatenate([found[:1], found[1:] - found[0]])


def standard_errors(path: Path, offset: Floats) -> Floats:
    table = pq.read_table(path)
    z = np.column_stack([np.ones(len(table)), *(table[f"x{at}"].to_numpy() for at in (1, 2, 3))])
    sampled = 1 / (1 + np.exp(-(z @ TRUTH + offset)))
    return np.sqrt(np.diag(np.linalg.inv((z * (sampled * (1 - sampled))[:, None]).T @ z)))


def off_by(path: Path, found: Floats) -> Floats:
    """Errors in standard errors."""
    offset = pq.read_table(path)["rb_offset"].to_numpy()
    return np.abs(found - TRUTH) / standard_errors(path, offset)


def test_the_offset_recovers_the_coefficients(drawn: Path, tmp_path: Path) -> None:
    assert off_by(drawn, fit(drawn, tmp_path)).max() < 3


def fit_with(path: Path, offset: Floats) -> Floats:
    """The same fit by the learner alone, with these offsets."""
    table = pq.read_table(path).combine_chunks()
    columns = {f"x{at}": pa.array(table[f"x{at}"].to_numpy()) for at in (1, 2, 3)}
    count = len(table)
    rows = TrainingRows(
        columns,
        dict.fromkeys(columns, "number"),
        table["y"].to_numpy() == 1,
        offset,
        np.zeros(count),
        None,
        np.zeros(count),
    )
    return coefficients(get_learner("logistic").fit(rows, Settings(l2=0.0)))


def test_with_a_wrong_offset_the_same_test_fails(drawn: Path) -> None:
    table = pq.read_table(drawn)
    offset = table["rb_offset"].to_numpy()
    positive = table["y"].to_numpy() == 1
    assert off_by(drawn, fit_with(drawn, offset)).max() < 3
    for wrong in (-offset, np.where(positive, 0.0, offset)):
        try:
            found = fit_with(drawn, wrong)
        except FitError:  # a fit that breaks down does not recover anything
            continue
        assert off_by(drawn, found).max() > 3


@pytest.mark.parametrize("how", ["wrong sign", "zero for positives", "infinite"])
def test_a_sample_with_such_offsets_is_refused(drawn: Path, tmp_path: Path, how: str) -> None:
    table = pq.read_table(drawn)
    offset = table["rb_offset"].to_numpy()
    positive = table["y"].to_numpy() == 1
    wrong = {
        "wrong sign": -offset,
        "zero for positives": np.where(positive, 0.0, offset),
        "infinite": np.where(np.arange(len(offset)) == 7, np.inf, offset),
    }[how]
    at = table.column_names.index("rb_offset")
    spoiled = table.set_column(at, "rb_offset", pa.array(wrong))
    design = pq.ParquetFile(drawn).metadata.metadata[b"rebalance.design"].decode()
    out = tmp_path / "spoiled.parquet"
    with pq.ParquetWriter(out, spoiled.schema) as writer:
        writer.write_table(spoiled)
        writer.add_key_value_metadata({"rebalance.design": design})
    with pytest.raises(RebalanceError, match=r"offsets differ|row 7"):
        fit(out, tmp_path)


def test_weights_are_unbiased_and_posthoc_too_where_sampling_is_uniform(
    drawn: Path, method: str, tmp_path: Path
) -> None:
    # Weighted estimates vary more than the offset's information says (their sandwich is about
    # twice as wide at these rates): eight of the offset's standard errors are about four of theirs.
    assert off_by(drawn, fit(drawn, tmp_path, "weight")).max() < 8
    if method == "uniform":
        table = pq.read_table(drawn)
        found = fit(drawn, tmp_path, "posthoc")
        found[0] -= table["rb_offset"][0].as_py()
        assert found == pytest.approx(fit(drawn, tmp_path), abs=1e-6)
