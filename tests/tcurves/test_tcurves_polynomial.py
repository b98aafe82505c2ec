"""Polynomials of T-curves and the proved bound on their base."""

from fractions import Fraction
from itertools import combinations
from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label
from scipy.optimize import linprog
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from strategies import regular_triangulations, triangulations

from tasks.lattice import honeycomb, lattice_points, load_triangulations, random_regular
from tasks.records import InputError
from tasks.tcurves import harnack_signs, real_scheme
from tasks.tcurves.base_bound import BaseBound, base_bound
from tasks.tcurves.polynomial import t_polynomial
from tasks.tcurves.weights import shrink_weights


def gradients(triangulation):
    """Slopes of W on the triangles: where three terms are of equal size, in units of log B."""
    w = np.array(triangulation.weights)
    corners = lattice_points(triangulation.degree)[triangulation.triangles]
    spans = (corners[:, 1:] - corners[:, :1]).astype(float)
    rises = w[triangulation.triangles[:, 1:]] - w[triangulation.triangles[:, :1]]
    return np.linalg.solve(spans, rises[..., None].astype(float))[..., 0]


def sign_grids(polynomial, u, v):
    """Signs (4, len(u), len(v)) of f at (+-B^u, +-B^v) in the quadrants e1 + 2 e2."""
    points = lattice_points(polynomial.degree)
    height = np.array(polynomial.exponents)[:, None, None] + (
        points[:, :1, None] * u[None, :, None] + points[:, 1:, None] * v[None, None, :]
    )
    terms = np.exp((height - height.max(axis=0)) * log(polynomial.base))
    parity = np.array(polynomial.signs)[:, None] + points @ np.array([[0, 1, 0, 1], [0, 0, 1, 1]])
    return np.einsum("pq,puv->quv", 1 - 2.0 * (parity % 2), terms) > 0


def count_ovals_on_a_grid(polynomial, slopes, step):
    """Regions of RP^2 minus the curve, counted on a grid in logarithmic coordinates, minus 1."""
    low, high = slopes.min(axis=0) - 1, slopes.max(axis=0) + 1
    grids = sign_grids(polynomial, *(np.arange(low[k], high[k], step) for k in range(2)))
    regions, total = np.zeros(grids.shape, dtype=int), 0
    for quadrant, grid in enumerate(grids):
        for sign in (False, True):
            found, number = label(grid == sign)
            regions[quadrant] += np.where(found > 0, found + total - 1, 0)
            total += number
    # Quadrants meet along x = 0 (left), y = 0 (below) and z = 0 (right and above).
    pairs = []
    for quadrant in range(4):
        for other, side in (
            (quadrant ^ 1, np.s_[0, :]),
            (quadrant ^ 2, np.s_[:, 0]),
            (quadrant ^ 3, np.s_[-1, :]),
            (quadrant ^ 3, np.s_[:, -1]),
        ):
            flips = polynomial.degree % 2 == 1 and (quadrant ^ other) == 3
            glued = grids[quadrant][side] == (grids[other][side] ^ flips)
            here, there = regions[quadrant][side][glued], regions[other][side][glued]
            pairs += zip(here.tolist(), there.tolist(), strict=True)
    ends = np.array(pairs).T
    graph = coo_array((np.ones(ends.shape[1]), (ends[0], ends[1])), shape=(total, total))
    return connected_components(graph, directed=False)[0] - 1


@pytest.mark.parametrize("degree", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("seed", range(3))
def test_the_polynomial_has_as_many_ovals_as_the_t_curve(degree, seed):
    rng = np.random.default_rng([degree, seed])
    triangulation = random_regular(degree, rng) if seed else honeycomb(degree)
    small = shrink_weights(triangulation, triangulation.weights)
    triangulation = triangulation.with_weights(small)
    for signs in (harnack_signs(degree), rng.integers(0, 2, triangulation.num_points)):
        polynomial = t_polynomial(triangulation, signs)
        ovals = count_ovals_on_a_grid(polynomial, gradients(triangulation), 0.08)
        assert polynomial.base >= polynomial.proved_from
        assert ovals == real_scheme(triangulation, signs).ovals


def test_a_small_base_can_give_another_curve_and_is_not_called_proved():
    polynomial = t_polynomial(honeycomb(6), harnack_signs(6), base=2)
    assert polynomial.base < polynomial.proved_from
    assert count_ovals_on_a_grid(polynomial, gradients(honeycomb(6)), 0.08) != 10


def determinant(c):
    """Of the symmetric matrix of twice a conic, from its coefficients."""
    xx, yy, zz = 2 * c[2, 0, 0], 2 * c[0, 2, 0], 2 * c[0, 0, 2]
    xy, xz, yz = c[1, 1, 0], c[1, 0, 1], c[0, 1, 1]
    return xx * (yy * zz - yz**2) - xy * (xy * zz - yz * xz) + xz * (xy * yz - yy * xz)


@pytest.mark.parametrize("seed", range(40))
def test_conics_from_the_proved_base_on_are_nonsingular(seed):
    rng = np.random.default_rng(seed)
    triangulation = random_regular(2, rng)
    signs = rng.integers(0, 2, 6)
    for base in (None, base_bound(triangulation).base + 1):
        assert determinant(t_polynomial(triangulation, signs, base=base).coefficients()) != 0


def test_a_conic_below_the_bound_can_be_singular():
    polynomial = t_polynomial(honeycomb(2), 0, base=2)
    assert determinant(polynomial.coefficients()) == 0
    assert polynomial.base < polynomial.proved_from


def gap_by_linear_programs(triangulation):
    """min over U and non-faces F of max over F of a_p(U), straight from the proof."""
    points = lattice_points(triangulation.degree).astype(float)
    w = np.array(triangulation.weights, dtype=float)
    edges = {tuple(e) for e in triangulation.edges.tolist()}
    faces = {tuple(t) for t in triangulation.triangles.tolist()}
    n = len(points)
    nonfaces = [pair for pair in combinations(range(n), 2) if pair not in edges]
    nonfaces += [
        t for t in combinations(range(n), 3)
        if t not in faces and all(pair in edges for pair in combinations(t, 2))
    ]  # fmt: skip
    best = np.inf
    for face in nonfaces:
        # Variables U (2), m, gap: m <= w_q - <q, U>, and w_p - <p, U> - m <= gap on the face.
        above = np.column_stack([points, np.ones(n), np.zeros(n)])
        rows = list(face)
        on_face = np.column_stack([-points[rows], -np.ones(len(rows)), -np.ones(len(rows))])
        result = linprog(
            [0, 0, 0, 1],
            A_ub=np.vstack([above, on_face]),
            b_ub=np.r_[w, -w[rows]],
            bounds=(None, None),
        )
        best = min(best, result.fun)
    return best


@pytest.mark.parametrize("seed", range(4))
def test_the_gap_is_the_least_second_scale_of_the_terms(seed):
    triangulation = random_regular(3, np.random.default_rng(seed))
    small = triangulation.with_weights(shrink_weights(triangulation, triangulation.weights))
    assert gap_by_linear_programs(small) == pytest.approx(float(base_bound(small).gap))


@settings(max_examples=50)
@given(regular_triangulations(1, 6))
def test_the_base_is_the_least_integer_above_the_bound(triangulation):
    bound = base_bound(triangulation)
    power, root = bound.gap.numerator, bound.gap.denominator
    assert bound.gap > 0
    if power < 10_000:
        assert bound.base**power > bound.spread**root
        assert bound.base == 2 or (bound.base - 1) ** power <= bound.spread**root


@settings(max_examples=30)
@given(regular_triangulations(2, 6), st.integers(2, 50))
def test_multiplying_the_weights_multiplies_the_gap(triangulation, factor):
    multiplied = triangulation.with_weights([factor * w for w in triangulation.weights])
    assert base_bound(multiplied).gap == factor * base_bound(triangulation).gap
    assert base_bound(multiplied).spread == base_bound(triangulation).spread


def test_bounds_of_honeycombs():
    assert base_bound(honeycomb(1)) == BaseBound(Fraction(1), 0, 2)
    assert base_bound(honeycomb(2)) == BaseBound(Fraction(1, 2), 3, 10)
    assert base_bound(honeycomb(6)) == BaseBound(Fraction(1, 2), 85, 7226)


def test_three_joined_points_around_others_count_for_the_gap():
    # In 6_bat some triangle of edges holds another point, so the triples are not vacuous.
    [bat] = load_triangulations(["6_bat"])
    edges = {tuple(e) for e in bat.edges.tolist()}
    faces = {tuple(t) for t in bat.triangles.tolist()}
    triples = combinations(range(bat.num_points), 3)
    empty = [t for t in triples if t not in faces and set(combinations(t, 2)) <= edges]
    assert empty
    assert base_bound(bat).gap > 0


@settings(max_examples=20)
@given(st.integers(1, 5), st.data())
def test_near_each_lattice_point_the_polynomial_has_its_sign(degree, data):
    # Weights q = x^2 + xy + y^2 have q(p + v) = q(p) + <U, v> + q(v) with U = (2i + j, i + 2j).
    n = len(lattice_points(degree))
    signs = data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
    # One more than the bound, as two terms of degree 1 are no smaller than the third for base 2.
    base = base_bound(honeycomb(degree)).base + 1
    polynomial = t_polynomial(honeycomb(degree), signs, base=base)
    for (i, j), sign in zip(lattice_points(degree).tolist(), signs, strict=True):
        for e1, e2 in ((0, 0), (1, 0), (0, 1), (1, 1)):
            x, y = (-1) ** e1 * polynomial.base ** (2 * i + j), polynomial.base ** (i + 2 * j)
            is_positive = polynomial.evaluate(x, (-1) ** e2 * y) > 0
            assert is_positive == ((sign + e1 * i + e2 * j) % 2 == 0)


def test_the_text_is_the_polynomial():
    polynomial = t_polynomial(honeycomb(3), harnack_signs(3))
    text = str(polynomial).replace("^", "**")
    for x, y, z in ((2, 3, 5), (-1, 4, 7), (1, 1, -1)):
        value = eval(text, {"x": x, "y": y, "z": z})
        assert value == polynomial.evaluate(x, y, z)
    assert sorted(set(map(sum, polynomial.coefficients()))) == [3]


@settings(max_examples=10)
@given(triangulations(1, 5))
def test_a_polynomial_needs_weights(triangulation):
    with pytest.raises(InputError, match="has no weights"):
        t_polynomial(triangulation, harnack_signs(triangulation.degree))


def test_wrong_use_of_polynomials_is_refused():
    with pytest.raises(InputError, match="do not induce"):
        t_polynomial(honeycomb(2).with_weights([0] * 6), [0] * 6)
    with pytest.raises(InputError, match="base 1 is not allowed"):
        t_polynomial(honeycomb(2), [0] * 6, base=1)
    with pytest.raises(InputError, match="up to degree 20"):
        base_bound(honeycomb(21))
    huge = honeycomb(2).with_weights([10**9 * w for w in honeycomb(2).weights])
    with pytest.raises(InputError, match="too long"):
        t_polynomial(huge, [0] * 6).coefficients()
    assert "2^4000000000" in str(t_polynomial(huge, [0] * 6))
