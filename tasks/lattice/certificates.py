"""Triangulations together with the exact proof that they are regular, or that they are not.

Weights matter only up to a positive factor and an affine function. Each triangle of a regular
triangulation is a lower face of the lifting, so subtracting the affine function through its three
points leaves weights >= 0 that are 0 exactly there; they stay integers, because the triangle is
unimodular. *Reduced* weights are the ones of this kind with the smallest maximum, divided by
their greatest common divisor.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import gcd

import numpy as np
from numpy.typing import NDArray

from tasks.lattice._errors import InvalidTriangulation
from tasks.lattice.regularity import (
    Regularity,
    RegularityCertificate,
    certify_regularity,
    is_irregular_with,
    is_regular_with,
)
from tasks.lattice.triangulation import Triangulation

# No intermediate value exceeds the largest weight by a factor of more than 8 d² + 2 < 2^15.
_LARGEST_INT64_WEIGHT = 2**47


@dataclass(frozen=True)
class Certified:
    """A triangulation with its regularity certificate.

    Attributes
    ----------
    triangulation
        Its weights are those of the certificate: they induce it, or it has none.
    certificate
        Weights if regular, an obstruction if irregular.
    """

    triangulation: Triangulation
    certificate: RegularityCertificate

    @property
    def regularity(self) -> Regularity:
        """The mark: regular, irregular or undecided."""
        return self.certificate.status

    @property
    def is_regular(self) -> bool:
        """Whether the triangulation is proved to be regular."""
        return self.regularity is Regularity.REGULAR

    def verify(self) -> bool:
        """Check the evidence again, in integers and without trust; O(d²).

        An undecided triangulation has no evidence, so nothing can be wrong with it.
        """
        weights = self.triangulation.weights
        if weights != self.certificate.weights or (weights is None) == self.is_regular:
            return False
        if weights is not None:
            return is_regular_with(self.triangulation, weights)
        if self.regularity is Regularity.IRREGULAR:
            return is_irregular_with(self.triangulation, self.certificate.obstruction)
        return not self.certificate.obstruction


def certify(triangulation: Triangulation) -> Certified:
    """Prove the triangulation regular, with reduced weights, or irregular.

    Weights that do not induce the triangulation are replaced by ones that do, or removed.

    >>> from tasks.lattice import honeycomb
    >>> certified = certify(honeycomb(2))
    >>> certified.regularity.value, certified.triangulation.weights, certified.verify()
    ('regular', (1, 0, 1, 0, 0, 1), True)
    """
    found = certify_regularity(triangulation)
    if found.weights is None:
        return Certified(triangulation.with_weights(None), found)
    weights = reduced_weights(triangulation, found.weights)
    return Certified(triangulation.with_weights(weights), replace(found, weights=weights))


def with_certificate(triangulation: Triangulation) -> Triangulation:
    """The triangulation with exact reduced weights if it is regular, else without weights.

    >>> from tasks.lattice import honeycomb
    >>> with_certificate(honeycomb(2).with_weights(None)).weights
    (1, 0, 1, 0, 0, 1)
    """
    return certify(triangulation).triangulation


def reduced_weights(triangulation: Triangulation, weights: Sequence[int]) -> tuple[int, ...]:
    """Equivalent weights: nonnegative, 0 on a triangle, coprime, with the smallest maximum.

    Among triangles that do equally well the first is taken; O(d⁴).  No height is lowered any
    further; `tasks.tcurves.weights.shrink_weights` does that, at more cost, for the fewest bits.

    Raises
    ------
    InvalidTriangulation
        If the weights do not induce the triangulation.
    """
    if not is_regular_with(triangulation, weights):
        raise InvalidTriangulation(
            f"the weights do not induce {triangulation.name}, so they cannot be reduced"
        )
    is_small = all(abs(weight) < _LARGEST_INT64_WEIGHT for weight in weights)
    heights = np.array([int(weight) for weight in weights], np.int64 if is_small else object)
    best = min((_above(triangulation, row, heights) for row in triangulation.triangles), key=max)
    divisor = gcd(*(int(height) for height in best)) or 1
    return tuple(int(height) // divisor for height in best)


def _above(triangulation: Triangulation, row: NDArray[np.int32], heights: NDArray) -> NDArray:
    """Heights above the affine function through the lifted points of a triangle."""
    points = triangulation.points
    (a, b), (c, e) = (points[row[1:]] - points[row[0]]).tolist()
    rise, other_rise = heights[row[1:]] - heights[row[0]]
    # The determinant of a unimodular triangle is its own inverse.
    determinant = a * e - b * c
    slope_x = determinant * (e * rise - b * other_rise)
    slope_y = determinant * (a * other_rise - c * rise)
    x, y = (points - points[row[0]]).astype(heights.dtype).T
    return heights - heights[row[0]] - slope_x * x - slope_y * y
