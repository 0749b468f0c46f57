"""`make pilots`: which pilot and score; and whether it harms that a pilot saw the same positives.

Three tables: flights, and two made populations whose probabilities are known, so that their log
loss is the expected one and free of the noise of test labels. Every way trains on as many rows;
then on as many as it can in the time that the default way takes, pilot and sampling included.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rebalance.core.design import Budget
from rebalance.learners.base import Settings
from rebalance.steps.context import Context
from rebalance.steps.pilot import pilot
from rebalance.steps.predict import predict
from rebalance.steps.ready import Asked
from rebalance.steps.sample import sample
from rebalance.steps.split import split
from rebalance.steps.train import train
from rebalance.steps.train_task import TrainAsked
from tests.benchmarks.contest import FLIGHTS, ROOT, replace_table
from tests.benchmarks.crossfit import lines as crossfit_lines

Floats = NDArray[np.float64]

RATE = 0.05
ROWS = 200_000
GUIDE = ROOT / "rebalance" / "guide" / "sampling.md"


@dataclass(frozen=True)
class Way:
    """A pilot and a score; without a pilot rows are chosen uniformly."""

    name: str
    pilot: str | None = None
    score: str | None = None


DEFAULT = Way("logistic, probability", "logistic", "probability")
WAYS = (
    DEFAULT,
    *(
        Way(f"logistic, {score}", "logistic", score)
        for score in ("l-opt", "a-opt", "leverage", "local-case-control")
    ),
    Way("gbm, probability", "gbm", "probability"),
    Way("gbm, leverage", "gbm", "leverage"),
    Way("no pilot, uniform"),
)


@dataclass(frozen=True)
class Problem:
    """Two tables of one population with the label `y`; `truth` in the second where it is known."""

    name: str
    learner: str
    training: Path
    testing: Path


@dataclass(frozen=True)
class Outcome:
    """What one way came to."""

    log_loss: float
    predicted_over_observed: float
    seconds: float


def flights(folder: Path, seed: int) -> Problem:
    """A random 70/30 split."""
    paths = [folder / f"flights-{part}.parquet" for part in ("train", "test")]
    split([str(FLIGHTS)], "late", list(map(str, paths)), test=0.3, seed=seed, context=Context())
    for path in paths:
        table = pq.read_table(path)
        names = ["y" if name == "late" else name for name in table.column_names]
        pq.write_table(table.rename_columns(names), path)
    return Problem("flights", "gbm", *paths)


def made(folder: Path, name: str, seed: int) -> Problem:
    """A population of 1% positives: `linear` in its features, or `curved`."""
    paths = []
    for part in range(2):
        generator = np.random.default_rng([seed, part])
        x = generator.standard_normal((ROWS, 8))
        level = generator.integers(0, 6, ROWS)
        if name == "linear":
            log_odds = -5.6 + x @ np.linspace(1.0, 0.1, 8) + 0.3 * (level - 2.5)
        else:
            log_odds = -6.3 + 1.5 * np.abs(x[:, 0]) + x[:, 1] * (level > 2) + (x[:, 2] > 1)
            log_odds += 0.7 * x[:, 3] * x[:, 4] + 0.5 * x[:, 5]
        truth = 1 / (1 + np.exp(-log_odds))
        columns = {f"x{at}": x[:, at] for at in range(8)}
        columns |= {"level": pa.array([f"l{code}" for code in level])}
        columns |= {"y": (generator.random(ROWS) < truth).astype(np.int8)}
        if part == 1:
            columns["truth"] = truth
        paths.append(folder / f"{name}-{part}.parquet")
        pq.write_table(pa.table(columns), paths[-1])
    return Problem(name, "logistic" if name == "linear" else "gbm", *paths)


def outcome(folder: Path, problem: Problem, way: Way, rate: float, seed: int) -> Outcome:
    """Pilot, sample, train; log loss and calibration on the other table."""
    context, began = Context(), time.perf_counter()
    training, guide = str(problem.training), str(folder / "p.rbl")
    drawn, model = str(folder / "s.parquet"), str(folder / "m.rbl")
    if way.pilot is not None:
        pilot([training], "y", guide, model=way.pilot, seed=seed, context=context)
    if rate < 1:
        chosen = guide if way.pilot else None
        asked = Asked([training], drawn, Budget(rate=rate), chosen, "y", score=way.score, seed=seed)
        sample(asked, context)
    train(
        TrainAsked(
            [drawn if rate < 1 else training],
            model,
            model=problem.learner,
            natural=rate >= 1,
            label="y",
            settings=Settings(seed=seed),
        ),
        context,
    )
    seconds = time.perf_counter() - began
    return Outcome(*measured(folder, problem, model), seconds)


def measured(folder: Path, problem: Problem, model: str) -> tuple[float, float]:
    """Log loss, expected where the truth is known, and predicted over observed."""
    scored = str(folder / "scored.parquet")
    known = "truth" in pq.read_schema(problem.testing).names
    outcome_column = "truth" if known else "y"
    predict([str(problem.testing)], model, scored, keep=[outcome_column], context=Context())
    table = pq.read_table(scored)
    y, prob = (table[name].to_numpy() for name in (outcome_column, "rb_probability"))
    prob = np.clip(prob, 1e-15, 1 - 1e-15)
    log_loss = -(y * np.log(prob) + (1 - y) * np.log1p(-prob)).mean()
    return float(log_loss), float(prob.sum() / y.sum())


def compare(folder: Path, seeds: Sequence[int]) -> list[list[str]]:
    """Every way on every problem: the mean ratio to the log loss of everything."""
    lines = []
    found: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for seed in seeds:
        problems = [
            flights(folder, seed),
            made(folder, "linear", seed),
            made(folder, "curved", seed),
        ]
        for problem in problems:
            whole = outcome(folder, problem, Way("everything"), 1.0, seed)
            allowed = 0.0
            for way in WAYS:
                one = outcome(folder, problem, way, RATE, seed)
                allowed = allowed or one.seconds
                # The time goes with the rows, so this comes near enough to the same time.
                rate = min(RATE * allowed / one.seconds, 0.999)
                timed = one if way == DEFAULT else outcome(folder, problem, way, rate, seed)
                found.setdefault((way.name, problem.name), []).append(
                    (
                        one.log_loss / whole.log_loss,
                        one.predicted_over_observed,
                        timed.log_loss / whole.log_loss,
                        one.seconds / whole.seconds,
                    )
                )
            print(f"seed {seed}, {problem.name} done", flush=True)
    for way in WAYS:
        cells = [way.name]
        for problem_name in ("flights", "linear", "curved"):
            rows, predicted, timed, seconds = zip(*found[way.name, problem_name], strict=True)
            cells += [
                f"{statistics.mean(rows):.4f}",
                f"{statistics.mean(timed):.4f}",
                f"{statistics.mean(predicted):.3f}",
                f"{statistics.median(seconds):.2f}",
            ]
        lines.append(cells)
    return lines


def honesty(folder: Path, seeds: Sequence[int]) -> list[list[str]]:
    """The same sample size with a gbm pilot of the same rows, and of rows never seen again."""
    lines = []
    for name in ("flights", "curved"):
        differences: list[tuple[float, float]] = []
        levels: list[tuple[float, float]] = []
        for seed in seeds:
            problem = flights(folder, seed) if name == "flights" else made(folder, name, seed)
            table = pq.read_table(problem.training)
            half = np.random.default_rng(seed).random(len(table)) < 0.5
            parts = [folder / "half0.parquet", folder / "half1.parquet"]
            for path, rows in zip(parts, (half, ~half), strict=True):
                pq.write_table(table.filter(pa.array(rows)), path)
            results = [piloted(folder, problem, parts[0], source, seed) for source in parts]
            differences.append(tuple(a - b for a, b in zip(*results, strict=True)))  # type: ignore[arg-type]
            levels.append(results[1])
        means = [statistics.mean(each) for each in zip(*differences, strict=True)]
        errors = [
            statistics.stdev(each) / len(seeds) ** 0.5 for each in zip(*differences, strict=True)
        ]
        base = [statistics.mean(each) for each in zip(*levels, strict=True)]
        lines.append(
            [
                name,
                f"{base[0]:.5f}",
                f"{means[0] / base[0]:+.2%} +- {errors[0] / base[0]:.2%}",
                f"{base[1]:.3f}",
                f"{means[1]:+.3f} +- {errors[1]:.3f}",
            ]
        )
    return lines


def piloted(
    folder: Path, problem: Problem, training: Path, source: Path, seed: int
) -> tuple[float, float]:
    """A gbm trained on a sample of one table with the gbm pilot of another."""
    context, guide = Context(), str(folder / "p.rbl")
    drawn, model = str(folder / "s.parquet"), str(folder / "m.rbl")
    pilot([str(source)], "y", guide, model="gbm", seed=seed, context=context)
    sample(Asked([str(training)], drawn, Budget(rate=RATE), guide, seed=seed), context)
    train(TrainAsked([drawn], model, model="gbm", settings=Settings(seed=seed)), context)
    return measured(folder, problem, model)


def markdown(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table, its first column to the left."""
    aligned = ["---", *["---:"] * (len(headings) - 1)]
    return "".join(f"| {' | '.join(line)} |\n" for line in (headings, aligned, *lines))


def main() -> None:
    """Measure, print, and put the tables into the guide if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="put the tables into the guide")
    chosen = parser.parse_args()
    seeds = range(chosen.seeds)
    each = ["equal rows", "equal time", "predicted / observed", "time"]
    headings = [
        "pilot, score",
        *(f"{name}: {what}" for name in ("flights", "linear", "curved") for what in each),
    ]
    with tempfile.TemporaryDirectory() as name:
        tables = {
            "crossfit": markdown(["", "linear", "curved"], crossfit_lines()),
            "pilots": markdown(headings, compare(Path(name), seeds)),
            "honesty": markdown(
                [
                    "table", "log loss, other rows", "same rows' difference",
                    "predicted / observed, other rows", "same rows' difference",
                ],
                honesty(Path(name), range(2 * chosen.seeds)),
            ),
        }  # fmt: skip
    for name, table in tables.items():
        print(table)
        if chosen.write:
            replace_table(GUIDE, name, table)


if __name__ == "__main__":
    main()
