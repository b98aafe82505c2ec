import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
import sympy
from flint import fmpq, fmpz
from hypothesis import example, given
from hypothesis import strategies as st
from polynomial_strategies import VARIABLES, fractions, points, polynomials

from tasks.records import InputError
from tasks.sos import Polynomial, rational

X, Y, Z = (Polynomial.variable(VARIABLES, i) for i in range(3))
ONE = Polynomial.constant(VARIABLES, 1)
ZERO = Polynomial.zero(VARIABLES)


def as_fraction(value):
    return Fraction(int(value.p), int(value.q))


def as_sympy(p):
    symbols = sympy.symbols(p.variables)
    return sympy.Add(
        *(
            sympy.Rational(int(c.p), int(c.q))
            * sympy.Mul(*(s**e for s, e in zip(symbols, row, strict=True)))
            for row, c in p.terms().items()
        )
    )


def is_canonical(p):
    keys = [(sum(row), row) for row in p.terms()]
    return keys == sorted(set(keys), reverse=True) and all(c != 0 for c in p.coefficients)


# --- arithmetic -------------------------------------------------------------------------------


@given(polynomials(), polynomials(), polynomials())
def test_polynomials_form_a_commutative_ring(p, q, r):
    assert p + q == q + p
    assert p * q == q * p
    assert (p + q) + r == p + (q + r)
    assert (p * q) * r == p * (q * r)
    assert p * (q + r) == p * q + p * r
    assert p + ZERO == p == p * ONE
    assert p - p == ZERO == p * ZERO
    assert -1 * (-p) == p
    assert p - q == p + (-q)


@given(polynomials(), polynomials(), st.integers(0, 4))
def test_every_result_is_canonical(p, q, k):
    for result in (p + q, p - q, p * q, p**k, *p.gradient(), p.scaled([1, -2, 0])):
        assert is_canonical(result)
        assert result.exponents.dtype == np.int32
        assert all(isinstance(c, fmpq) for c in result.coefficients)


@given(polynomials(), st.integers(0, 5), st.integers(0, 5))
def test_powers_add(p, j, k):
    assert p**j * p**k == p ** (j + k)


def test_the_zeroth_power_is_one_even_of_zero():
    assert ZERO**0 == ONE
    assert ZERO**3 == ZERO


@given(polynomials(), polynomials())
def test_sums_and_products_agree_with_sympy(p, q):
    P, Q = as_sympy(p), as_sympy(q)
    assert sympy.expand(P + Q - as_sympy(p + q)) == 0
    assert sympy.expand(P * Q - as_sympy(p * q)) == 0


@given(polynomials(), fractions())
def test_numbers_act_as_constants(p, c):
    constant = Polynomial.constant(VARIABLES, c)
    assert c * p == p * c == p * rational(c) == p * constant
    assert c + p == p + c == p + constant
    assert c - p == constant - p
    if c:
        assert (p / c) * c == p


@pytest.mark.parametrize("number", [2, np.int64(2), Fraction(2), fmpq(2), fmpz(2)])
def test_every_kind_of_exact_number_is_an_operand_on_both_sides(number):
    assert number * X == X * number == X + X
    assert number + X == X + number
    assert X / number * number == X


@pytest.mark.parametrize("other", [2.0, np.float64(2), "x", None, True, [1]])
def test_other_operands_are_type_errors(other):
    for operate in (lambda: X + other, lambda: other * X, lambda: X / other, lambda: X**other):
        with pytest.raises(TypeError):
            operate()


def test_polynomials_in_other_variables_do_not_combine():
    u = Polynomial.variable(("u",), 0)
    for operate in (lambda: X + u, lambda: u * X, lambda: u - X):
        with pytest.raises(InputError, match="do not combine"):
            operate()


def test_division_by_zero_and_negative_powers_are_refused():
    with pytest.raises(InputError, match="divided by zero"):
        X / 0
    with pytest.raises(InputError, match="power -1 is negative"):
        X**-1


@pytest.mark.parametrize("n", [2, 6, 40])
def test_large_products_have_the_product_of_the_values(n):
    rng = np.random.default_rng(n)
    names = [f"x{i}" for i in range(n)]
    p, q = (
        Polynomial.from_arrays(names, rng.integers(0, 9, (200, n)), rng.integers(1, 99, 200))
        for _ in range(2)
    )
    point = [rational(f"{i - 3}/7") for i in range(n)]
    product = p * q
    assert is_canonical(product)
    assert product.evaluate(point) == p.evaluate(point) * q.evaluate(point)


def test_a_product_of_thousand_by_thousand_terms_has_them_all():
    rng = np.random.default_rng(0)
    p, q = (
        Polynomial.from_arrays(list("abcdef"), rng.integers(0, 4, (1000, 6)), [1] * 1000)
        for _ in range(2)
    )
    product = p * q
    assert sum(product.coefficients) == 10**6


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: (X + Y + Z + 1) ** 400, "power 400 of 4 terms may have more than 1000000 terms"),
        (lambda: (X + 1) ** 10**9, "may have more than 1000000 terms"),
        (lambda: (X + 1) ** 90_000, "coefficients of 90000 bits, too large"),
        (lambda: (3 * X) ** (2**30), "too large"),
        (lambda: X ** (2**31), "degree of more than 2147483647"),
        (lambda: X ** (2**31 - 1) * X, "degree of more than 2147483647"),
        (lambda: X**10**500, "degree of more than"),
    ],
)
def test_what_is_too_large_to_expand_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_products_with_too_many_terms_are_refused():
    rng = np.random.default_rng(0)
    names = [f"x{i}" for i in range(30)]
    p = Polynomial.from_arrays(names, rng.integers(0, 9, (1001, 30)), [1] * 1001)
    with pytest.raises(InputError, match="1001 by 1001 terms may have more than 1000000 terms"):
        p * p


def test_dense_powers_below_the_limits_are_computed():
    assert ((X + Y + Z) ** 100).num_terms == math.comb(102, 2)
    assert ((X + 1) ** 2000).coefficient((1000, 0, 0)) == math.comb(2000, 1000)


# --- values -----------------------------------------------------------------------------------


@given(polynomials(), polynomials(), points())
def test_evaluation_is_a_ring_homomorphism(p, q, x):
    assert (p + q).evaluate(x) == p.evaluate(x) + q.evaluate(x)
    assert (p * q).evaluate(x) == p.evaluate(x) * q.evaluate(x)


@given(polynomials(), points())
def test_exact_values_agree_with_fractions(p, x):
    expected = sum(
        as_fraction(c) * math.prod(t**e for t, e in zip(x, row, strict=True))
        for row, c in p.terms().items()
    )
    assert as_fraction(p.evaluate(x)) == expected


@given(polynomials(), st.lists(st.floats(-8, 8), min_size=3, max_size=3))
def test_floating_values_are_near_the_exact_ones(p, x):
    absolute = Polynomial.of(VARIABLES, {row: abs(c) for row, c in p.terms().items()})
    # Rounding of c, 3 powers, 3 products and a sum of 8: at most 20 relative errors of 2^-53;
    # 1e-300 allows for underflow.
    bound = 20 * 2.0**-53 * float(as_fraction(absolute.evaluate([abs(t) for t in x]))) + 1e-300
    exact = as_fraction(p.evaluate(x))
    assert abs(Fraction(float(p.evaluate_floats(x))) - exact) <= bound


def test_floats_are_evaluated_in_any_leading_shape(monkeypatch):
    p = X**2 + 2 * Y * Z - 3
    grid = np.random.default_rng(0).normal(size=(4, 5, 3))
    expected = grid[..., 0] ** 2 + 2 * grid[..., 1] * grid[..., 2] - 3
    np.testing.assert_allclose(p.evaluate_floats(grid), expected, rtol=1e-13, atol=1e-13)
    monkeypatch.setattr("tasks.sos.polynomials.polynomial._BLOCK", 7)
    np.testing.assert_allclose(p.evaluate_floats(grid), expected, rtol=1e-13, atol=1e-13)
    assert p.evaluate_floats(np.empty((0, 3))).shape == (0,)


@pytest.mark.parametrize("point", [[1, 2], [1, 2, 3, 4], []])
def test_points_of_another_dimension_are_refused(point):
    with pytest.raises(InputError, match="one for each of the 3 variables"):
        X.evaluate(point)
    with pytest.raises(InputError, match="one for each of the 3 variables"):
        X.evaluate_floats(point)
    with pytest.raises(InputError, match="one for each of the 3 variables"):
        X.scaled(point)
    with pytest.raises(InputError, match="one for each of the 3 variables"):
        X.coefficient(point)


@given(polynomials())
def test_the_gradient_agrees_with_sympy(p):
    for symbol, derivative in zip(sympy.symbols(VARIABLES), p.gradient(), strict=True):
        assert sympy.expand(sympy.diff(as_sympy(p), symbol) - as_sympy(derivative)) == 0


@given(polynomials(), polynomials())
def test_derivatives_obey_the_product_rule(p, q):
    for product, dp, dq in zip((p * q).gradient(), p.gradient(), q.gradient(), strict=True):
        assert product == dp * q + p * dq


@given(polynomials(), points(), st.lists(st.integers(-70, 70), min_size=3, max_size=3))
def test_scaling_substitutes_powers_of_two(p, x, shifts):
    scaled_point = [t * Fraction(2) ** s for t, s in zip(x, shifts, strict=True)]
    assert p.scaled(shifts).evaluate(x) == p.evaluate(scaled_point)
    assert p.scaled(shifts).scaled([-s for s in shifts]) == p


# --- coefficients -----------------------------------------------------------------------------


@given(fractions(200))
@example(Fraction(1, 3 * 2**1074))
@example(Fraction(2**53 + 1))
@example(Fraction(3, 2**1075))
def test_float_coefficients_are_rounded_correctly(c):
    p = Polynomial.of(("x",), {(1,): c, (0,): 1})
    assert p.float_coefficients().tolist() == [float(c), 1][c == 0 :]


def test_coefficients_beyond_the_floats_are_infinite():
    p = 10**400 * X - 10**400
    assert p.float_coefficients().tolist() == [math.inf, -math.inf]


# --- terms ------------------------------------------------------------------------------------


def test_terms_are_in_graded_lexicographic_order():
    p = 1 + Z + Y + X + Y * Z**2 + X * Y * Z + X**2
    assert str(p) == "x*y*z + y*z^2 + x^2 + x + y + z + 1"


ROWS = st.integers(0, 12).flatmap(
    lambda n: st.lists(
        st.tuples(*[st.integers(0, 3) | st.integers(0, (2**31 - 1) // 12)] * n), min_size=1
    )
)


@given(ROWS)
def test_rows_of_large_exponents_are_kept_and_ordered(rows):
    p = Polynomial.of([f"x{i}" for i in range(len(rows[0]))], dict.fromkeys(rows, 1))
    assert is_canonical(p)
    assert set(p.terms()) == set(rows)


def test_duplicates_are_summed_and_zeros_dropped():
    p = Polynomial.from_arrays(("x",), [[1], [0], [1], [2], [2]], [1, 0, "1/2", 1, -1])
    assert p.terms() == {(1,): fmpq(3, 2)}


@given(polynomials())
def test_terms_and_arrays_build_the_same_polynomial(p):
    assert Polynomial.of(VARIABLES, p.terms()) == p
    assert Polynomial.from_arrays(VARIABLES, p.exponents, p.coefficients) == p
    assert all(p.coefficient(row) == c for row, c in p.terms().items())
    assert p.coefficient((9, 9, 9)) == 0


@given(polynomials(), polynomials())
def test_degrees_add(p, q):
    degrees = [sum(row) for row in p.terms()]
    assert p.degree == max(degrees, default=-1)
    assert p.is_homogeneous == (len(set(degrees)) <= 1)
    assert p.is_zero or q.is_zero or (p * q).degree == p.degree + q.degree


def test_zero_and_constants_have_their_degrees():
    assert (ZERO.degree, ONE.degree, ZERO.num_terms, ONE.num_terms) == (-1, 0, 0, 1)
    assert ZERO.is_zero and ZERO.is_homogeneous and ZERO.exponents.shape == (0, 3)
    assert ZERO.evaluate([1, 2, 3]) == 0
    assert ZERO.evaluate_floats([[1, 2, 3]]).tolist() == [0]
    assert ZERO.gradient() == (ZERO,) * 3
    assert Polynomial.constant(VARIABLES, 0) == ZERO


def test_there_are_polynomials_in_no_variables():
    five = Polynomial.constant((), 5)
    assert str(five * five + five**0) == "26"
    assert five.evaluate([]) == 5
    assert five.evaluate_floats(np.empty((2, 0))).tolist() == [5, 5]
    assert five.gradient() == ()


@pytest.mark.parametrize(
    ("variables", "exponents", "coefficients", "message"),
    [
        (["x"], [[-1]], [1], "exponents are integers from 0 to 2147483647, -1 is none"),
        (["x"], [[0.5]], [1], "0.5 is none"),
        (["x"], [[2.0], [0.5]], [1, 1], "0.5 is none"),
        (["x"], [["2"]], [1], "'2' is none"),
        (["x"], [[2**31]], [1], "2147483648 is none"),
        (["x"], [[10**30]], [1], "is none"),
        (["x", "y"], [[2**31 - 1, 1]], [1], "degree of more than"),
        (["x"], [[1], [2, 3]], [1, 2], "no list of rows"),
        (["x"], [[1, 2]], [1], r"shape \(1, 2\) do not fit 1 coefficients and 1 variables"),
        (["x"], [1], [1], r"shape \(1,\)"),
        (["x"], 1, [1], r"shape \(\)"),
        (["x"], [[1]], [1, 2], "2 coefficients"),
        (["x"], [], [1], "shape"),
        (["x"], [[1]], [math.nan], "nan is no rational number"),
        (["x", "x"], [[1, 1]], [1], "'x' is given twice"),
        ("xy", [[1, 1]], [1], "give a list of names"),
        (None, [[1, 1]], [1], "give a list of names"),
        ([1], [[1]], [1], "1 is no name"),
        (["2x"], [[1]], [1], "'2x' is no name"),
        (["x y"], [[1]], [1], "is no name"),
        (["é"], [[1]], [1], "is no name"),
    ],
)
def test_wrong_arrays_are_refused_in_one_line(variables, exponents, coefficients, message):
    with pytest.raises(InputError, match=message) as caught:
        Polynomial.from_arrays(variables, exponents, coefficients)
    assert "\n" not in str(caught.value)


def test_only_existing_variables_have_an_index():
    for index in (-1, 3):
        with pytest.raises(InputError, match="no variable"):
            Polynomial.variable(VARIABLES, index)


def test_the_arrays_given_are_copied_and_those_held_read_only():
    rows = np.array([[1, 2, 3]], dtype=np.int32)
    p = Polynomial.from_arrays(VARIABLES, rows, [1])
    rows[0, 0] = 9
    assert p.coefficient((1, 2, 3)) == 1
    with pytest.raises(ValueError, match="read-only"):
        p.exponents[0, 0] = 9


@given(polynomials())
def test_pickling_keeps_everything(p):
    copy = pickle.loads(pickle.dumps(p))
    assert copy == p and hash(copy) == hash(p)
    assert not copy.exponents.flags.writeable


@given(polynomials(), polynomials())
def test_equality_hash_and_content_hash_agree(p, q):
    assert (p == q) == (p.content_hash() == q.content_hash())
    assert p != q or hash(p) == hash(q)


def test_the_content_hash_knows_the_terms_but_not_the_names():
    p = Polynomial.of(("x", "y"), {(1, 0): 1})
    assert p.content_hash() == Polynomial.of(("u", "v"), {(1, 0): 1}).content_hash()
    others = [
        Polynomial.of(("x", "y"), {(0, 1): 1}),
        Polynomial.of(("x", "y"), {(1, 0): "1/2"}),
        Polynomial.of(("x",), {(1,): 1}),
        Polynomial.zero(("x", "y")),
        Polynomial.zero(("x",)),
    ]
    assert len({q.content_hash() for q in [p, *others]}) == 6
    # Recorded: runs are named by it.
    assert p.content_hash()[:16] == "39b9d0fc19c40ced"


def test_a_polynomial_differs_from_other_things():
    assert ONE != 1
    assert X != "x"
    assert Polynomial.variable(("x",), 0) != X


def test_the_repr_of_a_long_polynomial_is_cut():
    assert repr(X + 1) == "<Polynomial in x, y, z: x + 1>"
    assert repr((X + Y) ** 50).endswith("... (51 terms)>")
