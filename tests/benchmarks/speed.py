"""`make bench`: whole commands against the tools a user would otherwise take, on a made table.

This process imports nothing heavy, for its own memory counts in theirs: see `time_process`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.timing import Side, time_in_turn, time_process

HERE = Path(__file__).resolve().parent
LIBRARIES = ("duckdb", "polars", "pandas", "imbalanced-learn", "scikit-learn", "pyarrow")
HEADINGS = (
    "what", "rebalance s", "peer", "peer s", "ratio (range)", "at most", "peak memory MB",
)  # fmt: skip


def _sample(table: str, pilot: str, target: str = "{scratch}/ours.parquet") -> str:
    return f"{{rebalance}} sample {table} --pilot {pilot} --rate 0.01 -o {target}"


def _pilot(table: str, target: str, options: str = "--drop site --drop kind") -> str:
    return f"{{rebalance}} pilot {table} -l y --drop id {options} -o {target}"


def _peer(script: str, table: str) -> str:
    return f"{{python}} {{here}}/peers/{script}.py {table} {{scratch}}/theirs.parquet 0.01"


# A file, and the command that makes it where it is not there yet. Words in braces are such names
# or what `main` sets. Tables stay for the next time, until their maker changes; the rest does not.
DATA = "{python} {here}/speed_data.py"
RECIPES = {
    "table": ("{folder}/{rows}-{maker}.parquet", f"{DATA} {{table}} {{rows}}"),
    "long": ("{folder}/{long_rows}-{maker}.parquet", f"{DATA} {{long}} {{long_rows}}"),
    "csv": ("{folder}/{csv_rows}-{maker}.csv", f"{DATA} {{csv}} {{csv_rows}}"),
    "floats": ("{scratch}/floats.rbl", _pilot("{table}", "{floats}")),
    "long_floats": ("{scratch}/long.rbl", _pilot("{long}", "{long_floats}")),
    "csv_floats": ("{scratch}/csv.rbl", _pilot("{csv}", "{csv_floats}")),
    "strings": ("{scratch}/strings.rbl", _pilot("{table}", "{strings}", "")),
    "gbm": ("{scratch}/gbm.rbl", _pilot("{table}", "{gbm}", "--model gbm --drop site --drop kind")),
    "sampled": ("{scratch}/sampled.parquet", _sample("{table}", "{strings}", "{sampled}")),
    "model": ("{scratch}/model.rbl", "{rebalance} train {sampled} --model logistic -o {model}"),
}


class Words(dict[str, str]):
    """What stands for the words of a command; a file among them is made when first wanted."""

    def __missing__(self, name: str) -> str:
        file, recipe = RECIPES[name]
        self[name] = file.format_map(self)
        if not Path(self[name]).exists():
            command = self.command(recipe)
            print(f"making {self[name]}", file=sys.stderr)
            time_process(command)
        return self[name]

    def command(self, text: str) -> list[str]:
        """The command's arguments, every file that they name made."""
        return [word.format_map(self) for word in text.split()]


@dataclass(frozen=True)
class Row:
    """One row of the table: two commands, or one alone, and what it is to come to at the most.

    Units of `bar`: "x" and "x memory" of the peer's, "s" and "MB" (10^6 bytes) by themselves.
    """

    what: str
    ours: str
    peer: str = ""
    theirs: str = ""
    bar: Mapping[str, float] = field(default_factory=dict)

    def cells(self, sides: Sequence[Side]) -> list[str]:
        """Medians, ratio of the medians and range of the pairs' ratios, peaks; a missed bar."""
        ours, *others = sides
        found = {"s": ours.seconds, "MB": ours.megabytes}
        peer_seconds, ratio, memory = "", "", f"{ours.megabytes:,.0f}"
        for theirs in others:
            found["x"] = ours.seconds / theirs.seconds
            found["x memory"] = ours.megabytes / theirs.megabytes
            pairs = [a.seconds / b.seconds for a, b in zip(ours.runs, theirs.runs, strict=True)]
            peer_seconds = f"{theirs.seconds:.2f}"
            ratio = f"{found['x']:.2f} ({min(pairs):.2f} to {max(pairs):.2f})"
            memory += f" / {theirs.megabytes:,.0f} = {found['x memory']:.2f}"
        bar = ", ".join(
            f"{limit:.3g} {unit}{' (missed)' if found[unit] > limit else ''}"
            for unit, limit in self.bar.items()
        )
        return [self.what, f"{ours.seconds:.2f}", self.peer, peer_seconds, ratio, bar, memory]


FIRST = _sample("{table}", "{floats}")
PREDICT = "{rebalance} predict {table} --model {model} -o {scratch}/ours.parquet"
DUCKDB = ("DuckDB COPY", _peer("duckdb_copy", "{table}"))
POLARS = ("Polars filter, sink", _peer("polars_filter", "{table}"))
UNDERSAMPLER = ("pandas, RandomUnderSampler", _peer("undersample", "{table}"))
SKLEARN = ("pandas, scikit-learn pilot", _peer("sklearn_pilot", "{table}"))
SUMMARIZE = ("DuckDB SUMMARIZE", "{python} {here}/peers/duckdb_summarize.py {table}")
READ = ("pyarrow read_table", "{python} {here}/peers/pyarrow_read.py {table}")
# By the names that --only takes.
ROWS = {
    "copy": Row("`sample`, logistic pilot, 20 floats", FIRST, *DUCKDB, {"x": 1.5}),
    "polars": Row("the same", FIRST, *POLARS),
    "undersample": Row("the same", FIRST, *UNDERSAMPLER, {"x": 1 / 6, "x memory": 1 / 3}),
    "sklearn": Row("the same", FIRST, *SKLEARN),
    "strings": Row("strings in the pilot", _sample("{table}", "{strings}"), *DUCKDB, {"x": 2}),
    "gbm": Row("GBM pilot, 20 floats", _sample("{table}", "{gbm}"), *DUCKDB, {"x": 4}),
    "csv": Row(
        "from CSV, 0.3 times the rows", _sample("{csv}", "{csv_floats}"),
        "DuckDB COPY", _peer("duckdb_copy", "{csv}"), {"x": 1.5},
    ),
    "memory": Row(
        "4 times the rows", _sample("{long}", "{long_floats}"),
        "itself, the rows once", FIRST, {"x memory": 1.15, "MB": 800},
    ),
    "threads": Row(
        "`--threads 2`", f"{FIRST} --threads 2",
        "itself, `--threads 1`", f"{FIRST} --threads 1", {"x": 1 / 1.7},
    ),
    "profile": Row("`profile`", "{rebalance} profile {table} -l y", *SUMMARIZE, {"x": 1.5}),
    "predict": Row("`predict --keep id`, logistic", f"{PREDICT} --keep id", *READ, {"x": 2}),
    "predict-all": Row("`predict`, all columns kept", PREDICT, *READ, {"x": 2}),
    "help": Row("`--help`", "{rebalance} --help", bar={"s": 0.2}),
    "version": Row("`--version`", "{rebalance} --version", bar={"s": 0.2}),
}  # fmt: skip


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """The table with its headings."""
    aligned = ("---", "---:", "---", "---:", "---:", "---", "---:")
    return "".join(f"| {' | '.join(line)} |\n" for line in (HEADINGS, aligned, *lines))


def main() -> None:
    """Measure the rows, print the table, and put it into the README if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()) / "rebalance-speed"
    )
    parser.add_argument("--rows", type=int, default=5_000_000, help="of the table; others scale")
    parser.add_argument("--runs", type=int, default=5, help="of each command, one more to warm up")
    parser.add_argument("--only", choices=ROWS, help="one row of the table")
    parser.add_argument("--write", action="store_true", help="put the table into the README")
    chosen = parser.parse_args()
    if chosen.write and chosen.only:
        parser.error("--write is for the whole table: leave out --only")
    chosen.folder.mkdir(parents=True, exist_ok=True)
    lines: list[list[str]] = []
    with tempfile.TemporaryDirectory(dir=chosen.folder) as scratch:
        words = Words(
            python=sys.executable,
            rebalance=str(Path(sys.executable).parent / "rebalance"),
            here=str(HERE),
            maker=f"{zlib.crc32((HERE / 'speed_data.py').read_bytes()):08x}",
            folder=str(chosen.folder),
            scratch=scratch,
            rows=str(chosen.rows),
            long_rows=str(chosen.rows * 4),
            csv_rows=str(chosen.rows * 3 // 10),
        )
        for name in [chosen.only] if chosen.only else ROWS:
            row = ROWS[name]
            commands = [words.command(text) for text in (row.ours, row.theirs) if text]
            lines.append(row.cells(time_in_turn(commands, chosen.runs)))
            print(f"{name}: {' | '.join(lines[-1])}", file=sys.stderr)
    versions = ", ".join(f"{library} {version(library)}" for library in LIBRARIES)
    measured = f"{chosen.rows:,} rows; {chosen.runs} runs; {os.cpu_count()} cores; {versions}."
    table = f"{markdown(lines)}\n{measured}\n"
    print(table)
    if chosen.write:
        from tests.benchmarks.contest import ROOT, replace_table

        replace_table(ROOT / "README.md", "speed", table)


if __name__ == "__main__":
    main()
