import shlex
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalance.core.advice import advise
from rebalance.core.situation import Situation

PLAIN = Situation(("in.parquet",), "y", positives=2000, negatives=4000, features=8)
KNOWN = {"profile", "split", "pilot", "sample", "train", "predict", "evaluate", "run"}


def commands(situation):
    return [advice.command for advice in advise(situation) if advice.command]


def verbs(situation):
    return [shlex.split(command)[1] for command in commands(situation)]


def reasons(situation):
    return " ".join(advice.reason for advice in advise(situation))


def at(ratio, positives=2000, **changed):
    return replace(PLAIN, positives=positives, negatives=int(ratio * positives), **changed)


@pytest.mark.parametrize(
    ("ratio", "words"),
    [(0.5, "not the rare one"), (2.0, "neither sampling nor class weights"), (8.0, "mild")],
)
def test_below_twenty_to_one_all_rows_are_trained_on(ratio, words):
    situation = at(ratio, positives=10_000)
    assert verbs(situation) == ["split", "train", "predict", "evaluate"]
    assert words in reasons(situation)
    assert commands(situation)[:2] == [
        "rebalance split in.parquet -l y --test 0.2 -o train.parquet -o test.parquet",
        "rebalance train train.parquet -l y --natural --model gbm -o model.rbl",
    ]


def test_a_mild_imbalance_is_sampled_in_a_big_table_only():
    assert "sample" not in verbs(at(12, positives=20_000))
    assert "sample" in verbs(at(12, positives=100_000))
    assert "big table" in reasons(at(12, positives=100_000))
    # At 6:1 a ratio of 5 saves nothing, however big the table is.
    assert "sample" not in verbs(at(6, positives=1_000_000))


def test_between_twenty_and_a_hundred_to_one_a_ratio_is_kept():
    situation = at(50)
    assert verbs(situation) == ["split", "pilot", "sample", "train", "predict", "evaluate", "run"]
    assert commands(situation)[1:4] == [
        "rebalance pilot train.parquet -l y --model gbm -o pilot.rbl",
        "rebalance sample train.parquet --pilot pilot.rbl --ratio 5 -o sample.parquet",
        "rebalance train sample.parquet --model gbm -o model.rbl",
    ]
    # 2,000 positives and 10,000 negatives of 102,000 rows.
    assert "about 12% of the rows" in reasons(situation)
    assert commands(situation)[-1] == "rebalance run in.parquet -l y --ratio 5 -o out"


@pytest.mark.parametrize(
    ("ratio", "rate"), [(100, "0.1"), (250, "0.04"), (1000, "0.01"), (150_000, "0.00007")]
)
def test_above_a_hundred_to_one_a_rate_leaves_about_ten_for_each(ratio, rate):
    sample = commands(at(ratio))[2]
    assert f"--method nonuniform --rate {rate} -o" in sample
    assert float(rate) * ratio == pytest.approx(10, rel=0.5)


def test_a_few_thousand_negatives_are_all_trained_on():
    situation = replace(PLAIN, positives=200, negatives=19_999)
    assert "sample" not in verbs(situation)
    assert "19,999 negatives" in reasons(situation)
    assert "sample" in verbs(replace(situation, negatives=20_000))


@pytest.mark.parametrize(("positives", "features"), [(99, 2), (150, 16)])
def test_few_positives_get_a_warning_and_a_logistic_model(positives, features):
    situation = replace(PLAIN, positives=positives, negatives=30_000, features=features)
    assert f"{positives} positives are few for {features} features" in reasons(situation)
    assert "keep every positive" in reasons(situation)
    assert not any("gbm" in command for command in commands(situation))
    assert all(
        "--model logistic" in command
        for command in commands(situation)
        if shlex.split(command)[1] in ("pilot", "train")
    )


def test_fewer_than_twenty_positives_are_said_to_be_worth_little():
    text = reasons(at(1000, positives=19))
    assert "With 19 positives no probability and no metric will be worth much" in text
    assert "worth much" not in reasons(at(1000, positives=20))


def test_fewer_than_ten_positives_get_no_training_commands():
    situation = at(1000, positives=9)
    assert verbs(situation) == ["profile"]
    assert "Only 9 rows are positive" in reasons(situation)
    assert "Only 1 row is positive" in reasons(at(1000, positives=1))


def test_where_the_positive_class_is_not_the_rare_one_the_negatives_are_counted():
    situation = replace(PLAIN, positives=90_000, negatives=50)
    assert "50 negatives are few" in reasons(situation)
    assert "Only 3 rows are negative" in reasons(replace(situation, negatives=3))


def test_suspects_are_left_out_of_every_command_that_learns():
    situation = at(50, leaks=("paid back",), identifiers=("id",), drop=("id", "paid back"))
    for command in commands(situation):
        if shlex.split(command)[1] in ("profile", "pilot", "run"):
            assert "--drop id --drop 'paid back'" in command
    assert "'paid back' tells the classes apart alone" in reasons(situation)
    assert "'id' looks like an identifier" in reasons(situation)
    natural = at(2, positives=20_000, drop=("id",))
    assert "--drop id" in commands(natural)[1]


def test_a_key_goes_into_the_split_and_to_the_learners():
    situation = at(50, key="customer", time="day")
    assert "split in.parquet -l y --key customer --test" in commands(situation)[0]
    assert "--key customer" in commands(situation)[1]
    assert "all rows of a 'customer' on one side" in reasons(situation)
    assert "--time" not in reasons(situation)
    assert "--time day" in reasons(at(50, time="day"))


def test_three_classes_start_with_naming_one():
    situation = at(50, classes=3, positive="c")
    assert commands(situation)[0] == "rebalance profile in.parquet -l y --positive c"
    assert "3 classes" in advise(situation)[0].reason
    assert verbs(replace(situation, positive_was_named=True))[0] == "split"
    assert "--positive c" in commands(replace(situation, positive_was_named=True))[0]


def test_standard_input_is_saved_first():
    first = advise(at(50, inputs=("TABLE.csv",), piped=True))[0]
    assert first.command is None
    assert "save what was piped in as TABLE.csv first" in first.reason


def test_reserved_names_are_to_be_renamed():
    first = advise(at(50, reserved=("rb_pi",)))[0]
    assert "'rb_pi'" in first.reason
    assert "rename" in first.reason


def test_infinite_numbers_are_named():
    assert "'a', 'b' hold infinite numbers" in reasons(at(50, infinite=("a", "b")))


def test_no_feature_left():
    assert "No column is left to learn from" in reasons(at(50, features=0))
    assert commands(at(50, features=0)) == []


@given(
    st.integers(1, 10**7),
    st.integers(1, 10**7),
    st.integers(0, 500),
    st.text(min_size=1, max_size=12),
    st.text(min_size=1, max_size=12),
)
def test_every_command_reads_back_as_it_was_meant(positives, negatives, features, name, dropped):
    situation = Situation(
        (f"{name}.csv",), name, positives, negatives, features, positive=name, drop=(dropped,)
    )
    for advice in advise(situation):
        assert advice.reason.endswith(".")
        if advice.command is None:
            continue
        words = shlex.split(advice.command)
        assert words[0] == "rebalance"
        assert words[1] in KNOWN
        if "-l" in words:
            assert words[words.index("-l") + 1] == name
        if words[1] in ("profile", "split", "run"):
            assert words[2] == f"{name}.csv"
        if "--drop" in words:
            assert words[words.index("--drop") + 1] == dropped
