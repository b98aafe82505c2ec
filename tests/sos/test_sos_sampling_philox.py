"""Philox against its published vectors; what is made of its words."""

import math

import numpy as np
import pytest
from numba import njit

from tasks.sos.sampling.philox import Stream, below, log, next_word, normal, philox, seek, uniform

VECTORS = [
    ("00000000 00000000", "00000000 00000000 00000000 00000000",
     "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff", "ffffffff ffffffff ffffffff ffffffff",
     "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("a4093822 299f31d0", "243f6a88 85a308d3 13198a2e 03707344",
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
]  # fmt: skip


@njit
def block(words):
    return philox(words[0], words[1], words[2], words[3], words[4], words[5])


@njit
def draws(stream, row, count, kind):
    seek(stream, row)
    found = np.empty(count)
    for k in range(count):
        if kind == 0:
            found[k] = next_word(stream)
        elif kind == 1:
            found[k] = normal(stream)
        elif kind == 2:
            found[k] = uniform(stream)
        else:
            found[k] = below(stream, kind)
    return found


@njit
def logarithm(x):
    return log(x)


def words(text):
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(("key", "counter", "output"), VECTORS)
def test_philox_gives_the_published_vectors(key, counter, output):
    given = np.array(words(key) + words(counter), dtype=np.uint64)
    assert [int(word) for word in block(given)] == words(output)


def test_a_stream_is_the_blocks_of_its_key_and_row():
    key, row = 0x0123456789ABCDEF, (7 << 32) + 5
    found = draws(Stream.of(key), row, 8, 0).astype(np.uint64).tolist()
    head = [0x89ABCDEF, 0x01234567]
    blocks = [block(np.array([*head, k, 0, 5, 7], dtype=np.uint64)) for k in range(2)]
    assert found == [int(word) for words in blocks for word in words]


def test_a_stream_begins_anew_whatever_was_drawn_before():
    stream = Stream.of(3)
    first = draws(stream, 4, 5, 1)
    draws(stream, 5, 3, 1)
    assert draws(stream, 4, 5, 1).tolist() == first.tolist()


@pytest.mark.parametrize("x", [5e-324, 1e-300, 2.0**-64, 0.1, 0.5, 0.7, 0.999999, 1.0, 1.5, 1e300])
def test_the_logarithm_has_eleven_digits(x):
    assert logarithm(x) == pytest.approx(math.log(x), rel=1e-11, abs=1e-15)


def test_normal_variables_have_the_moments_of_normal_variables():
    count = 200_000
    values = draws(Stream.of(11), 0, count, 1)
    # The k-th power has the variance E x^2k - (E x^k)^2; five deviations.
    for power, mean, spread in [(1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96), (6, 15, 10170)]:
        tolerance = 5 * math.sqrt(spread / count)
        assert np.mean(values**power) == pytest.approx(mean, abs=tolerance)
    below_one = math.erf(1 / math.sqrt(2))
    tolerance = 5 * math.sqrt(below_one * (1 - below_one) / count)
    assert np.mean(np.abs(values) < 1) == pytest.approx(below_one, abs=tolerance)
    # Both of a pair come from one point of the disk and are independent.
    pairs = values.reshape(-1, 2)
    assert np.mean(pairs[:, 0] * pairs[:, 1]) == pytest.approx(0, abs=5 / math.sqrt(len(pairs)))


def test_integers_below_a_bound_are_uniform():
    count, bound = 60_000, 7
    counts = np.bincount(draws(Stream.of(1), 9, count, bound).astype(int), minlength=bound)
    assert len(counts) == bound
    chi_square = ((counts - count / bound) ** 2 / (count / bound)).sum()
    # Mean 6, variance 12.
    assert chi_square < 6 + 5 * math.sqrt(12)
