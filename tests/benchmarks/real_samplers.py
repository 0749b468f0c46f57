"""Every method of `sample` on real tables: it runs or refuses in one line, and keeps rows whole.

`python -m tests.benchmarks.real_samplers [TABLE...]`. Each method is typed as one would at first,
and where that is refused again with what the refusal says: --impute, --drop, --set.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
from click.testing import CliRunner

from rebalance.cli.main import cli
from rebalance.samplers.imbalanced import CLASSIC, Method
from tests.benchmarks.real_tables import SOURCES, RealTable, write

STREAMED = ("uniform", "random-under", "random-over")
CHAINS = ("nonuniform,smotenc", "uniform,smote", "uniform,enn")
# A refusal is one of these: usage, data, a fit that finds nothing.
REFUSED = (2, 3, 5)
_WHOLE = re.compile(r"-?\d+")


@dataclass(frozen=True)
class Outcome:
    """What came of one command: its exit code, and the line of its refusal."""

    command: str
    code: int
    said: str


class BrokenError(AssertionError):
    """Something that must not be: a traceback, a message of several lines, a changed row."""


def check_table(name: str, folder: Path, ending: str) -> Iterator[tuple[str, list[Outcome], str]]:
    """Each method with what came of it, typed plainly and then by its refusal's remedy.

    The last is what is broken (see `BrokenError`), or empty.
    """
    path, found = write(name, folder, ending)
    out = folder / f"sample.{ending}"
    pilot = folder / "pilot.rbl"
    label = ["-l", found.label, "--positive", found.positive]
    has_pilot = not _run(["pilot", path, *label, "-o", pilot, "-q"]).code
    for method in (*STREAMED, *CLASSIC, *CHAINS):
        if method.startswith("nonuniform") and not has_pilot:
            continue
        how = ["--pilot", pilot] if method.startswith("nonuniform") else label
        base = ["sample", path, *how, "--method", method, *_budget(method, found), "-o", out, "-q"]
        outcomes: list[Outcome] = []
        broken = ""
        try:
            outcomes.append(_run(base))
            given: list[str] = []
            while outcomes[-1].code and (remedy := _remedy(outcomes[-1].said, given)):
                if len(outcomes) > 5:
                    raise BrokenError(f"what it says does not help: {outcomes[-1].said}")
                given += remedy
                outcomes.append(_run([*base, *given]))
            if not outcomes[-1].code:
                check_rows(path, out, found, ending)
        except BrokenError as exc:
            broken = f"{name}, {method}: {exc}"
        out.unlink(missing_ok=True)
        yield method, outcomes, broken


def _last(method: str) -> Method | None:
    """What a chain ends with, where that works in memory."""
    return CLASSIC.get(method.rpartition(",")[2])


def _budget(method: str, found: RealTable) -> list[object]:
    """Half the negatives per positive that there are, and of a thinning half of the negatives."""
    positives = pc.sum(pc.equal(found.table[found.label], found.positive)).as_py()
    half = max((len(found.table) - positives) / positives / 2, 0.5)
    thins = ["--rate", 0.5] if "," in method else []
    last = _last(method)
    if last is not None and last.role == "clean":
        return thins
    return [*thins, "--ratio", round(half / 2 if thins else half, 3)]


def _remedy(said: str, given: Sequence[str]) -> list[str]:
    """The options that a refusal tells to give, but for another method; of --set the first."""
    drops = re.findall(r"--drop ('[^']+'|[^\s']+)", said)
    values = [value for value in re.findall(r"--set ([\w.-]+=[\w.-]+)", said) if "=N" not in value]
    set_before = {value.partition("=")[0] for value in given}
    values = [value for value in values if value.partition("=")[0] not in set_before][:1]
    found = [part for name in drops for part in ("--drop", name.strip("'"))]
    found += [part for value in values for part in ("--set", value)]
    if "--impute median" in said:
        found += ["--impute", "median"]
    return found


def _run(arguments: Sequence[object]) -> Outcome:
    """One command.

    Raises
    ------
    BrokenError : it ended with a traceback, or refused in more than one line, or with another code.
    """
    texts = [str(argument) for argument in arguments]
    command = " ".join(texts)
    result = CliRunner().invoke(cli, texts)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise BrokenError(f"{command}\n{result.exception!r}")
    if not result.exit_code:
        return Outcome(command, 0, "")
    said = [line for line in result.stderr.splitlines() if line]
    if result.exit_code not in REFUSED or len(said) != 1 or not said[0].startswith("error: "):
        raise BrokenError(f"{command}\n{result.exit_code}: {result.stderr}")
    return Outcome(command, result.exit_code, said[0].removeprefix("error: "))


def check_rows(path: Path, out: Path, found: RealTable, ending: str) -> None:
    """Kept rows are the input's to the last bit, or letter; made ones are such as the table's.

    Raises
    ------
    BrokenError : one is not.
    """
    source, sample = _read(path, ending), _read(out, ending)
    names = found.table.column_names
    made = pa.table({name: [] for name in sample.column_names})
    if "rb_synthetic" in sample.column_names:
        is_made = pc.equal(sample["rb_synthetic"].cast(pa.string()), "true")
        made, sample = sample.filter(is_made), sample.filter(pc.invert(is_made))
    rows = sample["rb_row"].cast(pa.int64())
    if (np.diff(rows.to_numpy()) < 0).any():
        raise BrokenError(f"{out}: rows are out of order")
    kept = source.take(rows)
    for name in names:
        if not _bits(kept[name]).equals(_bits(sample[name])):
            raise BrokenError(f"{out}: '{name}' was changed in rows that were kept")
    if not len(made):
        return
    for name in names:
        got, of_source = made[name], source[name]
        texts = {value for value in got.to_pylist() if value not in (None, "")}
        whole = all(_WHOLE.fullmatch(str(value)) for value in of_source.to_pylist() if value)
        if whole and texts:
            known = [int(value) for value in of_source.to_pylist() if value not in (None, "")]
            if not min(known) <= min(map(int, texts)) <= max(map(int, texts)) <= max(known):
                raise BrokenError(f"{out}: '{name}' of made rows leaves its range")
        elif pa.types.is_string(found.table[name].type) and not texts <= set(of_source.to_pylist()):
            raise BrokenError(f"{out}: '{name}' of made rows has values that no row has")


def _read(path: Path, ending: str) -> pa.Table:
    """A table; of CSV each value as it is written."""
    if ending == "parquet":
        return pq.read_table(path)
    with path.open(encoding="utf-8") as file:
        names = file.readline().strip().replace('"', "").split(",")
    kinds = pcsv.ConvertOptions(
        column_types={name: pa.string() for name in names}, strings_can_be_null=False
    )
    return pcsv.read_csv(path, convert_options=kinds)


def _bits(column: pa.ChunkedArray) -> pa.Array:
    """A column by which 0.0 and -0.0 differ, and NaN is itself."""
    array = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    return array.view(pa.int64()) if pa.types.is_float64(array.type) else array


def _plain(method: str, name: str, outcome: Outcome) -> str:
    """What a refusal says, without the names of methods, files and columns."""
    text = re.sub(rf"file '[^']*{re.escape(name)}[^']*'(, columns? '[^;]*)?", "FILE", outcome.said)
    return f"exit {outcome.code}: {text.replace(method.rpartition(',')[2], 'METHOD')}"


def main(names: Sequence[str]) -> None:
    """Check all tables, or those named; print each method's outcomes, and what was said."""
    counts: dict[str, Counter[str]] = {}
    said: Counter[str] = Counter()
    broken: list[str] = []
    for at, name in enumerate(names or SOURCES):
        ending = ("parquet", "csv")[at % 2]
        start = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="rebalance-real-") as folder:
            for method, outcomes, wrong in check_table(name, Path(folder), ending):
                if wrong:
                    broken.append(wrong)
                    continue
                word = "refused" if outcomes[-1].code else "remedied" if outcomes[1:] else "ran"
                counts.setdefault(method, Counter())[word] += 1
                if word == "refused":
                    said[_plain(method, name, outcomes[-1])] += 1
        print(f"{name} ({ending}): {time.perf_counter() - start:.0f} s", file=sys.stderr)
    print("What is refused in the end, and how often:")
    for line, times in sorted(said.items()):
        print(f"{times:4d} x {line}")
    print("\n| method | ran | after the remedy | refused |\n| --- | ---: | ---: | ---: |")
    for method, found in counts.items():
        print(f"| {method} | {found['ran']} | {found['remedied']} | {found['refused']} |")
    if broken:
        raise SystemExit("\n".join(["broken:", *broken]))


if __name__ == "__main__":
    main(sys.argv[1:])
