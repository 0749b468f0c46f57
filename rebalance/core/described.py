"""Documents of JSON as what they describe, once sure that every value is of the type it should be.

The type says what is read: a dataclass is an object with its fields, of which those without a
default must be there, and others are passed over; a tuple or a list is an array; a Mapping is an
object of any names. Numbers are finite, and true and false are none.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
N = TypeVar("N", np.float32, np.float64)

_WORDS = {str: "a text", bool: "true or false", int: "a whole number", float: "a finite number"}
_LISTS, _OBJECTS = (tuple, list), (dict, Mapping)
_SHOWN = 40
_LARGEST = sys.float_info.max


def read_document(kind: type[T], document: object) -> T:
    """What a document describes.

    Raises
    ------
    ValueError : a value is missing, or of another type; says which.
    """
    found: T = _read(kind, document)
    return found


def read_json(kind: type[T], content: bytes) -> T:
    """What JSON in these bytes describes.

    Raises
    ------
    ValueError : it is no JSON, or see `read_document`.
    """
    return read_document(kind, json.loads(content))


def array_bytes(values: NDArray[Any]) -> bytes:
    """An array as a `.npy` file."""
    stream = io.BytesIO()
    np.save(stream, values, allow_pickle=False)
    return stream.getvalue()


def read_array(content: bytes, dtype: type[N], *shape: int | None) -> NDArray[N]:
    """The array in the bytes of a `.npy` file; None stands for any length.

    Raises
    ------
    ValueError : it is of another type or shape, or holds numbers that are not finite.
    """
    found: NDArray[N] = np.load(io.BytesIO(content), allow_pickle=False)
    fits = found.dtype == dtype and found.ndim == len(shape)
    if not fits or any(n not in (None, m) for n, m in zip(shape, found.shape, strict=True)):
        wanted = " x ".join("n" if length is None else str(length) for length in shape)
        raise ValueError(f"it is no array of {wanted} numbers of type {np.dtype(dtype)}")
    if not np.isfinite(found).all():
        raise ValueError("it holds numbers that are not finite")
    return found


class _OtherError(ValueError):
    """A value is not what it should be; its path grows from there up to the whole."""

    def __init__(self, said: str, *path: str) -> None:
        self.path = [*path]
        self._said = said

    def __str__(self) -> str:
        return f"{repr('/'.join(self.path)) if self.path else 'it'} is {self._said}"


def _read(kind: Any, value: Any) -> Any:
    if kind in _WORDS:
        return _scalar(kind, value)
    if kind is Any:
        return value
    origin, inner = get_origin(kind) or kind, get_args(kind)
    if origin in (Union, UnionType):
        (wanted,) = (each for each in inner if each is not NoneType)
        return None if value is None else _read(wanted, value)
    if origin in _LISTS:
        found = enumerate(_whole(value, _LISTS, "a list"))
        return origin(_inside(inner[0], each, key) for key, each in found)
    if origin in _OBJECTS:
        found = _whole(value, Mapping, "an object")
        return {key: _inside(inner[1], each, key) for key, each in found.items()}
    if is_dataclass(kind):
        return _object(kind, _whole(value, Mapping, "an object"))
    if not isinstance(value, str) or value not in inner:
        raise _other(value, f"one of {', '.join(map(repr, inner))}")
    return value


def _scalar(kind: Any, value: Any) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is float and number and -_LARGEST <= value <= _LARGEST:  # whole numbers may be larger
        return float(value)
    if kind is float or not isinstance(value, kind) or (kind is int and not number):
        raise _other(value, _WORDS[kind])
    return value


def _object(kind: Any, found: Mapping[str, Any]) -> Any:
    hints, needed = _fields(kind)
    for name in needed:
        if name not in found:
            raise _OtherError("missing", name)
    return kind(
        **{name: _inside(hint, found[name], name) for name, hint in hints.items() if name in found}
    )


def _inside(kind: Any, value: Any, key: str | int) -> Any:
    try:
        return _read(kind, value)
    except _OtherError as exc:
        exc.path.insert(0, str(key))
        raise


@cache
def _fields(kind: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The types of an object's fields by name, and which of them must be there."""
    hints, known = get_type_hints(kind), fields(kind)
    needed = [each.name for each in known if each.default is each.default_factory is MISSING]
    return {each.name: hints[each.name] for each in known}, tuple(needed)


def _whole(value: Any, kind: Any, word: str) -> Any:
    if not isinstance(value, kind):
        raise _other(value, word)
    return value


def _other(value: Any, word: str) -> _OtherError:
    shown = json.dumps(value)
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
    return _OtherError(f"{shown}, and not {word}")
