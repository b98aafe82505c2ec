"""Faces from forms that depend on fewer variables than they have."""

from functools import reduce

import pytest
from flint import fmpq, fmpq_mat
from hypothesis import given
from hypothesis import strategies as st

from tasks.sos import load_polynomials, parse_polynomial
from tasks.sos.bases.monomial_bases import full_basis
from tasks.sos.bases.rules import candidate_basis
from tasks.sos.certify import Settings, certify
from tasks.sos.gram.problem import GramProblem
from tasks.sos.polynomials.polynomial import Polynomial
from tasks.sos.proofs.faces_of_forms import complements_of_forms, invariant_directions
from tasks.sos.verdict import Verdict

SMALL = st.integers(-3, 3)


def problem_of(p: Polynomial, basis=None) -> GramProblem:
    """One block."""
    if basis is None:
        basis = full_basis(p.num_variables, p.degree // 2)
    return GramProblem.of(p, [basis])


def sum_of_squares(squares) -> Polynomial:
    return reduce(lambda total, q: total + q * q, squares[1:], squares[0] * squares[0])


@st.composite
def squares_of_few_variables(draw):
    """Quadratic polynomials in x, y, z whose highest forms are multiples of one square."""
    x, y, z = (parse_polynomial(v, ("x", "y", "z")) for v in "xyz")
    line = x + y * draw(SMALL) + z * draw(SMALL)
    squares = []
    for _ in range(draw(st.integers(1, 3))):
        lower = x * draw(SMALL) + y * draw(SMALL) + z * draw(SMALL) + draw(SMALL)
        squares.append(line * line * draw(st.integers(1, 3)) + lower)
    return squares


@given(squares_of_few_variables())
def test_no_square_of_a_known_decomposition_is_excluded(squares):
    p = sum_of_squares(squares)
    problem = problem_of(p)
    [face] = complements_of_forms(problem)
    # l^2 alone is left of the six monomials of degree 2.
    assert face.ncols() <= 1 + 3 + 1
    for q in squares:
        values = dict(zip(map(tuple, q.exponents.tolist()), q.coefficients, strict=True))
        row = [values.get(tuple(b), fmpq(0)) for b in problem.bases[0].tolist()]
        both = fmpq_mat([*fmpq_mat(face).transpose().tolist(), row])
        assert both.rref()[1] == face.ncols()


def test_a_generic_polynomial_excludes_nothing():
    p = parse_polynomial("(x^2 + y)^2 + (y^2 - x)^2 + (x*y - 1)^2 + 1")
    assert complements_of_forms(problem_of(p)) is None


@pytest.mark.parametrize(
    ("text", "count"), [("(x - y)^2*(x - z)^2", 1), ("x^2 + y^2", 0), ("(x + y + z)^4", 2)]
)
def test_directions_along_which_nothing_changes(text, count):
    form = parse_polynomial(text)
    found = invariant_directions(form)
    assert len(found) == count
    point = [fmpq(k + 2, 3) for k in range(form.num_variables)]
    for direction in found:
        moved = [a + 5 * b for a, b in zip(point, direction, strict=True)]
        assert any(direction) and form.evaluate(point) == form.evaluate(moved)


def test_monomials_beyond_the_degrees_of_the_terms_are_excluded():
    p = parse_polynomial("x^2*y^2 + x^4")
    [face] = complements_of_forms(problem_of(p))
    # Of 1, x, y, x^2, xy, y^2 only those of degree 2 in all and at most 1 in y.
    assert face.ncols() == 2


def test_quartic_and_quadratic_forms_that_vanish_on_subspaces_are_proved():
    [entry] = load_polynomials(["chained_singular_8"])
    p = entry.polynomial
    problem = problem_of(p, candidate_basis(p, "newton").basis)
    [face] = complements_of_forms(problem)
    # The quartic and the quadratic form depend on 6 of 8 directions each.
    assert face.ncols() == 21 + 6
    assert certify(p, Settings(basis="newton")).verdict is Verdict.PROVED
