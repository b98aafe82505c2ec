"""Square factors: found where they are, excluded by a line where they are not."""

import pytest
from hypothesis import given
from planted import planted
from polynomial_strategies import polynomials

from tasks.records import stream
from tasks.sos import Polynomial, parse_polynomial
from tasks.sos.polynomials import square_factors
from tasks.sos.polynomials.square_factors import PRIME, is_surely_squarefree, square_factor


@given(polynomials(max_exponent=2), polynomials(max_exponent=2))
def test_the_factors_give_the_polynomial_back_and_the_rest_is_squarefree(g, q):
    p = g * g * q
    if p.is_zero:
        return
    root, rest = square_factor(p)
    assert root * root * rest == p
    assert root.degree >= g.degree
    assert square_factor(rest)[0].degree == 0


@pytest.mark.parametrize(
    ("text", "root_degree"),
    [
        ("(x+1)^10", 5),
        ("(x+y-2*z)^8", 4),
        ("(x - 100)^8*(x^2 + 1)", 4),
        ("x^4*y^2 + 2*x^2*y^4", 2),
        ("x^4 + x^2*y^2 + y^4", 0),
        ("-7", 0),
        ("3*x", 0),
    ],
)
def test_known_square_factors(text, root_degree):
    p = parse_polynomial(text)
    root, rest = square_factor(p)
    assert root.degree == root_degree
    assert root * root * rest == p


@pytest.mark.parametrize("k", range(5))
def test_a_line_excludes_square_factors_of_large_polynomials(k):
    p = planted(6, 20, 60, "dense", stream(k, "square factors")).polynomial
    assert is_surely_squarefree(p)


def test_a_line_never_excludes_a_square_factor(monkeypatch):
    monkeypatch.setattr(square_factors, "NUM_LINES", 20)
    for text in ("(x+1)^2*(y^3 + x*z + 1)", "(x*y + z)^2", "(x - y)^2 * 5"):
        assert not is_surely_squarefree(parse_polynomial(text))


def test_a_denominator_divisible_by_the_prime_is_no_obstacle():
    p = Polynomial.of(("x",), {(2,): f"1/{PRIME}", (1,): f"2/{PRIME}", (0,): f"1/{PRIME}"})
    assert not is_surely_squarefree(p)
    root, rest = square_factor(p)
    assert (root.degree, rest.degree) == (1, 0)
