"""Draws depend on (seed, purpose, position) alone, and are uniform."""

from __future__ import annotations

from hashlib import blake2b
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rebalance.core.draws import Purpose, key_uniforms, uniforms

SEEDS = st.integers(0, 2**64 - 1)


@given(
    SEEDS, st.sampled_from(Purpose), st.integers(0, 50), st.lists(st.integers(0, 60), max_size=6)
)
def test_any_cut_gives_the_same_draws(seed, purpose, start, cuts):
    whole = uniforms(seed, purpose, start, 60)
    edges = [0, *sorted(cuts), 60]
    parts = [uniforms(seed, purpose, start + low, high - low) for low, high in pairwise(edges)]
    assert np.concatenate(parts).tolist() == whole.tolist()


@pytest.mark.parametrize("start", [2**31 - 3, 2**33 + 1])
def test_positions_beyond_32_bits(start):
    assert uniforms(3, Purpose.SAMPLE, start, 9)[2:].tolist() == (
        uniforms(3, Purpose.SAMPLE, start + 2, 7).tolist()
    )
    assert uniforms(3, Purpose.SAMPLE, start, 9)[0] != uniforms(3, Purpose.SAMPLE, 0, 9)[0]


def test_no_rows_no_draws():
    assert uniforms(0, Purpose.SPLIT, 5, 0).shape == (0,)


def test_draws_are_those_of_numpys_philox():
    """Golden: Philox4x64 keyed by [seed, purpose], its 64-bit words >> 11, over 2**53."""
    golden = {
        Purpose.SPLIT: [
            0.8133540609793564,
            0.7513314251083365,
            0.6716490436969984,
            0.48312397997727397,
            0.7051952190012039,
        ],
        Purpose.SAMPLE: [
            0.47515916035519756,
            0.48792174538598776,
            0.5552485663862539,
            0.5966293335773233,
            0.09717898601948616,
        ],
    }
    for purpose, expected in golden.items():
        words = np.random.Philox(key=np.array([0, purpose], dtype=np.uint64)).random_raw(5)
        assert [(int(word) >> 11) * 2.0**-53 for word in words] == expected
        assert uniforms(0, purpose, 0, 5).tolist() == expected


def test_purposes_and_seeds_have_streams_of_their_own():
    drawn = {purpose: uniforms(0, purpose, 0, 4000) for purpose in Purpose}
    drawn[-1] = uniforms(1, Purpose.SPLIT, 0, 4000)
    assert len(set(Purpose)) == len(Purpose.__members__)  # no two share a number
    for one in drawn:
        for other in drawn:
            if one < other:
                # The correlation of independent draws has standard deviation 1 / sqrt(n) = 0.0158.
                assert abs(np.corrcoef(drawn[one], drawn[other])[0, 1]) < 4.5 / np.sqrt(4000)


def test_draws_are_uniform():
    drawn = uniforms(0, Purpose.SAMPLE, 0, 100_000)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    # Mean 1/2, standard deviation of the mean 1 / sqrt(12 n); the seed is fixed, 4 of them allowed.
    assert abs(drawn.mean() - 0.5) < 4 / np.sqrt(12 * 100_000)
    assert stats.kstest(drawn, "uniform").pvalue > 0.001


def _rotated(word, count):
    return ((word << count) | (word >> (64 - count))) & (2**64 - 1)


def _round(v):
    """SipRound, figure 2.1 of Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012."""
    mask = 2**64 - 1
    v[0] = (v[0] + v[1]) & mask
    v[2] = (v[2] + v[3]) & mask
    v[1], v[3] = _rotated(v[1], 13) ^ v[0], _rotated(v[3], 16) ^ v[2]
    v[0] = _rotated(v[0], 32)
    v[2] = (v[2] + v[1]) & mask
    v[0] = (v[0] + v[3]) & mask
    v[1], v[3] = _rotated(v[1], 17) ^ v[2], _rotated(v[3], 21) ^ v[0]
    v[2] = _rotated(v[2], 32)


def siphash(key: bytes, message: bytes) -> int:
    """SipHash-2-4, section 2 of the paper."""
    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    v = [
        k0 ^ 0x736F6D6570736575,
        k1 ^ 0x646F72616E646F6D,
        k0 ^ 0x6C7967656E657261,
        k1 ^ 0x7465646279746573,
    ]
    padded = message + bytes(-(len(message) + 1) % 8) + bytes([len(message) % 256])
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        v[3] ^= word
        _round(v)
        _round(v)
        v[0] ^= word
    v[2] ^= 0xFF
    for _ in range(4):
        _round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def _finalised(word: int) -> int:
    """SplitMix64's finaliser: Stafford's variant 13, in Steele, Lea and Flood, 2014."""
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) % 2**64
    return word ^ (word >> 31)


def _expected(seed, purpose, key):
    secret = blake2b(f"{seed}/{int(purpose)}".encode(), digest_size=8).hexdigest().encode()
    assert len(secret) == 16
    return (_finalised(siphash(secret, key.encode())) >> 11) * 2.0**-53


def test_the_tests_own_siphash_has_the_papers_value():
    """Appendix A: key 00 01 .. 0f, message 00 01 .. 0e."""
    assert siphash(bytes(range(16)), bytes(range(15))) == 0xA129CA6149BE45E5


@given(SEEDS, st.sampled_from(Purpose), st.lists(st.text(max_size=40), max_size=5))
def test_key_draws_are_a_hash_of_the_text(seed, purpose, keys):
    found = key_uniforms(seed, purpose, np.array(keys, dtype=np.object_))
    assert found.tolist() == [_expected(seed, purpose, key) for key in keys]


def test_key_draws_do_not_depend_on_the_other_keys():
    keys = np.array(["a", "b", "a", "ü", ""], dtype=np.object_)
    drawn = key_uniforms(0, Purpose.SPLIT, keys)
    assert drawn[0] == drawn[2]
    assert key_uniforms(0, Purpose.SPLIT, keys[::-1]).tolist() == drawn[::-1].tolist()
    assert key_uniforms(0, Purpose.HOLD_OUT, keys)[0] != drawn[0]
    assert key_uniforms(1, Purpose.SPLIT, keys)[0] != drawn[0]


def test_key_draws_are_uniform():
    keys = np.array([f"customer {number}" for number in range(50_000)], dtype=np.object_)
    drawn = key_uniforms(0, Purpose.SPLIT, keys)
    assert (
        len(np.unique(drawn)) == 50_000
    )  # 50,000^2 / 2^54 pairs would collide: one in ten million
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert abs(drawn.mean() - 0.5) < 4 / np.sqrt(12 * 50_000)
    assert stats.kstest(drawn, "uniform").pvalue > 0.001
