"""One pass or two, cut in any way: the rows that the formulas choose, to the last bit."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from rebalance.core.design import Budget
from rebalance.core.draws import Purpose, uniforms
from rebalance.errors import DataError
from rebalance.steps.artifacts.drawn import read_design
from rebalance.steps.artifacts.pilot import read_pilot
from rebalance.steps.context import Context
from rebalance.steps.pilot import pilot
from rebalance.steps.ready import Asked
from rebalance.steps.sample import sample
from rebalance.storage.reading import Reading
from tests.conftest import simulate

COUNT = 6_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table with text and a key, in input order and sorted by score, and pilots of it."""
    found = tmp_path_factory.mktemp("selection")
    table, log_odds = simulate(COUNT, 12)
    generator = np.random.default_rng(0)
    table = table.append_column("shop", pa.array(generator.choice(["a", "b", "c"], COUNT)))
    table = table.append_column("id", pa.array([f"k{row}" for row in range(COUNT)]))
    pq.write_table(table, found / "t.parquet")
    pq.write_table(table.take(np.argsort(log_odds)), found / "rising.parquet")
    pq.write_table(table.take(np.argsort(-log_odds)), found / "falling.parquet")
    for model in ("logistic", "gbm"):
        pilot(
            [str(found / "t.parquet")], "y", str(found / f"{model}.rbl"), model=model, drop=["id"],
            size=500, context=Context(),
        )  # fmt: skip
    return found


def drawn(inputs: list[Path], out: Path, **options: object) -> tuple[pa.Table, list[str]]:
    """The sample, and what was said."""
    context = Context(
        threads=options.pop("threads", None),  # type: ignore[arg-type]
        reading=Reading(batch_rows=options.pop("batch_rows", 131_072)),  # type: ignore[arg-type]
    )
    options.setdefault("budget", Budget(rate=0.05))
    sample(Asked([str(path) for path in inputs], str(out), **options), context)  # type: ignore[arg-type]
    return pq.read_table(out), context.notes


def by_the_formulas(path: Path, pilot_path: Path, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows kept and their pi: c by a root finder over all negatives, draws row by row."""
    table = pq.read_table(path).combine_chunks()
    read = read_pilot(str(pilot_path))
    columns = {name: table[name].combine_chunks() for name in read.kinds}
    score = 1 / (1 + np.exp(-read.log_odds(columns)))
    positive = table["y"].to_numpy() == 1
    negatives = score[~positive]

    def excess(log_c: float) -> float:
        kept = np.clip(np.exp(log_c) * negatives, 0.1 * rate, 1)
        return float(kept.sum() - rate * len(negatives))

    c = np.exp(brentq(excess, -10, 10, xtol=1e-13))
    pi = np.where(positive, 1, np.clip(c * score, 0.1 * rate, 1))
    u = uniforms(0, Purpose.SAMPLE, 0, COUNT)
    # c is solved to 1e-4: a draw that is nearer than that to its pi may fall either way.
    assert (np.abs(u / pi - 1) > 2e-4).all()
    return np.flatnonzero(u < pi), pi


@pytest.mark.parametrize("model", ["logistic", "gbm"])
@pytest.mark.parametrize("name", ["t", "rising", "falling"])
@pytest.mark.parametrize("batch_rows", [131_072, 500])
def test_the_rows_are_those_of_the_formulas(
    folder: Path, tmp_path: Path, model: str, name: str, batch_rows: int
) -> None:
    path, chosen = folder / f"{name}.parquet", folder / f"{model}.rbl"
    grouped = tmp_path / "grouped.parquet"
    pq.write_table(pq.read_table(path), grouped, row_group_size=1_000)
    rows, pi = by_the_formulas(path, chosen, 0.05)
    found, notes = drawn(
        [grouped], tmp_path / "s.parquet", pilot=str(chosen), batch_rows=batch_rows
    )
    assert found["rb_row"].to_pylist() == rows.tolist()
    assert found["rb_pi"].to_numpy() == pytest.approx(pi[rows], rel=1e-4)
    whole = pq.read_table(path)
    assert found.select(whole.column_names).equals(whole.take(rows))
    # Scores that fall promise too low a c at first: those parts are read again, and it is said.
    again = [note for note in notes if "read a second time" in note]
    assert bool(again) == (name == "falling")


@pytest.fixture(scope="module")
def whole(folder: Path) -> dict[tuple[str, str], pa.Table]:
    """The samples of whole tables, by their name and the pilot's."""
    return {
        (name, model): drawn(
            [folder / f"{name}.parquet"],
            folder / "whole.parquet",
            pilot=str(folder / f"{model}.rbl"),
        )[0]
        for name in ("t", "falling")
        for model in ("logistic", "gbm")
    }


@settings(max_examples=25)
@given(
    batch_rows=st.sampled_from([7, 100, 999, 10_000]),
    group=st.integers(50, 7_000),
    threads=st.integers(1, 4),
    cut=st.integers(1, COUNT - 1),
    kind=st.sampled_from(["parquet", "csv"]),
    name=st.sampled_from(["t", "falling"]),
    model=st.sampled_from(["logistic", "gbm"]),
)
def test_however_the_work_is_cut_up(
    folder: Path,
    whole: dict[tuple[str, str], pa.Table],
    batch_rows: int,
    group: int,
    threads: int,
    cut: int,
    kind: str,
    name: str,
    model: str,
) -> None:
    table = pq.read_table(folder / f"{name}.parquet")
    chosen = str(folder / f"{model}.rbl")
    with tempfile.TemporaryDirectory() as made:
        here = Path(made)
        for number, part in enumerate((table.slice(0, cut), table.slice(cut))):
            if kind == "csv":
                pcsv.write_csv(part, here / f"{number}.csv")
            else:
                pq.write_table(part, here / f"{number}.parquet", row_group_size=group)
        parts = [here / f"{number}.{kind}" for number in (0, 1)]
        found, _ = drawn(
            parts, here / "s.parquet", pilot=chosen, batch_rows=batch_rows, threads=threads
        )
    for column in ("rb_row", "rb_pi", "rb_offset", "x1", "shop", "id"):
        assert found[column].to_pylist() == whole[name, model][column].to_pylist()


def test_with_a_key_the_order_and_growth_of_a_table_change_no_choice(
    folder: Path, tmp_path: Path
) -> None:
    options = {"label": "y", "key": "id", "budget": Budget(rate=0.1)}
    first, _ = drawn([folder / "t.parquet"], tmp_path / "s.parquet", **options)
    other, _ = drawn([folder / "rising.parquet"], tmp_path / "s.parquet", **options)
    assert set(first["id"].to_pylist()) == set(other["id"].to_pylist())
    assert first["id"].to_pylist() != other["id"].to_pylist()
    more, _ = simulate(COUNT, 13)
    more = more.append_column("shop", pa.array(["a"] * COUNT))
    more = more.append_column("id", pa.array([f"new{row}" for row in range(COUNT)]))
    pq.write_table(more, tmp_path / "more.parquet")
    grown, _ = drawn(
        [tmp_path / "more.parquet", folder / "t.parquet"], tmp_path / "s.parquet", **options
    )
    kept = {key for key in grown["id"].to_pylist() if key.startswith("k")}
    assert kept == set(first["id"].to_pylist())
    drawn_design = read_design("", pq.read_metadata(tmp_path / "s.parquet").metadata)
    assert drawn_design is not None
    assert (drawn_design.design.key, drawn_design.design.draw_key) == ("id", "id")


def test_keys_that_repeat_are_counted_and_keys_that_are_missing_refused(
    folder: Path, tmp_path: Path
) -> None:
    table = pq.read_table(folder / "t.parquet")
    double = pa.concat_tables([table, table.slice(0, 17)])
    pq.write_table(double, tmp_path / "double.parquet")
    options = {"label": "y", "key": "id", "budget": Budget(rate=0.1)}
    _, notes = drawn([tmp_path / "double.parquet"], tmp_path / "s.parquet", **options)
    assert any(note.startswith("17 rows have a 'id' that an earlier row has") for note in notes)
    gaps = pa.array([None if row in (50, 60) else f"k{row}" for row in range(COUNT)])
    pq.write_table(table.set_column(5, "id", gaps), tmp_path / "gaps.parquet")
    with pytest.raises(DataError, match="missing in 2 rows") as raised:
        drawn([tmp_path / "gaps.parquet"], tmp_path / "s.parquet", **options)
    assert "first in row 50" in str(raised.value)


@pytest.mark.parametrize("rare", ["0", "1"])
def test_a_label_that_is_not_known_beforehand(folder: Path, tmp_path: Path, rare: str) -> None:
    # Whichever value is positive, all its rows are kept, though at first nobody knows it.
    generator = np.random.default_rng(8)
    names = np.where(generator.random(COUNT) < 0.1, "rare", "common")
    names[:400] = "rare"  # the commonest value of the first rows
    table = pa.table({"label": names if rare == "0" else (names == "common").astype(int)})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=200)
    found, _ = drawn([tmp_path / "t.parquet"], tmp_path / "s.parquet", label="label")
    positive = table["label"].to_numpy(zero_copy_only=False) == ("rare" if rare == "0" else 1)
    u = uniforms(0, Purpose.SAMPLE, 0, COUNT)
    assert found["rb_row"].to_pylist() == np.flatnonzero((u < 0.05) | positive).tolist()


@pytest.mark.parametrize("budget", [Budget(ratio=4.0), Budget(rows=900)])
def test_budgets_that_depend_on_the_counts(folder: Path, tmp_path: Path, budget: Budget) -> None:
    table = pq.read_table(folder / "t.parquet")
    pcsv.write_csv(table, tmp_path / "t.csv")
    positives = int(table["y"].to_numpy().sum())
    wanted = 4 * positives if budget.ratio else 900 - positives
    found = [
        drawn([path], tmp_path / "s.parquet", pilot=str(folder / "gbm.rbl"), budget=budget)[0]
        for path in (folder / "t.parquet", tmp_path / "t.csv")
    ]
    assert found[0]["rb_row"].to_pylist() == found[1]["rb_row"].to_pylist()
    # A sum of independent draws of variance at most `wanted`: four standard deviations.
    assert abs(len(found[0]) - positives - wanted) < 4 * np.sqrt(wanted)
