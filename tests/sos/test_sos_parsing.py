import random

import pytest
import sympy
from flint import fmpq
from hypothesis import given
from hypothesis import strategies as st
from polynomial_strategies import VARIABLES, polynomials

from tasks.records import InputError
from tasks.sos import Polynomial, from_sympy, parse_polynomial
from tasks.sos.polynomials._parser import Parser

# --- what is read -----------------------------------------------------------------------------


@given(polynomials())
def test_the_text_of_a_polynomial_is_read_back(p):
    assert parse_polynomial(str(p), VARIABLES) == p


@given(polynomials(("b_1", "_", "A"), max_exponent=100))
def test_the_whole_grammar_reads_plain_texts_alike(p):
    assert Parser(str(p), p.variables).polynomial() == p


ATOMS = st.sampled_from(["x", "y", "z", "2", "1/3", "0.5", "7e-2", "x^2", "y**3"])
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.builds("({} + {})".format, inner, inner),
        st.builds("{}-{}".format, inner, inner).map("({})".format),
        st.builds("{}*{}".format, inner, inner),
        st.builds("-{}".format, inner).map("({})".format),
        st.builds("({})^{}".format, inner, st.integers(0, 3)),
        st.builds("({}) / {}".format, inner, st.sampled_from(["2", "0.25", "(1+2)"])),
    ),
    max_leaves=8,
)


@given(EXPRESSIONS)
def test_expressions_mean_what_they_mean_to_sympy(text):
    expression = sympy.sympify(text.replace("^", "**"), rational=True)
    assert parse_polynomial(text, VARIABLES) == from_sympy(expression, sympy.symbols(VARIABLES))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x^4 + 2*x*y - 3/2", "x^4 + 2*x*y - 3/2"),
        ("-x^2", "-x^2"),
        ("(-x)^2", "x^2"),
        ("2*-x - -y", "-2*x + y"),
        ("x*x*x^2", "x^4"),
        ("x/2/3", "1/6*x"),
        ("1/2*x/(1 + 2)", "1/6*x"),
        ("1e-3*x + 1.5E2", "1/1000*x + 150"),
        ("0.1*x", "1/10*x"),
        ("e2 + 2e2*e2", "201*e2"),
        ("1 - e", "-e + 1"),
        ("(x + y)**2 - (x - y)^2", "4*x*y"),
        ("2^10", "1024"),
        ("(1/2)^3*x", "1/8*x"),
        ("0^0 + 0*x^0", "1"),
        ("x - x", "0"),
        ("(x - x)*(y + 1)", "0"),
        (" \n x \t+\r\n 1 ", "x + 1"),
        ("((((x))))", "x"),
    ],
)
def test_texts_have_these_values(text, expected):
    assert str(parse_polynomial(text)) == expected


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("x10 + x9 + x1 + y + X + x1a", ("X", "x1", "x1a", "x9", "x10", "y")),
        ("x01 + x1 + x001", ("x001", "x01", "x1")),
        ("z*y*x", ("x", "y", "z")),
        ("b - b + a", ("a", "b")),
        ("3", ()),
    ],
)
def test_variables_are_those_that_occur_in_natural_order(text, variables):
    assert parse_polynomial(text).variables == variables


def test_variables_given_keep_their_order():
    assert parse_polynomial("x", ["y", "x"]).exponents.tolist() == [[0, 1]]


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the text is empty"),
        (" \n", "the text is empty"),
        (5, "5 is no text"),
        (None, "None is no text"),
        ("x +", "expected a number, a variable or '\\(' at the end of 'x \\+'"),
        ("2x", "expected an operator before 'x' at position 2, in '2x'"),
        ("x y", "expected an operator before 'y' at position 3"),
        ("x(y)", "expected an operator before '\\(' at position 2"),
        ("(x y)", "expected an operator before 'y' at position 4"),
        ("(x", "not closed, opened at position 1"),
        ("y + (x*(1 + x)", "not closed, opened at position 5"),
        ("x)", "closes no parenthesis at position 2"),
        ("()", "not '\\)', at position 2"),
        ("x // 2", "not '/', at position 4"),
        ("*x", "not '\\*', at position 1"),
        ("x²", "cannot read '²' at position 2"),
        ("x = 1", "cannot read '=' at position 3"),
        ("x[0]", "cannot read '\\[' at position 2"),
        ("x\0", "cannot read '\\\\x00' at position 2"),
        ("1..2", "expected an operator before '.2' at position 3"),
        ("x^-1", "a power is an integer from 0 on.*at position 3"),
        ("x^0.5", "a power is an integer from 0 on.*at position 3"),
        ("x^2.0", "a power is an integer from 0 on.*at position 3"),
        ("x^(1/2)", "a power is an integer from 0 on.*at position 3"),
        ("x^n", "a power is an integer from 0 on.*at position 3"),
        ("2^x", "a power is an integer from 0 on.*at position 3"),
        ("x^", "a power is an integer from 0 on.*at the end"),
        ("x^2^3", "a power of a power needs parentheses"),
        ("(x + 1)**2**3", "a power of a power needs parentheses"),
        ("1/x", "a divisor is not a number at position 3"),
        ("1/(x + 1)", "a divisor is not a number at position 3"),
        ("x/0", "division by zero at position 3"),
        ("x/(y - y)", "division by zero at position 3"),
        ("sin(x)", "expected an operator before '\\(' at position 4"),
    ],
)
def test_what_is_wrong_is_named_with_its_position(text, message):
    with pytest.raises(InputError, match=message) as caught:
        parse_polynomial(text)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=20) | st.text("xy12+-*/^(). e", max_size=20))
def test_any_text_is_a_polynomial_or_one_line_of_error(text):
    try:
        p = parse_polynomial(text)
    except InputError as error:
        assert 0 < len(str(error)) < 400
    else:
        assert parse_polynomial(str(p), p.variables) == p


@given(st.binary(max_size=200).map(lambda noise: noise.decode("latin-1")))
def test_noise_after_a_sum_is_refused_or_read_alike_by_both_parsers(noise):
    text = "x + 1 " + noise
    try:
        whole = Parser(text, ("x",)).polynomial()
    except InputError:
        with pytest.raises(InputError):
            parse_polynomial(text, ("x",))
    else:
        assert parse_polynomial(text, ("x",)) == whole


@pytest.mark.parametrize("name", ["nan", "NaN", "inf", "Infinity"])
def test_what_floats_are_called_is_a_variable_only_if_it_is_given_as_one(name):
    with pytest.raises(InputError, match=f"'{name}' is no rational number; if it is a variable"):
        parse_polynomial(f"x^2 + {name}")
    assert parse_polynomial(f"x^2 + {name}", ["x", name]).variables == ("x", name)


def test_unknown_variables_are_named_where_variables_are_given():
    with pytest.raises(InputError, match=r"unknown variable 'z' \(known: x, y\) at position 5"):
        parse_polynomial("x + z", ["x", "y"])
    with pytest.raises(InputError, match=r"known: none"):
        parse_polynomial("x", [])


@pytest.mark.parametrize("variables", ["x", ["x", "x"], [1], ["2"], 5])
def test_variables_that_are_no_names_are_refused(variables):
    with pytest.raises(InputError):
        parse_polynomial("x", variables)


# --- limits -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(x+y+z+w)^400", "may have more than 1000000 terms.* at position 1"),
        ("x^10001", "the degree is 10001: at most 10000"),
        ("x*" * 10_000 + "x", "the degree is 10001: at most 10000"),
        ("x^99999999999", "power '99999999999' is too large"),
        ("(x + 1)^99999999999", "is too large"),
        ("(x^10000)^300000", "degree of more than 2147483647"),
        ("10^100000000", "more than 1000000 bits at position 1"),
        (f"{'9' * 1000}*" * 400 + "x", "more than 1000000 bits"),
        ("1e999999999*x", "more than 100000 digits"),
        ("9" * 100_001, "more than 100000 digits"),
        ("(" * 101 + "x" + ")" * 101, "more than 100 nested parentheses at position 101"),
        ("(x+y+z+w)^50 + " * 1000 + "1", "more than 100000000 steps"),
        ("*".join(f"(x{i} + 1)" for i in range(40)), "takes more than 100000000 steps"),
        (" + ".join(f"x{i}" for i in range(10_001)), "10001 variables: at most 10000"),
        ("x" * 2**26 + "x", "67108865 characters: at most 67108864"),
    ],
    ids=range(15),
)
def test_what_is_too_large_is_refused(text, message):
    with pytest.raises(InputError, match=message) as caught:
        parse_polynomial(text)
    assert len(str(caught.value)) < 300


def test_long_chains_of_signs_and_factors_do_not_exhaust_the_stack():
    assert str(parse_polynomial("-" * 100_001 + "x")) == "-x"
    assert parse_polynomial("(x+1)*" * 300 + "1") == parse_polynomial("(x+1)^300")
    assert str(parse_polynomial("(" * 100 + "x" + ")" * 100)) == "x"


def test_hundred_thousand_terms_are_read():
    rng = random.Random(0)
    terms = {tuple(rng.randrange(12) for _ in range(6)): rng.randint(1, 99) for _ in range(10**5)}
    p = Polynomial.of([f"x{i}" for i in range(6)], terms)
    text = str(p)
    assert parse_polynomial(text) == p


# --- SymPy ------------------------------------------------------------------------------------

X, Y = sympy.symbols("x y")


@given(polynomials())
def test_sympy_reads_the_text_and_gives_it_back(p):
    assert from_sympy(sympy.sympify(str(p), rational=True), sympy.symbols(VARIABLES)) == p


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ((X + Y) ** 2 / 3, parse_polynomial("(x + y)^2/3")),
        (sympy.Poly(X**2 + Y), parse_polynomial("x^2 + y")),
        (sympy.Rational(3, 2), parse_polynomial("3/2")),
        (sympy.Symbol("x10") * sympy.Symbol("x9"), parse_polynomial("x9*x10")),
        (0.5 * X + sympy.Rational(1, 3), parse_polynomial("1/2*x + 1/3")),
    ],
)
def test_sympy_expressions_are_read_exactly(expression, expected):
    assert from_sympy(expression) == expected


def test_floats_in_sympy_are_taken_as_the_binary_fractions_they_are():
    numerator, denominator = (0.1).as_integer_ratio()
    assert from_sympy(0.1 * X).coefficient((1,)) == fmpq(numerator, denominator)


@pytest.mark.parametrize(
    "expression",
    [
        *(sympy.sin(X), 1 / X, sympy.sqrt(2) * X, sympy.I * X, sympy.pi * X, X**Y),
        *(sympy.oo * X, sympy.nan, "x +", Ellipsis, X ** sympy.Rational(1, 2), sympy.Symbol("a b")),
    ],
    ids=str,
)
def test_other_expressions_are_refused(expression):
    with pytest.raises(InputError):
        from_sympy(expression)


def test_symbols_outside_the_generators_are_refused():
    with pytest.raises(InputError):
        from_sympy(X + Y, [X])


@pytest.mark.parametrize("power", [10**4 + 1, 10**6, 10**10])
def test_powers_of_sympy_expressions_have_the_limit_of_texts(power):
    """Without it SymPy would expand them until memory is over."""
    with pytest.raises(InputError, match="at most 10000 is allowed"):
        from_sympy(X**power + 1)
    with pytest.raises(InputError, match="at most 10000 is allowed"):
        from_sympy((X + 1) ** power)


def test_the_degree_of_a_product_of_sympy_powers_has_the_limit_of_texts():
    with pytest.raises(InputError, match="the degree is 18000: at most 10000 is allowed"):
        from_sympy(X**9000 * Y**9000)
