"""What the questions of optimization refuse, in one line."""

import pytest

from tasks.records import InputError
from tasks.sos import parse_polynomial
from tasks.sos.optimization.bounds import lower_bound
from tasks.sos.optimization.constrained import certify_on_set, lower_bound_on_set
from tasks.sos.optimization.lyapunov import find_lyapunov_function
from tasks.sos.optimization.minimizers import minimizers

QUESTIONS = (lower_bound, minimizers, certify_on_set, lower_bound_on_set)
ON_SETS = (minimizers, certify_on_set, lower_bound_on_set)


def field(*texts):
    return [parse_polynomial(text, ("x", "y")) for text in texts]


@pytest.mark.parametrize("ask", QUESTIONS)
def test_a_polynomial_without_variables_is_refused(ask):
    with pytest.raises(InputError, match="has no variables: name some"):
        ask(parse_polynomial("5"))


@pytest.mark.parametrize("ask", QUESTIONS)
@pytest.mark.parametrize("text", ["1e400*x^2 - x", "1e400*x", "x^2 - 1e160", "1e-200*x^2"])
def test_coefficients_that_floats_cannot_square_are_refused(ask, text):
    with pytest.raises(InputError, match=r"largest coefficient .* give the problem another scale"):
        ask(parse_polynomial(text))


@pytest.mark.parametrize("ask", ON_SETS)
def test_so_are_those_of_constraints(ask):
    x = parse_polynomial("x")
    with pytest.raises(InputError, match="largest coefficient"):
        ask(x, [parse_polynomial("1e200 - x^2")])
    with pytest.raises(InputError, match="largest coefficient"):
        ask(x, [], [parse_polynomial("1e-200*x")])


def test_small_coefficients_beside_large_ones_are_none_of_this():
    assert lower_bound(parse_polynomial("x^2 + 1e-200*x")).verdict.value == "proved"


def test_so_are_fields_and_numbers_of_lyapunov_functions():
    with pytest.raises(InputError, match="largest coefficient"):
        find_lyapunov_function(field("-1e400*x", "-y"))
    plain = field("-x", "-y")
    for number in ("1e400", "1e-300"):
        with pytest.raises(InputError, match="epsilon is not between"):
            find_lyapunov_function(plain, epsilon=number)
        with pytest.raises(InputError, match="radius is not between"):
            find_lyapunov_function(plain, radius=number)
