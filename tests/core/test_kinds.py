"""Arrow types and the kinds of feature they are."""

from __future__ import annotations

import pyarrow as pa
import pytest

from rebalance.core.kinds import feature_kinds, kind_of


def _dictionary(value_type):
    return pa.dictionary(pa.int8(), value_type)


@pytest.mark.parametrize(
    ("kind", "types"),
    [
        (
            "number",
            [
                pa.int8(),
                pa.uint64(),
                pa.float16(),
                pa.float32(),
                pa.float64(),
                pa.decimal128(10, 2),
                pa.decimal256(50, 2),
            ],
        ),
        (
            "category",
            [
                pa.string(),
                pa.large_string(),
                pa.string_view(),
                _dictionary(pa.string()),
                _dictionary(pa.int64()),
                _dictionary(pa.bool_()),
            ],
        ),
        ("boolean", [pa.bool_()]),
        (
            "time",
            [pa.timestamp("s"), pa.timestamp("ns", "Europe/Berlin"), pa.date32(), pa.date64()],
        ),
        ("vector", [pa.list_(pa.float32(), 3), pa.list_(pa.int8(), 1)]),
        (
            None,
            [
                pa.binary(),
                pa.list_(pa.float32()),
                pa.list_(pa.string(), 2),
                pa.struct([("a", pa.int64())]),
                pa.null(),
                pa.time32("s"),
                pa.duration("s"),
                _dictionary(pa.date32()),
            ],
        ),
    ],
)
def test_kind(kind, types):
    assert {str(dtype): kind_of(dtype) for dtype in types} == dict.fromkeys(map(str, types), kind)


def test_feature_kinds_leave_out_and_say_why():
    schema = pa.schema(
        [
            ("amount", pa.float64()),
            ("country", pa.string()),
            ("late", pa.int8()),
            ("rb_pi", pa.float64()),
            ("blob", pa.binary()),
            ("nothing", pa.null()),
        ]
    )
    kinds, unusable = feature_kinds(schema, {"late"})
    assert kinds == {"amount": "number", "country": "category"}
    assert unusable == {
        "blob": "of type binary, which no learner here can use",
        "nothing": "empty",
    }
