"""Ways, what they are called, and the commands for them."""

from __future__ import annotations

import shlex

import pytest

from rebalance.core.labels import Label
from rebalance.errors import UsageError
from rebalance.samplers.imbalanced import CLASSIC
from rebalance.steps.compare.recipes import Recipe
from rebalance.steps.compare.ways import Way, choose_ways, learner_names
from rebalance.storage.reading import USUAL, Reading

LABEL = Label("is late", "yes", ("no",))


def recipe(method: str, learner: str, negatives: float = 99.0) -> Recipe:
    return Recipe(Way(method, learner), LABEL, 5.0, negatives, ("id",), "shop", 3)


def test_how_true_probabilities_are() -> None:
    standing = {
        ("none", "gbm"): "exact",
        ("nonuniform", "gbm"): "exact",
        ("random-over", "logistic"): "exact",
        ("random-over", "gbm"): "approximate",
        ("smote", "logistic"): "calibrated",
        ("uniform+smote", "gbm"): "calibrated",
        ("near-miss", "gbm"): "calibrated",
    }
    assert {way: Way(*way).standing for way in standing} == standing


def test_presets_follow_the_features_and_the_registries() -> None:
    fast = choose_ways("fast", (), (), ["number", "category", "time"])
    assert Way("uniform+smotenc", "gbm") in fast
    assert len(fast) == 10
    assert Way("uniform+smote", "gbm") in choose_ways("fast", (), (), ["number", "time"])
    assert Way("uniform+smoten", "gbm") in choose_ways("fast", (), (), ["category", "boolean"])
    full = choose_ways("full", (), (), ["number"])
    assert {way.learner for way in full} == set(learner_names())
    assert set(CLASSIC) <= {way.method for way in full}
    assert len(set(full)) == len(full)


def test_what_is_named_replaces_the_preset() -> None:
    found = choose_ways("fast", ("none", "uniform+tomek", "none"), ("gbm",), ["number"])
    assert found == [Way("none", "gbm"), Way("uniform+tomek", "gbm")]


@pytest.mark.parametrize(
    ("methods", "learners", "says"),
    [
        (("unifrom",), (), "nearest are 'uniform'"),
        (("non",), (), "nearest are 'none'"),
        (("uniform+smoat",), (), "'smote"),
        (("smote+random-over",), (), "add nothing"),
        ((), ("lgistic",), "nearest is 'logistic'"),
    ],
)
def test_unknown_names_and_senseless_chains(
    methods: tuple[str, ...], learners: tuple[str, ...], says: str
) -> None:
    with pytest.raises(UsageError) as caught:
        choose_ways("fast", methods, learners, ["number"])
    assert says in str(caught.value)


def test_the_commands_of_a_chain() -> None:
    made = recipe("nonuniform+smote", "gbm").commands(["my table.csv", "b.csv"], USUAL)
    assert [shlex.split(each) for each in made] == [
        ["rebalance", "pilot", "my table.csv", "b.csv", "-l", "is late", "--positive", "yes",
         "--model", "gbm", "--drop", "id", "--key", "shop", "--seed", "3",
         "-o", "winner_pilot.rbl"],
        ["rebalance", "sample", "my table.csv", "b.csv", "--method", "nonuniform,smote",
         "--pilot", "winner_pilot.rbl", "--impute", "median", "--drop", "id", "--drop", "shop",
         "--rate", "0.101", "--ratio", "5", "--seed", "3", "-o", "winner_sample.parquet"],
        ["rebalance", "train", "winner_sample.parquet", "--model", "gbm", "--drop", "id",
         "--key", "shop", "--calibrate-on", "my table.csv", "--calibrate-on", "b.csv",
         "--recalibrate", "platt", "--seed", "3", "-o", "winner.rbl"],
        ["rebalance", "predict", "my table.csv", "b.csv", "--model", "winner.rbl",
         "-o", "winner_predictions.parquet"],
    ]  # fmt: skip


def test_options_of_reading_are_given_where_the_table_is_read() -> None:
    reading = Reading(delimiter="\t", header=False, decimal=",", nulls=("NA", "-"))
    sample, train, predict = recipe("uniform", "gbm").commands(["t.csv"], reading)
    options = "--delimiter tab --no-header --decimal , --null NA --null -"
    assert options in sample
    assert options in predict
    assert "--delimiter" not in train


def test_a_thinning_needs_more_negatives_than_it_keeps() -> None:
    assert recipe("uniform", "gbm", 5.1).budget.ratio == 5.0
    with pytest.raises(UsageError, match="4 negatives per positive, and uniform is to keep 5"):
        _ = recipe("uniform", "gbm", 4.0).budget
    with pytest.raises(UsageError, match="and uniform is to keep 10"):
        _ = recipe("uniform+smote", "gbm", 9.0).budget
    assert recipe("uniform+tomek", "gbm").budget.ratio is None
