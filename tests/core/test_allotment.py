"""Which part a row goes to: exact counts, the smallest draws, and the same rows for any batches."""

from __future__ import annotations

import datetime
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalance.core.allotment import (
    TEST,
    TRAIN,
    VALIDATION,
    DrawCounts,
    RankCuts,
    Shares,
    allot_keys,
    cut_times,
    key_texts,
    moments,
    parts_of_keys,
)
from rebalance.errors import DataError, UsageError


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.5, float("nan"), float("inf")])
def test_shares_out_of_range(share):
    with pytest.raises(UsageError, match=r"--test .* is no share"):
        Shares(share)
    with pytest.raises(UsageError, match=r"--validation .* is no share"):
        Shares(0.2, share)


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.7, 0.4)])
def test_shares_that_leave_nothing_to_train_on(shares):
    with pytest.raises(UsageError, match="leave nothing to train on"):
        Shares(*shares)


def test_sizes_and_what_lacks():
    assert Shares(0.3).sizes(10) == (3, 0)
    assert Shares(0.25, 0.25).sizes(9) == (2, 2)  # 2.25 each
    assert Shares(0.3).parts == ("train", "test")
    assert Shares(0.3, 0.1).parts == ("train", "test", "validation")
    assert Shares(0.1).lacking(4) == "test"
    assert Shares(0.2, 0.1).lacking(4) == "validation"
    assert Shares(0.2, 0.2).lacking(3) is None
    assert Shares(0.9).lacking(2) == "train"


def by_rank(strata, draws, sizes):
    """The definition: sort each stratum by (draw, row); test first, then validation."""
    parts = np.full(len(strata), TRAIN)
    for stratum, (test, validation) in enumerate(sizes):
        rows = [row for row in range(len(strata)) if strata[row] == stratum]
        rows.sort(key=lambda row: (draws[row], row))
        parts[rows[:test]] = TEST
        parts[rows[test : test + validation]] = VALIDATION
    return parts


def by_cuts(strata, draws, sizes, edges):
    counts = DrawCounts()
    for low, high in pairwise(edges):
        counts.add(strata[low:high], draws[low:high])
    cuts = RankCuts(counts, sizes)
    for low, high in pairwise(edges):
        cuts.collect(strata[low:high], draws[low:high], low)
    found = cuts.finish()
    pieces = [found.parts(strata[low:high], draws[low:high], low) for low, high in pairwise(edges)]
    return np.concatenate(pieces)


# Few different draws, some in one bin of 2**-16, some equal, and the ends of [0, 1).
DRAWS = st.sampled_from([0.0, 1e-9, 0.3, 0.3 + 1e-12, 0.3 + 1e-7, 0.5, 1 - 2**-53]) | st.floats(
    0, 1, exclude_max=True
)


@given(st.data())
def test_ranks_are_exact_for_any_draws_and_any_batches(data):
    rows = data.draw(st.lists(st.tuples(st.integers(0, 3), DRAWS), min_size=1, max_size=60))
    strata = np.array([row[0] for row in rows], dtype=np.int64)
    draws = np.array([row[1] for row in rows])
    sizes = []
    for stratum in range(strata.max() + 1):
        total = int((strata == stratum).sum())
        test = data.draw(st.integers(0, total))
        sizes.append((test, data.draw(st.integers(0, total - test))))
    cuts = data.draw(st.lists(st.integers(1, len(rows)), max_size=5))
    edges = sorted({0, *cuts, len(rows)})
    expected = by_rank(strata, draws, sizes)
    assert by_cuts(strata, draws, sizes, edges).tolist() == expected.tolist()


def test_counts_are_exact_on_many_rows():
    generator = np.random.default_rng(5)
    draws = generator.random(200_000)
    strata = (generator.random(200_000) < 0.01).astype(np.int64)
    shares = Shares(0.2, 0.1)
    totals = np.bincount(strata)
    sizes = [shares.sizes(int(total)) for total in totals]
    parts = by_cuts(strata, draws, sizes, [0, 70_000, 70_001, 200_000])
    for stratum, (test, validation) in enumerate(sizes):
        found = np.bincount(parts[strata == stratum], minlength=3)
        assert found.tolist() == [totals[stratum] - test - validation, test, validation]
        assert draws[(strata == stratum) & (parts == TEST)].max() < (
            draws[(strata == stratum) & (parts == VALIDATION)].min()
        )


def test_memory_does_not_grow_with_the_rows():
    """Only the bins where a cut falls are collected: some n / 2**16 draws each."""
    generator = np.random.default_rng(6)
    draws = generator.random(300_000)
    strata = np.zeros(300_000, dtype=np.int64)
    counts = DrawCounts()
    counts.add(strata, draws)
    cuts = RankCuts(counts, [(60_000, 30_000)])
    cuts.collect(strata, draws, 0)
    # Two bins; Poisson with mean 300,000 / 65,536 = 4.6 each: 40 is more than nine deviations away.
    assert sum(len(found[0]) for found in cuts._found) < 40


def test_a_hundred_strata():
    generator = np.random.default_rng(7)
    strata = generator.integers(0, 100, 5_000)
    draws = generator.random(5_000)
    sizes = [Shares(0.3).sizes(int(total)) for total in np.bincount(strata)]
    parts = by_cuts(strata, draws, sizes, [0, 1_234, 5_000])
    assert parts.tolist() == by_rank(strata, draws, sizes).tolist()


SEVEN = [
    pa.array([7, None], pa.int8()),
    pa.array([7, None], pa.uint64()),
    pa.array([7.0, None]),
    pa.array([7.0, float("nan")], pa.float32()),
    pa.array([Decimal("7.00"), None]),
    pa.array(["7", None]),
    pa.array(["7", None], pa.large_string()),
    pa.array(["7", None]).dictionary_encode(),
    pa.array([b"7", None]),
    pa.ExtensionArray.from_storage(pa.json_(), pa.array(["7", None])),
]


@pytest.mark.parametrize("array", SEVEN, ids=lambda array: str(array.type))
def test_a_key_has_one_text_in_every_type(array):
    texts, codes = key_texts(array, "k")
    assert texts[codes[0]] == "7"
    assert codes[1] == -1


def test_key_texts_keep_what_differs():
    texts, codes = key_texts(pa.array(["007", "7", "a", "7", "A"]), "k")
    assert [texts[code] for code in codes] == ["007", "7", "a", "7", "A"]
    when = [datetime.datetime(2024, 5, 31, 12, 30), datetime.datetime(2024, 5, 31)]
    for unit in ("s", "ms", "us"):
        assert key_texts(pa.array(when, pa.timestamp(unit)), "k")[0].tolist() == [
            "2024-05-31 12:30:00",
            "2024-05-31 00:00:00",
        ]


def test_key_texts_of_nothing():
    assert key_texts(pa.nulls(2), "k")[1].tolist() == [-1, -1]
    assert key_texts(pa.array([], pa.string()), "k")[1].tolist() == []


def test_lists_are_no_keys():
    with pytest.raises(DataError, match=r"of type list.*'k'.*--key"):
        key_texts(pa.array([[1]]), "k")


def test_rare_keys_are_cut_exactly_and_ties_broken_by_text():
    keys = ["d", "c", "b", "a", "e"]
    draws = np.array([0.9, 0.1, 0.5, 0.5, 0.2])
    # Ranked: c, e, a, b, d; 40% test and 20% validation of five.
    assert allot_keys(keys, draws, Shares(0.4, 0.2)) == {
        "c": TEST,
        "e": TEST,
        "a": VALIDATION,
        "b": TRAIN,
        "d": TRAIN,
    }


def test_other_keys_fall_by_their_draw():
    keys = np.array(["a", "b", "c", "d", "e"], dtype=np.object_)
    draws = np.array([0.0, 0.1999, 0.2, 0.2999, 0.35])
    parts = parts_of_keys(keys, draws, Shares(0.2, 0.125), {"a": TRAIN, "e": TEST})
    assert parts.tolist() == [TRAIN, TEST, VALIDATION, VALIDATION, TEST]


@pytest.mark.parametrize(
    "array",
    [
        pa.array([datetime.date(2024, 1, 2), datetime.date(2024, 1, 1)]),
        pa.array([datetime.date(2024, 1, 2), datetime.date(2024, 1, 1)], pa.date64()),
        pa.array([2, 1], pa.timestamp("ns")),
        pa.array([2, 1], pa.timestamp("s", "Europe/Berlin")),
        pa.array([2, 1], pa.timestamp("ms")).dictionary_encode(),
        pa.array([2**62 + 1, 2**62]),
        pa.array([2**64 - 1, 2**64 - 2], pa.uint64()),
        pa.array([0.5, -1.5]),
        pa.array([0.5, -1.5], pa.float16()),
        pa.array([Decimal("0.2"), Decimal("0.1")]),
    ],
    ids=lambda array: str(array.type),
)
def test_moments_keep_the_order(array):
    later, earlier = moments(array, "t").to_numpy(zero_copy_only=False)
    assert earlier < later


@pytest.mark.parametrize(
    "array",
    [pa.array(["31/12/2013"]), pa.array([True]), pa.array([1], pa.time32("s")), pa.nulls(1)],
)
def test_what_is_no_time(array):
    with pytest.raises(DataError, match=r"the time is of type .*'t'.*--time"):
        moments(array, "t")


def test_cut_between_times():
    # Ten rows, 20% test and 20% validation: the last two, and the two before.
    times = np.array([5, 3, 9, 1, 7, 2, 8, 0, 6, 4])
    cuts = cut_times(times.copy(), Shares(0.2, 0.2), "t")
    assert (cuts.test, cuts.validation) == (8, 6)
    parts = cuts.parts(times)
    assert sorted(times[parts == TEST]) == [8, 9]
    assert sorted(times[parts == VALIDATION]) == [6, 7]
    assert cut_times(times.copy(), Shares(0.2), "t").validation is None


@pytest.mark.parametrize(
    ("times", "shares", "test", "validation"),
    [
        ([1, 1, 1, 2, 2, 2, 2, 2, 2, 2], Shares(0.2), 2, None),  # 8 wanted; a new time at 3 only
        ([1, 1, 1, 1, 1, 1, 2, 2, 2, 3], Shares(0.2), 3, None),  # 8 wanted; 9 is nearer than 6
        ([1, 1, 1, 1, 1, 1, 1, 2, 2, 3], Shares(0.2), 2, None),  # 8 wanted; 7 and 9: the earlier
        ([1, 2, 3], Shares(0.01), 3, None),  # 3 wanted, which is none: one time at the least
        ([1, 2, 3], Shares(0.99), 2, None),
        ([1, 2, 3], Shares(0.2, 0.2), 3, 2),
        ([1, 2, 3, 3, 3, 3, 3, 3, 3, 3], Shares(0.2, 0.2), 3, 2),
        ([1, 1, 1, 1, 1, 1, 1, 1, 2, 3], Shares(0.9, 0.05), 3, 2),  # room for validation is kept
    ],
)
def test_rows_of_one_time_stay_together(times, shares, test, validation):
    cuts = cut_times(np.array(times), shares, "t")
    assert (cuts.test, cuts.validation) == (test, validation)


@given(
    st.lists(st.integers(0, 8), min_size=1, max_size=40),
    st.floats(0.05, 0.6),
    st.none() | st.floats(0.05, 0.35),
)
def test_cuts_are_as_near_as_different_times_allow(times, test, validation):
    shares = Shares(test, validation)
    wanted = len(shares.parts)
    if len(set(times)) < wanted:
        with pytest.raises(DataError, match=r"too few different times, \d, for .*'t'"):
            cut_times(np.array(times), shares, "t")
        return
    parts = cut_times(np.array(times), shares, "t").parts(np.array(times))
    assert set(parts.tolist()) == set(range(wanted))
    order = {TRAIN: 0, VALIDATION: 1, TEST: 2}
    ranked = sorted((time, order[part]) for time, part in zip(times, parts.tolist(), strict=True))
    assert [part for _, part in ranked] == sorted(part for _, part in ranked)
    assert len(set(ranked)) == len(set(times))  # no time is in two parts
    starts = [at for at in range(1, len(times)) if ranked[at][0] != ranked[at - 1][0]]
    sizes = shares.sizes(len(times))
    nearest = min(abs(len(times) - sizes[0] - start) for start in starts[wanted - 2 :])
    assert abs(int((parts == TEST).sum()) - sizes[0]) == nearest


def test_big_whole_numbers_are_not_rounded():
    times = np.array([2**62 + 1, 2**62, 2**62 + 2, 2**62 + 3])
    assert cut_times(times, Shares(0.25), "t").test == 2**62 + 3
