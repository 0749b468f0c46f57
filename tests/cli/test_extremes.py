"""Numbers and weights near the ends of what a float64 can hold: a result, or one error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import Invoke

ROWS = 4_000


def table(path: Path, change: str) -> Path:
    generator = np.random.default_rng(5)
    x, z = generator.standard_normal((2, ROWS))
    y = (generator.random(ROWS) < 1 / (1 + np.exp(2 - x))).astype(int)
    weight = np.ones(ROWS)
    if change == "one":
        x[500] = 1e160
    elif change == "all":
        x *= 1e160
    elif change == "ends":
        x[500] = -1.7e308
    elif change == "subnormal":
        x *= 1e-310
    elif change:
        weight[500] = float(change)
    pq.write_table(pa.table({"x": x, "z": z, "w": weight, "y": y}), path)
    return path


@pytest.mark.parametrize("change", ["one", "all", "ends", "subnormal"])
def test_a_pilot_scores_numbers_far_from_its_own(change: str, tmp_path: Path, done: Invoke) -> None:
    natural, other = (table(tmp_path / f"{name}.parquet", name) for name in ("", change))
    pilot, out = tmp_path / "p.rbl", tmp_path / "s.parquet"
    done(["pilot", natural, "-l", "y", "--drop", "w", "-o", pilot, "-q"])
    for score in ("probability", "a-opt"):
        shown = done(
            ["sample", other, "--pilot", pilot, "--rate", 0.2, "--score", score, "-o", out]
        )
        assert "nan" not in shown.output
        pi = pq.read_table(out)["rb_pi"].to_numpy()
        assert ((pi > 0) & (pi <= 1)).all()


def test_large_numbers_are_learned_from_in_any_unit(tmp_path: Path, done: Invoke) -> None:
    found = []
    for change in ("", "all"):
        path, model = table(tmp_path / "t.parquet", change), tmp_path / "m.rbl"
        arguments = ["train", path, "-l", "y", "--drop", "w", "--natural", "--model", "logistic"]
        done([*arguments, "-o", model, "-q"])
        done(["predict", path, "--model", model, "-o", tmp_path / "out.parquet", "-q"])
        found.append(pq.read_table(tmp_path / "out.parquet")["rb_probability"].to_numpy())
    assert found[0] == pytest.approx(found[1], abs=1e-9)


@pytest.mark.parametrize(
    ("change", "said"),
    [("ends", "the number -1.7e+308 is too large"), ("subnormal", "too close to tell apart")],
)
def test_what_cannot_be_learned_from_is_one_error(
    change: str, said: str, tmp_path: Path, rebalance: Invoke
) -> None:
    path = table(tmp_path / "t.parquet", change)
    arguments = ["train", path, "-l", "y", "--drop", "w", "--natural", "--model", "logistic"]
    refused = rebalance([*arguments, "-o", tmp_path / "m.rbl"])
    assert refused.exit_code == 3
    assert said in refused.stderr
    assert "column 'x'" in refused.stderr


@pytest.mark.parametrize(
    ("weight", "said"), [("1e300", "1e+300 is too large"), ("1e-310", "too small")]
)
@pytest.mark.parametrize("command", ["pilot", "evaluate"])
def test_weights_beyond_sums_of_squares_are_one_error(
    weight: str, said: str, command: str, tmp_path: Path, rebalance: Invoke
) -> None:
    path = table(tmp_path / "t.parquet", weight)
    if command == "evaluate":
        scored = pq.read_table(path).append_column("p", pa.array(np.full(ROWS, 0.2)))
        pq.write_table(scored, path)
        how = ["--probability", "p"]
    else:
        how = ["-o", tmp_path / "p.rbl"]
    refused = rebalance([command, path, "-l", "y", "--sample-weight", "w", *how])
    assert refused.exit_code == 3
    assert said in refused.stderr
    assert "column 'w', row 500" in refused.stderr


@pytest.mark.parametrize("weight", ["1e100", "1e16"])
def test_one_row_may_have_nearly_all_the_weight(weight: str, tmp_path: Path, done: Invoke) -> None:
    path, pilot = table(tmp_path / "t.parquet", weight), tmp_path / "p.rbl"
    shown = done(["pilot", path, "-l", "y", "--sample-weight", "w", "-o", pilot])
    assert "nan" not in shown.output
