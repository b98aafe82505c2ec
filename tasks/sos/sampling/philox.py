"""Random numbers that depend on a key and a counter alone: Philox-4x32-10, compiled.

Philox maps a counter of four 32-bit words and a key of two to four words; ten rounds of

    (c0, c1, c2, c3) -> (hi(M1 c2) ^ c1 ^ k0, lo(M1 c2), hi(M0 c0) ^ c3 ^ k1, lo(M0 c0)),

between which k0 and k1 grow by constants.  A stream has the counters (block, 0, row mod 2**32,
row div 2**32): the streams of different rows of one key never meet, and each starts anywhere.

Normal variables are made by the polar method from additions, products, quotients and square roots
of floats alone, which IEEE 754 rounds in one way, so that every machine draws the same.

References
----------
J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, Parallel random numbers: as easy as 1, 2, 3,
SC 2011.
G. Marsaglia, T. A. Bray, A convenient method for generating normal variables, 1964.
"""

from __future__ import annotations

from math import frexp, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.sos.sampling.compiled import inner

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_MASK, WORD = np.uint64(0xFFFFFFFF), np.uint64(32)
_ONE = np.uint64(1)
_ROUNDS = 10
_CENTER = 2.0**-32 - 1.0

_KEY, _COUNTER, _OUTPUT, _USED = 0, 2, 6, 10
_NUM_WORDS = 11
_LN2 = 0.6931471805599453
_C3, _C5, _C7, _C9, _C11, _C13 = 1 / 3, 1 / 5, 1 / 7, 1 / 9, 1 / 11, 1 / 13
_ROOT_HALF = 0.7071067811865476


class Stream(NamedTuple):
    """State of a stream.

    Attributes
    ----------
    words : uint64 (11,)
        Key (2), counter (4), output (4), number of output words that were used.
    spare : float64 (2,)
        Whether a normal variable is left over, and which.
    """

    words: NDArray[np.uint64]
    spare: NDArray[np.float64]

    @classmethod
    def of(cls, key: int) -> Stream:
        """The stream of row 0 under a key of 64 bits."""
        words = np.zeros(_NUM_WORDS, dtype=np.uint64)
        words[_KEY], words[_KEY + 1] = key & 0xFFFFFFFF, key >> 32
        words[_USED] = 4
        return cls(words, np.zeros(2))


@inner
def philox(k0, k1, c0, c1, c2, c3):
    """Four words, uint64 each, of a key and a counter."""
    for _ in range(_ROUNDS):
        p0, p1 = _M0 * c0, _M1 * c2
        c0, c1, c2, c3 = (p1 >> WORD) ^ c1 ^ k0, p1 & _MASK, (p0 >> WORD) ^ c3 ^ k1, p0 & _MASK
        k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
    return c0, c1, c2, c3


@inner
def next_block(words):
    """The next four words; those of an earlier block that were not used are left alone."""
    block = words[_COUNTER]
    words[_COUNTER] = block + _ONE
    return philox(
        words[_KEY],
        words[_KEY + 1],
        block,
        words[_COUNTER + 1],
        words[_COUNTER + 2],
        words[_COUNTER + 3],
    )


@inner
def seek(stream, row):
    """Go to the start of the stream of a row, 0 <= row < 2**63."""
    words = stream.words
    words[_COUNTER], words[_COUNTER + 1] = 0, 0
    words[_COUNTER + 2] = np.uint64(row) & _MASK
    words[_COUNTER + 3] = np.uint64(row) >> WORD
    words[_USED] = 4
    stream.spare[0] = 0.0


@inner
def next_word(stream):
    """The next 32 bits, as uint64."""
    words = stream.words
    used = np.int64(words[_USED])
    if used == 4:
        first, words[_OUTPUT + 1], words[_OUTPUT + 2], words[_OUTPUT + 3] = next_block(words)
        words[_USED] = 1
        return first
    words[_USED] = used + 1
    return words[_OUTPUT + used]


@inner
def below(stream, bound):
    """An integer in [0, bound), uniform up to bound / 2**32; 1 <= bound < 2**31."""
    return np.int64((next_word(stream) * np.uint64(bound)) >> WORD)


@inner
def fraction(word):
    """A word as a multiple of 2**-32 in [0, 1)."""
    return np.float64(np.int64(word)) * 2.0**-32


@inner
def uniform(stream):
    """A multiple of 2**-32, uniform in [0, 1)."""
    return fraction(next_word(stream))


@inner
def log(x):
    """ln x for a positive x, by 2 artanh((m - 1) / (m + 1)) with x = m 2**e, to 12 digits."""
    mantissa, exponent = frexp(x)
    if mantissa < _ROOT_HALF:
        mantissa, exponent = 2.0 * mantissa, exponent - 1
    t = (mantissa - 1.0) / (mantissa + 1.0)
    s = t * t
    tail = s * (_C9 + s * (_C11 + s * _C13))
    total = 1.0 + s * (_C3 + s * (_C5 + s * (_C7 + tail)))
    return 2.0 * t * total + exponent * _LN2


@inner
def disk_point(first, second):
    """A point of a square with its squared norm, which is never 0; the disk has norms below 1."""
    u, v = 2.0 * fraction(first) + _CENTER, 2.0 * fraction(second) + _CENTER
    return u, v, u * u + v * v


@inner
def normal(stream):
    """A standard normal variable; two come from a block, the second is kept for the next call."""
    spare = stream.spare
    if spare[0] == 1.0:
        spare[0] = 0.0
        return spare[1]
    while True:
        w0, w1, w2, w3 = next_block(stream.words)
        u, v, s = disk_point(w0, w1)
        if s >= 1.0:
            u, v, s = disk_point(w2, w3)
        if s < 1.0:
            scale = sqrt(-2.0 * log(s) / s)
            spare[0], spare[1] = 1.0, v * scale
            return u * scale
