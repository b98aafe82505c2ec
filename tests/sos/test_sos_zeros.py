"""Real zeros to many digits, and the integer relations of monomials at them."""

from fractions import Fraction

import numpy as np
import pytest
from flint import arb, ctx, fmpz_mat

from tasks.sos import Polynomial, parse_polynomial
from tasks.sos.bases.monomial_bases import full_basis
from tasks.sos.proofs.zeros import real_zeros, refined_zero, relations

BITS = 400


def found(text, hints=()):
    return real_zeros(parse_polynomial(text), hints, bits=BITS)


def close(zero, point):
    """Whether a zero agrees with a point to (at least) 300 bits."""
    with ctx.workprec(BITS):
        return all(abs(x - v) < arb(2) ** -300 for x, v in zip(zero, point, strict=True))


def exact(*values):
    with ctx.workprec(BITS + 64):
        return [
            arb(Fraction(v).numerator) / Fraction(v).denominator if not isinstance(v, arb) else v
            for v in values
        ]


def test_a_rational_zero_is_found_to_many_digits():
    zeros = found("(3*x - 1)^2 + (7*y - 5)^2 + (x*y - 5/21)^2")
    assert len(zeros) == 1
    assert close(zeros[0], exact(Fraction(1, 3), Fraction(5, 7)))


def test_irrational_zeros_are_found_too():
    zeros = found("(x^2 - 2)^2 + (y - x)^2")
    with ctx.workprec(BITS + 64):
        root = arb(2).sqrt()
        expected = [[root, root], [-root, -root]]
    assert len(zeros) == 2
    assert all(any(close(zero, point) for zero in zeros) for point in expected)


def test_all_zeros_of_motzkin_are_found_once():
    zeros = found("x^4*y^2 + x^2*y^4 - 3*x^2*y^2 + 1")
    signs = {tuple(int(np.sign(float(v.mid()))) for v in zero) for zero in zeros}
    assert len(zeros) == len(signs) == 4
    assert all(close(tuple(abs(v) for v in zero), exact(1, 1)) for zero in zeros)


@pytest.mark.parametrize(
    "text", ["x^2 + y^2 + 1", "x^4 + y^4 + 1/1000", "(x*y - 1)^2 + y^2 + 1/50"]
)
def test_positive_polynomials_have_no_zeros(text):
    assert found(text) == []


def test_zeros_that_are_not_isolated_are_left_out():
    assert found("(x - y)^2") == []


@pytest.mark.parametrize("root", [2, -2])
def test_hints_are_tried_first(root):
    hints = [np.array([np.nan, 0.0]), np.array([root + 0.1, 2.9])]
    zeros = found("(x^2 - 4)^2 + (y - 3)^2", hints)
    assert len(zeros) == 2
    assert close(zeros[0], exact(root, 3))


def test_a_point_that_is_no_zero_is_not_refined():
    p = parse_polynomial("(x - 1)^2 + 1/4")
    assert refined_zero(p, np.array([1.0]), 200) is None


def test_a_start_far_away_is_not_refined():
    p = parse_polynomial("(x^2 - 2)^2")
    assert refined_zero(p, np.array([3.0]), 200) is None


def test_relations_at_a_rational_zero_are_all_vectors_orthogonal_to_it():
    """z = (xy, x, y, 1) at (1/3, 5/7): 3 independent relations."""
    basis = np.array([[1, 1], [1, 0], [0, 1], [0, 0]], dtype=np.int32)
    zeros = found("(3*x - 1)^2 + (7*y - 5)^2")
    columns = relations(basis, zeros, digits=60)
    values = [Fraction(5, 21), Fraction(1, 3), Fraction(5, 7), Fraction(1)]
    assert columns.ncols() == columns.rank() == 3
    for column in columns.transpose().tolist():
        assert sum(int(v) * z for v, z in zip(column, values, strict=True)) == 0


def test_relations_at_an_irrational_zero_are_those_of_its_conjugates():
    """At the root of 2: x^2 = 2 and x^3 = 2 x, for 1, x, x^2, x^3."""
    zeros = found("(x^2 - 2)^2")
    columns = relations(full_basis(1, 3), zeros, digits=60)
    expected = fmpz_mat(2, 4, [1, 0, -2, 0, 0, 1, 0, -2])
    assert columns.ncols() == 2
    both = fmpz_mat(
        4, 4, [int(v) for m in (expected, columns.transpose()) for r in m.tolist() for v in r]
    )
    assert both.rank() == 2


def test_many_zeros_leave_only_common_relations():
    zeros = found("x^4*y^2 + x^2*y^4 - 3*x^2*y^2 + 1")
    basis = np.array([[2, 1], [1, 2], [1, 1], [1, 0], [0, 1], [0, 0]], dtype=np.int32)
    columns = relations(basis, zeros, digits=80)
    for signs in [(1, 1), (1, -1), (-1, 1), (-1, -1)]:
        vector = (np.array(signs) ** basis).prod(axis=1).tolist()
        for column in columns.transpose().tolist():
            assert sum(int(v) * z for v, z in zip(column, vector, strict=True)) == 0
    # x^2 y = y, x y^2 = x at all four.
    assert columns.ncols() == 2


def test_equal_seeds_find_equal_zeros():
    p = parse_polynomial("(x^2 - 2)^2 + (y^2 - 3)^2")
    first = real_zeros(p, bits=BITS, seed=5)
    again = real_zeros(p, bits=BITS, seed=5)
    assert len(first) == 4
    assert [[v.man_exp() for v in zero] for zero in first] == [
        [v.man_exp() for v in zero] for zero in again
    ]


def test_the_scale_of_the_polynomial_does_not_matter():
    p = parse_polynomial("(3*x - 1)^2 + (7*y - 5)^2") * Polynomial.constant(("x", "y"), 2**200)
    [zero] = real_zeros(p, bits=BITS)
    assert close(zero, exact(Fraction(1, 3), Fraction(5, 7)))
