"""Artifacts that tests of several commands use."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from tests.classes import ROWS, Made, population


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    from rebalance.core.design import Budget
    from rebalance.steps.context import Context
    from rebalance.steps.pilot import pilot
    from rebalance.steps.sample import Asked, sample

    found = Made(tmp_path_factory.mktemp("classes"))
    for name, seed in (("table", 1), ("other", 2)):
        pq.write_table(population(ROWS, seed)[0], getattr(found, name))
    pilot([str(found.table)], "kind", str(found.pilot), size=800, context=Context())
    rates = {"a": 0.05, "b": 0.1, "c": 0.3}
    asked = Asked(
        [str(found.table)], str(found.sample), Budget(), pilot=str(found.pilot), class_rates=rates
    )
    sample(asked, Context())
    return found
