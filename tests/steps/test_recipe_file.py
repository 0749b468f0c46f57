"""Recipes as users write them: what they mean, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from rebalance.errors import ArtifactError, UsageError
from rebalance.steps.recipe_file import read_recipe


def written(folder: Path, text: str) -> str:
    path = folder / "features.toml"
    path.write_text(text)
    return str(path)


def test_every_kind(tmp_path: Path) -> None:
    found = read_recipe(
        written(
            tmp_path,
            """
            drop = ["hour", "hour"]

            [features]
            log_amount = { log1p = "amount" }
            to_mean = { ratio_to_mean = "amount", by = "shop" }
            of_day = { cyclic = "hour", period = 24 }
            of_week = { cyclic = "time", part = "weekday" }
            band = { bins = "amount", edges = [10, 100.5] }
            fifth = { bins = "amount", quantiles = 5 }
            pair = { cross = ["shop", "card"] }

            [features.often]
            count = "shop"
            """,
        )
    )
    assert found.drop == ("hour",)
    assert {made.name: made.definition for made in found.made} == {
        "log_amount": {"log1p": "amount"},
        "to_mean": {"ratio_to_mean": "amount", "by": "shop"},
        "of_day": {"cyclic": "hour", "period": 24.0},
        "of_week": {"cyclic": "time", "part": "weekday"},
        "band": {"bins": "amount", "edges": [10.0, 100.5]},
        "fifth": {"bins": "amount", "quantiles": 5},
        "pair": {"cross": ["shop", "card"]},
        "often": {"count": "shop"},
    }


@pytest.mark.parametrize(
    ("feature", "said"),
    [
        ("= 3", "no TOML.*line 2"),
        (f"a = {'[' * 5000}", "no TOML"),
        ('a = { log1p = "x" }\na = { count = "y" }', "no TOML.*Cannot overwrite"),
        ('a = { logp1 = "x" }', "no kind of feature 'logp1'.*nearest is 'log1p'"),
        ('a = { log1p = "x", by = "y" }', "log1p takes no option 'by'"),
        ('a = { log1p = "x", count = "y" }', "log1p and count at once"),
        ('a = { log1p = ["x"] }', "log1p is made of one column"),
        ("a = {}", "is not said"),
        ('a = "x"', "is not said"),
        ('rb_a = { log1p = "x" }', "can be no feature's name"),
        ('a = { cyclic = "x" }', "needs the period"),
        ('a = { cyclic = "x", period = 24, part = "hour" }', "needs the period"),
        ('a = { cyclic = "x", period = 0 }', "period 0 is not a number above 0"),
        ('a = { cyclic = "x", period = inf }', "period inf is not"),
        ('a = { cyclic = "x", period = true }', "period True is not"),
        (f'a = {{ cyclic = "x", period = 1{"0" * 400} }}', "is not a number above 0"),
        ('a = { cyclic = "x", part = "hours" }', "no part 'hours'.*nearest is 'hour'"),
        ('a = { cyclic = "x", part = [1] }', "no part"),
        ('a = { bins = "x" }', "need edges, or a number of quantiles"),
        ('a = { bins = "x", edges = [2, 2] }', "do not rise"),
        ('a = { bins = "x", edges = [1, nan] }', "a list of numbers"),
        ('a = { bins = "x", quantiles = 1 }', "quantiles = 1 is not"),
        ('a = { bins = "x", quantiles = 2.5 }', "quantiles = 2.5 is not"),
        (f'a = {{ bins = "x", edges = {[*range(100)]} }}', "more than 100 bins"),
        ('a = { cross = ["x"] }', "a list of two columns"),
        ('a = { cross = ["x", "x"] }', "a list of two columns"),
        ('a = { ratio_to_mean = "x", by = "x" }', "'by' is one column, another"),
        ('a = { cyclic = "x", period = 7 }\n"a sin" = { log1p = "x" }', "two features called"),
        ("", "defines no feature"),
        ("[feature]", "no key 'feature'.*nearest is 'features'"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(tmp_path: Path, feature: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_recipe(written(tmp_path, f"[features]\n{feature}\n"))
    for part in said.split(".*"):
        assert part in str(caught.value)
    assert "features.toml" in str(caught.value)


def test_drop_is_a_list(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'drop' a list"):
        read_recipe(written(tmp_path, 'drop = "x"\n[features]\na = { log1p = "x" }'))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_recipe(str(tmp_path / "none.toml"))
