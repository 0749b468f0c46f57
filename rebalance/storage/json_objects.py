"""Blocks of JSON lines, read by Python's json: exact in all, slow, and clear about errors."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from rebalance.errors import DataError
from rebalance.storage.json_blocks import Block
from rebalance.storage.json_shapes import Literal

OLD_NEW = "OLD.json > NEW.jsonl"


def parse_block(block: Block, title: str) -> list[dict[str, Any]]:
    """The objects of a block, as Python's json reads them.

    Raises
    ------
    DataError : a line is no object, with its number and where in it.
    """
    lines = enumerate(block.text.split(b"\n"), block.line)
    return [_object(line, at, title) for at, line in lines if line.strip()]


def _object(line: bytes, number: int, title: str) -> dict[str, Any]:
    where = f"file '{title}', line {number}"
    try:
        text = line.decode()
        found = json.loads(text, object_pairs_hook=_unique, parse_float=_finite)
        if "\\u" in text:
            json.dumps(found, ensure_ascii=False).encode()  # raises over half a surrogate pair
    except json.JSONDecodeError as exc:
        what, remedy = _meaning(text, number, exc)
        raise DataError(what, where=f"{where}, column {exc.colno}", remedy=remedy) from exc
    except UnicodeError as exc:
        raise DataError(
            "the text is not UTF-8", where=where, remedy="JSON is UTF-8: write the file again"
        ) from exc
    except RecursionError as exc:
        raise DataError("a value is nested too deeply", where=where, remedy="flatten it") from exc
    except _BadObjectError as exc:
        raise DataError(str(exc), where=where, remedy=exc.remedy) from exc
    if not isinstance(found, dict):
        what, remedy = _NO_OBJECT if not isinstance(found, list) else _ARRAY
        raise DataError(what, where=where, remedy=remedy)
    return found


class _BadObjectError(Exception):
    """Something that is JSON and cannot be a row."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.remedy = remedy


_NO_OBJECT = ("the line is no object", 'write one object a line, such as {"a": 1}')
_ARRAY = ("the line is an array, not an object", f"write one object a line: jq -c '.[]' {OLD_NEW}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise _BadObjectError(f"the key '{twice}' is there twice", "give every key its own name")
    return found


def _finite(text: str) -> Literal:
    number = Literal(text)
    if abs(number) == float("inf"):
        raise _BadObjectError(f"{text} is too large for a number", "write it as a text, in quotes")
    return number


def _meaning(text: str, number: int, exc: json.JSONDecodeError) -> tuple[str, str]:
    if number == 1 and text.lstrip().startswith("["):
        return _ARRAY
    said = exc.msg[0].lower() + exc.msg[1:]
    spread = number == 1 and exc.pos >= len(text.rstrip())
    remedy = f"write one object a line: jq -c . {OLD_NEW}" if spread else "mend the line"
    return f"the line is not JSON: {said}", remedy
