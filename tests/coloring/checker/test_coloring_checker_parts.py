"""Numbers, norms and lattices of the second checker against floats and brute force."""

import itertools
import math
from fractions import Fraction as Q

import checker_examples as examples
import coloring_oracles as oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.coloring.checker.norm_parsing import parse_norm
from tasks.coloring.checker.numbers import (
    Surd,
    approximate,
    floor_of,
    floor_quotient,
    floor_scaled,
    root_bounds,
    sign,
)
from tasks.coloring.checker.powers import compare_powers, integer_root
from tasks.coloring.checker.torus import short_basis
from tasks.coloring.checker.vectors import combination, determinant, dot, scaled_vector
from tasks.coloring.checker.voronoi import doubled_voronoi_cell, superbase

small = st.integers(-6, 6)
fractions = st.builds(Q, st.integers(-40, 40), st.integers(1, 7))
surds = st.builds(Surd, fractions, fractions, st.just(5))


vectors_2 = st.lists(st.tuples(small, small), min_size=2, max_size=2).filter(determinant)
vectors_3 = st.lists(st.tuples(*[st.integers(-3, 3)] * 3), min_size=3, max_size=3).filter(
    determinant
)


# --- numbers ------------------------------------------------------------------------------------


def value(x):
    return float(x.a) + float(x.b) * math.sqrt(x.n) if isinstance(x, Surd) else float(x)


@given(surds, surds | fractions)
def test_surds_calculate_as_floats_do(x, y):
    for exact, near in (
        (x + y, value(x) + value(y)),
        (y - x, value(y) - value(x)),
        (x * y, value(x) * value(y)),
        (x**3, value(x) ** 3),
    ):
        assert math.isclose(value(exact), near, rel_tol=1e-9, abs_tol=1e-7)
    assert (x - x, sign(x - x)) == (0, 0)
    assert sign(x) * sign(x) == bool(x)
    if abs(value(x) - value(y)) > 1e-7:
        assert (x < y, y < x, x <= y) == (
            value(x) < value(y),
            value(y) < value(x),
            value(x) < value(y),
        )
        assert floor_of((x - y) * 10**6) == math.floor((value(x) - value(y)) * 10**6) or (
            abs((value(x) - value(y)) * 10**6 % 1 - 0.5) > 0.49
        )
    if y:
        assert x / y * y == x


@given(small, small, small, small)
def test_integer_parts_of_quotients_bracket_them(a, b, c, d):
    x, y = Surd(a, b, 3), abs(Surd(c, d, 3))
    if y:
        k = floor_quotient(x, y)
        assert k * y <= x < (k + 1) * y
    assert floor_scaled(x, 5) <= x * 32 < floor_scaled(x, 5) + 1
    assert floor_scaled(x, -2) * 4 <= x < (floor_scaled(x, -2) + 1) * 4


def test_the_sign_of_a_tiny_difference_is_exact():
    # Of the Pell equation a^2 - 2 b^2 = +-1: a - b sqrt(2) is about 1 / (2 a).
    a, b, expected = 1, 1, -1
    for _ in range(400):
        assert sign(Surd(a, -b, 2)) == expected
        a, b, expected = a + 2 * b, a + b, -expected
    assert 0 < abs(approximate(Surd(a, -b, 2))) < 1e-70 or a > 10**70


@given(st.integers(0, 10**40), st.integers(1, 9))
def test_integer_roots_bracket_the_root(x, s):
    root = integer_root(x, s)
    assert root**s <= x < (root + 1) ** s


@given(st.builds(Q, st.integers(0, 10**6), st.integers(1, 10**3)))
def test_bounds_of_roots_bracket_the_root(x):
    low, high = root_bounds(x)
    assert low**2 <= x < high**2


@settings(deadline=None)
@given(*[st.integers(0, 60)] * 3, st.sampled_from([(2, 1), (3, 1), (3, 2), (7, 3), (64, 63)]))
def test_powers_are_compared_as_in_floats(u, v, w, exponent):
    q = exponent[0] / exponent[1]
    difference = u**q + v**q - w**q
    found = compare_powers(u, v, w, *exponent)
    if abs(difference) > 1e-6 * (1 + w**q):
        assert found == (1 if difference > 0 else -1)
    assert found is not None or exponent[1] > 1


def test_pythagorean_triples_are_equal_and_neighbors_are_not():
    big = 10**60
    assert compare_powers(3 * big, 4 * big, 5 * big, 2, 1) == 0
    assert compare_powers(3 * big, 4 * big, 5 * big + 1, 2, 1) == -1
    assert compare_powers(3 * big, 4 * big, 5 * big + 1, 4, 2) == -1
    assert compare_powers(3 * big, 4 * big, 5 * big, 4, 2) is None


# --- norms --------------------------------------------------------------------------------------


def norm_sign(norm, least, distance):
    """The sign of a norm less a distance where floats are sure; else None."""
    return None if abs(least - distance) < 1e-7 else (1 if least > distance else -1)


@settings(deadline=None)
@given(st.sampled_from(examples.NORMS), small, small, small, small, st.integers(1, 9))
def test_norms_of_points_and_segments_are_as_sampled(stated, a, b, c, d, distance):
    norm = parse_norm(stated, None, 2)
    threshold = distance**2 if norm.takes_squares else distance

    def at(t):
        return oracles.norm_value(stated, a + t * (c - a), b + t * (d - b))

    expected = norm_sign(stated, at(0), distance)
    assert expected in (None, norm.side((a, b), threshold))
    low, high = 0.0, 1.0
    for _ in range(80):
        one, two = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, two) if at(one) <= at(two) else (one, high)
    least = min(at(low), at(0), at(1))
    expected = norm_sign(stated, least, distance)
    assert expected in (None, norm.segment_side((a, b), (c, d), threshold))


@pytest.mark.parametrize("stated", examples.NORMS)
def test_segments_that_touch_the_ball_are_at_the_distance(stated):
    norm = parse_norm(stated, None, 2)
    for a, b in (((3, 0), (9, 0)), ((3, 0), (3, 0)), ((0, -4), (0, -3))):
        assert norm.segment_side(a, b, 9 if norm.takes_squares else 3) == 0
    assert norm.segment_side((-5, 1), (5, -1), 1) == -1


@pytest.mark.parametrize("stated", examples.NORMS)
def test_euclidean_radii_enclose_the_unit_ball(stated):
    norm = parse_norm(stated, None, 2)
    lengths = []
    for k in range(3600):
        x, y = math.cos(k * math.pi / 1800), math.sin(k * math.pi / 1800)
        lengths.append(1 / oracles.norm_value(stated, x, y))
    assert norm.inner <= min(lengths) * (1 + 1e-9)
    assert norm.outer >= max(lengths) * (1 - 1e-9)
    assert norm.inner > min(lengths) * (1 - 1e-5) and norm.outer < max(lengths) * (1 + 1e-5)


# --- lattices -----------------------------------------------------------------------------------


@given(vectors_2)
def test_a_short_basis_spans_the_lattice_and_is_reduced(vectors):
    rows = short_basis(*vectors)
    assert abs(determinant(rows)) == 1
    u, v = (combination(row, vectors) for row in rows)
    assert 2 * abs(dot(u, v)) <= dot(u, u) <= dot(v, v)


@settings(deadline=None, max_examples=25)
@given(vectors_3)
def test_voronoi_cells_have_the_volume_of_the_lattice_and_are_nearest(vectors):
    base = superbase([tuple(map(Q, w)) for w in vectors])
    assert all(dot(u, v) <= 0 for u, v in itertools.combinations(base, 2))
    assert abs(determinant(base[:3])) == abs(determinant(vectors))
    body = doubled_voronoi_cell([tuple(map(Q, w)) for w in vectors])
    # Every vertex is as near to 0 as to the lattice vectors of its facets, and to no other nearer.
    near = [combination(c, base[:3]) for c in itertools.product(range(-2, 3), repeat=3)]
    for vertex in body.vertices:
        distances = [dot(v, v) - dot(vertex, v) for v in near]
        assert min(distances) == 0
        assert sum(d == 0 for d in distances) >= 4


def test_scaled_vectors_are_whole():
    assert scaled_vector((Q(1, 2), Surd(Q(1, 3), Q(1, 6), 2)), 6) == (3, Surd(2, 1, 2))
