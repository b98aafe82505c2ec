"""Enumerations of sign vectors, cut anywhere: the part begin <= i < end is made without the rest.

* *classes*: number k has the bits of k as the signs of the points other than (0,0), (0,1), (1,0);
* *samples*: uniform among all classes;
* *balls*: the sign vectors at Hamming distance at most r from a center, by distance, those of one
  distance in colexicographic order of their differences.  The j-th set {c_1 < ... < c_w} in this
  order is found from j = C(c_1, 1) + ... + C(c_w, w), greedily from c_w downwards.

References
----------
D. E. Knuth, The Art of Computer Programming 4A, Section 7.2.1.3 (combinatorial number system).
"""

from __future__ import annotations

from math import comb

import numpy as np
from numpy.typing import NDArray

from tasks.lattice import num_points
from tasks.tcurves.signs import affine_signs, as_word, gauge_points, num_sign_classes


def class_words(degree: int, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the canonical words (B,) of the sign classes of these numbers (B,)."""
    # The free points are 2..d and d + 2..n - 1.
    low = degree - 1
    return ((numbers & ((1 << low) - 1)) << 2) | ((numbers >> low) << (degree + 2))


def sample_words(degree: int, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw canonical words (count,), independent and uniform."""
    return class_words(degree, rng.integers(0, num_sign_classes(degree), count, dtype=np.int64))


def canonical_words(degree: int, words: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the canonical words of the gauge classes of sign vectors (B,)."""
    origin, up, right = ((words >> p) & 1 for p in gauge_points(degree))
    one, x, y = (as_word(affine_signs(degree, *c)) for c in ((1, 0, 0), (0, 1, 0), (0, 0, 1)))
    return words ^ (-origin & one) ^ (-(origin ^ right) & x) ^ (-(origin ^ up) & y)


def ball_size(degree: int, radius: int) -> int:
    """Count the sign vectors at Hamming distance at most `radius` from any one."""
    n = num_points(degree)
    return sum(comb(n, distance) for distance in range(min(radius, n) + 1))


def ball_words(degree: int, center: int, begin: int, end: int) -> NDArray[np.int64]:
    """List the sign vectors begin <= i < end around a center, as words (end - begin,)."""
    n = num_points(degree)
    parts = []
    first = 0
    for distance in range(n + 1):
        size = comb(n, distance)
        here = np.arange(max(begin, first) - first, min(end, first + size) - first, dtype=np.int64)
        if here.size:
            parts.append(center ^ _subsets(n, distance, here))
        first += size
        if first >= end:
            break
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def _subsets(n: int, size: int, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the subsets of that size, of {0..n-1}, by their colexicographic numbers (B,)."""
    words = np.zeros_like(numbers)
    rest = numbers.copy()
    for k in range(size, 0, -1):
        binomials = np.array([comb(m, k) for m in range(n)], dtype=np.int64)
        chosen = np.searchsorted(binomials, rest, side="right") - 1
        rest -= binomials[chosen]
        words |= np.int64(1) << chosen
    return words
