"""Regular triangulations from heights.

Heights h on A_d induce the subdivision of d·Δ₂ into the projections of the lower faces of
conv{(p, h_p)}. If every point of A_d is a vertex of the lower hull and every face is a triangle,
the triangles contain no other lattice points, so they are unimodular (Pick).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.lattice._errors import InvalidTriangulation
from tasks.lattice._weights import integer_weights
from tasks.lattice.points import check_degree, lattice_points
from tasks.lattice.regularity import is_regular_with
from tasks.lattice.triangulation import Triangulation
from tasks.records.errors import InputError

_CONVEXITY = 1 << 12
_MAX_SLOPE = 3
_MAX_ATTEMPTS = 20


def regular_triangulation(
    degree: int, weights: Sequence[Any] | NDArray[Any], *, name: str = ""
) -> Triangulation:
    """The triangulation that integer or rational weights induce, with these weights.

    The lower hull comes from Qhull; that the weights induce the result is verified in integers.

    Raises
    ------
    InvalidTriangulation
        If the induced subdivision is not a unimodular triangulation, or if the weights are too
        large for Qhull to separate the faces.
    """
    heights = integer_weights(check_degree(degree), weights)
    try:
        made = Triangulation.of(degree, _lower_hull(degree, heights), weights=heights, name=name)
    except InvalidTriangulation as error:
        raise InvalidTriangulation(
            f"the weights induce no unimodular triangulation of degree {degree}: {error}"
        ) from error
    if not is_regular_with(made, heights):
        raise InvalidTriangulation(
            f"the weights induce no triangulation of degree {degree}: some lower faces are not "
            "triangles; change the weights a little"
        )
    return made


def random_regular(degree: int, rng: np.random.Generator, *, name: str = "") -> Triangulation:
    """A random regular unimodular triangulation with its weights.

    The heights are K q(p) + K Σ w_k |u_k·p - c_k| + noise(p) with q = x² + xy + y², random
    integers w_k, u_k, c_k, and noise in [0, K). Each p is a vertex of the lower hull: the tangent
    of the convex part at p lies below the convex part by at least K q(v) >= K at p + v. It is
    not uniform over regular triangulations; every draw depends on the state of `rng` alone.
    """
    for _ in range(_MAX_ATTEMPTS):
        try:
            return regular_triangulation(degree, _random_heights(degree, rng), name=name)
        except InvalidTriangulation:
            continue  # a tie between heights: four points on one face
    raise InputError(f"no random heights without ties were found for degree {degree}: try again")


def _random_heights(degree: int, rng: np.random.Generator) -> NDArray[np.int64]:
    points = lattice_points(degree)
    x, y = points.T
    slopes = rng.integers(-_MAX_SLOPE, _MAX_SLOPE + 1, size=(degree, 2))
    offsets = rng.integers(-degree, degree + 1, size=degree) * (1 + rng.integers(2, size=degree))
    factors = rng.integers(0, 2 * degree, size=degree)
    bends = (factors * np.abs(points @ slopes.T - offsets)).sum(axis=1)
    noise = rng.integers(_CONVEXITY, size=len(points))
    return _CONVEXITY * (x * x + x * y + y * y + bends) + noise


def _lower_hull(degree: int, heights: Sequence[int]) -> NDArray[np.int32]:
    """Triangles of the lower hull of (x, y, h), by Qhull with one far point above all of them."""
    from scipy.spatial import ConvexHull

    points = lattice_points(degree).astype(float)
    low, spread = min(heights), max(1, max(heights) - min(heights))
    # Quotients of Python integers are correctly rounded, whatever their size.
    z = [degree * ((height - low) / spread) for height in heights]
    # Without the top point a flat lifting, as in degree 1, would have no volume.
    top = [degree / 3, degree / 3, 10.0 * degree]
    hull = ConvexHull(np.vstack([np.column_stack([points, z]), top]))
    is_lower = (hull.equations[:, 2] < 0) & (hull.simplices < len(points)).all(axis=1)
    return hull.simplices[is_lower]
