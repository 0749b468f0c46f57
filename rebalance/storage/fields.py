"""What the fields of a text file are, and how they are read as values.

A field is text until somebody asks for its column's type. A type holds when every filled field is
written as a value of it, so that nothing is lost: what begins with a zero and another digit, or has
more than 18 digits before the point and no exponent, is a code or an identifier, not a number.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rebalance.core.arrays import is_valid, texts_to_arrow, to_numpy

_INTEGER = r"-?(0|[1-9][0-9]{0,17})"
_EXPONENT = r"[eE][+-]?[0-9]+"
_NUMBER = (
    rf"([+-]?(((0|[1-9][0-9]{{0,17}})(\.[0-9]*)?|\.[0-9]+)({_EXPONENT})?"
    rf"|[1-9][0-9]*(\.[0-9]*)?{_EXPONENT}|[iI][nN][fF](inity)?)|[nN][aA][nN])"
)
_BOOLEAN = r"([tT]rue|TRUE|[fF]alse|FALSE)"
_YEAR = "([1-9][0-9]{3}|0[0-9]{2}[1-9]|0[0-9][1-9]0|0[1-9]00)"  # there was no year 0
_DATE = rf"{_YEAR}-[0-9]{{2}}-[0-9]{{2}}"
_HOUR = "([01][0-9]|2[0-3])"
_SIXTY = "[0-5][0-9]"
_TIME = rf"{_DATE}[ T]{_HOUR}:{_SIXTY}(:{_SIXTY}(\.[0-9]{{1,6}})?)?"
_ZONED = rf"{_TIME}(Z|[+-]{_HOUR}(:?{_SIXTY})?)"

INTEGER, NUMBER = pa.int64(), pa.float64()
EMPTY, TEXT = pa.null(), pa.string()
# A field fits the first of these whose pattern it has; only whole numbers fit the next one, too.
_PATTERNS: dict[pa.DataType, str] = {
    INTEGER: _INTEGER,
    NUMBER: _NUMBER,
    pa.bool_(): _BOOLEAN,
    pa.date32(): _DATE,
    pa.timestamp("us"): _TIME,
    pa.timestamp("us", tz="UTC"): _ZONED,
}
_MOST_DIGITS = 18
_ZERO, _PLUS, _MINUS = np.frombuffer(b"0+-", np.uint8)
_LARGEST_DIGIT = np.uint8(9)  # differences of bytes are never negative

Signs = NDArray[np.uint8]


@dataclass(frozen=True)
class Form:
    """How values are written in a text file.

    decimal : the sign before a number's fraction, "." or ",".
    nulls : the fields that say that a value is missing, beside those that are null already.
    """

    decimal: str = "."
    nulls: tuple[str, ...] = ()

    def type_of(self, fields: pa.Array) -> pa.DataType:
        """The type that all filled fields have; null where none is filled."""
        filled = self.filled(fields).drop_null()
        if not len(filled):
            return EMPTY
        first = filled[0].as_py()
        for dtype in _PATTERNS:
            if re.fullmatch(self._pattern(dtype), first):
                if self.fits(filled, dtype):
                    return dtype
                if dtype == INTEGER and self.fits(filled, NUMBER):
                    return NUMBER
                break
        return TEXT

    def fits(self, fields: pa.Array, dtype: pa.DataType) -> bool:
        """Whether every filled field is written as a value of this type."""
        filled = self.filled(fields)
        if filled.null_count == len(filled) or dtype == TEXT:
            return True
        if dtype == EMPTY:
            return False
        if dtype == INTEGER and _are_counts(filled):
            return True
        try:
            values = self._values(filled, dtype)
        except pa.ArrowInvalid:
            return False
        if dtype == NUMBER and self.decimal == "." and _are_plain(filled, values):
            return True
        return bool(pc.all(self._matches(filled, dtype)).as_py())

    def first_other(self, fields: pa.Array) -> int:
        """The position of the first filled field that is no number, -1 where there is none."""
        others = to_numpy(pc.invert(self._matches(self.filled(fields), NUMBER)))
        at = np.flatnonzero(others == 1)  # a null is NaN
        return int(at[0]) if len(at) else -1

    def first_misfit(self, fields: pa.Array, dtype: pa.DataType) -> int:
        """The position of the first field that is not written as a value of this type."""
        return _first(fields, lambda part: self.fits(part, dtype))

    def cast(self, fields: pa.Array, dtype: pa.DataType) -> pa.Array:
        """The fields as values of a type.

        Raises
        ------
        ArrowInvalid : a field cannot be read as one.
        """
        filled = self.filled(fields)
        return pa.nulls(len(filled)) if dtype == EMPTY else self._values(filled, dtype)

    def numbers(self, fields: pa.Array) -> pa.Array:
        """The fields as float64, read as a CSV reader does that knows that they are numbers.

        Spaces around a number are let go, and underscores between its digits.

        Raises
        ------
        ArrowInvalid : a field is no number.
        """
        filled = self.filled(fields)
        try:
            return self._values(filled, NUMBER)
        except pa.ArrowInvalid:
            filled = pc.ascii_trim_whitespace(filled)
            for _ in range(2):  # the digits between two underscores belong to both
                filled = pc.replace_substring_regex(filled, "([0-9])_([0-9])", r"\1\2")
            return self._values(filled, NUMBER)

    def filled(self, fields: pa.Array) -> pa.Array:
        """The fields with null for those that say that a value is missing."""
        if not self.nulls or fields.type != TEXT:
            return fields
        missing = pc.is_in(fields, value_set=texts_to_arrow(self.nulls))
        return pc.if_else(missing, pa.nulls(1, TEXT)[0], fields)

    def _values(self, filled: pa.Array, dtype: pa.DataType) -> pa.Array:
        if dtype == pa.bool_():
            filled = pc.utf8_lower(filled)
        elif pa.types.is_floating(dtype) and self.decimal != ".":
            points = pc.match_substring(filled, ".")
            if pc.any(points).as_py():
                raise pa.ArrowInvalid(f"a number has a '.' where '{self.decimal}' is the sign")
            filled = pc.replace_substring(filled, self.decimal, ".")
        return filled.cast(dtype)

    def _matches(self, filled: pa.Array, dtype: pa.DataType) -> pa.Array:
        return pc.match_substring_regex(filled, f"^({self._pattern(dtype)})$")

    def _pattern(self, dtype: pa.DataType) -> str:
        pattern = _PATTERNS[dtype]
        return pattern.replace(r"\.", re.escape(self.decimal)) if dtype == NUMBER else pattern


def merged(first: pa.DataType, second: pa.DataType) -> pa.DataType:
    """The type of a column whose parts have these types."""
    if second in (first, EMPTY):
        return first
    if first == EMPTY:
        return second
    return NUMBER if {first, second} == {INTEGER, NUMBER} else TEXT


def text_type(dtype: str) -> pa.DataType | None:
    """The type that text has where another format has this one; None where that must be looked at.

    >>> text_type("uint8"), text_type("timestamp[ns, tz=Europe/Berlin]"), text_type("list<x: int8>")
    (DataType(int64), TimestampType(timestamp[us, tz=UTC]), None)
    """
    coded = re.fullmatch(r"dictionary<values=(\w+), .*>", dtype)
    if coded:
        return text_type(coded.group(1))
    if re.fullmatch(r"u?int\d+", dtype):
        return INTEGER
    if dtype in ("halffloat", "float", "double"):
        return NUMBER
    if dtype in ("string", "large_string", "string_view"):
        return TEXT
    if dtype.startswith("timestamp["):
        return pa.timestamp("us", tz="UTC" if "tz=" in dtype else None)
    if dtype.startswith("date"):
        return pa.date32()
    return pa.bool_() if dtype == "bool" else None


def first_failing(fields: pa.Array, read: Callable[[pa.Array], pa.Array]) -> int:
    """The position of the first field that cannot be read, where not all can."""

    def reads(part: pa.Array) -> bool:
        try:
            read(part)
        except pa.ArrowInvalid:
            return False
        return True

    return _first(fields, reads)


def _first(fields: pa.Array, is_right: Callable[[pa.Array], bool]) -> int:
    """Where a part of the fields first goes wrong, when together they do."""
    low, high = 0, len(fields)
    while high - low > 1:
        middle = (low + high) // 2
        if is_right(fields[low:middle]):
            low = middle
        else:
            high = middle
    return low


def _texts(filled: pa.Array) -> tuple[Signs, NDArray[np.int32], NDArray[np.int32]]:
    """The bytes of all texts, and where each that is not null starts and how long it is."""
    _, ends, data = filled.buffers()
    bounds = np.frombuffer(ends, np.int32)[filled.offset : filled.offset + len(filled) + 1]
    starts, widths = bounds[:-1], np.diff(bounds)
    valid = is_valid(filled)
    if valid is not None:
        starts, widths = starts[valid], widths[valid]
    return np.frombuffer(data, np.uint8), starts, widths


def _are_counts(filled: pa.Array) -> bool:
    """Whether all texts are whole numbers without a sign.

    Much faster than a pattern, and surely right where it says yes; so is the next one.
    """
    signs, starts, widths = _texts(filled)
    if widths.min() < 1 or widths.max() > _MOST_DIGITS:
        return False
    if not _are_digits(signs[starts[0] : starts[-1] + widths[-1]]).all():
        return False
    return bool(((signs[starts] != _ZERO) | (widths == 1)).all())


def _are_plain(filled: pa.Array, values: pa.Array) -> bool:
    """Whether texts that could be read as float64 have neither leading zeros nor many digits."""
    with np.errstate(invalid="ignore"):
        if (np.abs(to_numpy(values)) >= 10.0**_MOST_DIGITS).any():
            return False
    signs, starts, widths = _texts(filled)
    first = signs[starts]
    signed = (first == _PLUS) | (first == _MINUS)
    begins = starts + signed
    zero = np.flatnonzero((signs[begins] == _ZERO) & (widths > 1 + signed))
    return not _are_digits(signs[begins[zero] + 1]).any()


def _are_digits(signs: Signs) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = signs - _ZERO <= _LARGEST_DIGIT
    return found
