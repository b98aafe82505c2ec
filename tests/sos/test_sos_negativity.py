"""Rational points of negative value, against exact evaluation and brute force."""

from itertools import product
from math import gcd

import numpy as np
import pytest
from flint import fmpq
from hypothesis import given, settings
from polynomial_strategies import points, polynomials

from tasks.sos import Polynomial, parse_polynomial
from tasks.sos.proofs.negativity import (
    find_negative_point,
    negative_at_infinity,
    negative_corner,
)


@given(polynomials(("x", "y"), max_exponent=3))
@settings(max_examples=60)
def test_what_is_found_is_negative_and_a_negative_grid_point_means_something_is_found(p):
    point = find_negative_point(p)
    if point is not None:
        assert p.evaluate(point) < 0
    else:
        grid = product(range(-3, 4), repeat=2)
        assert all(p.evaluate(place) >= 0 for place in grid)


@given(polynomials(max_exponent=3), points())
@settings(max_examples=30)
def test_nothing_is_found_for_squares(q, _):
    assert find_negative_point(q * q + 1) is None


@pytest.mark.parametrize(
    "text",
    [
        "x^2 - 1/1000000",
        "(x - 1000)^2 - 1",
        "x^4 + y^4 - 1000000000*x*y",
        "x^4*y^2 + x^2*y^4 - 301/100*x^2*y^2 + 1",
        "x^2*y^2*z^2 - x*y*z",
        "x1^2 + x2^2 + x3^2 + x4^2 - 2*x1*x2 - 2*x3*x4 - x1*x4/1000",
        "x^6 - 7*x^5 + 3",
        "-x^4",
        "-1",
    ],
)
def test_hidden_negative_values_are_found(text):
    p = parse_polynomial(text)
    point = find_negative_point(p)
    assert point is not None
    assert p.evaluate(point) < 0


def test_points_have_few_bits_where_that_is_enough():
    point = find_negative_point(parse_polynomial("x^2 + y^2 - 4*x - 2*y + 1"))
    assert point is not None
    assert all(value.q == 1 for value in point)


def test_a_hint_finds_a_needle():
    """Negative within about 1e-3 of (1/3, 7) only."""
    p = parse_polynomial("((3*x - 1)^2 + (y - 7)^2)*(x^2 + y^2 + 1) - 1/10000")
    hint = [np.array([np.inf, 0.0]), np.array([0.3333, 7.01])]
    point = find_negative_point(p, hint)
    assert point is not None
    assert p.evaluate(point) < 0


def test_zero_is_nowhere_negative():
    assert find_negative_point(Polynomial.zero(("x",))) is None


@pytest.mark.parametrize("factor", [fmpq(1, 2**300), fmpq(2**300)], ids=["small", "large"])
def test_the_scale_does_not_matter(factor):
    p = parse_polynomial("x^4 - x^2 + y^2 + 1/8") * factor
    point = find_negative_point(p)
    assert point is not None
    assert p.evaluate(point) < 0


def test_equal_seeds_find_equal_points():
    p = parse_polynomial("x^4 + y^4 - 3*x*y^2 - 1/7")
    assert find_negative_point(p, seed=3) == find_negative_point(p, seed=3)


@given(polynomials(max_exponent=3))
@settings(max_examples=60)
def test_odd_degrees_are_negative_somewhere(p):
    if p.degree % 2 == 0 or p.degree < 0:
        p = p + Polynomial.variable(p.variables, 0) ** (2 * max(p.degree, 0) + 1)
    assert p.evaluate(negative_at_infinity(p)) < 0


def test_even_degrees_are_refused():
    with pytest.raises(ValueError, match="odd"):
        negative_at_infinity(parse_polynomial("x^2"))


def test_the_lowest_corner_of_the_cube_is_found():
    p = parse_polynomial("x^2*y^2 + 3*x*y + z^4 + z/2")
    point = negative_corner(p)
    assert point is not None
    corners = list(product((-1, 1), repeat=3))
    assert p.evaluate(point) == min(p.evaluate(corner) for corner in corners) < 0
    assert point in corners


@pytest.mark.parametrize("text", ["x^2 + y^2 - 1", "x^2 - 1/2", "0*x"])
def test_no_corner_is_claimed_where_all_values_are_nonnegative(text):
    assert negative_corner(parse_polynomial(text)) is None


def test_corners_of_many_variables_are_left_out():
    p = parse_polynomial(" + ".join(f"x{i}^2" for i in range(30)) + " - 100")
    assert negative_corner(p) is None


def test_a_grid_on_which_the_leading_form_vanishes_is_left():
    """It is 0 at all (a, b) with |a|, |b| <= 9."""
    directions = [(a, b) for a in range(-9, 10) for b in range(1, 10) if gcd(a, b) == 1]
    p = Polynomial.of(("x", "y"), {(0, 1): 1})
    for a, b in directions:
        p = p * Polynomial.of(("x", "y"), {(1, 0): b, (0, 1): -a})
    odd = p if p.degree % 2 else p * Polynomial.of(("x", "y"), {(1, 0): 1})
    assert all(odd.evaluate(place) == 0 for place in product(range(-9, 10, 3), repeat=2))
    assert odd.evaluate(negative_at_infinity(odd)) < 0


def test_a_change_of_sign_that_is_far_away_is_found():
    p = parse_polynomial("1e-40000*x^3 + 1e40000")
    [x] = negative_at_infinity(p)
    assert p.evaluate([x]) < 0 <= p.evaluate([x / 2])
