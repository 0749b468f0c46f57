"""what fits took -> what others will take, and which still fit into the time"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from rebalance.steps.compare.outcome import Outcome
from rebalance.steps.compare.recipes import SURPLUS
from rebalance.steps.compare.ways import Way

# Fits vary: rounds that are found, a machine that does other things too.
MARGIN = 1.15
# A calibration on the rows of a sample fits five times more, to four fifths of the rows.
_CALIBRATION = 4.0
# A pilot is fitted once, and in five folds for its quality; of each class at most so many rows.
_PILOT_FITS, _PILOT_ROWS = 5.0, 5_000
# What is not measured yet is taken for so many times the slowest learner that is.
_UNKNOWN = 2.0
_TINY = 1e-3
# The pace is that of fits to about as many rows as were fitted to before; others tell of the rows.
_NEAR = 2.0
_LEAST_SLOPE = 0.5

Points = list[tuple[int, float]]


class Clock:
    """Seconds since the contest began, and those that are left before `budget` ends."""

    def __init__(self, budget: float) -> None:
        self.budget = budget
        self._began = time.perf_counter()

    @property
    def spent(self) -> float:
        """Seconds so far."""
        return time.perf_counter() - self._began

    @property
    def left(self) -> float:
        """Seconds to go."""
        return self.budget - self.spent


@dataclass(frozen=True)
class Rows:
    """The rows that a fold trains on."""

    positives: int
    negatives: int
    ratio: float

    @property
    def all(self) -> int:
        """Both classes."""
        return self.positives + self.negatives

    def trained(self, way: Way) -> int:
        """About how many rows a way trains on."""
        chain = way.chain
        if chain is None:
            return self.all
        kept = round(self.positives * (1 + self.ratio))
        if chain.thinning is not None and chain.then is None:
            return min(kept, self.all)
        negatives = self.negatives
        if chain.thinning is not None:
            negatives = min(round(SURPLUS * self.ratio * self.positives), negatives)
        if chain.then is not None and chain.then.role == "under":
            return min(kept, self.all)
        if chain.then is not None and chain.then.role == "clean":
            return negatives + self.positives
        return negatives + max(round(negatives / self.ratio), self.positives)


@dataclass
class Estimates:
    """What was measured: by learner rows and seconds, and the last seconds of what is made once.

    fold : seconds to write a fold. late : what fits took, by what was expected of them.
    """

    finishing: dict[str, Points] = field(default_factory=dict)
    samples: dict[tuple[str, str | None], float] = field(default_factory=dict)
    pilots: dict[str, float] = field(default_factory=dict)
    fold: float = 0.0
    late: list[float] = field(default_factory=list)

    def learn(self, way: Way, outcome: Outcome) -> None:
        """Take what a fit took."""
        name = _learner(way)
        known = self.finishing.get(name, [])
        if any(1 / _NEAR <= rows / outcome.rows <= _NEAR for rows, _ in known):
            expected = at_rows(known, outcome.rows)
            self.late.append(outcome.finishing / max(expected, _TINY))
        self.finishing.setdefault(name, []).append((outcome.rows, outcome.finishing))
        if way.pilot is not None:
            self.pilots[way.pilot] = outcome.seconds["pilot"]
        if way.chain is not None:
            self.samples[way.method, way.pilot] = outcome.seconds["sample"]

    @property
    def pace(self) -> float:
        """How many times longer than expected the last fits took, 1 at the least."""
        return max(float(np.median(self.late[-3:])), 1.0) if self.late else 1.0

    def fit(self, way: Way, rows: Rows) -> float:
        """Seconds of training, predicting and scoring."""
        name, trained = _learner(way), rows.trained(way)
        if name in self.finishing:
            found = MARGIN * at_rows(self.finishing[name], trained)
        elif way.learner in self.finishing:  # without the calibration
            plain = at_rows(self.finishing[way.learner], trained)
            found = MARGIN * (1 + _CALIBRATION) * plain
        else:
            known = [at_rows(points, trained) for points in self.finishing.values()]
            found = _UNKNOWN * max(known, default=0.0)
        return self.pace * found

    def pilot(self, way: Way, rows: Rows) -> float:
        """Seconds of the pilot that the way needs, 0 without one."""
        if way.pilot is None:
            return 0.0
        if way.pilot in self.pilots:
            return MARGIN * self.pilots[way.pilot]
        drawn = 2 * min(rows.positives, _PILOT_ROWS)
        points = self.finishing.get(way.pilot, [(1, 0.0)])
        return self.fold + _PILOT_FITS * at_rows(points, drawn)

    def sample(self, way: Way) -> float:
        """Seconds of the sample; what is not known is that of a look at all rows."""
        if way.chain is None:
            return 0.0
        measured = self.samples.get((way.method, way.pilot))
        return self.fold if measured is None else MARGIN * measured

    def whole(self, way: Way, rows: Rows) -> float:
        """Seconds of a way on a fold."""
        return self.pilot(way, rows) + self.sample(way) + self.fit(way, rows)

    def share(self, ways: Sequence[Way], rows: Rows) -> float:
        """Seconds of all these ways on a fold, what they share counted once, and of its files."""
        pilots = {way.pilot: self.pilot(way, rows) for way in ways}
        samples = {(way.method, way.pilot): self.sample(way) for way in ways}
        fits = sum(self.fit(way, rows) for way in ways)
        return MARGIN * self.fold + sum(pilots.values()) + sum(samples.values()) + fits

    def order(self, ways: Sequence[Way], rows: Rows) -> list[Way]:
        """The ways, the smallest first; of those that are as long in the order given."""
        place = {way: number for number, way in enumerate(ways)}

        def size(way: Way) -> tuple[bool, float, int]:
            chain = way.chain
            slow = chain is not None and chain.then is not None and chain.then.power > 1
            unknown = (way.method, way.pilot) not in self.samples
            # A method whose time grows with the square of the rows says itself what it takes.
            alone = chain is not None and chain.thinning is None
            return slow and unknown and alone, self.whole(way, rows), place[way]

        return sorted(ways, key=size)


def _learner(way: Way) -> str:
    return f"{way.learner}, calibrated" if way.calibrates else way.learner


def at_rows(points: Sequence[tuple[int, float]], rows: int) -> float:
    """Seconds for so many rows, from what fewer or more took.

    By the line through the means at the two nearest numbers of rows below, but rising at least half
    as fast as in proportion, since what few rows took is uncertain; from one number of rows in
    proportion, which is too much where rows are few.

    >>> at_rows([(1_000, 1.0), (2_000, 1.5)], 4_000)
    2.5
    >>> at_rows([(1_000, 1.0), (2_000, 1.0)], 4_000)
    1.5
    >>> at_rows([(1_000, 1.0)], 4_000), at_rows([(1_000, 1.0)], 500)
    (4.0, 1.0)
    """
    by_rows: dict[int, list[float]] = {}
    for count, seconds in points:
        by_rows.setdefault(_rounded(count), []).append(seconds)
    known = sorted((count, sum(each) / len(each)) for count, each in by_rows.items())
    below = [each for each in known if each[0] <= _rounded(rows)] or known[:1]
    count, seconds = below[-1]
    if rows <= count:
        return seconds
    if len(below) == 1:
        return seconds * rows / count
    before, then = below[-2]
    slope = max((seconds - then) / (count - before), _LEAST_SLOPE * seconds / count)
    return seconds + slope * (rows - count)


def _rounded(count: int) -> int:
    """Two figures: folds differ by a few rows."""
    return int(float(f"{count:.2g}"))
