"""Which fits are made in the time: with a clock that fits themselves move on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rebalance.core.labels import Label
from rebalance.errors import DataError, UsageError
from rebalance.steps.compare import contest as module
from rebalance.steps.compare.asked import CompareAsked
from rebalance.steps.compare.budget import Clock, Rows
from rebalance.steps.compare.contest import Contest
from rebalance.steps.compare.folds import FoldFiles, Folds
from rebalance.steps.compare.outcome import METRICS, Outcome
from rebalance.steps.compare.recipes import Recipe
from rebalance.steps.compare.state import State
from rebalance.steps.compare.ways import Way
from rebalance.steps.context import Context

ROWS, POSITIVES, FOLDS = 60_000, 600, 5
LABEL = Label("y", "1", ("0",))


@dataclass
class Pretended:
    """Logistic takes 1 s, and gbm 2 s, for 10,000 rows; a look at all 0.5 s."""

    now: float = 0.0
    fits: list[tuple[str, int]] = field(default_factory=list)
    slower: float = 1.0

    def seconds(self, way: Way, rows: int) -> float:
        return self.slower * (0.1 + rows * {"logistic": 1e-4, "gbm": 2e-4}[way.learner])


class PretendedClock(Clock):
    def __init__(self, budget: float, world: Pretended) -> None:
        self.budget, self.world = budget, world

    @property
    def spent(self) -> float:
        return self.world.now


class PretendedBench:
    def __init__(self, world: Pretended, files: FoldFiles) -> None:
        self.world, self.files = world, files

    def fit(self, recipe: Recipe, limit: float) -> Outcome:
        way = recipe.way
        if way.method == "smote":
            raise DataError("smote takes numbers only")
        rows = Rows(480, 47_520, 5.0).trained(way)
        seconds = self.world.seconds(way, rows)
        parts = {"train": seconds} | ({"sample": 0.2} if way.chain else {})
        self.world.now += sum(parts.values())
        self.world.fits.append((way.name, self.files.number))
        scores = dict.fromkeys(METRICS, 0.5)
        return Outcome(way.name, self.files.number, rows, 480, 12_000, 120, parts, seconds, scores)

    def trial(self, recipe: Recipe, part: str) -> float:
        seconds = self.world.seconds(recipe.way, int(part))
        self.world.now += seconds
        return seconds


def held(
    monkeypatch: pytest.MonkeyPatch, budget: float, ways: list[Way], world: Pretended
) -> Contest:
    def write(table: Any, folds: Folds, number: int, folder: Path, parts: list[int]) -> FoldFiles:
        world.now += 0.5
        small = tuple((str(size), size) for size in parts)
        return FoldFiles(number, folder, "", "", 48_000, 12_000, 120, 0.5, small)

    monkeypatch.setattr(module, "write_fold", write)
    monkeypatch.setattr(module, "Bench", lambda files, *_: PretendedBench(world, files))
    y_true = np.arange(ROWS) < POSITIVES
    folds = Folds(LABEL, y_true, np.arange(ROWS) % FOLDS, FOLDS, is_chain=False)
    recipes = {way: Recipe(way, LABEL, 5.0, 99.0, (), None, 0) for way in ways}
    context = Context()
    asked = CompareAsked(["t"], "y")
    clock = PretendedClock(budget, world)
    table: Any = None
    state = State(None, {}, context)
    return Contest(table, folds, asked, recipes, state, clock, 1.0, context)


WAYS = [
    Way(method, learner)
    for method in ("none", "uniform", "random-over", "smote")
    for learner in ("logistic", "gbm")
]


def folds_by_way(contest: Contest) -> dict[str, int]:
    return {way.name: len(found) for way, found in contest.finished().items()}


def test_with_time_enough_all_is_done_and_refusals_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    contest = held(monkeypatch, 1_000, WAYS, Pretended())
    contest.run()
    assert folds_by_way(contest) == {way.name: FOLDS for way in WAYS if way.method != "smote"}
    assert {way.name for way in contest.refused} == {"smote x logistic", "smote x gbm"}
    assert contest.waiting == set()


@pytest.mark.parametrize("budget", [8, 15, 30, 45, 60, 90, 120])
def test_it_ends_in_time_and_the_smallest_ways_come_first(
    monkeypatch: pytest.MonkeyPatch, budget: float
) -> None:
    world = Pretended()
    contest = held(monkeypatch, budget, WAYS[:6], world)
    contest.run()
    assert world.now <= budget
    found = folds_by_way(contest)
    assert found["uniform x logistic"] >= 2
    assert world.fits[0] == ("uniform x logistic", 0)
    whole = [name for name, folds in found.items() if folds == FOLDS]
    assert len(whole) >= len(found) - 1  # at the end one may have some folds only
    for way in contest.recipes:
        assert (way in contest.waiting) == (found.get(way.name, 0) < FOLDS)
    if budget >= 45:  # uniform takes 17 s with all folds, none x logistic 25 s more
        assert "none x logistic" in found


def test_a_machine_that_gets_slower_takes_folds_not_more_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = Pretended()
    contest = held(monkeypatch, 60, WAYS[:6], world)
    made = contest._fit

    def slower(*arguments: Any) -> int:
        if len(world.fits) == 6:
            world.slower = 4.0
        return made(*arguments)

    monkeypatch.setattr(contest, "_fit", slower)
    contest.run()
    # None was begun that would not fit at the pace of the last ones.
    assert world.now <= 60


def test_too_little_for_a_single_fit_says_the_smallest(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Pretended()
    with pytest.raises(UsageError, match="smallest, uniform x logistic on one fold") as caught:
        held(monkeypatch, 2.5, WAYS[:6], world).run()
    assert world.fits == []
    enough = float(caught.value.remedy.split()[2])
    again = held(monkeypatch, enough, WAYS[:6], Pretended())
    again.run()
    assert folds_by_way(again)["uniform x logistic"] >= 1


def test_without_trials_the_first_fit_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small tables are not tried: the smallest fit is made, and the budget refused after it."""
    monkeypatch.setattr(module, "TRIED_FROM", 10**9)
    world = Pretended()
    with pytest.raises(UsageError, match=r"takes about 4.9 s"):
        held(monkeypatch, 3, WAYS[:2], world).run()
    assert world.fits == [("none x logistic", 0)]
