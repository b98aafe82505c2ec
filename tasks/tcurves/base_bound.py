"""How large Viro's parameter must be: a proved bound.

Let w be integer weights that induce the regular triangulation T, s signs and B > 1, the *base*.
The curve of f = sum of c_p x^p over p in A_d, c_p = (-1)^s_p B^(-w_p), is by Viro's theorem
nonsingular and isotopic to the T-curve if B is large enough.  Extend w to the convex function W
that is linear on the triangles of T, and let

    gap    = min over minimal non-faces F of T of  max over x in conv F of  (w on F)(x) - W(x),
    spread = max over triangles D and vertices p of D of  sum over q not in D of |b_{D,p}(q)|,

where b_{D,p} is the affine function that is 1 at p and 0 at the other vertices of D, an integer at
every q, and (w on F) interpolates linearly.  A minimal non-face is a pair of points that is not
an edge, or three points with three edges that are not a triangle; gap > 0, as W is strictly convex.

Claim: the curve is nonsingular, and isotopic to the T-curve, for every real B with B^gap > spread.

Proof.  Suppose f = x f_x = y f_y = 0 at a complex point with x, y not 0 and z = 1.  Then the sum of
l(p) c_p x^p vanishes for every affine function l.  Put U = log_B(|x|, |y|) and
a_p = w_p - <p, U> - min_q (w_q - <q, U>), so that |c_p x^p| is B^(-a_p) times the largest modulus
of a term; let p0 have a = 0.  The set S of all p with a_p < gap holds p0.  It holds no minimal
non-face F: at a point x = sum of m_p p of conv F, the mean of the a_p with weights m_p is at least
(w on F)(x) - W(x), because W(x) - <x, U> is itself a mean of values w_q - <q, U>; so some a_p in F
is at least gap.  Hence S lies in a triangle D of T with vertex p0 (four points cannot be joined by
four triangles of T, which would overlap), and l = b_{D,p0} gives

    1 <= sum over q not in D of |l(q)| B^(-a_q) <= spread B^(-gap) < 1,

a contradiction.  On a coordinate line the same argument, with the points of that side of d*Delta_2
only, shows that f has no multiple root off the corners, where f is not 0.  So the complex curve is
nonsingular for every real B above the bound, the real curves for all such B are isotopic, and for
large B they are isotopic to the T-curve by Viro's theorem.

The bound is sufficient, not necessary.

References
----------
O. Viro, Gluing of plane real algebraic curves (1984), for the theorem on large B; the bound is
elementary and proved above.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from tasks.lattice import Triangulation, is_regular_with
from tasks.records import InputError

MAX_BOUND_DEGREE = 20
"""The bound takes O(n^2 E) operations: seconds for degree 20, hours for degree 60."""


@dataclass(frozen=True)
class BaseBound:
    """The bound on the base of a triangulation with weights."""

    gap: Fraction
    spread: int
    base: int
    """The least integer B >= 2 with B^gap > spread; every base from here on is proved."""


@lru_cache(maxsize=32)
def base_bound(triangulation: Triangulation) -> BaseBound:
    """Compute gap, spread and the least proved base, exactly.

    O(n^2 E) for n points and E edges.

    Raises
    ------
    InputError
        If the weights are missing or do not induce the triangulation, or the degree is too large.
    """
    weights = inducing_weights(triangulation)
    if triangulation.degree > MAX_BOUND_DEGREE:
        raise InputError(
            f"degree {triangulation.degree} is too large for an explicit polynomial: "
            f"the bound on its base is computed up to degree {MAX_BOUND_DEGREE}"
        )
    gap = min(
        [*_pair_gaps(triangulation, weights), *_triple_gaps(triangulation, weights)], default=1
    )
    spread = _spread(triangulation)
    return BaseBound(Fraction(gap), spread, _least_base(Fraction(gap), spread))


def inducing_weights(triangulation: Triangulation) -> tuple[int, ...]:
    """Return the weights if they induce the triangulation, checked in integers."""
    if triangulation.weights is None:
        raise InputError(
            f"triangulation {triangulation.name} has no weights: a polynomial needs weights that "
            "induce it (certify_regularity finds them)"
        )
    if not is_regular_with(triangulation, triangulation.weights):
        raise InputError(f"the weights of {triangulation.name} do not induce the triangulation")
    return triangulation.weights


def _cross(u: NDArray[np.int64], v: NDArray[np.int64]) -> NDArray[np.int64]:
    """Compute determinants of plane vectors."""
    return u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]


def _pair_gaps(triangulation: Triangulation, weights: tuple[int, ...]) -> list[Fraction]:
    """For each pair of points that is not an edge, the largest height of its chord above W.

    Chord minus W is concave and linear between edges of T, so it is largest on one of those.
    """
    points, edges = triangulation.points, triangulation.edges
    joined = {tuple(edge) for edge in edges.tolist()}
    start, span = points[edges[:, 0]], points[edges[:, 1]] - points[edges[:, 0]]
    gaps = []
    for p, q in combinations(range(len(points)), 2):
        if (p, q) in joined:
            continue
        # p + r (q - p) / den = a + t (b - a) / den with 0 <= r, t <= den.
        along, offset = points[q] - points[p], start - points[p]
        den = _cross(along, span)
        sign = np.sign(den)
        den, r, t = np.abs(den), _cross(offset, span) * sign, _cross(offset, along) * sign
        hit = (den > 0) & (r >= 0) & (r <= den) & (t >= 0) & (t <= den)
        crossings = np.column_stack([edges, den, r, t])[hit].tolist()
        gaps.append(max(_height(weights, (p, q, a, b), *where) for a, b, *where in crossings))
    return gaps


def _height(weights: tuple[int, ...], ends: tuple[int, ...], den: int, r: int, t: int) -> Fraction:
    """Compute the height of chord pq above edge ab where they cross."""
    p, q, a, b = (weights[end] for end in ends)
    return Fraction(den * (p - a) + r * (q - p) - t * (b - a), den)


def _triple_gaps(triangulation: Triangulation, weights: tuple[int, ...]) -> list[Fraction]:
    """For three points with three edges that are not a triangle, the largest height above W.

    The difference is concave, 0 on the edges, and largest at a point of T inside.
    """
    points = triangulation.points
    neighbors: dict[int, set[int]] = {}
    for a, b in triangulation.edges.tolist():
        neighbors.setdefault(a, set()).add(b)
    faces = {tuple(triangle) for triangle in triangulation.triangles.tolist()}
    gaps = []
    for a, b in triangulation.edges.tolist():
        for c in neighbors[a] & neighbors.get(b, set()):
            if (a, b, c) in faces:
                continue
            area = _cross(points[b] - points[a], points[c] - points[a])
            u, v = points[[b, c]] - points[a]
            shares = np.sign(area) * np.stack(
                [_cross(points - points[a], v), _cross(u, points - points[a])], axis=1
            )
            size = abs(int(area))
            gaps.append(
                max(
                    Fraction((size - m - k) * weights[a] + m * weights[b] + k * weights[c], size)
                    - weights[p]
                    for p, (m, k) in enumerate(shares.tolist())
                    if m >= 0 and k >= 0 and m + k <= size
                )
            )
    return gaps


def _spread(triangulation: Triangulation) -> int:
    """Compute the spread; b_{D,p}(q) are barycentric coordinates, integers by unimodularity."""
    points = triangulation.points
    a, b, c = (points[triangulation.triangles[:, k], None] for k in range(3))
    area = _cross(b - a, c - a)
    second, third = _cross(points - a, c - a) * area, _cross(b - a, points - a) * area
    coordinates = np.stack([1 - second - third, second, third])
    # The sum over all q counts p itself, with 1.
    return int(np.abs(coordinates).sum(axis=2).max()) - 1


def _least_base(gap: Fraction, spread: int) -> int:
    """Find the least integer B >= 2 with B^gap > spread."""
    if gap >= spread.bit_length():
        return 2
    low, high = 1, 2
    target = spread**gap.denominator
    while high**gap.numerator <= target:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if middle**gap.numerator > target else (middle, high)
    return high
