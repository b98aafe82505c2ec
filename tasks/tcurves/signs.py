"""Sign vectors on the lattice points of d*Delta_2, and the gauge group that acts on them.

A sign vector s is an element of F2^n, written as an array of 0 and 1 or, for n <= 64, as a word
with bit i = sign of point i.  Adding an affine function c0 + c1 x + c2 y permutes the quadrants and
swaps the colors, hence keeps the real scheme; the representative with sign 0 at (0,0), (0,1) and
(1,0) is called *canonical*.  There are 2^(n-3) *sign classes*.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.lattice import lattice_points, num_points, point_index
from tasks.records import InputError


def gauge_points(degree: int) -> tuple[int, int, int]:
    """Return the indices of (0,0), (0,1) and (1,0)."""
    return point_index(degree, 0, 0), point_index(degree, 0, 1), point_index(degree, 1, 0)


def num_sign_classes(degree: int) -> int:
    """Return 2^(n-3), the number of sign vectors up to gauge."""
    return 1 << (num_points(degree) - 3)


def as_signs(degree: int, signs: int | ArrayLike) -> NDArray[np.int64]:
    """Return a sign vector as an array of 0 and 1, int64 (n,), from a word or an array.

    Raises
    ------
    InputError
        If the length is wrong, an entry is neither 0 nor 1, or the word has too many bits.
    """
    n = num_points(degree)
    if isinstance(signs, (int, np.integer)):
        if not 0 <= int(signs) < 1 << n:
            raise InputError(
                f"sign word {int(signs)} has bits outside 0..{n - 1} (degree {degree})"
            )
        return np.array([(int(signs) >> i) & 1 for i in range(n)], dtype=np.int64)
    array = np.asarray(signs)
    if array.shape != (n,):
        raise InputError(f"degree {degree} needs {n} signs, but {array.shape} were given")
    if not np.isin(array, (0, 1)).all():
        raise InputError("signs must be 0 or 1")
    return array.astype(np.int64)


def as_word(signs: ArrayLike) -> int:
    """Return a sign vector as a word: bit i is the sign of point i."""
    return sum(int(s) << i for i, s in enumerate(np.asarray(signs)))


def affine_signs(degree: int, c0: int, c1: int, c2: int) -> NDArray[np.int64]:
    """Evaluate c0 + c1 x + c2 y mod 2 at all lattice points: int64 (n,)."""
    x, y = lattice_points(degree).T
    return (c0 + c1 * x + c2 * y) % 2


def canonical_signs(degree: int, signs: int | ArrayLike) -> NDArray[np.int64]:
    """Add the affine function that makes the signs of (0,0), (0,1), (1,0) zero."""
    s = as_signs(degree, signs)
    origin, up, right = (int(s[i]) for i in gauge_points(degree))
    return s ^ affine_signs(degree, origin, origin ^ right, origin ^ up)


@lru_cache(maxsize=16)
def _affine_words(degree: int) -> tuple[int, ...]:
    """Pack all affine functions: entry c0 + 2 c1 + 4 c2."""
    return tuple(as_word(affine_signs(degree, c & 1, c >> 1 & 1, c >> 2)) for c in range(8))


def canonical_word(degree: int, word: int) -> int:
    """Do the same as `canonical_signs` for a sign vector as a word."""
    origin, up, right = ((word >> i) & 1 for i in gauge_points(degree))
    return word ^ _affine_words(degree)[origin | (origin ^ right) << 1 | (origin ^ up) << 2]


def harnack_signs(degree: int) -> NDArray[np.int64]:
    """Return (x + 1)(y + 1) mod 2, which gives a maximal curve on every triangulation.

    The scheme has p - n, hence everything else, independent of the triangulation.

    References
    ----------
    I. Itenberg, Counter-examples to Ragsdale conjecture and T-curves (1995), Section 3.
    """
    x, y = lattice_points(degree).T
    return (x + 1) * (y + 1) % 2
