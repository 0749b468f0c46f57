"""Features that a recipe makes: values by hand, and what is learned, whatever the batches."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalance.core.column_values import texts
from rebalance.core.recipe_kinds import made_from
from rebalance.core.recipe_learning import RecipeLearning
from rebalance.core.recipes import NO_LOGARITHM, Recipe
from rebalance.errors import DataError

TABLE = {
    "x": pa.array([0.0, 1.0, 3.0, None, 8.0, 3.0]),
    "n": pa.array([0, 6, 12, 18, None, 23], pa.int8()),
    "a": pa.array(["u", "v", "u", "u", None, "v"]),
    "b": pa.array([True, False, True, None, True, False]),
    "t": pa.array(
        ["2024-01-01T00:30", "2024-02-04T06:00", None, "2024-12-31T23:59", "2024-07-03",
         "2024-07-04"]
    ).cast(pa.timestamp("us")),
}  # fmt: skip


def recipe(**features: dict[str, Any]) -> Recipe:
    made = tuple(made_from(name, stated) for name, stated in features.items())
    return Recipe(made, {source: "number" for each in made for source in each.sources})


def learned(of: Recipe, columns: dict[str, pa.Array], weight: Any = None) -> Recipe:
    learning = RecipeLearning(of)
    learning.add(columns, weight)
    return learning.finish()[0]


def values(of: Recipe, columns: dict[str, pa.Array], name: str) -> list[Any]:
    found = of.columns(columns)[name].to_pylist()
    return [None if isinstance(value, float) and math.isnan(value) else value for value in found]


def test_logarithms() -> None:
    found = values(recipe(f={"log1p": "x"}), TABLE, "f")
    expected = [0, math.log(2), math.log(4), None, math.log(9), math.log(4)]
    assert found == pytest.approx(expected)


def test_numbers_without_a_logarithm_are_missing_and_counted() -> None:
    of = recipe(f={"log1p": "x"})
    columns = {"x": pa.array([-1.0, -0.5, None, -7.0])}
    assert values(of, columns, "f") == [None, pytest.approx(math.log(0.5)), None, None]
    assert of.outside(columns) == {"f" + NO_LOGARITHM: 2}
    assert of.outside(TABLE) == {}
    with pytest.raises(DataError, match="-1 has no log1p") as caught:
        RecipeLearning(of).add(columns)
    assert caught.value.row == 0


def test_ratios_to_the_mean_of_all_rows_and_of_groups() -> None:
    of = learned(recipe(all={"ratio_to_mean": "x"}, group={"ratio_to_mean": "x", "by": "a"}), TABLE)
    # The mean of 0, 1, 3, 8, 3 is 3; of u's 0, 3 it is 1.5, of v's 1, 3 it is 2.
    assert values(of, TABLE, "all") == pytest.approx([0, 1 / 3, 1, None, 8 / 3, 1])
    assert values(of, TABLE, "group") == [0, 0.5, 2, None, None, 1.5]
    other = {"x": pa.array([3.0, 3.0]), "a": pa.array(["u", "w"])}
    assert values(of, other, "group") == [2, None]  # w was not seen: it has no mean
    assert values(of, other, "all") == [1, 1]


def test_a_mean_of_zero_divides_nothing() -> None:
    columns = {"x": pa.array([0.0, 0.0, 2.0]), "a": pa.array(["u", "u", "v"])}
    learning = RecipeLearning(recipe(f={"ratio_to_mean": "x", "by": "a"}))
    learning.add(columns)
    of, notes = learning.finish()
    assert values(of, columns, "f") == [None, None, 1]
    assert notes == ["in 1 group of 'a' the mean of 'x' is 0: 'f' is missing there"]
    with pytest.raises(DataError, match="no mean to divide by"):
        learned(recipe(f={"ratio_to_mean": "x"}), {"x": pa.array([-1.0, 1.0])})


def test_numbers_and_parts_of_times_go_round() -> None:
    of = recipe(n={"cyclic": "n", "period": 24.0}, **{
        part: {"cyclic": "t", "part": part} for part in ("hour", "weekday", "month")
    })  # fmt: skip
    sine, cosine = values(of, TABLE, "n sin"), values(of, TABLE, "n cos")
    late = 2 * math.pi * 23 / 24
    assert sine == pytest.approx([0, 1, 0, -1, None, math.sin(late)], abs=1e-15)
    assert cosine == pytest.approx([1, 0, -1, 0, None, math.cos(late)], abs=1e-15)
    hours, weekdays, months = [0, 6, None, 23, 0, 0], [0, 6, None, 1, 2, 3], [0, 1, None, 11, 6, 6]
    for part, steps, period in (
        ("hour", hours, 24),
        ("weekday", weekdays, 7),
        ("month", months, 12),
    ):
        angles = [None if step is None else 2 * math.pi * step / period for step in steps]
        found = values(of, TABLE, f"{part} sin")
        expected = [None if angle is None else math.sin(angle) for angle in angles]
        assert found == pytest.approx(expected, abs=1e-14)


def test_times_with_a_zone_are_taken_in_utc_and_dates_at_midnight() -> None:
    of = recipe(f={"cyclic": "t", "part": "hour"})
    zoned = TABLE["t"].cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us", "Asia/Tokyo"))
    assert values(of, {"t": zoned}, "f sin") == values(of, TABLE, "f sin")
    dates = pa.array([None, 19_723], pa.int32()).cast(pa.date32())
    assert values(of, {"t": dates}, "f cos") == [None, 1]


def test_bins_hold_their_lower_edge() -> None:
    of = recipe(f={"bins": "x", "edges": [1.0, 3.0]})
    found = values(of, TABLE, "f")
    assert found == ["below 1", "1 to 3", "3 or more", None, "3 or more", "3 or more"]
    long = recipe(f={"bins": "x", "edges": [51.2599983215332, 64.4000015258789]})
    assert values(long, TABLE, "f")[0] == "below 51.26"


def test_quantile_bins_have_as_many_rows_each() -> None:
    columns = {"x": pa.array(np.random.default_rng(1).permutation(np.arange(20.0)))}
    of = learned(recipe(f={"bins": "x", "quantiles": 4}), columns)
    assert json.loads(json.dumps(of.to_document()))["features"]["f"]["edges"] == [5, 10, 15]
    found = values(of, columns, "f")
    assert {level: found.count(level) for level in found} == {
        "below 5": 5, "5 to 10": 5, "10 to 15": 5, "15 or more": 5,
    }  # fmt: skip


def test_bins_of_the_same_value_are_one() -> None:
    columns = {"x": pa.array([0.0] * 7 + [1.0, 2.0, 3.0])}
    learning = RecipeLearning(recipe(f={"bins": "x", "quantiles": 5}))
    learning.add(columns)
    of, notes = learning.finish()
    # 20%, 40% and 60% below are first at 1, of which 70% are below; 80% at 2.
    assert of.to_document()["features"]["f"]["edges"] == (1.0, 2.0)
    assert notes == ["'f' has 3 bins, not 5: many values of 'x' are the same"]
    with pytest.raises(DataError, match="too few different values"):
        learned(recipe(f={"bins": "x", "quantiles": 5}), {"x": pa.array([2.0, 2.0, None])})


def test_crosses_are_pairs() -> None:
    found = values(recipe(f={"cross": ["a", "b"]}), TABLE, "f")
    assert found == ["u × true", "v × false", "u × true", None, None, "v × false"]
    # Written apart, whatever the texts are.
    columns = {"a": pa.array(["p × q", "p"]), "b": pa.array(["r", "q × r"])}
    assert len({*values(recipe(f={"cross": ["a", "b"]}), columns, "f")}) == 2


def test_counts_are_of_the_rows_learned_from() -> None:
    of = learned(recipe(a={"count": "a"}, b={"count": "b"}), TABLE)
    assert values(of, TABLE, "a") == [3, 2, 3, 3, None, 2]
    assert values(of, TABLE, "b") == [3, 2, 3, None, 3, 2]
    other = {"a": pa.array(["w", "v", None]), "b": pa.array([True, None, True])}
    assert values(of, other, "a") == [0, 2, None]


def test_weights_estimate_the_population() -> None:
    of = recipe(
        a={"count": "a"}, r={"ratio_to_mean": "x", "by": "a"}, q={"bins": "x", "quantiles": 2}
    )
    weight = np.array([1.0, 3.0, 2.0, 5.0, 1.0, 1.0])
    repeated = {
        name: array.take(pa.array(np.repeat(np.arange(6), weight.astype(int))))
        for name, array in TABLE.items()
    }
    assert learned(of, TABLE, weight).to_document() == learned(of, repeated).to_document()


def test_the_same_value_of_another_type_is_the_same() -> None:
    whole = pa.array([5, None, -3])
    for dtype in (pa.float32(), pa.float64(), pa.decimal128(30, 2)):
        other = whole.cast(dtype)
        assert texts(other, "x").values == texts(whole, "x").values
    assert texts(pa.array([0.5, -0.0, float("nan")]), "x").values == ["0", "0.5"]
    coded = pa.array(["b", "a", None, "b"]).dictionary_encode()
    assert texts(coded, "x").codes.tolist() == [0, 1, -1, 0]
    with pytest.raises(DataError, match="more digits"):
        texts(pa.array([2**53 + 1]), "x")
    with pytest.raises(DataError, match="infinite"):
        texts(pa.array([1.0, math.inf]), "x")


@given(
    st.lists(
        st.tuples(st.floats(-1e6, 1e6) | st.none(), st.sampled_from("abc") | st.none()), min_size=1
    ),
    st.lists(st.integers(0, 100)),
)
def test_batches_change_no_bit(rows: list[tuple[Any, Any]], cuts: list[int]) -> None:
    x = pa.array([row[0] for row in rows] + [1.0, 2.5], pa.float64())
    a = pa.array([row[1] for row in rows] + ["a", "a"], pa.string())
    of = recipe(
        r={"ratio_to_mean": "x", "by": "a"}, q={"bins": "x", "quantiles": 3},
        c={"count": "a"}, k={"cross": ["x", "a"]}, p={"cyclic": "x", "period": 7.0},
    )  # fmt: skip
    count = len(x)
    weight = np.linspace(0.1, 3, count)
    places = [0, *sorted(min(cut, count) for cut in cuts), count]
    parts = [slice(*pair) for pair in pairwise(places)]
    for own in (None, weight):
        learning = RecipeLearning(of)
        for part in parts:
            of_part = None if own is None else own[part]
            learning.add({"x": x[part], "a": a[part]}, of_part)
        try:
            whole = learned(of, {"x": x, "a": a}, own)
        except DataError:  # a mean of 0
            return
        found, _ = learning.finish()
        assert found.to_document() == whole.to_document()
    all_rows = found.columns({"x": x, "a": a})
    for name in found.kinds:
        made = [found.columns({"x": x[part], "a": a[part]})[name].to_pylist() for part in parts]
        joined = [value for part in made for value in part]
        assert list(map(repr, joined)) == list(map(repr, all_rows[name].to_pylist()))


def test_where_a_row_stands_changes_no_bit() -> None:
    of = recipe(l={"log1p": "x"}, p={"cyclic": "x", "period": 7.3})
    x = pa.array(np.random.default_rng(2).lognormal(1, 3, 1_003))
    whole = of.columns({"x": x})
    for length in (1, 3, 8, 100, 997):
        parts = [of.columns({"x": x[at : at + length]}) for at in range(0, len(x), length)]
        for name in of.kinds:
            assert np.concatenate([part[name] for part in parts]).tobytes() == (
                whole[name].to_numpy().tobytes()
            )


def test_a_recipe_is_the_same_when_it_is_read_again() -> None:
    of = learned(
        recipe(
            l={"log1p": "x"}, r={"ratio_to_mean": "x", "by": "a"}, s={"ratio_to_mean": "x"},
            p={"cyclic": "n", "period": 24.0}, h={"cyclic": "t", "part": "hour"},
            e={"bins": "x", "edges": [1.5]}, q={"bins": "x", "quantiles": 2},
            k={"cross": ["a", "b"]}, c={"count": "a"},
        ),
        TABLE,
    )  # fmt: skip
    again = Recipe.from_document(json.loads(json.dumps(of.to_document(), sort_keys=True)))
    assert again.definition == of.definition
    assert [made.name for made in again.made] == [made.name for made in of.made]
    before, after = of.columns(TABLE), again.columns(TABLE)
    assert [*after] == [*before]
    assert [str(after[name]) for name in after] == [str(before[name]) for name in before]


def test_parts_of_a_recipe() -> None:
    of = recipe(l={"log1p": "x"}, p={"cyclic": "n", "period": 24.0}, k={"cross": ["a", "x"]})
    assert [made.name for made in of.without({"x"}).made] == ["p"]
    assert [made.name for made in of.for_features({"p cos", "l"}).made] == ["l", "p"]
    assert {*of.for_features({"p cos"}).sources} == {"n"}
