"""Parts of a table: exact shares, whole keys and times, and the same rows whatever the batches."""

from __future__ import annotations

import datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebalance.core.draws import Purpose, key_uniforms, uniforms
from rebalance.errors import DataError, UsageError
from rebalance.steps.context import Context
from rebalance.steps.split import split


def run(folder, columns, outputs=("train", "test"), *, ending="parquet", groups=None, **how):
    """Split a table of these columns, and reopen the parts: (result, row numbers by part)."""
    table = pa.table(columns)
    table = table.append_column("row", pa.array(range(len(table)), pa.int64()))
    source = folder / f"in.{ending}"
    if ending == "csv":
        pyarrow.csv.write_csv(table, source)
    else:
        pq.write_table(table, source, row_group_size=groups)
    paths = [folder / f"{name}.{ending}" for name in outputs]
    how.setdefault("context", Context())
    result = split([str(source)], "y", [str(path) for path in paths], **how)
    return result, [reopen(path)["row"].to_pylist() for path in paths]


def reopen(path):
    return pyarrow.csv.read_csv(path) if path.suffix == ".csv" else pq.read_table(path)


def labels(count, positives, seed=0):
    y = np.zeros(count, dtype=np.int8)
    y[np.random.default_rng(seed).choice(count, positives, replace=False)] = 1
    return y


def test_by_row_each_class_is_cut_at_its_ranks(tmp_path):
    y = labels(5_000, 101)
    result, (train, test, validation) = run(
        tmp_path,
        {"y": y},
        ("train", "test", "validation"),
        test=0.3,
        validation=0.1,
        seed=7,
        groups=700,
    )
    draws = uniforms(7, Purpose.SPLIT, 0, 5_000)
    for value in (0, 1):
        ranked = sorted(np.flatnonzero(y == value).tolist(), key=lambda row: draws[row])
        cuts = round(0.3 * len(ranked)), round(0.3 * len(ranked)) + round(0.1 * len(ranked))
        assert [row for row in test if y[row] == value] == sorted(ranked[: cuts[0]])
        assert [row for row in validation if y[row] == value] == sorted(ranked[slice(*cuts)])
    assert sorted(train + test + validation) == list(range(5_000))  # each row once
    for rows in (train, test, validation):
        assert rows == sorted(rows)  # in input order
    assert [(part.name, part.rows) for part in result.parts] == [
        ("train", len(train)),
        ("test", len(test)),
        ("validation", len(validation)),
    ]
    assert result.parts[1].counts == {"0": round(0.3 * 4_899), "1": round(0.3 * 101)}
    assert result.parts[1].positives == 30
    assert result.parts[1].positive_share == 30 / len(test)
    assert result.parts[1].share == len(test) / 5_000
    assert (result.by, result.column, result.seed, result.positive) == ("row", None, 7, "1")


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 400), st.sampled_from(["row", "key", "time"]))
def test_batches_do_not_matter(tmp_path_factory, groups, by):
    columns = {
        "y": labels(400, 40),
        "k": np.arange(400) % 90,
        "t": np.arange(400) // 3,
    }
    how = {"row": {}, "key": {"key": "k"}, "time": {"time": "t"}}[by]
    _, whole = run(tmp_path_factory.mktemp("whole"), columns, **how)
    _, cut = run(tmp_path_factory.mktemp("cut"), columns, groups=groups, **how)
    assert cut == whole


@pytest.mark.parametrize("how", [{}, {"key": "k"}, {"time": "t"}])
def test_csv_and_parquet_give_the_same_rows(tmp_path, how):
    columns = {
        "y": labels(500, 50),
        "k": np.arange(500) % 77,
        "t": pa.array((np.arange(500) // 7) * 1_000_000, pa.timestamp("us")),
    }
    _, parquet = run(tmp_path, columns, **how)
    _, csv = run(tmp_path, columns, ending="csv", **how)
    assert csv == parquet


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    digests = set()
    for name, seed, groups in (("a", 0, None), ("b", 0, 33), ("c", 1, None)):
        folder = tmp_path / name
        folder.mkdir()
        run(folder, {"y": labels(1_000, 50)}, seed=seed, groups=groups)
        digests.add(sha256((folder / "test.parquet").read_bytes()).hexdigest())
        digests.add(sha256((folder / "train.parquet").read_bytes()).hexdigest())
    assert len(digests) == 4


def test_other_streams_do_not_lean_on_the_split(tmp_path):
    """The test set's draws for a sample are uniform: the split used draws of its own."""
    _, (_, test) = run(tmp_path, {"y": labels(20_000, 2_000)})
    drawn = uniforms(0, Purpose.SAMPLE, 0, 20_000)[test]
    # Mean 1/2 with standard deviation 1 / sqrt(12 * 4,000) = 0.0046; four of them.
    assert abs(drawn.mean() - 0.5) < 4 / np.sqrt(12 * len(test))


def test_many_classes_are_each_cut(tmp_path):
    y = np.random.default_rng(3).integers(0, 7, 700)
    context = Context()
    result, (_, test) = run(tmp_path, {"y": y}, test=0.25, context=context)
    assert result.positive is None
    assert result.parts[0].positives is None
    totals = np.bincount(y)
    assert np.bincount(y[test]).tolist() == [round(0.25 * total) for total in totals]
    assert result.parts[1].counts == {
        str(value): round(0.25 * totals[value]) for value in dict.fromkeys(y.tolist())
    }
    assert context.notes == []


def test_one_of_many_classes_named_positive(tmp_path):
    y = ["a"] * 500 + ["b"] * 2 + ["c"] * 50
    result, (train, test) = run(tmp_path, {"y": y}, positive="c")
    assert result.positive == "c"
    assert result.parts[1].positives == 10
    assert sum(500 <= row < 502 for row in train) == 2  # too few of "b" for a test row, and so what
    assert len(test) == 110


def test_the_positive_value_is_said(tmp_path):
    context = Context()
    run(tmp_path, {"y": ["yes"] * 5 + ["no"] * 50}, context=context)
    assert context.notes == ["'yes' is the positive value of 'y'"]


def test_a_third_output_takes_the_tests_share(tmp_path):
    result, _ = run(tmp_path, {"y": labels(1_000, 100)}, ("a", "b", "c"), test=0.25)
    assert [part.rows for part in result.parts] == [500, 250, 250]


def test_columns_types_and_metadata_go_along(tmp_path):
    table = pa.table(
        {
            "y": pa.array([0, 1] * 10, pa.int8()),
            "price": pa.array([Decimal("1.10"), None] * 10),
            "when": pa.array(range(20), pa.timestamp("ns", "Europe/Berlin")),
            "tags": pa.array([["a"], None] * 10),
            "shop": pa.array(["x", "y"] * 10).dictionary_encode(),
        }
    ).replace_schema_metadata({"owner": "me"})
    pq.write_table(table, tmp_path / "in.parquet")
    outputs = [str(tmp_path / "train.parquet"), str(tmp_path / "test.parquet")]
    split([str(tmp_path / "in.parquet")], "y", outputs, context=Context())
    before = pq.read_table(tmp_path / "in.parquet")
    parts = [pq.read_table(output) for output in outputs]
    for part in parts:
        assert part.schema.equals(before.schema, check_metadata=True)
    rows = sorted([row for part in parts for row in part.to_pylist()], key=lambda row: row["when"])
    assert rows == before.to_pylist()


def test_the_text_of_a_csv_goes_along(tmp_path):
    lines = [f'00{row},1.{row:03d}0,"say ""{row}"", please",{row % 5 == 0:d}' for row in range(50)]
    (tmp_path / "in.csv").write_text("\n".join(["id,x,text,y", *lines, ""]))
    outputs = [str(tmp_path / "train.csv"), str(tmp_path / "test.csv")]
    split([str(tmp_path / "in.csv")], "y", outputs, context=Context())
    found = []
    for output, count in zip(outputs, (40, 10), strict=True):
        header, *part = Path(output).read_text(encoding="utf-8").splitlines()
        assert header == "id,x,text,y"
        assert len(part) == count
        found += part
    assert sorted(found) == sorted(lines)


def test_several_files_are_one_table(tmp_path):
    for number in range(3):
        pq.write_table(pa.table({"y": [0, 1] * 50}), tmp_path / f"in{number}.parquet")
    outputs = [str(tmp_path / "a.csv"), str(tmp_path / "b.csv")]
    result = split([str(tmp_path / "in*.parquet")], "y", outputs, context=Context())
    assert [part.rows for part in result.parts] == [240, 60]


# ---- keys


def keyed(count, keys, seed=0):
    generator = np.random.default_rng(seed)
    k = generator.integers(0, keys, count)
    unlucky = generator.random(keys) < 0.3
    return {"y": (unlucky[k] & (generator.random(count) < 0.3)).astype(np.int8), "k": k}


def test_a_keys_rows_stay_together(tmp_path):
    columns = keyed(3_000, 500)
    result, parts = run(
        tmp_path, columns, ("train", "test", "validation"), test=0.2, validation=0.1, key="k"
    )
    found = [set(columns["k"][rows].tolist()) for rows in parts]
    assert not found[0] & found[1]
    assert not found[0] & found[2]
    assert not found[1] & found[2]
    rare = set(columns["k"][columns["y"] == 1].tolist())
    assert len(rare) > 50
    assert len(found[1] & rare) == round(0.2 * len(rare))
    assert len(found[2] & rare) == round(0.1 * len(rare))
    draws = dict(
        enumerate(
            key_uniforms(0, Purpose.SPLIT, np.array([str(k) for k in range(500)], dtype=object))
        )
    )
    ranked = sorted(rare, key=lambda key: draws[key])
    assert found[1] & rare == set(ranked[: round(0.2 * len(rare))])
    assert found[1] - rare == {k for k in set(columns["k"].tolist()) - rare if draws[k] < 0.2}
    assert [part.keys for part in result.parts] == [len(keys) for keys in found]
    assert all(part.keys_exact for part in result.parts)
    assert (result.by, result.column) == ("key", "k")


def test_where_a_key_goes_does_not_depend_on_the_other_rows(tmp_path):
    """Keys without a positive row go by their own draw, in this table or another."""
    columns = {"y": [1, 1, 1, 1, 1] + [0] * 195, "k": np.arange(200)}
    _, (_, test) = run(tmp_path, columns, key="k")
    doubled = {
        "y": columns["y"] + [0] * 200,
        "k": np.concatenate([columns["k"], np.arange(200, 400)]),
    }
    _, (_, other) = run(tmp_path, doubled, key="k")
    assert [row for row in other if row < 200] == test


@pytest.mark.parametrize(
    "keys",
    [
        [str(row // 2) for row in range(400)],
        pa.array([str(row // 2) for row in range(400)]).dictionary_encode(),
        pa.array([float(row // 2) for row in range(400)]),
        pa.array([Decimal(row // 2) for row in range(400)], pa.decimal128(10, 2)),
    ],
    ids=["text", "dictionary", "float", "decimal"],
)
def test_a_key_has_the_same_part_in_every_type(tmp_path, keys):
    y = labels(400, 60)
    _, expected = run(tmp_path, {"y": y, "k": np.arange(400) // 2}, key="k")
    _, found = run(tmp_path, {"y": y, "k": keys}, key="k")
    assert found == expected


def test_keys_and_many_classes(tmp_path):
    y = ["common"] * 300 + ["rare"] * 30 + ["odd"] * 30
    result, parts = run(tmp_path, {"y": y, "k": [f"k{row}" for row in range(360)]}, key="k")
    assert result.positive is None
    assert sum(row >= 300 for row in parts[1]) == 12  # a fifth of the 60 keys that are not common


def test_missing_keys_are_counted_and_placed(tmp_path):
    k = [None if row in (17, 30, 31) else row for row in range(100)]
    with pytest.raises(
        DataError, match=r"the key is missing in 3 rows, column 'k', first in row 17 "
    ):
        run(tmp_path, {"y": labels(100, 20), "k": k}, key="k", groups=9)
    nan = np.where(np.arange(100) == 5, np.nan, np.arange(100))
    with pytest.raises(DataError, match=r"missing in 1 row, column 'k', first in row 5 "):
        run(tmp_path, {"y": labels(100, 20), "k": nan}, key="k")


def test_too_few_rare_keys(tmp_path):
    columns = {"y": [1, 1] + [0] * 98, "k": np.arange(100)}
    with pytest.raises(DataError, match="the positive class has 2 keys, too few for the test set"):
        run(tmp_path, columns, key="k")


def test_a_part_without_negatives(tmp_path):
    """One key holds every negative: it is on one side, and the other has none."""
    columns = {"y": [0] * 50 + [1] * 50, "k": [0] * 50 + list(range(1, 51))}
    with pytest.raises(DataError, match=r"set would have no row of class '0'.*without --key"):
        run(tmp_path, columns, key="k", positive="1")
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


def test_a_share_that_whole_keys_do_not_allow_is_said(tmp_path):
    context = Context()
    columns = {"y": labels(1_000, 200), "k": np.arange(1_000) // 100}
    run(tmp_path, columns, key="k", test=0.25, context=context)
    assert any("where 25.0% was asked for: keys are kept whole" in note for note in context.notes)


# ---- time


def test_the_latest_rows_are_the_test_set(tmp_path):
    order = np.random.default_rng(2).permutation(1_000)
    when = pa.array(order.astype("int64") * 3_600_000_000, pa.timestamp("us"))
    columns = {"y": (order % 2).astype(np.int8), "t": when}
    context = Context()
    result, (train, test, validation) = run(
        tmp_path,
        columns,
        ("train", "test", "validation"),
        test=0.2,
        validation=0.1,
        time="t",
        groups=77,
        context=context,
    )
    assert sorted(order[test]) == list(range(800, 1_000))
    assert sorted(order[validation]) == list(range(700, 800))
    assert sorted(order[train]) == list(range(700))
    assert test == sorted(test)
    assert (result.by, result.column, result.seed) == ("time", "t", None)
    start = datetime.datetime(1970, 1, 1)
    assert [(part.first_time, part.last_time) for part in result.parts] == [
        (str(start), str(start + datetime.timedelta(hours=699))),
        (str(start + datetime.timedelta(hours=800)), str(start + datetime.timedelta(hours=999))),
        (str(start + datetime.timedelta(hours=700)), str(start + datetime.timedelta(hours=799))),
    ]
    assert not any("asked for" in note for note in context.notes)


@pytest.mark.parametrize(
    ("make", "first", "last"),
    [
        (lambda n: pa.array(n), "80", "99"),
        (lambda n: pa.array(n / 10), "8", "9.9"),
        (lambda n: pa.array(n.astype("int32"), pa.date32()), "1970-03-22", "1970-04-10"),
        (
            lambda n: pa.array(n * 60, pa.timestamp("s", "America/New_York")),
            "1970-01-01 01:20:00Z",
            "1970-01-01 01:39:00Z",
        ),
        (
            lambda n: pa.array(n, pa.timestamp("ns")),
            "1970-01-01 00:00:00.000000080",
            "1970-01-01 00:00:00.000000099",
        ),
        (lambda n: pa.array([Decimal(int(x)) / 10 for x in n], pa.decimal128(5, 1)), "8", "9.9"),
    ],
    ids=["int", "float", "date", "zone", "nanoseconds", "decimal"],
)
def test_every_type_of_time(tmp_path, make, first, last):
    result, (_, test) = run(tmp_path, {"y": [0, 1] * 50, "t": make(np.arange(100))}, time="t")
    assert test == list(range(80, 100))
    assert (result.parts[1].first_time, result.parts[1].last_time) == (first, last)


def test_the_seed_does_not_matter_with_time(tmp_path):
    columns = {"y": [0, 1] * 50, "t": np.arange(100)}
    assert run(tmp_path, columns, time="t", seed=1)[1] == run(tmp_path, columns, time="t")[1]


def test_rows_of_one_time_stay_together_and_it_is_said(tmp_path):
    context = Context()
    columns = {"y": [0, 1] * 50, "t": [2023] * 60 + [2024] * 40}
    _, (train, test) = run(tmp_path, columns, time="t", context=context)
    assert (len(train), len(test)) == (60, 40)
    assert (
        "the test set has 40.0% of the rows where 20.0% was asked for: rows of one time are kept "
        "whole" in context.notes
    )


def test_missing_times_are_counted_and_placed(tmp_path):
    columns = {"y": [0, 1] * 50, "t": [None if row in (40, 60) else row for row in range(100)]}
    with pytest.raises(
        DataError, match=r"the time is missing in 2 rows, column 't', first in row 40 "
    ):
        run(tmp_path, columns, time="t", groups=13)


@pytest.mark.parametrize("t", [["31/12/2024"] * 20, [True, False] * 10, [[1]] * 20])
def test_what_is_no_time(tmp_path, t):
    with pytest.raises(DataError, match=r"the time is of type .*'t'.*--time"):
        run(tmp_path, {"y": [0, 1] * 10, "t": t}, time="t")


def test_one_time_only(tmp_path):
    with pytest.raises(DataError, match="too few different times, 1, for 2 parts"):
        run(tmp_path, {"y": [0, 1] * 10, "t": [7] * 20}, time="t")


def test_a_period_without_positives(tmp_path):
    columns = {"y": [1] * 10 + [0] * 90, "t": np.arange(100)}
    with pytest.raises(DataError, match=r"test set would have no row of class '1'.*without --time"):
        run(tmp_path, columns, time="t")
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


# ---- what is refused


def test_classes_too_rare(tmp_path):
    columns = {"y": [1, 1, 1] + [0] * 97}
    with pytest.raises(
        DataError, match=r"'1' has 3 rows.* test set .*give a larger --test than 0\.1"
    ):
        run(tmp_path, columns, test=0.1)
    with pytest.raises(DataError, match=r"validation set .*larger --validation than 0\.1"):
        run(tmp_path, columns, ("a", "b", "c"), test=0.3, validation=0.1)
    with pytest.raises(DataError, match=r"too few for the train set .*give smaller shares"):
        run(tmp_path, columns, test=0.9)
    with pytest.raises(DataError, match=r"has 1 row, .*find more of them"):
        run(tmp_path, {"y": [1] + [0] * 99})


@pytest.mark.parametrize(
    ("y", "words"),
    [
        ([0] * 10, "one class only"),
        ([0, 1, None] * 10, r"label is missing .*row 2 "),
        ([[0], [1]] * 10, "which is no class"),
        (list(range(2000)), "nearly every row has a label of its own"),
    ],
)
@pytest.mark.parametrize("how", [{}, {"key": "row"}, {"time": "row"}])
def test_bad_labels(tmp_path, y, words, how):
    with pytest.raises(DataError, match=words):
        run(tmp_path, {"y": y}, **how)


def test_a_positive_value_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="no row has the positive value 'yes'"):
        run(tmp_path, {"y": [0, 1] * 20}, positive="yes")


@pytest.mark.parametrize("outputs", [(), ("a",), ("a", "b", "c", "d")])
def test_the_number_of_outputs(tmp_path, outputs):
    with pytest.raises(UsageError, match="two or three are needed"):
        run(tmp_path, {"y": [0, 1]}, outputs)


def test_options_that_contradict_each_other(tmp_path):
    columns = {"y": [0, 1] * 20, "k": range(40)}
    for words, how in {
        "--validation has no output": {"validation": 0.1},
        "exclude each other": {"key": "k", "time": "k"},
        "--key names the label": {"key": "y"},
        "--time names the label": {"time": "y"},
        "--test 0 is no share": {"test": 0.0},
        "--test 1.5 is no share": {"test": 1.5},
    }.items():
        with pytest.raises(UsageError, match=words):
            run(tmp_path, columns, **how)
    with pytest.raises(UsageError, match="leave nothing to train on"):
        run(tmp_path, columns, ("a", "b", "c"), test=0.5)


def test_columns_that_are_not_there(tmp_path):
    columns = {"y": [0, 1] * 20, "customer": range(40)}
    for option, how in (("--key", {"key": "custmer"}), ("--time", {"time": "custmer"})):
        with pytest.raises(DataError, match=rf"'custmer' \(named by {option}\).*'customer'"):
            run(tmp_path, columns, **how)


def test_a_sample_is_split_with_a_warning(tmp_path):
    context = Context()
    run(tmp_path, {"y": [0, 1] * 20, "rb_pi": [0.5, 1.0] * 20}, context=context)
    assert any("the table is a sample" in note for note in context.notes)
