"""What fields of text are: told from Python's own int, float and datetime."""

from __future__ import annotations

import re
from datetime import date, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalance.storage.fields import (
    EMPTY,
    INTEGER,
    NUMBER,
    TEXT,
    Form,
    first_failing,
    merged,
    text_type,
)

FLAG, DAY = pa.bool_(), pa.date32()
TIME, ZONED = pa.timestamp("us"), pa.timestamp("us", tz="UTC")
POINT, COMMA = Form(), Form(decimal=",")

integers = st.integers(-(10**19), 10**19).map(str)
codes = st.integers(0, 10**6).map(lambda number: f"0{number}")
numbers = st.floats(allow_nan=True, allow_infinity=True).map(repr)
ODD = """-0 +1 1. .5 . - 1e5 1_000 0x10 NA 00 0.0 1e0005 12345678901234567890e-9 -007.5 +.5e1 1e9999
1234567890123456789.5 123456789012345678.5 999999999999999999.99 1e18 -1e18 1000000000000000000"""
odd = st.sampled_from(["", " 1", "1 ", *ODD.split()])
flags = st.sampled_from(["true", "True", "TRUE", "false", "False", "FALSE", "tRue", "t"])
days = st.dates(min_value=date(1, 1, 1)).map(str)
times = st.datetimes(min_value=datetime(1, 1, 1)).map(str)
fields = st.one_of(integers, codes, numbers, odd, flags, days, times)


def kinds(field: str) -> set[str]:
    """All types that a field may have, by Python's own readers."""
    found = set()
    plain = field.lstrip("+-")
    whole = plain.partition("e")[0].partition(".")[0]
    is_code = len(whole) > 1 and whole[0] == "0"
    is_code |= len(whole) > 18 and "e" not in field
    if re.fullmatch(r"-?[0-9]+", field) and not is_code:
        found |= {"integer", "number"}
    try:
        float(field)
        if field == field.strip() and "_" not in field and not is_code:
            found.add("number")
    except ValueError:
        pass
    if field in ("true", "True", "TRUE", "false", "False", "FALSE"):
        found.add("flag")
    try:
        datetime.fromisoformat(field)
        found.add("day" if len(field) == 10 else "time")
    except ValueError:
        pass
    return found


NAMES = {"integer": INTEGER, "number": NUMBER, "flag": FLAG, "day": DAY, "time": TIME}


@given(st.lists(st.one_of(st.none(), fields), max_size=6))
def test_a_type_is_what_all_filled_fields_have(column: list[str | None]) -> None:
    filled = [field for field in column if field is not None]
    common = set.intersection(*map(kinds, filled)) if filled else set()
    expected = next((NAMES[name] for name in NAMES if name in common), TEXT) if filled else EMPTY
    array = pa.array(column, TEXT)
    assert POINT.type_of(array) == expected
    # A slice has the offsets of the whole.
    around = pa.array(["x", *column, "007"], TEXT)
    assert POINT.type_of(around[1:-1]) == expected


@given(st.lists(st.one_of(st.none(), fields), min_size=1, max_size=8), st.data())
def test_parts_have_together_the_type_of_the_whole(
    column: list[str | None], data: st.DataObject
) -> None:
    array = pa.array(column, TEXT)
    cut = data.draw(st.integers(0, len(column)))
    parts = POINT.type_of(array[:cut]), POINT.type_of(array[cut:])
    assert merged(*parts) == merged(*reversed(parts)) == POINT.type_of(array)


@given(st.lists(st.one_of(st.none(), fields), min_size=1, max_size=8))
def test_what_fits_a_type_is_told_field_by_field(column: list[str | None]) -> None:
    array = pa.array(column, TEXT)
    for name, dtype in NAMES.items():
        misfits = [
            at for at, field in enumerate(column) if field is not None and name not in kinds(field)
        ]
        assert POINT.fits(array, dtype) == (not misfits)
        if misfits:
            assert POINT.first_misfit(array, dtype) == misfits[0]
        else:
            POINT.cast(array, dtype)  # can be read
    others = [at for at, field in enumerate(column) if field and "number" not in kinds(field)]
    others += [at for at, field in enumerate(column) if field == ""]
    assert POINT.first_other(array) == min(others, default=-1)


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=20))
def test_numbers_are_read_to_the_last_bit(values: list[float]) -> None:
    for form, texts in (
        (POINT, [repr(value) for value in values]),
        (COMMA, [repr(value).replace(".", ",") for value in values]),
    ):
        assert form.cast(pa.array(texts), NUMBER).to_pylist() == values
        assert form.numbers(pa.array(texts)).to_pylist() == values


@pytest.mark.parametrize(
    ("texts", "dtype"),
    [
        (["1", "-2"], INTEGER),
        (["1,5", "2"], NUMBER),
        (["-,5", "1,e3"], NUMBER),
        (["1.5", "2"], TEXT),  # a point is no decimal sign here
        (["1,5", "2.5"], TEXT),
        (["1.000,5"], TEXT),
        (["007,5"], TEXT),
        (["2024-01-31"], DAY),
    ],
)
def test_types_with_a_decimal_comma(texts: list[str], dtype: pa.DataType) -> None:
    assert COMMA.type_of(pa.array(texts)) == dtype


def test_a_point_is_never_read_as_a_comma() -> None:
    with pytest.raises(pa.ArrowInvalid, match="where ',' is the sign"):
        COMMA.numbers(pa.array(["1,5", "1.5"]))
    assert first_failing(pa.array(["1,5", "1.5", "x"]), COMMA.numbers) == 1


def test_fields_that_say_that_a_value_is_missing() -> None:
    form = Form(nulls=("NA", "", "-"))
    array = pa.array(["1", "NA", "", "-", None, "na"])
    assert form.filled(array).to_pylist() == ["1", None, None, None, None, "na"]
    assert form.type_of(array[:5]) == INTEGER
    assert form.type_of(array[1:5]) == EMPTY
    assert form.cast(array[:5], INTEGER).to_pylist() == [1, None, None, None, None]
    assert form.numbers(array[:5]).to_pylist() == [1.0, None, None, None, None]
    assert form.first_other(array) == 5


@pytest.mark.parametrize(
    ("text", "value"),
    [(" 1.5", 1.5), ("1\t", 1.0), ("1_000", 1000.0), ("1_0_0.2_5", 100.25), ("007", 7.0)],
)
def test_a_feature_is_read_as_a_number_where_its_column_would_be_text(
    text: str, value: float
) -> None:
    assert POINT.type_of(pa.array([text])) == TEXT
    assert POINT.numbers(pa.array(["0.5", text])).to_pylist() == [0.5, value]


@pytest.mark.parametrize("text", ["_1", "1_", "1__0", "1._5", "0x10", "1,5", "", "one"])
def test_no_number_is_made_up(text: str) -> None:
    with pytest.raises(pa.ArrowInvalid):
        POINT.numbers(pa.array(["0.5", text]))


@pytest.mark.parametrize(
    ("stored", "dtype"),
    [
        (pa.int8(), INTEGER),
        (pa.uint64(), INTEGER),
        (pa.float16(), NUMBER),
        (pa.float32(), NUMBER),
        (pa.float64(), NUMBER),
        (pa.string(), TEXT),
        (pa.large_string(), TEXT),
        (pa.string_view(), TEXT),
        (pa.dictionary(pa.int32(), pa.string()), TEXT),
        (pa.dictionary(pa.int8(), pa.int64(), ordered=True), INTEGER),
        (pa.bool_(), FLAG),
        (pa.date32(), DAY),
        (pa.date64(), DAY),
        (pa.timestamp("ns"), TIME),
        (pa.timestamp("s", tz="Europe/Berlin"), ZONED),
        (pa.null(), None),
        (pa.decimal128(10, 2), None),
        (pa.binary(), None),
        (pa.time64("us"), None),
        (pa.list_(pa.float64(), 3), None),
        (pa.struct({"a": pa.int8()}), None),
    ],
)
def test_types_of_other_formats(stored: pa.DataType, dtype: pa.DataType | None) -> None:
    assert text_type(str(stored)) == dtype
