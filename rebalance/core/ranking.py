"""Rows in the order of their probability: one sort serves every curve and every sum.

A probability from 0 to 1 is ordered as its bits are, and its first two bits are zero. So the bits,
moved up by one, leave the last one to the label, and a row is one whole number: its key.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Keys = NDArray[np.uint64]

BLOCK = 1 << 14  # rows worked on together: few enough for the processor's cache
_ONE = np.uint64(1)


@dataclass(frozen=True)
class Levels:
    """Some of the different probabilities, the highest first; arrays of shape (k,).

    values : the probabilities.
    positive, negative : the weight of each class at each of them.
    squared : the sum of squared weights at each of them.
    above : the weight of each class above all of them.
    """

    values: Floats
    positive: Floats
    negative: Floats
    squared: Floats
    above: tuple[float, float]

    @property
    def weight(self) -> Floats:
        """The weight of both classes at each of them."""
        return self.positive + self.negative

    @cached_property
    def tp(self) -> Floats:
        """The weight of positives at this probability or above."""
        return self.above[0] + np.cumsum(self.positive)

    @cached_property
    def fp(self) -> Floats:
        """The weight of negatives at this probability or above."""
        return self.above[1] + np.cumsum(self.negative)


@dataclass(frozen=True)
class Ranking:
    """Rows sorted by probability, the lowest first: 8 bytes a row, 16 with weights.

    keys : see `pack`, shape (n,).
    sample_weight : in the order of the keys, shape (n,); None for 1 each.
    """

    keys: Keys
    sample_weight: Floats | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def levels(self) -> Iterator[Levels]:
        """All probabilities that have weight, the highest first, some thousands at a time."""
        tp = fp = 0.0
        for values, positive, negative, squared in self._grouped():
            yield Levels(values, positive, negative, squared, (tp, fp))
            tp, fp = tp + float(positive.sum()), fp + float(negative.sum())

    @cached_property
    def totals(self) -> tuple[float, float]:
        """The weight of the positives and of the negatives."""
        positive = negative = 0.0
        for part in blocks(len(self.keys)):
            y_true = _truth(self.keys[part])
            if self.sample_weight is None:
                hits = int(np.count_nonzero(y_true))
                positive, negative = positive + hits, negative + len(y_true) - hits
            else:
                weight = self.sample_weight[part]
                positive += float(weight[y_true].sum())
                negative += float(weight[~y_true].sum())
        return positive, negative

    @property
    def counted(self) -> Ranking:
        """The same rows, each with a weight of 1."""
        return Ranking(self.keys)

    @property
    def both(self) -> bool:
        """Whether both classes have weight."""
        return min(self.totals) > 0

    def below(self, value: float) -> int:
        """How many rows have a probability below a value from 0 to 1."""
        return int(np.searchsorted(self.keys, _key(value)))

    def up_to(self, value: float) -> int:
        """How many rows have a probability of at most a value from 0 to 1."""
        return int(np.searchsorted(self.keys, _key(value) | _ONE, side="right"))

    def value(self, row: int) -> float:
        """The probability of one of the sorted rows."""
        return float(_values(self.keys[row : row + 1])[0])

    def part(self, rows: slice) -> Ranking:
        """Some of the sorted rows, without a copy."""
        weight = None if self.sample_weight is None else self.sample_weight[rows]
        return Ranking(self.keys[rows], weight)

    def _grouped(self) -> Iterator[NDArray[np.float64]]:
        """Values, positive, negative and squared of the levels, shape (4, k), highest first."""
        last = np.empty((4, 0))  # the next rows may have the same probability
        for stop in range(len(self.keys), 0, -BLOCK):
            found = self._group(slice(max(stop - BLOCK, 0), stop))
            if found.shape[1] == 0:
                continue
            if last.shape[1] and last[0, 0] == found[0, 0]:
                found[1:, 0] += last[1:, 0]
            else:
                found = np.concatenate([last, found], axis=1)
            last = found[:, -1:]
            if found.shape[1] > 1:
                yield found[:, :-1]
        if last.shape[1]:
            yield last

    def _group(self, rows: slice) -> NDArray[np.float64]:
        """The same of the rows of a block that have weight."""
        keys = self.keys[rows][::-1]
        weight = None if self.sample_weight is None else self.sample_weight[rows][::-1]
        if weight is not None and not weight.all():
            keys, weight = keys[weight > 0], weight[weight > 0]
        if len(keys) == 0:
            return np.empty((4, 0))
        y_prob, y_true = _values(keys), _truth(keys)
        first = np.append(True, y_prob[1:] != y_prob[:-1])
        if first.all():  # then there is nothing to add up
            ones = np.ones(len(keys)) if weight is None else weight
            return np.array(
                [y_prob, np.where(y_true, ones, 0.0), np.where(y_true, 0.0, ones), ones**2]
            )
        starts = np.flatnonzero(first)
        found = np.empty((4, len(starts)))
        found[0] = y_prob[starts]
        if weight is None:
            np.add.reduceat(y_true, starts, dtype=np.float64, out=found[1])
            found[3] = np.diff(starts, append=len(keys))
            found[2] = found[3] - found[1]
        else:
            np.add.reduceat(np.where(y_true, weight, 0.0), starts, out=found[1])
            np.add.reduceat(np.where(y_true, 0.0, weight), starts, out=found[2])
            np.add.reduceat(weight**2, starts, out=found[3])
        return found


def rank(y_true: Bools, y_prob: Floats, sample_weight: Floats | None = None) -> Ranking:
    """Sort rows by probability; the arrays given stay as they are.

    >>> ranking = rank(np.array([True, False, True]), np.array([0.2, 0.9, 0.2]))
    >>> for levels in ranking.levels():
    ...     levels.values.tolist(), levels.tp.tolist()
    ([0.9], [0.0])
    ([0.2], [2.0])
    """
    keys = pack(np.asarray(y_true, dtype=np.bool_), np.array(y_prob, dtype=np.float64))
    weight = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    return rank_keys(keys, weight)


def pack(y_true: Bools, y_prob: Floats) -> Keys:
    """The rows' keys, shape (n,), in the memory of `y_prob`, which is of no use from then on.

    `y_prob` is from 0 to 1 and not NaN.
    """
    for part in blocks(len(y_prob)):
        y_prob[part] += 0.0  # minus zero becomes zero, whose bits it has not
        keys = y_prob[part].view(np.uint64)
        keys <<= _ONE
        keys |= y_true[part]
    return y_prob.view(np.uint64)


def rank_keys(keys: Keys, sample_weight: Floats | None = None) -> Ranking:
    """Sort rows by their keys, which are sorted where they lie; the weights stay as they are.

    With weights 12 bytes a row are needed meanwhile, 8 of which the sorted weights are then in.
    """
    if sample_weight is None:
        keys.sort()
        return Ranking(keys)
    # Stable, so that weights are added up in one order, whatever the processor's way of sorting.
    order = np.argsort(keys, kind="stable")
    keys.sort()
    weight = order.view(np.float64)  # each place is read before it is written
    for part in blocks(len(keys)):
        weight[part] = sample_weight[order[part]]
    return Ranking(keys, weight)


def blocks(rows: int) -> Iterator[slice]:
    """So many rows in stretches of at most `BLOCK`."""
    for start in range(0, rows, BLOCK):
        yield slice(start, min(start + BLOCK, rows))


def _key(value: float) -> np.uint64:
    """The key of a negative with this probability."""
    bits: np.uint64 = np.array([value + 0.0]).view(np.uint64)[0]
    return bits << _ONE


def _values(keys: Keys) -> Floats:
    return (keys >> _ONE).view(np.float64)


def _truth(keys: Keys) -> Bools:
    return (keys & _ONE).astype(np.bool_)
