"""folds x ways -> outcomes, in the time that was given"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from rebalance.errors import RebalanceError, UsageError
from rebalance.steps.compare.asked import CompareAsked
from rebalance.steps.compare.budget import MARGIN, Clock, Estimates, Rows
from rebalance.steps.compare.fitting import Bench
from rebalance.steps.compare.folds import Folds, write_fold
from rebalance.steps.compare.known import reason
from rebalance.steps.compare.outcome import Outcome
from rebalance.steps.compare.recipes import Recipe
from rebalance.steps.compare.state import State
from rebalance.steps.compare.ways import Way
from rebalance.steps.context import Context
from rebalance.storage.tables import Table

# Trials on so many rows, and at most such a share of them, tell what a fit to all will take.
TRIALS = ((2_000, 1 / 8), (8_000, 1 / 3))
TRIED_FROM = 8_000
_LEAST = 0.01
_TRYING = 0.2  # of the budget


class Step:
    """So many fits are done, or will not be."""

    def __init__(self, fits: int = 1) -> None:
        self._fits = fits

    def __len__(self) -> int:
        return self._fits


@dataclass
class Contest:
    """The work on one table.

    reserve : seconds that are kept for what comes after the fits.
    refused : the reason by way.
    """

    table: Table
    folds: Folds
    asked: CompareAsked
    recipes: Mapping[Way, Recipe]
    state: State
    clock: Clock
    reserve: float
    context: Context
    estimates: Estimates = field(default_factory=Estimates)
    refused: dict[Way, str] = field(default_factory=dict)
    waiting: set[Way] = field(default_factory=set)
    new_fits: int = 0
    whole_only: bool = True

    def run(self) -> None:
        """Fit what is not finished, the smallest first, until all is done or the time is up.

        In the first round a way is begun if it fits on all folds; then those that waited, by what
        was measured meanwhile; and where none does, the smallest on one fold more.

        Raises
        ------
        UsageError : there is no time for a single fit.
        ArtifactError : what is finished does not say how long each step took.
        """
        for way, outcomes in self.finished().items():
            for outcome in outcomes:
                self.state.require(outcome, way.steps)
                self.estimates.learn(way, outcome)
        total = len(self.recipes) * self.folds.count
        steps = self.context.track(self._rounds(), "comparing", total)
        for _ in steps:
            pass

    def finished(self) -> dict[Way, list[Outcome]]:
        """The outcomes of each way that has any."""
        found: dict[Way, list[Outcome]] = {}
        for way in self.recipes:
            for number in range(self.folds.count):
                outcome = self.state.finished.get((way.name, number))
                if outcome is not None:
                    found.setdefault(way, []).append(outcome)
        return found

    def _rounds(self) -> Iterator[Step]:
        done = sum(len(each) for each in self.finished().values())
        done += len(self.refused) * self.folds.count
        if done:
            yield Step(done)
        yield from self._round(list(self.recipes))
        while self.waiting:
            before = self.new_fits
            yield from self._round(self._taken_up())
            if self.new_fits == before:
                yield from self._one_more()
            if self.new_fits == before:
                break
        yield Step(len(self.waiting) * self.folds.count)

    def _taken_up(self) -> list[Way]:
        """The ways that waited; now none does."""
        again = [way for way in self.recipes if way in self.waiting]
        self.waiting.clear()
        return again

    def _one_more(self) -> Iterator[Step]:
        """One fit of the smallest way that waits: it may turn out that it fits on all folds."""
        rows, before = self._rows[0], self.new_fits
        for way in self.estimates.order(self._taken_up(), rows):
            needed = self.estimates.whole(way, rows) + MARGIN * self.estimates.fold
            if self.new_fits == before and needed <= self.left:
                self.whole_only = False
                number = next(n for n in range(self.folds.count) if self._is_pending(way, n))
                yield from self._on(number, [way])
                self.whole_only = True
            if any(self._is_pending(way, number) for number in range(self.folds.count)):
                self.waiting.add(way)

    def seconds_for_all(self) -> float:
        """About how long all that was asked for would take, without what is refused."""
        ways = [way for way in self.recipes if way not in self.refused]
        return sum(self.estimates.share(ways, rows) for rows in self._rows) + self.reserve

    def _round(self, ways: Sequence[Way]) -> Iterator[Step]:
        for number in range(self.folds.count):
            yield from self._on(number, ways)

    def _on(self, number: int, ways: Sequence[Way]) -> Iterator[Step]:
        """A fold, for those of the ways that miss it and fit into the time."""
        pending = self._affordable(ways, number)
        if pending:
            with TemporaryDirectory(prefix="rebalance-") as folder:
                yield from self._fold(number, pending, Path(folder))

    def _affordable(self, ways: Sequence[Way], number: int) -> list[Way]:
        """The ways to begin a fold for; all where it is not known yet what that takes."""
        pending = [way for way in ways if self._is_pending(way, number)]
        if self.estimates.fold == 0:
            return pending
        rows = self._rows[number]
        before = MARGIN * self.estimates.fold
        for way in pending:
            if self._limit(way, [], number, rows, before) is None:
                self.waiting.add(way)
        return [way for way in pending if way not in self.waiting]

    def _is_pending(self, way: Way, number: int) -> bool:
        left_out = way in self.refused or way in self.waiting
        return not left_out and (way.name, number) not in self.state.finished

    @property
    def left(self) -> float:
        """The seconds left for fits."""
        return self.clock.left - self.reserve

    def _fold(self, number: int, pending: list[Way], folder: Path) -> Iterator[Step]:
        rows = self._rows[number]
        parts: list[int] = []
        if not self.estimates.finishing and rows.all >= TRIED_FROM:
            parts = [min(most, int(share * rows.all)) for most, share in TRIALS]
        files = write_fold(self.table, self.folds, number, folder, parts)
        self.estimates.fold = files.seconds
        bench = Bench(files, self.context, self.asked.precision, self.asked.uncorrected)
        if parts:
            self._try(bench, pending, rows)
        queue = list(pending)
        begun: list[Way] = []
        while queue:
            way = self.estimates.order(queue, rows)[0]
            queue.remove(way)
            limit = self._limit(way, begun, number, rows)
            if limit is None:
                self.waiting.add(way)
                continue
            fits = self._fit(bench, way, limit)
            if way not in self.refused:
                begun.append(way)
            yield Step(fits)

    @cached_property
    def _rows(self) -> list[Rows]:
        """What each fold trains on; of a chain in time the later ones on more."""
        found = []
        for number in range(self.folds.count):
            trains = self.folds.trains(number)
            positives = int(self.folds.y_true[trains].sum())
            found.append(Rows(positives, int(trains.sum()) - positives, self.asked.ratio))
        return found

    def _try(self, bench: Bench, pending: Sequence[Way], rows: Rows) -> None:
        """Trials of each learner on small parts, where the table is large.

        Raises
        ------
        UsageError : by them, no fit is small enough.
        """
        for learner in dict.fromkeys(way.learner for way in pending):
            if self.clock.spent > _TRYING * self.clock.budget and self.estimates.finishing:
                break  # what was not tried is taken for slow, until it is measured
            way = next(each for each in pending if each.learner == learner)
            try:
                bench.trial(self.recipes[way], bench.files.parts[0][0])  # loads the libraries
                for part, size in bench.files.parts:
                    seconds = bench.trial(self.recipes[way], part)
                    self.estimates.finishing.setdefault(learner, []).append((size, seconds))
            except RebalanceError:
                continue  # it may work on all rows; if not, it says so itself
            smallest = min(
                (each for each in pending if each.learner in self.estimates.finishing),
                key=lambda each: self.estimates.whole(each, rows),
            )
            seconds, left = self.estimates.whole(smallest, rows), self.left
            if seconds > left:
                raise self._too_little(smallest, seconds, left)

    def refuse_time(self) -> None:
        """Say what the smallest fit would take, where ways waited and none was made.

        Raises
        ------
        UsageError : they did.
        """
        waiting = [way for way in self.recipes if way in self.waiting]
        if waiting:
            rows = self._rows[0]
            smallest = self.estimates.order(waiting, rows)[0]
            raise self._too_little(smallest, self.estimates.whole(smallest, rows), self.left)

    def _too_little(self, way: Way, seconds: float, left: float) -> UsageError:
        around = self.clock.budget - left
        return UsageError(
            f"--budget {self.clock.budget:g} is too little for a single fit: the smallest, "
            f"{way.name} on one fold, takes about {seconds:.2g} s, and {around:.2g} s go before "
            "and after it",
            remedy=f"give --budget {round(1.2 * (around + seconds) + 0.5)} or more",
        )

    def _limit(
        self, way: Way, begun: Sequence[Way], number: int, rows: Rows, before: float = 0.0
    ) -> float | None:
        """The seconds that a way's sampler may take on this fold; None where the way waits.

        A way is begun where it and all that were begun fit on all the folds to come. The smallest
        of all is begun where it fits on one. `before` are seconds that go before it.
        """
        mine, left = self.estimates.whole(way, rows), self.left - before
        is_begun = any(name == way.name for name, _ in self.state.finished)
        is_first = not self.state.finished and not begun
        if is_begun or not self.whole_only:
            return max(left, _LEAST) if mine <= left else None
        to_come = range(number + 1, self.folds.count)
        later_fits = 0.0
        for later in to_come:
            theirs = [each for each in begun if self._is_pending(each, later)]
            later_fits += self.estimates.share(theirs, self._rows[later])
            later_fits += self.estimates.whole(way, self._rows[later])
        spare = left - mine - later_fits
        if spare >= 0:
            return max(self.estimates.sample(way) + spare / (1 + len(to_come)), _LEAST)
        fits = mine <= left or not self.estimates.finishing  # what the smallest takes is found out
        return max(left, _LEAST) if is_first and fits else None

    def _fit(self, bench: Bench, way: Way, limit: float) -> int:
        """Fit a way on a fold; gives the number of fits that are not to be waited for any more.

        Raises
        ------
        UsageError : the first fit alone took longer than the budget.
        """
        is_first, before = not self.state.finished, self.left
        try:
            outcome = bench.fit(self.recipes[way], limit)
        except RebalanceError as exc:
            self.refused[way] = reason(exc)
            return self.folds.count - bench.files.number
        self.state.add(outcome)
        if is_first and self.left < 0:
            raise self._too_little(way, before - self.left, before)
        self.new_fits += 1
        self.estimates.learn(way, outcome)
        return 1
