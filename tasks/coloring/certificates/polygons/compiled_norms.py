"""Norms of the plane in floats: what filters before exact decisions, compiled.

A norm N is that of a p-ball or of a polygonal unit ball. The minimum of N over a segment from a to
b, which is not zero, is the largest of three lower bounds, each of which is a linear functional g
of dual norm 1: the one that is constant on the line, so |a x b| / N*(n) with n normal to b - a, and
those with g(a) = N(a) and g(b) = N(b), which give min(g(a), g(b)). No parameter along the segment
is rounded, so the errors of all three are a few units in the last place of the largest coordinate.
For a polygonal ball the functionals of its facets take the place of the last two.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tasks.coloring.certificates.norms import Norm, PNorm, PolygonalNorm

__all__ = ["CompiledNorm", "compiled_norm", "dual_value", "inner", "least_on_segment"]
__all__ += ["norm_value", "outer"]

_WITHOUT_WRAPPERS: Any = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
outer: Any = njit(cache=True, error_model="numpy")
"""For a function that Python calls."""
inner: Any = njit(cache=True, error_model="numpy", **_WITHOUT_WRAPPERS)
"""For a function that other compiled functions call."""


class CompiledNorm(NamedTuple):
    """A norm of the plane as plain numbers.

    Attributes
    ----------
    p, q
        The exponents of a p-norm and of its dual, 1/p + 1/q = 1; both 0 for a polygonal ball.
    facets
        (m, 2): f with f(x) = 1 on a facet of a polygonal ball, so N(x) = max f(x); else (0, 2).
    corners
        (m, 2): the vertices of a polygonal ball; else (0, 2).
    inner_radius, outer_radius
        Of Euclidean discs r D in B in R D, so |x| / R <= N(x) <= |x| / r.
    """

    p: float
    q: float
    facets: NDArray[np.float64]
    corners: NDArray[np.float64]
    inner_radius: float
    outer_radius: float


def compiled_norm(norm: Norm) -> CompiledNorm:
    """The floats of a norm of the plane."""
    if isinstance(norm, PNorm) and norm.exact is not None:
        return compiled_norm(norm.exact)
    nothing, (inner_radius, outer_radius) = np.empty((0, 2)), norm.radii
    if isinstance(norm, PolygonalNorm):
        half, tops = norm.float_normals
        facets = half / tops[:, None]
        corners = np.array([[float(x) for x in corner] for corner in norm.vertices])
        both = np.concatenate([facets, -facets])
        return CompiledNorm(0.0, 0.0, both, corners, inner_radius, outer_radius)
    p, q = norm.exponents if isinstance(norm, PNorm) else (2.0, 2.0)
    return CompiledNorm(p, q, nothing, nothing, inner_radius, outer_radius)


@inner
def _power_norm(x, y, p):
    x, y = abs(x), abs(y)
    if p == 2.0:
        return np.sqrt(x * x + y * y)
    large, small = max(x, y), min(x, y)
    if small == 0.0:
        return large
    return large * (1.0 + (small / large) ** p) ** (1.0 / p)


@inner
def norm_value(x, y, norm):
    """N(x, y)."""
    if norm.p > 0.0:
        return _power_norm(x, y, norm.p)
    best = 0.0
    for k in range(norm.facets.shape[0]):
        best = max(best, norm.facets[k, 0] * x + norm.facets[k, 1] * y)
    return best


@inner
def dual_value(x, y, norm):
    """N*(x, y), the largest value of the functional (x, y) on the unit ball."""
    if norm.p > 0.0:
        return _power_norm(x, y, norm.q)
    best = 0.0
    for k in range(norm.corners.shape[0]):
        best = max(best, norm.corners[k, 0] * x + norm.corners[k, 1] * y)
    return best


@inner
def _least_seen_from(ax, ay, bx, by, norm):
    """Lower bound for a segment by the functional that norms its end a."""
    length = _power_norm(ax, ay, norm.p)
    if length == 0.0:
        return 0.0
    gx = (abs(ax) / length) ** (norm.p - 1.0)
    gy = (abs(ay) / length) ** (norm.p - 1.0)
    size = _power_norm(gx, gy, norm.q)
    gx, gy = np.copysign(gx / size, ax), np.copysign(gy / size, ay)
    return min(gx * ax + gy * ay, gx * bx + gy * by)


@inner
def _least_euclidean(ax, ay, bx, by):
    dx, dy = bx - ax, by - ay
    if ax * dx + ay * dy >= 0.0:
        return np.sqrt(ax * ax + ay * ay)
    if bx * dx + by * dy <= 0.0:
        return np.sqrt(bx * bx + by * by)
    return abs(ax * dy - ay * dx) / np.sqrt(dx * dx + dy * dy)


@inner
def least_on_segment(ax, ay, bx, by, norm):
    """Minimum of N on the segment from a to b, from below up to rounding.

    It is the minimum itself if N is the Euclidean or a polygonal norm, or 1 < p < inf.
    """
    if norm.p == 2.0:
        return _least_euclidean(ax, ay, bx, by)
    dx, dy = bx - ax, by - ay
    best = 0.0
    if norm.p > 0.0:
        best = _least_seen_from(ax, ay, bx, by, norm)
        best = max(best, _least_seen_from(bx, by, ax, ay, norm))
    for k in range(norm.facets.shape[0]):
        fx, fy = norm.facets[k, 0], norm.facets[k, 1]
        best = max(best, min(fx * ax + fy * ay, fx * bx + fy * by))
    if dx != 0.0 or dy != 0.0:
        # a x d instead of a x b: a and b may be close to each other and far from the origin.
        best = max(best, abs(ax * dy - ay * dx) / dual_value(dy, -dx, norm))
    return best
