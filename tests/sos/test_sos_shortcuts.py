"""Exact decisions without a Gram problem, and what numbers alone would get wrong."""

import pytest
from flint import fmpq_mat
from hypothesis import given
from hypothesis import strategies as st

from tasks.sos import parse_polynomial
from tasks.sos.certify import certify
from tasks.sos.checker.verification import verify_sos_certificate
from tasks.sos.proofs.directions import negative_vertex_point
from tasks.sos.proofs.indefinite import negative_direction
from tasks.sos.verdict import Verdict


def decided(text):
    """The outcome, with its certificate checked."""
    p = parse_polynomial(text)
    found = certify(p)
    assert found.certificate is not None, found.reason
    assert found.certificate.polynomial == p
    assert verify_sos_certificate(found.certificate.to_data()).valid
    return found


@pytest.mark.parametrize(
    "text",
    [
        "-(x^2+y^2)^4 + 1e13*x^2 + 1",
        "-(x^2+y^2+z^2)^4 + 1e40*x^2 + 1",
        "-x^4 - x + 1e-30",
        "-x^4 + 1e20*x^2 + 1",
        "-1/3*x^4 + 1e-30*x^3 + 1e-30*x^2 - 1/3*x + 1e-30",
        "x^4*y - x^2 + y^6",
        "x^2*y^2 + x*y + x",
    ],
)
def test_a_bad_vertex_of_the_newton_polytope_gives_a_negative_point(text):
    found = decided(text)
    assert found.verdict is Verdict.NEGATIVE
    assert found.reason == "vertex of the Newton polytope"
    assert found.attempts == ()


@pytest.mark.parametrize(
    "text",
    [
        "x^4 + x + 1e-30",
        "x^4 - 2*x^2 + 1 - 1e-30",
        "x^2 - 2*x + 1 - 1e-40",
        "x^2*y^2 - 2*x*y + 1 - 1e-30",
        "x^2 + y^2 - 2.00000000000000000000000001*x*y",
        "(x^2 + y^2 - 1)^2 - 1e-30",
    ],
)
def test_values_far_below_rounding_errors_are_found(text):
    assert decided(text).verdict is Verdict.NEGATIVE


@pytest.mark.parametrize(
    "text", ["(x^2 + 1)^40", "x^58 + 3*x^2*y^4 + 1/7", "x^4*y^2*z^6", "(x^2 + y^4 + z^6 + 1)^6"]
)
def test_sums_of_squares_of_monomials_need_no_numbers(text):
    found = decided(text)
    assert (found.verdict, found.reason) == (Verdict.PROVED, "squares of monomials")


@pytest.mark.parametrize(
    "text",
    [
        "(x + 1)^10",
        "(x + 1)^40",
        "(x + y - 2*z)^8",
        "(x - 100)^8*(x^2 + x + 1)",
        "(x*y - 3)^6*(x^2 - x*y + y^2)",
    ],
)
def test_square_factors_are_taken_out_where_numbers_do_not_do(text):
    assert decided(text).verdict is Verdict.PROVED


def test_a_factor_that_is_no_sum_of_squares_does_not_refute():
    # (x^2 + y^2)^2 times Motzkin's polynomial is a sum of squares.
    p = "(x^4*y^2 + x^2*y^4 - 3*x^2*y^2 + 1)*(1 + x^2 + y^2)^2"
    assert decided(p).verdict is Verdict.PROVED


def test_a_start_that_is_singular_in_floats_is_no_end():
    assert decided("x^100 - x + 1").verdict is Verdict.PROVED


def test_one_choice_of_gram_matrices_is_refuted_without_numbers():
    found = decided("x^4*y^2 + x^2*y^4 - 3*x^2*y^2 + 1")
    assert (found.verdict, found.reason) == (Verdict.REFUTED_SOS, "unique Gram matrix")
    assert {attempt.feasibility for attempt in found.attempts} == {"unique"}


def test_no_bound_is_told_that_contradicts_another():
    for text in ("(x + 1)^20", "(x - 100)^8", "x^4 - 2*x^2 + 1 - 1e-30"):
        for attempt in certify(parse_polynomial(text)).attempts:
            assert not attempt.lower > attempt.upper


def test_even_vertices_with_positive_coefficients_give_no_point():
    assert negative_vertex_point(parse_polynomial("x^4 + y^4 - 100*x*y + 1")) is None
    assert negative_vertex_point(parse_polynomial("x^2 + y^2")) is None


@given(st.integers(1, 6), st.data())
def test_a_matrix_has_a_negative_direction_unless_it_is_semidefinite(size, data):
    rank = data.draw(st.integers(0, size))
    numbers = st.lists(st.integers(-4, 4), min_size=size * rank, max_size=size * rank)
    factor = fmpq_mat(size, rank, data.draw(numbers))
    gram = factor * factor.transpose()
    assert negative_direction(gram) is None
    shift = data.draw(st.lists(st.integers(-3, 3), min_size=size, max_size=size))
    column = fmpq_mat(size, 1, shift)
    changed = gram - column * column.transpose()
    direction = negative_direction(changed)
    if direction is None:
        # Then the matrix is semidefinite: so are all principal minors of it.
        assert all(changed[i, i] >= 0 for i in range(size))
        assert changed.det() >= 0
    else:
        v = fmpq_mat(size, 1, direction)
        assert (v.transpose() * changed * v)[0, 0] < 0
