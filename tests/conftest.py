"""Tables that many tests use."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from hypothesis import settings
from numpy.typing import NDArray

from rebalance.cli.main import cli
from rebalance.core.design import Budget
from rebalance.steps.context import Context
from rebalance.steps.pilot import pilot
from rebalance.steps.ready import Asked
from rebalance.steps.sample import sample

# Time is no property: the machine may be busy. The same examples each time: a failure stays.
settings.register_profile("rebalance", deadline=None, derandomize=True)
settings.load_profile("rebalance")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that processes beside each other end together."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


INTERCEPT = -4.5
SLOPES = (1.0, -0.7, 0.5)


@dataclass(frozen=True)
class Simulated:
    """A logistic population with known coefficients."""

    path: Path
    table: pa.Table
    log_odds: NDArray[np.float64]


def simulate(count: int, seed: int) -> tuple[pa.Table, NDArray[np.float64]]:
    """Three normal features, log odds -4.5 + x1 - 0.7 x2 + 0.5 x3: some 2% positives."""
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((count, 3))
    log_odds = INTERCEPT + x @ np.array(SLOPES)
    y = generator.random(count) < 1 / (1 + np.exp(-log_odds))
    columns = {f"x{column + 1}": x[:, column] for column in range(3)}
    return pa.table(columns | {"y": y.astype(np.int8)}), log_odds


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """60,000 rows of the logistic population, as Parquet."""
    table, log_odds = simulate(60_000, 7)
    path = tmp_path_factory.mktemp("simulated") / "table.parquet"
    pq.write_table(table, path)
    return Simulated(path, table, log_odds)


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """6,000 rows with every kind of column, missing values among them, as Parquet."""
    generator = np.random.default_rng(11)
    count = 6_000
    amount = generator.lognormal(3, 1, count)
    shop = generator.choice(["north", "south", "east", "rare"], count, p=[0.5, 0.3, 0.199, 0.001])
    minutes = generator.integers(0, 60 * 24 * 365, count)
    log_odds = -5 + 0.8 * np.log(amount) + (shop == "south")
    y = generator.random(count) < 1 / (1 + np.exp(-log_odds))
    gaps = generator.random(count)
    vectors = generator.standard_normal((count, 3)).astype(np.float32)
    table = pa.table(
        {
            "id": [f"c{row:05d}" for row in range(count)],
            "amount": pa.array(amount, mask=gaps < 0.1),
            "shop": pa.array(shop.tolist(), mask=gaps > 0.95).dictionary_encode(),
            "member": pa.array(generator.random(count) < 0.5, mask=gaps > 0.9),
            "when": pa.array(minutes * 60_000_000, pa.timestamp("us", tz="UTC")),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 3),
            "weight": generator.integers(1, 4, count),
            "fraud": np.where(y, "yes", "no"),
        }
    )
    path = tmp_path_factory.mktemp("mixed") / "mixed.parquet"
    pq.write_table(table, path)
    return path


Invoke = Callable[[Sequence[object]], Result]


@pytest.fixture(scope="session")
def rebalance() -> Invoke:
    """Run the command line and give its result."""

    def invoke(arguments: Sequence[object]) -> Result:
        return CliRunner().invoke(
            cli, [str(argument) for argument in arguments], catch_exceptions=False
        )

    return invoke


@pytest.fixture(scope="session")
def done(rebalance: Invoke) -> Invoke:
    """Run the command line, and expect it to succeed."""

    def invoke(arguments: Sequence[object]) -> Result:
        result = rebalance(arguments)
        assert result.exit_code == 0, result.output
        return result

    return invoke


@pytest.fixture(scope="session")
def piloted(simulated: Simulated) -> Path:
    """A pilot of the population, to be read only."""
    out = simulated.path.with_name("p.rbl")
    pilot([str(simulated.path)], "y", str(out), context=Context())
    return out


@pytest.fixture(scope="session")
def drawn_once(simulated: Simulated, piloted: Path) -> Path:
    out = simulated.path.with_name("s.parquet")
    asked = Asked([str(simulated.path)], str(out), Budget(rate=0.05), pilot=str(piloted))
    sample(asked, Context())
    return out


@pytest.fixture
def drawn(drawn_once: Path, tmp_path: Path) -> Path:
    """A nonuniform sample of 5% of the negatives, the test's own."""
    return Path(shutil.copy(drawn_once, tmp_path))
