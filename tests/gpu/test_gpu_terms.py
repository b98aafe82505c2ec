"""Values and gradients of sparse polynomials against exact arithmetic."""

from fractions import Fraction
from math import prod

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gpu.terms import sparse_terms, value_and_gradient


@st.composite
def instances(draw):
    """Exponents (T, n), coefficients and a point: small integers, so that floats are exact."""
    n = draw(st.integers(1, 4))
    row = st.lists(st.integers(0, 4), min_size=n, max_size=n)
    rows = draw(st.lists(row, max_size=6))
    integers = st.integers(-5, 5)
    coefficients = draw(st.lists(integers, min_size=len(rows), max_size=len(rows)))
    return rows, coefficients, draw(st.lists(integers, min_size=n, max_size=n))


def evaluated(rows, coefficients, x):
    array = np.array(rows, dtype=np.int32).reshape(len(rows), len(x))
    gradient = np.full(len(x), np.nan)
    values = np.array(coefficients, dtype=float)
    point = np.array(x, dtype=float)
    value = value_and_gradient(*sparse_terms(array), values, point, gradient)
    return value, gradient.tolist()


def derivative(row, x, i):
    if not row[i]:
        return 0
    return row[i] * x[i] ** (row[i] - 1) * prod(x[j] ** e for j, e in enumerate(row) if j != i)


@given(instances())
def test_values_and_gradients_are_those_of_the_definition(instance):
    rows, coefficients, x = instance
    value, gradient = evaluated(rows, coefficients, x)
    terms = list(zip(coefficients, rows, strict=True))
    assert value == sum(c * prod(v**e for v, e in zip(x, row, strict=True)) for c, row in terms)
    expected = [sum(c * derivative(row, x, i) for c, row in terms) for i in range(len(x))]
    assert gradient == expected


def test_the_gradient_at_zero_is_that_of_the_linear_terms():
    rows = [[1, 0, 0], [0, 1, 0], [2, 0, 0], [1, 1, 0], [1, 1, 1], [0, 0, 0]]
    value, gradient = evaluated(rows, [3, -2, 7, 5, 11, 13], [0, 0, 0])
    assert value == 13
    assert gradient == [3, -2, 0]


def test_fractions_are_rounded_only():
    rows, coefficients, x = [[3, 1], [0, 2], [1, 4]], [0.1, -2.5, 1 / 3], [0.7, -1.3]
    value, gradient = evaluated(rows, coefficients, x)
    exact = [Fraction(c) for c in coefficients]
    point = [Fraction(v) for v in x]
    terms = list(zip(exact, rows, strict=True))
    whole = sum(c * point[0] ** row[0] * point[1] ** row[1] for c, row in terms)
    assert abs(value - float(whole)) < 1e-14
    for i in range(2):
        partial = sum(c * derivative(row, point, i) for c, row in terms)
        assert abs(gradient[i] - float(partial)) < 1e-13


def test_the_zero_polynomial_and_constants_have_no_gradient():
    assert evaluated([], [], [2, 3]) == (0.0, [0.0, 0.0])
    assert evaluated([[0, 0]], [4], [2, 3]) == (4.0, [0.0, 0.0])


def test_the_layout_leaves_zero_exponents_out():
    start, variable, power = sparse_terms(np.array([[0, 2, 1], [0, 0, 0], [5, 0, 0]], np.int32))
    assert start.tolist() == [0, 2, 2, 3]
    assert variable.tolist() == [1, 2, 0]
    assert power.tolist() == [2, 1, 5]
