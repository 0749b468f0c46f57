"""Which part of a split a row goes to: by the rank of its draw, by its key, or by its time.

A class is cut at exact ranks of its draws without holding the draws: a first look counts them in
bins, a second collects only those in the bins where a cut falls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rebalance.core.arrays import to_numpy
from rebalance.core.labels import canonical
from rebalance.errors import DataError, UsageError

PARTS = ("train", "test", "validation")
TRAIN, TEST, VALIDATION = range(3)
_BINS = 1 << 16
_LEAST_BINS = 16
_CELLS = 1 << 22  # of 8 bytes, over all strata

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]
Parts = NDArray[np.int8]


@dataclass(frozen=True)
class Shares:
    """The shares of the test and the validation set; the rest trains.

    Raises
    ------
    UsageError : a share outside 0 to 1, or nothing left to train on.
    """

    test: float
    validation: float | None = None

    def __post_init__(self) -> None:
        for name, share in (("test", self.test), ("validation", self.validation)):
            if share is not None and not 0 < share < 1:
                raise UsageError(
                    f"--{name} {share:g} is no share of the rows",
                    remedy="give a number above 0 and below 1, such as 0.2",
                )
        if self.validation is not None and self.test + self.validation >= 1:
            raise UsageError(
                f"--test {self.test:g} and --validation {self.validation:g} leave nothing to train "
                "on",
                remedy="give shares that add up to less than 1",
            )

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the parts, in the order of their outputs."""
        return PARTS if self.validation is not None else PARTS[:2]

    def sizes(self, total: int) -> tuple[int, int]:
        """How many of `total` go to test and to validation: the shares, rounded.

        >>> Shares(0.2, 0.1).sizes(25)
        (5, 2)
        """
        return round(self.test * total), round((self.validation or 0.0) * total)

    def sizes_with_train(self, total: int) -> tuple[int, int]:
        """The same, but that one of `total` always trains.

        >>> Shares(0.6).sizes_with_train(1), Shares(0.2).sizes_with_train(3)
        ((0, 0), (1, 0))
        """
        test, validation = self.sizes(total)
        if test + validation < total:
            return test, validation
        return min(test, total - 1), min(validation, max(total - 1 - test, 0))

    def lacking(self, total: int) -> str | None:
        """The first part that would get none of `total`; None where each gets one.

        >>> Shares(0.2).lacking(2), Shares(0.2).lacking(3)
        ('test', None)
        """
        test, validation = self.sizes(total)
        got = (total - test - validation, test, validation)
        short = [name for name, count in zip(self.parts, got, strict=False) if count < 1]
        return short[0] if short else None

    def parts_of_draws(self, draws: Floats) -> Parts:
        """Parts by the draw alone: test below its share, then validation, then train."""
        return _between(draws < self.test, draws < self.test + (self.validation or 0.0))


class DrawCounts:
    """First look: how many draws of each stratum fall into each of up to 2**16 equal bins.

    Of many strata the bins are fewer, so that all of them take no more than 32 MB while there are
    at least 16: bins that are halved hold the sum of two. Cuts stay exact, they are made in the
    second look; there are only more rows to collect then, a share of 1 / bins of each stratum.
    """

    def __init__(self) -> None:
        self._bins = _BINS
        self._strata = 0
        self._counts = np.zeros((2, _BINS), dtype=np.int64)  # room, which doubles

    def add(self, strata: Codes, draws: Floats) -> None:
        """Count rows: the number of each one's stratum, from 0, and its draw in [0, 1)."""
        self._strata = max(self._strata, int(strata.max(initial=-1)) + 1)
        if self._strata > len(self._counts):
            room = 1 << (self._strata - 1).bit_length()
            while self._bins > _LEAST_BINS and room * self._bins > _CELLS:
                self._counts = self._counts.reshape(len(self._counts), -1, 2).sum(axis=2)
                self._bins //= 2
            more = room - len(self._counts)
            self._counts = np.pad(self._counts, ((0, more), (0, 0)))
        np.add.at(self._counts.reshape(-1), self.bin(strata, draws), 1)

    def bin(self, strata: Codes, draws: Floats) -> Codes:
        """The number of the bin of each row, over all strata."""
        numbers: Codes = strata * self._bins + (draws * self._bins).astype(np.int64)
        return numbers

    @property
    def bins(self) -> int:
        """How many bins there are, over all strata."""
        return self._strata * self._bins

    @property
    def totals(self) -> Codes:
        """Rows by stratum."""
        totals: Codes = self._counts[: self._strata].sum(axis=1)
        return totals

    def locate(self, ranks: Codes) -> tuple[Codes, Codes]:
        """The bin that holds the draw of one rank of each stratum, and the draw's rank in there.

        All have shape (strata,), and rank 0 is the smallest. A rank that is no row's has the bin
        after the stratum's last.
        """
        upto = np.cumsum(self._counts[: self._strata], axis=1)
        found = (upto <= ranks[:, None]).sum(axis=1)
        own = np.arange(self._strata)
        below = np.where(found > 0, upto[own, np.maximum(found - 1, 0)], 0)
        return own * self._bins + found, ranks - below


class RankCuts:
    """Second look: the draws in the bins where a cut falls, and then the cuts.

    The test set is the rows of a stratum with the smallest draws, the validation set the next ones;
    of two equal draws the earlier row's is the smaller. `sizes` has the number of rows for test and
    validation of every stratum.
    """

    def __init__(self, counts: DrawCounts, sizes: Sequence[tuple[int, int]]) -> None:
        # A cut is the first row beyond the part: its bin, and its rank in there.
        ranks = np.cumsum(np.array(sizes, dtype=np.int64).reshape(-1, 2), axis=1)
        self._counts = counts
        self._beyond = ranks < counts.totals[:, None]  # else no row is beyond
        located = [counts.locate(ranks[:, cut]) for cut in (0, 1)]
        self._bins = np.column_stack([bins for bins, _ in located])
        self._ranks = np.column_stack([rank for _, rank in located])
        self._matters = np.zeros(counts.bins, dtype=bool)
        self._matters[self._bins[self._beyond]] = True
        self._found: list[tuple[Codes, Floats, Codes]] = []

    def collect(self, strata: Codes, draws: Floats, start: int) -> None:
        """Remember the rows in the bins that matter; `start` is the number of the first row."""
        number = self._counts.bin(strata, draws)
        rows = np.flatnonzero(self._matters[number])
        self._found.append((number[rows], draws[rows], rows + start))

    def finish(self) -> RankParts:
        """The cuts, once every row was seen a second time."""
        number, draws, rows = (np.concatenate(arrays) for arrays in zip(*self._found, strict=True))
        order = np.lexsort((rows, draws, number))
        number, draws, rows = number[order], draws[order], rows[order]
        shape = self._beyond.shape
        found = RankParts(np.full(shape, np.inf), np.zeros(shape, dtype=np.int64))
        at = np.searchsorted(number, self._bins[self._beyond]) + self._ranks[self._beyond]
        found.draws[self._beyond], found.rows[self._beyond] = draws[at], rows[at]
        return found


@dataclass(frozen=True)
class RankParts:
    """The draw and row number of each stratum's two cuts, both of shape (strata, 2)."""

    draws: Floats
    rows: Codes

    def parts(self, strata: Codes, draws: Floats, start: int) -> Parts:
        """The part of each of these consecutive rows; `start` is the number of the first."""
        number = np.arange(start, start + len(draws))
        before = [
            (draws < self.draws[strata, cut])
            | ((draws == self.draws[strata, cut]) & (number < self.rows[strata, cut]))
            for cut in (0, 1)
        ]
        return _between(before[0], before[1])


def key_texts(array: pa.Array, column: str) -> tuple[NDArray[np.object_], NDArray[np.int64]]:
    """The different keys as text, written one way for every type, and each row's position there.

    A null (or NaN) has position -1.

    Raises
    ------
    DataError : the column holds lists or structs.
    """
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_nested(array.type):
        raise DataError(
            f"the key is of type {array.type}, which names nothing",
            where=f"column '{column}'",
            remedy="name a column of text or numbers with --key",
        )
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    missing = to_numpy(pc.is_null(array, nan_is_null=True))
    encoded = array.dictionary_encode()
    texts = [canonical(value) for value in encoded.dictionary.to_pylist()]
    codes = np.where(missing, -1, np.nan_to_num(to_numpy(encoded.indices)))
    keys = np.empty(len(texts), dtype=np.object_)
    keys[:] = texts
    return keys, codes.astype(np.int64)


def allot_keys(keys: Sequence[str], draws: Floats, shares: Shares) -> dict[str, int]:
    """The part of each key of a stratum, with exact shares of the number of keys.

    Keys are taken in order of their draws, and of two equal draws in order of their text.
    """
    test, validation = shares.sizes(len(keys))
    ranked = sorted(range(len(keys)), key=lambda position: (draws[position], keys[position]))
    parts = [TEST] * test + [VALIDATION] * validation
    parts += [TRAIN] * (len(keys) - len(parts))
    return {keys[position]: part for position, part in zip(ranked, parts, strict=True)}


def parts_of_keys(
    keys: NDArray[np.object_], draws: Floats, shares: Shares, allotted: Mapping[str, int]
) -> Parts:
    """The part of each key: the one it was allotted, else by its draw."""
    given = np.array([allotted.get(key, -1) for key in keys], dtype=np.int8)
    return np.where(given >= 0, given, shares.parts_of_draws(draws)).astype(np.int8)


def moments(array: pa.Array, column: str) -> pa.Array:
    """A time column as numbers that order the rows: counts of its unit, or the numbers themselves.

    Raises
    ------
    DataError : the column is neither a timestamp, a date nor a number.
    """
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    kind = array.type
    if pa.types.is_date32(kind):
        return array.cast(pa.int32())
    if pa.types.is_timestamp(kind) or pa.types.is_date64(kind):
        return array.cast(pa.int64())
    if pa.types.is_decimal(kind) or pa.types.is_float16(kind):
        return array.cast(pa.float64())  # keeps the order; what it makes equal stays together
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return array
    raise DataError(
        f"the time is of type {kind}",
        where=f"column '{column}'",
        remedy="name a column of timestamps (2024-05-31 23:59:59), dates or numbers with --time",
    )


@dataclass(frozen=True)
class TimeCuts:
    """The time that the test set starts at, and, where there is one, the validation set."""

    test: Any
    validation: Any | None = None

    def parts(self, times: NDArray[Any]) -> Parts:
        """The part of each row by its time."""
        test = times >= self.test
        later = test if self.validation is None else times >= self.validation
        return _between(test, later)


def cut_times(times: NDArray[Any], shares: Shares, column: str) -> TimeCuts:
    """Cut between different times, as near to the shares as they allow. Sorts `times` in place.

    Raises
    ------
    DataError : there are fewer different times than parts.
    """
    times.sort()
    count = len(times)
    test, validation = shares.sizes(count)
    lowest = 0 if shares.validation is None else int(np.searchsorted(times, times[0], "right"))
    latest = _cut(times, count - test, lowest, count)
    if latest is None:
        raise DataError(
            f"there are too few different times, {len(np.unique(times))}, for "
            f"{len(shares.parts)} parts",
            where=f"column '{column}'",
            remedy="name a finer time with --time, or split by row",
        )
    if shares.validation is None:
        return TimeCuts(times[latest])
    return TimeCuts(times[latest], times[_cut(times, count - test - validation, 0, latest)])


def _cut(times: NDArray[Any], wanted: int, low: int, high: int) -> int | None:
    """The place nearest to `wanted`, between `low` and `high`, where a new time starts."""
    inside = times[min(max(wanted, low), high - 1)]
    ends = (int(np.searchsorted(times, inside, side)) for side in ("left", "right"))
    return min(
        (end for end in ends if low < end < high), key=lambda end: abs(end - wanted), default=None
    )


def _between(test: NDArray[np.bool_], test_or_validation: NDArray[np.bool_]) -> Parts:
    return np.where(test, TEST, np.where(test_or_validation, VALIDATION, TRAIN)).astype(np.int8)
