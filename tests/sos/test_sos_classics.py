"""The classical problems: no wrong answer, and proofs for nearly all."""

from functools import lru_cache

import pytest
from basis_oracles import most_bases

from tasks.sos import Polynomial, load_polynomials
from tasks.sos.certify import Certification, Settings, certify
from tasks.sos.checker.verification import verify_sos_certificate
from tasks.sos.gram.numerics import solve_numerically
from tasks.sos.verdict import Verdict

CLASSICS = {entry.name: entry for entry in load_polynomials(["benchmarks"])}
SUMS = [name for name, entry in CLASSICS.items() if entry.known["is_sos"]]
OTHERS = [name for name in CLASSICS if name not in SUMS]
NUMERICAL = {"scheiderer_quartic"}
"""Sums of squares over the real numbers, but not over the rational ones."""

LONG = {
    "broyden_banded_6",
    "chained_singular_8",
    "discrete_boundary_4",
    "dixon_price_5",
    "gen_rosenbrock_10",
    "katsura_3_ss",
}
"""Seconds over half of the Newton polytope."""


@lru_cache
def certified(name: str) -> Certification:
    polynomial = CLASSICS[name].polynomial
    assert polynomial is not None
    return certify(polynomial)


def is_checked(found: Certification, claim: str) -> bool:
    """Whether there is a valid certificate of a claim about the polynomial itself."""
    assert found.certificate is not None
    outcome = verify_sos_certificate(found.certificate.to_data())
    return outcome.valid and outcome.claim == claim


def test_there_are_fifty_of_known_status():
    assert len(SUMS) == 33
    assert len(OTHERS) == 17


@pytest.mark.parametrize("name", [name for name in SUMS if name not in NUMERICAL])
def test_a_rational_sum_of_squares_is_proved(name):
    found = certified(name)
    assert found.verdict is Verdict.PROVED, found.reason
    assert found.certificate.polynomial == CLASSICS[name].polynomial
    assert is_checked(found, "sos")


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_sum_of_squares_is_refuted_exactly(name):
    found = certified(name)
    claims = {Verdict.REFUTED_SOS: "not_sos", Verdict.NEGATIVE: "negative"}
    assert found.verdict in claims, found.reason
    assert found.certificate.polynomial == CLASSICS[name].polynomial
    assert is_checked(found, claims[found.verdict])


@pytest.mark.parametrize("name", OTHERS)
def test_a_nonnegative_polynomial_is_never_called_negative(name):
    if CLASSICS[name].known["is_nonneg"]:
        assert certified(name).verdict is Verdict.REFUTED_SOS
    else:
        assert certified(name).verdict is Verdict.NEGATIVE


def test_himmelblau_minus_one_is_negative():
    """The minimum is -1, at (3, 2): a tolerance of 1e-3 takes it for a sum of squares."""
    found = certified("neg_himmelblau_minus1")
    assert found.verdict is Verdict.NEGATIVE
    assert is_checked(found, "negative")
    assert CLASSICS["neg_himmelblau_minus1"].polynomial.evaluate(found.certificate.point) < 0


def test_brown_badly_scaled_is_proved():
    """Coefficients from 1e-12 to 1e12."""
    found = certified("brown_badly_scaled")
    assert found.verdict is Verdict.PROVED
    assert is_checked(found, "sos")


def test_scheiderer_is_numerical():
    """A sum of squares over the real numbers, not over the rational ones: nothing is claimed."""
    found = certified("scheiderer_quartic")
    assert found.verdict is Verdict.NUMERICAL
    assert found.certificate is None
    assert abs(found.attempts[-1].lower) < 1e-8


def test_the_norm_times_parrilo_is_split_by_sign_symmetries_and_not_refuted():
    """|x|^2 * B_2: 8 variables, degree 6; a sum of squares with blocks of size at most 8."""
    form = CLASSICS["parrilo_B2"].polynomial
    assert form is not None
    squares = [Polynomial.variable(form.variables, i) ** 2 for i in range(8)]
    p = form * sum(squares[1:], squares[0])
    assert (p.num_variables, p.degree) == (8, 6)
    found = certify(p)
    assert found.verdict in (Verdict.PROVED, Verdict.NUMERICAL), found.reason
    assert max(found.attempts[-1].block_sizes) <= 8
    assert sum(found.attempts[-1].block_sizes) == 120
    if found.certificate is not None:
        assert is_checked(found, "sos")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in LONG else n for n in CLASSICS]
)
def test_the_cascade_decides_as_half_of_the_newton_polytope_does(name, monkeypatch):
    p = CLASSICS[name].polynomial
    full = certify(p, Settings(basis="newton"))
    solved = []

    def watched(problem, **options):
        solved.append(problem)
        return solve_numerically(problem, **options)

    monkeypatch.setattr("tasks.sos.certify.solve_numerically", watched)
    found = certify(p, Settings(basis="cascade"))
    assert found.verdict is full.verdict
    # A basis that is tried again is not solved again.
    sizes = [attempt.basis_size for attempt in found.attempts]
    assert len(solved) <= (most_bases(min(sizes), max(sizes)) if sizes else 0)
