"""table -> folds -> ways to train, each on every fold -> ranked ways and the winner's commands"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rebalance import __version__
from rebalance.errors import FitError, UsageError
from rebalance.report.comparison import Bar, comparison_picture
from rebalance.report.pictures import picture_format
from rebalance.steps.compare.asked import (
    DEFAULT_BUDGETS,
    CompareAsked,
    CompareResult,
    Fold,
    Missed,
)
from rebalance.steps.compare.budget import Clock
from rebalance.steps.compare.contest import Contest
from rebalance.steps.compare.folds import Folds, make_folds
from rebalance.steps.compare.known import refused_at_once, tell_repeated, tell_winner
from rebalance.steps.compare.outcome import METRICS
from rebalance.steps.compare.recipes import Recipe, reading_options
from rebalance.steps.compare.results import Place, rank_ways
from rebalance.steps.compare.state import State
from rebalance.steps.compare.ways import Way, choose_ways
from rebalance.steps.context import Context
from rebalance.steps.features import choose_features
from rebalance.steps.memory import HEAVY, Need, open_within
from rebalance.storage.atomic import check_outputs, write_bytes
from rebalance.storage.tables import Table

# What comes after the fits, in seconds: the table, and the libraries that draw.
_AFTER, _DRAWING = 1.0, 2.5


def compare(asked: CompareAsked, context: Context) -> CompareResult:
    """Cross-validate ways to train on a table of two classes, in the time that was given.

    Whatever is fitted, is fitted to a fold's training rows alone: pilots, samplers, encoders,
    learners, calibrations. Every figure is of its test rows, which nothing was done to.

    Raises
    ------
    UsageError : an unknown way, options that contradict each other, or too little time.
    DataError : the table is damaged, or has too few positives for the folds.
    ArtifactError : the state is of another table or of other settings.
    FitError : no way could be fitted.
    """
    budget = asked.budget or DEFAULT_BUDGETS[asked.preset]
    clock = Clock(budget)
    image_format = picture_format(asked.plot) if asked.plot is not None else ""
    check_outputs([asked.plot], asked.inputs, clobber=asked.clobber)
    check_outputs([asked.state], [*asked.inputs, *filter(None, [asked.plot])], clobber=True)
    _refuse_standard_input(asked.inputs)
    choose_ways(asked.preset, asked.methods, asked.learners, ())  # names, before anything is read
    tell_repeated("--methods", asked.methods, context)
    tell_repeated("--learners", asked.learners, context)
    table = open_within(asked.inputs, context, Need(HEAVY, per_row=40.0, outputs=2))
    table.refuse_own_columns()
    kinds = choose_features(
        table, asked.label, drop=asked.drop, key=asked.key, sample_weight=None, context=context
    )
    ways = choose_ways(asked.preset, asked.methods, asked.learners, list(kinds.values()))
    folds = make_folds(
        table,
        asked.label,
        asked.folds,
        positive=asked.positive,
        key=asked.key,
        time=asked.time,
        seed=asked.seed,
        context=context,
    )
    state = State(asked.state, _header(asked, table, folds, context), context)
    reserve = _AFTER + (_DRAWING if asked.plot is not None else 0.0)
    recipes = _recipes(ways, asked, folds)
    contest = Contest(table, folds, asked, recipes, state, clock, reserve, context)
    contest.refused |= refused_at_once(recipes, table, kinds)
    contest.run()
    missed = _missed(contest)
    found = contest.finished()
    if not found:
        contest.refuse_time()
        raise FitError(
            f"no way could be fitted: {missed[0].way}: {missed[0].reason}"
            + (f"; and {len(missed) - 1} more" if len(missed) > 1 else ""),
            remedy="choose others with --methods and --learners",
        )
    _tell_time(contest, budget, context)
    places = rank_ways(found, asked.rank_by, folds.test_per_train)
    tell_winner(places[0], context)
    if asked.plot is not None:
        drawn = [_bar(place, folds.count) for place in places]
        write_bytes(asked.plot, comparison_picture(drawn, image_format=image_format))
    positives = int(folds.y_true.sum())
    return CompareResult(
        asked=asked,
        positive=folds.label.positive,
        rows=len(folds.y_true),
        positives=positives,
        folds=tuple(_fold(folds, number) for number in range(folds.count)),
        budget=budget,
        seconds=clock.spent,
        places=tuple(places),
        missed=tuple(missed),
        commands=tuple(recipes[places[0].way].commands(asked.inputs, context.reading)),
    )


def _refuse_standard_input(inputs: Sequence[str]) -> None:
    """The commands at the end read the table again, and there is nothing to name.

    Raises
    ------
    UsageError : it is among the inputs.
    """
    if "-" in inputs:
        raise UsageError(
            "compare ends with commands that read the table again, which standard input ('-') "
            "cannot be",
            remedy="save it in a file first",
        )


def _header(asked: CompareAsked, table: Table, folds: Folds, context: Context) -> dict[str, Any]:
    """What makes outcomes comparable."""
    return {
        "table": table.digest,
        "label": asked.label,
        "positive": folds.label.positive,
        "folds": asked.folds,
        "key": asked.key,
        "time": asked.time,
        "drop": sorted(asked.drop),
        "seed": asked.seed,
        "ratio": asked.ratio,
        "precision": asked.precision,
        "uncorrected": asked.uncorrected,
        "reading": reading_options(context.reading),
        "rebalance": __version__,
    }


def _recipes(ways: Sequence[Way], asked: CompareAsked, folds: Folds) -> dict[Way, Recipe]:
    positives = int(folds.y_true.sum())
    negatives = len(folds.y_true) - positives
    return {
        way: Recipe(
            way,
            folds.label,
            asked.ratio,
            negatives / positives,
            asked.drop,
            asked.key,
            asked.seed,
        )
        for way in ways
    }


def _tell_time(contest: Contest, budget: float, context: Context) -> None:
    """Say what would have been enough, where the time was too short."""
    short = [way for way in contest.waiting if way not in contest.refused]
    if short:
        context.note(
            f"{len(short)} of {len(contest.recipes)} ways did not fit into {budget:g} s, or not on "
            f"all folds: all would take about {contest.seconds_for_all():,.0f} s; give more with "
            "--budget, or fewer --folds, --methods or --learners"
        )


def _missed(contest: Contest) -> list[Missed]:
    """The ways that have not all folds, in the order they were asked for."""
    found, missed = contest.finished(), []
    for way in contest.recipes:
        folds = len(found.get(way, ()))
        if folds < contest.folds.count:
            reason = contest.refused.get(way)
            missed.append(Missed(way.name, folds, reason or "no time was left for it"))
    return missed


def _fold(folds: Folds, number: int) -> Fold:
    trains, tests = folds.trains(number), folds.tests(number)
    return Fold(
        int(trains.sum()),
        int(folds.y_true[trains].sum()),
        int(tests.sum()),
        int(folds.y_true[tests].sum()),
    )


def _bar(place: Place, folds: int) -> Bar:
    estimates = {name: place.metrics[name] for name in METRICS}
    is_worse = place.versus is not None and place.versus.is_more
    is_whole = place.folds == folds
    return Bar(place.way.name, estimates, place.rows, place.seconds, is_worse, is_whole)
