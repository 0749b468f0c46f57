"""The options that say how tables are read, the same for every command."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import click

from rebalance.errors import UsageError
from rebalance.storage.reading import BATCH_ROWS, Reading

F = TypeVar("F", bound=Callable[..., Any])

_NAMES = ("delimiter", "quote", "no_header", "encoding", "decimal", "null", "batch_rows")


def parse_delimiter(ctx: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    r"""One sign; a tab may be written as `tab` or `\t`.

    Raises
    ------
    click.BadParameter : no sign, several, or one that ends a line.
    """
    if value in ("tab", "\\t"):
        return "\t"
    if value is not None and (len(value) != 1 or value in "\r\n\0"):
        raise click.BadParameter("give one character, or 'tab'", ctx, parameter)
    return value


def parse_quote(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    """One ASCII sign, or nothing.

    Raises
    ------
    click.BadParameter : anything else.
    """
    if len(value) > 1 or not value.isascii() or value in ("\r", "\n", "\0"):
        raise click.BadParameter("give one ASCII character, or '' for none", ctx, parameter)
    return value


def parse_encoding(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    """What Python's codecs know.

    Raises
    ------
    click.BadParameter : they do not know it, or it is not one of text.
    """
    try:
        codecs.lookup(value)
        "".encode(value)
    except (LookupError, ValueError):
        raise click.BadParameter(
            f"there is no encoding '{value}'; known are utf-8, latin-1, cp1252, utf-16, shift_jis, "
            "gb18030 and the others of Python's codecs",
            ctx,
            parameter,
        ) from None
    return value


def reading_options(command: F) -> F:
    """The options; `take_reading` makes one `Reading` of them."""
    for decorate in (
        click.option(
            "--batch-rows",
            type=click.IntRange(1, 1 << 30),
            default=BATCH_ROWS,
            show_default=True,
            metavar="N",
            help="Rows that pass through memory together; results do not depend on it.",
        ),
        click.option(
            "--null",
            multiple=True,
            metavar="TOKEN",
            help="CSV: a field that says that a value is missing, as NA; repeatable.  "
            "[default: '', the empty field]",
        ),
        click.option(
            "--decimal",
            type=click.Choice([".", ","]),
            default=".",
            show_default=True,
            help="CSV: the sign before a number's fraction.",
        ),
        click.option(
            "--encoding",
            default="utf-8",
            show_default=True,
            metavar="NAME",
            callback=parse_encoding,
            help="CSV: the text's encoding, as Python calls it.",
        ),
        click.option(
            "--no-header",
            is_flag=True,
            help="CSV: the first line is a row; columns are called column0, column1, ...",
        ),
        click.option(
            "--quote",
            default='"',
            show_default=True,
            metavar="C",
            callback=parse_quote,
            help="CSV: the sign around a field that holds a delimiter; '' if there is none.",
        ),
        click.option(
            "--delimiter",
            metavar="C",
            callback=parse_delimiter,
            help="CSV: the sign between fields, or 'tab'.  [default: , ; | or tab, by the header]",
        ),
    ):
        command = decorate(command)
    return command


def take_reading(values: dict[str, Any]) -> Reading:
    """Take the options out of a command's arguments, and make the settings of them.

    Raises
    ------
    UsageError : they contradict each other.
    """
    given = {name: values.pop(name) for name in _NAMES}
    if given["delimiter"] is not None and given["delimiter"] == given["quote"]:
        raise UsageError(
            f"'{given['quote']}' is --delimiter and --quote at once", remedy="name another sign"
        )
    no_header = given.pop("no_header")
    reading = Reading(header=not no_header, nulls=tuple(given.pop("null")), **given)
    all_given = click.get_current_context().params
    if reading.text_options and not all_given.get("calibrate_on"):
        # There is one table only that they can be meant for.
        return replace(reading, only_text=tuple(all_given["inputs"]))
    return reading
