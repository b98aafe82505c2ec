"""Integer inequalities that bound the half Newton polytope prefix by prefix.

For vertices V of a polytope, of total degree at most D, an integer vector w stands for
``2 w·b <= max of w over V``. Given b_1..b_j it bounds b_{j+1} once the later entries are bounded:
they contribute at least ``min(0, their smallest w_i)`` times the degree that is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

_LARGEST_PRODUCT = 2**60


class Cuts:
    """A growing list of inequalities w, starting with the bounds of the degree.

    Parameters
    ----------
    vertices
        (v, n), v > 0.
    """

    def __init__(self, vertices: Integers) -> None:
        n = vertices.shape[1]
        self.vertices = vertices
        self._degree = int(vertices.sum(axis=1).max())
        self._normals = np.zeros((0, n), dtype=np.int64)
        self._limits = np.zeros(0, dtype=np.int64)
        # Column j: what a unit of degree in the entries from j on contributes at least.
        self._later = np.zeros((0, n + 1), dtype=np.int64)
        self.add([1] * n)
        self.add([-1] * n)

    def as_tuples(self) -> tuple[tuple[int, ...], ...]:
        """The vectors w, in the order they were added."""
        return tuple(tuple(int(entry) for entry in normal) for normal in self._normals)

    def exact(self, values: Sequence[int]) -> NDArray:
        """An array whose products with points of the polytope do not overflow."""
        largest = max((abs(value) for value in values), default=0)
        is_narrow = largest * max(4 * self._degree, 1) < _LARGEST_PRODUCT
        return np.array(values, dtype=np.int64 if is_narrow else object)

    def add(self, normal: Sequence[int]) -> None:
        """Append w, divided by the greatest common divisor of its entries."""
        divisor = gcd(*normal) or 1
        row = self.exact([entry // divisor for entry in normal])
        suffix = np.minimum.accumulate(row[::-1])[::-1]
        later = np.append(np.minimum(suffix, 0), 0)
        self._normals = np.vstack([self._normals, row])
        self._limits = np.append(self._limits, (self.vertices @ row).max())
        self._later = np.vstack([self._later, later])

    def bounds(self, j: int, b: Integers) -> tuple[int, int]:
        """Smallest and largest b_j that the inequalities allow after b_0..b_{j-1}."""
        room = self._degree - 2 * int(b[:j].sum())
        rest = self._limits - 2 * (self._normals[:, :j] @ b[:j]) - self._later[:, j + 1] * room
        step = 2 * self._normals[:, j]
        if (rest[step == 0] < 0).any():
            return 0, -1
        is_upper, is_lower = step > 0, step < 0
        high = (rest[is_upper] // step[is_upper]).min(initial=room // 2)
        low = -(rest[is_lower] // -step[is_lower]).min(initial=0)
        return int(low), int(high)

    def vanishing(self, j: int, b: Integers) -> NDArray[np.bool_]:
        """Which of b_j, b_{j+1}, .. must be 0 by an inequality without negative entries there."""
        applies = self._later[:, j] >= 0
        rest = self._limits[applies] - 2 * (self._normals[applies, :j] @ b[:j])
        forbids_one = rest[:, None] < 2 * self._normals[applies, j:]
        return np.any(forbids_one, axis=0)

    def allow(self, b: Integers) -> bool:
        """Whether b satisfies all inequalities."""
        return bool((2 * (self._normals @ b) <= self._limits).all())
