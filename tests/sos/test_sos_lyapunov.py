from fractions import Fraction

import numpy as np
import pytest
from optimization_problems import INLINE, is_valid, polynomials
from scipy.integrate import solve_ivp

from tasks.records import InputError
from tasks.sos.optimization.lyapunov import derivative_along, find_lyapunov_function
from tasks.sos.verdict import Verdict

PARRILO = polynomials("x y", "-x + (1 + x)*y", "-(1 + x)*x")
SOSDEMO2 = polynomials(
    "x1 x2 x3",
    "(-x1^3 - x1*x3^2)*(x3^2 + 1)",
    "(-x2 - x1^2*x2)*(x3^2 + 1)",
    "(-x3 + 3*x1^2*x3)*(x3^2 + 1) - 3*x3",
)
"""A rational system times its denominator x3^2 + 1, which keeps the sign of V'."""
VAN_DER_POL = polynomials("x y", "-y", "x + (x^2 - 1)*y")
"""Reversed in time: the origin is stable, the region of attraction bounded."""
NO_POLYNOMIAL = polynomials("x y", "-x + x*y", "-y")
"""Ahmadi, Krstic and Parrilo 2011: globally asymptotically stable, no polynomial V proves it."""


def check(result, field, *, epsilon=1, ball=None, strict=0):
    """Everything that a proof has to satisfy, from the definitions."""
    assert result.verdict is Verdict.PROVED
    v = result.function
    names = v.variables
    norm = sum((p * p for p in polynomials(" ".join(names), *names)), v * 0)
    assert v.coefficient((0,) * len(names)) == 0
    assert result.derivative == derivative_along(v, field)
    assert result.positivity.polynomial == v - norm * epsilon
    assert result.decrease.polynomial == -result.derivative - norm * strict
    for certificate in (result.positivity, result.decrease):
        assert is_valid(certificate)
        assert certificate.constraints == (() if ball is None else (ball,))


@pytest.mark.parametrize(
    ("field", "degree"),
    [
        (polynomials("x", "-x"), 2),
        (polynomials("x y", "-x + y", "-y"), 2),
        (PARRILO, 2),
        (PARRILO, 4),
        (SOSDEMO2, 2),
        (polynomials("x y", "-x^3", "-y"), 2),
        (polynomials("x y", "y", "-x - y^3"), 2),
        (polynomials("x y", "-y - x^3", "x - y^3"), 4),
    ],
)
def test_stable_fields_get_certified_functions(field, degree):
    check(find_lyapunov_function(field, degree=degree, choice=INLINE), field)


@pytest.mark.parametrize(("radius", "degree"), [("1/2", 2), (1, 2), ("3/2", 4)])
def test_the_reversed_van_der_pol_oscillator_is_stable_on_balls(radius, degree):
    result = find_lyapunov_function(VAN_DER_POL, degree=degree, radius=radius, choice=INLINE)
    [ball] = polynomials("x y", f"({radius})^2 - x^2 - y^2")
    check(result, VAN_DER_POL, ball=ball)


def test_no_quadratic_function_works_beyond_the_limit_cycle():
    result = find_lyapunov_function(VAN_DER_POL, degree=2, radius=3, choice=INLINE)
    assert result.verdict is Verdict.UNDECIDED
    assert result.function is None


def test_strict_decrease_is_certified_where_asked_for():
    result = find_lyapunov_function(
        VAN_DER_POL, radius="1/2", epsilon="1/4", is_strict=True, choice=INLINE
    )
    [ball] = polynomials("x y", "1/4 - x^2 - y^2")
    check(result, VAN_DER_POL, epsilon=Fraction(1, 4), ball=ball, strict=Fraction(1, 4))


def test_the_function_decreases_along_integrated_solutions():
    v = find_lyapunov_function(PARRILO, degree=4, choice=INLINE).function
    for start in ([1.0, 2.0], [-3.0, 0.5], [0.1, -4.0]):
        path = solve_ivp(
            lambda _, x: [float(f.evaluate_floats(x)) for f in PARRILO], (0, 5), start, rtol=1e-8
        )
        values = v.evaluate_floats(path.y.T)
        assert (np.diff(values) < 1e-6 * values[:-1]).all()


@pytest.mark.parametrize("degree", [2, 4])
def test_a_stable_field_without_polynomial_functions_is_undecided(degree):
    result = find_lyapunov_function(NO_POLYNOMIAL, degree=degree, choice=INLINE)
    assert result.verdict is Verdict.UNDECIDED
    assert (result.function, result.positivity, result.decrease) == (None, None, None)


def test_the_same_field_has_a_function_on_a_ball():
    result = find_lyapunov_function(NO_POLYNOMIAL, radius="1/2", choice=INLINE)
    [ball] = polynomials("x y", "1/4 - x^2 - y^2")
    check(result, NO_POLYNOMIAL, ball=ball)


@pytest.mark.parametrize("texts", [("x", "-y"), ("y", "x"), ("x^3", "-y")])
def test_unstable_fields_get_no_function(texts):
    field = polynomials("x y", *texts)
    assert find_lyapunov_function(field, degree=4, choice=INLINE).verdict is Verdict.UNDECIDED


def test_a_decreasing_function_grows_with_epsilon():
    results = [find_lyapunov_function(PARRILO, epsilon=e, choice=INLINE) for e in (1, 100)]
    for result, epsilon in zip(results, (1, 100), strict=True):
        check(result, PARRILO, epsilon=epsilon)


@pytest.mark.parametrize(
    ("field", "options", "message"),
    [
        ([], {}, "empty"),
        (polynomials("x y", "-x"), {}, "1 components"),
        ([*polynomials("x y", "-x"), *polynomials("y x", "-y")], {}, "same variables"),
        (polynomials("x y", "-x", "1 - y"), {}, "component of y does not vanish at 0"),
        (PARRILO, {"degree": 3}, "degree 3"),
        (PARRILO, {"degree": 0}, "degree 0"),
        (PARRILO, {"epsilon": 0}, "epsilon 0"),
        (PARRILO, {"radius": "-1"}, "radius -1"),
    ],
)
def test_wrong_input_is_refused_in_one_line(field, options, message):
    with pytest.raises(InputError, match=message) as error:
        find_lyapunov_function(field, **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("texts", [["0"], ["0", "0"]])
@pytest.mark.parametrize("radius", [None, 1])
def test_a_field_without_motion_is_stable(texts, radius):
    field = polynomials("x y"[: 2 * len(texts)].strip(), *texts)
    result = find_lyapunov_function(field, radius=radius, choice=INLINE)
    assert result.verdict is Verdict.PROVED
    assert result.derivative.is_zero
    assert is_valid(result.positivity) and is_valid(result.decrease)
