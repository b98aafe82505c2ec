"""From polynomials to verdicts: trivial inputs, invariances, determinism, limits and options."""

from itertools import permutations

import numpy as np
import pytest
from flint import fmpq
from hypothesis import given, settings
from polynomial_strategies import polynomials

from tasks.sos import Polynomial, load_polynomials, parse_polynomial
from tasks.sos.certify import Settings, certify
from tasks.sos.checker.verification import verify_sos_certificate
from tasks.sos.verdict import Verdict

CLAIMS = {Verdict.PROVED: "sos", Verdict.REFUTED_SOS: "not_sos", Verdict.NEGATIVE: "negative"}
MOTZKIN = "x^4*y^2 + x^2*y^4 - 3*x^2*y^2 + 1"
SAMPLES = {
    "x^4 - 2*x*y^2 + y^4 + 2": Verdict.PROVED,
    "(x^2 - y)^2 + (x*y - 1)^2 + (x - y)^2": Verdict.PROVED,
    MOTZKIN: Verdict.REFUTED_SOS,
    "x^4 + y^4 - 3*x*y + 1": Verdict.NEGATIVE,
}


def checked(polynomial, settings=None):
    """The outcome; a certificate must hold for the polynomial itself."""
    if isinstance(polynomial, str):
        polynomial = parse_polynomial(polynomial, ("x", "y"))
    found = certify(polynomial, settings)
    assert (found.certificate is not None) == found.verdict.is_exact
    assert found.reason
    if found.certificate is not None:
        assert found.certificate.polynomial == polynomial
        outcome = verify_sos_certificate(found.certificate.to_data())
        assert outcome.valid, outcome.summary
        assert outcome.claim == CLAIMS[found.verdict]
    return found


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("0", Verdict.PROVED),
        ("3/2", Verdict.PROVED),
        ("-3/2", Verdict.NEGATIVE),
        ("x", Verdict.NEGATIVE),
        ("-x + 7", Verdict.NEGATIVE),
        ("x + y + 10^9", Verdict.NEGATIVE),
        ("x^3 + y^2", Verdict.NEGATIVE),
        ("x^5 + x^4 + 1", Verdict.NEGATIVE),
        ("x^2", Verdict.PROVED),
        ("-x^2", Verdict.NEGATIVE),
        ("x*y", Verdict.NEGATIVE),
        ("x^2*y^2", Verdict.PROVED),
        ("x^2*y^4/7", Verdict.PROVED),
        ("x^4*y^3", Verdict.NEGATIVE),
        ("x^2 - 1", Verdict.NEGATIVE),
        ("x^2 + 1", Verdict.PROVED),
        ("x^2 - 2*x*y + y^2", Verdict.PROVED),
        ("x^2 - 4*x*y + y^2", Verdict.NEGATIVE),
        ("x^4 - y^4 + 100", Verdict.NEGATIVE),
        ("-x^6 + 10*x^2*y^2", Verdict.NEGATIVE),
        ("x^2*y + 1", Verdict.NEGATIVE),
        ("x^2*y^2 + x + 1", Verdict.NEGATIVE),
    ],
)
def test_trivial_inputs_have_the_right_verdict(text, verdict):
    assert checked(text).verdict is verdict


@pytest.mark.parametrize("value", [0, 1, -1])
def test_constants_without_variables_are_decided(value):
    expected = Verdict.NEGATIVE if value < 0 else Verdict.PROVED
    assert checked(Polynomial.constant((), value)).verdict is expected


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("(x - 1)^2*(x - 2)^2*(x^2 + 1)", Verdict.PROVED),
        ("x^8 - 4*x^3 + 7*x^2 + 1", Verdict.PROVED),
        ("(x^3 - 2)^2", Verdict.PROVED),
        ("(x^2 - 3)^2*(7*x - 5)^2 + (x^2 - 3)^4", Verdict.PROVED),
        ("(x - 1)^2*(x - 2)^2 - 1/1000", Verdict.NEGATIVE),
        ("x^10 - x^8 - 1", Verdict.NEGATIVE),
    ],
)
def test_univariate_polynomials_are_decided(text, verdict):
    assert checked(parse_polynomial(text)).verdict is verdict


@given(polynomials(("x", "y"), max_exponent=2))
@settings(max_examples=30)
def test_squares_are_never_refuted_and_certificates_always_hold(q):
    found = checked(q * q + Polynomial.constant(q.variables, 1))
    assert found.verdict in (Verdict.PROVED, Verdict.NUMERICAL, Verdict.UNDECIDED)
    checked(q)


@pytest.mark.parametrize(("text", "verdict"), SAMPLES.items())
def test_equal_input_gives_equal_bytes(text, verdict):
    p = parse_polynomial(text)
    first, again = certify(p, Settings(seed=4)), certify(p, Settings(seed=4))
    assert first.verdict is again.verdict is verdict
    assert first.certificate.to_json() == again.certificate.to_json()
    assert [a.block_sizes for a in first.attempts] == [a.block_sizes for a in again.attempts]


@pytest.mark.parametrize(("text", "verdict"), SAMPLES.items())
@pytest.mark.parametrize("seed", [1, 2])
def test_the_seed_does_not_change_the_verdict(text, verdict, seed):
    assert checked(text, Settings(seed=seed)).verdict is verdict


def permuted(p, order):
    rows = p.exponents[:, list(order)]
    return Polynomial.from_arrays(p.variables, rows, list(p.coefficients))


@pytest.mark.parametrize(("text", "verdict"), SAMPLES.items())
def test_names_and_order_of_the_variables_do_not_matter(text, verdict):
    p = parse_polynomial(text, ("x", "y"))
    for order in permutations(range(2)):
        assert checked(permuted(p, order)).verdict is verdict
    renamed = Polynomial.from_arrays(("u", "v"), p.exponents, list(p.coefficients))
    found = checked(renamed)
    assert found.verdict is verdict
    # As texts: a bound that is NaN equals itself there.
    assert str(found.attempts) == str(certify(p).attempts) or verdict is Verdict.PROVED


@pytest.mark.parametrize("factor", [fmpq(1, 3), fmpq(10**9), fmpq(1, 10**12), fmpq(2**90)], ids=str)
@pytest.mark.parametrize(("text", "verdict"), SAMPLES.items())
def test_positive_multiples_have_the_same_verdict(text, verdict, factor):
    assert checked(parse_polynomial(text) * factor).verdict is verdict


@pytest.mark.parametrize("factor", [fmpq(10**400), fmpq(1, 10**400)], ids=["large", "small"])
@pytest.mark.parametrize("text", SAMPLES)
def test_coefficients_beyond_floats_never_raise(text, factor):
    found = checked(parse_polynomial(text) * factor)
    assert found.verdict in (SAMPLES[text], Verdict.UNDECIDED)


@pytest.mark.parametrize(
    "text",
    [
        "1e67*x^4 + 1e119*x^2*y^2 + 1e-80*y^4 - x*y + x^3 - 1e-81*y + 1e-5",
        "1e-169*x^6 + 1e65*x^4 - x^3 + 1e-148*x^2 - x + 1e78",
        "1e4*x^6 + 1e-160*x^4 - x^3 + 1e146*x^2 - x + 1e-97",
        "5*x^6 - 1.4e126*x^3*y + 4e48*x^2*y^2 + 3*y^4 + 6e103*x*y^2 + 3e-139*y^2 + 2e101",
    ],
)
def test_coefficients_of_all_magnitudes_never_raise_nor_hang(text):
    """Squares of numbers on the way are beyond floats."""
    allowed = (Verdict.PROVED, Verdict.NEGATIVE, Verdict.UNDECIDED)
    assert checked(parse_polynomial(text)).verdict in allowed


@pytest.mark.parametrize(("text", "verdict"), SAMPLES.items())
def test_scaled_variables_keep_the_verdict(text, verdict):
    p = parse_polynomial(text, ("x", "y"))
    assert checked(p.scaled([12, -9])).verdict is verdict


def test_no_time_is_undecided_with_a_reason():
    found = checked("(x^2 - y)^2 + (x*y - 1)^2 + 1/7", Settings(seconds=0.0))
    assert found.verdict is Verdict.UNDECIDED
    assert "time" in found.reason or " s " in found.reason


@pytest.mark.parametrize("seconds", [1e-4, 0.05])
def test_little_time_never_raises(seconds):
    [entry] = load_polynomials(["benchmarks#gen_rosenbrock_10"])
    found = checked(entry.polynomial, Settings(seconds=seconds))
    assert found.verdict in (Verdict.UNDECIDED, Verdict.NUMERICAL, Verdict.PROVED)


@pytest.mark.parametrize("basis", ["auto", "newton", "full"])
@pytest.mark.parametrize(("text", "verdict"), SAMPLES.items())
def test_complete_bases_give_the_same_verdict(text, verdict, basis):
    found = checked(text, Settings(basis=basis))
    assert found.verdict is verdict
    if basis != "auto":
        assert {attempt.rule for attempt in found.attempts} <= {basis}


@pytest.mark.parametrize(("text", "verdict"), SAMPLES.items())
def test_the_small_basis_alone_claims_nothing_false(text, verdict):
    found = checked(text, Settings(basis="even-sqrt"))
    assert found.verdict in (verdict, Verdict.UNDECIDED)
    assert found.verdict is not Verdict.REFUTED_SOS


@pytest.mark.parametrize(("text", "verdict"), SAMPLES.items())
def test_the_components_of_term_sparsity_lose_nothing(text, verdict):
    """Products across them are neither terms nor products within."""
    assert checked(text, Settings(blocks="term")).verdict is verdict


CHORDAL_LOSES = (
    "x^2*y^2 + 2*x^2*y + 4*x*y^2 + 2*x^2 + 4*y^2 - 8*y + 8",
    "101/100*x^4 + 2/3*x^3*y + 1/9*x^2*y^2 + 1/49*y^4 - 1/300*x^3 - 2/7*y^3 + 9/7*y^2 - 2*y + 1",
    "chordal_tssos_ex35",
)
"""Sums of squares without a Gram matrix that is a sum over cliques."""


@pytest.mark.parametrize("given", CHORDAL_LOSES)
def test_cliques_do_not_refute_a_sum_of_squares_that_they_lose(given):
    """A functional that is positive on every clique need not be positive on their union."""
    (entry,) = load_polynomials([given])
    found = checked(entry.polynomial, Settings(blocks="chordal"))
    assert found.verdict is Verdict.UNDECIDED
    assert "blocks=sign" in found.reason
    assert checked(entry.polynomial, Settings()).verdict is Verdict.PROVED


@pytest.mark.parametrize("blocks", ["term", "chordal"])
def test_no_blocks_contradict_what_is_known_of_the_classics(blocks):
    for entry in load_polynomials(["benchmarks"]):
        found = checked(entry.polynomial, Settings(blocks=blocks))
        if found.verdict.is_exact:
            assert (found.verdict is Verdict.PROVED) == entry.known["is_sos"], entry.name


def test_a_unique_choice_for_cliques_refutes_nothing():
    """K = 0 between the cliques says nothing of the whole Gram matrix."""
    rng = np.random.default_rng(11)
    for _ in range(60):
        factor = rng.integers(-3, 4, (3, 6))
        monomials = ["1", "x", "y", "x^2", "x*y", "y^2"]
        text = " + ".join(
            "(" + " + ".join(f"({c})*{z}" for c, z in zip(row, monomials, strict=True)) + ")^2"
            for row in factor.tolist()
        )
        found = checked(text, Settings(blocks="chordal"))
        assert found.verdict not in (Verdict.REFUTED_SOS, Verdict.NEGATIVE), text


def test_stages_and_attempts_are_recorded():
    found = checked(MOTZKIN)
    assert all(seconds >= 0 for seconds in found.seconds.values())
    assert found.attempts[-1].basis_size == sum(found.attempts[-1].block_sizes) == 4
    assert found.attempts[-1].num_free == 0


def test_a_basis_that_was_tried_before_is_marked():
    attempts = checked(MOTZKIN).attempts
    assert [(a.rule, a.basis_size, a.is_repeated) for a in attempts] == [
        ("even-sqrt", 4, False),
        ("newton", 4, True),
    ]


def test_verdicts_say_what_they_are():
    exact = {verdict for verdict in Verdict if verdict.is_exact}
    assert exact == {Verdict.PROVED, Verdict.REFUTED_SOS, Verdict.NEGATIVE}
    assert len({verdict.explanation for verdict in Verdict}) == len(Verdict)
    assert all(verdict.explanation.endswith(".") for verdict in Verdict)
