"""`sample --score`, `--efficiency`, `--combine-pilot`: what is kept, and with which chance."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from rebalance.core.draws import Purpose, uniforms
from rebalance.steps.artifacts.pilot import read_pilot
from rebalance.steps.context import Context
from rebalance.steps.pilot import pilot
from tests.conftest import Invoke, Simulated

Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def guide(simulated: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("scores") / "p.rbl"
    pilot([str(simulated.path)], "y", str(out), size=800, context=Context())
    return out


@pytest.fixture(scope="module")
def guide_of_mixed(mixed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("mixed") / "p.rbl"
    pilot([str(mixed)], "fraud", str(out), size=200, drop=["id"], context=Context())
    return out


def draw(done: Invoke, source: object, guide: object, out: Path, *more: object) -> pa.Table:
    done(["sample", source, "--pilot", guide, "-o", out, "-q", *more])
    return pq.read_table(out)


@pytest.mark.parametrize(("score", "power"), [("l-opt", 0.0), ("a-opt", -1.0), ("leverage", -0.5)])
def test_chances_are_proportional_to_the_score(
    simulated: Simulated, guide: Path, tmp_path: Path, done: Invoke, score: str, power: float
) -> None:
    every = tmp_path / "every.parquet"
    arguments = ["--score", score, "--rate", 0.05, "--probabilities", every]
    sampled = draw(done, simulated.path, guide, tmp_path / "s.parquet", *arguments)
    # By hand: the pilot's own probability, z standardised as by its draw, and M of its positives.
    plain = tmp_path / "plain.parquet"
    done(["sample", simulated.path, "--pilot", guide, "--rate", 0.05, "-q",
          "--probabilities", plain, "-o", tmp_path / "x.parquet"])  # fmt: skip
    prob = pq.read_table(plain)["score"].to_numpy()
    x = np.column_stack([simulated.table[f"x{at}"].to_numpy() for at in (1, 2, 3)])
    y_true = simulated.table["y"].to_numpy() == 1
    u = uniforms(0, Purpose.PILOT, 0, len(x))
    drawn = np.zeros(len(x), dtype=bool)
    for rows in (np.flatnonzero(y_true), np.flatnonzero(~y_true)):
        drawn[rows[np.argsort(u[rows])[:800]]] = True
    z = np.column_stack([np.ones(len(x)), (x - x[drawn].mean(axis=0)) / x[drawn].std(axis=0)])
    outer = z[drawn & y_true].T @ z[drawn & y_true]
    outer += 1e-6 * np.trace(outer) / 4 * np.eye(4)
    values, vectors = np.linalg.eigh(outer)
    length = np.linalg.norm(z @ (vectors * values**power), axis=1)
    found = pq.read_table(every)
    assert np.log(found["score"].to_numpy()) == pytest.approx(np.log(prob * length), abs=1e-9)
    pi_0 = found["pi_0"].to_numpy()
    assert pi_0[~y_true].sum() == pytest.approx(0.05 * (~y_true).sum(), rel=1e-4)
    assert found["pi_1"].to_numpy().tolist() == [1.0] * len(x)
    rows = sampled["rb_row"].to_numpy()
    u = uniforms(0, Purpose.SAMPLE, 0, len(x))
    assert rows.tolist() == np.flatnonzero(y_true | (u < pi_0)).tolist()
    assert sampled["rb_offset"].to_numpy() == pytest.approx(-np.log(pi_0[rows]))


def test_local_case_control_thins_both_classes(
    simulated: Simulated, guide: Path, tmp_path: Path, done: Invoke
) -> None:
    every = tmp_path / "every.parquet"
    arguments = ["--score", "local-case-control", "--rate", 0.3, "--probabilities", every]
    sampled = draw(done, simulated.path, guide, tmp_path / "s.parquet", *arguments)
    found = pq.read_table(every)
    prob, pi_0, pi_1 = (found[name].to_numpy() for name in ("score", "pi_0", "pi_1"))
    assert pi_1 == pytest.approx(np.clip(1 - prob, 0.1, 1))
    y_true = simulated.table["y"].to_numpy() == 1
    pi = np.where(y_true, pi_1, pi_0)
    u = uniforms(0, Purpose.SAMPLE, 0, len(pi))
    rows = sampled["rb_row"].to_numpy()
    assert rows.tolist() == np.flatnonzero(u < pi).tolist()
    assert 0 < (sampled["y"].to_numpy() == 1).sum() < y_true.sum()
    assert sampled["rb_pi"].to_numpy() == pytest.approx(pi[rows])
    assert sampled["rb_offset"].to_numpy() == pytest.approx(np.log(pi_1 / pi_0)[rows])


def test_leverage_keeps_the_same_rows_when_a_feature_changes_its_units(
    simulated: Simulated, guide: Path, tmp_path: Path, done: Invoke
) -> None:
    arguments = ["--score", "leverage", "--rate", 0.05]
    first = draw(done, simulated.path, guide, tmp_path / "s.parquet", *arguments)
    # A power of two: the product is exact, so that only the score's own sums may round otherwise.
    scaled = simulated.table.set_column(
        1, "x2", pa.array(1024 * simulated.table["x2"].to_numpy() - 0.0)
    )
    pq.write_table(scaled, tmp_path / "scaled.parquet")
    other = tmp_path / "other.rbl"
    done(["pilot", tmp_path / "scaled.parquet", "-l", "y", "--size", 800, "-o", other, "-q"])
    again = draw(done, tmp_path / "scaled.parquet", other, tmp_path / "t.parquet", *arguments)
    assert first["rb_row"].equals(again["rb_row"])
    assert first["rb_pi"].to_numpy() == pytest.approx(again["rb_pi"].to_numpy(), rel=1e-9)


@pytest.mark.parametrize("score", ["l-opt", "a-opt", "leverage", "local-case-control"])
def test_batches_and_threads_change_nothing(
    mixed: Path, guide_of_mixed: Path, tmp_path: Path, done: Invoke, score: str
) -> None:
    arguments = ["--score", score, "--rate", 0.2]
    whole = draw(done, mixed, guide_of_mixed, tmp_path / "a.parquet", *arguments)
    cut = draw(done, mixed, guide_of_mixed, tmp_path / "b.parquet", *arguments,
               "--batch-rows", 777, "--threads", 1)  # fmt: skip
    assert whole.equals(cut)


@pytest.mark.parametrize("score", ["probability", "leverage", "uniform"])
def test_an_efficiency_is_planned_and_realised(
    simulated: Simulated, guide: Path, tmp_path: Path, done: Invoke, score: str
) -> None:
    out = tmp_path / "s.parquet"
    shown = done(["sample", simulated.path, "--pilot", guide, "--efficiency", 0.8,
                  "--score", score, "-o", out, "--json"])  # fmt: skip
    document = json.loads(shown.stdout)
    assert document["planned_efficiency"] == pytest.approx(0.8)
    assert document["realised_efficiency"] == pytest.approx(0.8, rel=0.1)
    # By hand, from the true log odds: the information of the rows that were kept.
    kept = pq.read_table(out)
    rows = kept["rb_row"].to_numpy()
    z = np.column_stack(
        [np.ones(len(simulated.table)), *(simulated.table[f"x{at}"] for at in (1, 2, 3))]
    )
    whole = information(z, simulated.log_odds)
    offset = kept["rb_offset"].to_numpy()
    realised = 4 / np.trace(
        whole @ np.linalg.inv(information(z[rows], simulated.log_odds[rows] + offset))
    )
    assert realised == pytest.approx(0.8, rel=0.1)


def test_a_small_pilot_plans_by_more_rows_than_its_own(
    simulated: Simulated, piloted: Path, tmp_path: Path, done: Invoke
) -> None:
    """40 rows of each class: its slopes are off by a half, and its own p~ would promise anything.

    What the rows kept have at the true log odds varies by the draw, too, by some 2%; it is within a
    tenth, and the range is as narrow as that of a pilot of all 1,200 positives, which is fitted to
    the rows that both plans look at.
    """
    guide, out = tmp_path / "p.rbl", tmp_path / "s.parquet"
    done(["pilot", simulated.path, "-l", "y", "--size", 40, "-o", guide, "-q"])
    command = ["sample", simulated.path, "--pilot", guide, "--rate", 0.05, "-o", out, "--json"]
    document = json.loads(done(command).stdout)
    low, high = document["planned_efficiency_between"]
    assert low < document["planned_efficiency"] < high
    kept = pq.read_table(out)
    rows = kept["rb_row"].to_numpy()
    z = np.column_stack([np.ones(60_000), *(simulated.table[f"x{at}"] for at in (1, 2, 3))])
    odds, offset = simulated.log_odds, kept["rb_offset"].to_numpy()
    realised = 4 / np.trace(
        information(z, odds) @ np.linalg.inv(information(z[rows], odds[rows] + offset))
    )
    assert document["planned_efficiency"] == pytest.approx(realised, rel=0.1)
    command[3] = piloted
    better = json.loads(done(command).stdout)["planned_efficiency_between"]
    assert max(better[1] / better[0], high / low) < 1.1


def test_a_plan_for_weights_has_no_range_unless_it_was_simulated(
    simulated: Simulated, tmp_path: Path, done: Invoke
) -> None:
    guide = tmp_path / "p.rbl"
    base = ["pilot", simulated.path, "-l", "y", "-q", "-o", guide]
    asked = ["sample", simulated.path, "--pilot", guide, "-o", tmp_path / "s.parquet"]
    asked += ["--score", "uniform", "--efficiency", 0.08, "--correction", "weight"]
    done(base)
    told = done(asked).stderr
    told = " ".join(told.split())
    assert "the pilot plans weights by a formula, which may be off by a factor" in told
    assert "a pilot made with --correction weight knows better" in told
    assert "planned 8.0%)" in told  # without a range
    before = read_pilot(str(guide)).plan
    done([*base, "--correction", "weight"])
    after = read_pilot(str(guide)).plan
    assert (before["correction"], after["correction"]) == ("offset", "weight")
    assert before["efficiency"]["offset"] == after["efficiency"]["offset"]
    assert "made with --correction weight" not in done(asked).stderr
    # What a pilot was made for needs not be said again.
    assert ", if fitted with weights, 95% range" in " ".join(done(asked[:-2]).stderr.split())
    found = json.loads(done([*asked[:-2], "--json"]).stdout)
    assert found["efficiency_correction"] == "weight"
    assert found["planned_efficiency"] == pytest.approx(0.08)
    few, many = 0, after["rates"].index(0.3)
    for plan, other in ((before, after), (after, before)):
        errors = [each["standard_error_of_log"]["weight"]["uniform"] for each in (plan, other)]
        assert errors[0][many] == pytest.approx(errors[1][many], rel=0.01)
    assert errors[0][few] < 0.5 * errors[1][few]


def information(z: Floats, log_odds: Floats) -> Floats:
    prob = 1 / (1 + np.exp(-log_odds))
    return (z * (prob * (1 - prob))[:, None]).T @ z


def test_the_pilots_negatives_are_kept_and_their_chances_joined(
    simulated: Simulated, guide: Path, tmp_path: Path, done: Invoke
) -> None:
    out = tmp_path / "s.parquet"
    alone = draw(done, simulated.path, guide, tmp_path / "alone.parquet", "--rate", 0.05)
    pooled = draw(done, simulated.path, guide, out, "--rate", 0.05, "--combine-pilot")
    y_true = simulated.table["y"].to_numpy() == 1
    negatives = np.flatnonzero(~y_true)
    u = uniforms(0, Purpose.PILOT, 0, len(y_true))
    of_pilot = negatives[np.argsort(u[negatives])[:800]]
    both = set(alone["rb_row"].to_pylist()) | set(of_pilot.tolist())
    assert pooled["rb_row"].to_pylist() == sorted(both)
    joined = dict(zip(pooled["rb_row"].to_pylist(), pooled["rb_offset"].to_pylist(), strict=True))
    q = 800 / len(negatives)
    for row, offset in zip(
        alone["rb_row"].to_pylist(), alone["rb_offset"].to_pylist(), strict=True
    ):
        pi = np.exp(-offset)
        assert joined[row] == pytest.approx(-np.log(1 - (1 - q) * (1 - pi)))
    # train recomputes the offsets from the design, so it would refuse other ones.
    done(["train", out, "--model", "logistic", "-o", tmp_path / "m.rbl", "-q"])


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--efficiency", 0.01], 2, "ask for"),
        (["--efficiency", 0.999, "--score", "local-case-control"], 2, "cannot be planned"),
        (["--efficiency", 1.5], 2, "1.5"),
        (["--efficiency", 0.5, "--rate", 0.1], 2, "contradict"),
        (["--efficiency", 0.5, "--floor", 0.001], 2, "leave them out"),
        (["--rate", 0.1, "--correction", "weight"], 2, "rebalance train"),
        (["--rows", 5000, "--score", "local-case-control"], 2, "--rate or --ratio"),
        (["--rate", 0.1, "--score", "a-opt", "--method", "uniform"], 2, "contradict"),
        (["--rate", 0.1, "--score", "uniform", "--method", "nonuniform"], 2, "contradict"),
        (["--rate", 0.1, "--score", "best"], 2, "best"),
        (["--rows", 5000, "--combine-pilot"], 2, "on top"),
        (["--rate", 0.1, "--combine-pilot", "--key", "x1"], 2, "leave one"),
        (["--rate", 0.1, "--combine-pilot", "--score", "local-case-control"], 2, "leave one"),
    ],
)
def test_what_is_refused(
    simulated: Simulated, guide: Path, tmp_path: Path, rebalance: Invoke,
    arguments: list[object], code: int, words: str,
) -> None:  # fmt: skip
    out = tmp_path / "s.parquet"
    refused = rebalance(["sample", simulated.path, "--pilot", guide, *arguments, "-o", out])
    assert refused.exit_code == code
    assert words in refused.stderr
    assert not out.exists()


def test_all_of_the_information_can_be_asked_for(
    simulated: Simulated, guide: Path, tmp_path: Path, done: Invoke
) -> None:
    arguments = ["sample", simulated.path, "--pilot", guide, "-o", tmp_path / "s.parquet", "--json"]
    whole = json.loads(done([*arguments, "--efficiency", 1]).stdout)
    assert whole["rate"] == 1
    assert whole["planned_efficiency"] == 1
    assert whole["realised_efficiency"] <= 1
    # Below the plan's first rate nothing was planned.
    tiny = json.loads(done([*arguments, "--rate", 0.0005]).stdout)
    assert tiny["planned_efficiency"] is None


def test_a_dry_run_counts_the_pilots_rows_and_says_what_is_thinned(
    simulated: Simulated, guide: Path, tmp_path: Path, done: Invoke
) -> None:
    arguments = ["sample", simulated.path, "--pilot", guide, "--rate", 0.05, "-o"]
    out = tmp_path / "s.parquet"
    shown = done([*arguments, out, "--combine-pilot", "--dry-run", "--json"])
    document = json.loads(shown.stdout)
    result = json.loads(done([*arguments, out, "--combine-pilot", "--json"]).stdout)
    # The negatives that both draws keep depend on the scores; the plan takes them as unrelated.
    assert document["expected_negatives"] == pytest.approx(result["expected_negatives"], rel=0.02)
    local = done([*arguments, out, "--score", "local-case-control", "--dry-run"])
    assert "at most" in local.stderr
    planned = ["sample", simulated.path, "--pilot", guide, "--efficiency", 0.8, "-o", out]
    assert "would keep" in done([*planned, "--dry-run"]).stderr


def test_trees_that_read_nothing_find_the_pilots_columns(
    simulated: Simulated, guide: Path, tmp_path: Path, done: Invoke
) -> None:
    out, model, scored = (tmp_path / name for name in ("s.parquet", "m.rbl", "scored.parquet"))
    arguments = ["--method", "uniform", "--combine-pilot", "--rate", 0.02]
    draw(done, simulated.path, guide, out, *arguments)
    done(["train", out, "--rounds", 1, "--leaves", 2, "-o", model, "-q"])
    done(["predict", simulated.path, "--model", model, "-o", scored, "--keep", "y", "-q"])
    prob = pq.read_table(scored)["rb_probability"].to_numpy()
    # The pilot's log odds travel along: they rank about as well as the true ones.
    order = np.corrcoef(np.log(prob / (1 - prob)), simulated.log_odds)[0, 1]
    assert order > 0.95


def test_a_gbm_pilot_has_no_features_of_its_own(
    simulated: Simulated, tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    guide, out = tmp_path / "g.rbl", tmp_path / "s.parquet"
    done(["pilot", simulated.path, "-l", "y", "--model", "gbm", "--size", 500, "-o", guide, "-q"])
    base = ["sample", simulated.path, "--pilot", guide, "--rate", 0.05, "-o", out]
    assert "z = (1, log odds)" in done([*base, "--score", "a-opt"]).stderr
    assert rebalance([*base, "--combine-pilot"]).exit_code == 2
    done(["train", out, "--model", "logistic", "-o", tmp_path / "m.rbl", "-q"])


def test_the_pilots_rows_must_be_in_the_table(
    simulated: Simulated, guide: Path, tmp_path: Path, rebalance: Invoke
) -> None:
    pq.write_table(simulated.table.slice(0, 50_000), tmp_path / "part.parquet")
    arguments = ["--pilot", guide, "--rate", 0.05, "--combine-pilot", "-o", tmp_path / "s.parquet"]
    refused = rebalance(["sample", tmp_path / "part.parquet", *arguments])
    assert refused.exit_code == 4
    assert "another file" in refused.stderr


def test_a_pilots_plan_is_printed_stored_and_drawn(
    simulated: Simulated, tmp_path: Path, done: Invoke, rebalance: Invoke
) -> None:
    out, picture = tmp_path / "p.rbl", tmp_path / "plan.svg"
    shown = done(["pilot", simulated.path, "-l", "y", "--size", 300, "-o", out, "--plan", picture])
    assert "efficiency of a sample" in shown.stderr
    assert "100.0%" in shown.stderr
    assert picture.read_text().startswith("<?xml")
    wrong = rebalance(["pilot", simulated.path, "-l", "y", "-o", out, "--plan", "plan.xyz"])
    assert wrong.exit_code == 2
    assert ".png, .svg, .pdf" in wrong.stderr
