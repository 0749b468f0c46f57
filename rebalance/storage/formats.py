"""The formats of tables, by a file's name or by how it begins."""

from __future__ import annotations

from rebalance.errors import UsageError

_ENDINGS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
}
_PACKINGS = (".gz", ".zst", ".bz2")
_TEXTS = {"csv", "tsv", "jsonl"}
_KNOWN = ".parquet, .arrow (.feather, .ipc), .csv, .tsv or .jsonl (.ndjson)"


def file_format(name: str) -> str:
    """The format that a file's name says: parquet, arrow, csv, tsv or jsonl.

    Raises
    ------
    UsageError : no known ending.
    """
    found = format_if_known(name)
    if found is None:
        raise UsageError(
            f"cannot tell the format of '{name}' from its name",
            remedy=f"end it in {_KNOWN}; text also with {', '.join(_PACKINGS)} after that",
        )
    return found


def format_if_known(name: str) -> str | None:
    """The format that a file's name says, if it says one.

    >>> format_if_known("a.CSV.gz"), format_if_known("a.parquet.gz"), format_if_known("notes.md")
    ('csv', None, None)
    """
    plain = unpacked(name)
    found = next((format for end, format in _ENDINGS.items() if plain.endswith(end)), None)
    return found if plain == name.lower() or found in _TEXTS else None


def unpacked(name: str) -> str:
    """The name in small letters, without the ending that says how it was packed."""
    lowered = name.lower()
    return next((lowered.removesuffix(end) for end in _PACKINGS if lowered.endswith(end)), lowered)
