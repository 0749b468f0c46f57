"""Random draws that depend on (seed, purpose, position) alone.

Philox is a counter-based generator (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
2011), so the draw of row i can be had without the draws before it: batches, threads and file
formats cannot change it.
"""

from __future__ import annotations

from enum import IntEnum
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

_DOUBLES_PER_STEP = 4


class Purpose(IntEnum):
    """What a draw is for: one stream each, so that no choice leans on another."""

    SPLIT = 1
    PILOT = 2
    SAMPLE = 3
    HOLD_OUT = 4
    FOLDS = 5
    PROFILE = 6
    COMPARE = 7


def uniforms(seed: int, purpose: Purpose, start: int, count: int) -> NDArray[np.float64]:
    """Draws u of the rows `start` to `start + count - 1`, each in [0, 1).

    >>> whole = uniforms(0, Purpose.SAMPLE, 0, 10)
    >>> bool((uniforms(0, Purpose.SAMPLE, 7, 3) == whole[7:]).all())
    True
    """
    generator = np.random.Philox(key=np.array([seed, int(purpose)], dtype=np.uint64))
    skipped = start % _DOUBLES_PER_STEP
    generator.advance(start // _DOUBLES_PER_STEP)
    return np.random.Generator(generator).random(count + skipped)[skipped:]


def key_uniforms(seed: int, purpose: Purpose, keys: NDArray[np.object_]) -> NDArray[np.float64]:
    """Draws u in [0, 1) that depend on (seed, purpose, key), one for each text in `keys`.

    The hash is SipHash-2-4 (Aumasson and Bernstein, 2012) under a 16-byte key derived from the seed
    and the purpose, then the finaliser of SplitMix64 (Steele, Lea and Flood, 2014), a bijection,
    which pandas' `hash_array` adds.
    """
    from pandas.util import hash_array

    secret = blake2b(f"{seed}/{int(purpose)}".encode(), digest_size=8).hexdigest()
    hashed = hash_array(keys, hash_key=secret, categorize=False)
    return np.asarray((hashed >> np.uint64(11)) * 2.0**-53, dtype=np.float64)
