"""`rebalance sample`: which rows, with which probabilities, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from rebalance.steps.artifacts.drawn import read_design
from rebalance.steps.artifacts.pilot import read_pilot
from rebalance.steps.context import Context
from rebalance.storage.inputs import open_table
from tests.conftest import Invoke, Simulated


@pytest.fixture(scope="module")
def pilot(simulated: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from rebalance.steps.pilot import pilot as step

    out = tmp_path_factory.mktemp("pilot") / "p.rbl"
    step([str(simulated.path)], "y", str(out), size=1000, context=Context())
    return out


def test_kept_rows_are_the_inputs_with_the_columns_of_the_design(
    simulated: Simulated, pilot: Path, tmp_path: Path, done: Invoke
) -> None:
    out = tmp_path / "s.parquet"
    document = json.loads(
        done(
            ["sample", simulated.path, "--pilot", pilot, "--rate", 0.05, "-o", out, "--json"]
        ).stdout
    )
    kept = pq.read_table(out)
    assert kept.column_names == ["x1", "x2", "x3", "y", "rb_row", "rb_pi", "rb_weight", "rb_offset"]
    rows = kept["rb_row"]
    assert kept.select(["x1", "x2", "x3", "y"]).equals(simulated.table.take(rows))
    assert (np.diff(rows.to_numpy()) > 0).all()
    positive = kept["y"].to_numpy() == 1
    assert positive.sum() == document["positives"] == document["kept_positives"]
    assert (kept["rb_pi"].to_numpy()[positive] == 1).all()
    assert kept["rb_weight"].to_numpy() == pytest.approx(1 / kept["rb_pi"].to_numpy())
    negative_pi = kept["rb_pi"].to_numpy()[~positive]
    assert kept["rb_offset"].to_numpy()[~positive] == pytest.approx(-np.log(negative_pi))
    # A kept positive's offset is that of a negative at its x: not 0.
    assert (kept["rb_offset"].to_numpy()[positive] > 0).mean() > 0.9
    assert document["expected_negatives"] == pytest.approx(0.05 * document["negatives"], rel=1e-4)
    # Poisson draws: four standard deviations.
    deviation = document["standard_deviation"]
    assert abs((~positive).sum() - document["expected_negatives"]) < 4 * deviation


def test_probabilities_are_the_formulas(
    simulated: Simulated, pilot: Path, tmp_path: Path, done: Invoke
) -> None:
    out, every = tmp_path / "s.parquet", tmp_path / "every.parquet"
    arguments = ["sample", simulated.path, "--pilot", pilot, "--rate", 0.05, "-o", out]
    document = json.loads(done([*arguments, "--probabilities", every, "--json"]).stdout)
    table = pq.read_table(every)
    assert table.column_names == ["rb_row", "score", "pi_0", "pi_1"]
    assert table["rb_row"].to_pylist() == list(range(60_000))
    read = read_pilot(str(pilot))
    log_odds = np.concatenate(
        [
            read.log_odds(batch.features(read.kinds))
            for batch in open_table([str(simulated.path)]).batches()
        ]
    )
    score = 1 / (1 + np.exp(-log_odds))
    assert table["score"].to_numpy() == pytest.approx(score, rel=1e-9)
    expected = np.clip(document["c"] * score, document["floor"], 1)
    assert table["pi_0"].to_numpy() == pytest.approx(expected, rel=1e-9)
    assert document["floor"] == pytest.approx(0.005)
    negative = simulated.table["y"].to_numpy() == 0
    assert expected[negative].sum() == pytest.approx(0.05 * negative.sum(), rel=1e-4)


def test_a_smaller_rate_keeps_a_subset(
    simulated: Simulated, pilot: Path, tmp_path: Path, done: Invoke
) -> None:
    found = {}
    for rate in (0.02, 0.05):
        out = tmp_path / f"{rate}.parquet"
        done(["sample", simulated.path, "--pilot", pilot, "--rate", rate, "-o", out, "-q"])
        found[rate] = set(pq.read_table(out)["rb_row"].to_pylist())
    assert found[0.02] < found[0.05]


def test_batches_threads_and_formats_change_nothing(
    simulated: Simulated,
    pilot: Path,
    tmp_path: Path,
    done: Invoke,
) -> None:
    csv = tmp_path / "t.csv"
    pcsv.write_csv(simulated.table, csv)
    halves = [tmp_path / "1.parquet", tmp_path / "2.parquet"]
    pq.write_table(simulated.table.slice(0, 25_001), halves[0], row_group_size=999)
    pq.write_table(simulated.table.slice(25_001), halves[1])
    results = []
    for number, inputs in enumerate([[simulated.path], [csv], halves, [simulated.path]]):
        how = ["--batch-rows", 1009, "--threads", 1] if number == 3 else []
        out = tmp_path / f"s{number}.parquet"
        done(["sample", *inputs, "--pilot", pilot, "--rate", 0.03, "-o", out, "-q", *how])
        table = pq.read_table(out)
        results.append([table[name].to_pylist() for name in ("rb_row", "rb_pi", "rb_offset")])
    assert results[0] == results[1] == results[2] == results[3]


def test_the_same_seed_gives_the_same_bytes(
    simulated: Simulated, pilot: Path, tmp_path: Path, done: Invoke
) -> None:
    made = []
    for seed in (4, 4, 5):
        out = tmp_path / "s.parquet"
        done(["sample", simulated.path, "--pilot", pilot, "--ratio", 3, "--seed", seed, "-o", out])
        made.append(out.read_bytes())
    assert made[0] == made[1]
    assert made[0] != made[2]


def test_a_csv_sample_has_its_design_beside_it_and_its_text_untouched(
    tmp_path: Path, done: Invoke
) -> None:
    source = tmp_path / "t.csv"
    lines = [f"00{row},{row / 3:.2f}0,{'yes' if row % 20 == 0 else 'no'}" for row in range(400)]
    source.write_text("code,amount,bad\n" + "\n".join(lines) + "\n")
    out = tmp_path / "s.csv"
    done(["sample", source, "-l", "bad", "--rate", 0.1, "-o", out])
    kept = out.read_text().splitlines()
    assert kept[0] == "code,amount,bad,rb_row,rb_pi,rb_weight,rb_offset"
    for line in kept[1:]:
        *fields, row, pi, weight, offset = line.split(",")
        assert ",".join(fields) == lines[int(row)]
        assert (float(pi), float(weight)) == ((1, 1) if fields[2] == "yes" else (0.1, 10))
        assert float(offset) == pytest.approx(np.log(10))
    drawn = read_design(str(out), {})
    assert drawn is not None
    assert drawn.design.rate == 0.1
    assert drawn.design.label.positive == "yes"


def test_to_standard_output_as_csv(
    simulated: Simulated, pilot: Path, tmp_path: Path, done: Invoke
) -> None:
    design = tmp_path / "d.json"
    arguments = ["sample", simulated.path, "--pilot", pilot, "--rate", 0.01, "-o", "-"]
    result = done([*arguments, "--design", design])
    table = pcsv.read_csv(pa.BufferReader(result.stdout.encode()))
    assert table.column_names[-1] == "rb_offset"
    assert pc.sum(table["y"]).as_py() == simulated.table["y"].to_numpy().sum()
    assert json.loads(design.read_text())["kind"] == "design"


def test_uniform_needs_no_pilot(simulated: Simulated, tmp_path: Path, done: Invoke) -> None:
    out = tmp_path / "s.parquet"
    done(["sample", simulated.path, "-l", "y", "--rows", 5_000, "-o", out])
    kept = pq.read_table(out)
    positives = int(np.sum(simulated.table["y"].to_numpy()))
    rate = (5_000 - positives) / (60_000 - positives)
    assert set(kept["rb_offset"].to_pylist()) == {-np.log(rate)}
    deviation = np.sqrt((60_000 - positives) * rate * (1 - rate))
    assert abs(len(kept) - 5_000) < 4 * deviation


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "--rate R"),
        (["--rate", "0.1", "--ratio", "3"], 2, "contradict"),
        (["--ratio", "1000"], 2, "the most that is possible"),
        (["--rows", "10"], 2, "positives are all kept"),
        (["--rate", "0.01", "--floor", "0.5"], 2, "above the rate"),
        (["--rate", "0.1", "-l", "x1"], 4, "made for the label 'y'"),
        (["--rate", "0.1", "--positive", "0"], 4, "positive value is '1'"),
        (["--rate", "0.1", "--probabilities", "none/p.parquet"], 2, "does not exist"),
    ],
)
def test_bad_usage(
    simulated: Simulated,
    pilot: Path,
    tmp_path: Path,
    rebalance: Invoke,
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    out = tmp_path / "s.parquet"
    result = rebalance(["sample", simulated.path, "--pilot", pilot, "-o", out, *arguments])
    assert result.exit_code == code
    assert words in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_nonuniform_without_a_pilot(
    simulated: Simulated, tmp_path: Path, rebalance: Invoke
) -> None:
    out = tmp_path / "s.parquet"
    base = ["sample", simulated.path, "--rate", "0.1", "-o", out]
    assert "needs a pilot" in rebalance([*base, "--method", "nonuniform", "-l", "y"]).stderr
    assert "--label" in rebalance(base).stderr


def test_a_pilot_for_other_columns(
    simulated: Simulated, pilot: Path, tmp_path: Path, rebalance: Invoke
) -> None:
    base = ["--pilot", pilot, "--rate", "0.1", "-o", tmp_path / "s.parquet"]
    path = tmp_path / "t.parquet"
    pq.write_table(simulated.table.rename_columns(["x1", "X_2", "x3", "y"]), path)
    result = rebalance(["sample", path, *base])
    assert result.exit_code == 3
    assert "needs the column 'x2'" in result.stderr
    assert "nearest" in result.stderr
    text = simulated.table.set_column(1, "x2", simulated.table["x2"].cast(pa.string()))
    pq.write_table(text, path)
    result = rebalance(["sample", path, *base])
    assert result.exit_code == 3
    assert "as a number" in result.stderr
    csv = tmp_path / "t.csv"
    pcsv.write_csv(simulated.table, csv)
    lines = csv.read_text().splitlines()
    lines[200] = "1,oops,3,0"
    csv.write_text("\n".join(lines))
    result = rebalance(["sample", csv, *base])
    assert result.exit_code == 3
    assert "'oops'" in result.stderr
    assert "line 201" in result.stderr
    assert "'x2'" in result.stderr


def test_own_columns_and_new_label_values_are_refused(
    simulated: Simulated, pilot: Path, tmp_path: Path, rebalance: Invoke
) -> None:
    base = ["--pilot", pilot, "--rate", "0.1", "-o", tmp_path / "s.parquet"]
    path = tmp_path / "t.parquet"
    pq.write_table(simulated.table.append_column("rb_row", simulated.table["y"]), path)
    result = rebalance(["sample", path, *base])
    assert result.exit_code == 3
    assert "'rb_row'" in result.stderr
    strange = pa.array(np.where(np.arange(60_000) == 1234, 2, simulated.table["y"].to_numpy()))
    pq.write_table(simulated.table.set_column(3, "y", strange), path)
    result = rebalance(["sample", path, *base])
    assert result.exit_code == 3
    assert "'2'" in result.stderr
    assert "row 1234" in result.stderr
