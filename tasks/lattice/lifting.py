"""Regular triangulations from heights.

Heights h on A_d induce the subdivision of d·Δ₂ into the projections of the lower faces of
conv{(p, h_p)}. If every point of A_d is a vertex of the lower hull and every face is a triangle,
the triangles contain no other lattice points, so they are unimodular (Pick).
"""

from collections.abc import Sequence
from fractions import Fraction
from math import inf
from statistics import median_low
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.lattice._errors import InvalidTriangulation
from tasks.lattice._weights import integer_weights
from tasks.lattice.certificates import reduced_weights
from tasks.lattice.points import check_degree, lattice_points
from tasks.lattice.regularity import certify_regularity, fold_values, is_regular_with
from tasks.lattice.triangulation import Triangulation
from tasks.records.errors import InputError

_CONVEXITY = 1 << 12
_MAX_SLOPE = 3
_MAX_ATTEMPTS = 20
_NOISE = 1 << 30


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


def perturbed(
    triangulation: Triangulation, rng: np.random.Generator, scale: float = 1.0, *, name: str = ""
) -> Triangulation:
    """A regular triangulation near a regular one, with small weights.

    The weights, those given or found by `certify_regularity`, get independent uniform noise.
    While the sum induces no unimodular triangulation, the noise is halved where it does harm: at
    points above the lower hull and at the corners of the faces below them. Without noise no point
    is above the hull, so this ends. The new weights are rounded, reduced and verified in integers.

    Parameters
    ----------
    triangulation
        A regular triangulation.
    scale
        Largest noise, in units of the median fold (see `tasks.lattice.regularity`), > 0. If it is
        much smaller than the least fold, the result has the triangles of the given one.

    Raises
    ------
    InputError
        If the triangulation is not known to be regular, or the scale is not positive.
    """
    if not 0 < scale < inf:
        raise InputError(f"scale = {scale} is not allowed: give a number > 0, such as 1")
    weights = _known_weights(triangulation)
    unit = median_low([*fold_values(triangulation, weights)] or [1])
    noise = rng.integers(-_NOISE, _NOISE, endpoint=True, size=len(weights))
    ratio = Fraction(scale) * unit / _NOISE
    while True:
        pairs = zip(weights, noise.tolist(), strict=True)
        heights = [ratio.denominator * weight + ratio.numerator * error for weight, error in pairs]
        made = _induced(triangulation, heights)
        if made is not None:
            small = reduced_weights(made, _rounded(made, heights))
            return Triangulation.of(made.degree, made.triangles, weights=small, name=name)
        noise = _halved(triangulation, heights, noise)


def _known_weights(triangulation: Triangulation) -> tuple[int, ...]:
    certificate = certify_regularity(triangulation)
    if certificate.weights is None:
        raise InputError(
            f"{triangulation.name} is {certificate.status}: only regular triangulations have "
            "weights to perturb; flip its edges instead"
        )
    return certificate.weights


def _induced(triangulation: Triangulation, heights: Sequence[int]) -> Triangulation | None:
    """The triangulation that the heights induce, tried first: the given one."""
    if is_regular_with(triangulation, heights):
        return triangulation
    try:
        return regular_triangulation(triangulation.degree, heights)
    except InvalidTriangulation:
        return None


def _halved(
    triangulation: Triangulation, heights: Sequence[int], noise: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Noise halved at the points off the lower hull and at the corners of larger triangles.

    If that changes nothing, four points lie on a face, and it is halved everywhere.
    """
    hull = _lower_hull(triangulation.degree, heights)
    first, second, third = triangulation.points[hull].transpose(1, 2, 0)
    area = (second - first)[0] * (third - first)[1] - (second - first)[1] * (third - first)[0]
    is_harmful = np.ones(len(noise), bool)
    is_harmful[hull] = False
    is_harmful[hull[abs(area) > 1]] = True
    if not noise[is_harmful].any():
        is_harmful[:] = True
    return np.where(is_harmful, np.trunc(noise / 2).astype(np.int64), noise)


def _rounded(triangulation: Triangulation, heights: Sequence[int]) -> list[int]:
    """Heights divided by the largest power of two such that rounding keeps the triangulation."""
    shift = max(heights, key=abs).bit_length()
    while shift > 0:
        half = 1 << (shift - 1)
        candidate = [(height + half) >> shift for height in heights]
        if is_regular_with(triangulation, candidate):
            return candidate
        shift -= 1
    return list(heights)


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
