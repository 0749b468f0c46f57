"""Columns to numbers: by hand, and the same for any batch."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rebalance.core.encoder_learning import learn_encoder
from rebalance.core.encoding import Encoder
from rebalance.core.kinds import feature_kinds
from rebalance.errors import DataError


def learn(columns: dict[str, pa.Array], **options: int) -> Encoder:
    kinds, _ = feature_kinds(pa.table(columns).schema, ())
    return learn_encoder(columns, kinds, **({"min_count": 1, "max_levels": 10} | options))


def arrays(path: Path) -> dict[str, pa.Array]:
    batch = pq.read_table(path).drop_columns(["id", "fraud"]).combine_chunks().to_batches()[0]
    return dict(zip(batch.schema.names, batch.columns, strict=True))


def test_numbers_are_standardised_and_missing_has_its_own_column() -> None:
    encoder = learn({"a": pa.array([1.0, 3.0, None, 5.0])})
    assert encoder.names == ["a", "a is missing"]
    deviation = np.sqrt(8 / 3)
    expected = [[-2 / deviation, 0], [0, 0], [0, 1], [2 / deviation, 0]]
    found = encoder.linear({"a": pa.array([1.0, 3.0, None, 5.0])})
    assert found == pytest.approx(np.array(expected))
    assert np.isnan(encoder.trees({"a": pa.array([None, 2.0])})[:, 0]).tolist() == [True, False]


def test_nan_is_missing() -> None:
    encoder = learn({"a": pa.array([1.0, float("nan"), 2.0])})
    assert encoder.linear({"a": pa.array([float("nan")])})[0].tolist() == [0.0, 1.0]


def test_levels_are_indicators_without_the_most_frequent() -> None:
    shop = pa.array(["n", "n", "s", "s", "n", "e", "w"])
    encoder = learn({"shop": shop}, min_count=2)
    assert encoder.names == ["shop = s", "shop is another"]
    rows = encoder.linear({"shop": pa.array(["n", "s", "w", "never seen"])})
    assert rows.tolist() == [[0, 0], [1, 0], [0, 1], [0, 1]]
    assert encoder.trees({"shop": pa.array(["n", "s", "w"])})[:, 0].tolist() == [0, 1, 2]


def test_most_frequent_levels_keep_their_place() -> None:
    encoder = learn({"shop": pa.array(["a"] * 3 + ["b"] * 5 + ["c"] * 4)}, max_levels=2)
    assert encoder.names == ["shop = c", "shop is another"]


def test_dictionaries_and_integers_are_levels_by_their_text() -> None:
    codes = pa.array([3, 3, 5, None]).dictionary_encode()
    encoder = learn({"code": codes})
    assert encoder.names == ["code = 5", "code is missing"]
    other_order = pa.DictionaryArray.from_arrays(pa.array([1, 0]), pa.array([3, 5]))
    assert encoder.linear({"code": other_order}).tolist() == [[1, 0], [0, 0]]


def test_times_are_cyclic_pairs() -> None:
    times = [datetime.datetime(2024, 1, 1, hour) for hour in (0, 6, 12, 18)]
    encoder = learn({"when": pa.array(times)})
    assert encoder.names == ["when hour sin", "when hour cos"]
    rows = encoder.linear({"when": pa.array(times)})
    assert rows.round(12).tolist() == [[0, 1], [1, 0], [0, -1], [-1, 0]]
    assert encoder.trees({"when": pa.array(times)})[:, 0].tolist() == [0, 6, 12, 18]


def test_a_date_has_weekday_and_month() -> None:
    dates = pa.array([datetime.date(2024, 1, 1), datetime.date(2024, 7, 2)])
    encoder = learn({"day": dates})
    # 1 January 2024 was a Monday; July is half a year later.
    assert encoder.trees({"day": dates}).tolist() == [[0, 0], [1, 6]]


def test_vectors_are_one_feature_an_element() -> None:
    vectors = pa.array([[1.0, 2.0], [3.0, 2.5], None], pa.list_(pa.float32(), 2))
    encoder = learn({"v": vectors})
    assert encoder.names == ["v[0]", "v[0] is missing", "v[1]", "v[1] is missing"]
    sliced = encoder.trees({"v": vectors.slice(1)})
    assert sliced[0].tolist() == [3.0, 2.5]
    assert np.isnan(sliced[1]).all()


def test_constant_columns_and_rare_levels_are_left_out_and_said() -> None:
    encoder = learn(
        {
            "same": pa.array([1, 1, 1]),
            "id": pa.array(["a", "b", "c"]),
            "x": pa.array([1.0, 2.0, 3.0]),
        },
        min_count=2,
    )
    assert set(encoder.left_out) == {"same", "id"}
    assert encoder.names == ["x"]


def test_infinite_numbers_are_refused() -> None:
    with pytest.raises(DataError, match="infinite"):
        learn({"a": pa.array([1.0, float("inf")])})


def test_no_feature_that_varies_is_an_error() -> None:
    with pytest.raises(DataError, match="no feature varies"):
        learn({"a": pa.array([1.0, 1.0])})


def test_an_encoder_survives_json(mixed: Path) -> None:
    columns = arrays(mixed)
    encoder = learn(columns)
    stored = json.loads(json.dumps(encoder.to_document()))
    assert Encoder.from_document(stored) == encoder


def test_missing_values_without_a_place_are_counted() -> None:
    encoder = learn({"a": pa.array([1.0, 2.0]), "b": pa.array([1.0, None])})
    columns = {"a": pa.array([None, 1.0, float("nan")]), "b": pa.array([None, None, 1.0])}
    assert encoder.surprises(columns) == {"a": 2}
